//! The session's units, stored as they arrive and read after a restart.

use std::io;
use std::sync::Arc;

use aleph_bft_0_36 as aleph;
use fm_history::PeerId;

/// The storage of the open session's units.
pub trait UnitLog: Send + Sync + 'static {
    /// Returns all units, concatenated in the order in which they were appended.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Appends a unit. With `safe`, the unit and everything written before it survive a power cut once this
    /// returns.
    ///
    /// # Errors
    /// If it cannot be stored.
    fn append(&self, unit: &[u8], safe: bool) -> io::Result<()>;
}

pub(crate) struct Reader(pub(crate) Arc<dyn UnitLog>);

#[async_trait::async_trait]
impl aleph::BackupReader for Reader {
    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let log = self.0.clone();
        tokio::task::spawn_blocking(move || log.read()).await.map_err(io::Error::other)?
    }
}

pub(crate) struct Writer {
    log: Arc<dyn UnitLog>,
    me: PeerId,
}

impl Writer {
    pub(crate) fn new(log: Arc<dyn UnitLog>, me: PeerId) -> Self {
        Self { log, me }
    }

    /// Returns whether a unit is this guardian's. A unit begins with its round (2 bytes) and its creator (8
    /// bytes, little endian).
    fn is_own(&self, unit: &[u8]) -> bool {
        unit.get(2..10).is_some_and(|creator| creator == u64::from(self.me).to_le_bytes())
    }
}

#[async_trait::async_trait]
impl aleph::BackupWriter for Writer {
    /// Syncs only what this guardian signed: if it forgot that, it would sign something else in its place and
    /// thereby equivocate. Units of others can be requested again.
    async fn append(&mut self, unit: &[u8]) -> io::Result<()> {
        if !self.is_own(unit) {
            return self.log.append(unit, false);
        }
        let (log, unit) = (self.log.clone(), unit.to_vec());
        tokio::task::spawn_blocking(move || log.append(&unit, true)).await.map_err(io::Error::other)?
    }
}
