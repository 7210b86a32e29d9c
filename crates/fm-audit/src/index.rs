//! The index of accepted transactions against the history, in memory that does not grow with either.
//!
//! Equal digests of both sides settle it. Only if they differ are the sides compared row by row, in as many
//! passes as keep each within a fixed number of rows.

use std::collections::BTreeMap;

use fm_eras::hbbft::{self, Layout, Table};
use fm_history::{Code, EpochContent, Finding, MultisetDigest, MultisetKey, Place, accepted_transactions};

use crate::{AuditError, Control, EpochOptions, EpochStream, epochs};

/// Rows of the history held at a time when the sides are compared row by row.
const ROWS_PER_PASS: u64 = 500_000;
/// Findings given per audit about the index.
const MOST_FINDINGS: usize = 1000;

/// Both sides of the comparison.
pub(crate) struct IndexCheck {
    key: MultisetKey,
    layout: Layout,
    history: MultisetDigest,
    table: MultisetDigest,
}

impl IndexCheck {
    pub(crate) fn new(layout: Layout) -> Result<Self, AuditError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(AuditError::Randomness)?;
        Ok(Self {
            key: MultisetKey(key),
            layout,
            history: MultisetDigest::default(),
            table: MultisetDigest::default(),
        })
    }

    /// Adds what an epoch's transactions leave in the index.
    pub(crate) fn on_epoch(&mut self, epoch: u64, content: &EpochContent) {
        for transaction in accepted_transactions(content) {
            let (key, value) = hbbft::index_row(transaction, epoch, &self.layout);
            self.history.add(&self.key, &key, &value);
        }
    }

    /// Adds a row of the index.
    pub(crate) fn on_row(&mut self, key: &[u8], value: &[u8]) {
        self.table.add(&self.key, key, value);
    }

    /// What is wrong with the index, row by row, if anything is.
    pub(crate) fn finish(
        &self,
        stream: EpochStream<'_>,
        control: Control<'_>,
    ) -> Result<Vec<Finding>, AuditError> {
        let mut findings = Vec::new();
        if self.history == self.table {
            return Ok(findings);
        }
        let passes = self.history.rows.max(self.table.rows).div_ceil(ROWS_PER_PASS).clamp(1, 256);
        for pass in 0..passes {
            self.compare_pass(stream, control, pass, passes, &mut findings)?;
            if findings.len() >= MOST_FINDINGS {
                break;
            }
        }
        findings.truncate(MOST_FINDINGS);
        Ok(findings)
    }

    /// Compares the rows whose transaction id falls into one of `passes` parts.
    fn compare_pass(
        &self,
        stream: EpochStream<'_>,
        control: Control<'_>,
        pass: u64,
        passes: u64,
        findings: &mut Vec<Finding>,
    ) -> Result<(), AuditError> {
        let in_pass = |key: &[u8]| key.get(1).is_some_and(|byte| u64::from(*byte) % passes == pass);
        let mut expected: BTreeMap<Vec<u8>, (u64, Vec<u8>)> = BTreeMap::new();
        let options = EpochOptions { layout: self.layout, keys: None, shares: false, convert: false };
        epochs(stream, options, control, |audited| {
            let Ok(decoded) = &audited.decoded else { return Ok(()) };
            let Some(content) = &decoded.epoch.content else { return Ok(()) };
            for transaction in accepted_transactions(content) {
                let (key, value) = hbbft::index_row(transaction, audited.key, &self.layout);
                if !in_pass(&key) {
                    continue;
                }
                if let Some((first, _)) = expected.get(&key) {
                    let message =
                        format!("transaction {} was accepted in epoch {first} already", transaction.txid);
                    findings.push(Finding::new(
                        Code::TransactionAcceptedTwice,
                        Place::epoch(audited.key),
                        message,
                    ));
                } else {
                    expected.insert(key, (audited.key, value));
                }
            }
            Ok(())
        })?;
        let prefix = Table::AcceptedTransaction.prefix();
        for row in stream.rows.scan_prefix(prefix) {
            let (key, value) = row.map_err(|source| AuditError::rows(stream.path, source))?;
            if in_pass(&key) {
                findings.extend(compare_row(&key, &value, expected.remove(&key)));
            }
        }
        for (key, (epoch, _)) in expected {
            let message = "an accepted transaction is not in the index".to_owned();
            let place = Place { epoch: Some(epoch), ..Place::key(&key) };
            findings.push(Finding::new(Code::TransactionIndexMissing, place, message));
        }
        Ok(())
    }
}

fn compare_row(key: &[u8], value: &[u8], expected: Option<(u64, Vec<u8>)>) -> Option<Finding> {
    let Some((epoch, expected)) = expected else {
        let message = "no epoch accepts this transaction";
        return Some(Finding::new(Code::TransactionIndexExtra, Place::key(key), message));
    };
    if expected == value {
        return None;
    }
    let message =
        format!("the index holds {}, the history gives {}", hex::encode(value), hex::encode(expected));
    let place = Place { epoch: Some(epoch), ..Place::key(key) };
    Some(Finding::new(Code::TransactionIndexDiffers, place, message))
}
