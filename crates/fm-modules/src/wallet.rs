//! `wallet`, since 0.2: deposits to and withdrawals from an address of the federation.
//!
//! Source: fedimint-wallet-common 0.5.0 and 0.13.0, src/{lib,txoproof}.rs; fedimint-core 0.5.0 and 0.13.0,
//! src/encoding/btc.rs.

use fm_codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};

use crate::bitcoin::{BitcoinHash, BitcoinOutPoint, Network, Script, Transaction, TxOut, TxOutProof};
use crate::macros::{record, variants};
use crate::{EcdsaSignature, MAX_MONEY, ModuleVersion, PublicKey, Sat, UnknownVariant};

/// An input: a deposit that is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// With a proof that the deposit is in a block.
    V0(PegInProof),
    /// With the deposit alone, which guardians know from the blocks; since version 2.2 of the rules.
    V1(PegIn),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A deposit, and the proof that a block contains it.
///
/// Decoding checks the proof, that the transaction has the output, and that its value is not more than there
/// can be. Whether the output pays to the federation is not checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PegInProof {
    /// The proof for the transaction.
    pub proof: TxOutProof,
    /// The transaction.
    pub transaction: Transaction,
    /// The output of the transaction.
    pub output_index: u32,
    /// The key that the federation's address was derived with, which signs for the input.
    pub tweak: PublicKey,
}

/// A deposit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PegIn {
    /// The output.
    pub outpoint: BitcoinOutPoint,
    /// The key that the federation's address was derived with, which signs for the input.
    pub tweak: PublicKey,
    /// What the output contains.
    pub output: TxOut,
}

/// An output: a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The only form so far.
    V0(OutputV0),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutputV0 {
    /// Pays to an address.
    PegOut(PegOut),
    /// Adds to the fee of an earlier withdrawal; servers refuse it since 0.4.
    Rbf(Rbf),
}

/// A payment to an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PegOut {
    /// The address.
    pub recipient: Recipient,
    /// The amount that it gets.
    pub amount: Sat,
    /// What the miners get.
    pub fees: PegOutFees,
}

/// An address: its network, and the script that pays to it.
///
/// Servers before 0.4 keep the network of the user's request. Later ones write every address of a test
/// network with the number of the first network that has such addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recipient {
    /// The network.
    pub network: Network,
    /// The script.
    pub script: Script,
}

/// The fee of a withdrawal, as a rate and a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PegOutFees {
    /// Satoshi per 1,000 virtual bytes.
    pub sats_per_kvb: u64,
    /// Weight units.
    pub weight: u64,
}

/// An addition to the fee of an earlier withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rbf {
    /// The addition.
    pub fees: PegOutFees,
    /// The earlier withdrawal.
    pub txid: BitcoinHash,
}

/// The outcome of an output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The transaction that pays.
    V0(BitcoinHash),
    /// A later form.
    Unknown(UnknownVariant),
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
    /// The version of the rules that the guardian's server supports; since 0.6.
    ModuleVersion(ModuleVersion),
    /// A later form.
    Unknown(UnknownVariant),
}

/// A guardian's signatures of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PegOutSignature {
    /// The transaction.
    pub txid: BitcoinHash,
    /// One signature for each of its inputs.
    pub signatures: Vec<EcdsaSignature>,
}

record!(PegIn { outpoint, tweak, output });
record!(PegOut { recipient, amount, fees });
record!(PegOutFees { sats_per_kvb, weight });
record!(Rbf { fees, txid });
variants!(Input: "input of wallet" { 0 => V0(proof), 1 => V1(peg_in) } else Unknown);
variants!(Output: "output of wallet" { 0 => V0(output) } else Unknown);
variants!(OutputV0: "withdrawal" { 0 => PegOut(peg_out), 1 => Rbf(rbf) });
variants!(Outcome: "outcome of wallet" { 0 => V0(txid) } else Unknown);
variants!(Item: "item of wallet" {
    0 => BlockCount(count),
    1 => Feerate(rate),
    2 => PegOutSignature(signatures),
    3 => ModuleVersion(version),
} else Unknown);

impl PegInProof {
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

impl OutputV0 {
    /// Returns what the withdrawal takes: the amount and the miners' fee; `None` if that is more than there
    /// can be.
    pub fn amount(&self) -> Option<Sat> {
        match self {
            Self::PegOut(peg_out) => peg_out.amount.checked_add(peg_out.fees.amount()?),
            Self::Rbf(rbf) => rbf.fees.amount(),
        }
    }
}

impl PegOutFees {
    /// Returns the fee; `None` if it is more than there can be. Servers refuse such a withdrawal since
    /// version 2.3 of the rules.
    pub fn amount(&self) -> Option<Sat> {
        let sats = self.weight.div_ceil(4).checked_mul(self.sats_per_kvb)? / 1000;
        (sats <= MAX_MONEY.0).then_some(Sat(sats))
    }

    /// Returns the fee as servers computed it before version 2.3 of the rules: modulo 2^64.
    pub fn wrapped_amount(&self) -> Sat {
        Sat(self.weight.div_ceil(4).wrapping_mul(self.sats_per_kvb) / 1000)
    }
}

impl Recipient {
    /// Returns the text of the address.
    pub fn address(&self) -> Option<String> {
        self.network.address(&self.script)
    }
}

/// Checks what decoding a deposit checks, of every generation.
pub(crate) fn check_deposit(
    offset: usize,
    proof: &TxOutProof,
    transaction: &Transaction,
    output_index: u32,
) -> Result<(), DecodeError> {
    let refused = |what| Err(DecodeError { offset, kind: DecodeErrorKind::Not { what } });
    if !proof.contains(transaction.txid()) {
        return refused("a proof of the deposit's transaction");
    }
    let output = usize::try_from(output_index).ok().and_then(|index| transaction.outputs.get(index));
    match output {
        None => refused("the number of an output of the deposit's transaction"),
        Some(output) if output.value > MAX_MONEY => refused("a deposit of an amount that can exist"),
        Some(_) => Ok(()),
    }
}

impl Decode for PegInProof {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.position();
        let peg_in = Self {
            proof: reader.value()?,
            transaction: reader.value()?,
            output_index: reader.u32()?,
            tweak: reader.value()?,
        };
        check_deposit(offset, &peg_in.proof, &peg_in.transaction, peg_in.output_index)?;
        Ok(peg_in)
    }
}

impl Encode for PegInProof {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.proof);
        writer.value(&self.transaction);
        writer.u32(self.output_index);
        writer.value(&self.tweak);
    }
}

impl Decode for Recipient {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.position();
        let refused = |what| DecodeError { offset, kind: DecodeErrorKind::Not { what } };
        let network = Network::of_magic(reader.u32()?).ok_or(refused("the number of a network"))?;
        let script: Script = reader.value()?;
        if script.kind().is_none() {
            return Err(refused("a script that has an address"));
        }
        Ok(Self { network, script })
    }
}

impl Encode for Recipient {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.network.magic());
        writer.value(&self.script);
    }
}

impl Decode for PegOutSignature {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { txid: reader.value()?, signatures: reader.list(EcdsaSignature::BYTES, Reader::value)? })
    }
}

impl Encode for PegOutSignature {
    fn encode(&self, writer: &mut Writer) {
        writer.value(&self.txid);
        writer.list(self.signatures.iter(), Writer::value);
    }
}
