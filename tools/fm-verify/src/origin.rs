//! What a verdict is about, and how and when it was reached, for anyone who keeps the answer.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use fm_audit::Identity;
use fm_cli::{Failure, Output, PinnedKeys};
use fm_history::Hash;
use serde::Serialize;

use crate::view::in_quotes;

/// The identity of rows, computed from an audit that reads them in key order, one at a time.
#[derive(Default)]
pub(crate) struct RowIdentity(Mutex<Identity>);

impl RowIdentity {
    pub(crate) fn see(&self, key: &[u8], value: &[u8]) {
        if let Ok(mut identity) = self.0.lock() {
            identity.push(key, value);
        }
    }

    /// Returns the identity of all rows; none if a thread that read them broke off.
    pub(crate) fn finish(self) -> Option<Hash> {
        self.0.into_inner().ok().map(Identity::finish)
    }
}

/// Fields of a verdict beside the findings.
#[derive(Serialize)]
pub(crate) struct Origin {
    /// The federation's id and name and its guardians' names, from the configuration; the names are not
    /// signed.
    pub(crate) federation: Option<String>,
    pub(crate) federation_name: Option<String>,
    pub(crate) guardians: BTreeMap<u16, String>,
    pub(crate) program: String,
    /// The day, in Coordinated Universal Time.
    pub(crate) date: String,
    /// The identity of all rows of the source; none if not all were read.
    pub(crate) identity: Option<Hash>,
}

impl Origin {
    pub(crate) fn new(keys: Option<&PinnedKeys>, identity: Option<Hash>) -> Self {
        let names = keys.map(PinnedKeys::guardians).unwrap_or_default();
        Self {
            federation: keys.and_then(PinnedKeys::federation),
            federation_name: keys.and_then(PinnedKeys::federation_name).map(str::to_owned),
            guardians: names.into_iter().map(|(peer, name)| (peer, name.to_owned())).collect(),
            program: format!("fm-verify {}", fm_cli::version()),
            date: fm_cli::day(SystemTime::now()),
            identity,
        }
    }

    /// Says which program reached the verdict, and when.
    pub(crate) fn checked(&self) -> String {
        format!("by {} on {}", self.program, self.date)
    }

    /// Returns the federation of the configuration, if there is one.
    pub(crate) fn federation(&self) -> Option<String> {
        let name = self.federation_name.as_ref().map(|name| in_quotes(name));
        let parts: Vec<String> = self.federation.clone().into_iter().chain(name).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// Returns the guardians' names, if there is a configuration.
    pub(crate) fn guardians(&self) -> Option<String> {
        let names: Vec<String> =
            self.guardians.iter().map(|(peer, name)| format!("{peer} {}", in_quotes(name))).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    pub(crate) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(&format!("checked    {}", self.checked()))?;
        if let Some(federation) = self.federation() {
            output.line(&format!("federation {federation}"))?;
        }
        match self.guardians() {
            Some(guardians) => output.line(&format!("guardians  {guardians}")),
            None => Ok(()),
        }
    }
}
