//! The result of an audit's findings: counts, the first break of the history, and consequences under their
//! causes.
//!
//! Invariant: memory is bounded by the number of codes, not by the number of findings.

use std::collections::BTreeMap;

use crate::{Cause, Code, Finding, Severity};

/// Counts over all findings of an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Errors that follow from nothing else.
    pub errors: u64,
    /// Warnings that follow from nothing else.
    pub warnings: u64,
    /// Findings that follow from others.
    pub consequences: u64,
    /// The lowest epoch or session with an error.
    pub first_break: Option<u64>,
    /// The number of sessions whose list of items shares its header with another list.
    pub ambiguous: u64,
    /// The first of these sessions.
    pub first_ambiguous: Option<u64>,
    /// Whether the keys were found to belong to another federation.
    pub other_keys: bool,
}

impl Tally {
    /// Counts a finding.
    pub fn add(&mut self, finding: &Finding) {
        finding.severity.count(&mut self.errors, &mut self.warnings);
        self.consequences += u64::from(finding.follows_from.is_some());
        self.other_keys |= finding.code == Code::WrongKeys;
        // If the history differs from what an earlier audit proved, no part of it is known to hold.
        let all = (finding.code == Code::TrustedPrefixChanged).then_some(0);
        let Some(index) = finding.place.index().or(all) else { return };
        let lowest = |known: Option<u64>| Some(known.map_or(index, |known| known.min(index)));
        if finding.severity == Severity::Error {
            self.first_break = lowest(self.first_break);
        }
        if finding.code == Code::ItemListAmbiguous {
            self.ambiguous += 1;
            self.first_ambiguous = lowest(self.first_ambiguous);
        }
    }

    /// Adds the counts of other findings of the same history.
    pub fn join(&mut self, other: &Self) {
        let lowest = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.consequences += other.consequences;
        self.first_break = lowest(self.first_break, other.first_break);
        self.ambiguous += other.ambiguous;
        self.first_ambiguous = lowest(self.first_ambiguous, other.first_ambiguous);
        self.other_keys |= other.other_keys;
    }

    /// Returns the last epoch or session before the first break, for a history that begins at 0 and ends with
    /// `last`.
    pub fn intact_to(&self, last: Option<u64>) -> Option<u64> {
        match self.first_break {
            Some(first) => first.checked_sub(1).map(|before| last.map_or(before, |last| last.min(before))),
            None => last,
        }
    }
}

/// Consequences of one kind that follow from causes of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The number of consequences.
    pub count: u64,
    /// The first consequence.
    pub first: Finding,
    /// The cause of the first consequence.
    pub cause: Cause,
    /// Whether all consequences have that cause.
    pub is_one_cause: bool,
}

/// Consequences by the code of their cause and their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folds(BTreeMap<(Code, Code), Fold>);

impl Folds {
    /// Takes a finding if it follows from another one; returns whether it does.
    pub fn take(&mut self, finding: &Finding) -> bool {
        let Some(cause) = finding.follows_from.as_deref() else { return false };
        let fold = self.0.entry((cause.code, finding.code)).or_insert_with(|| Fold {
            count: 0,
            first: finding.clone(),
            cause: cause.clone(),
            is_one_cause: true,
        });
        fold.count += 1;
        fold.is_one_cause &= fold.cause == *cause;
        true
    }

    /// Returns whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all folds, ordered by cause.
    pub fn iter(&self) -> impl Iterator<Item = &Fold> {
        self.0.values()
    }

    /// Returns those that follow from causes with this code.
    pub fn of(&self, cause: Code) -> impl Iterator<Item = &Fold> {
        self.iter().filter(move |fold| fold.cause.code == cause)
    }
}

impl Fold {
    /// Describes which findings follow from which, in words.
    pub fn words(&self) -> String {
        let Self { count, first, cause, is_one_cause } = self;
        let others = if *is_one_cause { "" } else { " and from others of its kind" };
        match count {
            1 => format!("{first} (follows from {cause})"),
            _ => format!("{count} {} follow from {cause}{others}; the first: {}", first.code, first.place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    fn error(session: u64) -> Finding {
        Finding::new(Code::SessionMissing, Place::session(session), "the session is not there")
    }

    #[test]
    fn the_first_break_is_the_lowest_and_consequences_make_none() {
        let mut tally = Tally::default();
        assert_eq!((tally.intact_to(None), tally.intact_to(Some(9))), (None, Some(9)));
        let cause = error(7).cause();
        let missing = Finding::new(Code::TransactionIndexMissing, Place::session(2), "not in the index");
        for finding in [error(7), error(5), error(6), missing.following(cause)] {
            tally.add(&finding);
        }
        assert_eq!((tally.errors, tally.consequences, tally.first_break), (3, 1, Some(5)));
        assert_eq!((tally.intact_to(Some(9)), tally.intact_to(Some(3))), (Some(4), Some(3)));
        tally.add(&error(0));
        assert_eq!(tally.intact_to(Some(9)), None);
    }

    #[test]
    fn a_million_consequences_are_a_few_lines() {
        let mut folds = Folds::default();
        for number in 0..1_000_000u64 {
            let extra = Finding::new(Code::TransactionIndexExtra, Place::key(&number.to_be_bytes()), "extra");
            assert!(folds.take(&extra.following(error(number % 2).cause())));
        }
        assert!(!folds.take(&error(1)));
        let folds: Vec<&Fold> = folds.of(Code::SessionMissing).collect();
        assert_eq!((folds.len(), folds[0].count, folds[0].is_one_cause), (1, 1_000_000, false));
        let words = folds[0].words();
        assert!(
            words.starts_with("1000000 transaction-index-extra follow from session-missing at session 0")
        );
    }

    #[test]
    fn the_cause_of_a_consequence_is_the_first_one() {
        let first = error(3);
        let second = error(4).following(first.cause());
        assert_eq!(second.cause(), first.cause());
        assert_eq!((second.severity, first.severity), (Severity::Info, Severity::Error));
    }
}
