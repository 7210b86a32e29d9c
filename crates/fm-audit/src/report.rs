//! Findings of an audit, counted by severity and passed on.

use std::cell::{Cell, RefCell};

use fm_history::{Finding, Severity};

/// Counts findings and passes them on.
pub(crate) struct Report<'f> {
    sink: RefCell<&'f mut dyn FnMut(Finding)>,
    errors: Cell<u64>,
    warnings: Cell<u64>,
}

impl<'f> Report<'f> {
    pub(crate) fn new(sink: &'f mut dyn FnMut(Finding)) -> Self {
        Self { sink: RefCell::new(sink), errors: Cell::default(), warnings: Cell::default() }
    }

    /// Returns the number of errors and of warnings so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.errors.get(), self.warnings.get())
    }

    pub(crate) fn add(&self, finding: Finding) {
        match finding.severity {
            Severity::Error => self.errors.set(self.errors.get() + 1),
            Severity::Warning => self.warnings.set(self.warnings.get() + 1),
            Severity::Info => {}
        }
        (self.sink.borrow_mut())(finding);
    }
}
