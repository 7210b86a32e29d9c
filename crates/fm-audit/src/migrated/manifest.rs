//! The manifest of a conversion and the metadata of the archive beside it: both are created here, and checked
//! by creating them again.
//!
//! Invariant: each field is compared with what was found, or with what the caller knows. Two fields describe
//! a past that leaves no other trace: `source_omissions` is reported as a finding, and for `tool_version`
//! only the agreement of both files is checked.

use std::collections::{BTreeMap, BTreeSet};

use fm_archive::Metadata;
use fm_crypto::SessionKeys;
use fm_eras::block::Version;
use fm_eras::{Layout, session};
use fm_history::{Cause, Code, Finding, Hash, Manifest, Place, RULE_VERSION, sha256};

use crate::audit::carried_count;
use crate::frame::ProvenPrefix;
use crate::outcome::HistoryAudit;
use crate::report::Report;
use crate::source::MigratedDir;

/// The name of the entry in the archive's header that states what was missing from the original.
const OMISSIONS: &str = "omissions";
/// Fields that are derived from all records of the original.
const FROM_RECORDS: [&str; 10] = [
    "last",
    "sessions",
    "items",
    "transactions",
    "dropped",
    "signed",
    "covered",
    "epochs_beyond",
    "carried",
    "not_carried",
];

/// The facts that a manifest is made from.
pub struct ManifestFacts<'a> {
    /// Layout of the original.
    pub layout: &'a Layout,
    /// Federation id of the original, in hex.
    pub federation: &'a str,
    /// The guardians' session keys, by peer, in hex.
    pub session_keys: &'a BTreeMap<String, String>,
    /// The history up to the last session.
    pub anchor: &'a ProvenPrefix,
    /// Number of rows of the original, by table.
    pub rows: &'a BTreeMap<&'static str, u64>,
    /// The last epoch of the original.
    pub last_stored: u64,
    /// What was missing from the original.
    pub source_omissions: &'a [String],
    /// Identity of the provenance archive.
    pub provenance: Hash,
    /// The version of the server that the new database is for.
    pub target_version: &'a str,
    /// Version of the tool that converted.
    pub tool_version: &'a str,
}

/// Returns the manifest of a conversion.
pub fn manifest(facts: &ManifestFacts<'_>) -> Manifest {
    let anchor = facts.anchor;
    let mut carried = BTreeMap::new();
    let mut not_carried = BTreeMap::new();
    for (name, rows) in facts.rows {
        let kept = carried_count(facts.layout, name, *rows, anchor);
        if kept > 0 {
            carried.insert((*name).to_owned(), kept);
        }
        if *rows > kept {
            not_carried.insert((*name).to_owned(), rows - kept);
        }
    }
    Manifest {
        rule: RULE_VERSION,
        era: facts.layout.era().to_string(),
        layout: facts.layout.name().to_owned(),
        federation: facts.federation.to_owned(),
        session_keys: facts.session_keys.clone(),
        first: 0,
        last: anchor.last,
        sessions: anchor.sessions,
        items: anchor.items,
        transactions: anchor.transactions,
        history_root: anchor.history_root,
        dropped: anchor.dropped.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        signed: anchor.signed,
        covered: anchor.sessions - anchor.signed,
        epochs_beyond: facts.last_stored.saturating_sub(anchor.last),
        carried,
        not_carried,
        source_omissions: facts.source_omissions.to_vec(),
        provenance: facts.provenance,
        target_version: facts.target_version.to_owned(),
        tool_version: facts.tool_version.to_owned(),
    }
}

/// Returns the metadata of the provenance archive of a conversion: those fields of the manifest that do not
/// follow from other data.
pub fn provenance_metadata(manifest: &Manifest) -> Metadata {
    let keys = serde_json::to_vec(&manifest.session_keys).expect("a map of texts is JSON");
    let mut metadata = Metadata::from_iter([
        ("kind", "provenance".to_owned()),
        ("era", manifest.era.clone()),
        ("layout", manifest.layout.clone()),
        ("federation", manifest.federation.clone()),
        ("session_keys", sha256(&[&keys]).to_string()),
        ("history_root", manifest.history_root.to_string()),
        ("target_version", manifest.target_version.clone()),
        ("tool", format!("fm-migrate {}", manifest.tool_version)),
    ]);
    // A reader may have only the archive.
    if !manifest.source_omissions.is_empty() {
        metadata.insert(OMISSIONS, manifest.source_omissions.join(" "));
    }
    metadata
}

/// Creates the manifest again and compares it with the stored one.
///
/// If the original is broken, the differences in its numbers and its root name this as their cause.
pub(crate) fn check_manifest(
    dir: &MigratedDir,
    original: &HistoryAudit,
    provenance: Option<Hash>,
    broken: Option<&Cause>,
    report: &Report<'_>,
) {
    let stated = &dir.manifest;
    let derived = |finding: Finding| match broken {
        Some(cause) => report.add(finding.following(cause.clone())),
        None => report.add(finding),
    };
    let (Some(anchor), Some(last_stored)) = (&original.proven, original.chain.last) else {
        let message = format!("the original has no provable epoch or session {}", stated.last);
        derived(Finding::new(Code::ManifestMismatch, Place::epoch(stated.last), message));
        return;
    };
    let federation = dir.provenance.metadata("federation").unwrap_or_default();
    let found = manifest(&ManifestFacts {
        layout: &dir.layout,
        federation: &federation,
        session_keys: &stated.session_keys,
        anchor,
        rows: &original.rows,
        last_stored,
        source_omissions: &stated.source_omissions,
        provenance: provenance.unwrap_or_default(),
        target_version: &stated.target_version,
        tool_version: &stated.tool_version,
    });
    if found.history_root != stated.history_root {
        let message = format!(
            "the history root is {}, the manifest states {}",
            found.history_root, stated.history_root
        );
        derived(Finding::new(Code::HistoryRootMismatch, Place::everywhere(), message));
    }
    // Without keys nothing counts as signed, whatever the manifest says.
    let signatures_checked = original.chain.unchecked == 0;
    for (name, found, stated) in manifest_differences(&found, stated) {
        let is_count_of_signatures = name == "signed" || name == "covered";
        if name != "history_root" && (signatures_checked || !is_count_of_signatures) {
            let message = format!("{name} is {found}, the manifest states {stated}");
            let mismatch = Finding::new(Code::ManifestMismatch, Place::everywhere(), message);
            if FROM_RECORDS.contains(&name.as_str()) { derived(mismatch) } else { report.add(mismatch) }
        }
    }
    check_target_version(&stated.target_version, report);
    check_metadata(dir, &found, report);
}

/// Returns the target that a manifest states, if conversions support it.
pub(crate) fn target_of(stated: &str) -> Option<Version> {
    let version = stated.parse::<Version>().ok()?;
    let is_known = (session::FIRST..=session::NEWEST).contains(&version);
    (is_known && version.to_string() == stated).then_some(version)
}

fn check_target_version(stated: &str, report: &Report<'_>) {
    if target_of(stated).is_none() {
        let message = format!(
            "target_version is {stated:?}, and conversions are for servers of {} to {}",
            session::FIRST,
            session::NEWEST
        );
        report.add(Finding::new(Code::ManifestMismatch, Place::everywhere(), message));
    }
}

/// Creates the metadata of the archive again and compares it with its header.
fn check_metadata(dir: &MigratedDir, found: &Manifest, report: &Report<'_>) {
    let stated = dir.provenance.all_metadata();
    let expected = provenance_metadata(found);
    let names: BTreeSet<&str> = expected.iter().chain(stated.iter()).map(|(name, _)| name).collect();
    let shown = |value: Option<&str>| value.map_or("nothing".to_owned(), |value| format!("{value:?}"));
    for name in names {
        let (expected, stated) = (expected.get(name), stated.get(name));
        // Earlier versions wrote it only into the manifest.
        let is_of_earlier = name == OMISSIONS && stated.is_none();
        if expected != stated && !is_of_earlier {
            let message = format!(
                "the archive's header states {} as {name:?}, and {} would be right",
                shown(stated),
                shown(expected)
            );
            report.add(Finding::new(Code::ProvenanceMismatch, Place::everywhere(), message));
        }
    }
}

/// Compares the federation that the manifest names, if any, with the one that the caller knows.
pub(crate) fn check_federation(dir: &MigratedDir, known: Option<&str>, report: &Report<'_>) {
    let stated = dir.manifest.federation.as_str();
    if let Some(known) = known.filter(|known| !stated.is_empty() && *known != stated) {
        let message = format!("federation is {known:?} by the config, the manifest states {stated:?}");
        report.add(Finding::new(Code::ManifestMismatch, Place::everywhere(), message));
    }
}

/// Compares the session keys that the manifest names, if any, with those that the caller knows.
pub(crate) fn check_session_keys(dir: &MigratedDir, known: Option<&SessionKeys>, report: &Report<'_>) {
    let mismatch =
        |message: String| report.add(Finding::new(Code::ManifestMismatch, Place::everywhere(), message));
    match (dir.session_keys(), known) {
        (Err(reason), _) => mismatch(format!("session_keys are not valid: {reason}")),
        (Ok(Some(stated)), Some(known)) if stated.tag() != known.tag() => {
            mismatch("session_keys are those of other guardians than the ones given".to_owned());
        }
        _ => {}
    }
}

/// Returns the fields in which two manifests differ: name and both values.
pub fn manifest_differences(found: &Manifest, stated: &Manifest) -> Vec<(String, String, String)> {
    let fields = |manifest: &Manifest| match serde_json::to_value(manifest) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let stated = fields(stated);
    fields(found)
        .into_iter()
        .filter_map(|(name, found)| {
            let stated = stated.get(&name).cloned().unwrap_or_default();
            (found != stated).then(|| (name, found.to_string(), stated.to_string()))
        })
        .collect()
}
