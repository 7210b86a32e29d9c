//! The federation's balance as a value: what it owns and owes, by module.

use std::collections::BTreeMap;
use std::fmt;

/// The federation's assets and liabilities, in millisatoshi, by module instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceSheet(BTreeMap<u16, i128>);

impl BalanceSheet {
    /// Adds to the balance of a module.
    pub(crate) fn add(&mut self, instance: u16, difference: i128) {
        *self.0.entry(instance).or_default() += difference;
    }

    /// Returns the balance of each module.
    pub fn modules(&self) -> &BTreeMap<u16, i128> {
        &self.0
    }

    /// Returns the federation's balance.
    pub fn net(&self) -> i128 {
        self.0.values().sum()
    }
}

impl fmt::Display for BalanceSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} msat", self.net())?;
        self.0.iter().try_for_each(|(instance, sum)| write!(f, ", module {instance}: {sum} msat"))
    }
}
