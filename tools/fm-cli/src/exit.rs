//! How a tool ends.

use std::error::Error;
use std::io;
use std::path::Path;

use fm_audit::{AuditError, TrustError};
use fm_backup::BackupError;
use fm_history::printable;
use fm_migration::{MigrationError, SealError};
use fm_store::StoreError;

use crate::moved_away::{moved_from, of_store};
use crate::obstacle::{hint_of, obstacle_hint};
use crate::output::error_line;
use crate::secrets::of_files;

/// The exit statuses of all tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Sound, or done.
    Done = 0,
    /// Findings, or a difference.
    Findings = 1,
    /// Bad usage.
    Usage = 2,
    /// Could not look: I/O, or an unreadable source.
    CannotLook = 3,
    /// Done in part.
    Partial = 4,
    /// The source or the target is in use.
    Locked = 11,
    /// Wrong password or key.
    WrongKey = 12,
    /// Out of space.
    OutOfSpace = 13,
    /// Interrupted; the same command continues or starts over.
    Interrupted = 130,
}

impl Exit {
    /// Returns the name of the status in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Findings => "findings",
            Self::Usage => "usage",
            Self::CannotLook => "cannot-look",
            Self::Partial => "partial",
            Self::Locked => "locked",
            Self::WrongKey => "wrong-key",
            Self::OutOfSpace => "out-of-space",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The reason why a tool ends without its result.
#[derive(Debug)]
pub struct Failure {
    /// Exit status.
    pub exit: Exit,
    /// One sentence, with its causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// Creates a failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Creates a failure from an error and its chain of causes.
    pub fn from_error(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A transparent wrapper repeats the text of what it wraps.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self { hint: obstacle_hint(error).map(str::to_owned), ..Self::new(exit, message) }
    }

    /// Creates the failure of reading or writing a file.
    pub fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::of_io(&format!("{doing} {}", path.display()), error).or_hint(hint_of(error))
    }

    /// Creates the failure of writing a result; a full disk has its own status.
    pub fn from_write(what: &str, error: &io::Error) -> Self {
        let failure = Self::of_io(&format!("write {what}"), error);
        let hint = (failure.exit == Exit::OutOfSpace).then_some("make room and run the same command again");
        failure.or_hint(hint)
    }

    fn of_io(doing: &str, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let is_full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        let exit = if is_full { Exit::OutOfSpace } else { Exit::CannotLook };
        Self::new(exit, format!("cannot {doing}: {error}"))
    }

    /// Adds a hint for this kind of failure, unless there is one already: a hint about the system's own error
    /// comes first.
    #[must_use]
    pub fn or_hint(self, hint: Option<impl Into<String>>) -> Self {
        let hint = self.hint.or_else(|| hint.map(Into::into));
        Self { hint, ..self }
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let Some(failure) = of_store(&error) {
            return failure;
        }
        let (exit, hint) = match &error {
            StoreError::Missing { .. } => (Exit::CannotLook, Some("check the path; nothing was created")),
            StoreError::NotADirectory { .. } | StoreError::NotADatabase { .. } => (
                Exit::CannotLook,
                Some("give the guardian's data directory, or the `database` directory inside it"),
            ),
            StoreError::Locked { .. } => {
                (Exit::Locked, Some("stop the process that uses it, or work on a copy or a checkpoint"))
            }
            StoreError::FileMissing { .. } => {
                (Exit::CannotLook, Some("copy the whole directory again, while the guardian is stopped"))
            }
            StoreError::Damaged { .. } => {
                (Exit::CannotLook, Some("try another copy, a checkpoint, or another guardian's database"))
            }
            StoreError::OutOfSpace { .. } => {
                (Exit::OutOfSpace, Some("nothing was left at the target; make room and run the same command"))
            }
            StoreError::AlreadyExists { .. } => (Exit::Usage, Some("choose a target that does not exist")),
            StoreError::Linked { .. } => (Exit::Usage, Some("nothing was changed")),
            StoreError::Pinned { .. } => (
                Exit::Usage,
                Some(
                    "nothing was changed; make it a plain directory: `cp -a` it beside itself, unmount it, and rename the \
                     copy, or mount the file system on the data directory instead",
                ),
            ),
            StoreError::PathNotText { .. } => (
                Exit::CannotLook,
                Some("rename the directory, or give a symbolic link to it whose name is UTF-8"),
            ),
            StoreError::NoLocks { .. } => (
                Exit::CannotLook,
                Some(
                    "mount it with locks (NFS version 4, or with rpc.statd), or work on a copy on a local disk",
                ),
            ),
            StoreError::NoDirectorySync { .. } => {
                (Exit::CannotLook, Some("nothing was left at the target; choose a target on a local disk"))
            }
            StoreError::ForeignPartial { .. } => {
                (Exit::Usage, Some("move it away, or choose another target"))
            }
            StoreError::ForeignColumns { .. }
            | StoreError::Io { .. }
            | StoreError::Write { .. }
            | StoreError::Unsorted { .. } => (Exit::CannotLook, None),
        };
        Self::from_error(exit, &error).or_hint(hint)
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            // At a place that a guardian was moved away from, a file has the database's name and is read as
            // an archive.
            AuditError::Archive { ref path, .. } => {
                moved_from(path).unwrap_or_else(|| Self::from_error(Exit::CannotLook, &error))
            }
            AuditError::Interrupted => Self::new(Exit::Interrupted, "interrupted; no partial result remains")
                .hint("run the same command again to do it whole"),
            AuditError::OtherArchive { .. } => Self::from_error(Exit::Findings, &error).hint(
                "`fm-verify` says what else is wrong; to use the archive nevertheless, give the file itself",
            ),
            AuditError::Increment { .. } => Self::from_error(Exit::Usage, &error)
                .hint("`fm-checkpoint verify ARCHIVE --base BASE` proves it together with that archive"),
            AuditError::Headers { .. } => {
                Self::from_error(Exit::Usage, &error).hint("`fm-checkpoint verify ARCHIVE` proves them")
            }
            AuditError::Pending { .. } => Self::from_error(Exit::Usage, &error)
                .hint("`fm-verify ARCHIVE` checks that it follows from its accepted items"),
            error => Self::from_error(Exit::CannotLook, &error),
        }
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let error = match error {
            TrustError::Write(error) => return error.into(),
            error => error,
        };
        let exit = match error {
            TrustError::Write(_) | TrustError::File { .. } | TrustError::Damaged { .. } => Exit::CannotLook,
            TrustError::NotOne { .. } | TrustError::Version { .. } | TrustError::OfAnother { .. } => {
                Exit::Usage
            }
        };
        let hint = match error {
            TrustError::File { .. } | TrustError::Write(_) => None,
            TrustError::Version { .. } => {
                Some("use a newer fm-verify, or another file to check everything again")
            }
            _ => Some("name another file, or no file, to check everything again"),
        };
        Self::from_error(exit, &error).or_hint(hint)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        if let BackupError::Archive { path, .. } | BackupError::NotFit { path, .. } = &error
            && let Some(failure) = moved_from(path)
        {
            return failure;
        }
        let (exit, hint) = match error {
            BackupError::Audit(error) => return error.into(),
            BackupError::Store(error) => return error.into(),
            BackupError::Files(error) => return of_files(&error),
            BackupError::Archive { .. } => (
                Exit::CannotLook,
                Some("`fm-checkpoint repair` says what of it is whole, and takes the rest from another copy"),
            ),
            BackupError::WriteArchive { .. } => (Exit::CannotLook, Some("nothing was left at the target")),
            BackupError::Remote { ref source, .. } if source.kind() == io::ErrorKind::ResourceBusy => (
                Exit::Locked,
                Some("wait for the other one; the same command says then whether its archive is this one"),
            ),
            BackupError::Remote { ref source, .. } if source.kind() == io::ErrorKind::PermissionDenied => (
                Exit::CannotLook,
                Some("docs/checkpoints.md lists the settings and the rights that a store asks for"),
            ),
            BackupError::Remote { .. } => (
                Exit::CannotLook,
                Some("when the store answers, the same command continues; see AWS_… in docs/checkpoints.md"),
            ),
            BackupError::Unreachable { .. } => {
                (Exit::Usage, Some("give a path, file:// and an absolute path, or s3://bucket/key"))
            }
            BackupError::NotProven { .. } => (
                Exit::Findings,
                Some(
                    "nothing was written; --accept-findings continues nevertheless, and the archive keeps every row",
                ),
            ),
            BackupError::NothingThere { .. } => (
                Exit::CannotLook,
                Some("--data-dir takes a guardian's data directory, in which `database` lies"),
            ),
            BackupError::NoneGood { .. } => {
                (Exit::CannotLook, Some("`fm-checkpoint list` says what is wrong with each"))
            }
            BackupError::NoHistory { .. } => (
                Exit::Findings,
                Some("nothing was written; `fm-verify` names the gap, and the profile full keeps every row"),
            ),
            BackupError::Secret { .. } => (
                Exit::Findings,
                Some("nothing was written; find out who put it there, and change that secret"),
            ),
            BackupError::NotFit { .. } => (Exit::Usage, None),
            BackupError::NeedsBase { .. } => (Exit::Usage, Some("give that archive with --base")),
            BackupError::OtherBase { .. } => (Exit::Usage, Some("give the archive that it was made --since")),
            BackupError::OtherTarget { .. } => (Exit::Usage, Some("choose a target that does not exist")),
            BackupError::ReadBack { .. } => (
                Exit::CannotLook,
                Some("nothing was left at the target; check the disk, and that nothing writes to the source"),
            ),
            BackupError::Encrypted { .. } => {
                (Exit::WrongKey, Some("give the file of a secret key with --identity"))
            }
            BackupError::WrongKey { .. } => {
                (Exit::WrongKey, Some("--identity takes the file that age-keygen wrote"))
            }
            BackupError::SealDamaged { .. } => (
                Exit::CannotLook,
                Some(
                    "`fm-checkpoint repair` takes the key from another copy of the same file, given with --from",
                ),
            ),
            BackupError::NotAKey => {
                (Exit::WrongKey, Some("the key is on a line of its own: AGE-SECRET-KEY-1…"))
            }
            BackupError::NotARecipient { .. } => (Exit::Usage, Some("a public key begins with age1")),
            BackupError::InClear { .. } => {
                (Exit::Usage, Some("give --recipient: nothing is written with private keys in clear"))
            }
            BackupError::File { .. } => (Exit::CannotLook, None),
        };
        Self::from_error(exit, &error).or_hint(hint)
    }
}

impl From<MigrationError> for Failure {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Audit(error) => error.into(),
            MigrationError::Store(error) => error.into(),
            MigrationError::Seal(error) => error.into(),
            MigrationError::WriteArchive { .. } | MigrationError::WriteFile { .. } => {
                Self::from_error(Exit::CannotLook, &error)
            }
            MigrationError::NotProven { .. } => Self::from_error(Exit::Findings, &error).hint(
                "nothing was written; another guardian's copy may be whole, and `fm-verify` lists every finding",
            ),
            MigrationError::Incomplete { .. } => Self::from_error(Exit::Findings, &error).hint(
                "copy the whole directory again while the guardian is stopped, or take a checkpoint or another \
                 guardian's database; --accept-incomplete continues with what is there, and the manifest says so",
            ),
            MigrationError::Opaque { .. } => Self::from_error(Exit::Findings, &error)
                .hint("`fm-verify` still proves its chain and signatures"),
            MigrationError::OtherTarget { .. } => {
                Self::from_error(Exit::Usage, &error).hint("choose a target that does not exist")
            }
            MigrationError::ReadBack { .. } => Self::from_error(Exit::CannotLook, &error)
                .hint("nothing was left at the target; check the disk, and that nothing writes to the source"),
            MigrationError::SignatureLost { signed, .. } => {
                let hint = format!(
                    "take another guardian's copy, or say that epoch {signed} is where all end with `--until {signed}`"
                );
                Self::from_error(Exit::Findings, &error).hint(hint)
            }
            MigrationError::CopiedWhole { .. } => {
                Self::from_error(Exit::Usage, &error).hint("leave --until out")
            }
            MigrationError::NotForTarget { .. } => Self::from_error(Exit::Findings, &error)
                .hint("state the version that will run on it with --target-version"),
            MigrationError::NoUnits { .. } => Self::from_error(Exit::Usage, &error),
            MigrationError::Units { .. } => Self::from_error(Exit::CannotLook, &error),
            MigrationError::NothingMoved => Self::from_error(Exit::Usage, &error),
            MigrationError::NotProvenance { .. } => Self::from_error(Exit::Usage, &error)
                .hint("nothing was written; `fm-checkpoint import` makes a database of an archive of a state"),
            MigrationError::NotArchivable { .. } | MigrationError::NotAnchored { .. } => {
                Self::from_error(Exit::Findings, &error)
            }
        }
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let converted_again = "convert again, from the source";
        let (exit, hint) = match &error {
            SealError::SignedAlready { .. } => (Exit::Usage, None),
            SealError::ForeignKey { .. } => {
                (Exit::WrongKey, Some("--config names the guardian's own directory".to_owned()))
            }
            SealError::OtherKeys { .. } => (
                Exit::WrongKey,
                Some("all guardians sign with the consensus.json that they share".to_owned()),
            ),
            SealError::OtherFederation { stated, .. } if stated.is_empty() => {
                (Exit::Findings, Some("convert again with --config, which names the federation".to_owned()))
            }
            SealError::Incomplete { .. } | SealError::Gap { .. } | SealError::Undecodable { .. } => {
                (Exit::Findings, Some(converted_again.to_owned()))
            }
            SealError::OwnRoot { .. } => (Exit::Findings, Some("`fm-verify` says what is wrong".to_owned())),
            SealError::NotAnAttestation { .. } => {
                (Exit::Usage, Some("`fm-migrate attest` makes them".to_owned()))
            }
            SealError::Damaged { .. } | SealError::BadSignature { .. } => {
                (Exit::Findings, Some("ask that guardian for the file again".to_owned()))
            }
            SealError::SameGuardian { .. } => (Exit::Usage, Some("give one file of each".to_owned())),
            SealError::TooFew { .. } => {
                (Exit::Usage, Some("ask more guardians for theirs; nothing was written".to_owned()))
            }
            SealError::Shorter { until, .. } => (
                Exit::Findings,
                Some(format!("to make them equal, convert here again with `--until {until}`")),
            ),
            SealError::Longer { until, .. } => {
                let hint = format!("to make them equal, that guardian converts again with `--until {until}`");
                (Exit::Findings, Some(hint))
            }
            SealError::OtherHistory { .. } | SealError::OtherRoot { .. } => {
                let hint = "compare roots by voice; `fm-verify` on each side shows whose does not hold";
                (Exit::Findings, Some(hint.to_owned()))
            }
            SealError::OtherFederation { .. } | SealError::NoGuardian { .. } => (Exit::Findings, None),
        };
        Self::from_error(exit, &error).or_hint(hint)
    }
}

/// Warns the user of something that is done, but not as it should be.
pub fn warn(tool: &str, text: &str) {
    error_line(&format!("{tool}: warning: {}", printable(text)));
}
