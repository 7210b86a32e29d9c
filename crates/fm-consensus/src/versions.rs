//! The versions of the tables, as servers from v0.3 on keep them.

use fm_codec::Reader;
use fm_eras::session::{module_version_key, number_value, server_version_key};
use fm_store::Durability;

use crate::error::EngineError;
use crate::module::{Modules, decode};
use crate::storage::{Changes, Storage};

/// The version of the global tables.
const SERVER_TABLES: u64 = 0;

/// Checks the versions of all tables; a version that is not there yet is written.
pub(crate) fn write_versions(storage: &dyn Storage, modules: &Modules) -> Result<(), EngineError> {
    let mut missing = Changes::new();
    let server = ("the server".to_owned(), server_version_key(), SERVER_TABLES);
    let of_module = |(instance, module): (u16, &dyn crate::Module)| {
        let name = format!("module {instance} ({})", module.kind());
        (name, module_version_key(instance), module.table_version())
    };
    for (what, key, known) in std::iter::once(server).chain(modules.iter().map(of_module)) {
        let Some(value) = storage.get(&key)? else {
            missing.insert(key, Some(number_value(known)));
            continue;
        };
        let found = decode(&value, Reader::u64)
            .map_err(|source| EngineError::Row { key: hex::encode(&key), source })?;
        if found != known {
            return Err(EngineError::TableVersion { what, found, known });
        }
    }
    if !missing.is_empty() {
        storage.write(&missing, Durability::Synced)?;
    }
    Ok(())
}
