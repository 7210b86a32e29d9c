//! What a release of the server does with the modules of a database when it starts with the database.
//!
//! A server migrates the database of a module if the database is older than the server. It does not start if
//! the database is newer, or belongs to a module that the server does not have. About kinds that no release
//! has, nothing is known and nothing is reported.

use std::collections::BTreeMap;

use fm_eras::Layout;
use fm_eras::block::Version;
use fm_eras::modules::{Modules, OnStart, on_start as of_kind};
use fm_rows::{RowSource, SourceError};

/// One module, and what the release does with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleStart {
    /// The module's instance.
    pub module: u16,
    /// Its kind, if the configuration states it.
    pub kind: Option<String>,
    /// The version of its database, if the database states it.
    pub database: Option<u64>,
    /// What the release does; `None` if nothing is known about the kind.
    pub does: Option<OnStart>,
    /// Number of rows under prefixes that the release no longer reads.
    pub unread: u64,
}

/// Examines every module of a database with records of the current layout.
///
/// # Errors
/// If the rows cannot be read.
pub fn on_start(
    rows: &dyn RowSource,
    layout: Layout,
    kinds: &BTreeMap<u16, String>,
    release: Version,
) -> Result<Vec<ModuleStart>, SourceError> {
    let modules = Modules::read(rows, layout, kinds)?;
    let mut starts = Vec::with_capacity(modules.modules.len());
    for (number, module) in &modules.modules {
        let mut unread = 0;
        for table in module.retired(release) {
            let (from, to) = (modules.key(*number, &[table]), modules.key(*number, &[table + 1]));
            for row in rows.scan_range(&from, Some(&to)) {
                row?;
                unread += 1;
            }
        }
        starts.push(ModuleStart {
            module: *number,
            kind: module.kind.clone(),
            database: module.database,
            does: module.kind.as_deref().and_then(|kind| of_kind(kind, module.database, release)),
            unread,
        });
    }
    Ok(starts)
}

/// Returns the reasons why the release would not start, module by module.
pub(crate) fn refusals(starts: &[ModuleStart]) -> Vec<String> {
    let refusal = |start: &ModuleStart| {
        let (module, kind) = (start.module, start.kind.as_deref().unwrap_or_default());
        match start.does? {
            OnStart::Runs | OnStart::Migrates { .. } => None,
            OnStart::NoSuchModule => Some(format!("module {module} ({kind}), which it does not have")),
            OnStart::TooNew { known } => Some(format!(
                "module {module} ({kind}), whose database is of version {}, and it knows up to {known}",
                start.database.unwrap_or_default()
            )),
        }
    };
    starts.iter().filter_map(refusal).collect()
}
