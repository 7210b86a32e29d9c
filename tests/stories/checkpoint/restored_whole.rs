//! A whole guardian from its server's backup and an archive: all or nothing, and only from parts that belong
//! together.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fm_store::LiveStore;
use fm_tests::{Fault, Movable, Run, fixture, partial_of, shell};
use serde_json::Value;

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
                    guardian.check_finished(&context);
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
                guardian.check_finished(&context);
                // Some of the many equal moments inside the database.
                at += if skip.is_empty() { 23 } else { 1 };
            }
        }
    }
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
    let plan = alone.run(&alone.restoring(&["--dry-run"])).exits(0).stdout;
    assert!(plan.contains("FOR EVER   this federation has one guardian"), "{plan}");
    assert_eq!(alone.run(&alone.restoring(&["--json"])).exits(0).verdict()["guard_until"], Value::Null);
    alone.check_finished("alone");
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
            12,
            "holds the key of guardian 0, and not the key of guardian 3",
        ),
        (
            "another guardian's key",
            mixed("session-v0.13.0/peer-3", "private.json"),
            12,
            "holds the key of guardian 3, and not the key of guardian 0",
        ),
        (
            "another federation's keys",
            mixed(iroh, "consensus.json"),
            12,
            "does not hold the key of guardian 0 of consensus.json, nor of any other",
        ),
        (
            "cut short",
            good[..good.len() / 2].to_vec(),
            2,
            "is not a guardian's whole backup: it is cut short",
        ),
        ("empty", Vec::new(), 2, "is not a guardian's whole backup: it is not a tar"),
        (
            "an archive",
            fs::read(guardian.archive()).expect("the archive"),
            2,
            "is not a guardian's whole backup: it is not a tar",
        ),
    ];
    for (name, bytes, exit, said) in cases {
        fs::write(guardian.backup(), bytes).expect("it can be written");
        let refused = guardian.run(&guardian.restoring(&[])).exits(exit);
        assert!(refused.stderr.contains(said), "{name}: {}", refused.stderr);
        assert!(!guardian.new_place().exists() && !partial_of(&guardian.new_place()).exists(), "{name}");
    }
    fs::write(guardian.backup(), &good).expect("it can be written");
    // The keys that the user pinned are another federation's.
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
        ("session-v0.13.0/peer-0", &["--profile", "history"], 2, "not an archive of a guardian's full state"),
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
    guardian.check_finished("into an empty directory");
    // The guardian runs there: nothing is written over it.
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
    guardian.check_finished("with the password");
}

/// A volume that is mounted at the place cannot be replaced; inside it there is room.
#[test]
fn a_mount_point_is_refused_and_a_directory_in_it_is_not() {
    let guardian = Movable::new("session-v0.13.0-single/peer-0");
    guardian.run(&guardian.moving(&[])).exits(0);
    fs::create_dir(guardian.new_place()).expect("it can be made");
    let script = r#"exec unshare -rm sh -c '
        mount -t tmpfs tmpfs "$1" || exit 99
        place=$1 program=$2; shift 2
        "$program" restore --data-dir "$place" "$@"; [ $? = 2 ] || exit 98
        [ -z "$(ls -A "$place")" ] || exit 97
        "$program" restore --data-dir "$place/new" "$@" || exit 96
        ls "$place/new"
    ' sh "$@""#;
    let words = guardian.restoring(&[]);
    let start = [guardian.new_place().into(), fm_tests::binary("fm-checkpoint").into()];
    let run = shell(script, &[&start[..], &words[3..]].concat()).exits(0);
    assert!(run.stderr.contains("is a mount point, and a whole guardian takes its place"), "{}", run.stderr);
    assert!(run.stdout.ends_with("consensus.json\ndatabase\nlocal.json\nprivate.json\n"), "{}", run.stdout);
}
