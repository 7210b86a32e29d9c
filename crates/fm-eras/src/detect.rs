//! Which era a store is of: one answer, or a refusal that names what was seen.

use fm_codec::{Dialect, Reader};
use fm_history::SignedSession;
use thiserror::Error;

use crate::hbbft;
use crate::rows::{RowSource, SourceError};
use crate::session::session_of_key;

/// The era and layout of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// HoneyBadger epochs.
    Hbbft(hbbft::Layout),
    /// Blocks of the stand-alone broadcast crate.
    Broadcast,
    /// Blocks or sessions of an AlephBFT server: `C`, `D`, `E`, or `D or E` where nothing tells.
    ///
    /// It is the layout that decides: the last builds of era C (from 2023-11-22) have that of D.
    Sessions {
        /// The era.
        era: &'static str,
    },
}

/// Why no era was found.
#[derive(Debug, Error)]
pub enum DetectError {
    /// The store has no rows.
    #[error("the database is empty")]
    Empty,
    /// Nothing of a guardian's database is in it.
    #[error("this is no guardian's database of any known version: it has {seen}")]
    Unknown {
        /// The prefixes that were seen.
        seen: String,
    },
    /// Its history decodes in no form.
    #[error("the database holds HoneyBadger epochs, but their records decode in no known layout: {seen}")]
    Undecodable {
        /// The prefixes that were seen.
        seen: String,
    },
    /// Several layouts explain it.
    #[error("several layouts explain the records: {}; say which with --layout", layouts.join(", "))]
    Ambiguous {
        /// Their names.
        layouts: Vec<String>,
    },
    /// The rows could not be read.
    #[error("cannot read the database")]
    Read(#[source] SourceError),
}

/// The first row under each first byte.
type FirstRows = Vec<(Vec<u8>, Vec<u8>)>;

/// Detects the era of a store from its prefixes, key widths and records.
pub fn detect(source: &dyn RowSource) -> Result<Detected, DetectError> {
    let rows = first_rows(source).map_err(DetectError::Read)?;
    if rows.is_empty() {
        return Err(DetectError::Empty);
    }
    let has = |key: &[u8]| source.get(key).map(|value| value.is_some()).map_err(DetectError::Read);
    if has(&hbbft::LAST_EPOCH_KEY)? {
        return detect_hbbft(source, &rows);
    }
    if has(&[0x00])? {
        return Ok(Detected::Sessions { era: "C" });
    }
    let first = |prefix: u8| rows.iter().find(|(key, _)| key[0] == prefix);
    if first(0x04).is_some_and(|(key, _)| session_of_key(key).is_ok()) {
        return Ok(Detected::Sessions { era: session_era(source, &rows).map_err(DetectError::Read)? });
    }
    if first(0x00).is_some() && first(0x02).is_none() {
        return Ok(Detected::Broadcast);
    }
    // Epochs without a pointer: a damaged HoneyBadger database. Units of an AlephBFT server are under the
    // same prefix, and do not decode as epochs.
    if first(hbbft::HISTORY_TABLE).is_some() {
        return match detect_hbbft(source, &rows) {
            Err(DetectError::Undecodable { seen }) => Err(DetectError::Unknown { seen }),
            detected => detected,
        };
    }
    Err(DetectError::Unknown { seen: seen(&rows) })
}

fn detect_hbbft(source: &dyn RowSource, rows: &FirstRows) -> Result<Detected, DetectError> {
    let layouts = hbbft::detect(source).map_err(DetectError::Read)?;
    match layouts.as_slice() {
        [] => Err(DetectError::Undecodable { seen: seen(rows) }),
        [layout] => Ok(Detected::Hbbft(*layout)),
        many => Err(DetectError::Ambiguous {
            layouts: many.iter().map(|layout| layout.name().to_owned()).collect(),
        }),
    }
}

/// Which of the session eras, from the marks that each left (formats of the global tables).
fn session_era(source: &dyn RowSource, rows: &FirstRows) -> Result<&'static str, SourceError> {
    let first = |prefix: u8| rows.iter().find(|(key, _)| key[0] == prefix);
    let modern = |value: &[u8]| SignedSession::decode_with_leaves(value, Dialect::V0_2).is_ok();
    let item =
        |value: &[u8]| fm_codec::decode_exact::<fm_history::AcceptedItem>(value, Dialect::V0_2).is_ok();
    let decodes = first(0x04).is_some_and(|(_, value)| modern(value))
        && first(0x01).is_none_or(|(_, value)| item(value));
    let era_c_table = [0x03, 0x09].iter().any(|prefix| first(*prefix).is_some())
        || first(0x07).is_some_and(|(_, value)| value.len() == 96);
    if !decodes || era_c_table {
        return Ok("C");
    }
    let two_texts = |value: &[u8]| {
        let mut reader = Reader::new(value, Dialect::MODERN);
        reader.text().and_then(|_| reader.text()).and_then(|_| reader.finish()).is_ok()
    };
    if first(0x06).is_some() || first(0x07).is_some_and(|(_, value)| two_texts(value)) {
        return Ok("E");
    }
    if source.get(&[0x50])?.is_some() {
        return Ok("D");
    }
    Ok("D or E")
}

/// Jumps from prefix to prefix: at most 256 seeks, whatever the size of the store.
fn first_rows(source: &dyn RowSource) -> Result<FirstRows, SourceError> {
    let mut rows = FirstRows::new();
    let mut next = Some(0u8);
    while let Some(from) = next {
        let start: &[u8] = if from == 0 { &[] } else { &[from] };
        let Some(row) = source.scan_range(start, None).next() else { break };
        let (key, value) = row?;
        // An empty key has no prefix; it is listed by whoever counts the rows.
        next = key.first().map_or(Some(1), |prefix| prefix.checked_add(1));
        if !key.is_empty() {
            rows.push((key, value));
        }
    }
    Ok(rows)
}

fn seen(rows: &FirstRows) -> String {
    let prefixes: Vec<String> =
        rows.iter().map(|(key, _)| format!("{:02x} (keys of {} bytes)", key[0], key.len())).collect();
    format!("prefixes {}", prefixes.join(", "))
}
