//! The keys that units are checked with: those that the user named, or those found in the data directories.

use fm_audit::StoredUnits;
use fm_cli::{Failure, PinnedKeys, warn};
use fm_eras::Layout;

use crate::args::UnitsArgs;

const TOOL: &str = "fm-migrate";

/// Returns the keys. If data directories have different keys, nobody can say whose the units are, and no keys
/// are used.
pub(super) fn load(arguments: &UnitsArgs) -> Result<Option<PinnedKeys>, Failure> {
    let mut taken: Option<PinnedKeys> = None;
    for source in &arguments.databases {
        let Some(keys) = arguments.keys.load_or_warn(source, TOOL)? else { continue };
        match &taken {
            None => taken = Some(keys),
            Some(first) if first.session_keys_in_hex() == keys.session_keys_in_hex() => {}
            Some(first) => {
                let (first, other) = (first.path.display(), keys.path.display());
                warn(
                    TOOL,
                    &format!("{first} and {other} have different keys: neither is used without --config"),
                );
                return Ok(None);
            }
        }
    }
    Ok(taken)
}

/// Returns the keys if the user named them, or if they are of the kind that signs the units of all these
/// databases.
pub(super) fn usable(keys: Option<PinnedKeys>, databases: &[StoredUnits]) -> Option<PinnedKeys> {
    let fit = |keys: &PinnedKeys| {
        let mut layouts = databases.iter().map(|stored| Layout::Blocks(stored.layout));
        layouts.all(|layout| keys.of_history(&layout).is_ok())
    };
    keys.filter(|keys| !keys.is_found || fit(keys))
}
