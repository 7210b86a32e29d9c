//! Conversion rule, version 1, for blocks: a block from before v0.2 becomes a session in the current form.
//!
//! Invariant: the result depends only on the block and its layout; every item has its place in the session.

use std::collections::BTreeMap;

use fm_codec::{Dialect, Encode};

use crate::rule::aggregate_signature;
use crate::{
    AcceptedItem, Block, BlockContent, BlockSignature, BlockTransaction, CarriedTransaction, ConsensusItem,
    ConvertedSession, PeerId, SessionHeader, SessionOutcome, SignedSession, Transaction,
    TransactionSignature,
};

/// Variant of the open consensus item that carries an item without a current form ("item").
///
/// Its body is the old item's bytes, as accepted.
pub const ITEM_VARIANT_BYTES: u64 = 0x6974_656D;

/// Applies the rule to a block. `keep` says whether signatures over an unchanged header still have the same
/// meaning.
///
/// The session has signatures only if its header has exactly the bytes of the block's header.
pub fn convert_block(index: u64, block: &Block, keep: bool) -> ConvertedSession {
    let mut transactions = Vec::new();
    let mut items = Vec::with_capacity(block.items.len());
    for item in &block.items {
        let peer = item.peer;
        let converted = match &item.content {
            BlockContent::Opaque(bytes) => opaque(bytes.clone()),
            BlockContent::ClientConfigSignatureShare(share) => {
                let mut bytes = vec![0];
                bytes.extend_from_slice(share.as_slice());
                opaque(bytes)
            }
            BlockContent::Module(value) => ConsensusItem::Module(value.clone()),
            BlockContent::Unknown { variant, bytes } => {
                ConsensusItem::Default { variant: *variant, bytes: bytes.clone() }
            }
            BlockContent::Transaction(old) => {
                let transaction = convert_transaction(old);
                transactions.push(CarriedTransaction {
                    old_txid: old.txid,
                    txid: transaction.txid(),
                    item: items.len() as u64,
                    peer,
                    index_value: transaction.index_value(),
                });
                ConsensusItem::Transaction(transaction)
            }
        };
        items.push(AcceptedItem { item: converted, peer });
    }
    let mut converted = ConvertedSession::from_items(index, items, transactions, Vec::new());
    let old_header = SessionHeader { index, root: block.merkle.root };
    if keep && converted.leaf.header == old_header && !block.signatures.is_empty() {
        converted.record = with_signatures(&converted.outcome, &block.signatures);
    }
    converted
}

/// Returns the record of a session with signatures.
pub fn with_signatures(outcome: &SessionOutcome, signatures: &BTreeMap<PeerId, [u8; 64]>) -> Vec<u8> {
    let session = SignedSession { outcome: outcome.clone(), signatures: signatures.clone() };
    session.to_bytes(Dialect::MODERN)
}

fn opaque(bytes: Vec<u8>) -> ConsensusItem {
    ConsensusItem::Default { variant: ITEM_VARIANT_BYTES, bytes }
}

fn convert_transaction(old: &BlockTransaction) -> Transaction {
    Transaction {
        inputs: old.inputs.clone(),
        outputs: old.outputs.clone(),
        nonce: old.nonce.unwrap_or_default(),
        signature: match &old.signature {
            BlockSignature::Aggregate(signature) => aggregate_signature(signature.as_ref()),
            BlockSignature::List(list) => TransactionSignature::Schnorr(list.clone()),
            BlockSignature::Unknown { variant, bytes } => {
                TransactionSignature::Default { variant: *variant, bytes: bytes.clone() }
            }
        },
    }
}
