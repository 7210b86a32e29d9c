//! The federation of each compared source.
//!
//! Invariant: nothing is guessed. A federation is what the header of an archive or the configuration beside a
//! database says. Sources that have a session in common and do not diverge are of one federation, whatever is
//! said of them.

use std::collections::BTreeMap;

use fm_backup::{Comparison, State};
use fm_cli::{PinnedKeys, config_around, load_keys_of};

use crate::args::CompareArgs;

/// SHA-256 over a map without entries, which earlier programs took for the id of every federation over iroh.
/// Source of what an id hashes: fedimint-core 0.5.0, src/config.rs.
const NO_ADDRESSES: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";

/// The federations of the sources, as far as they are known.
pub(crate) struct Federations {
    ids: Vec<Option<String>>,
    is_one_history: bool,
}

impl Federations {
    /// Looks for the federations of the sources.
    pub(crate) fn of(arguments: &CompareArgs, states: &[State], comparison: &Comparison) -> Self {
        let of_directory =
            |path| load_keys_of(&config_around(path)?).ok().as_ref().and_then(PinnedKeys::federation);
        let sources = states.iter().zip(&arguments.sources);
        let ids = sources.map(|(state, source)| {
            let id = match state.metadata() {
                Some(metadata) => metadata.get("federation").map(str::to_owned),
                None => of_directory(source.path()),
            };
            id.filter(|id| !id.is_empty() && id != NO_ADDRESSES)
        });
        let is_one_history = comparison.is_one_history() && comparison.common_end.is_some();
        Self { ids: ids.collect(), is_one_history }
    }

    /// Returns the federation of a source, in hex, if it is known.
    pub(crate) fn of_source(&self, number: usize) -> Option<&str> {
        self.ids.get(number)?.as_deref()
    }

    /// Checks whether at least two of the sources are of different federations.
    pub(crate) fn are_several(&self) -> bool {
        !self.is_one_history && self.groups().len() > 1
    }

    /// Returns the sources of each federation, by its id.
    pub(crate) fn groups(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, id) in self.ids.iter().enumerate() {
            if let Some(id) = id {
                groups.entry(id).or_default().push(number);
            }
        }
        groups
    }
}
