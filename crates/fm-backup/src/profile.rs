//! What kind of archive a file is, as its header names it: kind, profile and identities.

use std::fmt;
use std::str::FromStr;

use fm_audit::ArchiveSource;
use fm_history::Hash;

/// The `kind` of an archive of a state.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The `kind` of an archive of changes since another one.
pub(crate) const INCREMENT: &str = "increment";
/// The identity of the archive that an increment builds on.
pub(crate) const SINCE: &str = "since";
/// The identity of the whole state that an increment leads to.
pub(crate) const STATE_IDENTITY: &str = "state_identity";

/// Which part of a state an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every row.
    Full,
    /// The records of the history, with their signatures.
    History,
    /// The header, item count and signatures of each session.
    Headers,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Full, Self::History, Self::Headers];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::History => "history",
            Self::Headers => "headers",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.to_string() == text)
            .ok_or_else(|| format!("there is no profile {text:?}: the profiles are full, history, headers"))
    }
}

/// Returns the profile that an archive names; `None` if it names no known profile.
pub(crate) fn profile(archive: &ArchiveSource) -> Option<Profile> {
    archive.metadata("profile")?.parse().ok()
}

/// Parses a hash in hex.
pub(crate) fn hash_of(text: &str) -> Option<Hash> {
    let mut hash = Hash([0; 32]);
    hex::decode_to_slice(text, &mut hash.0).ok()?;
    Some(hash)
}
