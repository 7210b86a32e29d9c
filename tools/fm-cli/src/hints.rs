//! What a user does about a library's error: the hints of the tools, which name their options.
//!
//! The exit status is that of the error's kind.

use std::io;

use fm_audit::{AuditError, TrustError};
use fm_backup::BackupError;
use fm_migration::{MigrationError, SealError};
use fm_store::StoreError;

use crate::moved_away::{moved_from, of_store};
use crate::secrets::of_files;
use crate::{Exit, Failure};

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let Some(failure) = of_store(&error) {
            return failure;
        }
        let hint = match &error {
            StoreError::Missing { .. } => Some("check the path; nothing was created"),
            StoreError::NotADirectory { .. } | StoreError::NotADatabase { .. } => {
                Some("give the guardian's data directory, or the `database` directory inside it")
            }
            StoreError::Locked { .. } => {
                Some("stop the process that uses it, or work on a copy or a checkpoint")
            }
            StoreError::FileMissing { .. } => {
                Some("copy the whole directory again, while the guardian is stopped")
            }
            StoreError::Damaged { .. } => {
                Some("try another copy, a checkpoint, or another guardian's database")
            }
            StoreError::OutOfSpace { .. } => {
                Some("nothing was left at the target; make room and run the same command")
            }
            StoreError::AlreadyExists { .. } => Some("choose a target that does not exist"),
            StoreError::Linked { .. } => Some("nothing was changed"),
            StoreError::Pinned { .. } => Some(
                "nothing was changed; make it a plain directory: `cp -a` it beside itself, unmount it, and rename the \
                     copy, or mount the file system on the data directory instead",
            ),
            StoreError::PathNotText { .. } => {
                Some("rename the directory, or give a symbolic link to it whose name is UTF-8")
            }
            StoreError::NoLocks { .. } => Some(
                "mount it with locks (NFS version 4, or with rpc.statd), or work on a copy on a local disk",
            ),
            StoreError::NoDirectorySync { .. } => {
                Some("nothing was left at the target; choose a target on a local disk")
            }
            StoreError::ForeignPartial { .. } => Some("move it away, or choose another target"),
            StoreError::ForeignColumns { .. }
            | StoreError::Io { .. }
            | StoreError::Write { .. }
            | StoreError::Unsorted { .. } => None,
        };
        Self::from_error(error.kind().into(), &error).or_hint(hint)
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            // At a place that a guardian was moved away from, a file has the database's name and is read as
            // an archive.
            AuditError::Archive { ref path, .. } => {
                moved_from(path).unwrap_or_else(|| Self::from_error(error.kind().into(), &error))
            }
            AuditError::Interrupted => Self::new(Exit::Interrupted, "interrupted; no partial result remains")
                .hint("run the same command again to do it whole"),
            AuditError::OtherArchive { .. } => Self::from_error(error.kind().into(), &error).hint(
                "`fm-verify` says what else is wrong; to use the archive nevertheless, give the file itself",
            ),
            AuditError::Increment { .. } => Self::from_error(error.kind().into(), &error)
                .hint("`fm-checkpoint verify ARCHIVE --base BASE` proves it together with that archive"),
            AuditError::Headers { .. } => Self::from_error(error.kind().into(), &error)
                .hint("`fm-checkpoint verify ARCHIVE` proves them"),
            AuditError::Pending { .. } => Self::from_error(error.kind().into(), &error)
                .hint("`fm-verify ARCHIVE` checks that it follows from its accepted items"),
            error => Self::from_error(error.kind().into(), &error),
        }
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let error = match error {
            TrustError::Write(error) => return error.into(),
            error => error,
        };
        let hint = match error {
            TrustError::File { .. } | TrustError::Write(_) => None,
            TrustError::Version { .. } => {
                Some("use a newer fm-verify, or another file to check everything again")
            }
            _ => Some("name another file, or no file, to check everything again"),
        };
        Self::from_error(error.kind().into(), &error).or_hint(hint)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        if let BackupError::Archive { path, .. } | BackupError::NotFit { path, .. } = &error
            && let Some(failure) = moved_from(path)
        {
            return failure;
        }
        let hint = match error {
            BackupError::Audit(error) => return error.into(),
            BackupError::Store(error) => return error.into(),
            BackupError::Files(error) => return of_files(&error),
            BackupError::Archive { .. } => {
                Some("`fm-checkpoint repair` says what of it is whole, and takes the rest from another copy")
            }
            BackupError::WriteArchive { .. } => Some("nothing was left at the target"),
            BackupError::Remote { ref source, .. } if source.kind() == io::ErrorKind::ResourceBusy => {
                Some("wait for the other one; the same command says then whether its archive is this one")
            }
            BackupError::Remote { ref source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("docs/checkpoints.md lists the settings and the rights that a store asks for")
            }
            BackupError::Remote { .. } => {
                Some("when the store answers, the same command continues; see AWS_… in docs/checkpoints.md")
            }
            BackupError::Unreachable { .. } => {
                Some("give a path, file:// and an absolute path, or s3://bucket/key")
            }
            BackupError::NotProven { .. } => Some(
                "nothing was written; --accept-findings continues nevertheless, and the archive keeps every row",
            ),
            BackupError::NothingThere { .. } => {
                Some("--data-dir takes a guardian's data directory, in which `database` lies")
            }
            BackupError::NoneGood { .. } => Some("`fm-checkpoint list` says what is wrong with each"),
            BackupError::NoHistory { .. } => {
                Some("nothing was written; `fm-verify` names the gap, and the profile full keeps every row")
            }
            BackupError::Secret { .. } => {
                Some("nothing was written; find out who put it there, and change that secret")
            }
            BackupError::NotFit { .. } => None,
            BackupError::NeedsBase { .. } => Some("give that archive with --base"),
            BackupError::OtherBase { .. } => Some("give the archive that it was made --since"),
            BackupError::OtherTarget { .. } => Some("choose a target that does not exist"),
            BackupError::ReadBack { .. } => {
                Some("nothing was left at the target; check the disk, and that nothing writes to the source")
            }
            BackupError::Encrypted { .. } => Some("give the file of a secret key with --identity"),
            BackupError::WrongKey { .. } => Some("--identity takes the file that age-keygen wrote"),
            BackupError::SealDamaged { .. } => Some(
                "`fm-checkpoint repair` takes the key from another copy of the same file, given with --from",
            ),
            BackupError::NotAKey => Some("the key is on a line of its own: AGE-SECRET-KEY-1…"),
            BackupError::NotARecipient { .. } => Some("a public key begins with age1"),
            BackupError::InClear { .. } => {
                Some("give --recipient: nothing is written with private keys in clear")
            }
            BackupError::File { .. } => None,
        };
        Self::from_error(error.kind().into(), &error).or_hint(hint)
    }
}

impl From<MigrationError> for Failure {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Audit(error) => error.into(),
            MigrationError::Store(error) => error.into(),
            MigrationError::Seal(error) => error.into(),
            MigrationError::WriteArchive { .. } | MigrationError::WriteFile { .. } => {
                Self::from_error(error.kind().into(), &error)
            }
            MigrationError::NotProven { .. } => Self::from_error(error.kind().into(), &error).hint(
                "nothing was written; another guardian's copy may be whole, and `fm-verify` lists every finding",
            ),
            MigrationError::Incomplete { .. } => Self::from_error(error.kind().into(), &error).hint(
                "copy the whole directory again while the guardian is stopped, or take a checkpoint or another \
                 guardian's database; --accept-incomplete continues with what is there, and the manifest says so",
            ),
            MigrationError::Opaque { .. } => Self::from_error(error.kind().into(), &error)
                .hint("`fm-verify` still proves its chain and signatures"),
            MigrationError::OtherTarget { .. } => {
                Self::from_error(error.kind().into(), &error).hint("choose a target that does not exist")
            }
            MigrationError::ReadBack { .. } => Self::from_error(error.kind().into(), &error)
                .hint("nothing was left at the target; check the disk, and that nothing writes to the source"),
            MigrationError::SignatureLost { signed, .. } => {
                let hint = format!(
                    "take another guardian's copy, or say that epoch {signed} is where all end with `--until {signed}`"
                );
                Self::from_error(error.kind().into(), &error).hint(hint)
            }
            MigrationError::CopiedWhole { .. } => {
                Self::from_error(error.kind().into(), &error).hint("leave --until out")
            }
            MigrationError::NotForTarget { .. } => Self::from_error(error.kind().into(), &error)
                .hint("state the version that will run on it with --target-version"),
            MigrationError::NothingMoved => Self::from_error(error.kind().into(), &error),
            MigrationError::NotProvenance { .. } => Self::from_error(error.kind().into(), &error)
                .hint("nothing was written; `fm-checkpoint import` makes a database of an archive of a state"),
            MigrationError::NotArchivable { .. } | MigrationError::NotAnchored { .. } => {
                Self::from_error(error.kind().into(), &error)
            }
        }
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let converted_again = "convert again, from the source";
        let hint = match &error {
            SealError::SignedAlready { .. } => None,
            SealError::ForeignKey { .. } => Some("--config names the guardian's own directory".to_owned()),
            SealError::OtherKeys { .. } => {
                Some("all guardians sign with the consensus.json that they share".to_owned())
            }
            SealError::OtherFederation { stated, .. } if stated.is_empty() => {
                Some("convert again with --config, which names the federation".to_owned())
            }
            SealError::Incomplete { .. } | SealError::Gap { .. } | SealError::Undecodable { .. } => {
                Some(converted_again.to_owned())
            }
            SealError::OwnRoot { .. } => Some("`fm-verify` says what is wrong".to_owned()),
            SealError::NotAnAttestation { .. } => Some("`fm-migrate attest` makes them".to_owned()),
            SealError::Damaged { .. } | SealError::BadSignature { .. } => {
                Some("ask that guardian for the file again".to_owned())
            }
            SealError::SameGuardian { .. } => Some("give one file of each".to_owned()),
            SealError::TooFew { .. } => Some("ask more guardians for theirs; nothing was written".to_owned()),
            SealError::Shorter { until, .. } => {
                Some(format!("to make them equal, convert here again with `--until {until}`"))
            }
            SealError::Longer { until, .. } => {
                let hint = format!("to make them equal, that guardian converts again with `--until {until}`");
                Some(hint)
            }
            SealError::OtherHistory { .. } | SealError::OtherRoot { .. } => {
                let hint = "compare roots by voice; `fm-verify` on each side shows whose does not hold";
                Some(hint.to_owned())
            }
            SealError::OtherFederation { .. } | SealError::NoGuardian { .. } => None,
        };
        Self::from_error(error.kind().into(), &error).or_hint(hint)
    }
}
