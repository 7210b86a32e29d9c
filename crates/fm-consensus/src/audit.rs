//! The federation's balance: what it owns and owes, by module.
//!
//! Invariant: the balance is updated by differences. A row contributes what its module says of it, so a
//! changed row adds the difference; reading all rows once yields the initial balance.

use std::collections::BTreeMap;
use std::fmt;

use fm_codec::{DecodeError, Dialect, Reader};
use fm_eras::session::{MODULE_DATA, module_key};

use fm_store::prefix_end;

use crate::dbtx::{DbTransaction, Savepoint};
use crate::error::EngineError;
use crate::module::Modules;
use crate::storage::Storage;

/// The federation's assets and liabilities, in millisatoshi, by module instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceSheet(BTreeMap<u16, i128>);

impl BalanceSheet {
    /// Reads every row of every module.
    ///
    /// # Errors
    /// If the database cannot be read, or a row is not one of its module.
    pub fn read(storage: &dyn Storage, modules: &Modules) -> Result<Self, EngineError> {
        let mut sheet = Self::default();
        for (instance, module) in modules.iter() {
            let prefix = module_key(instance, &[]);
            let mut sum = 0;
            for row in storage.scan_range(&prefix, prefix_end(&prefix).as_deref()) {
                let (key, value) = row?;
                let inner = &key[prefix.len()..];
                if module.is_audited(inner) {
                    sum += module.balance(inner, &value).map_err(|source| unreadable(&key, source))?;
                }
            }
            sheet.0.insert(instance, sum);
        }
        Ok(sheet)
    }

    /// Adds the changes since the savepoint.
    pub(crate) fn follow(
        &mut self,
        tx: &DbTransaction<'_>,
        since: Savepoint,
        modules: &Modules,
    ) -> Result<(), EngineError> {
        let audited = |key: &[u8]| {
            split(key).is_some_and(|(instance, inner)| {
                modules.get(instance).is_some_and(|module| module.is_audited(inner))
            })
        };
        for (key, before) in tx.changed_since(since, audited)? {
            let Some((instance, inner)) = split(key) else { continue };
            let Some(module) = modules.get(instance) else { continue };
            let balance = |value: Option<Vec<u8>>| {
                value.map_or(Ok(0), |value| module.balance(inner, &value)).map_err(|e| unreadable(key, e))
            };
            let difference = balance(tx.get(key)?)? - balance(before)?;
            *self.0.entry(instance).or_default() += difference;
        }
        Ok(())
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

/// Splits a key into the module instance and the module's own key.
fn split(key: &[u8]) -> Option<(u16, &[u8])> {
    let mut reader = Reader::new(key, Dialect::MODERN);
    if reader.u8().ok()? != MODULE_DATA {
        return None;
    }
    let instance = reader.u16().ok()?;
    Some((instance, &key[reader.position()..]))
}

fn unreadable(key: &[u8], source: DecodeError) -> EngineError {
    EngineError::Row { key: hex::encode(key), source }
}
