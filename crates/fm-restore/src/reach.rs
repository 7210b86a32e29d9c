//! Up to which session the guardian made units, concluded from the old database and from what lies beside it.
//!
//! Invariant: it is known, or said not to be. A database that may be older than what the guardian signed says nothing.

use fm_datadir::{Held, SignedSession, Standing};
use fm_migration::OpenUnits;

use crate::outgoing::{Condition, Outgoing};

/// Up to which session the guardian signed units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Up to this one, or none.
    Known(Option<u64>),
    /// This one at least.
    Unknown(u64),
}

/// What is known beside the old database.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// What the node recorded.
    pub(crate) record: Option<&'a SignedSession>,
    /// The last session of the newest state that is known of beside it; none if the guard covers all that was before it.
    pub(crate) newest: Option<u64>,
    /// Whether the federation has no other guardian: then none makes units, and there is nothing to keep still in.
    pub(crate) is_alone: bool,
    /// Whether nothing can speak against the database: a restore put it in place and nothing came after.
    pub(crate) speaks_for_itself: bool,
}

impl Evidence<'_> {
    /// Decides.
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

    /// A database that says nothing of its last units: the node's record does, if nothing is newer.
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

    /// A database of which all that counts can be read, but for a torn end.
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
