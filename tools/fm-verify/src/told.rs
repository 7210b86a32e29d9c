//! Findings on their way to whoever is told: counted, and those that follow from lost files put under that.

use fm_history::{Cause, Code, Finding, Severity, Tally};

/// Counts findings and hands them on.
pub(crate) struct Told<'w> {
    sink: &'w mut dyn FnMut(&Finding),
    pub(crate) tally: Tally,
    /// Files of the database that are lost, with rows in them.
    lost: Option<Cause>,
}

impl<'w> Told<'w> {
    pub(crate) fn new(sink: &'w mut dyn FnMut(&Finding)) -> Self {
        Self { sink, tally: Tally::default(), lost: None }
    }

    /// Says what the database lacks, before the findings come.
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

/// What rows that are gone leave behind: pointers, numbers and rows of the index that nothing else bears out.
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
