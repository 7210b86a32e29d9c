//! Small histories in memory: sessions of the current layout, signed by the guardians that a test chooses.

use std::collections::BTreeMap;

use fm_codec::ModuleValue;
use fm_crypto::{SessionKeys, SigningKey};
use fm_eras::block::{BlockLayout, encode_accepted_item, encode_block};
use fm_eras::session::{self, server_version_key, session_key};
use fm_history::{Block, BlockContent, BlockItem, Hash, SessionHeader, merkle_root, sha256};
use fm_rows::MemoryRows;

/// The number of guardians; three of them are a threshold.
pub const GUARDIANS: u16 = 4;
/// The guardians that sign a session unless a test says otherwise.
pub const SIGNERS: [u16; 3] = [0, 1, 2];

/// The layout of the histories: the current one.
pub fn layout() -> &'static BlockLayout {
    session::modern()
}

/// The key of a guardian.
///
/// # Panics
/// If the guardian's number is too large for a secret of one repeated byte.
pub fn secret(peer: u16) -> SigningKey {
    let byte = u8::try_from(peer + 1).expect("a small number");
    SigningKey::from_bytes([byte; 32]).expect("not zero, and below the order of the curve")
}

/// The keys of the guardians.
///
/// # Panics
/// Never: every secret has a public key of its own.
pub fn keys() -> SessionKeys {
    let keys = (0..GUARDIANS).map(|peer| (peer, secret(peer).public_key())).collect();
    SessionKeys::new(&keys).expect("different keys")
}

/// An item of module 0.
pub fn item(body: &[u8], peer: u16) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body: body.to_vec() });
    BlockItem { content, position: None, peer }
}

/// The bytes of an accepted item.
pub fn bytes(item: &BlockItem) -> Vec<u8> {
    encode_accepted_item(item, layout())
}

/// Signatures of these guardians over a header.
pub fn sign(index: u64, root: Hash, signers: &[u16]) -> BTreeMap<u16, [u8; 64]> {
    let message = keys().message(&SessionHeader { index, root }.to_bytes());
    signers.iter().map(|peer| (*peer, secret(*peer).sign(&message))).collect()
}

/// The record of a finished session.
pub fn record(index: u64, items: Vec<BlockItem>, signers: &[u16]) -> Vec<u8> {
    let merkle = merkle_root(items.iter().map(|item| sha256(&[&bytes(item)])).collect());
    let signatures = sign(index, merkle.root, signers);
    encode_block(&Block { index: None, items, merkle, signatures }, layout())
}

/// The items of a session: two, by different guardians, and different in every session.
pub fn items_of(index: u64) -> Vec<BlockItem> {
    let body = [index.to_be_bytes(), [7; 8]].concat();
    vec![item(&body, 0), item(&body[1..], 1)]
}

/// The rows of a server that has finished this many sessions, each signed by [`SIGNERS`].
pub fn history(sessions: u64) -> MemoryRows {
    let mut rows: MemoryRows =
        (0..sessions).map(|index| (session_key(index), record(index, items_of(index), &SIGNERS))).collect();
    rows.0.insert(server_version_key(), session::number_value(1));
    rows
}

/// Puts an accepted item of the open session into the rows.
pub fn accept(rows: &mut MemoryRows, number: u64, item: &BlockItem) {
    let mut key = fm_codec::Writer::new(layout().dialect);
    key.u8(layout().pending.unwrap_or_default());
    key.u64(number);
    rows.0.insert(key.into_bytes(), bytes(item));
}
