//! What a command works on: a source on disk, or a running federation, and the keys that go with it.

use std::path::Path;
use std::sync::Arc;

use fm_audit::{AuditError, Control, Source, open_source};
use fm_cli::{Failure, FederationArgs, KeyArgs, LiveGuardians, LiveSource, PinnedKeys, is_federation};
use fm_client::{Federation, LiveHistory};
use fm_eras::Layout;

/// The keys for a source; a running federation is opened at once, for it may state them.
pub(crate) struct Opening {
    pub(crate) keys: Option<PinnedKeys>,
    source: Option<Source>,
    live: Option<Live>,
}

/// A running federation, for what is to be said about its guardians.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) history: Arc<LiveHistory>,
    pub(crate) federation: Arc<Federation>,
}

impl Opening {
    /// Loads the keys that the user named; otherwise those that go with the source, if there are any.
    pub(crate) fn begin(path: &Path, keys: &KeyArgs, federation: &FederationArgs) -> Result<Self, Failure> {
        if !is_federation(path) {
            return Ok(Self { keys: keys.load_or_warn(path, "fm-verify")?, source: None, live: None });
        }
        let LiveSource { source, guardians, keys } = federation.open(path, keys.load()?)?;
        let live = guardians
            .map(|LiveGuardians { history, federation }| Live { history, federation: Arc::new(federation) });
        Ok(Self { keys: Some(keys), source: Some(source), live })
    }

    /// A source on disk without keys.
    pub(crate) fn without_keys() -> Self {
        Self { keys: None, source: None, live: None }
    }

    /// Returns the running federation, if it is one.
    pub(crate) fn live(&self) -> Option<Live> {
        self.live.clone()
    }

    /// Opens the source, and returns its keys.
    pub(crate) fn source(
        self,
        path: &Path,
        layout: Option<Layout>,
        control: Control<'_>,
    ) -> Result<(Source, Option<PinnedKeys>), AuditError> {
        let source = match self.source {
            Some(source) => source,
            None => open_source(path, layout, control)?,
        };
        Ok((source, self.keys))
    }
}
