//! Counts findings on their way to the reader, and groups those that follow from lost files.

use fm_history::{Cause, Code, Finding, Severity, Tally};

/// Counts findings and passes them on.
pub(crate) struct Reported<'w> {
    sink: &'w mut dyn FnMut(&Finding),
    pub(crate) tally: Tally,
    /// The lost files of the database that held rows.
    lost: Option<Cause>,
}

impl<'w> Reported<'w> {
    pub(crate) fn new(sink: &'w mut dyn FnMut(&Finding)) -> Self {
        Self { sink, tally: Tally::default(), lost: None }
    }

    /// Takes a finding about the database's files.
    pub(crate) fn lacks(&mut self, lacks: &[Finding]) {
        self.lost = lacks.iter().find(|finding| finding.severity == Severity::Error).map(Finding::cause);
    }

    pub(crate) fn take(&mut self, finding: Finding) {
        let is_own = finding.severity == Severity::Error && finding.follows_from.is_none();
        let finding = match &self.lost {
            Some(cause) if is_own && is_explained_by_loss(finding.code) => finding.following(cause.clone()),
            _ => finding,
        };
        self.tally.add(&finding);
        (self.sink)(&finding);
    }
}

/// Checks whether lost rows explain such a finding: a pointer, a number or a row of the index that nothing
/// else confirms.
fn is_explained_by_loss(code: Code) -> bool {
    matches!(
        code,
        Code::TransactionIndexExtra
            | Code::TransactionIndexMissing
            | Code::TransactionIndexDiffers
            | Code::PendingItemMissing
            | Code::SessionPointerWrong
            | Code::LastEpochWrong
            | Code::LastEpochMissing
            | Code::UnitsBeyondEnd
            | Code::UnitRowsMissing
            | Code::UnitParentMissing
            | Code::AcceptedItemNotOrdered
    )
}
