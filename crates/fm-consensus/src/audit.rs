//! The federation's balance: what it owns and owes, by module.
//!
//! Invariant: the balance is updated by differences. A row contributes what its module says of it, so a
//! changed row adds the difference; reading all rows once yields the initial balance.

use fm_codec::{DecodeError, Dialect, Reader};
use fm_eras::session::{MODULE_DATA, module_key};
use fm_store::prefix_end;

use crate::balance::BalanceSheet;
use crate::dbtx::{DbTransaction, Savepoint};
use crate::error::EngineError;
use crate::module::Modules;
use crate::storage::Storage;

/// Reads every row of every module.
///
/// # Errors
/// If the database cannot be read, or a row is not one of its module.
pub(crate) fn read_balance(storage: &dyn Storage, modules: &Modules) -> Result<BalanceSheet, EngineError> {
    let mut sheet = BalanceSheet::default();
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
        sheet.add(instance, sum);
    }
    Ok(sheet)
}

/// Adds the changes since the savepoint to the balance.
pub(crate) fn follow_balance(
    sheet: &mut BalanceSheet,
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
        sheet.add(instance, balance(tx.get(key)?)? - balance(before)?);
    }
    Ok(())
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
