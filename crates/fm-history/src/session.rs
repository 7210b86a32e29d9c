//! Sessions (v0.2 and later) as values, with their one encoding.
//!
//! Invariant: a value decoded here encodes to the same bytes again, unknown variants included.

use std::collections::BTreeMap;

use fm_codec::{Decode, DecodeError, Dialect, Encode, ModuleValue, Reader, Writer, decode_exact};

use crate::{Hash, PeerId, sha256};

/// A finished session and the signatures over its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSession {
    /// The accepted items.
    pub outcome: SessionOutcome,
    /// Schnorr signatures over the header, by guardian.
    pub signatures: BTreeMap<PeerId, [u8; 64]>,
}

/// The accepted items of a session, in processing order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOutcome {
    /// The items.
    pub items: Vec<AcceptedItem>,
}

/// An item and the guardian whose unit carried it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedItem {
    /// The item.
    pub item: ConsensusItem,
    /// The guardian.
    pub peer: PeerId,
}

/// An item that guardians agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsensusItem {
    /// A transaction.
    Transaction(Transaction),
    /// An item of a module.
    Module(ModuleValue),
    /// A kind of item that this version does not know, kept unchanged.
    Default {
        /// Variant index.
        variant: u64,
        /// Body.
        bytes: Vec<u8>,
    },
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Inputs.
    pub inputs: Vec<ModuleValue>,
    /// Outputs.
    pub outputs: Vec<ModuleValue>,
    /// Makes transactions with equal inputs and outputs differ.
    pub nonce: [u8; 8],
    /// Authorisation of the inputs.
    pub signature: TransactionSignature,
}

/// Authorisation of a transaction's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionSignature {
    /// One Schnorr signature per input key.
    Schnorr(Vec<[u8; 64]>),
    /// A kind of signature that this version does not know, kept unchanged.
    Default {
        /// Variant index.
        variant: u64,
        /// Body.
        bytes: Vec<u8>,
    },
}

impl SignedSession {
    /// Decodes a whole stored record, and computes the leaf hash of each item over its stored bytes.
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one record of a session.
    pub fn decode_with_leaves(bytes: &[u8], dialect: Dialect) -> Result<(Self, Vec<Hash>), DecodeError> {
        let session = decode_exact::<Self>(bytes, dialect)?;
        let mut reader = Reader::new(bytes, dialect);
        let leaves = reader.list(AcceptedItem::LEAST_BYTES, |reader| {
            let start = reader.position();
            reader.value::<AcceptedItem>()?;
            Ok(sha256(&[reader.since(start)]))
        })?;
        Ok((session, leaves))
    }
}

impl AcceptedItem {
    /// The least number of bytes that an accepted item takes: variant, length of the body, guardian.
    /// Source: fedimint-core 0.5.0, src/session_outcome.rs.
    pub const LEAST_BYTES: usize = 3;
}

impl Transaction {
    /// Returns the transaction's id: SHA-256 over inputs, outputs and nonce.
    pub fn txid(&self) -> Hash {
        let mut writer = Writer::new(Dialect::MODERN);
        self.encode_signed_part(&mut writer);
        sha256(&[writer.as_bytes()])
    }

    /// Returns the value of the accepted-transaction index: the module instances of the outputs, in order.
    pub fn index_value(&self) -> Vec<u8> {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.list(self.outputs.iter(), |writer, output| writer.u16(output.instance));
        writer.into_bytes()
    }

    fn encode_signed_part(&self, writer: &mut Writer) {
        writer.list(self.inputs.iter(), |writer, input| writer.value(input));
        writer.list(self.outputs.iter(), |writer, output| writer.value(output));
        writer.raw(&self.nonce);
    }
}

impl Decode for SignedSession {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let outcome = reader.value()?;
        let signatures = reader.map(1 + 64, Reader::u16, Reader::array)?;
        Ok(Self { outcome, signatures })
    }
}

impl Encode for SignedSession {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.outcome);
        writer.list(self.signatures.iter(), |writer, (peer, signature)| {
            writer.u16(*peer);
            writer.raw(signature);
        });
    }
}

impl Decode for SessionOutcome {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { items: reader.list(AcceptedItem::LEAST_BYTES, Reader::value)? })
    }
}

impl Encode for SessionOutcome {
    fn encode(&self, writer: &mut Writer) {
        writer.list(self.items.iter(), |writer, item| writer.value(item));
    }
}

impl Decode for AcceptedItem {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { item: reader.value()?, peer: reader.u16()? })
    }
}

impl Encode for AcceptedItem {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.item);
        writer.u16(self.peer);
    }
}

impl Decode for ConsensusItem {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.variant(|reader, variant| match variant {
            0 => Ok(Self::Transaction(reader.value()?)),
            1 => Ok(Self::Module(reader.value()?)),
            variant => Ok(Self::Default { variant, bytes: reader.take(reader.left())?.to_vec() }),
        })
    }
}

impl Encode for ConsensusItem {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Transaction(transaction) => writer.variant(0, |writer| writer.value(transaction)),
            Self::Module(item) => writer.variant(1, |writer| writer.value(item)),
            Self::Default { variant, bytes } => writer.variant(*variant, |writer| writer.raw(bytes)),
        }
    }
}

impl Decode for Transaction {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            inputs: reader.list(ModuleValue::LEAST_BYTES, Reader::value)?,
            outputs: reader.list(ModuleValue::LEAST_BYTES, Reader::value)?,
            nonce: reader.array()?,
            signature: reader.value()?,
        })
    }
}

impl Encode for Transaction {
    fn encode(&self, writer: &mut Writer) {
        self.encode_signed_part(writer);
        writer.value(&self.signature);
    }
}

impl Decode for TransactionSignature {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.variant(|reader, variant| match variant {
            0 => Ok(Self::Schnorr(reader.list(64, Reader::array)?)),
            variant => Ok(Self::Default { variant, bytes: reader.take(reader.left())?.to_vec() }),
        })
    }
}

impl Encode for TransactionSignature {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Schnorr(signatures) => writer.variant(0, |writer| {
                writer.list(signatures.iter(), |writer, signature| writer.raw(signature));
            }),
            Self::Default { variant, bytes } => writer.variant(*variant, |writer| writer.raw(bytes)),
        }
    }
}
