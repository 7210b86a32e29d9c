//! Concludes in which sessions the guardian made units, from the old database and the evidence beside it.
//!
//! Invariant: the result is known, or reported as unknown. A database that may be older than what the
//! guardian signed proves nothing.

use fm_audit::OpenUnits;
use fm_datadir::{Held, SignedSession, Standing};

use crate::outgoing::{Condition, Outgoing};

/// The last session in which the guardian signed units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This session; `None` if it signed no units.
    Known(Option<u64>),
    /// This session or a later one.
    Unknown(u64),
}

/// The evidence beside the old database.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// The node's own record.
    pub(crate) record: Option<&'a SignedSession>,
    /// The last session of the newest other state that is known; `None` if the guard covers everything before
    /// the restore.
    pub(crate) newest: Option<u64>,
    /// Whether the federation has no other guardian: it then makes no units, and needs no guard.
    pub(crate) is_alone: bool,
    /// Whether no evidence can contradict the database: a restore put it in place, and no newer state exists.
    pub(crate) speaks_for_itself: bool,
}

impl Evidence<'_> {
    /// Concludes the last session, and the evidence for it.
    pub(crate) fn conclude(&self, outgoing: &mut Outgoing, held: Option<Held>) {
        let (reach, evidence) = self.reach(outgoing, held);
        (outgoing.reach, outgoing.evidence) = (reach, evidence);
    }

    fn reach(&self, outgoing: &Outgoing, held: Option<Held>) -> (Reach, String) {
        if self.is_alone {
            return (Reach::Known(None), "a guardian who is alone makes no units".to_owned());
        }
        let last = outgoing.last;
        let why = match &outgoing.condition {
            Condition::Missing => "there is no old database".to_owned(),
            Condition::Unreadable(what) => format!("the old database cannot be read: {what}"),
            Condition::Partly(what) => format!("the old database can be read only in part: {what}"),
            Condition::Readable | Condition::TornEnd(_) if self.newest > last => format!(
                "the old database ends with session {}, and there is a newer state, of session {}",
                last.map_or("none".to_owned(), |last| last.to_string()),
                self.newest.unwrap_or_default()
            ),
            Condition::Readable | Condition::TornEnd(_) => return self.of_whole(outgoing, held),
        };
        self.of_silent(last, why)
    }

    /// Returns the result for a database without evidence of its last units: the node's record decides, if no
    /// state is newer.
    fn of_silent(&self, last: Option<u64>, why: String) -> (Reach, String) {
        let recorded = self.record.and_then(|record| record.newest);
        let seen = self.newest.max(last);
        match recorded {
            Some(newest) if recorded >= seen => (
                Reach::Known(recorded),
                format!("{why}; fm-node recorded session {newest} as the last in which it made units"),
            ),
            _ => (Reach::Unknown(seen.map_or(0, |seen| seen.saturating_add(1))), why),
        }
    }

    /// Returns the result for a database in which everything that counts can be read, except for a torn end.
    fn of_whole(&self, outgoing: &Outgoing, held: Option<Held>) -> (Reach, String) {
        let open = outgoing.last.map_or(0, |last| last.saturating_add(1));
        let mut held = held.unwrap_or_default();
        if self.speaks_for_itself {
            held = Held { any: true, own_items: 0, copy_of: None, checkpoint: None, ..held };
        }
        match held.standing(self.record) {
            Standing::Older(newest) => (
                Reach::Known(Some(newest)),
                format!(
                    "fm-node recorded session {newest} as the last in which it made units, and the old database does not \
                     have all of them: it is older"
                ),
            ),
            Standing::Unknown { at_least, why } => (Reach::Unknown(at_least.max(open)), why),
            Standing::Last if matches!(outgoing.condition, Condition::TornEnd(_)) => (
                Reach::Known(Some(open.saturating_add(1))),
                format!(
                    "session {open} was open in the old database, and the end of its log is torn: one more"
                ),
            ),
            Standing::Last => of_units(outgoing.units.as_ref(), outgoing.last, open),
        }
    }
}

fn of_units(units: Option<&OpenUnits>, last: Option<u64>, open: u64) -> (Reach, String) {
    match units {
        Some(OpenUnits { own: None | Some(0), damaged: 0, all: 0, .. }) => {
            (Reach::Known(last), format!("the old database holds no units of session {open}, which was open"))
        }
        Some(OpenUnits { own: Some(0), damaged: 0, all, .. }) => {
            (Reach::Known(last), format!("none of the {all} units of session {open} is this guardian's own"))
        }
        Some(OpenUnits { own: Some(own), damaged: 0, all, .. }) => (
            Reach::Known(Some(open)),
            format!("{own} of the {all} units of session {open} are this guardian's own"),
        ),
        Some(OpenUnits { own: None, damaged: 0, all, .. }) => (
            Reach::Known(Some(open)),
            format!("session {open} has {all} units, and it is not known which guardian this is"),
        ),
        Some(units) => (
            Reach::Known(Some(open)),
            format!("{} unit row(s) of session {open} cannot be read", units.damaged),
        ),
        None => (Reach::Known(Some(open)), format!("the units of session {open} were not looked at")),
    }
}

#[cfg(test)]
mod tests {
    use fm_forge::memory::keys;

    use super::*;
    use crate::plan::guard_until;

    fn outgoing(condition: Condition, last: Option<u64>, units: Option<OpenUnits>) -> Outgoing {
        Outgoing { last, units, ..Outgoing::nothing(condition) }
    }

    fn units(all: u64, own: Option<u64>, damaged: u64) -> Option<OpenUnits> {
        Some(OpenUnits { session: 8, all, own, damaged, past_end: None })
    }

    fn reach(evidence: Evidence<'_>, mut outgoing: Outgoing, held: Option<Held>) -> Reach {
        evidence.conclude(&mut outgoing, held);
        assert!(!outgoing.evidence.is_empty());
        outgoing.reach
    }

    const NOTHING: Evidence<'_> =
        Evidence { record: None, newest: None, is_alone: false, speaks_for_itself: false };

    fn in_place() -> Option<Held> {
        Some(Held { open: 8, own: Some(0), any: true, ..Held::default() })
    }

    #[test]
    fn a_readable_database_says_whether_the_guardian_signed_in_the_open_session() {
        let of = |units| reach(NOTHING, outgoing(Condition::Readable, Some(7), units), in_place());
        assert_eq!(of(units(4, Some(0), 0)), Reach::Known(Some(7)));
        assert_eq!(of(units(4, Some(1), 0)), Reach::Known(Some(8)));
        // What is not known, or cannot be read, counts as signed.
        assert_eq!(of(units(4, None, 0)), Reach::Known(Some(8)));
        assert_eq!(of(units(4, Some(0), 1)), Reach::Known(Some(8)));
        assert_eq!(of(None), Reach::Known(Some(8)));
        let torn = outgoing(Condition::TornEnd("torn".to_owned()), Some(7), units(4, Some(0), 0));
        assert_eq!(reach(NOTHING, torn, in_place()), Reach::Known(Some(9)));
    }

    #[test]
    fn without_a_database_only_a_record_that_is_newest_decides() {
        let mut record = SignedSession::new(&keys(), 0);
        record.newest = Some(8);
        let missing = || outgoing(Condition::Missing, None, None);
        assert_eq!(reach(NOTHING, missing(), None), Reach::Unknown(0));
        let recorded = Evidence { record: Some(&record), ..NOTHING };
        assert_eq!(reach(recorded, missing(), None), Reach::Known(Some(8)));
        // A checkpoint of session 9 is newer than the record.
        assert_eq!(reach(Evidence { newest: Some(9), ..recorded }, missing(), None), Reach::Unknown(10));
        let older = outgoing(Condition::Readable, Some(3), units(4, Some(0), 0));
        assert_eq!(reach(Evidence { newest: Some(5), ..NOTHING }, older, in_place()), Reach::Unknown(6));
        let alone = Evidence { is_alone: true, ..NOTHING };
        assert_eq!(reach(alone, missing(), None), Reach::Known(None));
    }

    #[test]
    fn a_guard_is_never_below_what_is_known() {
        let of = |reach| Outgoing { reach, ..Outgoing::nothing(Condition::Missing) };
        assert_eq!(guard_until(&of(Reach::Known(Some(8))), None).unwrap(), Some(8));
        assert_eq!(guard_until(&of(Reach::Known(None)), None).unwrap(), None);
        assert_eq!(guard_until(&of(Reach::Known(Some(8))), Some(9)).unwrap(), Some(9));
        assert_eq!(guard_until(&of(Reach::Unknown(8)), Some(8)).unwrap(), Some(8));
        assert!(guard_until(&of(Reach::Known(Some(8))), Some(7)).is_err());
        assert!(guard_until(&of(Reach::Unknown(8)), Some(7)).is_err());
        assert!(guard_until(&of(Reach::Unknown(8)), None).is_err());
    }
}
