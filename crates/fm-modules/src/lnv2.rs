//! `lnv2`, since 0.4: contracts that are paid over Lightning, of the second generation.
//!
//! Up to 0.6 an input names its contract by its id, later by the output that made it, and both forms have the
//! same variant. A federation that was upgraded has both in its history. They cannot be confused: with an id
//! the body has 34, 66, 80 or 98 bytes, with an output never.
//!
//! Source: fedimint-lnv2-common 0.5.0, 0.6.0, 0.7.0 and 0.13.0, src/{lib,contracts}.rs; fedimint-tpe 0.13.0, src/lib.rs.

use fm_codec::{Decode, DecodeError, Dialect, Encode, Reader, Writer};
use fm_history::{Hash, sha256};

use crate::macros::{record, variants};
use crate::{G1, G2, Msat, OutPoint, PublicKey, SchnorrSignature, UnknownVariant};

/// An input: takes money out of a contract, all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The only form so far.
    V0(InputV0),
    /// A later form.
    Unknown(UnknownVariant),
}

/// An input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InputV0 {
    /// Of an outgoing contract.
    Outgoing(OutgoingInput),
    /// Of an incoming contract.
    Incoming(IncomingInput),
}

/// Takes money out of an outgoing contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutgoingInput {
    /// The contract.
    pub contract: ContractName,
    /// What entitles to the money.
    pub witness: OutgoingWitness,
}

/// Takes money out of an incoming contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IncomingInput {
    /// The contract.
    pub contract: ContractName,
    /// The key that decrypts the preimage: the receiver gets the money if it is one of the payment, the
    /// sender otherwise.
    pub decryption_key: G1,
}

/// How an input names its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContractName {
    /// By the contract's id; up to 0.6.
    Id(Hash),
    /// By the output that made it.
    OutPoint(OutPoint),
}

/// What entitles to the money of an outgoing contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutgoingWitness {
    /// The gateway proves the payment by its preimage.
    Claim([u8; 32]),
    /// The contract expired.
    Refund,
    /// The gateway cancelled the contract, with its signature.
    Cancel(SchnorrSignature),
}

/// An output: puts money into a contract.
#[expect(clippy::large_enum_variant, reason = "unknown variants are rare")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The only form so far.
    V0(OutputV0),
    /// A later form.
    Unknown(UnknownVariant),
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutputV0 {
    /// A user pays a gateway for a payment over Lightning.
    Outgoing(OutgoingContract),
    /// A gateway pays a user, who is paid over Lightning.
    Incoming(IncomingContract),
}

/// A contract with a gateway that pays over Lightning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutgoingContract {
    /// What the payment's preimage must match.
    pub payment_image: PaymentImage,
    /// The amount in the contract.
    pub amount: Msat,
    /// The end of the contract, in seconds since 1970.
    pub expiration: u64,
    /// The gateway.
    pub claim_key: PublicKey,
    /// The user.
    pub refund_key: PublicKey,
    /// Lets the user find its contract.
    pub ephemeral_key: PublicKey,
}

/// A contract that pays for a preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IncomingContract {
    /// What the contract is about.
    pub commitment: Commitment,
    /// The preimage, encrypted to the guardians' shared key.
    pub ciphertext: Ciphertext,
}

/// What an incoming contract is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commitment {
    /// What the payment's preimage must match.
    pub payment_image: PaymentImage,
    /// The amount in the contract.
    pub amount: Msat,
    /// The end of the contract, in seconds since 1970; or, close to 2^64, 2^64 - 1 less a gateway's fee.
    pub expiration: u64,
    /// The user.
    pub claim_key: PublicKey,
    /// The gateway.
    pub refund_key: PublicKey,
    /// Lets the user find its contract.
    pub ephemeral_key: PublicKey,
}

/// What the preimage of a payment must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentImage {
    /// Its hash.
    Hash(Hash),
    /// The public key whose secret key it is.
    Point(PublicKey),
}

/// An encrypted preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ciphertext {
    /// The encrypted bytes.
    pub encrypted_preimage: [u8; 32],
    /// The point that the key is computed from.
    pub point: G1,
    /// Proves that the sender knows its logarithm.
    pub signature: G2,
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Empty, since 0.6.
    Nothing,
    /// Of an outgoing contract; up to 0.5.
    Outgoing,
    /// Of an incoming contract: the guardian's share of the decryption key; up to 0.5.
    Incoming(G1),
    /// Another form, up to 0.5.
    Unknown(UnknownVariant),
}

/// An item: a guardian's vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// The number of blocks that are final.
    BlockCountVote(u64),
    /// The time, in seconds since 1970.
    UnixTimeVote(u64),
    /// A later form.
    Unknown(UnknownVariant),
}

record!(OutgoingContract { payment_image, amount, expiration, claim_key, refund_key, ephemeral_key });
record!(Commitment { payment_image, amount, expiration, claim_key, refund_key, ephemeral_key });
record!(IncomingContract { commitment, ciphertext });
record!(Ciphertext { encrypted_preimage, point, signature });
variants!(Input: "input of lnv2" { 0 => V0(input) } else Unknown);
variants!(InputV0: "input of lnv2" { 0 => Outgoing(input), 1 => Incoming(input) });
variants!(OutgoingWitness: "witness" { 0 => Claim(preimage), 1 => Refund, 2 => Cancel(signature) });
variants!(Output: "output of lnv2" { 0 => V0(output) } else Unknown);
variants!(OutputV0: "output of lnv2" { 0 => Outgoing(contract), 1 => Incoming(contract) });
variants!(PaymentImage: "payment image" { 0 => Hash(hash), 1 => Point(key) });
variants!(Item: "item of lnv2" { 0 => BlockCountVote(count), 1 => UnixTimeVote(time) } else Unknown);

/// Returns the id of a contract: the hash of its encoding.
fn id_of(contract: &impl Encode) -> Hash {
    sha256(&[&contract.to_bytes(Dialect::MODERN)])
}

impl OutgoingContract {
    /// Returns the contract's id.
    pub fn id(&self) -> Hash {
        id_of(self)
    }
}

impl IncomingContract {
    /// Returns the contract's id.
    pub fn id(&self) -> Hash {
        id_of(self)
    }
}

impl OutputV0 {
    /// Returns the contract's id.
    pub fn id(&self) -> Hash {
        match self {
            Self::Outgoing(contract) => contract.id(),
            Self::Incoming(contract) => contract.id(),
        }
    }

    /// Returns the amount in the contract.
    pub fn amount(&self) -> Msat {
        match self {
            Self::Outgoing(contract) => contract.amount,
            Self::Incoming(contract) => contract.commitment.amount,
        }
    }
}

impl ContractName {
    /// Reads the name of a contract, given the lengths that a body with its id has.
    fn read(reader: &mut Reader<'_>, with_id: &[usize]) -> Result<Self, DecodeError> {
        if with_id.contains(&reader.left()) {
            reader.value().map(Self::Id)
        } else {
            reader.value().map(Self::OutPoint)
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Id(id) => writer.value(id),
            Self::OutPoint(point) => writer.value(point),
        }
    }
}

impl Decode for OutgoingInput {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // The id, and a witness of 0, 32 or 64 bytes with its number and its length.
        let contract = ContractName::read(reader, &[34, 66, 98])?;
        Ok(Self { contract, witness: reader.value()? })
    }
}

impl Encode for OutgoingInput {
    fn encode(&self, writer: &mut Writer) {
        self.contract.write(writer);
        writer.value(&self.witness);
    }
}

impl Decode for IncomingInput {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let contract = ContractName::read(reader, &[32 + G1::BYTES])?;
        Ok(Self { contract, decryption_key: reader.value()? })
    }
}

impl Encode for IncomingInput {
    fn encode(&self, writer: &mut Writer) {
        self.contract.write(writer);
        writer.value(&self.decryption_key);
    }
}

impl Decode for Outcome {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self::Nothing);
        }
        reader.variant(|reader, variant| match variant {
            0 => reader.value().map(|known| match known {
                OldOutcome::Outgoing => Self::Outgoing,
                OldOutcome::Incoming(share) => Self::Incoming(share),
            }),
            variant => UnknownVariant::read(variant, reader).map(Self::Unknown),
        })
    }
}

impl Encode for Outcome {
    fn encode(&self, writer: &mut Writer) {
        let old = match self {
            Self::Nothing => return,
            Self::Unknown(unknown) => return unknown.write(writer),
            Self::Outgoing => OldOutcome::Outgoing,
            Self::Incoming(share) => OldOutcome::Incoming(*share),
        };
        writer.variant(0, |writer| writer.value(&old));
    }
}

/// The outcome up to 0.5.
enum OldOutcome {
    Outgoing,
    Incoming(G1),
}

variants!(OldOutcome: "outcome of lnv2" { 0 => Outgoing, 1 => Incoming(share) });
