//! `ln`, since 0.2: contracts that are paid over Lightning.
//!
//! Source: fedimint-ln-common 0.5.0 and 0.13.0, src/lib.rs and src/contracts; fedimint-threshold-crypto 0.2.1,
//! src/lib.rs.

use fm_codec::{Decode, DecodeError, DecodeErrorKind, Dialect, Encode, Reader, Writer};
use fm_history::{Hash, sha256};

use crate::macros::{empty, record, variants};
use crate::{G1, G2, ModuleVersion, Msat, PublicKey, SchnorrSignature, UnknownVariant};

/// An input: takes money out of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The only form so far.
    V0(ContractInput),
    /// A later form.
    Unknown(UnknownVariant),
}

/// Takes money out of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContractInput {
    /// The contract's id.
    pub contract: Hash,
    /// The amount, which is all that the contract holds.
    pub amount: Msat,
    /// Of an outgoing contract that its gateway claims: the preimage that proves the payment.
    pub preimage: Option<[u8; 32]>,
}

/// An output.
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
    /// Puts money into a contract.
    Contract(ContractOutput),
    /// Offers a preimage for sale; moves no money.
    Offer(Offer),
    /// A gateway cancels an outgoing contract; moves no money.
    CancelOutgoing(Cancellation),
}

/// Puts money into a contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContractOutput {
    /// The amount.
    pub amount: Msat,
    /// The contract.
    pub contract: Contract,
}

/// A contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Contract {
    /// A gateway buys a preimage from a user, who is paid over Lightning.
    Incoming(IncomingContract),
    /// A user pays a gateway for a payment over Lightning.
    Outgoing(OutgoingContract),
}

/// A gateway buys a preimage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IncomingContract {
    /// The hash of the payment; it is the contract's id, too.
    pub hash: Hash,
    /// The preimage, for the guardians to decrypt together.
    pub encrypted_preimage: Ciphertext,
    /// What became of it; a new contract has it pending.
    pub decrypted_preimage: DecryptedPreimage,
    /// The gateway, which gets its money back if there is no preimage.
    pub gateway_key: PublicKey,
}

/// A user pays for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutgoingContract {
    /// The hash of the payment.
    pub hash: Hash,
    /// The gateway, which gets the money for the preimage.
    pub gateway_key: PublicKey,
    /// The number of blocks after which the user gets the money back.
    pub timelock: u32,
    /// The user.
    pub user_key: PublicKey,
    /// Whether the gateway cancelled the contract; a new contract is not.
    pub cancelled: bool,
}

/// Offers a preimage for sale.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The price.
    pub amount: Msat,
    /// The hash of the payment.
    pub hash: Hash,
    /// The preimage, for the guardians to decrypt together.
    pub encrypted_preimage: Ciphertext,
    /// The end of the offer, in seconds since 1970.
    pub expiry_time: Option<u64>,
}

/// A gateway cancels an outgoing contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cancellation {
    /// The contract's id.
    pub contract: Hash,
    /// The gateway's signature.
    pub gateway_signature: SchnorrSignature,
}

/// Bytes encrypted to the key that guardians share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ciphertext {
    /// The point that the shared key is computed from.
    pub point: G1,
    /// Proves that the sender knows its logarithm.
    pub proof: G2,
    /// The encrypted bytes: 33 of a preimage key, in honest contracts.
    pub message: Vec<u8>,
}

/// What became of an encrypted preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecryptedPreimage {
    /// Guardians did not decrypt it yet.
    Pending,
    /// It is the key of the user who gets the money; the hash of its x coordinate is the payment's.
    Key([u8; 33]),
    /// It is no preimage of the payment.
    Invalid,
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The only form so far.
    V0(OutcomeV0),
    /// A later form.
    Unknown(UnknownVariant),
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeV0 {
    /// Of a contract.
    Contract(ContractResult),
    /// Of an offer: its id, which is the hash of the payment.
    Offer(Hash),
    /// Of a contract that was cancelled: its id.
    CancelOutgoing(Hash),
}

/// What became of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContractResult {
    /// The contract's id.
    pub contract: Hash,
    /// What became of it.
    pub outcome: ContractOutcome,
}

/// What became of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContractOutcome {
    /// Of an incoming contract: its preimage.
    Incoming(DecryptedPreimage),
    /// Of an outgoing contract: nothing is said.
    Outgoing(Nothing),
}

/// A record without fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nothing;

/// An item: a guardian's share or vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A share that decrypts the preimage of an incoming contract.
    DecryptPreimage(DecryptionShare),
    /// The number of blocks that are final.
    BlockCount(u64),
    /// The version of the rules that the guardian's server supports; since 0.10.
    ModuleVersion(ModuleVersion),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A share that decrypts a preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecryptionShare {
    /// The contract's id.
    pub contract: Hash,
    /// The share.
    pub share: G1,
}

record!(ContractInput { contract, amount, preimage });
record!(ContractOutput { amount, contract });
record!(IncomingContract { hash, encrypted_preimage, decrypted_preimage, gateway_key });
record!(OutgoingContract { hash, gateway_key, timelock, user_key, cancelled });
record!(Offer { amount, hash, encrypted_preimage, expiry_time });
record!(Cancellation { contract, gateway_signature });
record!(ContractResult { contract, outcome });
record!(DecryptionShare { contract, share });
empty!(Nothing);
variants!(Input: "input of ln" { 0 => V0(input) } else Unknown);
variants!(Output: "output of ln" { 0 => V0(output) } else Unknown);
variants!(OutputV0: "output of ln" { 0 => Contract(output), 1 => Offer(offer), 2 => CancelOutgoing(cancellation) });
variants!(Contract: "contract" { 0 => Incoming(contract), 1 => Outgoing(contract) });
variants!(DecryptedPreimage: "decrypted preimage" { 0 => Pending, 1 => Key(key), 2 => Invalid });
variants!(Outcome: "outcome of ln" { 0 => V0(outcome) } else Unknown);
variants!(OutcomeV0: "outcome of ln" { 0 => Contract(result), 1 => Offer(id), 2 => CancelOutgoing(contract) });
variants!(ContractOutcome: "outcome of a contract" { 0 => Incoming(preimage), 1 => Outgoing(nothing) });
variants!(Item: "item of ln" {
    0 => DecryptPreimage(share),
    1 => BlockCount(count),
    2 => ModuleVersion(version),
} else Unknown);

impl Contract {
    /// Returns the contract's id.
    pub fn id(&self) -> Hash {
        match self {
            Self::Incoming(contract) => contract.hash,
            Self::Outgoing(contract) => contract.id(),
        }
    }
}

impl OutgoingContract {
    /// Returns the contract's id: the hash of its fields but the last.
    pub fn id(&self) -> Hash {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.value(&self.hash);
        writer.value(&self.gateway_key);
        writer.u32(self.timelock);
        writer.value(&self.user_key);
        sha256(&[writer.as_bytes()])
    }
}

impl Decode for Ciphertext {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.position();
        let length = reader.count(1)?;
        let Some(message) = length.checked_sub(G1::BYTES + G2::BYTES) else {
            return Err(DecodeError { offset, kind: DecodeErrorKind::Not { what: "a ciphertext" } });
        };
        Ok(Self { point: reader.value()?, proof: reader.value()?, message: reader.take(message)?.to_vec() })
    }
}

impl Encode for Ciphertext {
    fn encode(&self, writer: &mut Writer) {
        writer.count(G1::BYTES + G2::BYTES + self.message.len());
        writer.value(&self.point);
        writer.value(&self.proof);
        writer.raw(&self.message);
    }
}
