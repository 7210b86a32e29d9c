//! The end of a session: by ordered signatures, or by a fetched signed outcome.

use fm_codec::{Dialect, Encode, Writer, decode_exact};
use fm_eras::session::session_key;
use fm_history::{
    AcceptedItem, Hash, NODE_PAIR_BYTES, PeerId, SessionHeader, Signatures, sha256, signed_record,
};
use fm_store::Durability;

use crate::action::{Action, OutcomeError};
use crate::batch::check_item;
use crate::dbtx::DbTransaction;
use crate::engine::Engine;
use crate::error::{EngineError, ItemError};
use crate::failure::{ConsensusFailure, FailureKind, Side, header_hex, signatures_hex};
use crate::proof::{ProvenRecord, prove_record};
use crate::session::Session;
use crate::tables::{ACCEPTED_ITEM, ALEPH_UNITS, accepted_item_key};

impl Engine {
    pub(crate) fn fetched_outcome(
        &mut self,
        session: u64,
        record: &[u8],
    ) -> Result<Vec<Action>, EngineError> {
        let proven = match self.prove(session, record) {
            Ok(proven) => proven,
            Err(reason) => return Ok(vec![Action::OutcomeRefused { reason }]),
        };
        let ours = self.session.leaves.len();
        if !proven.leaves.starts_with(&self.session.leaves) {
            return Err(self.failure(FailureKind::ItemsDiffer, Some(&proven), None)?.into());
        }
        if self.session.signing.as_ref().is_some_and(|signing| signing.header != proven.header) {
            return Err(self.failure(FailureKind::HeadersDiffer, Some(&proven), None)?.into());
        }
        let storage = self.storage.clone();
        let mut tx = DbTransaction::new(storage.as_ref());
        let mut balance = self.balance.clone();
        for (index, accepted) in proven.session.outcome.items.iter().enumerate().skip(ours) {
            let result = check_item(&accepted.item, &self.modules)
                .map_err(ItemError::from)
                .and_then(|()| self.accept_item(&mut tx, &mut balance, accepted, index as u64));
            match result {
                Ok(()) => {}
                Err(ItemError::Fatal(error)) => return Err(error),
                Err(ItemError::Rejected(reason)) => {
                    let at = Some((index, reason.to_string()));
                    return Err(self.failure(FailureKind::ItemRejected, Some(&proven), at)?.into());
                }
            }
        }
        // The stored bytes are those that were fetched. What a crash of the machine loses is fetched again:
        // the federation has signed it.
        let items = proven.leaves.len() as u64;
        let done = self.store(tx, record.to_vec(), proven.header, items, Durability::Deferred)?;
        self.balance = balance;
        Ok(vec![done])
    }

    /// Checks everything that can be checked without processing the items.
    ///
    /// If ambiguous items are refused, no signed list is the shorter one of two: it would consist of such
    /// items. Otherwise the signatures alone do not decide, and the caller must have the list from at least
    /// one honest guardian.
    fn prove(&self, session: u64, record: &[u8]) -> Result<ProvenRecord, OutcomeError> {
        let open = self.session.index;
        if session != open {
            return Err(OutcomeError::OtherSession { session, open });
        }
        let proven = prove_record(&self.federation.keys, session, record)?;
        if self.rules.orderers.refuse_ambiguous() {
            let items = &proven.session.outcome.items;
            let is_pair = |item: &AcceptedItem| item.to_bytes(Dialect::MODERN).len() == NODE_PAIR_BYTES;
            if proven.ambiguous {
                return Err(OutcomeError::Ambiguous);
            }
            if !items.is_empty() && items.iter().all(is_pair) {
                return Err(OutcomeError::AnotherDepth);
            }
        }
        Ok(proven)
    }

    /// Stores the session in progress with the ordered signatures.
    pub(crate) fn complete(
        &mut self,
        header: SessionHeader,
        signatures: &Signatures,
    ) -> Result<Action, EngineError> {
        let storage = self.storage.clone();
        let tx = DbTransaction::new(storage.as_ref());
        let leaves = &self.session.leaves;
        let mut rows = tx.scan_prefix(&[ACCEPTED_ITEM])?.into_iter();
        let mut outcome = Writer::new(Dialect::MODERN);
        outcome.count(leaves.len());
        for (index, leaf) in (0..).zip(leaves) {
            match rows.next() {
                Some((_, item)) if sha256(&[&item]) == *leaf => outcome.raw(&item),
                _ => return Err(EngineError::PendingItem { index }),
            }
        }
        let (items, record) = (leaves.len() as u64, signed_record(outcome.as_bytes(), signatures));
        self.store(tx, record, header, items, Durability::Synced)
    }

    /// Stores the record of the session in progress and opens the next one, in one write with the changes in
    /// `tx`.
    fn store(
        &mut self,
        mut tx: DbTransaction<'_>,
        record: Vec<u8>,
        header: SessionHeader,
        items: u64,
        durability: Durability,
    ) -> Result<Action, EngineError> {
        let session = self.session.index;
        let key = session_key(session);
        if tx.get(&key)?.is_some() {
            return Err(EngineError::SessionStored { session });
        }
        tx.put(key, record);
        for prefix in [ACCEPTED_ITEM, ALEPH_UNITS] {
            for (key, _) in tx.scan_prefix(&[prefix])? {
                tx.remove(key);
            }
        }
        tx.commit(durability)?;
        self.session = Session::new(session + 1);
        Ok(Action::SessionComplete { session, items, header })
    }

    /// Returns the failure for accepted items that are missing from the order of units.
    pub(crate) fn items_not_ordered(&self) -> Result<Box<ConsensusFailure>, EngineError> {
        let at = (self.session.replayed, "the order of units ends before it".to_owned());
        self.failure(FailureKind::ItemsNotOrdered, None, Some(at))
    }

    fn failure(
        &self,
        kind: FailureKind,
        theirs: Option<&ProvenRecord>,
        rejection: Option<(usize, String)>,
    ) -> Result<Box<ConsensusFailure>, EngineError> {
        let ours = &self.session.leaves;
        let parts = theirs.and_then(|theirs| first_difference(ours, &theirs.leaves));
        let place = rejection.as_ref().map(|(place, _)| *place).or(parts);
        let our_item = match place {
            Some(place) => self.storage.get(&accepted_item_key(place as u64))?,
            None => None,
        };
        let our_side = Side {
            items: ours.len() as u64,
            header: header_hex(self.session.header()),
            peer: our_item.as_deref().and_then(peer_of),
            item: our_item.map(hex::encode),
        };
        let their_side = |theirs: &ProvenRecord| {
            let item = place.and_then(|place| theirs.session.outcome.items.get(place));
            Side {
                items: theirs.leaves.len() as u64,
                header: header_hex(theirs.header),
                item: item.map(|item| hex::encode(item.to_bytes(Dialect::MODERN))),
                peer: item.map(|item| item.peer),
            }
        };
        Ok(Box::new(ConsensusFailure {
            kind,
            session: self.session.index,
            guardian: self.federation.own,
            first_difference: place.map(|place| place as u64),
            ours: our_side,
            theirs: theirs.map(their_side),
            signatures: theirs.map(|theirs| signatures_hex(&theirs.session.signatures)).unwrap_or_default(),
            rejection: rejection.map(|(_, reason)| reason),
        }))
    }
}

/// Returns the first index at which the lists differ; the end of the shorter list counts.
fn first_difference(ours: &[Hash], theirs: &[Hash]) -> Option<usize> {
    let common = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    (common < ours.len().max(theirs.len())).then_some(common)
}

fn peer_of(accepted: &[u8]) -> Option<PeerId> {
    decode_exact::<AcceptedItem>(accepted, Dialect::MODERN).ok().map(|item| item.peer)
}
