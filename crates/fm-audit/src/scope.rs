//! Which part of a history an audit examines, and which of its signatures it checks.
//!
//! Invariant: leaving out signatures changes nothing else; every record in the scope is still decoded, hashed
//! and followed.

use fm_eras::Layout;
use fm_eras::hbbft::{self, HISTORY_TABLE};

use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{Sample, TrustedPrefix};
use crate::source::Origin;

/// The part of a history that an audit covers; the default is the whole history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// The first epoch or session that is examined.
    pub from: u64,
    /// The last one; `None` for the end of the history.
    pub to: Option<u64>,
    /// Check only the signatures of these records.
    pub sample: Option<&'a Sample>,
    /// What an earlier audit proved, so that its signatures need not be checked again.
    pub trust: Option<&'a TrustedPrefix>,
}

impl Scope<'_> {
    /// Returns whether the scope is the whole history.
    pub fn is_whole(&self) -> bool {
        self.from == 0 && self.to.is_none()
    }

    pub(crate) fn holds(&self, index: u64) -> bool {
        index >= self.from && self.to.is_none_or(|to| index <= to)
    }

    /// Returns a function that says for each record in sequence whether its signatures are to be checked.
    pub(crate) fn picker(&self) -> impl FnMut() -> bool {
        let sample = self.sample;
        let mut next = 0;
        move || {
            next += 1;
            sample.is_none_or(|sample| sample.has(next - 1))
        }
    }
}

/// What the audit does with the signatures of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// They are checked.
    Check,
    /// An earlier audit checked them, and nothing has changed since.
    Trusted,
    /// They are not in the sample.
    LeftOut,
}

/// The extent of a history, by its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The lowest number.
    pub first: Option<u64>,
    /// The highest number.
    pub last: Option<u64>,
    /// The number of records between the requested bounds.
    pub inside: u64,
}

/// Counts the records of a history; `from` and `to` bound the records that are counted.
///
/// # Errors
/// If the source cannot be read, or the job was interrupted.
pub fn extent(origin: Origin<'_>, scope: Scope<'_>, control: Control<'_>) -> Result<Extent, AuditError> {
    let prefix = match origin.layout {
        Layout::Hbbft(_) => HISTORY_TABLE,
        Layout::Blocks(layout) => layout.history,
    };
    let number = |key: &[u8]| match &origin.layout {
        Layout::Hbbft(layout) => hbbft::epoch_of_key(key, layout.dialect).ok(),
        Layout::Blocks(layout) => layout.number_of_key(key).ok(),
    };
    control.progress.begin("counting", "records", None);
    let mut extent = Extent::default();
    let end = prefix.checked_add(1).map(|end| [end]);
    for key in origin.rows.keys(&[prefix], end.as_ref().map(|end| end.as_slice())) {
        let key = key.map_err(|source| origin.unreadable(source))?;
        control.check()?;
        control.progress.advance(1);
        let Some(number) = number(&key) else { continue };
        extent.first = Some(extent.first.map_or(number, |first| first.min(number)));
        extent.last = extent.last.max(Some(number));
        extent.inside += u64::from(scope.holds(number));
    }
    control.progress.end();
    Ok(extent)
}
