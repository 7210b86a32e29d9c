//! Contracts that hold money, of `ln` and of `lnv2`.

use std::collections::BTreeMap;

use fm_history::Hash;
use fm_modules::lnv2::ContractName;
use fm_modules::{Msat, OutPoint};

/// The contracts of one module that hold money.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    /// What a contract of `ln` holds: several outputs may put money into it.
    by_id: BTreeMap<Hash, u128>,
    /// Contracts of `lnv2`: each output makes one.
    by_output: BTreeMap<OutPoint, (Hash, Msat)>,
    /// The outputs that made the contracts of `lnv2` with an id, in order.
    outputs: BTreeMap<Hash, Vec<OutPoint>>,
}

/// More is taken out of a contract than it holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overdrawn {
    pub(crate) contract: Option<Hash>,
    pub(crate) holds: Msat,
}

impl Contracts {
    pub(crate) fn open(&self) -> u64 {
        (self.by_id.len() + self.by_output.len()) as u64
    }

    /// Puts money into a contract of `ln`.
    pub(crate) fn pay_in(&mut self, id: Hash, amount: Msat) {
        *self.by_id.entry(id).or_default() += u128::from(amount.0);
    }

    /// Takes money out of a contract of `ln`.
    pub(crate) fn pay_out(&mut self, id: Hash, amount: Msat) -> Result<(), Overdrawn> {
        let held = self.by_id.get(&id).copied().unwrap_or_default();
        let Some(rest) = held.checked_sub(u128::from(amount.0)) else {
            let holds = Msat(u64::try_from(held).unwrap_or(u64::MAX));
            return Err(Overdrawn { contract: Some(id), holds });
        };
        match rest {
            0 => drop(self.by_id.remove(&id)),
            rest => drop(self.by_id.insert(id, rest)),
        }
        Ok(())
    }

    /// Adds the contract of `lnv2` that an output makes.
    pub(crate) fn make(&mut self, output: OutPoint, id: Hash, amount: Msat) {
        self.by_output.insert(output, (id, amount));
        self.outputs.entry(id).or_default().push(output);
    }

    /// Takes all out of a contract of `lnv2`; returns the amount.
    pub(crate) fn empty(&mut self, name: ContractName) -> Result<Msat, Overdrawn> {
        let output = match name {
            ContractName::OutPoint(output) => Some(output),
            ContractName::Id(id) => self.outputs.get(&id).and_then(|outputs| outputs.first().copied()),
        };
        let contract = match name {
            ContractName::OutPoint(_) => None,
            ContractName::Id(id) => Some(id),
        };
        let found = output.and_then(|output| Some((output, self.by_output.remove(&output)?)));
        let (output, (id, amount)) = found.ok_or(Overdrawn { contract, holds: Msat(0) })?;
        if let Some(outputs) = self.outputs.get_mut(&id) {
            outputs.retain(|other| *other != output);
            if outputs.is_empty() {
                self.outputs.remove(&id);
            }
        }
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Hash = Hash([1; 32]);

    #[test]
    fn no_more_is_taken_out_than_was_paid_in() {
        let mut contracts = Contracts::default();
        contracts.pay_in(ID, Msat(5));
        contracts.pay_in(ID, Msat(6));
        assert_eq!(contracts.pay_out(ID, Msat(12)), Err(Overdrawn { contract: Some(ID), holds: Msat(11) }));
        assert_eq!(contracts.pay_out(ID, Msat(4)), Ok(()));
        assert_eq!(contracts.open(), 1);
        assert_eq!(contracts.pay_out(ID, Msat(7)), Ok(()));
        assert_eq!(contracts.open(), 0);
        assert_eq!(contracts.pay_out(ID, Msat(1)), Err(Overdrawn { contract: Some(ID), holds: Msat(0) }));
    }

    #[test]
    fn a_contract_is_emptied_once_by_either_name() {
        let mut contracts = Contracts::default();
        let outputs = [0, 1].map(|index| OutPoint { txid: Hash([2; 32]), index });
        outputs.iter().for_each(|output| contracts.make(*output, ID, Msat(7)));
        assert_eq!(contracts.empty(ContractName::OutPoint(outputs[1])), Ok(Msat(7)));
        assert_eq!(contracts.empty(ContractName::Id(ID)), Ok(Msat(7)));
        let overdrawn = |contract| Err(Overdrawn { contract, holds: Msat(0) });
        assert_eq!(contracts.empty(ContractName::Id(ID)), overdrawn(Some(ID)));
        assert_eq!(contracts.empty(ContractName::OutPoint(outputs[0])), overdrawn(None));
    }
}
