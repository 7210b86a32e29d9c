//! The units of the open session in the database, as v0.5 stores them: one per row, behind its length.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fm_aleph::UnitLog;
use fm_codec::{Dialect, Reader, Writer};
use fm_consensus::{ALEPH_UNITS, unit_key};
use fm_store::{Durability, LiveStore};

/// The log of one session. Only one is written at a time.
pub(crate) struct DatabaseLog {
    store: Arc<LiveStore>,
    next: AtomicU64,
}

impl DatabaseLog {
    /// The log as it is in the database.
    pub(crate) fn open(store: Arc<LiveStore>) -> io::Result<Self> {
        let last = store.last_of_prefix(&[ALEPH_UNITS]).map_err(io::Error::other)?;
        let next = match last {
            None => 0,
            Some((key, _)) => {
                let mut reader = Reader::new(&key[1..], Dialect::MODERN);
                let last = reader.u64().map_err(io::Error::other)?;
                reader.finish().map_err(io::Error::other)?;
                last.checked_add(1)
                    .ok_or_else(|| io::Error::other("the last unit has the greatest number"))?
            }
        };
        Ok(Self { store, next: AtomicU64::new(next) })
    }
}

impl UnitLog for DatabaseLog {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut units = Vec::new();
        for row in self.store.scan_prefix(&[ALEPH_UNITS]) {
            let (_, value) = row.map_err(io::Error::other)?;
            let mut reader = Reader::new(&value, Dialect::MODERN);
            units.extend_from_slice(reader.bytes().map_err(io::Error::other)?);
            reader.finish().map_err(io::Error::other)?;
        }
        Ok(units)
    }

    fn append(&self, unit: &[u8], safe: bool) -> io::Result<()> {
        let key = unit_key(self.next.fetch_add(1, Relaxed));
        let mut value = Writer::new(Dialect::MODERN);
        value.bytes(unit);
        let durability = if safe { Durability::Synced } else { Durability::Deferred };
        let row = (key.as_slice(), Some(value.as_bytes()));
        self.store.write([row], durability).map_err(io::Error::other)
    }
}
