//! A migrated directory that lies without touching the history: in what its files say of themselves, and in
//! what lies beside them. Every check that the history passes, it still passes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use fm_tests::{
    Federation, Run, converted, copy_dir, edit_manifest, hbbft, keys_of, manifest, migrate, restate_archive,
    verify,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An honest directory.
struct Honest {
    home: TempDir,
}

impl Honest {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        converted(&hbbft("peer-0"), &home.path().join("new"));
        Self { home }
    }

    /// Makes a copy of it, for a lie.
    fn lie(&self) -> Lie {
        let home = tempfile::tempdir().expect("a directory");
        copy_dir(&self.home.path().join("new"), &home.path().join("new"));
        Lie { home }
    }
}

/// A directory that lies, once something in it is changed.
struct Lie {
    home: TempDir,
}

impl Lie {
    fn dir(&self) -> PathBuf {
        self.home.path().join("new")
    }

    fn verified(&self) -> Run {
        verify!(self.dir(), "--config", hbbft("peer-0"), "--json")
    }

    /// Checks that the audit has exactly one finding that counts: this one, with this text in it.
    #[track_caller]
    fn is_told(&self, code: &str, severity: &str, text: &str) {
        // Warnings fail with `--strict`.
        let run = self.verified().exits(i32::from(severity == "error"));
        verify!(self.dir(), "--config", hbbft("peer-0"), "--strict").exits(1);
        let mut reported = run.findings();
        reported.retain(|finding| finding["severity"] != "info");
        let [reported] = reported.as_slice() else {
            panic!("{code} {text}: not one finding:\n{}", run.stdout)
        };
        assert_eq!(
            (&reported["code"], &reported["severity"]),
            (&json!(code), &json!(severity)),
            "{reported}"
        );
        assert!(
            reported["message"].as_str().is_some_and(|message| message.contains(text)),
            "{text}: {reported}"
        );
        let count = |name: &str| run.verdict()[name].as_u64();
        let expected = if severity == "error" { (Some(1), Some(0)) } else { (Some(0), Some(1)) };
        assert_eq!((count("errors"), count("warnings")), expected);
    }

    /// Checks that the audit has this finding with this text in it, whatever else follows from the lie.
    #[track_caller]
    fn is_among(&self, code: &str, name: &str) {
        let run = self.verified().exits(1);
        let reported = run.findings().into_iter().any(|finding| {
            finding["code"] == code && finding["message"].as_str().is_some_and(|text| text.contains(name))
        });
        assert!(reported, "{code} {name}:\n{}", run.stdout);
        assert!(run.verdict()["errors"].as_u64() >= Some(1));
    }
}

#[test]
fn the_honest_directory_is_sound() {
    assert_eq!(Honest::new().lie().verified().exits(0).verdict()["verdict"], "sound");
}

#[test]
fn what_the_archive_says_of_itself() {
    let honest = Honest::new();
    let entries: Vec<(String, String)> = {
        let mut entries = Vec::new();
        restate_archive(
            &honest.lie().dir(),
            |name, value| {
                entries.push((name.to_owned(), value.to_owned()));
                Some(value.to_owned())
            },
            None,
        );
        entries
    };
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["era", "federation", "history_root", "kind", "layout", "session_keys", "target_version", "tool"]
    );
    for name in names {
        // The manifest states the federation as well; an unknown layout is detected from the records.
        let code = if name == "federation" { "manifest-mismatch" } else { "provenance-mismatch" };
        for lie in [Some("gold".to_owned()), Some(String::new()), None] {
            let copy = honest.lie();
            restate_archive(
                &copy.dir(),
                |stated, value| if stated == name { lie.clone() } else { Some(value.to_owned()) },
                None,
            );
            copy.is_among(code, name);
        }
    }
    let copy = honest.lie();
    restate_archive(&copy.dir(), |_, value| Some(value.to_owned()), Some(("audited", "by everybody")));
    copy.is_told("provenance-mismatch", "error", "audited");
}

/// A layout that only the archive states: the records decide.
#[test]
fn another_layout_than_that_of_the_records() {
    let copy = Honest::new().lie();
    let lie = |name: &str, value: &str| {
        Some(if name == "layout" { "fixed-be-length32".to_owned() } else { value.to_owned() })
    };
    restate_archive(&copy.dir(), lie, None);
    assert!(copy.verified().exits(1).verdict()["errors"].as_u64() > Some(1));
}

/// The same lie in both files: only a reader who knows the federation can find it.
#[test]
fn another_federation() {
    let copy = Honest::new().lie();
    let other = "ab".repeat(48);
    let lie =
        |name: &str, value: &str| Some(if name == "federation" { other.clone() } else { value.to_owned() });
    restate_archive(&copy.dir(), lie, None);
    edit_manifest(&copy.dir(), |manifest| manifest["federation"] = json!(other));
    copy.is_told("manifest-mismatch", "error", &other);
}

/// Keys alone name no federation: nothing is stated with them, and nothing compared.
#[test]
fn no_federation() {
    let federation = Federation::small(12);
    let (guardian, keys) = (federation.guardian(), federation.beside("keys.json"));
    fs::write(&keys, keys_of(&federation.forged.coefficients)).expect("a file");
    let (named, unnamed) = (federation.beside("named"), federation.beside("unnamed"));
    converted(&guardian, &named);
    verify!(named, "--keys", keys).exits(0);
    migrate!("convert", "--from", guardian, "--keys", keys, "--to", unnamed).exits(0);
    assert_eq!(manifest(&unnamed)["federation"], "");
    verify!(unnamed, "--config", guardian).exits(0);
}

#[test]
fn the_tools_version_is_said_twice() {
    let copy = Honest::new().lie();
    edit_manifest(&copy.dir(), |manifest| manifest["tool_version"] = json!("9.9 audited"));
    copy.is_told("provenance-mismatch", "error", "9.9 audited");
}

#[test]
fn fields_that_no_conversion_writes() {
    let honest = Honest::new();
    for (name, value) in [("sealed_by", json!(["all guardians"])), ("", Value::Null)] {
        let copy = honest.lie();
        edit_manifest(&copy.dir(), |manifest| manifest[name] = value);
        for run in [copy.verified(), migrate!("map", "--dir", copy.dir())] {
            let run = run.exits(3);
            assert!(run.sentence().contains(&format!("unknown field `{name}`")), "{}", run.stderr);
        }
    }
    let copy = honest.lie();
    edit_manifest(&copy.dir(), |manifest| manifest["source_omissions"] = json!(["epoch-tip"]));
    copy.is_told("manifest-mismatch", "error", "\"epoch-tip\"");
    edit_manifest(&copy.dir(), |manifest| manifest["source_omissions"] = json!(["log-missing"]));
    copy.is_told("source-incomplete", "warning", "log-missing");
}

/// What we write holds nothing in a log and names all of its tables.
#[test]
fn files_of_the_new_database() {
    let honest = Honest::new();
    let find = |copy: &Lie, part: &str| {
        let entries = fs::read_dir(copy.dir().join("database")).expect("the database");
        let mut found = entries.map(|entry| entry.expect("an entry").path());
        found.find(|path| path.to_string_lossy().contains(part)).expect("a file of that kind")
    };
    let append = |file: PathBuf| {
        let mut file = OpenOptions::new().append(true).open(file).expect("the file");
        file.write_all(&[1, 2, 3]).expect("it can be written");
    };
    let missing = honest.lie();
    fs::remove_file(find(&missing, ".log")).expect("the log");
    missing.is_told("database-incomplete", "error", "log is missing");
    let torn = honest.lie();
    append(find(&torn, ".log"));
    torn.is_told("database-incomplete", "error", "");
    let list = honest.lie();
    append(find(&list, "MANIFEST-"));
    list.is_told("database-incomplete", "error", "is torn at byte");
    let unnamed = honest.lie();
    fs::copy(find(&unnamed, ".sst"), unnamed.dir().join("database/000999.sst")).expect("a table");
    unnamed.is_told("database-incomplete", "error", "000999.sst");
}

#[test]
fn what_lies_beside_the_files() {
    let honest = Honest::new();
    for name in [
        "notes.txt",
        "provenance.fmar.old",
        "database/run-me.sh",
        "database/000001.sst.bak",
        "database/LOG.old.",
    ] {
        let copy = honest.lie();
        fs::write(copy.dir().join(name), b"precious").expect("a file");
        copy.is_told("unexpected-file", "warning", name.rsplit('/').next().expect("a name"));
    }
    for name in ["database.old", "database/archive", "database/LOG.old.7"] {
        let copy = honest.lie();
        fs::create_dir(copy.dir().join(name)).expect("a directory");
        copy.is_told("unexpected-file", "warning", name.rsplit('/').next().expect("a name"));
    }
    // RocksDB's own files, and what a conversion leaves that is killed at its very end.
    let copy = honest.lie();
    for name in ["database/LOG.old.1700000000000000", "database/OPTIONS-000123", ".partial-marker"] {
        fs::write(copy.dir().join(name), b"").expect("a file");
    }
    copy.verified().exits(0);
}
