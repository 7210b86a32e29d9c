//! Histories of blocks and sessions, in every layout of eras B to E, with real Schnorr signatures.
//!
//! Invariants: the same as for HoneyBadger histories. Sessions are signed by exactly a threshold of
//! guardians; which ones differs from session to session and from guardian to guardian.

use fm_eras::Era;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fm_codec::{ModuleValue, Writer};
use fm_crypto::{SessionKeys, SigningKey};
use fm_eras::block::{BlockLayout, ItemForm, ItemLayout, KeyForm, SignatureForm, ValueForm, encode_block};
use fm_history::{
    Block, BlockContent, BlockItem, BlockSignature, BlockTransaction, Hash, SessionHeader, merkle_root,
    sha256,
};
use fm_store::{StoreError, StoreSummary, StoreWriter};
use serde_json::json;

use crate::ForgeError;
use crate::random::Random;

const HASH_BYTES: usize = size_of::<Hash>();

/// The parameters of a history of blocks or sessions.
#[derive(Clone, Debug)]
pub struct BlockSpec {
    /// The seed of everything random.
    pub seed: u64,
    /// The number of finished sessions.
    pub sessions: u64,
    /// The number of guardians, at least 1.
    pub guardians: u16,
    /// The guardian whose database it is: it decides which signatures are stored.
    pub guardian: u16,
    /// The largest number of items in a session; some sessions have none.
    pub items: usize,
    /// The largest body of a module value, in bytes.
    pub body_bytes: usize,
    /// The number of accepted items of the open session.
    pub pending: u64,
    /// The on-disk layout.
    pub layout: &'static BlockLayout,
    /// The module instances, at least one.
    pub modules: Vec<u16>,
}

impl BlockSpec {
    /// Returns parameters for four guardians and some ten items a session.
    pub fn new(layout: &'static BlockLayout, sessions: u64) -> Self {
        Self {
            seed: 1,
            sessions,
            guardians: 4,
            guardian: 0,
            items: 20,
            body_bytes: 80,
            pending: 5,
            layout,
            modules: vec![0, 1, 2, 252, 253, 300, u16::MAX],
        }
    }
}

/// What a forge made.
#[derive(Clone, Debug, Default)]
pub struct ForgedBlocks {
    /// The guardians' secret keys, in hex.
    pub secrets: Vec<String>,
    /// The guardians' public keys.
    pub keys: BTreeMap<u16, [u8; 33]>,
    /// The number of items in finished sessions.
    pub items: u64,
    /// The number of transactions in finished sessions.
    pub transactions: u64,
    /// The number of sessions without items.
    pub empty: u64,
    /// The headers of the first and the last session, in hex.
    pub headers: Vec<String>,
    /// What was written to the database.
    pub rows: StoreSummary,
}

impl ForgedBlocks {
    /// Signs the items of a block as these guardians would, and replaces its signatures.
    ///
    /// # Panics
    ///
    /// If one of them is not a guardian.
    pub fn sign(&self, index: u64, block: &mut Block, layout: &BlockLayout, signers: &[u16]) {
        let keys = SessionKeys::new(&self.keys).expect("every key is a point");
        let keys = if layout.tagged { keys } else { keys.without_tag() };
        block.merkle = merkle_root(block.items.iter().map(|item| leaf(item, layout)).collect());
        let message = keys.message(&SessionHeader { index, root: block.merkle.root }.to_bytes());
        let sign = |peer: &u16| {
            let mut secret = [0; 32];
            hex::decode_to_slice(&self.secrets[usize::from(*peer)], &mut secret).expect("a secret in hex");
            (*peer, SigningKey::from_bytes(secret).expect("a secret key").sign(&message))
        };
        block.signatures = signers.iter().map(sign).collect();
    }
}

/// Makes `dir/database` and `dir/keys.json`; the database must not exist.
///
/// # Errors
/// If the parameters make no history, or something cannot be written.
pub fn forge_blocks(spec: &BlockSpec, dir: &Path) -> Result<ForgedBlocks, ForgeError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| ForgeError::Store(StoreError::io(&path, source))
    };
    fs::create_dir_all(dir).map_err(at(dir))?;
    let mut forge = Forge::new(spec);
    let mut writer = StoreWriter::create(&dir.join("database")).map_err(ForgeError::Store)?;
    forge.write(&mut writer).map_err(ForgeError::Store)?;
    forge.forged.rows = writer.finish().map_err(ForgeError::Store)?;
    let keys: BTreeMap<String, String> =
        forge.forged.keys.iter().map(|(peer, key)| (peer.to_string(), hex::encode(key))).collect();
    let file = dir.join("keys.json");
    fs::write(&file, format!("{:#}\n", json!(keys))).map_err(at(&file))?;
    Ok(forge.forged)
}

struct Forge<'a> {
    spec: &'a BlockSpec,
    random: Random,
    signers: Vec<SigningKey>,
    keys: SessionKeys,
    forged: ForgedBlocks,
}

impl<'a> Forge<'a> {
    fn new(spec: &'a BlockSpec) -> Self {
        let mut random = Random::new(spec.seed);
        let mut forged = ForgedBlocks::default();
        let mut signers = Vec::new();
        for peer in 0..spec.guardians {
            let secret: [u8; 32] = random.array();
            let signer = SigningKey::from_bytes(secret).expect("32 random bytes are a key");
            forged.secrets.push(hex::encode(secret));
            forged.keys.insert(peer, signer.public_key());
            signers.push(signer);
        }
        let keys = SessionKeys::new(&forged.keys).expect("every key is a point");
        let keys = if spec.layout.tagged { keys } else { keys.without_tag() };
        Self { spec, random, signers, keys, forged }
    }

    fn write(&mut self, writer: &mut StoreWriter) -> Result<(), StoreError> {
        let layout = self.spec.layout;
        for index in 0..self.spec.sessions {
            let items = self.items(index, writer)?;
            let block = self.block(index, items);
            self.forged.items += block.items.len() as u64;
            self.forged.empty += u64::from(block.items.is_empty());
            let mut key = Writer::new(layout.dialect);
            key.u8(layout.history);
            key.u64(index);
            writer.put(key.as_bytes(), &encode_block(&block, layout))?;
        }
        self.write_pending(writer)?;
        self.write_others(writer)
    }

    fn items(&mut self, index: u64, writer: &mut StoreWriter) -> Result<Vec<BlockItem>, StoreError> {
        // The second session is empty, so that its header is the same in every layout.
        let count = if index == 1 { 0 } else { self.random.below(self.spec.items + 1) };
        let mut position = 0;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            position += 1 + self.random.below(3) as u64;
            let item = self.item(position);
            if let BlockContent::Transaction(transaction) = &item.content {
                self.forged.transactions += 1;
                self.write_index(transaction, writer)?;
            }
            items.push(item);
        }
        Ok(items)
    }

    /// Makes an item of any length except that of two hashes: a session of only such items is a finding of
    /// its own.
    fn item(&mut self, position: u64) -> BlockItem {
        loop {
            let item = self.item_of_any_length(position);
            if encoded_item(&item, self.spec.layout).len() != 2 * HASH_BYTES {
                return item;
            }
        }
    }

    fn item_of_any_length(&mut self, position: u64) -> BlockItem {
        let layout = self.spec.layout;
        let content = match &layout.item {
            ItemForm::Bytes(None) => self.opaque(),
            ItemForm::Bytes(Some(_)) if self.random.percent(5) => self.opaque(),
            ItemForm::Bytes(Some(items)) | ItemForm::Inline(items) => self.content(items),
        };
        let peer = u16::try_from(self.random.below(self.spec.guardians.into())).expect("a guardian");
        BlockItem { content, position: layout.item_positions.then_some(position), peer }
    }

    fn opaque(&mut self) -> BlockContent {
        let length = self.random.below(self.spec.body_bytes);
        // No variant of any layout has this index, so these bytes are not a consensus item.
        let mut bytes = vec![0x77];
        bytes.extend(self.random.bytes(length));
        BlockContent::Opaque(bytes)
    }

    fn content(&mut self, items: &ItemLayout) -> BlockContent {
        if items.config_shares && self.random.percent(5) {
            return BlockContent::ClientConfigSignatureShare(Box::new(self.random.array()));
        }
        if self.random.percent(40) {
            return BlockContent::Module(self.value());
        }
        let inputs: Vec<_> = (0..1 + self.random.below(3)).map(|_| self.value()).collect();
        let outputs: Vec<_> = (0..self.random.below(4)).map(|_| self.value()).collect();
        let nonce = items.nonce.then(|| self.random.array());
        let signature = match items.signature {
            SignatureForm::Aggregate => BlockSignature::Aggregate(Some(self.random.array())),
            SignatureForm::Open if self.random.percent(5) => {
                BlockSignature::Unknown { variant: 7, bytes: self.random.bytes(20) }
            }
            _ => BlockSignature::List(inputs.iter().map(|_| self.random.array()).collect()),
        };
        let mut signed = Writer::new(items.dialect);
        for values in [&inputs, &outputs] {
            signed.list(values.iter(), Writer::value);
        }
        if let Some(nonce) = nonce {
            signed.raw(&nonce);
        }
        let txid = sha256(&[signed.as_bytes()]);
        BlockContent::Transaction(Box::new(BlockTransaction { txid, inputs, outputs, nonce, signature }))
    }

    fn value(&mut self) -> ModuleValue {
        let instance = self.spec.modules[self.random.below(self.spec.modules.len())];
        // At least eight bytes, so that no transaction is made twice.
        let length = 8 + self.random.below(self.spec.body_bytes);
        ModuleValue { instance, body: self.random.bytes(length) }
    }

    /// Makes a block whose leaves are hashed as they are stored.
    fn block(&mut self, index: u64, items: Vec<BlockItem>) -> Block {
        let layout = self.spec.layout;
        let leaves: Vec<Hash> = items.iter().map(|item| leaf(item, layout)).collect();
        let merkle = merkle_root(leaves);
        let header = SessionHeader { index, root: merkle.root }.to_bytes();
        if self.forged.headers.len() > 1 {
            self.forged.headers.pop();
        }
        self.forged.headers.push(hex::encode(header));
        // Not from the history's randomness: guardians share one history and have different signatures.
        let mut choice = Random::new(index.wrapping_mul(31).wrapping_add(self.spec.guardian.into()));
        let signers = choice.subset(self.spec.guardians, self.keys.threshold());
        let message = self.keys.message(&header);
        let signatures =
            signers.into_iter().map(|peer| (peer, self.signers[usize::from(peer)].sign(&message))).collect();
        Block { index: layout.own_index.then_some(index), items, merkle, signatures }
    }

    fn write_index(
        &self,
        transaction: &BlockTransaction,
        writer: &mut StoreWriter,
    ) -> Result<(), StoreError> {
        let Some(prefix) = self.spec.layout.transactions else { return Ok(()) };
        let mut key = vec![prefix];
        key.extend_from_slice(&transaction.txid.0);
        writer.put(&key, &transaction.output_instances(self.spec.layout.dialect))
    }

    fn write_pending(&mut self, writer: &mut StoreWriter) -> Result<(), StoreError> {
        let layout = self.spec.layout;
        let Some(prefix) = layout.pending else { return Ok(()) };
        for number in 0..self.spec.pending {
            let item = self.item(number);
            if let BlockContent::Transaction(transaction) = &item.content {
                self.write_index(transaction, writer)?;
            }
            let mut key = Writer::new(layout.dialect);
            key.u8(prefix);
            key.u64(number);
            writer.put(key.as_bytes(), &encoded_item(&item, layout))?;
        }
        Ok(())
    }

    /// Writes one row or two of every other table.
    fn write_others(&mut self, writer: &mut StoreWriter) -> Result<(), StoreError> {
        let layout = self.spec.layout;
        let modern_version = layout.era == Era::E;
        for table in layout.tables {
            let is_history =
                matches!(table.value, ValueForm::Block | ValueForm::AcceptedItem | ValueForm::ModuleIds);
            // Units are forged elsewhere; a count of accepted items needs matching units.
            if is_history || matches!(table.value, ValueForm::ByteString | ValueForm::Nothing) {
                continue;
            }
            let mut key = Writer::new(layout.dialect);
            key.u8(table.prefix);
            match table.key {
                KeyForm::Version if modern_version => key.u16(255),
                KeyForm::Nothing | KeyForm::Version => {}
                KeyForm::Number | KeyForm::TwoNumbers => key.u64(0),
                KeyForm::Peer => key.u16(0),
                KeyForm::Bytes(count) => key.raw(&self.random.bytes(count)),
                KeyForm::Module => {
                    key.u16(self.spec.modules[0]);
                    key.raw(&[0x01, 0x02, 0x03]);
                }
            }
            let value = self.value_of(table.value);
            writer.put(key.as_bytes(), &value)?;
        }
        Ok(())
    }

    fn value_of(&mut self, form: ValueForm) -> Vec<u8> {
        let mut value = Writer::new(self.spec.layout.dialect);
        match form {
            ValueForm::Number => value.u64(self.spec.sessions),
            ValueForm::Bytes(count) => value.raw(&self.random.bytes(count)),
            ValueForm::TwoTexts => {
                value.text("0.7.0");
                value.text("0.7.2");
            }
            ValueForm::Announcement => {
                value.text("wss://guardian-0.forge.example/");
                value.u64(1);
                value.raw(&self.random.bytes(64));
            }
            ValueForm::Metadata => {
                value.bytes(b"{}");
                value.raw(&self.random.bytes(64));
            }
            ValueForm::Backup => {
                value.u64(1_700_000_000);
                value.u32(1);
                value.bytes(&self.random.bytes(30));
            }
            _ => value.raw(&self.random.bytes(20)),
        }
        value.into_bytes()
    }
}

fn leaf(item: &BlockItem, layout: &BlockLayout) -> Hash {
    sha256(&[&encoded_item(item, layout)])
}

/// Returns the bytes of an item, cut out of a block that holds only this item.
fn encoded_item(item: &BlockItem, layout: &BlockLayout) -> Vec<u8> {
    let block = Block {
        index: None,
        items: vec![item.clone()],
        merkle: merkle_root(Vec::new()),
        signatures: BTreeMap::new(),
    };
    let bytes = encode_block(&block, layout);
    let one = {
        let mut count = Writer::new(layout.dialect);
        count.count(1);
        count.into_bytes().len()
    };
    let none = {
        let mut count = Writer::new(layout.dialect);
        count.count(0);
        count.into_bytes().len()
    };
    bytes[one..bytes.len() - none].to_vec()
}
