//! Checks and applies a transaction: inputs, signatures, outputs, and their sums.

use fm_crypto::VerifiedSignatures;
use fm_eras::session::transaction_key;
use fm_history::{Hash, Transaction, TransactionSignature};

use crate::dbtx::DbTransaction;
use crate::error::{ItemError, Rejection};
use crate::module::{Amounts, Module, ModuleState, Modules, OutPoint};

/// Applies a transaction: its changes, and its row in the index of accepted transactions.
///
/// On an error, changes may be left in `tx`; the caller must undo them.
///
/// # Errors
/// If the transaction is not accepted, or the database cannot be used.
pub fn process_transaction(
    tx: &mut DbTransaction<'_>,
    modules: &Modules,
    transaction: &Transaction,
) -> Result<(), ItemError> {
    let txid = transaction.txid();
    let key = transaction_key(&txid);
    if tx.get(&key)?.is_some() {
        return Err(Rejection::AlreadyAccepted { txid }.into());
    }
    let mut funding = Funding::default();
    let mut keys = Vec::with_capacity(transaction.inputs.len());
    for input in &transaction.inputs {
        let module = module(modules, input.instance)?;
        let meta = module.process_input(&mut ModuleState::new(tx, input.instance), &input.body)?;
        funding.add(meta.amounts, true)?;
        keys.push(meta.key);
    }
    check_signatures(modules.verified(), &keys, &txid, &transaction.signature)?;
    for (output, index) in transaction.outputs.iter().zip(0..) {
        let module = module(modules, output.instance)?;
        let point = OutPoint { txid, index };
        let mut state = ModuleState::new(tx, output.instance);
        funding.add(module.process_output(&mut state, &output.body, point)?, false)?;
    }
    funding.check(modules.may_overfund())?;
    tx.put(key, transaction.index_value());
    Ok(())
}

fn module(modules: &Modules, instance: u16) -> Result<&dyn Module, Rejection> {
    modules.get(instance).ok_or(Rejection::UnknownModule { instance })
}

fn check_signatures(
    verified: &VerifiedSignatures,
    keys: &[[u8; 33]],
    txid: &Hash,
    signature: &TransactionSignature,
) -> Result<(), Rejection> {
    let signatures = match signature {
        TransactionSignature::Schnorr(signatures) => signatures,
        TransactionSignature::Default { variant, .. } => {
            return Err(Rejection::UnknownSignature { variant: *variant });
        }
    };
    if signatures.len() != keys.len() {
        return Err(Rejection::SignatureCount { signatures: signatures.len(), inputs: keys.len() });
    }
    let signed = |(key, signature)| verified.is_signed_by(key, &txid.0, signature);
    match keys.iter().zip(signatures).position(|pair| !signed(pair)) {
        Some(input) => Err(Rejection::BadSignature { input }),
        None => Ok(()),
    }
}

/// The sums of a transaction.
#[derive(Default)]
struct Funding {
    inputs: u64,
    outputs: u64,
    fees: u64,
}

impl Funding {
    fn add(&mut self, amounts: Amounts, input: bool) -> Result<(), Rejection> {
        let sum = if input { &mut self.inputs } else { &mut self.outputs };
        *sum = sum.checked_add(amounts.amount).ok_or(Rejection::Overflow)?;
        self.fees = self.fees.checked_add(amounts.fee).ok_or(Rejection::Overflow)?;
        Ok(())
    }

    fn check(self, may_overfund: bool) -> Result<(), Rejection> {
        let Self { inputs, outputs, fees } = self;
        let spent = outputs.checked_add(fees).ok_or(Rejection::Overflow)?;
        let is_balanced = inputs == spent || may_overfund && inputs > spent;
        if is_balanced { Ok(()) } else { Err(Rejection::Unbalanced { inputs, outputs, fees }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_inputs_than_needed_are_for_core_consensus_2_1() {
        let funding = |inputs| Funding { inputs, outputs: 9, fees: 1 };
        assert_eq!(funding(10).check(false), Ok(()));
        assert!(funding(11).check(false).is_err() && funding(9).check(true).is_err());
        assert_eq!(funding(11).check(true), Ok(()));
    }
}
