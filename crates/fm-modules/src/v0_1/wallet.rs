//! `wallet`: as later, without versions of inputs and outputs.

use fm_codec::{Decode, DecodeError, Encode, Reader, Writer};

use crate::XOnlyKey;
use crate::bitcoin::{BitcoinHash, BitcoinOutPoint, Transaction, TxOut, TxOutProof};
use crate::macros::{record, variants};
use crate::wallet::{PegOutSignature, check_deposit};

pub use crate::wallet::OutputV0 as Output;

/// An input: a deposit that is claimed, and the proof that a block contains it.
///
/// Decoding checks what later generations check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// The proof for the transaction.
    pub proof: TxOutProof,
    /// The transaction.
    pub transaction: Transaction,
    /// The output of the transaction.
    pub output_index: u32,
    /// The key that the federation's address was derived with, which signs for the input.
    pub tweak: XOnlyKey,
}

/// The outcome of an output: the transaction that pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Its id.
    pub txid: BitcoinHash,
}

/// An item: a guardian's vote or signatures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// The number of blocks that are final.
    BlockCount(u32),
    /// The rate of fees, in satoshi per 1,000 virtual bytes.
    Feerate(u64),
    /// Signatures of a withdrawal.
    PegOutSignature(PegOutSignature),
}

record!(Outcome { txid });
variants!(Item: "item of wallet" {
    0 => BlockCount(count),
    1 => Feerate(rate),
    2 => PegOutSignature(signatures),
});

impl Input {
    /// Returns the output that is claimed.
    pub fn outpoint(&self) -> BitcoinOutPoint {
        BitcoinOutPoint { txid: self.transaction.txid(), vout: self.output_index }
    }

    /// Returns what the output contains; `None` if the transaction has no such output, which decoding
    /// refuses.
    pub fn output(&self) -> Option<&TxOut> {
        self.transaction.outputs.get(usize::try_from(self.output_index).ok()?)
    }
}

impl Decode for Input {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.position();
        let input = Self {
            proof: reader.value()?,
            transaction: reader.value()?,
            output_index: reader.u32()?,
            tweak: reader.value()?,
        };
        check_deposit(offset, &input.proof, &input.transaction, input.output_index)?;
        Ok(input)
    }
}

impl Encode for Input {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.proof);
        writer.value(&self.transaction);
        writer.u32(self.output_index);
        writer.value(&self.tweak);
    }
}
