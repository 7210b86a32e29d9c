//! Proves that a database or archive is whole: before a restore, and after it.
//!
//! Invariant: there is one proof. The source, the new database beside the old one, and the new database in
//! its place each pass it, and all three must have the same result.

use fm_audit::{Control, HistoryKeys, Observer, OldSession, Origin, Request, RowIdentity, audit_history};
use fm_crypto::SessionKeys;
use fm_eras::Layout;
use fm_history::{Code, Finding, Hash, HistoryRoot, Severity};
use fm_store::ReadStore;

use crate::RestoreError;
use crate::journal::Proof;

/// The input for a proof.
#[derive(Clone, Copy)]
pub(crate) struct Proving<'a> {
    pub(crate) keys: &'a SessionKeys,
    /// Whether the proof also covers the records beside the history, and the identity of all rows.
    pub(crate) whole: bool,
    pub(crate) control: Control<'a>,
}

/// A proof, and the history root after each session if requested.
pub(crate) struct Proven {
    pub(crate) proof: Proof,
    /// The root over sessions 0 to i at position i.
    pub(crate) roots: Vec<Hash>,
}

impl Proving<'_> {
    /// Proves a source.
    ///
    /// # Errors
    /// Fails if the source does not hold sessions, is not proven, or cannot be read.
    pub(crate) fn source(&self, origin: Origin<'_>, with_roots: bool) -> Result<Proven, RestoreError> {
        let path = || origin.path.to_owned();
        if !fm_audit::is_copied(&origin.layout) {
            return Err(RestoreError::OtherEra { path: path(), era: origin.layout.era().as_str() });
        }
        let request = Request {
            shares: false,
            side_records: self.whole,
            ..Request::everything(Some(HistoryKeys::Session(self.keys)))
        };
        let mut first: Option<Finding> = None;
        let mut on_finding = |finding: Finding| {
            if finding.severity == Severity::Error {
                first.get_or_insert(finding);
            }
        };
        let (mut root, mut roots) = (HistoryRoot::new(), Vec::new());
        let mut on_session = |session: OldSession<'_>| {
            if let Some(converted) = session.converted.filter(|_| with_roots) {
                root.push(converted.leaf);
                roots.push(root.root());
            }
            Ok(())
        };
        let rows = RowIdentity::default();
        let see = |key: &[u8], value: &[u8]| rows.see(key, value);
        let observer = Observer {
            on_finding: &mut on_finding,
            on_session: Some(&mut on_session),
            on_row: if self.whole { Some(&see) } else { None },
        };
        let audit = audit_history(origin, request, self.control, observer)?;
        let not_proven =
            |first: String| RestoreError::NotProven { path: path(), errors: audit.errors, first };
        if let Some(first) = first {
            if first.code == Code::WrongKeys {
                return Err(RestoreError::WrongKeys { path: path(), what: first.to_string() });
            }
            return Err(not_proven(first.to_string()));
        }
        let (Some(anchor), Some(last)) = (&audit.proven, audit.chain.last) else {
            return Err(not_proven("it holds no finished session".to_owned()));
        };
        if anchor.last != last || audit.chain.signed != audit.chain.records || audit.errors > 0 {
            return Err(not_proven("not every session is signed".to_owned()));
        }
        let identity = rows.finish().filter(|_| self.whole);
        let proof = Proof {
            identity: identity.map(|identity| identity.to_string()).unwrap_or_default(),
            history_root: anchor.history_root.to_string(),
            last,
            items: anchor.items,
            pending: audit.pending,
            rows: audit.rows.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect(),
            layout: origin.layout.name().to_owned(),
        };
        Ok(Proven { proof, roots })
    }

    /// Opens a database that these tools wrote, and proves that it holds the wanted rows.
    ///
    /// # Errors
    /// Fails if the database cannot be read, is not proven, or holds something else.
    pub(crate) fn copy(&self, database: &std::path::Path, wanted: &Proof) -> Result<(), RestoreError> {
        let store = ReadStore::open(database)?;
        if let Some(omission) = store.omissions().first() {
            return Err(RestoreError::NotWhole { path: database.to_owned(), what: omission.message.clone() });
        }
        let layout = Layout::by_name(&wanted.layout).ok_or_else(|| RestoreError::ReadBack {
            what: format!("there is no layout {:?}", wanted.layout),
        })?;
        let found = self.source(Origin { rows: &store, path: database, layout }, false)?.proof;
        match difference(wanted, &found) {
            None => Ok(()),
            Some(what) => Err(RestoreError::ReadBack { what }),
        }
    }
}

/// Describes the difference between two proofs.
pub(crate) fn difference(wanted: &Proof, found: &Proof) -> Option<String> {
    let pairs = [
        ("the history root", &wanted.history_root, &found.history_root),
        ("the identity", &wanted.identity, &found.identity),
    ];
    let text = pairs.into_iter().find(|(_, wanted, found)| wanted != found);
    if let Some((name, wanted, found)) = text {
        return Some(format!("{name} is {found}, it should be {wanted}"));
    }
    (wanted != found).then(|| "rows are counted otherwise".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use fm_audit::Silent;
    use fm_eras::session::{modern, session_key, transaction_key};
    use fm_forge::memory::{SIGNERS, accept, history, item, items_of, keys, record, secret};
    use fm_rows::MemoryRows;

    use super::*;

    fn prove(rows: &MemoryRows, keys: &SessionKeys, whole: bool) -> Result<Proven, RestoreError> {
        let interrupted = AtomicBool::new(false);
        let control = Control { progress: &Silent, interrupted: &interrupted };
        let origin = Origin { rows, path: Path::new("memory"), layout: Layout::Blocks(modern()) };
        Proving { keys, whole, control }.source(origin, true)
    }

    #[test]
    fn a_signed_history_is_proven_with_the_root_after_each_session() {
        let (mut rows, keys) = (history(3), keys());
        accept(&mut rows, 0, &item(b"open", 1));
        let whole = prove(&rows, &keys, true).unwrap();
        assert_eq!((whole.proof.last, whole.proof.items, whole.proof.pending), (2, 6, 1));
        assert_eq!(whole.roots.len(), 3);
        assert_eq!(whole.roots[2].to_string(), whole.proof.history_root);
        assert_eq!(whole.roots[1].to_string(), prove(&history(2), &keys, false).unwrap().proof.history_root);
        let interrupted = AtomicBool::new(false);
        let control = Control { progress: &Silent, interrupted: &interrupted };
        let identity = fm_audit::state_identity(&rows, Path::new("memory"), control).unwrap();
        assert_eq!(whole.proof.identity, identity.to_string());
        // Of the history alone, other rows are not looked at.
        let alone = prove(&rows, &keys, false).unwrap().proof;
        assert_eq!((alone.identity.as_str(), alone.pending), ("", 0));
        assert!(difference(&whole.proof, &alone).is_some() && difference(&alone, &alone.clone()).is_none());
    }

    #[test]
    fn what_is_not_proven_is_not_restored() {
        let not_proven =
            |rows: &MemoryRows| matches!(prove(rows, &keys(), true), Err(RestoreError::NotProven { .. }));
        assert!(not_proven(&history(0)));
        let mut unsigned = history(3);
        unsigned.0.insert(session_key(2), record(2, items_of(2), &SIGNERS[..2]));
        assert!(not_proven(&unsigned));
        let mut changed = history(3);
        changed.0.insert(session_key(1), record(2, items_of(1), &SIGNERS));
        assert!(not_proven(&changed));
        let mut gap = history(3);
        gap.0.remove(&session_key(1));
        assert!(not_proven(&gap));
        // A row of the index that no session accepts is seen only where other records are looked at.
        let mut strange = history(3);
        strange.0.insert(transaction_key(&Hash([9; 32])), vec![0]);
        assert!(prove(&strange, &keys(), false).is_ok() && not_proven(&strange));
    }

    #[test]
    fn other_keys_are_named_as_such() {
        let other = (0..4).map(|peer| (peer, secret(peer + 9).public_key())).collect();
        let refused = prove(&history(3), &SessionKeys::new(&other).unwrap(), true);
        assert!(matches!(refused, Err(RestoreError::WrongKeys { .. })));
    }
}
