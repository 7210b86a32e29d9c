//! A guardian moves to another place: its last state, its configuration, and an old place where nothing
//! starts any more.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fm_store::LiveStore;
use fm_tests::{Fault, Movable, Run, copy_dir, fixture};
use serde_json::Value;

/// Real guardians with every form of configuration: encrypted keys, keys in clear, over TCP and over iroh,
/// alone.
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
        // As every server opens it: a missing directory would be made.
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
        guardian.check_finished(name);
        assert!(!guardian.new_place().join("equivocation-guard.json").exists(), "{name}");
        let exists = guardian.run(&guardian.restoring(&["--json"])).exits(0).verdict();
        assert_eq!(exists["verdict"], "exists", "{name}");
        // Back, only if the user says so.
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
            // Without room for the marker of the undo, the move's marker says how to continue.
            guardian.run(&guardian.moving(&[])).exits(0);
            guardian.check_moved(&context);
        }
    }
    panic!("it never has room enough");
}

/// Returns the last step according to `moved.json`.
fn step(old: &Path) -> String {
    let Ok(text) = fs::read_to_string(old.join("moved.json")) else { return "none".to_owned() };
    let marker: Value = serde_json::from_str(&text).expect("the marker is JSON at every moment");
    marker["step"].as_str().expect("a step").to_owned()
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
    // A copy of a checkpoint in the database's place does not show what was signed.
    let copy = Movable::new("session-v0.5.0/peer-0");
    fs::remove_dir_all(copy.old().join("database")).expect("it can be removed");
    fm_tests::copy_dir(&copy.old().join("db_checkpoints/24"), &copy.old().join("database"));
    let refused = copy.run(&copy.moving(&[])).exits(2);
    assert!(refused.sentence().contains("at least 26"), "{}", refused.stderr);
    assert!(copy.server_would_start() && !copy.archive().exists());
    let moved = copy.run(&copy.moving(&["--guard-until", "27", "--json"])).exits(0).verdict();
    assert_eq!(moved["guard_until"], 27);
    assert_eq!(copy.run(&copy.restoring(&["--json"])).exits(0).verdict()["guard_until"], 27);
    // And undone: what was signed at the new place is guarded at the old one.
    let refused = copy.run(&copy.undoing(&["--guard-until", "24"])).exits(2);
    assert!(refused.sentence().contains("is too low"), "{}", refused.stderr);
    copy.run(&copy.undoing(&["--guard-until", "31"])).exits(0);
    let guard = fs::read_to_string(copy.old().join("equivocation-guard.json")).expect("a guard");
    let guard: Value = serde_json::from_str(&guard).expect("JSON");
    assert_eq!((&guard["until_session"], &guard["reason"]), (&31.into(), &"undo".into()));
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
    guardian.check_finished("from the encrypted configuration");
    // The nightly export writes it as well.
    let nightly = guardian.beside("nightly.fmar").into_os_string().into_string().expect("text");
    let source = fixture("session-v0.5.0/peer-0").into_os_string().into_string().expect("text");
    let export = |more: &[&str]| {
        let words = [&["export", &source, "--to", &nightly, "--with-config", &config][..], more].concat();
        guardian.run(&words.iter().map(Into::into).collect::<Vec<_>>())
    };
    export(&[]).exits(2);
    assert!(!Path::new(&nightly).exists() && !Path::new(&config).exists());
    export(&["--recipient", &public]).exits(0);
    // A reader of the secrets where they lie needs no archive.
    let home = guardian.beside("");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    let (open, other) = (guardian.beside("open"), guardian.beside("other.fmar"));
    copy_dir(&fixture("session-v0.13.0/peer-0"), &open);
    let said = |mode| {
        fs::set_permissions(open.join("private.json"), fs::Permissions::from_mode(mode)).expect("its mode");
        let (to, tar) = (other.with_extension(format!("{mode:o}")), config.clone() + &format!("{mode:o}"));
        let words: [OsString; 8] = [
            "export".into(),
            open.clone().into(),
            "--to".into(),
            to.into(),
            "--with-config".into(),
            tar.into(),
            "--recipient".into(),
            public.clone().into(),
        ];
        guardian.run(&words).exits(0).stderr
    };
    let reported = said(0o644);
    assert!(reported.contains("every user of this system may read"), "{reported}");
    assert_eq!(said(0o640), "");
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
    // Rows that prove nothing: the guardian returns to its old place.
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
