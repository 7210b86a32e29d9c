//! The equivocation guard: the sessions in which a restored guardian makes no units.
//!
//! A guardian whose restored database lacks units that it signed would sign different ones and thereby
//! equivocate. Therefore the operator who restores it names the last session in which it may have signed
//! units. `fm-datadir` reads and writes the file.

use fm_history::PeerId;

/// The last session in which this guardian makes no units, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The session.
    pub until_session: Option<u64>,
    /// The guardian that the guard is for, if the file names it.
    pub peer: Option<PeerId>,
}

impl Guard {
    /// Returns whether this guardian may make units in that session.
    pub fn may_create_units(self, session: u64) -> bool {
        self.until_session.is_none_or(|last| session > last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_made_only_after_the_named_session() {
        let guard = Guard { until_session: Some(7), peer: Some(3) };
        assert!(!guard.may_create_units(0) && !guard.may_create_units(7) && guard.may_create_units(8));
        assert!(Guard::default().may_create_units(0));
    }
}
