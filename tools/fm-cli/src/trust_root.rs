//! The keys that a verdict rests on, by their one name: for people and as JSON.

use fm_audit::TrustedKeys;
use fm_eras::Layout;
use serde::Serialize;

use crate::PinnedKeys;

/// Returns both kinds of keys that the user gave.
pub fn trusted(keys: Option<&PinnedKeys>) -> TrustedKeys<'_> {
    keys.map_or_else(TrustedKeys::default, |keys| TrustedKeys {
        epoch: keys.epoch.as_ref(),
        session: keys.session.as_ref(),
    })
}

/// The keys that an answer rests on.
#[derive(Clone, Debug, Serialize)]
pub struct NamedKeys {
    path: String,
    /// Whether nobody named the keys: they lie in the data directory that was looked at.
    found: bool,
    /// The name of the key set; null if the file has no keys of the kind that signs this.
    key_set: Option<String>,
}

impl NamedKeys {
    /// Returns the keys that two histories of these layouts are signed with; none if no keys were given.
    pub fn of(keys: Option<&PinnedKeys>, layouts: [&Layout; 2]) -> Option<Self> {
        let PinnedKeys { path, is_found, .. } = keys?;
        let path = path.display().to_string();
        Some(Self { path, found: *is_found, key_set: trusted(keys).names(layouts) })
    }
}

/// Formats the line that names the keys that an answer about histories of these layouts rests on.
pub fn trust_root_line(keys: Option<&PinnedKeys>, layouts: [&Layout; 2]) -> String {
    let Some(keys) = keys else {
        return "trust root NONE: without --config or --keys no signature is checked".to_owned();
    };
    let mut parts: Vec<String> = layouts.iter().map(|layout| words(keys, layout)).collect();
    parts.dedup();
    format!("trust root {}{}", parts.join("; "), keys.origin_words())
}

/// Describes the keys of one kind.
fn words(keys: &PinnedKeys, layout: &Layout) -> String {
    let path = keys.path.display();
    match (layout, &keys.epoch, &keys.session) {
        (Layout::Hbbft(_), Some(epoch), _) => {
            let degree = epoch.degree();
            let needed = degree.saturating_add(1);
            format!("{} from {path} (degree {degree}: {needed} guardians sign together)", epoch.name())
        }
        (Layout::Blocks(_), _, Some(session)) => format!(
            "{} from {path} ({} guardians, {} sign together)",
            session.name(),
            session.guardians(),
            session.threshold()
        ),
        (Layout::Hbbft(_), None, _) => format!("NONE of epochs: {path} has only keys that sign sessions"),
        (Layout::Blocks(_), _, None) => format!("NONE of sessions: {path} has only keys that sign epochs"),
    }
}
