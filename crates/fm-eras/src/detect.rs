//! Which era a store is of: one answer, or a refusal that names what was seen.

use fm_codec::Dialect;
use fm_rows::{RowSource, SourceError};
use thiserror::Error;

use crate::block::BlockLayout;
use crate::detect_blocks::{candidates, choose};
use crate::{broadcast, hbbft, session};

/// The era and layout of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// HoneyBadger epochs.
    Hbbft(hbbft::EpochLayout),
    /// Blocks or sessions.
    ///
    /// It is the layout that decides: the last builds of era C (from 2023-11-22) have that of D, and a database
    /// of v0.3 that has no mark of v0.2 counts as E, which reads it.
    Blocks(&'static BlockLayout),
}

impl Layout {
    /// The layout of that name, of whatever era.
    pub fn by_name(name: &str) -> Option<Self> {
        let blocks = || broadcast::LAYOUTS.iter().chain(session::LAYOUTS).find(|layout| layout.name == name);
        hbbft::EpochLayout::by_name(name).map(Self::Hbbft).or_else(|| blocks().map(Self::Blocks))
    }

    /// Every layout's name, by age.
    pub fn names() -> Vec<&'static str> {
        let blocks = broadcast::LAYOUTS.iter().chain(session::LAYOUTS).map(|layout| layout.name);
        hbbft::EpochLayout::ALL.iter().map(hbbft::EpochLayout::name).chain(blocks).collect()
    }

    /// The era's letter, and number if it has one.
    pub fn era(&self) -> &'static str {
        match self {
            Self::Hbbft(layout) => layout.era(),
            Self::Blocks(layout) => layout.era,
        }
    }

    /// The layout's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hbbft(layout) => layout.name(),
            Self::Blocks(layout) => layout.name,
        }
    }

    /// The encoding of keys and values.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Hbbft(layout) => layout.dialect,
            Self::Blocks(layout) => layout.dialect,
        }
    }

    /// The name of the server's table that a key belongs to; none if this layout has no such table.
    pub fn table_name(&self, key: &[u8]) -> Option<&'static str> {
        match self {
            Self::Hbbft(layout) => hbbft::table_of(key, layout).map(hbbft::Table::name),
            Self::Blocks(layout) => layout.table_of(key).map(|table| table.name),
        }
    }
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
    /// Its history decodes in no form.
    #[error("the database holds blocks or sessions, but their records decode in no known layout: {seen}")]
    UndecodableBlocks {
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

/// The first key under each first byte.
pub(crate) type FirstKeys = Vec<Vec<u8>>;

/// Detects the era of a store from its prefixes, key widths and records.
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
        // An empty key has no prefix; it is listed by whoever counts the rows.
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
