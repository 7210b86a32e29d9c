//! Paths that are not what the user meant: each program says in one sentence what they are, and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fm_tests::{Movable, Run, checkpoint, copy_dir, fixture, fixture_json, verify};
use serde_json::Value;

const TODAY: &str = "session-v0.13.0";
const IROH: &str = "session-v0.13.0-iroh";

fn words(words: &[&str]) -> Vec<std::ffi::OsString> {
    words.iter().map(Into::into).collect()
}

/// Every command that reads a guardian's database says that the guardian was moved away.
#[test]
fn every_command_says_that_the_guardian_was_moved_away() {
    let guardian = Movable::new("session-v0.13.0/peer-0");
    let (old, archive) = (guardian.old(), guardian.archive());
    guardian.run(&guardian.moving(&[])).exits(0);
    let database = old.join("database");
    let (old, database) = (old.to_str().expect("text"), database.to_str().expect("text"));
    let (archive, new) = (archive.to_str().expect("text"), guardian.beside("made"));
    let new = new.to_str().expect("text");
    for place in [old, database] {
        for (program, line) in [
            ("fm-verify", vec![place, "--config", old]),
            ("fm-verify", vec!["show", place, "--session", "1"]),
            ("fm-verify", vec!["report", place, "--config", old, "--html", new]),
            ("fm-verify", vec!["prove", place, "--config", old, "--session", "1", "--out", new]),
            ("fm-verify", vec!["diff", archive, place]),
            ("fm-migrate", vec!["inspect", place]),
            ("fm-migrate", vec!["check", place, "--config", old]),
            ("fm-migrate", vec!["units", place, "--config", old]),
            ("fm-migrate", vec!["convert", place, "--config", old, "--to", new]),
            ("fm-checkpoint", vec!["inspect", place]),
            ("fm-checkpoint", vec!["verify", place]),
            ("fm-checkpoint", vec!["cat", place]),
            ("fm-checkpoint", vec!["get", place, "--session", "1"]),
            ("fm-checkpoint", vec!["import", place, "--to", new]),
            ("fm-checkpoint", vec!["export", place, "--to", new]),
            ("fm-checkpoint", vec!["compare", place, archive]),
            ("fm-checkpoint", vec!["compare", archive, place]),
        ] {
            let run = Run::of(program, &words(&line)).exits(1);
            let said = run.sentence();
            assert!(said.contains("was moved away (moved.json: moved, 2"), "{}: {}", run.line, run.stderr);
            assert!(run.stderr.contains("fm-checkpoint status"), "{}: {}", run.line, run.stderr);
        }
    }
    for (program, line) in [
        ("fm-checkpoint", vec!["create"]),
        ("fm-checkpoint", vec!["prune", "--keep", "1"]),
        ("fm-checkpoint", vec!["undo", "--yes"]),
        ("fm-checkpoint", vec!["restore", "--checkpoint", "latest", "--yes"]),
        ("fm-node", vec!["run"]),
        ("fm-node", vec!["status"]),
    ] {
        let run = Run::of(program, &words(&[&line[..], &["--data-dir", old]].concat())).exits(1);
        assert!(run.sentence().contains("was moved away"), "{}: {}", run.line, run.stderr);
    }
    assert!(!Path::new(new).exists());
    assert_eq!(fs::read_dir(Path::new(old).join("db_checkpoints")).expect("it is there").count(), 2);
}

/// When it was moved, and what to do, in text and in JSON; also if somebody removed what has the database's
/// name.
#[test]
fn a_list_says_when_the_guardian_was_moved() {
    let guardian = Movable::new("session-v0.13.0/peer-0");
    let old = guardian.old();
    checkpoint!("list", "--data-dir", old, "--json").exits(0);
    guardian.run(&guardian.moving(&[])).exits(0);
    let marker = fs::read_to_string(old.join("moved.json")).expect("it is there");
    let marker: Value = serde_json::from_str(&marker).expect("JSON");
    let when = format!("was moved away (moved.json: moved, {})", marker["began"].as_str().expect("text"));
    for is_removed in [false, true] {
        if is_removed {
            fs::remove_file(old.join("database")).expect("it can be removed");
            fs::remove_dir_all(old.join("db_checkpoints")).expect("it can be removed");
        }
        let list = checkpoint!("list", "--data-dir", old, "--json").exits(1);
        let failure = list.failure();
        assert!(failure["message"].as_str().expect("text").contains(&when), "{failure}");
        assert!(failure["hint"].as_str().expect("text").contains("move --undo"), "{failure}");
        assert!(!list.stdout.contains("bad") && !list.stderr.contains("is a file"), "{}", list.stdout);
        assert!(verify!(old.join("database")).exits(1).sentence().contains(&when));
    }
    // A marker that nobody can read is still a marker.
    fs::write(old.join("moved.json"), "{}").expect("it can be written");
    assert!(checkpoint!("list", "--data-dir", old).exits(1).sentence().contains("cannot be read"));
}

/// What is damaged at a place that no guardian left is called damaged, and so is another file there.
#[test]
fn other_damage_is_not_called_a_move() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("guardian");
    copy_dir(&fixture("session-v0.13.0/peer-0"), &dir);
    fs::remove_dir_all(dir.join("database")).expect("it can be removed");
    fs::write(dir.join("database"), "something").expect("it can be written");
    let list = checkpoint!("list", "--data-dir", dir, "--json").exits(1);
    assert_eq!(list.json()[0]["standing"], "bad");
    assert!(!verify!(dir.join("database")).exits(3).stderr.contains("moved"));
    let guardian = Movable::new("session-v0.13.0-single/peer-0");
    guardian.run(&guardian.moving(&[])).exits(0);
    let malformed = guardian.old().join("malformed.fmar");
    fs::write(&malformed, "no archive").expect("it can be written");
    assert!(!checkpoint!("inspect", malformed).exits(3).stderr.contains("moved away"));
    let missing = checkpoint!("inspect", guardian.old().join("missing.fmar")).exits(3);
    assert!(!missing.stderr.contains("moved away"), "{}", missing.stderr);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be changed");
}

/// Secrets that are read or carried, and that every user may read, are reported: of the data directory and of
/// the backup.
#[test]
fn secrets_that_others_may_read_are_told() {
    let guardian = Movable::new("session-v0.13.0/peer-0");
    let said = "every user of this system may read";
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let old = guardian.old();
    let (secret, home) = (old.join("private.json"), guardian.home().to_owned());
    let export = |number: u32| {
        let (archive, config) = (guardian.beside("n.fmar"), guardian.beside(&format!("{number}.age")));
        let _ = fs::remove_file(&archive);
        checkpoint!("export", old, "--to", archive, "--with-config", config, "--recipient", public).exits(0)
    };
    let restore = || {
        checkpoint!(
            "restore",
            "--data-dir",
            old,
            "--checkpoint",
            "latest",
            "--dry-run",
            "--guard-until",
            "40"
        )
    };
    let moving = || guardian.run(&guardian.moving(&["--dry-run"])).exits(0);
    for (number, (around, file, is_told)) in
        [(0o755, 0o644, true), (0o755, 0o640, false), (0o700, 0o644, false)].into_iter().enumerate()
    {
        mode(&home, around);
        mode(&old, 0o755);
        mode(&secret, file);
        for run in [export(u32::try_from(number).expect("few")), restore(), moving()] {
            let count = run.stderr.matches(said).count();
            assert_eq!(count, usize::from(is_told), "{}: {}", run.line, run.stderr);
            assert!(!is_told || run.stderr.contains("private.json"), "{}", run.stderr);
        }
    }
    // The backup is as secret as its directory; an encrypted one is not secret.
    guardian.run(&guardian.moving(&[])).exits(0);
    mode(&home, 0o755);
    for (file, is_told) in [(0o644, true), (0o600, false)] {
        mode(&guardian.backup(), file);
        let run = guardian.run(&guardian.restoring(&["--dry-run"])).exits(0);
        assert_eq!(run.stderr.contains(said), is_told, "{}", run.stderr);
    }
    let key = guardian.beside("key");
    fs::write(&key, age::secrecy::ExposeSecret::expose_secret(&identity.to_string()))
        .expect("it can be written");
    fs::copy(guardian.beside("0.age"), guardian.backup()).expect("it can be copied");
    mode(&guardian.backup(), 0o644);
    let key = key.to_str().expect("text");
    let run = guardian.run(&guardian.restoring(&["--dry-run", "--identity", key])).exits(0);
    assert!(!run.stderr.contains(said), "{}", run.stderr);
}

fn compare(sources: &[&Path], exit: i32) -> (Run, Value) {
    let sources = sources.iter().map(|source| source.as_os_str().to_owned());
    let mut line = words(&["compare", "--json"]);
    line.extend(sources.clone());
    let verdict = Run::of("fm-checkpoint", &line).exits(exit).verdict();
    let mut line = words(&["compare"]);
    line.extend(sources);
    (Run::of("fm-checkpoint", &line).exits(exit), verdict)
}

#[test]
fn guardians_of_two_federations_are_no_difference_of_one() {
    let home = tempfile::tempdir().expect("a directory");
    let (one, two) = (fixture(&format!("{TODAY}/peer-0")), fixture(&format!("{IROH}/peer-0")));
    let archive = home.path().join("two.fmar");
    checkpoint!("export", two, "--to", archive).exits(0);
    for sources in [[&*one, &*two], [&*one, &*archive], [&*archive, &*one]] {
        let (text, verdict) = compare(&sources, 1);
        assert_eq!(verdict["verdict"], "different-federations");
        assert!(text.stdout.contains("these are two federations"), "{}", text.stdout);
        for federation in [TODAY, IROH] {
            let truth = fixture_json(&format!("{federation}/truth.json"));
            let id = truth["peers"]["peer-0"]["federation_id"].as_str().expect("an id");
            assert!(text.stdout.contains(&format!("federation {id}: ")), "{}", text.stdout);
        }
    }
    // One federation, and a source that names none.
    let (_, verdict) = compare(&[&two, &archive], 0);
    assert_eq!(verdict["verdict"], "equal");
    let bare = home.path().join("bare");
    copy_dir(&one.join("database"), &bare);
    let (_, verdict) = compare(&[&bare, &two], 1);
    assert_eq!(verdict["verdict"], "different");
    // Another configuration beside the same history does not make it another federation.
    let other = home.path().join("other");
    fs::create_dir(&other).expect("a directory");
    copy_dir(&two.join("database"), &other.join("database"));
    fs::copy(one.join("consensus.json"), other.join("consensus.json")).expect("it can be copied");
    let (_, verdict) = compare(&[&two, &other], 0);
    assert_eq!(verdict["verdict"], "equal");
}

#[test]
fn a_restore_says_what_a_directory_is_and_which_was_meant() {
    let home = tempfile::tempdir().expect("a directory");
    let all = home.path().join("all");
    let guardians: Vec<PathBuf> = ["peer-0", "peer-3"].iter().map(|name| all.join(name)).collect();
    for guardian in &guardians {
        let name = guardian.file_name().expect("a name").to_str().expect("text");
        copy_dir(&fixture(&format!("{TODAY}/{name}")), guardian);
    }
    let said = |path: &Path, more: &[&str]| {
        let line =
            words(&["restore", "--data-dir", path.to_str().expect("text"), "--checkpoint", "21", "--yes"]);
        let line: Vec<_> = line.into_iter().chain(words(more)).collect();
        Run::of("fm-checkpoint", &line).exits(2).sentence().to_owned()
    };
    let config = guardians[0].join("consensus.json");
    for more in [&[][..], &["--config", config.to_str().expect("text")]] {
        let text = said(&all, more);
        assert!(
            text.contains("it holds those of 2 guardians (peer-0, peer-3), and one of them is meant"),
            "{text}"
        );
        for inner in ["database", "db_checkpoints/21"] {
            let text = said(&guardians[0].join(inner), more);
            let meant = format!("it is a database itself; the data directory is {}", guardians[0].display());
            assert!(text.contains(&meant), "{text}");
        }
        let text = said(&guardians[0].join("db_checkpoints"), more);
        assert!(text.contains(&format!("whose data directory is {}", guardians[0].display())), "{text}");
    }
    fs::remove_dir_all(&guardians[1]).expect("it can be removed");
    let text = said(&all, &[]);
    assert!(text.contains(&format!("{} in it is one", guardians[0].display())), "{text}");
    // A database that lies alone belongs to no data directory.
    let bare = home.path().join("bare");
    copy_dir(&guardians[0].join("database"), &bare);
    let text = said(&bare, &[]);
    assert!(text.ends_with("it is a database itself"), "{text}");
}

/// The configuration that an export wrote is neither JSON nor a tar.
#[test]
fn an_encrypted_configuration_is_called_encrypted() {
    let home = tempfile::tempdir().expect("a directory");
    let (guardian, age) = (fixture(&format!("{TODAY}/peer-0")), home.path().join("it is mine.tar.age"));
    let public = age::x25519::Identity::generate().to_public().to_string();
    let archive = home.path().join("g.fmar");
    checkpoint!("export", guardian, "--to", archive, "--with-config", age, "--recipient", public).exits(0);
    let plain = home.path().join("plain.fmar");
    checkpoint!("export", guardian, "--to", plain).exits(0);
    let armored = home.path().join("armored");
    fs::write(&armored, "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n").expect("it can be written");
    let new = home.path().join("new");
    for config in [&age, &armored] {
        let [guardian, config, plain, new] =
            [&guardian, config, &plain, &new].map(|path| path.to_str().expect("text"));
        for (program, line) in [
            ("fm-verify", vec![guardian, "--config", config]),
            ("fm-verify", vec![guardian, "--keys", config]),
            ("fm-verify", vec!["keys", config]),
            ("fm-verify", vec!["report", guardian, "--config", config, "--html", new]),
            ("fm-verify", vec!["prove", guardian, "--config", config, "--session", "1", "--out", new]),
            ("fm-migrate", vec!["inspect", guardian, "--config", config]),
            ("fm-migrate", vec!["units", guardian, "--config", config]),
            ("fm-migrate", vec!["check", guardian, "--config", config]),
            ("fm-migrate", vec!["attest", "--dir", guardian, "--config", config, "--out", new]),
            ("fm-checkpoint", vec!["list", "--data-dir", guardian, "--config", config]),
            ("fm-checkpoint", vec!["verify", plain, "--config", config]),
            ("fm-checkpoint", vec!["get", plain, "--session", "1", "--config", config]),
            ("fm-checkpoint", vec!["import", plain, "--to", new, "--config", config]),
            ("fm-checkpoint", vec!["compare", plain, plain, "--config", config]),
        ] {
            let run = Run::of(program, &words(&line));
            let said = run.sentence();
            assert!(run.exit == 2 && said.contains("is encrypted with age"), "{}: {}", run.line, run.stderr);
            assert!(said.contains("age -d -i KEY.txt"), "{}: {}", run.line, run.stderr);
            assert!(!run.stderr.contains("JSON"), "{}: {}", run.line, run.stderr);
        }
    }
}

#[test]
fn load_is_not_for_federations_of_servers() {
    let home = tempfile::tempdir().expect("a directory");
    for federation in [TODAY, IROH, "session-v0.13.0-single"] {
        let whole = fixture(federation);
        // With the names that `dev` uses for guardians.
        let numbered = home.path().join(federation);
        copy_dir(&whole.join("peer-0"), &numbered.join("0"));
        for dir in [whole.clone(), whole.join("peer-0"), numbered] {
            let line = words(&["load", "--dir", dir.to_str().expect("text"), "--seconds", "1"]);
            let run = Run::of("fm-node", &line).exits(2);
            let said = run.sentence();
            assert!(said.contains("is a guardian of a federation of servers (modules "), "{}", run.stderr);
            assert!(run.stderr.contains("fm-node dev --dir NEW"), "{}", run.stderr);
        }
    }
}
