//! Records whose content is not known, and the findings about the transaction index that follow from that
//! alone.
//!
//! Invariant: a difference in the index is an error only where the history that it is compared with is known.

use std::collections::BTreeMap;

use fm_history::{Cause, Code, Finding};

/// The largest number of records that are remembered by number. Of the others only their existence is known.
const MOST_RECORDS: usize = 1000;

/// The records of a history that are missing, unreadable, or not what the guardians agreed on.
#[derive(Default)]
pub(crate) struct Unknown {
    first: Option<Cause>,
    records: BTreeMap<u64, Cause>,
}

impl Unknown {
    /// Remembers a finding if it means that the content of a record is not known.
    pub(crate) fn take(&mut self, finding: &Finding) {
        if hides_content(finding.code) {
            self.add(finding);
        }
    }

    /// Returns the first such finding.
    pub(crate) fn first(&self) -> Option<&Cause> {
        self.first.as_ref()
    }

    /// Remembers a finding.
    pub(crate) fn add(&mut self, finding: &Finding) {
        let cause = finding.cause();
        if let Some(index) = finding.place.index().filter(|_| self.records.len() < MOST_RECORDS) {
            self.records.entry(index).or_insert_with(|| cause.clone());
        }
        self.first.get_or_insert(cause);
    }

    /// Returns the findings about the index. Those that follow from an unknown record name it as their
    /// cause.
    pub(crate) fn fold(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let count = findings.len();
        let folded: Vec<Finding> = findings.into_iter().map(|finding| self.fold_one(finding)).collect();
        // The last finding may only say that there are more.
        let all_follow = folded.iter().take(count.saturating_sub(1)).all(|f| f.follows_from.is_some());
        let is_rest = |finding: &Finding| {
            finding.code == Code::TransactionIndexDiffers && finding.place.index().is_none()
        };
        let rest = |finding: Finding| match &self.first {
            Some(cause) if is_rest(&finding) && all_follow => finding.following(cause.clone()),
            _ => finding,
        };
        folded.into_iter().map(rest).collect()
    }

    fn fold_one(&self, finding: Finding) -> Finding {
        let cause = match finding.code {
            // Any unknown record may have accepted it.
            Code::TransactionIndexExtra => self.first.as_ref(),
            _ => finding.place.index().and_then(|index| self.records.get(&index)),
        };
        let Some(cause) = cause.cloned() else { return finding };
        let message = match finding.code {
            Code::TransactionIndexExtra => {
                "no record whose content is known accepts this transaction".to_owned()
            }
            _ => finding.message,
        };
        Finding { message, ..finding }.following(cause)
    }
}

/// Returns whether a finding with this code means that the content of an epoch, a session or the open session
/// is not known.
fn hides_content(code: Code) -> bool {
    matches!(
        code,
        Code::EpochMissing
            | Code::EpochUndecodable
            | Code::EpochHashMismatch
            | Code::EpochLinkBroken
            | Code::SessionMissing
            | Code::SessionUndecodable
            | Code::SessionUnsigned
            | Code::PendingItemMissing
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fm_history::{Place, Severity};

    fn of_index(code: Code, place: Place) -> Finding {
        Finding::new(code, place, "x")
    }

    #[test]
    fn the_index_is_wrong_only_against_what_is_known() {
        let extra = || of_index(Code::TransactionIndexExtra, Place::key(&[2, 1]));
        let missing = |session| of_index(Code::TransactionIndexMissing, Place::session(session));
        let more = || of_index(Code::TransactionIndexDiffers, Place::key(&[2]));
        let errors = |unknown: &Unknown, findings| {
            let folded = unknown.fold(findings);
            folded.iter().filter(|finding| finding.severity == Severity::Error).count()
        };
        let mut unknown = Unknown::default();
        assert_eq!(errors(&unknown, vec![extra(), missing(3), more()]), 3);
        unknown.take(&Finding::new(Code::SessionTooLarge, Place::session(3), "known"));
        assert_eq!(errors(&unknown, vec![extra(), missing(3), more()]), 3);
        unknown.take(&Finding::new(Code::SessionUndecodable, Place::session(3), "not known"));
        assert_eq!(errors(&unknown, vec![extra(), missing(3), more()]), 0);
        // Session 4 is known, so its missing row in the index is an error.
        assert_eq!(errors(&unknown, vec![extra(), missing(4), more()]), 2);
    }
}
