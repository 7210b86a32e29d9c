//! The parts of a database that are not read, as findings: of the database itself, and as an archive of it
//! states them.

use fm_history::{Code, Finding, Place};
use fm_store::{Omission, OmissionKind};

pub(crate) fn code_of(kind: OmissionKind) -> Code {
    match kind {
        OmissionKind::TornLogTail => Code::LogTailTorn,
        OmissionKind::MissingLog => Code::LogMissing,
        OmissionKind::UnknownLog => Code::LogUnknown,
        OmissionKind::EmptyLog => Code::LogEmpty,
        OmissionKind::TornFileList => Code::FileListTorn,
        OmissionKind::UnnamedTables => Code::TablesUnnamed,
        OmissionKind::UnfinishedTables => Code::TablesUnfinished,
    }
}

/// Returns what is missing from a database that is to be converted or proven, as findings.
pub fn omission_findings(omissions: &[Omission]) -> Vec<Finding> {
    let finding =
        |omission: &Omission| Finding::new(code_of(omission.kind), Place::everywhere(), &*omission.message);
    omissions.iter().map(finding).collect()
}

/// Returns what was missing from the database that an archive was made of. The archive states it as codes
/// separated by spaces. Its rows do not show it, so every audit of the archive has to report it again.
pub(crate) fn stated_omissions(codes: &str) -> Vec<Finding> {
    let finding = |word: &str| {
        let known = OmissionKind::ALL.into_iter().map(code_of).find(|code| code.as_str() == word);
        let (code, message) = match known {
            Some(code) => {
                (code, format!("the database had this when the archive was made of it: {}", meaning(code)))
            }
            None => (Code::ArchiveMisstated, format!("omissions has {word:?}, which no export writes")),
        };
        Finding::new(code, Place::everywhere(), message)
    };
    codes.split_whitespace().map(finding).collect()
}

/// Returns what a code about the files of a database means for its rows.
fn meaning(code: Code) -> &'static str {
    match code {
        Code::LogTailTorn => {
            "the end of its newest write-ahead log was torn, and its newest rows are not in the archive"
        }
        Code::LogMissing => "a write-ahead log was missing, and rows are not in the archive",
        Code::LogUnknown => "it had no write-ahead log, and may have been a checkpoint, which needs none",
        Code::LogEmpty => "it was a checkpoint whose write-ahead log was empty; nothing is missing",
        Code::FileListTorn | Code::TablesUnnamed => {
            "tables were not read, and their rows are not in the archive"
        }
        _ => "a crash left unfinished tables; nothing is missing",
    }
}
