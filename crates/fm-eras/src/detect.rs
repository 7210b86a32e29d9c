//! Detects the era of a store: one answer, or a refusal that names what was seen.

use fm_codec::Dialect;
use fm_rows::{RowSource, SourceError};
use thiserror::Error;

use crate::block::BlockLayout;
use crate::detect_blocks::{candidates, choose};
use crate::{Era, broadcast, hbbft, session};

/// The era and layout of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// HoneyBadger epochs.
    Hbbft(hbbft::EpochLayout),
    /// Blocks or sessions.
    ///
    /// The layout decides. The last builds of era C (from 2023-11-22) have the layout of D. A database of
    /// v0.3 without a mark of v0.2 counts as E, which reads it.
    Blocks(&'static BlockLayout),
}

impl Layout {
    /// Returns the layout of that name, from any era.
    pub fn by_name(name: &str) -> Option<Self> {
        let blocks = || broadcast::LAYOUTS.iter().chain(session::LAYOUTS).find(|layout| layout.name == name);
        hbbft::EpochLayout::by_name(name).map(Self::Hbbft).or_else(|| blocks().map(Self::Blocks))
    }

    /// Returns every layout's name, oldest first.
    pub fn names() -> Vec<&'static str> {
        let blocks = broadcast::LAYOUTS.iter().chain(session::LAYOUTS).map(|layout| layout.name);
        hbbft::EpochLayout::ALL.iter().map(hbbft::EpochLayout::name).chain(blocks).collect()
    }

    /// Returns the era's letter, and its number if it has one.
    pub fn era(&self) -> Era {
        match self {
            Self::Hbbft(layout) => layout.era(),
            Self::Blocks(layout) => layout.era,
        }
    }

    /// Returns the layout's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hbbft(layout) => layout.name(),
            Self::Blocks(layout) => layout.name,
        }
    }

    /// Returns the encoding of keys and values.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Hbbft(layout) => layout.dialect,
            Self::Blocks(layout) => layout.dialect,
        }
    }

    /// Returns the name of the server's table that a key belongs to; `None` if this layout has no such table.
    pub fn table_name(&self, key: &[u8]) -> Option<&'static str> {
        match self {
            Self::Hbbft(layout) => hbbft::table_of(key, layout).map(hbbft::Table::name),
            Self::Blocks(layout) => layout.table_of(key).map(|table| table.name),
        }
    }
}

/// The reason that no era was found.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum DetectError {
    /// The store has no rows.
    #[error("the database is empty")]
    Empty,
    /// The store has nothing of a guardian's database.
    #[error("this is not a guardian's database of any known version: it has {seen}")]
    Unknown {
        /// The prefixes that were seen.
        seen: String,
    },
    /// The history decodes in no form.
    #[error("the database holds HoneyBadger epochs, but their records decode in no known layout: {seen}")]
    Undecodable {
        /// The prefixes that were seen.
        seen: String,
    },
    /// The history decodes in no form.
    #[error("the database holds blocks or sessions, but their records decode in no known layout: {seen}")]
    UndecodableBlocks {
        /// The prefixes that were seen.
        seen: String,
    },
    /// Several layouts explain the records.
    #[error("several layouts explain the records: {}; say which with --layout", layouts.join(", "))]
    Ambiguous { layouts: Vec<String> },
    /// The rows could not be read.
    #[error("cannot read the database")]
    Read(#[source] SourceError),
}

/// The first key under each first byte.
pub(crate) type FirstKeys = Vec<Vec<u8>>;

/// Detects the era of a store from its prefixes, key widths and records.
///
/// # Errors
/// Fails if the store cannot be read, is empty, is not a guardian's database, or fits no layout or several.
pub fn detect(source: &dyn RowSource) -> Result<Layout, DetectError> {
    let keys = first_keys(source).map_err(DetectError::Read)?;
    if keys.is_empty() {
        return Err(DetectError::Empty);
    }
    let has = |key: &[u8]| source.get(key).map(|value| value.is_some()).map_err(DetectError::Read);
    if has(&hbbft::LAST_EPOCH_KEY)? {
        return detect_hbbft(source, &keys);
    }
    let candidates = candidates(source, &keys).map_err(DetectError::Read)?;
    if !candidates.is_empty() {
        return match choose(source, &candidates).map_err(DetectError::Read)?.as_slice() {
            [] => Err(DetectError::UndecodableBlocks { seen: seen(&keys) }),
            [layout] => Ok(Layout::Blocks(layout)),
            many => Err(DetectError::Ambiguous {
                layouts: many.iter().map(|layout| layout.name.to_owned()).collect(),
            }),
        };
    }
    let first = |prefix: u8| keys.iter().find(|key| key[0] == prefix);
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

fn detect_hbbft(source: &dyn RowSource, keys: &FirstKeys) -> Result<Layout, DetectError> {
    let layouts = hbbft::detect(source).map_err(DetectError::Read)?;
    match layouts.as_slice() {
        [] => Err(DetectError::Undecodable { seen: seen(keys) }),
        [layout] => Ok(Layout::Hbbft(*layout)),
        many => Err(DetectError::Ambiguous {
            layouts: many.iter().map(|layout| layout.name().to_owned()).collect(),
        }),
    }
}

/// Jumps from prefix to prefix: at most 256 seeks, whatever the size of the store.
fn first_keys(source: &dyn RowSource) -> Result<FirstKeys, SourceError> {
    let mut keys = FirstKeys::new();
    let mut next = Some(Vec::new());
    while let Some(from) = next {
        let Some(row) = source.scan_range(&from, None).next() else { break };
        let (key, _) = row?;
        // An empty key has no prefix; the code that counts the rows lists it.
        let prefix = key.first().map_or(Some(0), |prefix| prefix.checked_add(1));
        next = prefix.map(|prefix| vec![prefix]);
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
