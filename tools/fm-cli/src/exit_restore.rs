//! Exit status and hint of a restore that is refused or fails.

use fm_restore::RestoreError;

use crate::{Exit, Failure, MOVED_AWAY};

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Audit(error) => error.into(),
            RestoreError::Store(error) => error.into(),
            RestoreError::Backup(error) => error.into(),
            RestoreError::Migration(error) => error.into(),
            RestoreError::Files(error) => {
                let hint = "nothing was changed; give the backup as the guardian's server wrote it";
                crate::of_files(&error).or_hint(Some(hint))
            }
            error => {
                let (exit, hint) = ending(&error);
                Self::from_error(exit, &error).or_hint(hint)
            }
        }
    }
}

/// Returns the exit status and what to do.
fn ending(error: &RestoreError) -> (Exit, Option<String>) {
    let (exit, hint) = match error {
        RestoreError::Signed(_) => (
            Exit::CannotLook,
            "look at it: it is fm-node's own record, and says whose it is; nothing was changed",
        ),
        RestoreError::MovedAway(_) => (Exit::Findings, MOVED_AWAY),
        RestoreError::NoNumber { .. } => {
            (Exit::Usage, "give the guardian's own data directory, with its consensus.json and local.json")
        }
        RestoreError::OtherMove { .. } => (
            Exit::Usage,
            "finish it with the archive that it was begun with, or take it back with `fm-checkpoint move --undo`",
        ),
        RestoreError::MovingBack { .. } => (Exit::Usage, "finish it with `fm-checkpoint move --undo`"),
        RestoreError::NothingMoved { .. } => (Exit::Usage, "nothing was changed; check --data-dir"),
        RestoreError::MayHaveRun { .. } => (
            Exit::Usage,
            "nothing was changed. --guard-until none if it was never started there; else stop it there, and give the highest \
             session count of the other guardians, and 1 more",
        ),
        RestoreError::StaysSealed { is_interrupted: true, .. } => (
            Exit::Interrupted,
            "run the same command again to finish it; `fm-checkpoint move --undo` leads back",
        ),
        RestoreError::StaysSealed { .. } => (
            Exit::CannotLook,
            "run the same command again to finish it; `fm-checkpoint move --undo` leads back",
        ),
        RestoreError::Mounted { .. } => (
            Exit::Usage,
            "nothing was changed; restore into a new directory inside of it, and move what is in that to the mount point before \
             a guardian is started there",
        ),
        RestoreError::NotEmpty { .. } => (
            Exit::Usage,
            "nothing was changed; give a directory that does not exist, or an empty one. A guardian that has a database is \
             restored without --backup",
        ),
        RestoreError::NotADataDir { .. } => {
            (Exit::Usage, "give the directory that holds `database` and consensus.json")
        }
        RestoreError::Link { .. } => (
            Exit::Usage,
            "put the database itself there; `mount --bind` on the data directory keeps it on another disk",
        ),
        RestoreError::Busy { .. } => (Exit::Locked, "wait for it; `fm-checkpoint status` says how far it is"),
        RestoreError::NotOurs { .. } => {
            (Exit::CannotLook, "look at it, and move it away if no restore is under way; nothing was changed")
        }
        RestoreError::Newer { .. } => {
            (Exit::CannotLook, "use the program that wrote it; nothing was changed")
        }
        RestoreError::OtherEra { .. } => {
            (Exit::Usage, "`fm-migrate` converts older histories into the current schema")
        }
        RestoreError::Migrated { .. } => {
            (Exit::Usage, "give a checkpoint, or an archive that `fm-checkpoint export` made")
        }
        RestoreError::NotFull { .. } => {
            (Exit::Usage, "only an archive with the profile full can be restored")
        }
        RestoreError::OtherFederation { .. } => (Exit::Findings, "give this federation's archive"),
        RestoreError::OtherGuardian { .. } => (
            Exit::Findings,
            "another guardian's backups and module state are not yours; if you know that this archive is yours, \
             --accept-other-guardian restores it",
        ),
        RestoreError::NotWhole { .. } | RestoreError::NotProven { .. } => (
            Exit::Findings,
            "nothing was changed; `fm-verify` lists every finding, and another checkpoint or archive may hold",
        ),
        RestoreError::WrongKeys { .. } => (
            Exit::Findings,
            "nothing was changed; name the federation's own consensus.json with --config, or its keys with --keys",
        ),
        RestoreError::NoCheckpointName { .. } => {
            (Exit::Usage, "`fm-checkpoint list` shows the checkpoints; `latest` is the newest good one")
        }
        RestoreError::OtherSession { .. } => (
            Exit::Findings,
            "nothing was changed; the directory was renamed, or is not a server's checkpoint",
        ),
        RestoreError::Disagree { .. } => (
            Exit::Findings,
            "nothing was changed; `fm-checkpoint compare` shows which guardians agree, and since when",
        ),
        RestoreError::GuardUnknown { .. } => (
            Exit::Usage,
            "ask every other guardian for its session count, take the highest, add 1, and give it with --guard-until; a server \
             that was stopped exactly at the end of a session looks like a copy, too",
        ),
        RestoreError::GuardTooLow { .. } => {
            (Exit::Usage, "nothing was changed; leave it out, or give a higher one")
        }
        RestoreError::PermanentLoss { .. } => (
            Exit::Usage,
            "nothing was changed; look for a newer checkpoint or archive; if nothing newer exists, \
             --accept-permanent-loss continues",
        ),
        RestoreError::UnderWay { .. } => (
            Exit::Usage,
            "finish it with the command that began it, or take it back with `fm-checkpoint undo`",
        ),
        RestoreError::Undoing { .. } => (Exit::Usage, "finish it with `fm-checkpoint undo`"),
        RestoreError::NothingToUndo { .. } => (Exit::Usage, "`fm-checkpoint status` says what there is"),
        RestoreError::Written { .. } => (
            Exit::Findings,
            "nothing was changed; --discard-written discards what was written, and the guard then covers its units",
        ),
        RestoreError::InTheWay { .. } => (Exit::Usage, "move it away; nothing was changed"),
        RestoreError::ReadBack { .. } => (
            Exit::CannotLook,
            "the old database is in its place; check the disk, and that nothing else writes",
        ),
        RestoreError::PutBack { .. } => (Exit::CannotLook, "check the disk before you try again"),
        RestoreError::NotItself { .. } => (
            Exit::CannotLook,
            "if a node has run since, that is why; `fm-checkpoint undo` leads back, `fm-verify` says what is wrong",
        ),
        RestoreError::AfterSwap { interrupted: true, .. } => {
            (Exit::Interrupted, "run the same command again to finish it; `fm-checkpoint undo` leads back")
        }
        RestoreError::AfterSwap { .. } => {
            (Exit::CannotLook, "run the same command again to finish it; `fm-checkpoint undo` leads back")
        }
        RestoreError::Audit(_)
        | RestoreError::Store(_)
        | RestoreError::Backup(_)
        | RestoreError::Migration(_)
        | RestoreError::Files(_) => {
            return (Exit::CannotLook, None);
        }
    };
    (exit, Some(hint.to_owned()))
}
