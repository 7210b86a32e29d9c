//! The versions of the tables, as servers from v0.3 on keep them.
//!
//! Servers up to v0.2 kept a version as the row `50` of the global tables or of the module itself; it is
//! moved to the new place, as later servers do.

use fm_codec::Reader;
use fm_eras::session::{DATABASE_VERSION, module_key, module_version_key, number_value, server_version_key};
use fm_store::{Durability, prefix_end};

use crate::dbtx::DbTransaction;
use crate::error::EngineError;
use crate::module::{Module, ModuleState, Modules, decode};
use crate::storage::Storage;

/// The version of the global tables. Source: fedimint-server 0.4.0, src/consensus/db.rs.
const SERVER_TABLES: u64 = 0;

/// Checks the versions of all tables. Writes the versions of tables that are not used yet, moves those of old
/// servers, and lets the modules convert what such servers wrote.
pub(crate) fn settle_versions(storage: &dyn Storage, modules: &Modules) -> Result<(), EngineError> {
    let mut tx = DbTransaction::new(storage);
    let server = Place { new: server_version_key(), old: vec![DATABASE_VERSION] };
    server.settle(&mut tx, "the server", SERVER_TABLES, true)?;
    for (instance, module) in modules.iter() {
        settle_module(&mut tx, storage, instance, module)?;
    }
    Ok(tx.commit(Durability::Synced)?)
}

fn settle_module(
    tx: &mut DbTransaction<'_>,
    storage: &dyn Storage,
    instance: u16,
    module: &dyn Module,
) -> Result<(), EngineError> {
    let prefix = module_key(instance, &[]);
    let fresh = storage.scan_range(&prefix, prefix_end(&prefix).as_deref()).next().transpose()?.is_none();
    let place = Place { new: module_version_key(instance), old: module_key(instance, &[DATABASE_VERSION]) };
    let what = format!("module {instance} ({})", module.kind());
    if place.settle(tx, &what, module.table_version(), fresh)? {
        module.adopt(&mut ModuleState::new(tx, instance))?;
    }
    Ok(())
}

/// The places where a version is kept.
struct Place {
    new: Vec<u8>,
    old: Vec<u8>,
}

impl Place {
    /// Checks a version, and writes it if it is not in its place. Returns whether it was moved from the place
    /// of an old server.
    ///
    /// Tables without a version have the current one if they are `fresh`, otherwise the first.
    fn settle(
        &self,
        tx: &mut DbTransaction<'_>,
        what: &str,
        known: u64,
        fresh: bool,
    ) -> Result<bool, EngineError> {
        let version = |key: &Vec<u8>, value: Vec<u8>| {
            decode(&value, Reader::u64).map_err(|source| EngineError::Row { key: hex::encode(key), source })
        };
        let (new, old) = (tx.get(&self.new)?, tx.get(&self.old)?);
        let moved = new.is_none() && old.is_some();
        let (new_version, old_version) = (
            new.clone().map(|value| version(&self.new, value)).transpose()?,
            old.map(|value| version(&self.old, value)).transpose()?,
        );
        let found = match (new_version, old_version) {
            // No server known to this program writes a later version in the old place.
            (Some(_), Some(old)) if old > known => old,
            (Some(new), _) => new,
            (None, Some(old)) => old,
            (None, None) if fresh => known,
            (None, None) => 0,
        };
        if found != known {
            return Err(EngineError::TableVersion { what: what.to_owned(), found, known });
        }
        if new.is_none() {
            tx.put(self.new.clone(), number_value(known));
        }
        if moved {
            tx.remove(self.old.clone());
        }
        Ok(moved)
    }
}
