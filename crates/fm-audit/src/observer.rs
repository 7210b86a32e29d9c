//! What an audit passes to its caller while it runs.
//!
//! Invariant: findings and sessions arrive in order on the caller's thread; rows arrive in key order on a
//! worker thread.

use fm_history::Finding;

use crate::error::AuditError;
use crate::frame::OnEveryRow;
use crate::old_session::OldSession;

/// Called with an epoch or session. An error stops the audit.
pub type OnSession<'o> = &'o mut dyn FnMut(OldSession<'_>) -> Result<(), AuditError>;

/// The callbacks of an audit.
pub struct Observer<'o> {
    /// Called with every finding.
    pub on_finding: &'o mut dyn FnMut(Finding),
    /// Called with every epoch or session, after its findings.
    pub on_session: Option<OnSession<'o>>,
    /// Called once with every row, if the whole history and all records outside it are audited. The caller
    /// then need not read the rows itself.
    pub on_row: Option<OnEveryRow<'o>>,
}

impl<'o> Observer<'o> {
    /// Returns an observer of findings only.
    pub fn of_findings(on_finding: &'o mut dyn FnMut(Finding)) -> Self {
        Self { on_finding, on_session: None, on_row: None }
    }
}
