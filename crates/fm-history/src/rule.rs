//! Conversion rule, version 1: an epoch of v0.1 becomes a session in the current form.
//!
//! Invariant: the result depends on the epoch alone. `docs/formats/conversion-rule-1.md` states the rule.

use std::collections::BTreeSet;

use fm_codec::{Dialect, Writer};

use crate::{
    AcceptedItem, ConsensusItem, EpochContent, EpochItem, EpochTransaction, Hash, PeerId, SessionHeader,
    SessionLeaf, SessionOutcome, Transaction, TransactionSignature, merkle_root, sha256,
};

/// The version of the rule in this module.
pub const RULE_VERSION: u32 = 1;

/// Variant of the open transaction signature that carries the aggregated signature of v0.1 ("v01").
///
/// Its body is the old field: `00`, or `01` and 64 bytes.
pub const SIGNATURE_VARIANT_V0_1: u64 = 0x76_3031;

/// The reason that an item of an epoch is not in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The epoch rejected the transaction.
    TransactionRejected,
    /// The same transaction occurs earlier in the epoch.
    TransactionRepeated,
    /// A vote to stop for an upgrade: no modern counterpart.
    ConsensusUpgrade,
    /// A share of the client config's signature: no modern counterpart.
    ClientConfigSignatureShare,
    /// A share of an epoch's signature: no modern counterpart.
    EpochSignatureShare,
}

impl DropReason {
    /// Returns the reason's name in manifests and maps.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransactionRejected => "transaction_rejected",
            Self::TransactionRepeated => "transaction_repeated",
            Self::ConsensusUpgrade => "consensus_upgrade",
            Self::ClientConfigSignatureShare => "client_config_signature_share",
            Self::EpochSignatureShare => "epoch_signature_share",
        }
    }
}

/// A transaction that is in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedTransaction {
    /// Its id in the epoch.
    pub old_txid: Hash,
    /// Its id in the session.
    pub txid: Hash,
    /// Its position in the session.
    pub item: u64,
    /// The guardian that contributed it.
    pub peer: PeerId,
    /// Value of the accepted-transaction index.
    pub index_value: Vec<u8>,
}

/// An item that is not in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The guardian that contributed it.
    pub peer: PeerId,
    /// Its position in that contribution.
    pub item: u64,
    /// Why it is not in the session.
    pub reason: DropReason,
    /// Its id, if it is a transaction.
    pub txid: Option<Hash>,
}

/// A session made from an epoch or a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertedSession {
    /// The session's items.
    pub outcome: SessionOutcome,
    /// The record without signatures: the encoded outcome and an empty map.
    pub record: Vec<u8>,
    /// The data that the history root commits to.
    pub leaf: SessionLeaf,
    /// Whether another item list has the same header.
    pub ambiguous: bool,
    /// Transactions carried over.
    pub transactions: Vec<CarriedTransaction>,
    /// Items not carried over.
    pub dropped: Vec<Dropped>,
}

/// Applies the rule to the content of an epoch.
pub fn convert_epoch(number: u64, content: &EpochContent) -> ConvertedSession {
    let mut selection = Selection::new(content);
    for (peer, position, item) in content.items_in_order() {
        selection.take(peer, position as u64, item);
    }
    let Selection { items, transactions, dropped, .. } = selection;
    ConvertedSession::from_items(number, items, transactions, dropped)
}

impl ConvertedSession {
    /// Returns the session of these items, without signatures.
    pub(crate) fn from_items(
        index: u64,
        items: Vec<AcceptedItem>,
        transactions: Vec<CarriedTransaction>,
        dropped: Vec<Dropped>,
    ) -> Self {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.count(items.len());
        let mut leaves = Vec::with_capacity(items.len());
        for item in &items {
            let start = writer.as_bytes().len();
            writer.value(item);
            leaves.push(sha256(&[&writer.as_bytes()[start..]]));
        }
        writer.count(0);
        let merkle = merkle_root(leaves);
        Self {
            leaf: SessionLeaf {
                items: items.len() as u64,
                header: SessionHeader { index, root: merkle.root },
            },
            outcome: SessionOutcome { items },
            record: writer.into_bytes(),
            ambiguous: merkle.ambiguous,
            transactions,
            dropped,
        }
    }
}

/// Decides which transactions of an epoch were accepted; called in processing order.
struct TransactionFilter {
    rejected: BTreeSet<Hash>,
    seen: BTreeSet<Hash>,
}

impl TransactionFilter {
    fn new(content: &EpochContent) -> Self {
        Self { rejected: content.rejected.iter().copied().collect(), seen: BTreeSet::new() }
    }

    fn accept(&mut self, txid: Hash) -> Result<(), DropReason> {
        if self.rejected.contains(&txid) {
            return Err(DropReason::TransactionRejected);
        }
        if self.seen.insert(txid) { Ok(()) } else { Err(DropReason::TransactionRepeated) }
    }
}

/// Returns the transactions that an epoch accepted, in processing order.
pub fn accepted_transactions(content: &EpochContent) -> Vec<&EpochTransaction> {
    let mut filter = TransactionFilter::new(content);
    content
        .items_in_order()
        .filter_map(|(_, _, item)| match item {
            EpochItem::Transaction(transaction) => {
                filter.accept(transaction.txid).is_ok().then_some(transaction.as_ref())
            }
            _ => None,
        })
        .collect()
}

/// The selected items so far.
struct Selection {
    filter: TransactionFilter,
    items: Vec<AcceptedItem>,
    transactions: Vec<CarriedTransaction>,
    dropped: Vec<Dropped>,
}

impl Selection {
    fn new(content: &EpochContent) -> Self {
        Self {
            filter: TransactionFilter::new(content),
            items: Vec::new(),
            transactions: Vec::new(),
            dropped: Vec::new(),
        }
    }

    fn take(&mut self, peer: PeerId, item: u64, value: &EpochItem) {
        let mut drop_item = |reason, txid| self.dropped.push(Dropped { peer, item, reason, txid });
        match value {
            EpochItem::ConsensusUpgrade => drop_item(DropReason::ConsensusUpgrade, None),
            EpochItem::ClientConfigSignatureShare(_) => {
                drop_item(DropReason::ClientConfigSignatureShare, None);
            }
            EpochItem::EpochOutcomeSignatureShare(_) => drop_item(DropReason::EpochSignatureShare, None),
            EpochItem::Transaction(old) => match self.filter.accept(old.txid) {
                Ok(()) => self.take_transaction(peer, old),
                Err(reason) => drop_item(reason, Some(old.txid)),
            },
            EpochItem::Module(value) => {
                self.items.push(AcceptedItem { item: ConsensusItem::Module(value.clone()), peer });
            }
        }
    }

    fn take_transaction(&mut self, peer: PeerId, old: &EpochTransaction) {
        let transaction = convert_transaction(old);
        self.transactions.push(CarriedTransaction {
            old_txid: old.txid,
            txid: transaction.txid(),
            item: self.items.len() as u64,
            peer,
            index_value: transaction.index_value(),
        });
        self.items.push(AcceptedItem { item: ConsensusItem::Transaction(transaction), peer });
    }
}

fn convert_transaction(old: &EpochTransaction) -> Transaction {
    Transaction {
        inputs: old.inputs.clone(),
        outputs: old.outputs.clone(),
        nonce: [0; 8],
        signature: aggregate_signature(old.signature.as_ref()),
    }
}

/// Returns the aggregated signature of v0.1, or its absence, in the open variant.
pub(crate) fn aggregate_signature(signature: Option<&[u8; 64]>) -> TransactionSignature {
    let mut bytes = Writer::new(Dialect::MODERN);
    bytes.option(signature, |bytes, signature| bytes.raw(signature));
    TransactionSignature::Default { variant: SIGNATURE_VARIANT_V0_1, bytes: bytes.into_bytes() }
}
