//! The state machine: takes ordered units and fetched outcomes, and returns actions.
//!
//! Invariants: no clock, no network, no threads; what a call changes is written in one step before it
//! returns, or not at all; after an error the machine does nothing more, and must be opened again from what
//! is written.

use std::sync::Arc;

use fm_history::{ConsensusItem, Hash, PeerId, SessionHeader, Transaction};
use fm_store::Durability;

use crate::action::Action;
use crate::audit::read_balance;
use crate::balance::BalanceSheet;
use crate::batch::UnitPayload;
use crate::dbtx::DbTransaction;
use crate::error::{EngineError, ItemError, Rejection};
use crate::guard::Guard;
use crate::module::{ModuleState, Modules};
use crate::rules::{Federation, Rules};
use crate::session::Session;
use crate::storage::Storage;
use crate::versions::settle_versions;
use crate::{batch, transaction};

/// The least number of guardians of a federation with more than one.
/// Source: fedimint-server 0.5.0, src/consensus/engine.rs.
const LEAST_GUARDIANS: usize = 4;

/// The state machine.
pub struct Engine {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) federation: Federation,
    pub(crate) modules: Arc<Modules>,
    pub(crate) rules: Rules,
    pub(crate) guard: Guard,
    /// When accepted items are on the disk. Deferred is enough if ordered units are kept elsewhere, because
    /// they are ordered again after a crash; see [`Engine::set_item_durability`].
    pub(crate) item_durability: Durability,
    pub(crate) session: Session,
    pub(crate) balance: BalanceSheet,
    stopped: bool,
}

/// The progress of the session in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineProgress {
    /// The session.
    pub session: u64,
    /// The number of accepted items.
    pub items: u64,
    /// The number of accepted items that were not yet ordered again after a restart.
    pub to_replay: u64,
    /// Once the rounds are over: the header, and the guardians whose signatures are missing.
    pub missing_signatures: Option<(SessionHeader, Vec<PeerId>)>,
}

impl Engine {
    /// Opens the machine on the rows of a storage; on an empty storage it starts a federation's history.
    ///
    /// # Errors
    /// If the federation is not valid, or the rows are not those of a node.
    pub fn open(
        storage: Arc<dyn Storage>,
        federation: Federation,
        modules: Arc<Modules>,
        rules: Rules,
        guard: Guard,
    ) -> Result<Self, EngineError> {
        check_federation(&federation)?;
        if let Some(peer) = guard.peer.filter(|peer| *peer != federation.own) {
            return Err(EngineError::OtherGuard { peer });
        }
        settle_versions(storage.as_ref(), &modules)?;
        let session = Session::read(storage.as_ref(), federation.keys.guardians() == 1)?;
        let balance = read_balance(storage.as_ref(), &modules)?;
        let item_durability = Durability::Synced;
        let stopped = false;
        Ok(Self { storage, federation, modules, rules, guard, item_durability, session, balance, stopped })
    }

    /// Sets when accepted items are on the disk. If deferred, a crash of the machine may lose them; they come
    /// again with the units that carried them, which the shell keeps. The end of an ordered session is always
    /// synced.
    pub fn set_item_durability(&mut self, durability: Durability) {
        self.item_durability = durability;
    }

    /// Returns the session in progress.
    pub fn session(&self) -> u64 {
        self.session.index
    }

    /// Returns whether this guardian may make units in the session in progress; if not, the shell waits for
    /// the session's outcome.
    pub fn may_create_units(&self) -> bool {
        self.guard.may_create_units(self.session.index)
    }

    /// Returns the progress of the session in progress.
    pub fn progress(&self) -> EngineProgress {
        let session = &self.session;
        let missing = session.signing.as_ref().map(|signing| {
            let missing = |peer: &PeerId| !signing.signatures.contains_key(peer);
            (signing.header, self.federation.keys.peers().filter(missing).collect())
        });
        EngineProgress {
            session: session.index,
            items: session.leaves.len() as u64,
            to_replay: (session.leaves.len() - session.replayed) as u64,
            missing_signatures: missing,
        }
    }

    /// Returns this guardian's signature over the session in progress, once its rounds are over.
    pub fn own_signature(&self) -> Option<[u8; 64]> {
        self.session.signing.as_ref().map(|signing| signing.own)
    }

    /// Returns the leaf hashes of the items of the session in progress, once its rounds are over and no item
    /// can follow.
    pub fn closed_list(&self) -> Option<&[Hash]> {
        self.session.signing.as_ref().map(|_| &self.session.leaves[..])
    }

    /// Returns the federation's assets and liabilities.
    pub fn balance(&self) -> &BalanceSheet {
        &self.balance
    }

    /// Returns the storage that the machine writes to.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Returns the modules.
    pub fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    /// Takes the next unit that AlephBFT ordered in the session in progress.
    ///
    /// # Errors
    /// If the machine has to stop; then nothing of the unit is written.
    pub fn on_ordered_unit(
        &mut self,
        round: u16,
        creator: PeerId,
        payload: Option<&UnitPayload>,
    ) -> Result<Vec<Action>, EngineError> {
        self.running(|engine| engine.ordered_unit(round, creator, payload))
    }

    /// Takes what a guardian presents as the signed outcome of a session: the record as servers store it.
    ///
    /// # Errors
    /// If the federation agreed on something else than this node, or the machine has to stop for another
    /// reason; then nothing is written.
    pub fn on_fetched_outcome(&mut self, session: u64, record: &[u8]) -> Result<Vec<Action>, EngineError> {
        self.running(|engine| engine.fetched_outcome(session, record))
    }

    /// Ends the session in progress of a federation of one guardian, whose items come as units of round 0.
    ///
    /// # Errors
    /// If there are more guardians, or the machine has to stop.
    pub fn end_session_alone(&mut self) -> Result<Vec<Action>, EngineError> {
        let guardians = self.federation.keys.guardians();
        if guardians != 1 {
            return Err(EngineError::NotAlone { guardians });
        }
        self.running(|engine| {
            let mut actions = engine.end_rounds()?;
            let own = engine.own_signature().expect("the rounds were ended above");
            actions.extend(engine.collect_signature(engine.federation.own, &own)?);
            Ok(actions)
        })
    }

    /// Returns the items that this guardian's modules propose now.
    ///
    /// # Errors
    /// If the database cannot be used.
    pub fn proposals(&self) -> Result<Vec<ConsensusItem>, EngineError> {
        proposals(self.storage.as_ref(), &self.modules, self.federation.own)
    }

    fn running(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<Vec<Action>, EngineError>,
    ) -> Result<Vec<Action>, EngineError> {
        if self.stopped {
            return Err(EngineError::Stopped);
        }
        let result = work(self);
        self.stopped = result.is_err();
        result
    }
}

/// Returns the items that a guardian's modules propose now.
///
/// # Errors
/// If the database cannot be used.
pub fn proposals(
    storage: &dyn Storage,
    modules: &Modules,
    own: PeerId,
) -> Result<Vec<ConsensusItem>, EngineError> {
    let mut tx = DbTransaction::new(storage);
    let mut items = Vec::new();
    for (instance, module) in modules.iter() {
        let bodies = module.proposals(&ModuleState::new(&mut tx, instance), own)?;
        let item = |body| ConsensusItem::Module(fm_codec::ModuleValue { instance, body });
        items.extend(bodies.into_iter().map(item));
    }
    Ok(items)
}

/// Checks whether a transaction would be accepted now, changing nothing; returns its id.
///
/// # Errors
/// If it would not be accepted, or the database cannot be used.
pub fn check_transaction(
    storage: &dyn Storage,
    modules: &Modules,
    transaction: &Transaction,
) -> Result<Hash, ItemError> {
    batch::check_item(&ConsensusItem::Transaction(transaction.clone()), modules)?;
    transaction::process_transaction(&mut DbTransaction::new(storage), modules, transaction)?;
    Ok(transaction.txid())
}

fn check_federation(federation: &Federation) -> Result<(), EngineError> {
    let Federation { keys, own, signing_key } = federation;
    let guardians = keys.guardians();
    if guardians != 1 && guardians < LEAST_GUARDIANS {
        return Err(EngineError::GuardianCount { guardians });
    }
    match keys.compressed().get(own) {
        None => Err(EngineError::NotAGuardian { peer: *own }),
        Some(key) if *key != signing_key.public_key() => Err(EngineError::WrongSigningKey { peer: *own }),
        Some(_) => Ok(()),
    }
}

/// Returns the id of the transaction in an item, if the item is a transaction.
pub(crate) fn txid(item: &ConsensusItem) -> Option<Hash> {
    match item {
        ConsensusItem::Transaction(transaction) => Some(transaction.txid()),
        ConsensusItem::Module(_) | ConsensusItem::Default { .. } => None,
    }
}

impl Engine {
    /// Processes one item; on a rejection its changes are undone.
    pub(crate) fn process(
        &self,
        tx: &mut DbTransaction<'_>,
        item: &ConsensusItem,
        peer: PeerId,
    ) -> Result<(), ItemError> {
        let start = tx.savepoint();
        let result = match item {
            ConsensusItem::Transaction(transaction) => {
                transaction::process_transaction(tx, &self.modules, transaction)
            }
            ConsensusItem::Module(value) => match self.modules.get(value.instance) {
                Some(module) => {
                    module.process_item(&mut ModuleState::new(tx, value.instance), &value.body, peer)
                }
                None => Err(Rejection::UnknownModule { instance: value.instance }.into()),
            },
            ConsensusItem::Default { variant, .. } => {
                Err(Rejection::UnknownItem { variant: *variant }.into())
            }
        };
        if result.is_err() {
            tx.rollback(start);
        }
        result
    }
}
