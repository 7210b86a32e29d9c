//! The versions of the tables, as servers from v0.3 on keep them.

use fm_codec::Reader;
use fm_eras::session::{module_key, module_version_key, number_value, server_version_key};
use fm_store::Durability;

use crate::error::EngineError;
use crate::module::{Modules, decode};
use crate::storage::{Changes, Storage};

/// The version of the global tables.
const SERVER_TABLES: u64 = 0;

/// The version of some tables.
struct Version {
    what: String,
    key: Vec<u8>,
    known: u64,
    /// Whether a row of them is there.
    used: bool,
}

/// Checks the versions of all tables; those of tables that are not used yet are written.
pub(crate) fn write_versions(storage: &dyn Storage, modules: &Modules) -> Result<(), EngineError> {
    let mut versions = vec![Version {
        what: "the server".to_owned(),
        key: server_version_key(),
        known: SERVER_TABLES,
        used: true,
    }];
    for (instance, module) in modules.iter() {
        let prefix = module_key(instance, &[]);
        let first = storage.scan_range(&prefix, None).next().transpose()?;
        versions.push(Version {
            what: format!("module {instance} ({})", module.kind()),
            key: module_version_key(instance),
            known: module.table_version(),
            used: first.is_some_and(|(key, _)| key.starts_with(&prefix)),
        });
    }
    let mut missing = Changes::new();
    for Version { what, key, known, used } in versions {
        let found = match storage.get(&key)? {
            Some(value) => decode(&value, Reader::u64)
                .map_err(|source| EngineError::Row { key: hex::encode(&key), source })?,
            None => {
                missing.insert(key, Some(number_value(known)));
                // Servers take rows without a version for the oldest there are.
                if used { 0 } else { known }
            }
        };
        if found != known {
            return Err(EngineError::TableVersion { what, found, known });
        }
    }
    if !missing.is_empty() {
        storage.write(&missing, Durability::Synced)?;
    }
    Ok(())
}
