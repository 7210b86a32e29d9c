//! The fees that a federation takes, which every transaction must pay.
//!
//! Source: fedimint-{mint,mintv2,wallet,walletv2,ln,lnv2}-common 0.5.0 and 0.13.0, src/config.rs, and `process_input`
//! and `process_output` of the servers' crates.

use std::collections::BTreeMap;

use fm_modules::Msat;

/// Parts of a million.
const MILLION: u128 = 1_000_000;

/// The fees of each module instance.
pub type Fees = BTreeMap<u16, ModuleFees>;

/// A fee that grows with the amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelativeFee {
    /// What is taken from each input and output.
    pub base: Msat,
    /// What is taken in addition, in parts of a million of the amount.
    pub parts_per_million: u64,
}

/// The fees of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleFees {
    /// `mint`, `mintv2`, `lnv2`, `walletv2`: for each input and output, by its amount.
    Relative(RelativeFee),
    /// `wallet`, `ln`: the same for every input, and for every output.
    Fixed {
        /// For an input.
        input: Msat,
        /// For an output that moves money.
        output: Msat,
    },
}

impl RelativeFee {
    /// Returns the fee of an amount, in msat: rounded down, as guardians compute it.
    fn of(&self, amount: Msat) -> u128 {
        // Guardians multiply 64-bit numbers, and keep the greatest one if the product does not fit.
        let product = amount.0.saturating_mul(self.parts_per_million);
        u128::from(product) / MILLION + u128::from(self.base.0)
    }
}

impl ModuleFees {
    /// Returns the fee of an input, in msat.
    pub fn of_input(&self, amount: Msat) -> u128 {
        match self {
            Self::Relative(fee) => fee.of(amount),
            Self::Fixed { input, .. } => input.0.into(),
        }
    }

    /// Returns the fee of an output that moves money, in msat.
    pub fn of_output(&self, amount: Msat) -> u128 {
        match self {
            Self::Relative(fee) => fee.of(amount),
            Self::Fixed { output, .. } => output.0.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_fees_are_rounded_down_and_do_not_overflow() {
        let fee = RelativeFee { base: Msat(100), parts_per_million: 1000 };
        assert_eq!(fee.of(Msat(999)), 100);
        assert_eq!(fee.of(Msat(1000)), 101);
        assert_eq!(fee.of(Msat(u64::MAX)), u128::from(u64::MAX) / MILLION + 100);
    }
}
