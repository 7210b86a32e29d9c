//! Databases, checkpoints and results named from inside a data directory: a bare name, `.`, `..`.

use std::path::Path;

use fm_tests::{Federation, Run, binary, command, converted, copy_dir, metadata_of};

use super::guardian;

/// Runs a program in a directory.
fn inside(directory: &Path, program: &str, words: &[&str]) -> Run {
    let output = command(binary(program))
        .args(words)
        .current_dir(directory)
        .output()
        .expect("the program can be started");
    Run::from_output(format!("(in {}) {program} {}", directory.display(), words.join(" ")), output)
}

/// The guardian's files are found however the database is named, so the archive says whose it is, and
/// contains no secret.
#[test]
fn exports_find_the_guardian() {
    let home = tempfile::tempdir().expect("a directory");
    let copy = home.path().join("guardian");
    copy_dir(&guardian("session-v0.13.0", "peer-0"), &copy);
    for (place, (directory, source, config)) in [
        ("", "database", "."),
        ("", ".", "."),
        ("", "./database", "."),
        ("", "db_checkpoints/20", "."),
        ("database", ".", ".."),
        ("database", "../database", ".."),
        ("database", "..", ".."),
        ("db_checkpoints", "20", ".."),
        ("db_checkpoints", "../database", ".."),
        ("db_checkpoints/20", ".", "../.."),
        ("db_checkpoints/20", "../../database", "../.."),
        ("db_checkpoints/20", "../../db_checkpoints/21/", "../.."),
    ]
    .into_iter()
    .enumerate()
    {
        let archive = home.path().join(format!("{place}.fmar"));
        let to = archive.to_str().expect("text");
        let words = ["export", source, "--config", config, "--to", to];
        let run = inside(&copy.join(directory), "fm-checkpoint", &words).exits(0);
        assert_eq!(metadata_of(&archive, "guardian").as_deref(), Some("0"), "{}", run.line);
    }
    // Results in the current directory.
    inside(home.path(), "fm-checkpoint", &["export", "guardian", "--config", "guardian", "--to", "x.fmar"])
        .exits(0);
    inside(home.path(), "fm-checkpoint", &["import", "x.fmar", "--config", "guardian", "--to", "imported"])
        .exits(0);
    inside(home.path(), "fm-verify", &["imported", "--config", "guardian"]).exits(0);
    let place = ["--config", "guardian", "--session", "1", "--item", "0", "--out", "proof.json"];
    inside(home.path(), "fm-verify", &[&["prove", "guardian"], &place[..]].concat()).exits(0);
    inside(home.path(), "fm-verify", &["check-proof", "proof.json", "--config", "guardian"]).exits(0);
    inside(home.path(), "fm-verify", &["keys", "guardian", "--out", "keys.json"]).exits(0);
    inside(home.path(), "fm-verify", &["guardian", "--keys", "keys.json", "--trust-file", "trust.json"])
        .exits(0);
    inside(home.path(), "fm-migrate", &["units", "guardian", "--config", "guardian", "--dot", "units.dot"])
        .exits(0);
}

/// The configuration that lies around a database is found as well.
#[test]
fn keys_are_found_around() {
    let copy = guardian("session-v0.13.0", "peer-0");
    for (directory, source) in [
        ("", "."),
        ("", "database"),
        ("database", "."),
        ("database", ".."),
        ("db_checkpoints", "20"),
        ("db_checkpoints/20", "."),
        ("db_checkpoints/20", "../21"),
    ] {
        let run = inside(&copy.join(directory), "fm-verify", &[source, "--json"]).exits(4);
        assert_eq!(run.verdict()["keys"]["found"], true, "{}", run.line);
    }
}

/// A migrated directory is recognised, whether it or its database is named.
#[test]
fn what_a_conversion_wrote() {
    let federation = Federation::small(20);
    converted(&federation.guardian(), &federation.beside("new"));
    let (new, config) = (federation.beside("new"), federation.config());
    let config = config.to_str().expect("text");
    for (directory, source) in [
        ("", "."),
        ("", "database"),
        ("", "./database"),
        ("database", "."),
        ("database", ".."),
        ("database", "../database"),
    ] {
        let run = inside(&new.join(directory), "fm-verify", &[source, "--config", config, "--json"]).exits(0);
        assert_eq!(run.verdict()["source"], "migrated directory", "{}", run.line);
    }
    // A target in the current directory.
    let words = ["convert", "--from", "guardian", "--config", config, "--to", "again"];
    let home = federation.beside("");
    inside(&home, "fm-migrate", &words).exits(0);
    assert!(home.join("again/manifest.json").exists());
}
