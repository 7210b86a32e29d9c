//! Compares the restored source with copies of other guardians: archives, checkpoints or databases.
//!
//! Invariants: a witness is itself proven, with the same keys. Histories are compared at their common end.
//! Module state, which nobody signs, is compared and reported, but decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fm_audit::Origin;
use fm_backup::{Location, Profile, State, TableComparison, TableStanding, compare_states};
use fm_history::Hash;

use crate::RestoreError;
use crate::origin::open_origin;
use crate::prove::{Proven, Proving};

/// Prefix of the accepted items of the open session. Source: fedimint-server 0.5.0, src/consensus/db.rs.
const PENDING: u8 = 0x01;

/// The result for one guardian's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The copy.
    pub path: PathBuf,
    /// Its last session.
    pub last: u64,
    /// The last session that both copies have.
    pub common: u64,
    /// Its history root at that session.
    pub history_root: Hash,
    /// Whether the source has the same root.
    pub agrees: bool,
    /// Modules in which they differ; `None` if the copies are not of the same moment.
    pub other_modules: Option<OtherModules>,
}

/// Modules in which two copies of the same moment differ. Rows that are each guardian's own are not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherModules {
    /// Modules that differ in rows that all honest guardians share.
    pub shared: Vec<u16>,
    /// Modules that differ only in rows of which it is unknown whether guardians share them.
    pub unclear: Vec<u16>,
}

impl From<&TableComparison> for OtherModules {
    fn from(compared: &TableComparison) -> Self {
        let telling = compared.modules.iter().filter(|module| module.telling > 0);
        let shared: Vec<u16> = telling.map(|module| module.module).collect();
        let tables = compared.tables.iter().filter(|table| table.standing == TableStanding::Unknown);
        let unclear: BTreeSet<u16> =
            tables.filter_map(|table| table.module).filter(|module| !shared.contains(module)).collect();
        Self { shared, unclear: unclear.into_iter().collect() }
    }
}

/// The source, for the comparison with the witnesses.
pub(crate) struct Subject<'a> {
    pub(crate) origin: &'a State,
    pub(crate) proven: &'a Proven,
    pub(crate) kinds: &'a BTreeMap<u16, String>,
}

impl Subject<'_> {
    /// Proves and compares each copy.
    pub(crate) fn compare(
        &self,
        copies: &[Location],
        proving: Proving<'_>,
    ) -> Result<Vec<Witness>, RestoreError> {
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        copies.iter().map(|copy| self.witness(copy, proving)).collect()
    }

    fn witness(&self, copy: &Location, proving: Proving<'_>) -> Result<Witness, RestoreError> {
        let origin = open_origin(copy, None, proving.control)?;
        // An archive of the history alone is an equally good witness.
        let proving = Proving { whole: false, ..proving };
        let proven = proving.source(origin.history(), true)?;
        let (last, source_last) = (proven.proof.last, self.proven.proof.last);
        let common = last.min(source_last);
        let at = |roots: &[Hash]| usize::try_from(common).ok().and_then(|common| roots.get(common).copied());
        let (ours, theirs) = (at(&self.proven.roots), at(&proven.roots));
        let same_moment =
            last == source_last && !is_under_way(self.origin.history())? && !is_under_way(origin.history())?;
        // An archive without module data has no module state to compare.
        let other_modules = if same_moment && origin.profile() == Profile::Full {
            let compared = compare_states([self.origin, &origin], self.kinds, proving.control)?;
            Some(OtherModules::from(&compared))
        } else {
            None
        };
        Ok(Witness {
            path: copy.path().to_owned(),
            last,
            common,
            history_root: theirs.unwrap_or_default(),
            agrees: ours.is_some() && ours == theirs,
            other_modules,
        })
    }
}

/// Refuses a source if at least as many copies differ from it as agree with it, counting the source itself.
pub(crate) fn check_majority(path: &Path, witnesses: &[Witness]) -> Result<(), RestoreError> {
    let voters = witnesses.len() + 1;
    let mut differing = witnesses.iter().filter(|witness| !witness.agrees);
    let Some(first) = differing.next() else { return Ok(()) };
    let against = differing.count() + 1;
    if (voters - against) * 2 > voters {
        return Ok(());
    }
    Err(RestoreError::Disagree { path: path.to_owned(), against, voters, first: first.path.clone() })
}

/// Returns whether items of the open session were already processed: module state is then not that of the end
/// of a session.
fn is_under_way(origin: Origin<'_>) -> Result<bool, RestoreError> {
    let first = origin.rows.scan_prefix(PENDING).next().transpose();
    Ok(first.map_err(|source| origin.unreadable(source))?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half_of_all() {
        let witness = |agrees| Witness {
            path: PathBuf::from("copy"),
            last: 1,
            common: 1,
            history_root: Hash::default(),
            agrees,
            other_modules: None,
        };
        for (votes, passes) in [
            (&[] as &[bool], true),
            (&[true], true),
            (&[false], false),
            (&[true, false], true),
            (&[false, false], false),
            (&[true, false, false], false),
            (&[true, true, false], true),
        ] {
            let witnesses: Vec<Witness> = votes.iter().copied().map(witness).collect();
            assert_eq!(check_majority(Path::new("own"), &witnesses).is_ok(), passes, "{votes:?}");
        }
    }
}
