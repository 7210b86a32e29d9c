//! What a payload says, in words and numbers, for those who look at a history.

use crate::bitcoin::Network;
use crate::lnv2::{ContractName, OutgoingWitness, PaymentImage};
use crate::{
    Input, Item, Msat, NoteKey, OutPoint, Output, Sat, Stated, UnknownVariant, dummy, ln, lnv2, meta, v0_1,
    wallet, walletv2,
};

/// A payload, described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// What it is.
    pub what: &'static str,
    /// What it says, by name, in order.
    pub facts: Vec<(&'static str, Fact)>,
}

/// Something that a payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An amount.
    Amount(Msat),
    /// A number.
    Number(u64),
    /// Hex, an address, or a name.
    Text(String),
}

impl Description {
    fn of(what: &'static str) -> Self {
        Self { what, facts: Vec::new() }
    }

    fn unknown(variant: &UnknownVariant) -> Self {
        Self::of("a form that is not known").number("variant", variant.variant)
    }

    fn amount(mut self, name: &'static str, amount: Option<Msat>) -> Self {
        self.facts.extend(amount.map(|amount| (name, Fact::Amount(amount))));
        self
    }

    fn number(mut self, name: &'static str, number: u64) -> Self {
        self.facts.push((name, Fact::Number(number)));
        self
    }

    fn text(mut self, name: &'static str, text: impl ToString) -> Self {
        self.facts.push((name, Fact::Text(text.to_string())));
        self
    }

    fn texts<T: ToString>(self, name: &'static str, text: Option<T>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }
}

impl Input {
    /// Describes the input.
    pub fn describe(&self) -> Description {
        if let Some(variant) = self.unknown_variant() {
            return Description::unknown(variant);
        }
        let stated = match self.amount() {
            Stated::Amount(amount) => Some(amount),
            Stated::TooLarge | Stated::Nothing => None,
        };
        let notes = self.spent_notes();
        if let Some(note) = notes.first() {
            let what = if notes.len() == 1 { "spends a note" } else { "spends notes" };
            let first = Description::of(what).amount("amount", stated);
            return match notes.len() {
                1 => first.text("nonce", nonce_text(&note.nonce)),
                count => first.number("notes", count as u64),
            };
        }
        if let Some(outpoint) = self.deposit() {
            return Description::of("claims a deposit").amount("amount", stated).text("outpoint", outpoint);
        }
        match self {
            Self::WalletV2(walletv2::Input::V0(receive)) => Description::of("claims a deposit")
                .number("output", receive.output_index)
                .amount("fee", receive.fee.to_msat()),
            Self::Ln(ln::Input::V0(input)) | Self::V0_1(v0_1::Input::Ln(input)) => {
                Description::of("takes money out of a contract")
                    .amount("amount", stated)
                    .text("contract", input.contract)
                    .texts("preimage", input.preimage.map(hex::encode))
            }
            Self::LnV2(lnv2::Input::V0(lnv2::InputV0::Outgoing(input))) => {
                let description = Description::of(match input.witness {
                    OutgoingWitness::Claim(_) => "claims an outgoing contract",
                    OutgoingWitness::Refund => "refunds an outgoing contract that expired",
                    OutgoingWitness::Cancel(_) => "refunds an outgoing contract that its gateway abandoned",
                });
                let preimage = match &input.witness {
                    OutgoingWitness::Claim(preimage) => Some(hex::encode(preimage)),
                    OutgoingWitness::Refund | OutgoingWitness::Cancel(_) => None,
                };
                contract_name(description, &input.contract).texts("preimage", preimage)
            }
            Self::LnV2(lnv2::Input::V0(lnv2::InputV0::Incoming(input))) => {
                contract_name(Description::of("empties an incoming contract"), &input.contract)
            }
            Self::Dummy(dummy::Input { account, .. }) => {
                Description::of("takes from an account").amount("amount", stated).text("account", account)
            }
            Self::V0_1(v0_1::Input::Dummy(posting)) => Description::of("takes from an account")
                .amount("amount", stated)
                .text("account", hex::encode(posting.account.0)),
            _ => Description::of("bytes of a kind that is not decoded"),
        }
    }
}

impl Output {
    /// Describes the output; `network` is that of an address if the output does not say one.
    pub fn describe(&self, network: Option<Network>) -> Description {
        if let Some(variant) = self.unknown_variant() {
            return Description::unknown(variant);
        }
        let stated = self.amount().amount();
        let notes = self.issued_notes();
        if let Some(note) = notes.first() {
            let what = if notes.len() == 1 { "issues a note" } else { "issues notes" };
            let first = Description::of(what).amount("amount", stated);
            return match notes.len() {
                1 => first.text("blind_nonce", note.blind_nonce),
                count => first.number("notes", count as u64),
            };
        }
        if let Some(withdrawal) = self.withdrawal() {
            let network = withdrawal.network.or(network);
            let address = network.and_then(|network| withdrawal.address(network));
            return Description::of("withdraws")
                .amount("amount", withdrawal.value.to_msat())
                .amount("fee", withdrawal.fee.and_then(Sat::to_msat))
                .texts("address", address);
        }
        match self {
            Self::Wallet(wallet::Output::V0(wallet::OutputV0::Rbf(rbf)))
            | Self::V0_1(v0_1::Output::Wallet(wallet::OutputV0::Rbf(rbf))) => {
                Description::of("raises the fee of a withdrawal")
                    .amount("amount", stated)
                    .text("txid", rbf.txid)
            }
            Self::Ln(ln::Output::V0(output)) => describe_ln(output, stated),
            Self::V0_1(v0_1::Output::Ln(output)) => describe_first_ln(output, stated),
            Self::LnV2(lnv2::Output::V0(output)) => describe_lnv2(output, stated),
            Self::Dummy(dummy::Output::Account(posting)) => Description::of("adds to an account")
                .amount("amount", stated)
                .text("account", posting.account),
            Self::V0_1(v0_1::Output::Dummy(posting)) => Description::of("adds to an account")
                .amount("amount", stated)
                .text("account", hex::encode(posting.account.0)),
            Self::Dummy(dummy::Output::Unit { unit, .. }) => {
                Description::of("takes out of circulation").amount("amount", stated).number("unit", *unit)
            }
            _ => Description::of("bytes of a kind that is not decoded"),
        }
    }
}

impl Item {
    /// Describes the item.
    pub fn describe(&self) -> Description {
        if let Some(variant) = self.unknown_variant() {
            return Description::unknown(variant);
        }
        match self {
            Self::Wallet(item) => describe_wallet_item(item),
            Self::WalletV2(walletv2::Item::BlockCount(count)) => {
                Description::of("votes for a number of blocks").number("blocks", *count)
            }
            Self::WalletV2(walletv2::Item::Feerate(rate)) => {
                let vote = Description::of("votes for a fee rate");
                rate.map_or_else(|| vote.clone(), |rate| vote.clone().number("sat_per_kvb", rate))
            }
            Self::WalletV2(walletv2::Item::Signatures(signed)) => {
                Description::of("signs a withdrawal").text("txid", signed.txid)
            }
            Self::Ln(item) => match item {
                ln::Item::DecryptPreimage(share) => {
                    Description::of("share of a preimage").text("contract", share.contract)
                }
                ln::Item::BlockCount(count) => {
                    Description::of("votes for a number of blocks").number("blocks", *count)
                }
                ln::Item::ModuleVersion(version) => {
                    Description::of("votes for a version of the rules").text("version", version)
                }
                ln::Item::Unknown(variant) => Description::unknown(variant),
            },
            Self::LnV2(item) => match item {
                lnv2::Item::BlockCountVote(count) => {
                    Description::of("votes for a number of blocks").number("blocks", *count)
                }
                lnv2::Item::UnixTimeVote(time) => {
                    Description::of("votes for a time").number("unix_seconds", *time)
                }
                lnv2::Item::Unknown(variant) => Description::unknown(variant),
            },
            Self::Meta(meta::Item { key, value, .. }) => {
                let vote = Description::of("votes for a value").number("key", (*key).into());
                vote.text("value", hex::encode(value))
            }
            _ => Description::of("item of a kind that is not described"),
        }
    }
}

fn describe_wallet_item(item: &wallet::Item) -> Description {
    match item {
        wallet::Item::BlockCount(count) => {
            Description::of("votes for a number of blocks").number("blocks", (*count).into())
        }
        wallet::Item::Feerate(rate) => Description::of("votes for a fee rate").number("sat_per_kvb", *rate),
        wallet::Item::PegOutSignature(signed) => {
            Description::of("signs a withdrawal").text("txid", signed.txid)
        }
        wallet::Item::ModuleVersion(version) => {
            Description::of("votes for a version of the rules").text("version", version)
        }
        wallet::Item::Unknown(variant) => Description::unknown(variant),
    }
}

fn describe_ln(output: &ln::OutputV0, amount: Option<Msat>) -> Description {
    match output {
        ln::OutputV0::Contract(output) => {
            let what = match output.contract {
                ln::Contract::Incoming(_) => "puts money into an incoming contract",
                ln::Contract::Outgoing(_) => "puts money into an outgoing contract",
            };
            Description::of(what).amount("amount", amount).text("contract", output.contract.id())
        }
        ln::OutputV0::Offer(offer) => {
            Description::of("offers a preimage").amount("price", Some(offer.amount)).text("hash", offer.hash)
        }
        ln::OutputV0::CancelOutgoing(cancelled) => {
            Description::of("abandons an outgoing contract").text("contract", cancelled.contract)
        }
    }
}

fn describe_first_ln(output: &v0_1::ln::Output, amount: Option<Msat>) -> Description {
    match output {
        v0_1::ln::Output::Contract(_) => {
            Description::of("puts money into a contract").amount("amount", amount)
        }
        v0_1::ln::Output::Offer(_) => Description::of("offers a preimage"),
        v0_1::ln::Output::CancelOutgoing(_) => Description::of("abandons an outgoing contract"),
    }
}

fn describe_lnv2(output: &lnv2::OutputV0, amount: Option<Msat>) -> Description {
    let (what, image, end) = match output {
        lnv2::OutputV0::Outgoing(contract) => {
            ("puts money into an outgoing contract", contract.payment_image, contract.expiration)
        }
        lnv2::OutputV0::Incoming(contract) => {
            let commitment = &contract.commitment;
            ("puts money into an incoming contract", commitment.payment_image, commitment.expiration)
        }
    };
    let description = Description::of(what)
        .amount("amount", amount)
        .text("contract", output.id())
        .number("expiration", end);
    match image {
        PaymentImage::Hash(hash) => description.text("hash", hash),
        PaymentImage::Point(point) => description.text("point", point),
    }
}

fn contract_name(description: Description, name: &ContractName) -> Description {
    match name {
        ContractName::Id(id) => description.text("contract", id),
        ContractName::OutPoint(OutPoint { txid, index }) => {
            description.text("contract", format!("{txid}:{index}"))
        }
    }
}

fn nonce_text(nonce: &NoteKey) -> String {
    match nonce {
        NoteKey::Compressed(key) => hex::encode(key.0),
        NoteKey::XOnly(key) => hex::encode(key.0),
    }
}
