//! The session that the stored units belong to. A history whose end was lost often still has the units of a
//! later session.
//!
//! Units are not decoded here. In every form the session number is right before the signature of the unit,
//! and a row usually ends with a unit. A finding is therefore reported only if all rows agree.

use fm_codec::Reader;
use fm_eras::block::{BlockLayout, KeyForm};
use fm_history::{Code, Finding, Place};

/// The number of bytes of the session number and the signature at the end of a unit.
/// Source: fedimint-aleph-bft 0.36.0, src/units/mod.rs.
const END_OF_UNIT: usize = 8 + 64;

/// The sessions that the rows of the units table name.
#[derive(Debug, Default)]
pub(crate) struct UnitSessions {
    /// The session of all rows so far, and the key of the first row; `None` before the first row.
    agreed: Option<(u64, Vec<u8>)>,
    /// A row names another session, or no session.
    differ: bool,
}

impl UnitSessions {
    pub(crate) fn take(&mut self, layout: &BlockLayout, key: &[u8], value: &[u8]) {
        let of_key = layout.table_of(key).is_some_and(|table| table.key == KeyForm::TwoNumbers);
        let session = if of_key { session_of_key(layout, key) } else { session_of_value(layout, value) };
        match (session, &self.agreed) {
            (Some(session), None) => self.agreed = Some((session, key.to_vec())),
            (Some(session), Some((agreed, _))) if session == *agreed => {}
            _ => self.differ = true,
        }
    }

    /// Returns the finding about the end of the history if the units belong to a later session than `open`,
    /// the session that should be in progress.
    pub(crate) fn beyond(self, layout: &BlockLayout, open: u64) -> Option<Finding> {
        let (session, key) = self.agreed.filter(|(session, _)| !self.differ && *session > open)?;
        let name = layout.table_of(&key).map_or("units", |table| table.name);
        let message = format!(
            "every row of {name} is of session {session}, but the session after the last finished one is {open}: \
             the newest sessions are not there"
        );
        Some(Finding::new(Code::UnitsBeyondEnd, Place::key(&key), message))
    }
}

fn session_of_key(layout: &BlockLayout, key: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(key, layout.dialect);
    reader.u8().ok()?;
    reader.u64().ok()
}

fn session_of_value(layout: &BlockLayout, value: &[u8]) -> Option<u64> {
    let bytes = Reader::new(value, layout.dialect).bytes().ok()?;
    let start = bytes.len().checked_sub(END_OF_UNIT)?;
    bytes[start..].first_chunk().map(|session| u64::from_le_bytes(*session))
}
