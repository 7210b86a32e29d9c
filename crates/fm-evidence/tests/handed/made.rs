//! Small histories in memory, signed by the guardians that a test chooses, and hand-made files.

use std::path::Path;

use fm_audit::{Origin, TrustedKeys};
use fm_crypto::SessionKeys;
use fm_eras::block::BlockLayout;
use fm_eras::{Layout, session};
pub(crate) use fm_forge::memory::{bytes, item, keys, record, sign};
use fm_history::{BlockItem, Hash, sha256};
use fm_rows::MemoryRows;

/// Returns a history in memory.
pub(crate) fn history(rows: &MemoryRows, layout: Layout) -> Origin<'_> {
    Origin { rows, path: Path::new("memory"), layout }
}

/// Returns the current layout.
pub(crate) fn modern() -> (Layout, &'static BlockLayout) {
    (Layout::Blocks(session::modern()), session::modern())
}

pub(crate) fn trusted(keys: &SessionKeys) -> TrustedKeys<'_> {
    TrustedKeys { epoch: None, session: Some(keys) }
}

/// Returns items that are all different.
pub(crate) fn items(count: usize) -> Vec<BlockItem> {
    (0..count)
        .map(|number| item(&[u8::try_from(number).unwrap(); 9], u16::try_from(number % 4).unwrap()))
        .collect()
}

pub(crate) fn leaf(item: &BlockItem) -> Hash {
    sha256(&[&bytes(item)])
}

/// Puts the right digest into a file that was edited.
pub(crate) fn reseal(text: &str) -> String {
    let Some(at) = text.rfind("\"sha256\": \"").map(|at| at + 11) else { return text.to_owned() };
    if !text.is_char_boundary(at + 64) || text.len() < at + 64 {
        return text.to_owned();
    }
    let with = |digest: &str| format!("{}{digest}{}", &text[..at], &text[at + 64..]);
    with(&sha256(&[with(&"0".repeat(64)).as_bytes()]).to_string())
}

/// Returns every text in which bit 0, 1 or 3 of one byte is flipped, if it is still UTF-8.
pub(crate) fn flipped(text: &str) -> impl Iterator<Item = (usize, String)> {
    (0..text.len()).flat_map(move |place| {
        [0x01, 0x02, 0x08].into_iter().filter_map(move |bits| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] ^= bits;
            String::from_utf8(bytes).ok().map(|text| (place, text))
        })
    })
}
