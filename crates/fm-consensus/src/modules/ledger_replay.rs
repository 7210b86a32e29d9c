//! Recomputes the accounts of v0.1's ledger from the transactions that the federation signed.
//!
//! A converted database carries a guardian's module data unchanged: they are that guardian's word only, and
//! often the state after unsigned epochs. Continuing from the signed history requires the state that follows
//! from it.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, Dialect, ModuleValue, decode_exact};
use fm_eras::session::{module_key, module_version_key, number_value};
use fm_history::{ConsensusItem, SessionOutcome};
use fm_modules::v0_1::dummy::Posting;
use thiserror::Error;

use super::ledger::{ACCOUNT, DUMMY_ISSUER, TABLE_VERSION, account_key, even};

/// Why a ledger cannot be computed from a history.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum ReplayError {
    /// An input or output of a module that is not the ledger.
    #[error("a transaction of session {session} is of module {instance}, which is not a ledger")]
    OtherModule { session: u64, instance: u16 },
    /// An input or output that cannot be decoded.
    #[error("a transaction of session {session} has an input or output that cannot be read: {source}")]
    Undecodable { session: u64, source: DecodeError },
    /// An account is overdrawn, or holds more than an amount can represent.
    #[error("after session {session} an account would hold {amount} msat")]
    Impossible { session: u64, amount: i128 },
}

/// The accounts, updated session by session.
#[derive(Debug)]
pub struct LedgerReplay {
    instance: u16,
    next: u64,
    accounts: BTreeMap<[u8; 33], i128>,
}

impl LedgerReplay {
    /// Creates the empty ledger with this instance, before session 0.
    pub fn new(instance: u16) -> Self {
        Self { instance, next: 0, accounts: BTreeMap::new() }
    }

    /// Takes the next session. Items of the module itself move no money.
    ///
    /// # Errors
    /// If the session does not follow from the sessions before.
    pub fn take(&mut self, outcome: &SessionOutcome) -> Result<(), ReplayError> {
        let session = self.next;
        for accepted in &outcome.items {
            let ConsensusItem::Transaction(transaction) = &accepted.item else { continue };
            for input in &transaction.inputs {
                self.post(input, -1)?;
            }
            for output in &transaction.outputs {
                self.post(output, 1)?;
            }
        }
        self.next += 1;
        // Within a session the original order may have been different, because the rule sorts items by
        // guardian: so only the balances at the end are checked.
        let wrong = self.accounts.values().find(|amount| u64::try_from(**amount).is_err());
        wrong.map_or(Ok(()), |amount| Err(ReplayError::Impossible { session, amount: *amount }))
    }

    fn post(&mut self, value: &ModuleValue, sign: i128) -> Result<(), ReplayError> {
        let (session, instance) = (self.next, value.instance);
        if instance != self.instance {
            return Err(ReplayError::OtherModule { session, instance });
        }
        let read = decode_exact::<Posting>(&value.body, Dialect::A2);
        let posting = read.map_err(|source| ReplayError::Undecodable { session, source })?;
        let account = posting.account.to_even().0;
        // What the issuer takes is newly created.
        let sign = if account == DUMMY_ISSUER { 1 } else { sign };
        *self.accounts.entry(account).or_default() += sign * i128::from(posting.amount.0);
        Ok(())
    }

    /// Returns the number of accounts.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// Returns the module's rows: those of the accounts and of its version, and no others.
    pub fn rows(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let account = |(account, amount): (&[u8; 33], &i128)| {
            let amount = u64::try_from(*amount).unwrap_or_default();
            (module_key(self.instance, &account_key(account)), number_value(amount))
        };
        let version = (module_version_key(self.instance), number_value(TABLE_VERSION));
        self.accounts.iter().map(account).chain([version]).collect()
    }

    /// Returns whether these module rows, as v0.1 or the current ledger keeps them, hold the same accounts.
    pub fn agrees_with<'r>(&self, rows: impl Iterator<Item = (&'r [u8], &'r [u8])>) -> bool {
        let prefix = module_key(self.instance, &[ACCOUNT]);
        let accounts = rows.filter_map(|(key, value)| {
            let account = key.strip_prefix(prefix.as_slice())?;
            let account = <&[u8; 32]>::try_from(account).map(even).or_else(|_| account.try_into()).ok()?;
            Some((module_key(self.instance, &account_key(&account)), value.to_vec()))
        });
        let found: BTreeMap<_, _> = accounts.collect();
        let mut expected = self.rows();
        expected.remove(&module_version_key(self.instance));
        found == expected
    }
}
