//! What a verdict is about, and how and when it was reached, for anyone who keeps the answer.

use std::collections::BTreeMap;
use std::time::SystemTime;

use fm_cli::{Failure, Output, PinnedKeys};
use fm_history::{Hash, PeerId};
use serde::Serialize;

use crate::view::in_quotes;

/// What a verdict says beside what was found.
#[derive(Serialize)]
pub(crate) struct Attribution {
    /// The federation's id and name and its guardians' names, as the config has them; nothing signs the names.
    pub(crate) federation: Option<String>,
    pub(crate) federation_name: Option<String>,
    pub(crate) guardians: BTreeMap<PeerId, String>,
    pub(crate) program: String,
    /// The day, in Coordinated Universal Time.
    pub(crate) date: String,
    /// The identity of all rows of the source; none if not all were read.
    pub(crate) identity: Option<Hash>,
}

impl Attribution {
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
