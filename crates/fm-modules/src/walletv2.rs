//! `walletv2`, since 0.11: deposits by the number of an output that the federation received, withdrawals to
//! standard scripts.
//!
//! Source: fedimint-walletv2-common 0.13.0, src/lib.rs.

use fm_codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::bitcoin::{BitcoinHash, Network, Script};
use crate::macros::{empty, record, variants};
use crate::{EcdsaSignature, PublicKey, Sat, UnknownVariant, XOnlyKey};

/// An input: a deposit that is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The only form so far.
    V0(Receive),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A deposit. Neither its value nor its transaction is stated: guardians know both from the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receive {
    /// The number of the output among those that may belong to the federation.
    pub output_index: u64,
    /// The key that the federation's address was derived with, which signs for the input.
    pub tweak: PublicKey,
    /// What the miners get for moving the deposit, taken from its value.
    pub fee: Sat,
}

/// An output: a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The only form so far.
    V0(Send),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Send {
    /// What it pays to.
    pub destination: StandardScript,
    /// The amount that it pays.
    pub value: Sat,
    /// What the miners get.
    pub fee: Sat,
}

/// A script of a known form, by its hash or key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StandardScript {
    /// Pays to the hash of a key.
    P2pkh([u8; 20]),
    /// Pays to the hash of a script.
    P2sh([u8; 20]),
    /// Pays to the hash of a key, by a witness.
    P2wpkh([u8; 20]),
    /// Pays to the hash of a script, by a witness.
    P2wsh([u8; 32]),
    /// Pays to a taproot key.
    P2tr(XOnlyKey),
    /// A later form.
    Unknown(UnknownVariant),
}

/// The outcome of an output, which is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome;

/// An item: a guardian's vote or signatures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// The number of blocks that are final.
    BlockCount(u64),
    /// The rate of fees in satoshi per 1,000 virtual bytes; `None` if the guardian knows none.
    Feerate(Option<u64>),
    /// Signatures of a transaction of the federation.
    Signatures(Signatures),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A guardian's signatures of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signatures {
    /// The transaction.
    pub txid: BitcoinHash,
    /// One signature for each of its inputs.
    pub signatures: Vec<EcdsaSignature>,
}

record!(Receive { output_index, tweak, fee });
record!(Send { destination, value, fee });
empty!(Outcome);
variants!(Input: "input of walletv2" { 0 => V0(receive) } else Unknown);
variants!(Output: "output of walletv2" { 0 => V0(send) } else Unknown);
variants!(StandardScript: "script" {
    0 => P2pkh(hash),
    1 => P2sh(hash),
    2 => P2wpkh(hash),
    3 => P2wsh(hash),
    4 => P2tr(key),
} else Unknown);
variants!(Item: "item of walletv2" {
    0 => BlockCount(count),
    1 => Feerate(rate),
    2 => Signatures(signatures),
} else Unknown);

impl Send {
    /// Returns the value and the fee together; `None` if the sum does not fit 64 bits.
    pub fn total(&self) -> Option<Sat> {
        self.value.checked_add(self.fee)
    }
}

impl StandardScript {
    /// Returns the script; `None` if its form is unknown.
    pub fn script(&self) -> Option<Script> {
        Some(match self {
            Self::P2pkh(hash) => Script::of_public_key_hash(hash),
            Self::P2sh(hash) => Script::of_script_hash(hash),
            Self::P2wpkh(hash) => Script::of_witness_0(hash),
            Self::P2wsh(hash) => Script::of_witness_0(hash),
            Self::P2tr(key) => Script::of_taproot(&key.0),
            Self::Unknown(_) => return None,
        })
    }

    /// Returns the text of the address, which depends on the federation's network.
    pub fn address(&self, network: Network) -> Option<String> {
        network.address(&self.script()?)
    }
}

impl Decode for Signatures {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { txid: reader.value()?, signatures: reader.list(EcdsaSignature::BYTES, Reader::value)? })
    }
}

impl Encode for Signatures {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.txid);
        writer.list(self.signatures.iter(), Writer::value);
    }
}
