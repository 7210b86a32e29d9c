//! The parts of the old database's session in progress, and of its client backups, that the restored state
//! also has. The plan reports only the rest as lost.

use std::collections::BTreeMap;

use fm_audit::Origin;
use fm_audit::StoredUnits;
use fm_eras::block::{BlockLayout, decode_block, encode_accepted_item};
use fm_eras::session::session_key;

use crate::RestoreError;

/// The state that takes the old database's place.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) origin: Origin<'a>,
    /// Its last finished session.
    pub(crate) last: u64,
    pub(crate) layout: &'static BlockLayout,
}

/// Accepted items of one session by their bytes, each with its number of occurrences.
#[derive(Default)]
pub(crate) struct KeptItems(BTreeMap<Vec<u8>, u64>);

impl KeptItems {
    /// Takes one item with these bytes; returns false if there is no such item left.
    pub(crate) fn take(&mut self, item: &[u8]) -> bool {
        match self.0.get_mut(item) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    fn add(&mut self, item: Vec<u8>) {
        *self.0.entry(item).or_default() += 1;
    }
}

impl Incoming<'_> {
    /// Returns the accepted items that this state has of a session, finished or in progress.
    pub(crate) fn items(&self, session: u64) -> Result<KeptItems, RestoreError> {
        let mut kept = KeptItems::default();
        if session == self.last.saturating_add(1) {
            let stored = StoredUnits::read(self.origin)?;
            stored.accepted.into_iter().for_each(|(_, value)| kept.add(value));
        } else if session <= self.last {
            // An item that does not decode counts as not kept: the plan would rather report a loss too many
            // than too few.
            let record = self.get(&session_key(session))?;
            let block = record.and_then(|record| decode_block(&record, self.layout).ok());
            let items = block.into_iter().flat_map(|block| block.items);
            items.for_each(|item| kept.add(encode_accepted_item(&item, self.layout)));
        }
        Ok(kept)
    }

    /// Returns whether this state has that row.
    pub(crate) fn has(&self, key: &[u8], value: &[u8]) -> Result<bool, RestoreError> {
        Ok(self.get(key)?.is_some_and(|kept| kept == value))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RestoreError> {
        let got = self.origin.rows.get(key);
        Ok(got.map_err(|source| self.origin.unreadable(source))?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fm_eras::{Layout, session::modern};
    use fm_forge::memory::{SIGNERS, accept, bytes, history, item, items_of, record};

    use super::*;

    #[test]
    fn each_item_is_kept_as_often_as_it_is_there() {
        let mut rows = history(2);
        let twice = item(b"twice", 3);
        rows.0.insert(session_key(1), record(1, vec![twice.clone(), twice.clone()], &SIGNERS));
        accept(&mut rows, 0, &item(b"open", 1));
        // A record that does not decode keeps nothing.
        rows.0.insert(session_key(9), vec![0xFF]);
        let origin = Origin { rows: &rows, path: Path::new("memory"), layout: Layout::Blocks(modern()) };
        let incoming = |last| Incoming { origin, last, layout: modern() };
        let mut first = incoming(1).items(0).unwrap();
        assert!(items_of(0).iter().all(|item| first.take(&bytes(item))));
        assert!(!first.take(&bytes(&items_of(0)[0])));
        let mut second = incoming(1).items(1).unwrap();
        let taken = [(); 3].map(|()| second.take(&bytes(&twice)));
        assert_eq!(taken, [true, true, false]);
        assert!(incoming(9).items(9).unwrap().0.is_empty());
        assert!(incoming(1).items(7).unwrap().0.is_empty());
        let (key, value) = (session_key(0), record(0, items_of(0), &SIGNERS));
        assert!(incoming(1).has(&key, &value).unwrap() && !incoming(1).has(&key, b"other").unwrap());
    }
}
