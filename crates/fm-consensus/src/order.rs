//! Ordered units: batches during the session's rounds, signatures afterwards.

use fm_codec::{Dialect, Encode};
use fm_crypto::SessionKeys;
use fm_history::{AcceptedItem, ConsensusItem, NODE_PAIR_BYTES, PeerId, Signatures, sha256};

use crate::action::Action;
use crate::audit::follow_balance;
use crate::balance::BalanceSheet;
use crate::batch::{UnitPayload, read_batch};
use crate::dbtx::DbTransaction;
use crate::engine::{Engine, txid};
use crate::error::{EngineError, ItemError, Rejection};
use crate::schedule::SessionEnd;
use crate::session::Signing;
use crate::tables::accepted_item_key;

impl Engine {
    pub(crate) fn ordered_unit(
        &mut self,
        round: u16,
        creator: PeerId,
        payload: Option<&UnitPayload>,
    ) -> Result<Vec<Action>, EngineError> {
        if self.session.signing.is_some() {
            return match payload {
                Some(UnitPayload::Signature(signature)) => self.collect_signature(creator, signature),
                // Too late: its proposer proposes it again in the next session.
                Some(UnitPayload::Batch(_)) | None => Ok(Vec::new()),
            };
        }
        if matches!(self.rules.schedule.end, SessionEnd::Round(end) if round >= end) {
            return self.end_rounds();
        }
        let Some(UnitPayload::Batch(bytes)) = payload else { return Ok(Vec::new()) };
        let mut actions = match read_batch(bytes, &self.modules, self.rules.orderers) {
            Ok(items) => self.ordered_items(items, creator)?,
            Err(reason) => vec![Action::BatchSkipped { peer: creator, round, reason }],
        };
        self.session.batches += 1;
        if self.rules.schedule.is_over(self.session.batches, self.session.replayed_bytes) {
            actions.extend(self.end_rounds()?);
        }
        Ok(actions)
    }

    /// Processes the items of a unit and writes the accepted ones, all in one step.
    fn ordered_items(&mut self, items: Vec<ConsensusItem>, peer: PeerId) -> Result<Vec<Action>, EngineError> {
        let storage = self.storage.clone();
        let mut tx = DbTransaction::new(storage.as_ref());
        let mut balance = self.balance.clone();
        let mut actions = Vec::new();
        for item in items {
            let accepted = AcceptedItem { item, peer };
            let bytes = accepted.to_bytes(Dialect::MODERN);
            let leaf = sha256(&[&bytes]);
            let session = &mut self.session;
            if let Some(next) = session.leaves.get(session.replayed) {
                // Ordered before a restart. An item that was not accepted then is not accepted now, because
                // an item that follows an accepted one met the same state then.
                if *next == leaf {
                    session.replay(bytes.len());
                }
                continue;
            }
            let index = session.leaves.len() as u64;
            let refused = self.rules.orderers.refuse_ambiguous();
            let result = if refused && session.known.contains(&leaf) {
                Err(Rejection::Duplicate.into())
            } else if refused && bytes.len() == NODE_PAIR_BYTES {
                Err(Rejection::ReadsAsNodes.into())
            } else {
                self.accept_item(&mut tx, &mut balance, &accepted, index)
            };
            let txid = txid(&accepted.item);
            match result {
                Ok(()) => {
                    self.session.accept(leaf);
                    self.session.replay(bytes.len());
                    tx.put(accepted_item_key(index), bytes);
                    actions.push(Action::Accepted { index, peer, txid });
                }
                Err(ItemError::Rejected(reason)) => actions.push(Action::Discarded { peer, txid, reason }),
                Err(ItemError::Fatal(error)) => return Err(error),
            }
        }
        tx.commit(self.item_durability)?;
        self.balance = balance;
        Ok(actions)
    }

    /// Processes an item and updates the balance, which must not become negative.
    pub(crate) fn accept_item(
        &self,
        tx: &mut DbTransaction<'_>,
        balance: &mut BalanceSheet,
        accepted: &AcceptedItem,
        index: u64,
    ) -> Result<(), ItemError> {
        let start = tx.savepoint();
        self.process(tx, &accepted.item, accepted.peer)?;
        follow_balance(balance, tx, start, &self.modules)?;
        if balance.net() < 0 {
            let session = self.session.index;
            return Err(EngineError::NegativeBalance { session, item: index, sheet: balance.clone() }.into());
        }
        Ok(())
    }

    /// Ends the session's rounds: computes the header and signs it.
    pub(crate) fn end_rounds(&mut self) -> Result<Vec<Action>, EngineError> {
        if self.session.replayed < self.session.leaves.len() {
            return Err(self.items_not_ordered()?.into());
        }
        let header = self.session.header();
        let message = self.federation.keys.message(&header.to_bytes());
        let own = self.federation.signing_key.sign(&message);
        self.session.signing = Some(Signing { header, message, own, signatures: Signatures::new() });
        Ok(vec![Action::Broadcast { header, signature: own }])
    }

    /// Takes an ordered signature; with a threshold of signatures the session is complete.
    pub(crate) fn collect_signature(
        &mut self,
        peer: PeerId,
        signature: &[u8; 64],
    ) -> Result<Vec<Action>, EngineError> {
        let keys: &SessionKeys = &self.federation.keys;
        let Some(signing) = &mut self.session.signing else { return Ok(Vec::new()) };
        if keys.verify(peer, &signing.message, signature).is_err() {
            return Ok(vec![Action::SignatureIgnored { peer }]);
        }
        if signing.signatures.insert(peer, *signature).is_some() {
            return Ok(Vec::new());
        }
        let (signatures, needed) = (signing.signatures.len(), keys.threshold());
        let mut actions = vec![Action::SignatureCollected { peer, signatures, needed }];
        if signatures >= needed {
            let (header, signatures) = (signing.header, signing.signatures.clone());
            actions.push(self.complete(header, &signatures)?);
        }
        Ok(actions)
    }
}
