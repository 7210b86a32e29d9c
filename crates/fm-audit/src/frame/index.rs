//! The comparison of the index of accepted transactions with the history, in memory that does not grow with
//! either.
//!
//! If the digests of both sides are equal, the sides are equal. Only if they differ are the sides compared
//! row by row, in enough passes to keep each pass within a fixed number of rows. A secret decides which row
//! is in which pass, so that nobody can construct a history whose rows all fall into one pass.

use std::collections::BTreeMap;

use fm_history::{Code, Finding, MultisetDigest, MultisetKey, Place, sha256};

use crate::control::Control;
use crate::error::AuditError;
use crate::source::Origin;

/// Number of rows of the history that are held at a time when the sides are compared row by row.
const ROWS_PER_PASS: u64 = 500_000;
/// The largest number of findings about the index per audit.
const MOST_FINDINGS: usize = 1000;
/// Values up to this many bytes are shown in full, longer ones by their hash.
const SHOWN_BYTES: usize = 128;

/// A function that passes every accepted transaction of a history to a callback: its place, and the key and
/// value of its row in the index.
pub(crate) type EachTransaction<'a> =
    dyn Fn(&mut dyn FnMut(Place, Vec<u8>, Vec<u8>) -> Result<(), AuditError>) -> Result<(), AuditError> + 'a;

/// Returns the finding that the index was not compared: it covers the whole history, not a part of it.
pub(crate) fn index_left_out() -> Finding {
    let message = "only a part of the history was looked at, so neither the index of transactions nor the other records \
                   were compared with it";
    Finding::new(Code::TransactionIndexUnchecked, Place::everywhere(), message)
}

/// Both sides of the comparison.
pub(crate) struct TransactionIndex {
    key: MultisetKey,
    history: MultisetDigest,
    table: MultisetDigest,
}

impl TransactionIndex {
    pub(crate) fn new() -> Result<Self, AuditError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(AuditError::Randomness)?;
        let (history, table) = (MultisetDigest::default(), MultisetDigest::default());
        Ok(Self { key: MultisetKey(key), history, table })
    }

    /// Adds what an accepted transaction leaves in the index.
    pub(crate) fn add_history(&mut self, key: &[u8], value: &[u8]) {
        self.history.add(&self.key, key, value);
    }

    /// Adds a row of the index.
    pub(crate) fn add_row(&mut self, key: &[u8], value: &[u8]) {
        self.table.add(&self.key, key, value);
    }

    pub(crate) fn is_equal(&self) -> bool {
        self.history == self.table
    }

    /// Returns the differences of the index, row by row: the first 1000 findings.
    ///
    /// Up to `unknown` rows that the history does not explain are allowed.
    pub(crate) fn compare(
        &self,
        origin: Origin<'_>,
        prefix: u8,
        unknown: u64,
        each: &EachTransaction<'_>,
        control: Control<'_>,
    ) -> Result<Vec<Finding>, AuditError> {
        let mut found = Found { findings: Vec::new(), extra: Vec::new(), extras: 0 };
        // Only the rows of the history are held in memory; those of the table are streamed.
        let passes = self.history.rows.div_ceil(ROWS_PER_PASS).max(1);
        for pass in 0..passes {
            let in_pass = |key: &[u8]| self.key.part(key, passes) == pass;
            compare_pass(origin, prefix, each, control, &in_pass, &mut found)?;
            if found.is_full(unknown) {
                break;
            }
        }
        if found.extras > unknown {
            found.findings.append(&mut found.extra);
        }
        if found.findings.len() >= MOST_FINDINGS {
            let message =
                format!("no more than {MOST_FINDINGS} differences are listed, and there may be more");
            found.findings.truncate(MOST_FINDINGS - 1);
            found.findings.push(Finding::new(Code::TransactionIndexDiffers, Place::key(&[prefix]), message));
        }
        Ok(found.findings)
    }
}

/// The findings so far.
struct Found {
    findings: Vec<Finding>,
    /// Rows that the history does not explain.
    extra: Vec<Finding>,
    extras: u64,
}

impl Found {
    /// Returns whether there are as many findings as will be listed.
    fn is_full(&self, unknown: u64) -> bool {
        self.findings.len() >= MOST_FINDINGS || (self.extras > unknown && self.extra.len() >= MOST_FINDINGS)
    }
}

fn compare_pass(
    origin: Origin<'_>,
    prefix: u8,
    each: &EachTransaction<'_>,
    control: Control<'_>,
    in_pass: &dyn Fn(&[u8]) -> bool,
    found: &mut Found,
) -> Result<(), AuditError> {
    let mut expected: BTreeMap<Vec<u8>, (Place, String)> = BTreeMap::new();
    each(&mut |place, key, value| {
        if !in_pass(&key) {
            return Ok(());
        }
        if let Some((first, _)) = expected.get(&key) {
            if found.findings.len() < MOST_FINDINGS {
                let message =
                    format!("transaction {} was accepted at {first} already", hex::encode(&key[1..]));
                found.findings.push(Finding::new(Code::TransactionAcceptedTwice, place, message));
            }
        } else {
            expected.insert(key, (place, shown(&value)));
        }
        Ok(())
    })?;
    for row in origin.rows.scan_prefix(prefix) {
        let (key, value) = row.map_err(|source| origin.unreadable(source))?;
        control.check()?;
        if !in_pass(&key) {
            continue;
        }
        let Some((place, expected)) = expected.remove(&key) else {
            found.extras += 1;
            if found.extra.len() < MOST_FINDINGS {
                let message = "the history does not accept this transaction";
                found.extra.push(Finding::new(Code::TransactionIndexExtra, Place::key(&key), message));
            }
            continue;
        };
        let stored = shown(&value);
        if stored != expected && found.findings.len() < MOST_FINDINGS {
            let message = format!("the index holds {stored}, the history yields {expected}");
            let place = Place { key: Place::key(&key).key, ..place };
            found.findings.push(Finding::new(Code::TransactionIndexDiffers, place, message));
        }
    }
    let left = MOST_FINDINGS.saturating_sub(found.findings.len());
    found.findings.extend(expected.into_iter().take(left).map(|(key, (place, _))| {
        let place = Place { key: Place::key(&key).key, ..place };
        Finding::new(Code::TransactionIndexMissing, place, "an accepted transaction is not in the index")
    }));
    Ok(())
}

/// Returns a value as messages show it; two results are equal if and only if the values are.
fn shown(value: &[u8]) -> String {
    if value.len() <= SHOWN_BYTES {
        return hex::encode(value);
    }
    format!("{} bytes with SHA-256 {}", value.len(), sha256(&[value]))
}
