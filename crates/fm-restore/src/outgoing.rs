//! The database to be replaced: what it holds that the restored one will not, as far as it can be read.
//!
//! It may be damaged in any way: damage is the reason to restore. Invariant: data that cannot be read is
//! reported, and never taken for empty. The last session with units of the guardian is either known or
//! reported as unknown.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use fm_audit::{Control, Origin};
use fm_audit::{OpenUnits, StoredUnits};
use fm_crypto::SessionKeys;
use fm_datadir::{Held, database_name};
use fm_eras::Layout;
use fm_eras::block::{BlockLayout, decode_accepted_item, decode_block};
use fm_eras::session::{CLIENT_BACKUP, session_key};
use fm_history::{Block, BlockContent, PeerId, SessionHeader};
use fm_store::{Omission, OmissionKind, ReadStore, StoreError};

use crate::RestoreError;
use crate::kept::Incoming;
use crate::reach::{Evidence, Reach};

/// The readable part of the old database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All that was read: everything after the restored session, and units.
    Readable,
    /// All but the newest rows: the end of its log is torn.
    TornEnd(String),
    /// Parts of it.
    Partly(String),
    /// Nothing.
    Unreadable(String),
    /// There is no database.
    Missing,
}

/// Accepted items, counted by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Number of items.
    pub items: u64,
    /// Transactions among them.
    pub transactions: u64,
    /// Inputs and outputs of these, and items, by module.
    pub modules: BTreeMap<u16, ModuleContent>,
}

/// The part of accepted items that belongs to one module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleContent {
    /// Inputs of transactions.
    pub inputs: u64,
    /// Outputs of transactions.
    pub outputs: u64,
    /// Items of the module itself.
    pub items: u64,
}

/// Finished sessions after the restored one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The number of sessions.
    pub sessions: u64,
    /// The first and the last.
    pub range: Option<(u64, u64)>,
    /// The number of sessions with the valid signatures of a threshold.
    pub signed: u64,
    /// Valid signatures by guardian.
    pub signers: BTreeMap<PeerId, u64>,
    /// The content of the sessions.
    pub content: Content,
}

/// The content of the old database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The readable part of it.
    pub condition: Condition,
    /// Its last finished session.
    pub last: Option<u64>,
    /// The sessions after the restored one.
    pub lost: Lost,
    /// Accepted items of the open session that the restored state does not have.
    pub pending: Content,
    /// Units of the open session, if they can be read.
    pub units: Option<OpenUnits>,
    /// Encrypted backups of clients.
    pub client_backups: u64,
    /// The backups among them of which the restored state has no version, or another one.
    pub client_backups_lost: u64,
    /// The last session in which the guardian signed units.
    pub reach: Reach,
    /// The evidence for that session.
    pub evidence: String,
}

/// The input for reading the old database.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) database: &'a Path,
    /// The last session of the state that takes its place.
    pub(crate) restored: u64,
    pub(crate) layout: &'static BlockLayout,
    pub(crate) keys: &'a SessionKeys,
    pub(crate) peer: Option<PeerId>,
    /// The state that takes its place, if rows that this state keeps do not count as lost.
    pub(crate) incoming: Option<Incoming<'a>>,
    /// The directory of the checkpoints beside it.
    pub(crate) checkpoints: &'a Path,
    pub(crate) evidence: Evidence<'a>,
    /// The last session of the restore that put the database in place, if one did: until another session is
    /// finished, no newer state exists.
    pub(crate) restored_to: Option<u64>,
    /// The number of rounds of a session, if it is known.
    pub(crate) rounds: Option<u16>,
    pub(crate) control: Control<'a>,
}

impl Outgoing {
    pub(crate) fn nothing(condition: Condition) -> Self {
        Self {
            condition,
            last: None,
            lost: Lost::default(),
            pending: Content::default(),
            units: None,
            client_backups: 0,
            client_backups_lost: 0,
            reach: Reach::Known(None),
            evidence: String::new(),
        }
    }

    /// Describes what the restored state lacks of it; `None` if it lacks nothing, or nothing can be read.
    pub(crate) fn loss(&self) -> Option<String> {
        let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let transactions = self.lost.content.transactions + self.pending.transactions;
        let mut parts: Vec<String> = [
            counted(self.lost.sessions, "signed session(s)"),
            counted(self.pending.items, "accepted item(s) of the open session"),
            counted(transactions, "transaction(s), whose inputs can be spent again"),
            counted(self.client_backups_lost, "client backup(s)"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match &self.condition {
            Condition::Readable | Condition::Missing => {}
            Condition::TornEnd(what) | Condition::Partly(what) | Condition::Unreadable(what) => {
                parts.push(format!("and what cannot be read of the old database ({what})"));
            }
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Look<'_> {
    /// Reads the old database.
    ///
    /// # Errors
    /// Fails if the database is in use, this process lacks a right or a resource to read it, or the job was
    /// interrupted.
    pub(crate) fn look(&self) -> Result<Outgoing, RestoreError> {
        let mut held = None;
        let mut outgoing = match ReadStore::open(self.database) {
            Err(StoreError::Missing { .. }) => Outgoing::nothing(Condition::Missing),
            Err(error @ StoreError::Locked { .. }) => return Err(error.into()),
            Err(error) if error.is_of_process() => return Err(error.into()),
            Err(error) => Outgoing::nothing(Condition::Unreadable(sentence(&error))),
            Ok(store) => {
                let mut outgoing = Outgoing::nothing(condition(&store));
                match self.read(&store, &mut outgoing) {
                    Ok(read) => held = Some(read),
                    Err(error) => {
                        self.control.check()?;
                        if let RestoreError::Store(store) = &error
                            && store.is_of_process()
                        {
                            return Err(error);
                        }
                        outgoing.condition = Condition::Partly(sentence(&error));
                    }
                }
                outgoing
            }
        };
        let is_alone = self.keys.guardians() == 1;
        let in_place = self.restored_to.is_some() && outgoing.last == self.restored_to;
        let evidence = Evidence { is_alone, speaks_for_itself: in_place, ..self.evidence };
        evidence.conclude(&mut outgoing, held);
        Ok(outgoing)
    }

    fn read(&self, store: &ReadStore, outgoing: &mut Outgoing) -> Result<Held, RestoreError> {
        let last = store.last_of_prefix(&[self.layout.history])?;
        outgoing.last = last.as_ref().and_then(|(key, _)| self.layout.number_of_key(key).ok());
        self.read_sessions(store, outgoing)?;
        for row in store.scan_prefix(&[CLIENT_BACKUP]) {
            let (key, value) = row?;
            self.control.check()?;
            outgoing.client_backups += 1;
            let kept = self.incoming.map_or(Ok(false), |incoming| incoming.has(&key, &value))?;
            outgoing.client_backups_lost += u64::from(!kept);
        }
        let origin = Origin { rows: store, path: self.database, layout: Layout::Blocks(self.layout) };
        let stored = StoredUnits::read(origin)?;
        let open = outgoing.last.map_or(0, |last| last.saturating_add(1));
        self.count_pending(&stored, open, &mut outgoing.pending)?;
        let units = stored.count(open, self.keys, self.peer, self.rounds);
        let held = Held {
            open,
            own: units.own,
            own_items: self.peer.map_or(0, |peer| stored.items_of(peer)),
            any: stored.holds_any(),
            name: database_name(self.database),
            checkpoint: self.evidence.newest,
            copy_of: stored.copied_from(self.checkpoints, outgoing.last),
        };
        outgoing.units = Some(units);
        Ok(held)
    }

    fn count_pending(
        &self,
        stored: &StoredUnits,
        open: u64,
        pending: &mut Content,
    ) -> Result<(), RestoreError> {
        let mut kept = self.incoming.map(|incoming| incoming.items(open)).transpose()?.unwrap_or_default();
        for (_, value) in &stored.accepted {
            if kept.take(value) {
                continue;
            }
            match decode_accepted_item(value, self.layout) {
                Ok(item) => pending.count(&item.content),
                Err(_) => pending.items += 1,
            }
        }
        Ok(())
    }

    fn read_sessions(&self, store: &ReadStore, outgoing: &mut Outgoing) -> Result<(), RestoreError> {
        let damaged = |what| RestoreError::NotWhole { path: self.database.to_owned(), what };
        self.control.progress.begin("sessions to be lost", "sessions", None);
        let mut expected = self.restored.saturating_add(1);
        let end = [self.layout.history + 1];
        for row in store.scan_range(&session_key(expected), Some(&end)) {
            let (key, value) = row?;
            self.control.check()?;
            self.control.progress.advance(1);
            let index = self.layout.number_of_key(&key).map_err(|error| damaged(error.to_string()))?;
            if index != expected {
                return Err(damaged(format!("session {expected} is not there, although {index} is")));
            }
            let block = decode_block(&value, self.layout)
                .map_err(|error| damaged(format!("session {index} does not decode: {error}")))?;
            outgoing.lost.add(index, &block, self.keys);
            expected = index.saturating_add(1);
        }
        self.control.progress.end();
        Ok(())
    }
}

fn condition(store: &ReadStore) -> Condition {
    let losses: Vec<&Omission> =
        store.omissions().iter().filter(|omission| omission.kind.loses_rows()).collect();
    match losses.as_slice() {
        [] => Condition::Readable,
        [torn] if torn.kind == OmissionKind::TornLogTail => Condition::TornEnd(torn.message.clone()),
        losses => {
            let messages: Vec<&str> = losses.iter().map(|omission| omission.message.as_str()).collect();
            Condition::Partly(messages.join("; "))
        }
    }
}

/// Formats an error with its causes.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    // RocksDB's messages have several lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Lost {
    fn add(&mut self, index: u64, block: &Block, keys: &SessionKeys) {
        self.sessions += 1;
        self.range = Some((self.range.map_or(index, |(first, _)| first), index));
        block.items.iter().for_each(|item| self.content.count(&item.content));
        let message = keys.message(&SessionHeader { index, root: block.merkle.root }.to_bytes());
        let mut valid = 0;
        for (peer, signature) in &block.signatures {
            if keys.verify(*peer, &message, signature).is_ok() {
                valid += 1;
                *self.signers.entry(*peer).or_default() += 1;
            }
        }
        self.signed += u64::from(valid >= keys.threshold());
    }
}

impl Content {
    fn count(&mut self, content: &BlockContent) {
        self.items += 1;
        match content {
            BlockContent::Transaction(transaction) => {
                self.transactions += 1;
                for input in &transaction.inputs {
                    self.modules.entry(input.instance).or_default().inputs += 1;
                }
                for output in &transaction.outputs {
                    self.modules.entry(output.instance).or_default().outputs += 1;
                }
            }
            BlockContent::Module(item) => self.modules.entry(item.instance).or_default().items += 1,
            _ => {}
        }
    }
}
