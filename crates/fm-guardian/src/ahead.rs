//! Checks transactions in arriving units while their units wait for a place in the order.
//!
//! The check decides nothing: the modules remember what is valid, and do not compute it again when it is the
//! transaction's turn. Units that arrive faster than they can be checked are skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use fm_consensus::{Modules, check_transaction};
use fm_history::{ConsensusItem, Transaction};
use fm_store::LiveStore;
use fm_units::{ALEPH_0_36, ItemEncoding, ScaleReader, Unit, items};

/// The most units that wait.
const WAITING: usize = 256;

/// A thread that checks transactions; dropping this value ends the thread.
pub(crate) struct Ahead {
    units: Option<SyncSender<Vec<u8>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts to check against the state in the store. If the thread cannot start, nothing is checked ahead.
    pub(crate) fn start(store: Arc<LiveStore>, modules: Arc<Modules>) -> Self {
        let (units, waiting) = sync_channel(WAITING);
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let run = move || check_all(&waiting, &ends, &store, &modules);
        let thread = Builder::new().name("ahead".to_owned()).spawn(run).ok();
        Self { units: Some(units), over, thread }
    }

    /// Offers a unit in its stored form.
    pub(crate) fn offer(&self, unit: &[u8]) {
        if let Some(units) = &self.units {
            // Too many units wait, or there is no thread: its transactions are checked in their turn.
            let _ = units.try_send(unit.to_vec());
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.units = None;
        // The thread holds the database, which must be free once this value is dropped.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn check_all(waiting: &Receiver<Vec<u8>>, over: &AtomicBool, store: &LiveStore, modules: &Modules) {
    while let Ok(unit) = waiting.recv() {
        for transaction in transactions(&unit) {
            if over.load(Ordering::Relaxed) {
                return;
            }
            // The result may differ at the transaction's turn; only the validity of its signatures cannot
            // change.
            let _ = check_transaction(store, modules, &transaction);
        }
    }
}

/// Returns the transactions in a stored unit; empty if the unit cannot be read.
fn transactions(unit: &[u8]) -> Vec<Transaction> {
    let Ok(unit) = Unit::read(&mut ScaleReader::new(unit), &ALEPH_0_36) else { return Vec::new() };
    let found = unit.fields.data.and_then(|data| items(&data, ItemEncoding::Modern).ok());
    let found = found.into_iter().flatten().filter_map(|proposed| match proposed.item {
        Some(ConsensusItem::Transaction(transaction)) => Some(transaction),
        _ => None,
    });
    found.collect()
}
