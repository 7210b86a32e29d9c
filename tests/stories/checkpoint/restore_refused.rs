//! What is not restored: nothing is changed, and the reason is reported.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_forge::BlockSpec;
use fm_forge::damage::edit_block;
use fm_tests::{
    Restorable, Run, Sessions, copy_dir, digest, fixture, hbbft, layout, migrate, rewrite_database,
};

use rustix::fs::{FlockOperation, fcntl_lock};

/// Its name, the exit status, and the function that makes such a data directory.
type Lie = (&'static str, i32, fn(&Path));

/// Asserts that the restore is refused, with nothing changed.
#[track_caller]
fn refused(guardian: &Restorable, words: &[&str], exit: i32, said: &str) {
    let before = digest(&guardian.path());
    let run = guardian.run("restore", &[words, &["--yes"]].concat()).exits(exit);
    assert!(run.sentence().contains(said), "{}", run.stderr);
    assert_eq!(digest(&guardian.path()), before, "{words:?}");
    let run = guardian.run("restore", &[words, &["--yes", "--json"]].concat()).exits(exit);
    assert_eq!(run.verdict()["verdict"], "refused");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn export(source: &Path, config: &Path, to: &Path, more: &[&str]) {
    let mut words: Vec<OsString> = vec!["export".into(), source.into(), "--to".into(), to.into()];
    words.extend(["--config".into(), config.into()]);
    words.extend(more.iter().map(OsString::from));
    Run::of("fm-checkpoint", &words).exits(0);
}

#[test]
fn checkpoints_that_are_not_whole() {
    let break_it: [Lie; 5] = [
        ("000084.sst is missing", 3, |path| fs::remove_file(path.join("000084.sst")).expect("the file")),
        // A server had it open, so there was a log, and it is lost.
        ("is not whole", 1, |path| {
            fs::remove_file(path.join("000083.log")).expect("the file");
            fs::write(path.join("LOCK"), "").expect("a file");
        }),
        ("checksum mismatch", 3, |path| {
            let file = path.join("000084.sst");
            let mut bytes = fs::read(&file).expect("the file");
            bytes[900] ^= 4;
            fs::write(file, bytes).expect("the file");
        }),
        ("has no CURRENT file", 3, |path| fs::remove_file(path.join("CURRENT")).expect("the file")),
        ("ends with session 23, not with session 24", 1, |path| {
            fs::remove_dir_all(path).expect("the checkpoint");
            copy_dir(&path.with_file_name("23"), path);
        }),
    ];
    for (said, exit, harm) in break_it {
        let guardian = Restorable::new(0);
        harm(&guardian.path().join("db_checkpoints/24"));
        refused(&guardian, &["--checkpoint", "24"], exit, said);
    }
    let guardian = Restorable::new(0);
    refused(&guardian, &["--checkpoint", "7"], 3, "does not exist");
}

#[test]
fn keys_that_are_not_right() {
    let guardian = Restorable::new(0);
    let other = fixture("session-v0.2.0-rc1/peer-0");
    refused(&guardian, &["--checkpoint", "24", "--config", text(&other)], 1, "wrong-keys");
    let epochs = hbbft("peer-0");
    refused(&guardian, &["--checkpoint", "24", "--config", text(&epochs)], 1, "wrong-keys");
    // The message says which keys these were, and who named them.
    let named = guardian.restore(24, &["--config", text(&other), "--dry-run"]).exits(1);
    let path = other.join("consensus.json");
    assert!(named.sentence().contains(&format!("(keys: {}, --config)", path.display())), "{}", named.stderr);
    assert!(named.stderr.contains("--config, or its keys with --keys"), "{}", named.stderr);
    assert!(!named.stderr.contains("may hold"), "{}", named.stderr);
    let words = guardian.words("restore", &["--checkpoint", "24", "--dry-run"]);
    let mut command = fm_tests::command(fm_tests::binary("fm-checkpoint"));
    let output = command.args(&words).env("FM_CONFIG", &other).output().expect("it starts");
    let named = Run::from_output("FM_CONFIG".to_owned(), output).exits(1);
    assert!(named.sentence().contains(&format!("(keys: {}, FM_CONFIG)", path.display())), "{}", named.stderr);
    let config = guardian.path().join("consensus.json");
    let kept = fs::read(&config).expect("the config");
    fs::remove_file(&config).expect("the config");
    refused(&guardian, &["--checkpoint", "24"], 3, "cannot read");
    fs::write(&config, "{}").expect("the config");
    refused(&guardian, &["--checkpoint", "24"], 2, "not a consensus configuration");
    fs::write(&config, kept).expect("the config");
    guardian.restore(24, &["--dry-run"]).exits(0);
}

#[test]
fn archives_that_are_not_this_guardians_full_state() {
    let guardian = Restorable::new(0);
    let own = guardian.path().join("db_checkpoints/24");
    let archive = |name: &str| guardian.beside(name);
    for profile in ["history", "headers"] {
        export(&own, &guardian.path(), &archive(profile), &["--profile", profile]);
        refused(
            &guardian,
            &["--archive", text(&archive(profile))],
            2,
            "not an archive of a guardian's full state",
        );
    }
    // Another guardian's archive, and one that does not say whose it is.
    let peer = fixture("session-v0.5.0/peer-2/db_checkpoints/24");
    export(&peer, &guardian.path(), &archive("peer"), &[]);
    let nobody = archive("nobody");
    copy_dir(&own, &archive("bare"));
    export(&archive("bare"), &guardian.path(), &nobody, &[]);
    refused(&guardian, &["--archive", text(&nobody)], 1, "is the state of guardian unknown");
    refused(&guardian, &["--archive", text(&archive("peer"))], 1, "is the state of guardian");
    let peer = archive("peer");
    let accepted = ["--archive", text(&peer), "--accept-other-guardian", "--dry-run"];
    guardian.run("restore", &accepted).exits(0);
    // Another federation's archive, and one that only claims to be.
    let (folder, foreign) = ("session-v0.2.0-rc1/peer-0", archive("foreign"));
    export(&fixture(folder), &fixture(folder), &foreign, &[]);
    refused(&guardian, &["--archive", text(&foreign)], 1, "is of federation");
    // What a conversion archived.
    let migrated = archive("migrated");
    migrate!("convert", "--from", own, "--config", guardian.path(), "--to", migrated).exits(0);
    refused(&guardian, &["--archive", text(&migrated.join("provenance.fmar"))], 2, "full state");
    refused(&guardian, &["--archive", text(&migrated)], 2, "the work of a conversion");
    // HoneyBadger epochs.
    let epochs = archive("epochs");
    export(&hbbft("peer-0"), &hbbft("peer-0"), &epochs, &[]);
    let keys = hbbft("peer-0");
    refused(&guardian, &["--archive", text(&epochs)], 1, "is of federation");
    let keys_file = archive("keys.json");
    fs::write(&keys_file, own_keys(&guardian)).expect("a file");
    refused(&guardian, &["--archive", text(&epochs), "--keys", text(&keys_file)], 2, "era A2");
    assert!(keys.exists());
    // A file that is not an archive, and one that is cut off.
    refused(&guardian, &["--archive", text(&guardian.path().join("local.json"))], 3, "archive");
    let whole = archive("whole");
    export(&own, &guardian.path(), &whole, &[]);
    let bytes = fs::read(&whole).expect("the archive");
    for (name, cut) in [("cut", bytes.len() - 9), ("half", bytes.len() / 2)] {
        fs::write(archive(name), &bytes[..cut]).expect("a file");
        refused(&guardian, &["--archive", text(&archive(name))], 3, "archive");
    }
    let mut flipped = bytes;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(archive("flipped"), flipped).expect("a file");
    let run = guardian.run("restore", &["--archive", text(&archive("flipped")), "--yes"]);
    assert!(matches!(run.exit, 1 | 3), "{}", run.stderr);
    assert_eq!(guardian.entries(), ["database"]);
}

/// Returns the keys of the federation without its id.
fn own_keys(guardian: &Restorable) -> String {
    let config = fs::read_to_string(guardian.path().join("consensus.json")).expect("the config");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    config["broadcast_public_keys"].to_string()
}

/// Histories that a threshold signed twice: the minority's is not restored.
#[test]
fn a_peer_that_disagrees() {
    let federation = Sessions::new(BlockSpec { pending: 0, ..BlockSpec::new(layout("v0.4"), 9) });
    let guardian = federation.beside("guardian");
    copy_dir(&federation.database(), &guardian.join("db_checkpoints/8"));
    let keys = guardian.join("keys.json");
    let other = |name: &str| {
        let dir = federation.beside(name);
        copy_dir(&guardian.join("database"), &dir.join("database"));
        let layout = layout("v0.4");
        let edit = edit_block(6, layout, |block| {
            block.items.truncate(block.items.len().saturating_sub(1));
            federation.forged.sign(6, block, layout, &[0, 1, 2]);
        });
        // Its transactions stay in the index, so that only the history is looked at.
        rewrite_database(&dir, edit, &[]);
        dir
    };
    let (one, two) = (other("one"), other("two"));
    let same = federation.beside("same");
    copy_dir(&guardian.join("database"), &same.join("database"));
    let run = |compare: &[&Path]| {
        let mut words: Vec<OsString> = vec!["restore".into(), "--data-dir".into(), guardian.clone().into()];
        words.extend(["--checkpoint".into(), "8".into(), "--keys".into(), keys.clone().into()]);
        words.extend(["--dry-run".into(), "--guard-until".into(), "99".into()]);
        for path in compare {
            words.extend(["--compare".into(), OsString::from(path)]);
        }
        Run::of("fm-checkpoint", &words)
    };
    run(&[]).exits(0);
    for (compare, said) in [
        (vec![one.as_path()], "1 of 2 differ"),
        (vec![one.as_path(), two.as_path()], "2 of 3 differ"),
        (vec![one.as_path(), same.as_path(), two.as_path()], "2 of 4 differ"),
    ] {
        let refused = run(&compare).exits(1);
        assert!(refused.sentence().contains(said), "{}", refused.stderr);
        assert!(refused.sentence().contains("has another history than most"), "{}", refused.stderr);
    }
    let outvoted = run(&[one.as_path(), same.as_path()]).exits(0);
    assert!(outvoted.stdout.contains("DIFFERS up to session 8"), "{}", outvoted.stdout);
    run(&[same.as_path()]).exits(0);
    // A copy that is not proven itself is not a witness.
    let damaged = federation.beside("damaged");
    copy_dir(&guardian.join("database"), &damaged.join("database"));
    rewrite_database(&damaged, edit_block(3, layout("v0.4"), |block| block.signatures.clear()), &[]);
    let refused = run(&[damaged.as_path()]).exits(1);
    assert!(refused.sentence().contains("is not proven"), "{}", refused.stderr);
}

/// Locks a file as a server does that has the database open: in RocksDB's way, or in that of servers from
/// v0.7 on.
fn held(path: &Path, by_rocksdb: bool) -> fs::File {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("the file");
    if by_rocksdb {
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).expect("the lock");
    } else {
        file.lock().expect("the lock");
    }
    file
}

#[test]
fn while_a_server_runs() {
    let guardian = Restorable::new(0);
    fs::write(guardian.path().join("database.db.lock"), "").expect("a file");
    let run = |command: &str, more: &[&str]| guardian.run(command, &[&["--yes"], more].concat());
    let undo_is_refused = || {
        let refused = run("undo", &[]).exits(11);
        assert!(refused.sentence().contains("is in use"), "{}", refused.stderr);
    };
    for (name, by_rocksdb) in [("database/LOCK", true), ("database.db.lock", false)] {
        let server = held(&guardian.path().join(name), by_rocksdb);
        let refused = run("restore", &["--checkpoint", "24"]).exits(11);
        assert!(refused.sentence().contains("is in use"), "{}", refused.stderr);
        assert_eq!(guardian.entries(), ["database", "database.db.lock"]);
        drop(server);
        guardian.restore(24, &[]).exits(0);
        let server = held(&guardian.path().join(name), by_rocksdb);
        undo_is_refused();
        drop(server);
        run("undo", &[]).exits(0);
        fs::remove_dir_all(guardian.entry("database.undone-")).expect("the restored database");
        fs::remove_dir_all(guardian.path().join("restore-journal")).expect("the journals");
    }
}

#[test]
fn names_that_are_taken_and_files_that_are_not_ours() {
    let lay: [Lie; 9] = [
        ("is a symbolic link", 2, |dir| {
            let away = dir.with_file_name("away");
            fs::rename(dir.join("database"), &away).expect("the database");
            std::os::unix::fs::symlink(away, dir.join("database")).expect("a link");
        }),
        ("is a symbolic link", 2, |dir| {
            std::os::unix::fs::symlink(dir.join("db_checkpoints"), dir.join("restore-journal"))
                .expect("a link");
        }),
        ("is a file, not a RocksDB directory", 3, |dir| {
            fs::remove_dir_all(dir.join("database")).expect("the database");
            fs::write(dir.join("database"), "mine").expect("a file");
        }),
        ("is in the way", 2, |dir| {
            fs::create_dir(dir.join("database.restore-1.partial")).expect("a directory")
        }),
        ("is not what these tools write", 3, |dir| journal(dir, "{}")),
        ("is not what these tools write", 3, |dir| journal(dir, "\u{0}")),
        ("is of version 2 of its format", 3, |dir| {
            journal(dir, r#"{"format":"fm-restore-journal","version":2}"#);
        }),
        ("is of version 7 of its format", 3, |dir| {
            let text = r#"{"format":"fm-equivocation-guard","version":7}"#;
            fs::write(dir.join("equivocation-guard.json"), text).expect("a file");
        }),
        ("is not what these tools write", 3, |dir| {
            fs::write(dir.join("equivocation-guard.json"), vec![b' '; 2 << 20]).expect("a file");
        }),
    ];
    for (said, exit, prepare) in lay {
        let guardian = Restorable::new(0);
        prepare(&guardian.path());
        refused(&guardian, &["--checkpoint", "24"], exit, said);
    }
    let guardian = Restorable::new(0);
    for (path, said) in [
        (guardian.path().join("nowhere"), "does not exist"),
        (guardian.path().join("local.json"), "it is a file"),
        (guardian.database(), "it is a database itself"),
    ] {
        for command in ["restore", "undo", "status"] {
            let mut words: Vec<OsString> = vec![command.into(), "--data-dir".into(), path.clone().into()];
            if command == "restore" {
                words.extend(["--checkpoint".into(), "24".into()]);
            }
            let run = Run::of("fm-checkpoint", &words);
            assert!(matches!(run.exit, 2 | 3) && run.sentence().contains(said), "{}", run.stderr);
        }
    }
}

fn journal(dir: &Path, text: &str) {
    fs::create_dir(dir.join("restore-journal")).expect("a directory");
    fs::write(dir.join("restore-journal/1.json"), text).expect("a file");
}

/// The journal of an unfinished restore, changed by hand: refused, and nothing outside is touched.
#[test]
fn a_journal_that_lies() {
    for (from, to) in [
        ("\"began\": \"2", "\"began\": \"../../2"),
        ("\"step\": \"done\"", "\"step\": \"finished\""),
        ("\"had_database\": true", "\"had_database\": 1"),
        ("\"layout\": \"v0.4\"", "\"layout\": 4"),
        ("\"tool_version\"", "\"tool\""),
    ] {
        let guardian = Restorable::new(0);
        guardian.restore(24, &[]).exits(0);
        let path = guardian.path().join("restore-journal/1.json");
        let text = fs::read_to_string(&path).expect("the journal");
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).expect("the journal");
        let before = digest(&guardian.path());
        for command in ["undo", "status"] {
            let more: &[&str] = if command == "undo" { &["--yes"] } else { &[] };
            let run = guardian.run(command, more).exits(3);
            assert!(run.sentence().contains("is not what these tools write"), "{}", run.stderr);
        }
        assert_eq!(digest(&guardian.path()), before);
    }
    // The database in place is not the restored one: it cannot be undone.
    let guardian = Restorable::new(0);
    guardian.restore(24, &[]).exits(0);
    fs::remove_file(guardian.database().join(".fm-restore")).expect("the mark");
    let run = guardian.run("undo", &["--yes"]).exits(3);
    assert!(run.sentence().contains("it is not the one that the restore made"), "{}", run.stderr);
    // It cannot be undone without the old database either.
    let guardian = Restorable::new(0);
    guardian.restore(24, &[]).exits(0);
    fs::remove_dir_all(guardian.entry("database.broken-")).expect("the old database");
    let run = guardian.run("undo", &["--yes"]).exits(3);
    assert!(run.sentence().contains("does not exist"), "{}", run.stderr);
}
