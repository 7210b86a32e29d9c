//! What a user does about a restore that is refused or fails.

use fm_restore::RestoreError;

use crate::{Failure, MOVED_AWAY};

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Audit(error) => error.into(),
            RestoreError::Store(error) => error.into(),
            RestoreError::Backup(error) => error.into(),
            RestoreError::Files(error) => {
                let hint = "nothing was changed; give the backup as the guardian's server wrote it";
                crate::of_files(&error).or_hint(Some(hint))
            }
            error => Self::from_error(error.kind().into(), &error).or_hint(hint_of(&error)),
        }
    }
}

/// Returns what to do.
fn hint_of(error: &RestoreError) -> Option<&'static str> {
    let hint = match error {
        RestoreError::Signed(_) => {
            "look at it: it is fm-node's own record, and says whose it is; nothing was changed"
        }
        RestoreError::MovedAway(_) => MOVED_AWAY,
        RestoreError::NoNumber { .. } => {
            "give the guardian's own data directory, with its consensus.json and local.json"
        }
        RestoreError::OtherMove { .. } => {
            "finish it with the archive that it was begun with, or take it back with `fm-checkpoint move --undo`"
        }
        RestoreError::MovingBack { .. } => "finish it with `fm-checkpoint move --undo`",
        RestoreError::NothingMoved { .. } => "nothing was changed; check --data-dir",
        RestoreError::MayHaveRun { .. } => {
            "nothing was changed. --guard-until none if it was never started there; else stop it there, and give the highest \
             session count of the other guardians, and 1 more"
        }
        RestoreError::StaysSealed { is_interrupted: true, .. } => {
            "run the same command again to finish it; `fm-checkpoint move --undo` leads back"
        }
        RestoreError::StaysSealed { .. } => {
            "run the same command again to finish it; `fm-checkpoint move --undo` leads back"
        }
        RestoreError::Mounted { .. } => {
            "nothing was changed; restore into a new directory inside of it, and move what is in that to the mount point before \
             a guardian is started there"
        }
        RestoreError::NotEmpty { .. } => {
            "nothing was changed; give a directory that does not exist, or an empty one. A guardian that has a database is \
             restored without --backup"
        }
        RestoreError::NotADataDir { .. } => "give the directory that holds `database` and consensus.json",
        RestoreError::Link { .. } => {
            "put the database itself there; `mount --bind` on the data directory keeps it on another disk"
        }
        RestoreError::Busy { .. } => "wait for it; `fm-checkpoint status` says how far it is",
        RestoreError::NotOurs { .. } => {
            "look at it, and move it away if no restore is under way; nothing was changed"
        }
        RestoreError::Newer { .. } => "use the program that wrote it; nothing was changed",
        RestoreError::OtherEra { .. } => "`fm-migrate` converts older histories into the current schema",
        RestoreError::Migrated { .. } => "give a checkpoint, or an archive that `fm-checkpoint export` made",
        RestoreError::NotFull { .. } => "only an archive with the profile full can be restored",
        RestoreError::OtherFederation { .. } => "give this federation's archive",
        RestoreError::OtherGuardian { .. } => {
            "another guardian's backups and module state are not yours; if you know that this archive is yours, \
             --accept-other-guardian restores it"
        }
        RestoreError::NotWhole { .. } | RestoreError::NotProven { .. } => {
            "nothing was changed; `fm-verify` lists every finding, and another checkpoint or archive may hold"
        }
        RestoreError::WrongKeys { .. } => {
            "nothing was changed; name the federation's own consensus.json with --config, or its keys with --keys"
        }
        RestoreError::NoCheckpointName { .. } => {
            "`fm-checkpoint list` shows the checkpoints; `latest` is the newest good one"
        }
        RestoreError::OtherSession { .. } => {
            "nothing was changed; the directory was renamed, or is not a server's checkpoint"
        }
        RestoreError::Disagree { .. } => {
            "nothing was changed; `fm-checkpoint compare` shows which guardians agree, and since when"
        }
        RestoreError::GuardUnknown { .. } => {
            "ask every other guardian for its session count, take the highest, add 1, and give it with --guard-until; a server \
             that was stopped exactly at the end of a session looks like a copy, too"
        }
        RestoreError::GuardTooLow { .. } => "nothing was changed; leave it out, or give a higher one",
        RestoreError::PermanentLoss { .. } => {
            "nothing was changed; look for a newer checkpoint or archive; if nothing newer exists, \
             --accept-permanent-loss continues"
        }
        RestoreError::UnderWay { .. } => {
            "finish it with the command that began it, or take it back with `fm-checkpoint undo`"
        }
        RestoreError::Undoing { .. } => "finish it with `fm-checkpoint undo`",
        RestoreError::NothingToUndo { .. } => "`fm-checkpoint status` says what there is",
        RestoreError::Written { .. } => {
            "nothing was changed; --discard-written discards what was written, and the guard then covers its units"
        }
        RestoreError::InTheWay { .. } => "move it away; nothing was changed",
        RestoreError::ReadBack { .. } => {
            "the old database is in its place; check the disk, and that nothing else writes"
        }
        RestoreError::PutBack { .. } => "check the disk before you try again",
        RestoreError::NotItself { .. } => {
            "if a node has run since, that is why; `fm-checkpoint undo` leads back, `fm-verify` says what is wrong"
        }
        RestoreError::AfterSwap { .. } => {
            "run the same command again to finish it; `fm-checkpoint undo` leads back"
        }
        RestoreError::Audit(_)
        | RestoreError::Store(_)
        | RestoreError::Backup(_)
        | RestoreError::Files(_) => {
            return None;
        }
    };
    Some(hint)
}
