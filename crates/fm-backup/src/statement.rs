//! What an archive of a state says of itself in its header: made from what was found, and checked by making it anew.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use fm_archive::Metadata;
use fm_audit::ArchiveSource;
use fm_history::Hash;

use crate::Survey;

/// `kind` of an archive of a state.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// `kind` of an archive of what is new against another one.
pub(crate) const INCREMENT: &str = "increment";
/// Identity of the archive that an increment goes on from.
pub(crate) const SINCE: &str = "since";
/// Identity of the whole state that an increment leads to.
pub(crate) const STATE_IDENTITY: &str = "state_identity";
/// Entries about the making of the archive; nothing in the records shows them.
const OF_THE_MAKING: [&str; 5] = [CHECKED, FEDERATION, "guardian", "omissions", "tool"];
const FEDERATION: &str = "federation";
const CHECKED: &str = "checked";
/// What `checked` says.
const WITH_KEYS: &str = "signatures";
const WITHOUT_KEYS: &str = "structure";

/// What of a state an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every row.
    Full,
    /// The records of the history, with their signatures.
    History,
    /// Header, item count and signatures of each session.
    Headers,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Full, Self::History, Self::Headers];

    /// Its name.
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

/// The profile that an archive names; none if it names none of ours.
pub(crate) fn profile(archive: &ArchiveSource) -> Option<Profile> {
    archive.metadata("profile")?.parse().ok()
}

/// A hash in hex.
pub(crate) fn hash_of(text: &str) -> Option<Hash> {
    let mut hash = Hash([0; 32]);
    hex::decode_to_slice(text, &mut hash.0).ok()?;
    Some(hash)
}

/// What is known of the making of an archive.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// The federation's id in hex; empty if no config tells.
    pub federation: String,
    /// The guardian's number, if its files tell.
    pub guardian: Option<u16>,
    /// Program and version.
    pub tool: String,
}

/// The statement of an archive with what a survey found.
pub(crate) fn statement(survey: &Survey, profile: Profile, making: &Making) -> Metadata {
    let audit = &survey.audit;
    let mut entries: BTreeMap<&str, String> = BTreeMap::from([
        ("kind", CHECKPOINT.to_owned()),
        ("profile", profile.to_string()),
        ("era", survey.layout.era().to_owned()),
        ("layout", survey.layout.name().to_owned()),
        (FEDERATION, making.federation.clone()),
        ("guardian", making.guardian.map(|peer| peer.to_string()).unwrap_or_default()),
        (CHECKED, if survey.has_keys { WITH_KEYS } else { WITHOUT_KEYS }.to_owned()),
        ("omissions", survey.omissions.join(" ")),
        ("tool", making.tool.clone()),
    ]);
    if let Some(anchor) = &audit.anchor {
        entries.insert("last", anchor.last.to_string());
        entries.insert("sessions", anchor.sessions.to_string());
        entries.insert("items", anchor.items.to_string());
        entries.insert("history_root", anchor.history_root.to_string());
    }
    if profile == Profile::Full {
        entries.insert("pending", audit.pending.to_string());
        let classes = &survey.classes;
        let all = [
            ["certified", "certified_records", "certified_bytes"],
            ["derivable", "derivable_records", "derivable_bytes"],
            ["unauthenticated", "unauthenticated_records", "unauthenticated_bytes"],
        ];
        for ([hash, records, bytes], class) in all.into_iter().zip(classes.all()) {
            entries.insert(hash, class.hash.to_string());
            entries.insert(records, class.records.to_string());
            entries.insert(bytes, class.bytes.to_string());
        }
    }
    Metadata::from_iter(entries)
}

/// The entries of `stated` that are not what was found, each with both values.
pub(crate) fn differences(stated: &Metadata, found: &Metadata) -> Vec<String> {
    let shown = |value: Option<&str>| value.map_or("nothing".to_owned(), |value| format!("{value:?}"));
    let names: std::collections::BTreeSet<&str> =
        stated.iter().chain(found.iter()).map(|(name, _)| name).collect();
    let own = [SINCE, STATE_IDENTITY, "kind"];
    names
        .into_iter()
        .filter(|name| !OF_THE_MAKING.contains(name) && !own.contains(name))
        .filter(|name| stated.get(name) != found.get(name))
        .map(|name| format!("{name} is {} and should be {}", shown(stated.get(name)), shown(found.get(name))))
        .collect()
}

/// The entries of `stated` that are its maker's word only: nothing in the records shows them, and no export is bound by
/// them. `federation` is its id, if keys that go with it proved signatures; none of this is looked at in an archive of
/// another job, whose every entry is a claim here.
pub(crate) fn claims(stated: &Metadata, federation: Option<&str>) -> Vec<String> {
    let names = stated.iter().map(|(name, _)| name);
    let is_proven = |name: &str| match name {
        FEDERATION => stated.get(name).is_some_and(|says| Some(says) == federation),
        name => !OF_THE_MAKING.contains(&name),
    };
    names.filter(|name| !is_state(stated) || !is_proven(name)).map(str::to_owned).collect()
}

/// Whether it is the statement of an archive of a state.
fn is_state(stated: &Metadata) -> bool {
    stated.get("profile").is_some() || matches!(stated.get("kind"), Some(CHECKPOINT | INCREMENT))
}

/// What an archive of a state says of itself and no export writes, whatever the records are. `guardians` is their number,
/// if the keys tell.
pub(crate) fn impossible(stated: &Metadata, guardians: Option<usize>) -> Vec<String> {
    if !is_state(stated) {
        return match stated.get("kind") {
            Some(_) => Vec::new(),
            None => vec!["kind is nothing: no program writes such an archive".to_owned()],
        };
    }
    let kind = if stated.get(SINCE).is_some() { INCREMENT } else { CHECKPOINT };
    let is_federation =
        |text: &str| text.len().is_multiple_of(2) && text.chars().all(|c| c.is_ascii_hexdigit());
    let is_guardian = |text: &str| {
        let number = text.parse::<u16>().ok().filter(|number| number.to_string() == text);
        text.is_empty() || number.is_some_and(|number| guardians.is_none_or(|all| usize::from(number) < all))
    };
    let all = [
        ("kind", format!("{kind:?}"), stated.get("kind") == Some(kind)),
        (FEDERATION, "hex or empty".to_owned(), stated.get(FEDERATION).is_some_and(is_federation)),
        (
            "guardian",
            "a guardian's number or empty".to_owned(),
            stated.get("guardian").is_some_and(is_guardian),
        ),
        (
            CHECKED,
            format!("{WITH_KEYS:?} or {WITHOUT_KEYS:?}"),
            matches!(stated.get(CHECKED), Some(WITH_KEYS | WITHOUT_KEYS)),
        ),
        ("omissions", "a list of codes or empty".to_owned(), stated.get("omissions").is_some()),
        ("tool", "a program and its version".to_owned(), stated.get("tool").is_some()),
    ];
    let wrong = all.into_iter().filter(|(_, _, holds)| !holds);
    wrong
        .map(|(name, wanted, _)| {
            let found = stated.get(name).map_or("nothing".to_owned(), |value| format!("{value:?}"));
            format!("{name} is {found} and should be {wanted}")
        })
        .collect()
}
