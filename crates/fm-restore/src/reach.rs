//! Concludes in which sessions the guardian made units, from the old database and the evidence beside it.
//!
//! Invariant: the result is known, or reported as unknown. A database that may be older than what the
//! guardian signed proves nothing.

use fm_datadir::{Held, SignedSession, Standing};
use fm_migration::OpenUnits;

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
