//! What an audit shows its caller while it runs.
//!
//! Invariant: findings and sessions come in order on the caller's thread; rows come in the order of keys on another one.

use fm_history::Finding;

use crate::audit::OldSession;
use crate::error::AuditError;

/// Called with the key and value of a row, in the order of keys, one call at a time, on a worker thread.
pub type OnEveryRow<'o> = &'o (dyn Fn(&[u8], &[u8]) + Sync);

/// Called with an epoch or session. An error stops the audit.
pub type OnSession<'o> = &'o mut dyn FnMut(OldSession<'_>) -> Result<(), AuditError>;

/// What the caller of an audit hears of.
pub struct Observer<'o> {
    /// Called with every finding.
    pub on_finding: &'o mut dyn FnMut(Finding),
    /// Called with every epoch or session, after its findings.
    pub on_session: Option<OnSession<'o>>,
    /// Called with every row, once, if the whole history and all records beside it are audited. The caller needs no
    /// reading of its own then.
    pub on_row: Option<OnEveryRow<'o>>,
}

impl<'o> Observer<'o> {
    /// Hears of findings alone.
    pub fn of_findings(on_finding: &'o mut dyn FnMut(Finding)) -> Self {
        Self { on_finding, on_session: None, on_row: None }
    }

    /// Passes a session on.
    pub(crate) fn session(&mut self, session: OldSession<'_>) -> Result<(), AuditError> {
        self.on_session.as_mut().map_or(Ok(()), |on_session| on_session(session))
    }
}
