//! The index of accepted transactions against the history, in memory that does not grow with either.
//!
//! Equal digests of both sides settle it. Only if they differ are the sides compared row by row, in as many
//! passes as keep each within a fixed number of rows.

use std::collections::BTreeMap;

use fm_eras::hbbft::{self, Layout, Table};
use fm_history::{
    Code, EpochContent, Finding, MultisetDigest, MultisetKey, Place, accepted_transactions, sha256,
};

use crate::{AuditError, Control, EpochOptions, EpochStream, epochs};

/// Rows of the history held at a time when the sides are compared row by row.
const ROWS_PER_PASS: u64 = 500_000;
/// Findings given per audit about the index.
const MOST_FINDINGS: usize = 1000;
/// Longest value that is shown whole, in bytes.
const MOST_SHOWN: usize = 64;

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
        // Only the rows of the history are held; those of the table go by.
        let passes = self.history.rows.div_ceil(ROWS_PER_PASS).max(1);
        for pass in 0..passes {
            self.compare_pass(stream, control, |key| self.key.part(key, passes) == pass, &mut findings)?;
            if findings.len() >= MOST_FINDINGS {
                let message =
                    format!("no more than {MOST_FINDINGS} differences are listed, and there may be more");
                let place = Place::key(&[Table::AcceptedTransaction.prefix()]);
                findings.truncate(MOST_FINDINGS - 1);
                findings.push(Finding::new(Code::TransactionIndexDiffers, place, message));
                break;
            }
        }
        Ok(findings)
    }

    /// Compares the rows of one part; ends as soon as there are `MOST_FINDINGS`.
    fn compare_pass(
        &self,
        stream: EpochStream<'_>,
        control: Control<'_>,
        in_pass: impl Fn(&[u8]) -> bool,
        findings: &mut Vec<Finding>,
    ) -> Result<(), AuditError> {
        let mut expected = self.expected(stream, control, &in_pass, findings)?;
        for row in stream.rows.scan_prefix(Table::AcceptedTransaction.prefix()) {
            if findings.len() >= MOST_FINDINGS {
                return Ok(());
            }
            control.check()?;
            let (key, value) = row.map_err(|source| AuditError::rows(stream.path, source))?;
            if in_pass(&key) {
                findings.extend(compare_row(&key, &value, expected.remove(&key)));
            }
        }
        let missing = expected.into_iter().map(|(key, (epoch, _))| {
            let message = "an accepted transaction is not in the index";
            let place = Place { epoch: Some(epoch), ..Place::key(&key) };
            Finding::new(Code::TransactionIndexMissing, place, message)
        });
        findings.extend(missing.take(MOST_FINDINGS.saturating_sub(findings.len())));
        Ok(())
    }

    /// The rows of one part that the history gives.
    fn expected(
        &self,
        stream: EpochStream<'_>,
        control: Control<'_>,
        in_pass: impl Fn(&[u8]) -> bool,
        findings: &mut Vec<Finding>,
    ) -> Result<Expected, AuditError> {
        let mut expected = Expected::new();
        let options = EpochOptions { layout: self.layout, keys: None, shares: false, convert: false };
        epochs(stream, options, control, |audited| {
            let Ok(decoded) = &audited.decoded else { return Ok(()) };
            let Some(content) = &decoded.epoch.content else { return Ok(()) };
            for transaction in accepted_transactions(content) {
                let (key, value) = hbbft::index_row(transaction, audited.key, &self.layout);
                if !in_pass(&key) {
                    continue;
                }
                let Some((first, _)) = expected.get(&key) else {
                    expected.insert(key, (audited.key, shown(&value)));
                    continue;
                };
                if findings.len() < MOST_FINDINGS {
                    let message =
                        format!("transaction {} was accepted in epoch {first} already", transaction.txid);
                    let place = Place::epoch(audited.key);
                    findings.push(Finding::new(Code::TransactionAcceptedTwice, place, message));
                }
            }
            Ok(())
        })?;
        Ok(expected)
    }
}

/// By key: the epoch that accepts the transaction, and the value of its row, as it is shown.
type Expected = BTreeMap<Vec<u8>, (u64, String)>;

/// A value as text: different for different values, and short however long the value is.
fn shown(value: &[u8]) -> String {
    if value.len() <= MOST_SHOWN {
        return hex::encode(value);
    }
    format!("{} bytes with SHA-256 {}", value.len(), sha256(&[value]))
}

fn compare_row(key: &[u8], value: &[u8], expected: Option<(u64, String)>) -> Option<Finding> {
    let Some((epoch, expected)) = expected else {
        let message = "no epoch accepts this transaction";
        return Some(Finding::new(Code::TransactionIndexExtra, Place::key(key), message));
    };
    let stored = shown(value);
    if expected == stored {
        return None;
    }
    let message = format!("the index holds {stored}, the history gives {expected}");
    let place = Place { epoch: Some(epoch), ..Place::key(key) };
    Some(Finding::new(Code::TransactionIndexDiffers, place, message))
}
