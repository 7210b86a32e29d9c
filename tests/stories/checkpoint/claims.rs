//! The header of an archive: `verify` proves each entry, or names it as a claim that nothing proves.

use std::fs;
use std::path::{Path, PathBuf};

use fm_archive::{ArchiveReader, Metadata};
use fm_tests::{checkpoint, fixture, rewritten};
use serde_json::{Value, json};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

/// Returns the entries of an archive's header.
fn entries(archive: &Path) -> Vec<(String, String)> {
    let reader = ArchiveReader::open_path(archive).expect("the archive can be opened");
    reader.metadata().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns other values of an entry, of a form that an export could write.
fn others(name: &str, value: &str) -> Vec<String> {
    let others: &[&str] = match name {
        "kind" => &["increment", "provenance"],
        "profile" => &["full", "history", "headers"],
        "era" => &["A", "B", "C", "D"],
        "layout" => &["v0.2", "v0.3", "v0.4", "v0.5"],
        "checked" => &["signatures", "structure"],
        "omissions" => &["log-empty"],
        "tool" => &["fm-checkpoint 9.9.9"],
        "guardian" => &["", "0", "1", "2", "3"],
        "federation" => &["", "00"],
        _ => &[],
    };
    let mut others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
    match value.parse::<u64>() {
        Ok(number) if name != "guardian" => others.extend([number + 1, number / 2].map(|n| n.to_string())),
        _ if value.len() == 64 => others.push(format!("{}{}", &value[2..], &value[..2])),
        _ => (),
    }
    others.retain(|other| other != value);
    others.truncate(2);
    others
}

/// Returns the claims of a verdict.
fn claims(verdict: &Value) -> Vec<&str> {
    let claims = verdict["claims"].as_array().expect("a list");
    claims.iter().map(|claim| claim.as_str().expect("a name")).collect()
}

/// Verifies an archive that lies, and asserts that the lie is found, or that the entry is one of the claims.
fn is_found_or_a_claim(lying: &Path, rest: &[&dyn AsRef<std::ffi::OsStr>], name: &str, what: &str) {
    let rest = rest.iter().map(|word| word.as_ref().to_owned());
    let words = ["verify".into(), lying.into(), "--json".into()].into_iter().chain(rest);
    let run = fm_tests::Run::of("fm-checkpoint", &words.collect::<Vec<_>>());
    fs::remove_file(lying).expect("it is there");
    // With another profile or kind, the archive may not even be read.
    if run.exit == 0 {
        let verdict = run.verdict();
        assert_eq!(verdict["verdict"], "sound", "{name} {what}");
        assert!(claims(&verdict).contains(&name), "{name} {what}: sound, and no claim: {verdict}");
    } else {
        assert!(matches!(run.exit, 1 | 2), "{name} {what}: {} {}", run.exit, run.stderr);
    }
}

#[test]
fn every_entry_is_proven_or_named_as_a_claim() {
    let home = tempfile::tempdir().expect("a directory");
    let path = |name: &str| home.path().join(name);
    let (whole, base, lying) = (path("whole.fmar"), path("base.fmar"), path("lying.fmar"));
    let (history, headers, increment) = (path("history.fmar"), path("headers.fmar"), path("increment.fmar"));
    let database = peer(0);
    checkpoint!("export", database, "--to", whole, "--config", database).exits(0);
    let older = database.join("db_checkpoints/25");
    checkpoint!("export", older, "--to", base, "--config", database).exits(0);
    for (target, profile) in [(&history, "history"), (&headers, "headers")] {
        checkpoint!("export", database, "--to", target, "--config", database, "--profile", profile).exits(0);
    }
    checkpoint!("export", database, "--to", increment, "--since", base, "--config", database).exits(0);
    let mut seen = 0;
    for archive in [&whole, &history, &headers, &increment] {
        let mut rest: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"--config", &database];
        if archive == &increment {
            rest.extend([&"--base" as &dyn AsRef<std::ffi::OsStr>, &base]);
        }
        for (name, value) in entries(archive) {
            for other in others(&name, &value) {
                rewritten(
                    archive,
                    &lying,
                    1 << 20,
                    |metadata| drop(metadata.insert(name.clone(), other.clone())),
                    Some,
                );
                is_found_or_a_claim(&lying, &rest, &name, &format!("{other:?} in place of {value:?}"));
                seen += 1;
            }
            let without = |metadata: &mut Metadata| {
                let rest = metadata.iter().filter(|(other, _)| *other != name);
                *metadata = rest.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            };
            rewritten(archive, &lying, 1 << 20, without, Some);
            is_found_or_a_claim(&lying, &rest, &name, "gone");
            let added = |metadata: &mut Metadata| drop(metadata.insert(format!("{name}2"), value.clone()));
            rewritten(archive, &lying, 1 << 20, added, Some);
            is_found_or_a_claim(&lying, &rest, &format!("{name}2"), "added");
        }
    }
    assert!(seen > 60, "{seen} other values");
}

#[test]
fn the_claims_are_those_that_nothing_proves() {
    let home = tempfile::tempdir().expect("a directory");
    let path = |name: &str| home.path().join(name);
    let (archive, bare) = (path("a.fmar"), path("bare.fmar"));
    checkpoint!("export", peer(0), "--to", archive, "--config", peer(0)).exits(0);
    let of_the_making = ["checked", "guardian", "omissions", "tool"];
    let proven = checkpoint!("verify", archive, "--config", peer(0), "--json").exits(0).verdict();
    assert_eq!(claims(&proven), of_the_making, "the federation is that of the keys");
    let all = ["checked", "federation", "guardian", "omissions", "tool"];
    let unpinned = checkpoint!("verify", archive, "--json").exits(4).verdict();
    assert_eq!(claims(&unpinned), all);
    let quick = checkpoint!("verify", archive, "--quick", "--json").exits(0).verdict();
    let named: Vec<String> = entries(&archive).into_iter().map(|(name, _)| name).collect();
    assert_eq!(quick["claims"], json!(named));
    let reported = checkpoint!("verify", archive, "--config", peer(0)).exits(0).stdout;
    assert!(
        reported.contains(
            "not proven: checked \"signatures\", guardian \"0\", no omissions, tool \"fm-checkpoint "
        ),
        "{reported}"
    );
    let reported = checkpoint!("verify", archive, "--quick").exits(0).stdout;
    assert!(reported.contains("not proven: everything that the header says"), "{reported}");
    // A federation that was removed from the header is a claim, whatever the keys are.
    rewritten(&archive, &bare, 1 << 20, |metadata| drop(metadata.insert("federation", "")), Some);
    let emptied = checkpoint!("verify", bare, "--config", peer(0), "--json").exits(0).verdict();
    assert_eq!(claims(&emptied), all);
    let reported = checkpoint!("verify", bare, "--config", peer(0)).exits(0).stdout;
    assert!(reported.contains("no federation"), "{reported}");
}

/// Every entry of an archive that another job wrote is a claim to `fm-checkpoint`.
#[test]
fn what_a_conversion_says_of_its_archive_is_a_claim() {
    let home = tempfile::tempdir().expect("a directory");
    let converted = home.path().join("converted");
    let old = fixture("hbbft-v0.1.5/peer-0");
    fm_tests::Run::of(
        "fm-migrate",
        &[
            "convert".into(),
            old.clone().into(),
            "--to".into(),
            converted.clone().into(),
            "--config".into(),
            old.clone().into(),
        ],
    )
    .exits(0);
    let archive = converted.join("provenance.fmar");
    let run = checkpoint!("verify", archive, "--config", old, "--json");
    assert!(run.exit <= 1, "{}", run.stderr);
    let named: Vec<String> = entries(&archive).into_iter().map(|(name, _)| name).collect();
    assert!(named.len() > 3 && run.verdict()["claims"] == json!(named), "{}", run.stdout);
}
