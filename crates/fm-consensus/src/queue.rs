//! The contents of this guardian's units: submitted transactions and proposed items, in batches.
//!
//! Invariants: a batch is never longer than [`BATCH_BYTES`]; a transaction is in one unit of a session; the
//! queue is bounded; a transaction that was proposed but not ordered in time is proposed again in the next
//! session.

use std::collections::{BTreeMap, HashSet, VecDeque};

use fm_codec::{Dialect, Encode, Writer};
use fm_history::{ConsensusItem, Hash, sha256};
use thiserror::Error;

use crate::action::Action;
use crate::batch::{BATCH_BYTES, UnitPayload};

/// The most bytes that the count of items takes in a batch.
/// Source: fedimint-server 0.5.0, src/consensus/aleph_bft/data_provider.rs.
const COUNT_BYTES: usize = 9;
/// The most bytes that wait: several minutes of full units.
pub const QUEUE_BYTES: usize = 64 << 20;

/// Why the queue does not take an item.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QueueError {
    /// No batch can hold it.
    #[error("an item of {bytes} bytes, a unit holds {}", BATCH_BYTES - COUNT_BYTES)]
    TooLarge { bytes: usize },
    /// The queue is full.
    #[error("{QUEUE_BYTES} bytes wait already")]
    Full,
    /// The item already waits, or is in a unit of this session.
    #[error("the item is already proposed")]
    Known,
}

/// The queue.
#[derive(Debug, Default)]
pub struct ProposalQueue {
    waiting: VecDeque<Entry>,
    waiting_bytes: usize,
    /// Everything that waits or was put into a unit of this session: transactions by id, other items by their
    /// hash.
    known: HashSet<Hash>,
    /// Transactions in units of this session that were not ordered yet.
    in_flight: BTreeMap<Hash, Vec<u8>>,
    /// The signature to send instead, once the session's rounds are over.
    signature: Option<[u8; 64]>,
}

#[derive(Debug)]
struct Entry {
    id: Hash,
    transaction: bool,
    bytes: Vec<u8>,
}

impl ProposalQueue {
    /// Adds an item to the queue.
    ///
    /// # Errors
    /// If the item is already known, it is too large, or the queue is full.
    pub fn push(&mut self, item: &ConsensusItem) -> Result<(), QueueError> {
        let bytes = item.to_bytes(Dialect::MODERN);
        if bytes.len() > BATCH_BYTES - COUNT_BYTES {
            return Err(QueueError::TooLarge { bytes: bytes.len() });
        }
        let (id, transaction) = match item {
            ConsensusItem::Transaction(transaction) => (transaction.txid(), true),
            ConsensusItem::Module(_) | ConsensusItem::Default { .. } => (sha256(&[&bytes]), false),
        };
        if self.known.contains(&id) {
            return Err(QueueError::Known);
        }
        if self.waiting_bytes + bytes.len() > QUEUE_BYTES {
            return Err(QueueError::Full);
        }
        self.enqueue(Entry { id, transaction, bytes });
        Ok(())
    }

    /// Returns the number of items that wait, and their bytes.
    pub fn waiting(&self) -> (usize, usize) {
        (self.waiting.len(), self.waiting_bytes)
    }

    fn enqueue(&mut self, entry: Entry) {
        self.known.insert(entry.id);
        self.waiting_bytes += entry.bytes.len();
        self.waiting.push_back(entry);
    }

    /// Returns the contents of this guardian's next unit. `is_accepted` says whether a transaction was
    /// already accepted from another guardian's unit.
    pub fn next_payload(&mut self, is_accepted: impl Fn(&Hash) -> bool) -> Option<UnitPayload> {
        if let Some(signature) = self.signature {
            return Some(UnitPayload::Signature(signature));
        }
        let mut items = Vec::new();
        let mut size = COUNT_BYTES;
        while let Some(entry) = self.waiting.pop_front() {
            if entry.transaction && is_accepted(&entry.id) {
                self.waiting_bytes -= entry.bytes.len();
                continue;
            }
            if size + entry.bytes.len() > BATCH_BYTES {
                self.waiting.push_front(entry);
                break;
            }
            size += entry.bytes.len();
            self.waiting_bytes -= entry.bytes.len();
            if entry.transaction {
                self.in_flight.insert(entry.id, entry.bytes.clone());
            }
            items.push(entry.bytes);
        }
        if items.is_empty() {
            return None;
        }
        let mut batch = Writer::new(Dialect::MODERN);
        batch.list(items.iter(), |batch, item| batch.raw(item));
        Some(UnitPayload::Batch(batch.into_bytes()))
    }

    /// Updates the queue after an action of the machine.
    pub fn follow(&mut self, action: &Action) {
        match action {
            Action::Accepted { txid: Some(txid), .. } | Action::Discarded { txid: Some(txid), .. } => {
                self.in_flight.remove(txid);
            }
            Action::Broadcast { signature, .. } => self.signature = Some(*signature),
            Action::SessionComplete { .. } => self.next_session(),
            Action::Accepted { .. }
            | Action::Discarded { .. }
            | Action::BatchSkipped { .. }
            | Action::SignatureCollected { .. }
            | Action::SignatureIgnored { .. }
            | Action::OutcomeRefused { .. } => {}
        }
    }

    /// Puts transactions that were proposed but not ordered at the front of the queue.
    fn next_session(&mut self) {
        self.signature = None;
        let waiting = std::mem::take(&mut self.waiting);
        self.known.clear();
        self.waiting_bytes = 0;
        for (id, bytes) in std::mem::take(&mut self.in_flight) {
            self.enqueue(Entry { id, transaction: true, bytes });
        }
        for entry in waiting {
            if !self.known.contains(&entry.id) {
                self.enqueue(entry);
            }
        }
    }
}
