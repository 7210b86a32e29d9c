//! Decides whether a database or checkpoint is good: one answer, for every command that needs it.
//!
//! Good means that it opens completely and its audit has no error; a restore from it works. Invariant: what
//! could not be opened or proven now because of its surroundings (permissions, open files, keys, a path) is
//! never called bad.

use std::io;

use fm_audit::AuditError;
use fm_eras::DetectError;
use fm_history::{Code, Finding, Severity};
use fm_store::StoreError;

use crate::BackupError;

/// Whether a database or checkpoint is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It opens completely, and its audit has no error.
    Good,
    /// It opens completely but holds no finished epoch or session: there is nothing to restore.
    Empty,
    /// It is damaged, or its history is not valid.
    Bad(String),
    /// A process uses it.
    InUse(String),
    /// It could not be opened or proven now.
    Unknown(Doubt),
}

/// Why it is not known whether something is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The reason, in a sentence.
    pub why: String,
    /// Whether other keys than those given may prove it.
    pub of_keys: bool,
}

impl Standing {
    /// Returns whether it is good.
    pub fn is_good(&self) -> bool {
        *self == Self::Good
    }

    /// Returns its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Empty => "empty",
            Self::Bad(_) => "bad",
            Self::InUse(_) => "in-use",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Returns why it is not good; `None` if it is.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Good => None,
            Self::Empty => Some("it holds no finished epoch or session"),
            Self::Bad(why) | Self::InUse(why) => Some(why),
            Self::Unknown(doubt) => Some(&doubt.why),
        }
    }

    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Doubt { why: why.into(), of_keys: false })
    }

    /// Returns what an error shows about the database itself.
    pub(crate) fn of_error(error: &BackupError) -> Self {
        let why = sentence(error);
        match error {
            BackupError::Audit(AuditError::Detect { source: DetectError::Empty, .. }) => Self::Empty,
            BackupError::Audit(AuditError::DetectIncomplete { .. }) if store_error(error).is_none() => {
                Self::Bad(why)
            }
            _ => match store_error(error) {
                Some(StoreError::Locked { .. }) => Self::InUse(why),
                Some(error) if is_damage(error) => Self::Bad(why),
                _ => Self::unknown(why),
            },
        }
    }
}

/// The findings of an audit, as far as they decide.
#[derive(Default)]
pub(crate) struct Judge {
    first_error: Option<String>,
    wrong_keys: Option<String>,
    uncertain: Option<String>,
}

impl Judge {
    /// Takes note of a finding.
    pub(crate) fn hear(&mut self, finding: &Finding) {
        let place = match (finding.code, finding.severity) {
            (Code::WrongKeys, _) => &mut self.wrong_keys,
            (Code::LogUnknown, _) => &mut self.uncertain,
            (_, Severity::Error) => &mut self.first_error,
            _ => return,
        };
        place.get_or_insert_with(|| finding.to_string());
    }

    /// Decides about a database with this many finished epochs or sessions.
    pub(crate) fn decide(self, sessions: u64) -> Standing {
        match self {
            Self { first_error: Some(why), .. } => Standing::Bad(why),
            Self { wrong_keys: Some(why), .. } => Standing::Unknown(Doubt { why, of_keys: true }),
            Self { uncertain: Some(why), .. } => Standing::unknown(why),
            _ if sessions == 0 => Standing::Empty,
            _ => Standing::Good,
        }
    }
}

/// Returns the error of a database's files, wherever it occurred.
fn store_error(error: &BackupError) -> Option<&StoreError> {
    match error {
        BackupError::Store(error) | BackupError::Audit(AuditError::Store(error)) => Some(error),
        BackupError::Audit(
            AuditError::Rows { source, .. }
            | AuditError::Detect { source: DetectError::Read(source), .. }
            | AuditError::DetectIncomplete { source: DetectError::Read(source), .. },
        ) => source.downcast_ref(),
        _ => None,
    }
}

/// Returns whether an error concerns the files themselves, and not access to them.
fn is_damage(error: &StoreError) -> bool {
    match error {
        // RocksDB passes the operating system's errors on as text: permissions, open files, memory, a path
        // that is not UTF-8.
        StoreError::Damaged { message, .. } => !["IO error", "Failed to convert path", "Operation aborted"]
            .iter()
            .any(|of| message.starts_with(of)),
        StoreError::FileMissing { .. }
        | StoreError::NotADirectory { .. }
        | StoreError::NotADatabase { .. }
        | StoreError::ForeignColumns { .. } => true,
        StoreError::Io { source, .. } => source.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Returns an error with its causes in a sentence.
fn sentence(error: &BackupError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    // RocksDB's message has several lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use fm_history::Place;
    use fm_rows::SourceError;

    use super::*;

    fn of(error: StoreError) -> &'static str {
        Standing::of_error(&BackupError::Store(error)).name()
    }

    fn damaged(message: &str) -> StoreError {
        StoreError::Damaged { path: PathBuf::from("x"), message: message.to_owned() }
    }

    #[test]
    fn what_cannot_be_opened_now_is_not_bad() {
        let io = |kind| StoreError::io(Path::new("x"), io::Error::from(kind));
        for error in [
            io(io::ErrorKind::PermissionDenied),
            io(io::ErrorKind::NotFound),
            io(io::ErrorKind::StorageFull),
            io::Error::from_raw_os_error(24).into_store(),
            io::Error::from_raw_os_error(5).into_store(),
            damaged("IO error: While open a file for random read: x/000009.sst: Too many open files"),
            damaged("IO error: No such file or directory: While opening x"),
            damaged("Failed to convert path to CString when opening DB"),
            StoreError::Missing { path: PathBuf::from("x") },
        ] {
            let text = error.to_string();
            assert_eq!(of(error), "unknown", "{text}");
        }
        for error in [
            damaged("Corruption: block checksum mismatch"),
            damaged("CURRENT is not text"),
            StoreError::FileMissing { path: PathBuf::from("x"), file: "000009.sst".to_owned() },
            StoreError::NotADatabase { path: PathBuf::from("x") },
        ] {
            let text = error.to_string();
            assert_eq!(of(error), "bad", "{text}");
        }
        let torn = |message| AuditError::DetectIncomplete {
            path: PathBuf::from("x"),
            reason: "the log is torn".to_owned(),
            source: DetectError::Read(SourceError::from(damaged(message))),
        };
        assert_eq!(Standing::of_error(&torn("IO error: Too many open files").into()).name(), "unknown");
        assert_eq!(Standing::of_error(&torn("Corruption: bad block").into()).name(), "bad");
        assert_eq!(of(StoreError::Locked { path: PathBuf::from("x"), pid: None }), "in-use");
        let rows = SourceError::from(damaged("Corruption: block checksum mismatch"));
        let rows = AuditError::rows(Path::new("x"), rows);
        assert_eq!(Standing::of_error(&rows.into()).name(), "bad");
    }

    trait IntoStore {
        fn into_store(self) -> StoreError;
    }

    impl IntoStore for io::Error {
        fn into_store(self) -> StoreError {
            StoreError::io(Path::new("x"), self)
        }
    }

    fn judged(codes: &[Code], sessions: u64) -> &'static str {
        let mut judge = Judge::default();
        codes.iter().for_each(|code| judge.hear(&Finding::new(*code, Place::everywhere(), "it")));
        judge.decide(sessions).name()
    }

    #[test]
    fn findings_decide() {
        assert_eq!(judged(&[], 1), "good");
        assert_eq!(judged(&[Code::LogTailTorn, Code::LogEmpty, Code::TablesUnfinished], 1), "good");
        assert_eq!(judged(&[Code::HistoryEmpty], 0), "empty");
        assert_eq!(judged(&[Code::WrongKeys], 1), "unknown");
        assert_eq!(judged(&[Code::LogUnknown], 1), "unknown");
        assert_eq!(judged(&[Code::WrongKeys, Code::LogMissing], 1), "bad");
    }
}
