//! How a tool ends.

use std::error::Error;
use std::io;
use std::path::Path;

use fm_history::printable;
use fm_store::ErrorKind;

use crate::obstacle::{hint_of, obstacle_hint};
use crate::output::error_line;

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

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Findings => Self::Findings,
            ErrorKind::Usage => Self::Usage,
            ErrorKind::CannotLook => Self::CannotLook,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::WrongKey => Self::WrongKey,
            ErrorKind::OutOfSpace => Self::OutOfSpace,
            ErrorKind::Interrupted => Self::Interrupted,
        }
    }
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

/// Warns the user of something that is done, but not as it should be.
pub fn warn(tool: &str, text: &str) {
    error_line(&format!("{tool}: warning: {}", printable(text)));
}
