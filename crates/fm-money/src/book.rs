//! The books of one module.

use std::collections::BTreeMap;

use fm_modules::{Kind, Msat};

/// The notes of one denomination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Denomination {
    /// The number of notes that were issued.
    pub issued: u64,
    /// The number of notes that came back.
    pub redeemed: u64,
}

impl Denomination {
    /// Returns how many notes are outstanding; negative if more came back than were issued.
    pub fn outstanding(&self) -> i128 {
        i128::from(self.issued) - i128::from(self.redeemed)
    }
}

/// Amounts that moved the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// How many.
    pub count: u64,
    /// Their sum, in msat.
    pub msat: u128,
}

impl Flow {
    pub(crate) fn add(&mut self, amount: Msat) {
        self.count += 1;
        self.msat += u128::from(amount.0);
    }

    fn signed(&self) -> i128 {
        // The sum of fewer than 2^63 amounts of 64 bits.
        i128::try_from(self.msat).unwrap_or(i128::MAX)
    }
}

/// What the history says of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// The module's kind.
    pub kind: Kind,
    /// The notes, by denomination.
    pub denominations: BTreeMap<Msat, Denomination>,
    /// What was deposited in Bitcoin.
    pub deposits: Flow,
    /// What was withdrawn in Bitcoin, with the miners' fees.
    pub withdrawals: Flow,
    /// What was put into contracts and accounts.
    pub paid_in: Flow,
    /// What was taken out of contracts and accounts.
    pub paid_out: Flow,
    /// The number of contracts that hold money.
    pub open_contracts: u64,
    /// The fees that the module took, in msat.
    pub fees: u128,
    /// The number of inputs and outputs of unknown kinds, and of variants that are not known.
    pub undecoded: u64,
    /// The number of inputs and outputs whose amount the history does not say.
    pub without_amount: u64,
}

impl Book {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            denominations: BTreeMap::new(),
            deposits: Flow::default(),
            withdrawals: Flow::default(),
            paid_in: Flow::default(),
            paid_out: Flow::default(),
            open_contracts: 0,
            fees: 0,
            undecoded: 0,
            without_amount: 0,
        }
    }

    /// Returns what the module owns, in msat; `None` if the history does not say it.
    pub fn assets(&self) -> Option<i128> {
        match self.kind {
            Kind::WalletV2 => None,
            _ if self.undecoded > 0 || self.without_amount > 0 => None,
            _ => Some(self.deposits.signed() - self.withdrawals.signed()),
        }
    }

    /// Returns what the module owes, in msat; `None` if the history does not say it.
    pub fn liabilities(&self) -> Option<i128> {
        if self.undecoded > 0 {
            return None;
        }
        let note = |(amount, notes): (&Msat, &Denomination)| i128::from(amount.0) * notes.outstanding();
        let notes: i128 = self.denominations.iter().map(note).sum();
        Some(notes + self.paid_in.signed() - self.paid_out.signed())
    }

    /// Returns assets less liabilities, in msat: the sign of upstream's `audit`.
    pub fn net_assets(&self) -> Option<i128> {
        Some(self.assets()? - self.liabilities()?)
    }

    /// Says why the history does not tell what the module owns or owes; `None` if it does.
    pub fn reason(&self) -> Option<&'static str> {
        match self.kind {
            Kind::WalletV2 => Some("deposits of walletv2 say no amount: only the chain knows it"),
            _ if self.undecoded > 0 => {
                Some("inputs or outputs of the module are of a form that is not known")
            }
            _ if self.without_amount > 0 => Some("inputs or outputs of the module do not say their amount"),
            _ => None,
        }
    }
}
