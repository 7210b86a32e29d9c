//! Which era a store is of: one answer, or a refusal that names what was seen.

use fm_codec::{Dialect, Reader};
use fm_history::AcceptedItem;
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

/// Inputs, outputs and signatures that are decoded in one record of a session database: more than the 16 MB that
/// a server decodes hold of real ones.
const MAX_ELEMENTS: usize = 1 << 20;

/// The first key under each first byte.
type FirstKeys = Vec<Vec<u8>>;

/// Detects the era of a store from its prefixes, key widths and records.
pub fn detect(source: &dyn RowSource) -> Result<Detected, DetectError> {
    let keys = first_keys(source).map_err(DetectError::Read)?;
    if keys.is_empty() {
        return Err(DetectError::Empty);
    }
    let has = |key: &[u8]| source.get(key).map(|value| value.is_some()).map_err(DetectError::Read);
    if has(&hbbft::LAST_EPOCH_KEY)? {
        return detect_hbbft(source, &keys);
    }
    if has(&[0x00])? {
        return Ok(Detected::Sessions { era: "C" });
    }
    let first = |prefix: u8| keys.iter().find(|key| key[0] == prefix);
    if first(0x04).is_some_and(|key| session_of_key(key).is_ok()) {
        return Ok(Detected::Sessions { era: session_era(source, &keys).map_err(DetectError::Read)? });
    }
    if first(0x00).is_some() && first(0x02).is_none() {
        return Ok(Detected::Broadcast);
    }
    // Epochs without a pointer: a damaged HoneyBadger database. Units of an AlephBFT server are under the
    // same prefix, and do not decode as epochs.
    if first(hbbft::HISTORY_TABLE).is_some() {
        return match detect_hbbft(source, &keys) {
            Err(DetectError::Undecodable { seen }) => Err(DetectError::Unknown { seen }),
            detected => detected,
        };
    }
    Err(DetectError::Unknown { seen: seen(&keys) })
}

fn detect_hbbft(source: &dyn RowSource, keys: &FirstKeys) -> Result<Detected, DetectError> {
    let layouts = hbbft::detect(source).map_err(DetectError::Read)?;
    match layouts.as_slice() {
        [] => Err(DetectError::Undecodable { seen: seen(keys) }),
        [layout] => Ok(Detected::Hbbft(*layout)),
        many => Err(DetectError::Ambiguous {
            layouts: many.iter().map(|layout| layout.name().to_owned()).collect(),
        }),
    }
}

/// Which of the session eras, from the marks that each left (formats of the global tables).
fn session_era(source: &dyn RowSource, keys: &FirstKeys) -> Result<&'static str, SourceError> {
    let is = |prefix: u8, holds: fn(&[u8]) -> bool| match keys.iter().find(|key| key[0] == prefix) {
        Some(key) => Ok::<_, SourceError>(source.get(key)?.map(|value| holds(&value))),
        None => Ok(None),
    };
    let decodes = is(0x04, is_session)? == Some(true) && is(0x01, is_item)? != Some(false);
    let has = |prefix: u8| keys.iter().any(|key| key[0] == prefix);
    let era_c_table = [0x03, 0x09].into_iter().any(has) || is(0x07, |value| value.len() == 96)? == Some(true);
    if !decodes || era_c_table {
        return Ok("C");
    }
    if has(0x06) || is(0x07, is_two_texts)? == Some(true) {
        return Ok("E");
    }
    if source.get(&[0x50])?.is_some() {
        return Ok("D");
    }
    Ok("D or E")
}

/// Whether a value is a session with its signatures. Its items are looked at one at a time, and not kept.
fn is_session(value: &[u8]) -> bool {
    let mut reader = Reader::new(value, Dialect::V0_2).limited(MAX_ELEMENTS);
    let items = |reader: &mut Reader<'_>| {
        let count = reader.count(AcceptedItem::LEAST_BYTES)?;
        (0..count).try_for_each(|_| reader.value::<AcceptedItem>().map(drop))
    };
    items(&mut reader)
        .and_then(|()| reader.map(1 + 64, Reader::u16, Reader::array::<64>))
        .and_then(|_| reader.finish())
        .is_ok()
}

fn is_item(value: &[u8]) -> bool {
    let mut reader = Reader::new(value, Dialect::V0_2).limited(MAX_ELEMENTS);
    reader.value::<AcceptedItem>().and_then(|_| reader.finish()).is_ok()
}

fn is_two_texts(value: &[u8]) -> bool {
    let mut reader = Reader::new(value, Dialect::MODERN);
    reader.text().and_then(|_| reader.text()).and_then(|_| reader.finish()).is_ok()
}

/// Jumps from prefix to prefix: at most 256 seeks, whatever the size of the store.
fn first_keys(source: &dyn RowSource) -> Result<FirstKeys, SourceError> {
    let mut keys = FirstKeys::new();
    let mut next = Some(0u8);
    while let Some(from) = next {
        let start: &[u8] = if from == 0 { &[] } else { &[from] };
        let Some(row) = source.scan_range(start, None).next() else { break };
        let (key, _) = row?;
        // An empty key has no prefix; it is listed by whoever counts the rows.
        next = key.first().map_or(Some(1), |prefix| prefix.checked_add(1));
        if !key.is_empty() {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn seen(keys: &FirstKeys) -> String {
    let prefixes: Vec<String> =
        keys.iter().map(|key| format!("{:02x} (keys of {} bytes)", key[0], key.len())).collect();
    format!("prefixes {}", prefixes.join(", "))
}
