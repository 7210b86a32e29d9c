//! A made-up federation: keys, transactions, votes, batches, and a storage that fails on demand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fm_codec::{Dialect, Encode, ModuleValue, Writer};
use fm_consensus::{
    Changes, Engine, EngineError, Federation, Guard, Ledger, MemoryStorage, Meta, Modules, Orderers, Rules,
    Schedule, Storage, UnitPayload,
};
use fm_crypto::{SessionKeys, SigningKey};
use fm_history::{ConsensusItem, SessionHeader, Transaction, TransactionSignature};
use fm_rows::{RowSource, Rows, SourceError};
use fm_store::Durability;

/// The round that ends a session.
pub(crate) const LAST_ROUND: u16 = 10;
/// The ledger's instance.
pub(crate) const LEDGER: u16 = 0;
/// The meta module's instance; it takes three bytes.
pub(crate) const META: u16 = 300;

/// Returns the key with this number.
pub(crate) fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).unwrap()
}

/// Returns the key that creates money here.
pub(crate) fn issuer() -> SigningKey {
    signing_key(200)
}

/// Returns the key of guardian `peer`.
pub(crate) fn guardian_key(peer: u16) -> SigningKey {
    signing_key(u8::try_from(peer).unwrap() + 1)
}

/// Returns the keys of this many guardians.
pub(crate) fn keys(guardians: u16) -> SessionKeys {
    let keys: BTreeMap<_, _> = (0..guardians).map(|peer| (peer, guardian_key(peer).public_key())).collect();
    SessionKeys::new(&keys).unwrap()
}

/// Returns guardian `own` of a federation with this many guardians.
pub(crate) fn federation(guardians: u16, own: u16) -> Federation {
    Federation { keys: keys(guardians), own, signing_key: guardian_key(own) }
}

/// Returns a ledger without fees, and the meta module.
pub(crate) fn modules(guardians: u16) -> Modules {
    let ledger = Ledger { issuer: issuer().public_key(), fee: 0 };
    Modules::default().with(LEDGER, ledger).with(META, Meta { threshold: keys(guardians).threshold() })
}

/// Returns rules with sessions of [`LAST_ROUND`] rounds and without repeated items.
pub(crate) fn rules() -> Rules {
    Rules { schedule: Schedule::rounds(LAST_ROUND).unwrap(), orderers: Orderers::Nodes }
}

/// Opens guardian `own` of four.
pub(crate) fn open(storage: Arc<dyn Storage>, own: u16) -> Result<Engine, EngineError> {
    Engine::open(storage, federation(4, own), Arc::new(modules(4)), rules(), Guard::default())
}

/// Opens guardian 0 of four on an empty storage.
pub(crate) fn fresh() -> (Arc<MemoryStorage>, Engine) {
    let storage = Arc::new(MemoryStorage::default());
    (storage.clone(), open(storage, 0).unwrap())
}

/// Returns a guardian's signature over a header.
pub(crate) fn signature(guardians: u16, peer: u16, header: SessionHeader) -> [u8; 64] {
    guardian_key(peer).sign(&keys(guardians).message(&header.to_bytes()))
}

/// Returns an input or output of the ledger.
pub(crate) fn posting(amount: u64, key: &SigningKey) -> ModuleValue {
    let mut body = Writer::new(Dialect::MODERN);
    body.u64(amount);
    body.raw(&key.public_key());
    ModuleValue { instance: LEDGER, body: body.into_bytes() }
}

/// Returns a signed transaction.
pub(crate) fn transaction(
    inputs: &[(u64, &SigningKey)],
    outputs: &[(u64, &SigningKey)],
    nonce: u64,
) -> Transaction {
    let mut transaction = Transaction {
        inputs: inputs.iter().map(|(amount, key)| posting(*amount, key)).collect(),
        outputs: outputs.iter().map(|(amount, key)| posting(*amount, key)).collect(),
        nonce: nonce.to_be_bytes(),
        signature: TransactionSignature::Schnorr(Vec::new()),
    };
    let txid = transaction.txid();
    let signatures = inputs.iter().map(|(_, key)| key.sign(&txid.0)).collect();
    transaction.signature = TransactionSignature::Schnorr(signatures);
    transaction
}

/// Makes a transaction in which the issuer pays a key.
pub(crate) fn deposit(amount: u64, to: &SigningKey, nonce: u64) -> ConsensusItem {
    ConsensusItem::Transaction(transaction(&[(amount, &issuer())], &[(amount, to)], nonce))
}

/// Makes a transaction in which a key pays a key.
pub(crate) fn transfer(amount: u64, from: &SigningKey, to: &SigningKey, nonce: u64) -> ConsensusItem {
    ConsensusItem::Transaction(transaction(&[(amount, from)], &[(amount, to)], nonce))
}

/// Makes a vote.
pub(crate) fn vote(salt: u64, key: u8, value: &[u8]) -> ConsensusItem {
    let mut body = Writer::new(Dialect::MODERN);
    body.u64(salt);
    body.u8(key);
    body.bytes(value);
    ConsensusItem::Module(ModuleValue { instance: META, body: body.into_bytes() })
}

/// Makes a batch as units carry it.
pub(crate) fn batch(items: &[ConsensusItem]) -> UnitPayload {
    let mut batch = Writer::new(Dialect::MODERN);
    batch.list(items.iter(), |batch, item| item.encode(batch));
    UnitPayload::Batch(batch.into_bytes())
}

/// A storage that fails before or after the write with this number.
pub(crate) struct Failing {
    pub(crate) inner: Arc<MemoryStorage>,
    pub(crate) writes: AtomicUsize,
    pub(crate) fails_at: usize,
    pub(crate) after_writing: bool,
}

impl Failing {
    pub(crate) fn new(inner: Arc<MemoryStorage>, fails_at: usize, after_writing: bool) -> Arc<Self> {
        Arc::new(Self { inner, writes: AtomicUsize::new(0), fails_at, after_writing })
    }
}

impl RowSource for Failing {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        self.inner.scan_range(from, to)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.inner.get(key)
    }
}

impl Storage for Failing {
    fn write(&self, changes: &Changes, durability: Durability) -> Result<(), SourceError> {
        let fails = self.writes.fetch_add(1, Ordering::Relaxed) >= self.fails_at;
        if !fails || self.after_writing {
            self.inner.write(changes, durability)?;
        }
        if fails { Err("killed".into()) } else { Ok(()) }
    }
}
