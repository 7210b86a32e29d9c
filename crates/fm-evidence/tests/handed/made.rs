//! Small histories in memory, signed by the guardians that a test chooses, and hand-made files.

use std::collections::BTreeMap;
use std::path::Path;

use fm_audit::{Origin, TrustedKeys};
use fm_codec::ModuleValue;
use fm_crypto::{SessionKeys, SigningKey};
use fm_eras::block::{BlockLayout, encode_accepted_item, encode_block};
use fm_eras::{Layout, session};
use fm_history::{Block, BlockContent, BlockItem, Hash, SessionHeader, merkle_root, sha256};
use fm_rows::MemoryRows;

/// Returns a history in memory.
pub(crate) fn history(rows: &MemoryRows, layout: Layout) -> Origin<'_> {
    Origin { rows, path: Path::new("memory"), layout }
}

/// Returns the current layout.
pub(crate) fn modern() -> (Layout, &'static BlockLayout) {
    (Layout::Blocks(session::modern()), session::modern())
}

fn secret(peer: u16) -> SigningKey {
    SigningKey::from_bytes([u8::try_from(peer + 1).unwrap(); 32]).unwrap()
}

/// Returns the keys of four guardians.
pub(crate) fn keys() -> SessionKeys {
    SessionKeys::new(&(0..4).map(|peer| (peer, secret(peer).public_key())).collect()).unwrap()
}

pub(crate) fn trusted(keys: &SessionKeys) -> TrustedKeys<'_> {
    TrustedKeys { epoch: None, session: Some(keys) }
}

/// Returns an item of module 0.
pub(crate) fn item(body: &[u8], peer: u16) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body: body.to_vec() });
    BlockItem { content, position: None, peer }
}

/// Returns items that are all different.
pub(crate) fn items(count: usize) -> Vec<BlockItem> {
    (0..count)
        .map(|number| item(&[u8::try_from(number).unwrap(); 9], u16::try_from(number % 4).unwrap()))
        .collect()
}

/// Returns the bytes of an item.
pub(crate) fn bytes(item: &BlockItem) -> Vec<u8> {
    encode_accepted_item(item, session::modern())
}

pub(crate) fn leaf(item: &BlockItem) -> Hash {
    sha256(&[&bytes(item)])
}

/// Returns signatures over a header.
pub(crate) fn sign(index: u64, root: Hash, signers: &[u16]) -> BTreeMap<u16, [u8; 64]> {
    let message = keys().message(&SessionHeader { index, root }.to_bytes());
    signers.iter().map(|peer| (*peer, secret(*peer).sign(&message))).collect()
}

/// Returns the record of a session.
pub(crate) fn record(index: u64, items: Vec<BlockItem>, signers: &[u16]) -> Vec<u8> {
    let merkle = merkle_root(items.iter().map(leaf).collect());
    let signatures = sign(index, merkle.root, signers);
    encode_block(&Block { index: None, items, merkle, signatures }, session::modern())
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
