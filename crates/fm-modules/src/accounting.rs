//! What an accountant asks of an input or an output: the amount, the notes, the contract, the deposit or
//! withdrawal.
//!
//! Only what the payload itself says is answered. The amount of a contract that an input empties, and of a
//! deposit that `walletv2` names by a number, are part of the federation's state.

use crate::bitcoin::{BitcoinOutPoint, Network, Script};
use crate::lnv2::ContractName;
use crate::{
    G1, Input, Msat, Output, PublicKey, Sat, XOnlyKey, dummy, ln, lnv2, mint, mintv2, v0_1, wallet, walletv2,
};

/// What a payload says of its amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// The amount.
    Amount(Msat),
    /// It does not fit 64 bits.
    TooLarge,
    /// Nothing: the amount is part of the state, or the payload is unknown.
    Nothing,
}

/// A key that signs a transaction: the serial number of a note, or the owner of an account or deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKey {
    /// With its parity, since 0.2.
    Compressed(PublicKey),
    /// Without, in v0.1.
    XOnly(XOnlyKey),
}

/// A note that an input spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentNote {
    /// Its denomination; `None` if it does not fit 64 bits.
    pub amount: Option<Msat>,
    /// Its serial number.
    pub nonce: NoteKey,
    /// The federation's signature of the nonce.
    pub signature: G1,
}

/// A note that an output issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedNote {
    /// Its denomination; `None` if it does not fit 64 bits.
    pub amount: Option<Msat>,
    /// The blinded message that guardians sign.
    pub blind_nonce: G1,
}

/// A payment to an address of Bitcoin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// What it pays to.
    pub script: Script,
    /// The network, if the output says it.
    pub network: Option<Network>,
    /// The amount that it pays.
    pub value: Sat,
    /// What the miners get; `None` if it is more than there can be.
    pub fee: Option<Sat>,
}

impl Withdrawal {
    /// Returns the text of the address; `network` counts if the output does not say one.
    pub fn address(&self, network: Network) -> Option<String> {
        self.network.unwrap_or(network).address(&self.script)
    }
}

impl Stated {
    /// Returns the amount, if it is stated and fits.
    pub fn amount(self) -> Option<Msat> {
        match self {
            Self::Amount(amount) => Some(amount),
            Self::TooLarge | Self::Nothing => None,
        }
    }

    fn of(amount: Option<Msat>) -> Self {
        amount.map_or(Self::TooLarge, Self::Amount)
    }
}

impl Input {
    /// Returns what the input says of its amount, which does not include fees.
    pub fn amount(&self) -> Stated {
        match self {
            Self::Mint(mint::Input::V0(input)) => Stated::Amount(input.amount),
            Self::MintV2(mintv2::Input::V0(note)) => Stated::of(note.denomination.amount()),
            Self::Wallet(wallet::Input::V0(proof)) => {
                Stated::of(proof.output().and_then(|output| output.value.to_msat()))
            }
            Self::Wallet(wallet::Input::V1(peg_in)) => Stated::of(peg_in.output.value.to_msat()),
            Self::Ln(ln::Input::V0(input)) | Self::V0_1(v0_1::Input::Ln(input)) => {
                Stated::Amount(input.amount)
            }
            Self::V0_1(v0_1::Input::Mint(input)) => Stated::of(input.notes.total()),
            Self::V0_1(v0_1::Input::Wallet(proof)) => {
                Stated::of(proof.output().and_then(|output| output.value.to_msat()))
            }
            Self::V0_1(v0_1::Input::Dummy(posting)) => Stated::Amount(posting.amount),
            Self::Dummy(dummy::Input { amount, unit: None | Some(0), .. }) => Stated::Amount(*amount),
            _ => Stated::Nothing,
        }
    }

    /// Returns the notes that the input spends.
    pub fn spent_notes(&self) -> Vec<SpentNote> {
        match self {
            Self::Mint(mint::Input::V0(mint::NoteInput { amount, note })) => vec![SpentNote {
                amount: Some(*amount),
                nonce: NoteKey::Compressed(note.nonce),
                signature: note.signature,
            }],
            Self::MintV2(mintv2::Input::V0(note)) => vec![SpentNote {
                amount: note.denomination.amount(),
                nonce: NoteKey::Compressed(note.nonce),
                signature: note.signature,
            }],
            Self::V0_1(v0_1::Input::Mint(input)) => {
                let note = |(amount, note): (Msat, &v0_1::mint::Note)| SpentNote {
                    amount: Some(amount),
                    nonce: NoteKey::XOnly(note.nonce),
                    signature: note.signature,
                };
                input.notes.iter().map(note).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the name of the contract that the input takes money from.
    pub fn contract(&self) -> Option<ContractName> {
        match self {
            Self::Ln(ln::Input::V0(input)) | Self::V0_1(v0_1::Input::Ln(input)) => {
                Some(ContractName::Id(input.contract))
            }
            Self::LnV2(lnv2::Input::V0(lnv2::InputV0::Outgoing(input))) => Some(input.contract),
            Self::LnV2(lnv2::Input::V0(lnv2::InputV0::Incoming(input))) => Some(input.contract),
            _ => None,
        }
    }

    /// Returns the output of Bitcoin that the input claims, if the input says it.
    pub fn deposit(&self) -> Option<BitcoinOutPoint> {
        match self {
            Self::Wallet(wallet::Input::V0(proof)) => Some(proof.outpoint()),
            Self::Wallet(wallet::Input::V1(peg_in)) => Some(peg_in.outpoint),
            Self::V0_1(v0_1::Input::Wallet(proof)) => Some(proof.outpoint()),
            _ => None,
        }
    }

    /// Returns the keys that must sign the transaction, if the input says them.
    pub fn signers(&self) -> Vec<NoteKey> {
        match self {
            Self::Wallet(wallet::Input::V0(proof)) => vec![NoteKey::Compressed(proof.tweak)],
            Self::Wallet(wallet::Input::V1(peg_in)) => vec![NoteKey::Compressed(peg_in.tweak)],
            Self::WalletV2(walletv2::Input::V0(receive)) => vec![NoteKey::Compressed(receive.tweak)],
            Self::Dummy(input) => vec![NoteKey::Compressed(input.account)],
            Self::V0_1(v0_1::Input::Wallet(proof)) => vec![NoteKey::XOnly(proof.tweak)],
            Self::V0_1(v0_1::Input::Dummy(posting)) => vec![NoteKey::XOnly(posting.account)],
            _ => self.spent_notes().into_iter().map(|note| note.nonce).collect(),
        }
    }
}

impl Output {
    /// Returns what the output says of its amount: with the miners' fee, and without the federation's.
    ///
    /// Of a withdrawal whose fee is more than there can be, this is `TooLarge`. Servers before version 2.3 of
    /// the rules of `wallet` reckon with [`wallet::PegOutFees::wrapped_amount`].
    pub fn amount(&self) -> Stated {
        match self {
            Self::Mint(mint::Output::V0(note)) => Stated::Amount(note.amount),
            Self::MintV2(mintv2::Output::V0(note)) => Stated::of(note.denomination.amount()),
            Self::Wallet(wallet::Output::V0(output)) | Self::V0_1(v0_1::Output::Wallet(output)) => {
                Stated::of(output.amount().and_then(Sat::to_msat))
            }
            Self::V0_1(v0_1::Output::Mint(output)) => Stated::of(output.blind_nonces.total()),
            Self::V0_1(v0_1::Output::Ln(v0_1::ln::Output::Contract(output))) => Stated::Amount(output.amount),
            Self::V0_1(v0_1::Output::Ln(_)) => Stated::Amount(Msat(0)),
            Self::V0_1(v0_1::Output::Dummy(posting)) => Stated::Amount(posting.amount),
            Self::WalletV2(walletv2::Output::V0(send)) => Stated::of(send.total().and_then(Sat::to_msat)),
            Self::Ln(ln::Output::V0(ln::OutputV0::Contract(output))) => Stated::Amount(output.amount),
            Self::Ln(ln::Output::V0(_)) => Stated::Amount(Msat(0)),
            Self::LnV2(lnv2::Output::V0(contract)) => Stated::Amount(contract.amount()),
            Self::Dummy(dummy::Output::Account(posting)) => Stated::Amount(posting.amount),
            Self::Dummy(dummy::Output::Unit { amount, unit: 0 }) => Stated::Amount(*amount),
            _ => Stated::Nothing,
        }
    }

    /// Returns the notes that the output issues.
    pub fn issued_notes(&self) -> Vec<IssuedNote> {
        match self {
            Self::Mint(mint::Output::V0(note)) => {
                vec![IssuedNote { amount: Some(note.amount), blind_nonce: note.blind_nonce }]
            }
            Self::MintV2(mintv2::Output::V0(note)) => {
                vec![IssuedNote { amount: note.denomination.amount(), blind_nonce: note.blind_nonce }]
            }
            Self::V0_1(v0_1::Output::Mint(output)) => {
                let note =
                    |(amount, nonce): (Msat, &G1)| IssuedNote { amount: Some(amount), blind_nonce: *nonce };
                output.blind_nonces.iter().map(note).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the id of the contract that the output puts money into.
    pub fn contract(&self) -> Option<fm_history::Hash> {
        match self {
            Self::Ln(ln::Output::V0(ln::OutputV0::Contract(output))) => Some(output.contract.id()),
            Self::LnV2(lnv2::Output::V0(contract)) => Some(contract.id()),
            Self::V0_1(v0_1::Output::Ln(v0_1::ln::Output::Contract(output))) => Some(output.contract.id()),
            _ => None,
        }
    }

    /// Returns the withdrawal that the output makes.
    pub fn withdrawal(&self) -> Option<Withdrawal> {
        match self {
            Self::Wallet(wallet::Output::V0(wallet::OutputV0::PegOut(peg_out)))
            | Self::V0_1(v0_1::Output::Wallet(wallet::OutputV0::PegOut(peg_out))) => Some(Withdrawal {
                script: peg_out.recipient.script.clone(),
                network: Some(peg_out.recipient.network),
                value: peg_out.amount,
                fee: peg_out.fees.amount(),
            }),
            Self::WalletV2(walletv2::Output::V0(send)) => Some(Withdrawal {
                script: send.destination.script()?,
                network: None,
                value: send.value,
                fee: Some(send.fee),
            }),
            _ => None,
        }
    }
}
