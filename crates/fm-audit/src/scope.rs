//! Which part of a history an audit looks at, and which of its signatures it checks.
//!
//! Invariant: leaving out signatures changes nothing else; what is looked at is decoded, hashed and followed as ever.

use fm_eras::Layout;
use fm_eras::hbbft::{self, HISTORY_TABLE};

use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{Sample, TrustedPrefix};
use crate::source::Origin;

/// What an audit covers; by default all of a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// The first epoch or session that is looked at.
    pub from: u64,
    /// The last one; none for the end of the history.
    pub to: Option<u64>,
    /// Check the signatures of these only.
    pub sample: Option<&'a Sample>,
    /// What an earlier audit proved, so that its signatures need not be checked again.
    pub trust: Option<&'a TrustedPrefix>,
}

impl Scope<'_> {
    /// Whether it is the whole history that is looked at.
    pub fn is_whole(&self) -> bool {
        self.from == 0 && self.to.is_none()
    }

    pub(crate) fn holds(&self, index: u64) -> bool {
        index >= self.from && self.to.is_none_or(|to| index <= to)
    }

    /// Says of one record after the other whether its signatures are to be checked.
    pub(crate) fn picker(&self) -> impl FnMut() -> bool {
        let sample = self.sample;
        let mut next = 0;
        move || {
            next += 1;
            sample.is_none_or(|sample| sample.has(next - 1))
        }
    }
}

/// What is done about the signatures of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// They are checked.
    Check,
    /// They were checked by an earlier audit, and nothing has changed since.
    Trusted,
    /// They are not in the sample.
    LeftOut,
}

/// How far a history reaches, by its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The lowest number.
    pub first: Option<u64>,
    /// The highest number.
    pub last: Option<u64>,
    /// Records between the bounds that were asked for.
    pub inside: u64,
}

/// Counts the records of a history; `from` and `to` bound what counts.
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
    for row in origin.rows.scan_prefix(prefix) {
        let (key, _) = row.map_err(|source| origin.unreadable(source))?;
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
