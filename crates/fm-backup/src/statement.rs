//! What an archive of a state states in its header: made from what was found, and checked by making it again.

use std::collections::BTreeMap;

use fm_archive::Metadata;
use fm_history::PeerId;

use crate::Survey;
use crate::profile::{CHECKPOINT, INCREMENT, Profile, SINCE, STATE_IDENTITY};

/// The entries about the making of the archive; the records do not show them.
const OF_THE_MAKING: [&str; 8] =
    [CHECKED, FEDERATION, "guardian", "omissions", "tool", MOVED, GUARD_UNTIL, SIGNED];
const FEDERATION: &str = "federation";
const CHECKED: &str = "checked";
/// The value of `checked` if signatures were checked.
const WITH_KEYS: &str = "signatures";
const WITHOUT_KEYS: &str = "structure";
/// When the guardian was moved away; only in the last archive made of it at the old place.
const MOVED: &str = "moved";
/// The last session in which the guardian must not make units on this state; only beside `moved`.
const GUARD_UNTIL: &str = "guard_until";
/// The newest session in which it made units, as the node recorded it; only beside `moved`.
const SIGNED: &str = "signed_session";

/// What is known about the making of an archive.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// The federation's id in hex; empty if no config states it.
    pub federation: String,
    /// The guardian's number, if its files state it.
    pub guardian: Option<PeerId>,
    /// The program and its version.
    pub tool: String,
    /// What the next place must know, if the guardian is moved.
    pub handover: Option<Handover>,
}

/// What the archive of a moved guardian states for the place where it continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// When the move began.
    pub moved: String,
    /// The last session in which the guardian must not make units.
    pub guard_until: Option<u64>,
    /// The newest session in which it made units, as the node recorded it.
    pub signed: Option<u64>,
}

impl Handover {
    /// Reads the handover from an archive's metadata; `None` if the guardian was not moved.
    ///
    /// # Errors
    /// If an entry is not one that a move writes; returns its name.
    pub fn of(metadata: &Metadata) -> Result<Option<Self>, &'static str> {
        let number =
            |name: &'static str| metadata.get(name).map(|text| text.parse().map_err(|_| name)).transpose();
        let Some(moved) = metadata.get(MOVED) else {
            let alone = [GUARD_UNTIL, SIGNED].into_iter().find(|name| metadata.get(name).is_some());
            return alone.map_or(Ok(None), Err);
        };
        if !fm_datadir::is_moment(moved) {
            return Err(MOVED);
        }
        Ok(Some(Self { moved: moved.to_owned(), guard_until: number(GUARD_UNTIL)?, signed: number(SIGNED)? }))
    }

    fn entries(&self) -> impl Iterator<Item = (&'static str, String)> {
        let numbers = [(GUARD_UNTIL, self.guard_until), (SIGNED, self.signed)];
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string())));
        std::iter::once((MOVED, self.moved.clone())).chain(numbers)
    }
}

/// Makes the statement of an archive from the result of a survey.
pub(crate) fn statement(survey: &Survey, profile: Profile, making: &Making) -> Metadata {
    let audit = &survey.audit;
    let mut entries: BTreeMap<&str, String> = BTreeMap::from([
        ("kind", CHECKPOINT.to_owned()),
        ("profile", profile.to_string()),
        ("era", survey.layout.era().to_string()),
        ("layout", survey.layout.name().to_owned()),
        (FEDERATION, making.federation.clone()),
        ("guardian", making.guardian.map(|peer| peer.to_string()).unwrap_or_default()),
        (CHECKED, if survey.has_keys { WITH_KEYS } else { WITHOUT_KEYS }.to_owned()),
        ("omissions", survey.omissions.join(" ")),
        ("tool", making.tool.clone()),
    ]);
    entries.extend(making.handover.iter().flat_map(Handover::entries));
    if let Some(anchor) = &audit.proven {
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

/// Returns the entries of `stated` that differ from what was found, each with both values.
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

/// Returns the entries of `stated` that are its maker's word only: the records do not show them, and they do
/// not bind an export. `federation` is the federation's id, if its keys proved signatures. In an archive of
/// another job every entry is such a claim.
pub(crate) fn claims(stated: &Metadata, federation: Option<&str>) -> Vec<String> {
    let names = stated.iter().map(|(name, _)| name);
    let is_proven = |name: &str| match name {
        FEDERATION => stated.get(name).is_some_and(|says| Some(says) == federation),
        name => !OF_THE_MAKING.contains(&name),
    };
    names.filter(|name| !is_state(stated) || !is_proven(name)).map(str::to_owned).collect()
}

/// Returns whether this is the statement of an archive of a state.
fn is_state(stated: &Metadata) -> bool {
    stated.get("profile").is_some() || matches!(stated.get("kind"), Some(CHECKPOINT | INCREMENT))
}

/// Returns statements that no export writes about a state, whatever the records are. `guardians` is their
/// number, if the keys show it.
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
        let number = text.parse::<PeerId>().ok().filter(|number| number.to_string() == text);
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
    let handover = Handover::of(stated).err().map(|name| (name, "as a move writes it".to_owned(), false));
    let wrong = all.into_iter().chain(handover).filter(|(_, _, holds)| !holds);
    wrong
        .map(|(name, wanted, _)| {
            let found = stated.get(name).map_or("nothing".to_owned(), |value| format!("{value:?}"));
            format!("{name} is {found} and should be {wanted}")
        })
        .collect()
}
