//! A guardian moves to another place: its last state, its configuration, and an old place where nothing starts any more.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fm_store::LiveStore;
use fm_tests::{Fault, Movable, Run, fixture, partial_of};
use serde_json::Value;

/// Real guardians of every form of configuration: encrypted keys, keys in clear, over TCP and over iroh, alone.
const GUARDIANS: [&str; 6] = [
    "session-v0.5.0/peer-1",
    "session-v0.13.0/peer-0",
    "session-v0.13.0/peer-3",
    "session-v0.13.0-iroh/peer-0",
    "session-v0.13.0-iroh/peer-3",
    "session-v0.13.0-single/peer-0",
];
/// More changes than a move makes.
const MOST: u32 = 400;

#[test]
fn every_guardian_is_moved_whole() {
    for name in GUARDIANS {
        let guardian = Movable::new(name);
        let planned = guardian.run(&guardian.moving(&["--dry-run", "--json"])).exits(0).verdict();
        assert_eq!(planned["verdict"], "planned", "{name}");
        guardian.check_back(name);
        let moved = guardian.run(&guardian.moving(&["--json"])).exits(0).verdict();
        assert_eq!((&moved["verdict"], &moved["guard_until"]), (&"moved".into(), &Value::Null), "{name}");
        guardian.check_moved(name);
        // As every server opens it: a directory that is not there would be made.
        assert!(LiveStore::open(&guardian.old().join("database")).is_err(), "{name}");
        let again = guardian.run(&guardian.moving(&["--json"])).exits(0).verdict();
        assert_eq!(again["identity"], moved["identity"], "{name}");
        let planned = guardian.run(&guardian.restoring(&["--dry-run", "--json"])).exits(0).verdict();
        assert_eq!(planned["verdict"], "planned", "{name}");
        assert!(!guardian.new_place().exists(), "{name}");
        let restored = guardian.run(&guardian.restoring(&["--json"])).exits(0).verdict();
        assert_eq!((&restored["verdict"], &restored["guard_until"]), (&"restored".into(), &Value::Null));
        assert_eq!(
            (&restored["identity"], &restored["history_root"]),
            (&moved["identity"], &moved["history_root"])
        );
        let key = if name.contains("v0.5.0") { "not-opened" } else { "in-clear" };
        assert_eq!(restored["private_key"], key, "{name}");
        guardian.check_whole(name);
        assert!(!guardian.new_place().join("equivocation-guard.json").exists(), "{name}");
        let exists = guardian.run(&guardian.restoring(&["--json"])).exits(0).verdict();
        assert_eq!(exists["verdict"], "exists", "{name}");
        // Back, at the user's word only.
        let refused = guardian.run(&guardian.undoing(&[])).exits(2);
        assert!(refused.sentence().contains("may have run at the new place"), "{}", refused.stderr);
        guardian.check_moved(name);
        guardian.run(&guardian.undoing(&["--guard-until", "none"])).exits(0);
        guardian.check_back(name);
    }
}

#[test]
fn killed_at_every_change_it_never_starts_in_two_places() {
    let guardian = Movable::new("session-v0.5.0/peer-0");
    let mut steps = std::collections::BTreeSet::new();
    for at in 1..MOST {
        for back in [false, true] {
            guardian.fresh();
            let killed = guardian.faulty(&guardian.moving(&[]), ".log", Fault::Kill(at));
            let context = format!("killed at change {at}");
            if killed.exit == 0 {
                guardian.check_moved(&context);
                let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
                assert_eq!(steps, ["moved", "none", "sealed", "sealing"]);
                assert!(at > 30, "{at} changes are too few to be all");
                return;
            }
            assert_eq!(killed.exit, 137, "{context}: {}", killed.stderr);
            assert!(!(guardian.server_would_start() && guardian.archive().exists()), "{context}");
            let step = step(&guardian.old());
            steps.insert(step.clone());
            if !back {
                guardian.run(&guardian.moving(&[])).exits(0);
                guardian.check_moved(&context);
                continue;
            }
            let words: &[&str] = if step == "moved" { &["--guard-until", "none"] } else { &[] };
            let exit = if step == "none" { 2 } else { 0 };
            guardian.run(&guardian.undoing(words)).exits(exit);
            let unfinished = guardian.old().join("moved.json.new");
            if unfinished.exists() {
                fs::remove_file(unfinished).expect("it can be removed");
            }
            guardian.check_back(&context);
        }
    }
    panic!("a move makes more changes than it should");
}

#[test]
fn the_way_back_is_killed_at_every_change() {
    let guardian = Movable::new("session-v0.13.0-single/peer-0");
    let undo = ["--guard-until", "none"];
    for at in 1..MOST {
        guardian.fresh();
        guardian.run(&guardian.moving(&[])).exits(0);
        let killed = guardian.faulty(&guardian.undoing(&undo), "", Fault::Kill(at));
        let context = format!("killed at change {at}");
        if killed.exit != 0 {
            assert_eq!(killed.exit, 137, "{context}: {}", killed.stderr);
            let undoing = step(&guardian.old()) == "undoing";
            if undoing {
                let refused = guardian.run(&guardian.moving(&[])).exits(2);
                assert!(refused.sentence().contains("the way back"), "{}", refused.stderr);
            }
            let exit = if step(&guardian.old()) == "none" { 2 } else { 0 };
            guardian.run(&guardian.undoing(&undo)).exits(exit);
        }
        guardian.check_back(&context);
        if killed.exit == 0 {
            assert!(at > 10, "{at} changes are too few to be all");
            return;
        }
    }
    panic!("the way back makes more changes than it should");
}

#[test]
fn a_restore_that_is_killed_leaves_all_or_nothing() {
    for (name, skip) in [("session-v0.13.0-single/peer-0", "/database/"), ("session-v0.5.0/peer-2", "")] {
        let guardian = Movable::new(name);
        guardian.run(&guardian.moving(&[])).exits(0);
        for place_is_there in [false, true] {
            let mut at = 1;
            loop {
                if guardian.new_place().exists() {
                    fs::remove_dir_all(guardian.new_place()).expect("it can be removed");
                }
                if place_is_there {
                    fs::create_dir(guardian.new_place()).expect("it can be made");
                }
                let killed = guardian.faulty(&guardian.restoring(&[]), skip, Fault::Kill(at));
                let context = format!("{name}, killed at change {at}");
                if killed.exit == 0 {
                    assert!(at > 20, "{at} changes are too few to be all");
                    guardian.check_whole(&context);
                    break;
                }
                assert_eq!(killed.exit, 137, "{context}: {}", killed.stderr);
                let entries = fs::read_dir(guardian.new_place()).map_or(0, Iterator::count);
                let unfinished = partial_of(&guardian.new_place());
                if unfinished.exists() {
                    let mode = fs::metadata(&unfinished).expect("it is there").permissions().mode();
                    let secrets =
                        unfinished.join("private.json").exists() || unfinished.join("private.salt").exists();
                    assert!(!secrets || mode & 0o077 == 0, "{context}: {mode:o}");
                }
                assert!(entries == 0 || guardian.new_place().join("database").is_dir(), "{context}");
                guardian.run(&guardian.restoring(&[])).exits(0);
                guardian.check_whole(&context);
                assert!(!partial_of(&guardian.new_place()).exists(), "{context}");
                // Of the many and equal ones inside of the database, some.
                at += if skip.is_empty() { 23 } else { 1 };
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_the_guardian_at_its_old_place() {
    let guardian = Movable::new("session-v0.5.0/peer-0");
    for at in 1..MOST {
        guardian.fresh();
        let full = guardian.faulty(&guardian.moving(&[]), "", Fault::Full(at));
        let context = format!("full from change {at}");
        assert!(!(guardian.server_would_start() && guardian.archive().exists()), "{context}");
        if full.exit == 0 {
            guardian.check_moved(&context);
            assert!(at > 5, "{at}");
            return;
        }
        assert_eq!(full.exit, 13, "{context}: {}", full.stderr);
        if step(&guardian.old()) == "none" {
            guardian.check_back(&context);
        } else {
            // Without room for the marker of the way back, the marker says how it goes on.
            guardian.run(&guardian.moving(&[])).exits(0);
            guardian.check_moved(&context);
        }
    }
    panic!("it never has room enough");
}

/// What `moved.json` says was done last.
fn step(old: &Path) -> String {
    let Ok(text) = fs::read_to_string(old.join("moved.json")) else { return "none".to_owned() };
    let marker: Value = serde_json::from_str(&text).expect("the marker is JSON at every moment");
    marker["step"].as_str().expect("a step").to_owned()
}

#[test]
fn a_nightly_archive_needs_to_know_what_was_signed_after_it() {
    let guardian = Movable::new("session-v0.5.0/peer-0");
    let words = ["export".into(), guardian.old().join("db_checkpoints/24").into(), "--to".into()];
    let data_dir = ["--data-dir".into(), guardian.old().into()];
    Run::of("fm-checkpoint", &[&words[..], &[guardian.archive().into()], &data_dir].concat()).exits(0);
    let refused = guardian.run(&guardian.restoring(&[])).exits(2);
    assert!(
        refused.sentence().contains("up to which session this guardian has signed"),
        "{}",
        refused.stderr
    );
    let refused = guardian.run(&guardian.restoring(&["--guard-until", "24"])).exits(2);
    assert!(refused.sentence().contains("--guard-until 24 is too low"), "{}", refused.stderr);
    assert!(!guardian.new_place().exists());
    let restored = guardian.run(&guardian.restoring(&["--guard-until", "27", "--json"])).exits(0).verdict();
    assert_eq!(restored["guard_until"], 27);
    let guard = fs::read_to_string(guardian.new_place().join("equivocation-guard.json")).expect("a guard");
    let guard: Value = serde_json::from_str(&guard).expect("JSON");
    assert_eq!((&guard["until_session"], &guard["peer"]), (&27.into(), &0.into()));
    // A guardian that is alone signs with nobody.
    let alone = Movable::new("session-v0.13.0-single/peer-0");
    let words = ["export".into(), alone.old().into(), "--to".into(), alone.archive().into()];
    Run::of("fm-checkpoint", &words).exits(0);
    assert_eq!(alone.run(&alone.restoring(&["--json"])).exits(0).verdict()["guard_until"], Value::Null);
    alone.check_whole("alone");
}

/// The guard that was in place, and the node's record, go with the guardian.
#[test]
fn guard_and_record_go_along() {
    let guardian = Movable::new("session-v0.5.0/peer-0");
    let restore = ["restore", "--checkpoint", "24", "--yes", "--data-dir"].map(Into::into);
    Run::of("fm-checkpoint", &[&restore[..], &[guardian.old().into()]].concat()).exits(0);
    let moved = guardian.run(&guardian.moving(&["--json"])).exits(0).verdict();
    assert_eq!((&moved["guard_until"], &moved["last"]), (&26.into(), &24.into()));
    let restored = guardian.run(&guardian.restoring(&["--json"])).exits(0).verdict();
    assert_eq!(restored["guard_until"], 26);
    // A copy of a checkpoint in the database's place says nothing of what was signed.
    let copy = Movable::new("session-v0.5.0/peer-0");
    fs::remove_dir_all(copy.old().join("database")).expect("it can be removed");
    fm_tests::copy_dir(&copy.old().join("db_checkpoints/24"), &copy.old().join("database"));
    let refused = copy.run(&copy.moving(&[])).exits(2);
    assert!(refused.sentence().contains("at least 26"), "{}", refused.stderr);
    assert!(copy.server_would_start() && !copy.archive().exists());
    let moved = copy.run(&copy.moving(&["--guard-until", "27", "--json"])).exits(0).verdict();
    assert_eq!(moved["guard_until"], 27);
    assert_eq!(copy.run(&copy.restoring(&["--json"])).exits(0).verdict()["guard_until"], 27);
    // And back: what was signed at the new place is guarded at the old one.
    let refused = copy.run(&copy.undoing(&["--guard-until", "24"])).exits(2);
    assert!(refused.sentence().contains("is too low"), "{}", refused.stderr);
    copy.run(&copy.undoing(&["--guard-until", "31"])).exits(0);
    let guard = fs::read_to_string(copy.old().join("equivocation-guard.json")).expect("a guard");
    let guard: Value = serde_json::from_str(&guard).expect("JSON");
    assert_eq!((&guard["until_session"], &guard["reason"]), (&31.into(), &"undo".into()));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let guardian = Movable::new("session-v0.13.0/peer-0");
    guardian.run(&guardian.moving(&[])).exits(0);
    let good = fs::read(guardian.backup()).expect("the backup");
    let other = |name: &str| fs::read(Movable::new(name).backup()).expect("a backup");
    let mixed = |from: &str, file: &str| {
        let home = tempfile::tempdir().expect("a directory");
        for name in ["consensus.json", "local.json", "private.json"] {
            let of = if name == file { from } else { "session-v0.13.0/peer-0" };
            fs::copy(fixture(of).join(name), home.path().join(name)).expect("it can be copied");
        }
        fm_backup::configuration(&[home.path()]).expect("files").to_bytes().to_vec()
    };
    let iroh = "session-v0.13.0-iroh/peer-0";
    let cases: [(&str, Vec<u8>, i32, &str); 9] = [
        (
            "another guardian",
            other("session-v0.13.0/peer-3"),
            1,
            "is the state of guardian 0 by its own word, and this is guardian 3",
        ),
        ("another federation", other("session-v0.5.0/peer-0"), 1, "is of federation"),
        ("another federation, over iroh", other(iroh), 1, "is of federation"),
        (
            "another guardian's number",
            mixed("session-v0.13.0/peer-3", "local.json"),
            2,
            "does not hold the private key of guardian 3",
        ),
        (
            "another guardian's key",
            mixed("session-v0.13.0/peer-3", "private.json"),
            2,
            "does not hold the private key of guardian 0",
        ),
        (
            "another federation's keys",
            mixed(iroh, "consensus.json"),
            2,
            "does not hold the private key of guardian 0",
        ),
        ("cut short", good[..good.len() / 2].to_vec(), 2, "is not a guardian's backup: it is cut short"),
        ("empty", Vec::new(), 2, "is not a guardian's backup: it is not a tar"),
        (
            "an archive",
            fs::read(guardian.archive()).expect("the archive"),
            2,
            "is not a guardian's backup: it is not a tar",
        ),
    ];
    for (name, bytes, exit, said) in cases {
        fs::write(guardian.backup(), bytes).expect("it can be written");
        let refused = guardian.run(&guardian.restoring(&[])).exits(exit);
        assert!(refused.stderr.contains(said), "{name}: {}", refused.stderr);
        assert!(!guardian.new_place().exists() && !partial_of(&guardian.new_place()).exists(), "{name}");
    }
    fs::write(guardian.backup(), &good).expect("it can be written");
    // Keys that the user pinned are another federation's.
    let pinned = fixture("session-v0.5.0/peer-0").into_os_string().into_string().expect("text");
    let refused = guardian.run(&guardian.restoring(&["--config", &pinned])).exits(1);
    assert!(refused.sentence().contains("is of another federation than the keys"), "{}", refused.stderr);
    let own = fixture("session-v0.13.0/peer-3").into_os_string().into_string().expect("text");
    guardian.run(&guardian.restoring(&["--config", &own, "--dry-run"])).exits(0);
    archives(&guardian);
    places(&guardian);
}

/// The backup is right, the archive is not.
fn archives(guardian: &Movable) {
    let whole = fs::read(guardian.archive()).expect("the archive");
    let export = |source: &str, more: &[&str]| {
        fs::remove_file(guardian.archive()).expect("it can be removed");
        let mut words: Vec<std::ffi::OsString> = vec!["export".into(), fixture(source).into(), "--to".into()];
        words.push(guardian.archive().into());
        words.extend(more.iter().map(Into::into));
        guardian.run(&words).exits(0);
    };
    for (source, more, exit, said) in [
        ("session-v0.13.0/peer-3", &[][..], 1, "is the state of guardian 3"),
        ("session-v0.13.0-iroh/peer-0", &[], 1, "is of federation"),
        ("session-v0.13.0/peer-0", &["--profile", "history"], 2, "no archive of a guardian's full state"),
    ] {
        export(source, more);
        let refused = guardian.run(&guardian.restoring(&["--guard-until", "90"])).exits(exit);
        assert!(refused.stderr.contains(said), "{source}: {}", refused.stderr);
        assert!(!guardian.new_place().exists());
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bytes in [&flipped[..], &whole[..whole.len() / 2], &[]] {
        fs::write(guardian.archive(), bytes).expect("it can be written");
        let refused = guardian.run(&guardian.restoring(&[]));
        assert!(refused.exit == 1 || refused.exit == 3, "{}: {}", refused.exit, refused.stderr);
        assert!(!guardian.new_place().exists() && !partial_of(&guardian.new_place()).exists());
    }
    fs::write(guardian.archive(), whole).expect("it can be written");
}

/// Backup and archive are right, the place is not.
fn places(guardian: &Movable) {
    let new = guardian.new_place();
    fs::create_dir(&new).expect("it can be made");
    fs::write(new.join("mine"), "").expect("it can be written");
    let refused = guardian.run(&guardian.restoring(&[])).exits(2);
    assert!(refused.sentence().contains("is there and is not empty"), "{}", refused.stderr);
    assert!(new.join("mine").exists());
    fs::remove_file(new.join("mine")).expect("it can be removed");
    guardian.run(&guardian.restoring(&[])).exits(0);
    guardian.check_whole("into an empty directory");
    // The guardian runs there: nothing is put over it.
    drop(LiveStore::open(&new.join("database")).expect("it opens"));
    guardian.run(&guardian.restoring(&[])).exits(0);
    fs::write(new.join("local.json"), "{}").expect("it can be written");
    let refused = guardian.run(&guardian.restoring(&[])).exits(2);
    assert!(refused.sentence().contains("another configuration"), "{}", refused.stderr);
    fs::remove_dir_all(&new).expect("it can be removed");
    fs::write(&new, "a file").expect("it can be written");
    guardian.run(&guardian.restoring(&[])).exits(3);
    assert_eq!(fs::read(&new).expect("it is there"), b"a file");
    fs::remove_file(&new).expect("it can be removed");
}

#[test]
fn encrypted_keys_are_checked_with_the_password() {
    let guardian = Movable::new("session-v0.5.0/peer-0");
    guardian.run(&guardian.moving(&[])).exits(0);
    let file = guardian.beside("password");
    let with = |password: &str| {
        fs::write(&file, password).expect("it can be written");
        let path = file.to_str().expect("text").to_owned();
        guardian.run(&guardian.restoring(&["--password-file", &path, "--json"]))
    };
    let refused = with("fixtura").exits(12);
    assert!(refused.stderr.contains("wrong password") && !refused.stderr.contains("fixtura"));
    assert!(!guardian.new_place().exists());
    assert_eq!(with("fixture\n").exits(0).verdict()["private_key"], "opened");
    guardian.check_whole("with the password");
}

#[test]
fn a_configuration_is_written_encrypted_or_not_at_all() {
    use age::secrecy::ExposeSecret;
    let guardian = Movable::new("session-v0.13.0-iroh/peer-0");
    let config = guardian.beside("config.tar.age").into_os_string().into_string().expect("text");
    let refused = guardian.run(&guardian.moving(&["--with-config", &config])).exits(2);
    assert!(refused.sentence().contains("--with-config needs --recipient"), "{}", refused.stderr);
    guardian.check_back("refused");
    assert!(!guardian.archive().exists());
    let identity = age::x25519::Identity::generate();
    let key = guardian.beside("key");
    fs::write(&key, identity.to_string().expose_secret()).expect("it can be written");
    let public = identity.to_public().to_string();
    let words = ["--with-config", &config, "--recipient", &public, "--json"];
    let moved = guardian.run(&guardian.moving(&words)).exits(0).verdict();
    assert_eq!((&moved["config"], &moved["encrypted"]), (&config.as_str().into(), &true.into()));
    let bytes = fs::read(&config).expect("it is there");
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    // Nothing else is needed at the new place.
    fs::remove_file(guardian.backup()).expect("it can be removed");
    fs::rename(&config, guardian.backup()).expect("it can be renamed");
    let refused = guardian.run(&guardian.restoring(&[])).exits(12);
    assert!(refused.sentence().contains("is encrypted"), "{}", refused.stderr);
    let key = key.into_os_string().into_string().expect("text");
    guardian.run(&guardian.restoring(&["--identity", &key])).exits(0);
    guardian.check_whole("from the encrypted configuration");
    // Every night as well.
    let nightly = guardian.beside("nightly.fmar").into_os_string().into_string().expect("text");
    let source = fixture("session-v0.5.0/peer-0").into_os_string().into_string().expect("text");
    let export = |more: &[&str]| {
        let words = [&["export", &source, "--to", &nightly, "--with-config", &config][..], more].concat();
        guardian.run(&words.iter().map(Into::into).collect::<Vec<_>>())
    };
    export(&[]).exits(2);
    assert!(!Path::new(&nightly).exists() && !Path::new(&config).exists());
    export(&["--recipient", &public]).exits(0);
    let tar = fs::read(&config).expect("it is there");
    let again = export(&["--recipient", &public, "--identity", &key]).exits(0);
    assert!(again.stdout.contains("was there already"), "{}", again.stdout);
    assert!(fs::read(&config).expect("it is there") == tar);
    fs::remove_file(&nightly).expect("it can be removed");
    let refused = export(&["--recipient", &public]).exits(2);
    assert!(refused.sentence().contains("is in the way"), "{}", refused.stderr);
}

#[test]
fn a_guardian_that_runs_or_whose_files_are_odd_is_not_moved() {
    let guardian = Movable::new("session-v0.5.0/peer-0");
    let running = LiveStore::open(&guardian.old().join("database")).expect("it opens");
    guardian.run(&guardian.moving(&[])).exits(11);
    drop(running);
    guardian.fresh();
    fs::write(guardian.archive(), "mine").expect("it can be written");
    let refused = guardian.run(&guardian.moving(&[])).exits(2);
    assert!(refused.sentence().contains("is in the way"), "{}", refused.stderr);
    guardian.check_back("something else has the archive's name");
    guardian.fresh();
    let refused = guardian.run(&guardian.undoing(&[])).exits(2);
    assert!(refused.sentence().contains("was not moved"), "{}", refused.stderr);
    for (text, exit) in [("{}", 3), ("", 3), ("{\"format\": \"fm-moved\", \"version\": 2}", 3)] {
        fs::write(guardian.old().join("moved.json"), text).expect("it can be written");
        guardian.run(&guardian.moving(&[])).exits(exit);
        guardian.run(&guardian.undoing(&["--guard-until", "none"])).exits(exit);
        let node = Run::of("fm-node", &["run".into(), "--data-dir".into(), guardian.old().into()]).exits(1);
        assert!(node.sentence().contains("was moved away"), "{}", node.stderr);
    }
    guardian.fresh();
    fs::remove_file(guardian.old().join("local.json")).expect("it can be removed");
    let refused = guardian.run(&guardian.moving(&[])).exits(2);
    assert!(refused.sentence().contains("does not say which guardian it is of"), "{}", refused.stderr);
    assert!(guardian.server_would_start());
    // Rows that prove nothing: it goes back to where it was.
    guardian.fresh();
    let mut rows = fm_tests::rows(&guardian.old().join("database"));
    let outcome = rows.iter_mut().find(|(key, _)| key[0] == 4).expect("a session");
    let last = outcome.1.len() - 1;
    outcome.1[last] ^= 1;
    fs::remove_dir_all(guardian.old().join("database")).expect("it can be removed");
    let mut writer = fm_store::StoreWriter::create(&guardian.old().join("database")).expect("a database");
    rows.iter().for_each(|(key, value)| writer.push_sorted(key, value).expect("a row"));
    writer.finish().expect("a database");
    let refused = guardian.run(&guardian.moving(&[])).exits(1);
    assert!(refused.sentence().contains("is not proven"), "{}", refused.stderr);
    assert!(guardian.server_would_start() && !guardian.archive().exists());
    assert!(!guardian.old().join("moved.json").exists());
}
