//! Classifies a state's rows: certified by signatures, derivable from certified rows, or this guardian's word
//! only.
//!
//! - *certified*: the history up to the last proven epoch or session. Honest guardians store different sets
//!   of signatures for one session, so the hash of this class covers what is signed: the history root and the
//!   hash of the last content.
//! - *derivable*: what follows from the certified rows alone: their transactions in the index, the last-epoch
//!   pointer.
//! - *unauthenticated*: this guardian's word only: module state, the open session, the unsigned tip,
//!   everything else.
//!
//! Rows are usually classified while the audit reads them, on the assumption that the whole history will be
//! proven; if it is not, they are read once more. Invariants: each row is in one class; the hash of the
//! certified class is the same for all guardians that have that history.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use fm_audit::{AuditError, Control, HistoryAudit, Origin, ProvenPrefix, StateIdentity};
use fm_eras::Layout;
use fm_eras::block::{BlockLayout, ValueForm, decode_accepted_item};
use fm_eras::hbbft::{self, EpochLayout, LAST_EPOCH_KEY, Table, decode_last_epoch, epoch_key};
use fm_history::{BlockContent, Epoch, Hash, accepted_transactions, sha256};
use fm_rows::each_row;

/// The last epoch of a server is unsigned, and a few before it may be. The newest signature is looked for in this many.
const UNSIGNED_EPOCHS: u64 = 64;

/// One class of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The hash of the class: for certified rows it covers what is signed, for others it covers the rows as
    /// an archive's identity does.
    pub hash: Hash,
    /// The number of rows.
    pub records: u64,
    /// The bytes of keys and values.
    pub bytes: u64,
}

/// The classes of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Rows covered by the guardians' signatures.
    pub certified: Class,
    /// Rows that follow from certified rows.
    pub derivable: Class,
    /// Rows that are this guardian's word only.
    pub unauthenticated: Class,
    /// The identity of all rows.
    pub identity: Hash,
    /// The number of all rows.
    pub records: u64,
}

impl Classes {
    /// Returns the three classes, the most trusted one first.
    pub fn all(&self) -> [&Class; 3] {
        [&self.certified, &self.derivable, &self.unauthenticated]
    }
}

/// Classifies all rows; `audit` says how far the history is proven.
pub(crate) fn classes(
    origin: Origin<'_>,
    audit: &HistoryAudit,
    control: Control<'_>,
) -> Result<Classes, AuditError> {
    let mut classifier = Classifier::new(origin.layout, audit.proven.as_ref().map(|proven| proven.last));
    match origin.layout {
        Layout::Hbbft(layout) => classifier.learn_tip(origin, layout, audit.chain.last)?,
        Layout::Blocks(layout) => classifier.learn_pending(origin, layout)?,
    }
    control.progress.begin("classes", "records", None);
    each_row(
        |on| origin.rows.visit(&[], None, on),
        |source| origin.unreadable(source),
        |key, value| {
            control.check()?;
            classifier.push(key, value);
            control.progress.advance(1);
            Ok(())
        },
    )?;
    control.progress.end();
    Ok(classifier.finish(audit.proven.as_ref()))
}

/// Classifies the rows that an audit of blocks or sessions passes to it.
pub(crate) struct Onlooker {
    layout: Layout,
    /// The last epoch, as its pointer says; none for blocks and sessions.
    last_epoch: Option<u64>,
    classifier: Mutex<Classifier>,
}

impl Onlooker {
    pub(crate) fn new(origin: Origin<'_>) -> Result<Self, AuditError> {
        let (layout, mut last_epoch) = (origin.layout, None);
        let classifier = match layout {
            Layout::Hbbft(epochs) => {
                last_epoch = pointer(origin, epochs)?;
                let signed =
                    last_epoch.map(|last| newest_signed(origin, epochs, last)).transpose()?.flatten();
                let mut classifier = Classifier::new(layout, signed);
                classifier.learn_tip(origin, epochs, last_epoch)?;
                classifier
            }
            Layout::Blocks(blocks) => {
                let mut classifier = Classifier::new(layout, Some(u64::MAX));
                classifier.learn_pending(origin, blocks)?;
                classifier
            }
        };
        Ok(Self { layout, last_epoch, classifier: Mutex::new(classifier) })
    }

    pub(crate) fn see(&self, key: &[u8], value: &[u8]) {
        self.classifier.lock().unwrap_or_else(PoisonError::into_inner).push(key, value);
    }

    /// Returns the classes if the audit has proven everything that was assumed; `None` if the rows must be
    /// read again.
    pub(crate) fn conclude(self, audit: &HistoryAudit) -> Option<Classes> {
        let classifier = self.classifier.into_inner().unwrap_or_else(PoisonError::into_inner);
        let proven = audit.proven.as_ref().filter(|proven| classifier.last == Some(proven.last))?;
        let is_tip = self.last_epoch.is_none() || self.last_epoch == audit.chain.last;
        let is_layout = audit.layout == Some(self.layout);
        let classes = classifier.finish(Some(proven));
        (is_tip && is_layout && classes.records == audit.rows.values().sum::<u64>()).then_some(classes)
    }
}

/// The last epoch, as its pointer says.
fn pointer(origin: Origin<'_>, layout: EpochLayout) -> Result<Option<u64>, AuditError> {
    let value = origin.rows.get(&LAST_EPOCH_KEY).map_err(|source| origin.unreadable(source))?;
    Ok(value.and_then(|value| decode_last_epoch(&value, layout.dialect).ok()))
}

/// The newest of the last epochs that has a signature.
fn newest_signed(origin: Origin<'_>, layout: EpochLayout, last: u64) -> Result<Option<u64>, AuditError> {
    for epoch in (last.saturating_sub(UNSIGNED_EPOCHS)..=last).rev() {
        let stored = stored_epoch(origin, layout, epoch)?;
        if stored.is_some_and(|stored| stored.signature.is_some()) {
            return Ok(Some(epoch));
        }
    }
    Ok(None)
}

fn stored_epoch(origin: Origin<'_>, layout: EpochLayout, epoch: u64) -> Result<Option<Epoch>, AuditError> {
    let record = origin.rows.get(&epoch_key(epoch, layout.dialect));
    let record = record.map_err(|source| origin.unreadable(source))?;
    Ok(record.and_then(|record| hbbft::decode_epoch(&record, &layout).ok()))
}

#[derive(Default)]
struct Running {
    hash: StateIdentity,
    records: u64,
    bytes: u64,
}

impl Running {
    fn push(&mut self, key: &[u8], value: &[u8], hashed: bool) {
        self.records += 1;
        self.bytes += (key.len() + value.len()) as u64;
        if hashed {
            self.hash.push(key, value);
        }
    }

    fn finish(self, hash: Option<Hash>) -> Class {
        let Self { hash: own, records, bytes } = self;
        Class { hash: hash.unwrap_or_else(|| own.finish()), records, bytes }
    }
}

struct Classifier {
    layout: Layout,
    /// The last proven epoch or session.
    proven: Option<u64>,
    /// The last epoch or session that was put into the certified class.
    last: Option<u64>,
    /// The transactions that are in no certified epoch or session: as many as the open session and the tip
    /// have.
    open: BTreeSet<Hash>,
    running: [Running; 3],
    identity: StateIdentity,
}

const CERTIFIED: usize = 0;
const DERIVABLE: usize = 1;
const UNAUTHENTICATED: usize = 2;

impl Classifier {
    fn new(layout: Layout, proven: Option<u64>) -> Self {
        let (open, running, identity) = (BTreeSet::new(), Default::default(), StateIdentity::default());
        Self { layout, proven, last: None, open, running, identity }
    }

    /// Collects the transactions of epochs after the last proven one.
    fn learn_tip(
        &mut self,
        origin: Origin<'_>,
        layout: EpochLayout,
        last: Option<u64>,
    ) -> Result<(), AuditError> {
        let (Some(proven), Some(last)) = (self.proven, last) else { return Ok(()) };
        for epoch in (proven..=last).skip(1) {
            let stored = stored_epoch(origin, layout, epoch)?;
            let content = stored.as_ref().and_then(|stored| stored.content.as_ref());
            let transactions = content.map(accepted_transactions).unwrap_or_default();
            self.open.extend(transactions.into_iter().map(|transaction| transaction.txid));
        }
        Ok(())
    }

    /// Collects the transactions of the open session.
    fn learn_pending(&mut self, origin: Origin<'_>, layout: &BlockLayout) -> Result<(), AuditError> {
        let Some(pending) = layout.pending else { return Ok(()) };
        for row in origin.rows.scan_prefix(pending) {
            let (_, value) = row.map_err(|source| origin.unreadable(source))?;
            if let Ok(item) = decode_accepted_item(&value, layout)
                && let BlockContent::Transaction(transaction) = &item.content
            {
                self.open.insert(transaction.txid);
            }
        }
        Ok(())
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.identity.push(key, value);
        let class = match self.layout {
            Layout::Hbbft(layout) => self.of_epochs(key, value, &layout),
            Layout::Blocks(layout) => self.of_blocks(key, layout),
        };
        self.running[class].push(key, value, class != CERTIFIED);
    }

    fn of_history(&mut self, number: Option<u64>) -> usize {
        match number.filter(|number| self.proven.is_some_and(|last| *number <= last)) {
            Some(number) => {
                self.last = self.last.max(Some(number));
                CERTIFIED
            }
            None => UNAUTHENTICATED,
        }
    }

    fn of_index(&self, key: &[u8]) -> usize {
        let txid = key.get(1..).and_then(|txid| txid.try_into().ok()).map(Hash);
        let follows = self.proven.is_some() && txid.is_some_and(|txid| !self.open.contains(&txid));
        if follows { DERIVABLE } else { UNAUTHENTICATED }
    }

    fn of_epochs(&mut self, key: &[u8], value: &[u8], layout: &EpochLayout) -> usize {
        match hbbft::table_of(key, layout) {
            Some(Table::SignedEpochOutcome) => self.of_history(hbbft::epoch_of_key(key, layout.dialect).ok()),
            Some(Table::AcceptedTransaction) => self.of_index(key),
            Some(Table::LastEpoch) if key == LAST_EPOCH_KEY => {
                let names = decode_last_epoch(value, layout.dialect).ok();
                if names.is_some() && names == self.proven { DERIVABLE } else { UNAUTHENTICATED }
            }
            _ => UNAUTHENTICATED,
        }
    }

    fn of_blocks(&mut self, key: &[u8], layout: &BlockLayout) -> usize {
        match layout.table_of(key) {
            Some(table) if table.value == ValueForm::Block => self.of_history(layout.number_of_key(key).ok()),
            Some(table) if layout.transactions == Some(table.prefix) => self.of_index(key),
            _ => UNAUTHENTICATED,
        }
    }

    fn finish(self, anchor: Option<&ProvenPrefix>) -> Classes {
        let records = self.running.iter().map(|class| class.records).sum();
        let certified = anchor.map(|anchor| sha256(&[&anchor.history_root.0, &anchor.last_hash.0]));
        let [first, second, third] = self.running;
        Classes {
            certified: first.finish(certified),
            derivable: second.finish(None),
            unauthenticated: third.finish(None),
            identity: self.identity.finish(),
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use fm_audit::{HistoryKeys, Observer, Request, Silent, audit_history};
    use fm_eras::session::modern;
    use fm_forge::memory::{accept, history, item, keys};
    use fm_rows::MemoryRows;

    use super::*;

    fn classified(rows: &MemoryRows) -> (Option<Classes>, Classes) {
        let keys = keys();
        let interrupted = AtomicBool::new(false);
        let control = Control { progress: &Silent, interrupted: &interrupted };
        let origin = Origin { rows, path: Path::new("memory"), layout: Layout::Blocks(modern()) };
        let onlooker = Onlooker::new(origin).unwrap();
        let see = |key: &[u8], value: &[u8]| onlooker.see(key, value);
        let mut ignore = |_| ();
        let observer = Observer { on_row: Some(&see), ..Observer::of_findings(&mut ignore) };
        let request = Request::everything(Some(HistoryKeys::Session(&keys)));
        let audit = audit_history(origin, request, control, observer).unwrap();
        (onlooker.conclude(&audit), classes(origin, &audit, control).unwrap())
    }

    #[test]
    fn every_row_is_in_one_class_from_either_reading() {
        let mut rows = history(3);
        accept(&mut rows, 0, &item(b"open", 1));
        let (seen, read) = classified(&rows);
        assert_eq!(seen.as_ref(), Some(&read));
        let counts = read.all().map(|class| class.records);
        // Three sessions; no transactions; the version of the database and the open session's item.
        assert_eq!((counts, read.records), ([3, 0, 2], rows.0.len() as u64));
        // The certified class is the same for all who have that history, the rest is this guardian's word.
        let (_, other) = classified(&history(3));
        assert_eq!(read.certified.hash, other.certified.hash);
        assert!(read.unauthenticated != other.unauthenticated && read.identity != other.identity);
    }

    #[test]
    fn where_the_history_breaks_the_rows_are_read_again() {
        let mut rows = history(3);
        rows.0.insert(fm_eras::session::session_key(1), vec![0xFF]);
        let (seen, read) = classified(&rows);
        assert!(seen.is_none() && read.certified.records == 0 && read.records == rows.0.len() as u64);
    }
}
