//! What a module has to know for its recovery.

use fm_codec::ModuleValue;
use fm_history::{AcceptedItem, ConsensusItem, Hash, Transaction};
use serde_json::Value;

/// Where something is in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The session.
    pub session: u64,
    /// The position of the item in the session, from 0.
    pub item: u64,
    /// The id of the transaction; zeros outside of transactions.
    pub txid: Hash,
    /// The position of the input or output in its transaction, from 0.
    pub index: u64,
}

/// The recovery of one module's part. All methods but the first three and the last have a default: a module
/// implements those that it needs.
pub trait ModuleRecovery {
    /// Returns the name under which its state is stored; different for each module of a recovery.
    fn name(&self) -> &str;

    /// Takes in a state that [`store`](Self::store) returned.
    ///
    /// # Errors
    /// If it is not such a state.
    fn load(&mut self, state: &[u8]) -> Result<(), String>;

    /// Returns the whole state.
    fn store(&self) -> Vec<u8>;

    /// Takes the next session. The default passes its items on.
    ///
    /// # Errors
    /// If something in it cannot be read.
    fn on_session(&mut self, session: u64, items: &[AcceptedItem]) -> Result<(), String> {
        for (item, accepted) in (0..).zip(items) {
            let place = Place { session, item, txid: Hash::default(), index: 0 };
            match &accepted.item {
                ConsensusItem::Transaction(transaction) => self.on_transaction(place, transaction)?,
                ConsensusItem::Module(value) => self.on_item(place, value)?,
                ConsensusItem::Default { .. } => {}
            }
        }
        Ok(())
    }

    /// Takes an accepted transaction. The default passes its inputs and its outputs on.
    ///
    /// # Errors
    /// If something in it cannot be read.
    fn on_transaction(&mut self, place: Place, transaction: &Transaction) -> Result<(), String> {
        let txid = transaction.txid();
        for (index, input) in (0..).zip(&transaction.inputs) {
            self.on_input(Place { txid, index, ..place }, input)?;
        }
        for (index, output) in (0..).zip(&transaction.outputs) {
            self.on_output(Place { txid, index, ..place }, output)?;
        }
        Ok(())
    }

    /// Takes an item of a module outside transactions.
    ///
    /// # Errors
    /// If it cannot be read.
    fn on_item(&mut self, _: Place, _: &ModuleValue) -> Result<(), String> {
        Ok(())
    }

    /// Takes an input of any module.
    ///
    /// # Errors
    /// If it cannot be read.
    fn on_input(&mut self, _: Place, _: &ModuleValue) -> Result<(), String> {
        Ok(())
    }

    /// Takes an output of any module.
    ///
    /// # Errors
    /// If it cannot be read.
    fn on_output(&mut self, _: Place, _: &ModuleValue) -> Result<(), String> {
        Ok(())
    }

    /// Does what needs others, before the end: the network, for instance. May be called again after a kill.
    ///
    /// # Errors
    /// If that fails; the recovery can be run again.
    fn pre_finalise(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Returns the results. They and the mark that the recovery is finished are stored in one write, which
    /// also removes the state.
    fn finalise(&self) -> Value;
}
