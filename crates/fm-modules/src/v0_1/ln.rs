//! `ln`: as later, with keys without parity, and outgoing contracts that name their invoice.

use fm_codec::{Dialect, Writer};
use fm_history::{Hash, sha256};

use crate::ln::{Cancellation, Ciphertext, DecryptionShare, Nothing, Offer};
use crate::macros::{record, variants};
use crate::{Msat, XOnlyKey};

pub use crate::ln::ContractInput as Input;

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
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
    pub gateway_key: XOnlyKey,
}

/// A user pays for a payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutgoingContract {
    /// The hash of the payment.
    pub hash: Hash,
    /// The gateway, which gets the money for the preimage.
    pub gateway_key: XOnlyKey,
    /// The number of blocks after which the user gets the money back.
    pub timelock: u32,
    /// The user.
    pub user_key: XOnlyKey,
    /// The invoice (BOLT 11). Servers accept only valid ones; here it may be any text.
    pub invoice: String,
    /// Whether the gateway cancelled the contract; a new contract is not.
    pub cancelled: bool,
}

/// What became of an encrypted preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecryptedPreimage {
    /// Guardians did not decrypt it yet.
    Pending,
    /// It is the key of the user who gets the money; its hash is the payment's.
    Key([u8; 32]),
    /// It is no preimage of the payment.
    Invalid,
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
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

/// An item: a guardian's share or vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A share that decrypts the preimage of an incoming contract.
    DecryptPreimage(DecryptionShare),
    /// The number of blocks that are final.
    BlockCount(u64),
}

record!(ContractOutput { amount, contract });
record!(IncomingContract { hash, encrypted_preimage, decrypted_preimage, gateway_key });
record!(OutgoingContract { hash, gateway_key, timelock, user_key, invoice, cancelled });
record!(ContractResult { contract, outcome });
variants!(Output: "output of ln" { 0 => Contract(output), 1 => Offer(offer), 2 => CancelOutgoing(cancellation) });
variants!(Contract: "contract" { 0 => Incoming(contract), 1 => Outgoing(contract) });
variants!(DecryptedPreimage: "decrypted preimage" { 0 => Pending, 1 => Key(key), 2 => Invalid });
variants!(Outcome: "outcome of ln" { 0 => Contract(result), 1 => Offer(id), 2 => CancelOutgoing(contract) });
variants!(ContractOutcome: "outcome of a contract" { 0 => Incoming(preimage), 1 => Outgoing(nothing) });
variants!(Item: "item of ln" { 0 => DecryptPreimage(share), 1 => BlockCount(count) });

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
        let mut writer = Writer::new(Dialect::A2);
        writer.value(&self.hash);
        writer.value(&self.gateway_key);
        writer.u32(self.timelock);
        writer.value(&self.user_key);
        writer.text(&self.invoice);
        sha256(&[writer.as_bytes()])
    }
}
