//! The crates: layers run downward, the map in `docs/architecture.md` is true, and what one crate owns no
//! other one writes.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{files, metadata, metadata_with, root};

/// The layers from the bottom to the top; a package may use only packages of lower layers.
const LAYERS: &[&[&str]] = &[
    &["fm-codec", "fm-rows", "fm-peers"],
    &["fm-crypto", "fm-rpc", "fm-store"],
    &["fm-history"],
    &["fm-units", "fm-datadir", "fm-modules"],
    &["fm-eras", "fm-archive", "fm-replay", "fm-config", "fm-money"],
    &["fm-audit", "fm-consensus"],
    &["fm-backup", "fm-evidence", "fm-migration", "fm-aleph", "fm-client", "fm-recovery"],
    &["fm-restore", "fm-guardian", "fm-object"],
    &["fm-cli"],
    &["fm-checkpoint", "fm-migrate", "fm-node", "fm-verify"],
];
/// Packages for tests only: they may use any layer; other layers may use them in tests only.
const TEST_PACKAGES: &[&str] = &["fm-forge", "fm-tests"];

fn layer(package: &str) -> usize {
    let position = LAYERS.iter().position(|layer| layer.contains(&package));
    position.unwrap_or_else(|| panic!("{package} has no place in the house plan"))
}

#[test]
fn imports_run_downward() {
    let metadata = metadata();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if TEST_PACKAGES.contains(&name) {
            continue;
        }
        seen += 1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            if dependency["path"].is_null() || dependency["kind"] == "dev" {
                continue;
            }
            assert!(layer(used) < layer(name), "{name} uses {used}, which is not below it");
        }
    }
    assert_eq!(seen, LAYERS.concat().len());
}

/// The version of Rust that the workspace states is enough for every dependency.
///
/// What the code itself uses is checked by clippy (`incompatible_msrv`).
#[test]
fn the_stated_rust_is_new_enough_for_every_dependency() {
    let metadata = metadata_with(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let version = |text: &str| -> [u64; 3] {
        let mut parts = text.split('.').map(|part| part.parse().unwrap());
        [(); 3].map(|()| parts.next().unwrap_or(0))
    };
    let packages = metadata["packages"].as_array().unwrap();
    let of = |name: &str| packages.iter().find(|package| package["name"] == name).unwrap();
    let stated = version(of("fm-codec")["rust_version"].as_str().unwrap());
    let (mut checked, mut too_new) = (0, Vec::new());
    for package in packages {
        let Some(needed) = package["rust_version"].as_str() else { continue };
        checked += 1;
        if version(needed) > stated {
            too_new.push(format!("{} {} needs Rust {needed}", package["name"], package["version"]));
        }
    }
    assert!(checked > 100, "only {checked} packages state a version of Rust");
    assert!(too_new.is_empty(), "{}", too_new.join("\n"));
}

#[test]
fn the_database_knows_no_history() {
    let metadata = metadata();
    let uses = |name: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let store = uses("fm-store");
    assert!(!store.iter().any(|name| name.starts_with("fm-") && name != "fm-rows"), "{store:?}");
    assert!(!uses("fm-history").contains(&"rayon".to_owned()));
}

/// After a change in one of these, its tests are built and run within a minute.
#[test]
fn layouts_units_histories_and_archives_are_tested_without_rocksdb() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    const TESTED: [&str; 5] = ["fm-archive", "fm-eras", "fm-history", "fm-rows", "fm-units"];
    let mut left: Vec<String> = TESTED.map(str::to_owned).into();
    let mut seen = BTreeSet::new();
    while let Some(name) = left.pop() {
        assert!(name != "rocksdb" && name != "fm-store", "{seen:?}");
        let Some(package) = packages.iter().find(|package| package["name"] == name.as_str()) else {
            continue;
        };
        let used = package["dependencies"].as_array().unwrap().iter();
        // Tests of the crates that these use are not built with theirs.
        let is_built = |used: &&Value| used["kind"] != "dev" || TESTED.contains(&name.as_str());
        left.extend(used.filter(is_built).map(|used| used["name"].as_str().unwrap().to_owned()));
        seen.insert(name);
    }
}

/// A name that is written twice will one day be written in two ways.
#[test]
fn names_in_a_data_directory_are_written_in_one_crate() {
    use fm_datadir as names;
    let known = [
        names::CHECKPOINTS_NAME,
        names::CLIENT,
        names::CONSENSUS,
        names::ENCRYPTED,
        names::GUARD_NAME,
        names::INVITE_CODE,
        names::JOURNAL_NAME,
        names::LOCAL,
        names::MOVED_NAME,
        names::PASSWORD,
        names::PRIVATE,
        names::RESTORED_NAME,
        names::SALT,
        names::SERVER_LOCK,
        names::SIGNED_NAME,
    ];
    let mut seen = 0;
    for path in
        files(&root().join("crates"), &[".rs"]).into_iter().chain(files(&root().join("tools"), &[".rs"]))
    {
        let place = path.to_str().unwrap();
        // The texts of a backup are in a lower crate.
        let is_exempt = place.contains("/fm-datadir/") || place.ends_with("fm-crypto/src/backup_tar.rs");
        if is_exempt || !place.contains("/src/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        let shipped: Vec<&str> =
            shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for name in known {
            let quoted = format!("\"{name}\"");
            assert!(
                !shipped.iter().any(|line| line.contains(&quoted)),
                "{place} writes the name {name} itself"
            );
        }
        seen += 1;
    }
    assert!(seen > 200, "only {seen} files found");
}

/// Returns the third column of the map in `docs/architecture.md`.
#[test]
fn the_map_says_what_every_crate_uses() {
    let metadata = metadata();
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut crates = 0;
    for package in metadata["packages"].as_array().unwrap().iter().filter(|package| is_library(package)) {
        let name = package["name"].as_str().unwrap();
        let beginning = format!("| `crates/{name}` | ");
        let row = text.lines().find(|line| line.starts_with(&beginning));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the map"));
        let reported = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let used = package["dependencies"].as_array().unwrap().iter();
        let used: BTreeSet<&str> = used
            .filter(|used| used["kind"] != "dev")
            .filter_map(|used| used["name"].as_str().unwrap().strip_prefix("fm-"))
            .collect();
        let listed = used.iter().copied().collect::<Vec<_>>().join(", ");
        assert_eq!(reported, if listed.is_empty() { "–" } else { &listed }, "{name}");
        crates += 1;
    }
    let rows = text.lines().filter(|line| line.starts_with("| `crates/")).count();
    assert_eq!(rows, crates, "a crate that is not there is on the map");
}

/// What each folder of `fm-audit` may import in addition to what all may import: its own files, errors and
/// control.
const ROOMS_OF_THE_AUDIT: [(&str, &[&str]); 6] = [
    ("source", &[]),
    ("frame", &["source"]),
    ("in_progress", &["source"]),
    ("epochs", &["frame", "outcome", "pipeline", "request", "scope", "source"]),
    ("sessions", &["frame", "outcome", "pipeline", "request", "scope", "source"]),
    (
        "migrated",
        &[
            "audit",
            "frame",
            "observer",
            "old_session",
            "outcome",
            "report",
            "request",
            "scope",
            "sessions",
            "source",
        ],
    ),
];

/// The two auditors share a frame, and neither knows the other.
#[test]
fn the_rooms_of_the_audit_import_what_is_below_them() {
    let source = root().join("crates/fm-audit/src");
    let mut seen = 0;
    for (room, allowed) in ROOMS_OF_THE_AUDIT {
        for path in files(&source.join(room), &[".rs"]) {
            let text = fs::read_to_string(&path).unwrap();
            for import in text.split("crate::").skip(1) {
                let name: String =
                    import.chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect();
                let is_allowed = ["control", "error", room].contains(&&*name) || allowed.contains(&&*name);
                assert!(is_allowed, "{} imports crate::{name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "only {seen} imports found");
}

fn is_library(package: &Value) -> bool {
    package["manifest_path"].as_str().unwrap().contains("/crates/")
}

#[test]
fn every_package_has_the_lints() {
    for package in metadata()["packages"].as_array().unwrap() {
        let manifest = fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        let own = ["unsafe_code = ", "missing_docs = \"deny\"", "unwrap_used = \"deny\""];
        let has_own = own.iter().all(|lint| manifest.contains(lint));
        assert!(inherits || has_own, "{} has no lints", package["name"]);
    }
}
