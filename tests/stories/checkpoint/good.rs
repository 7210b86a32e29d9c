//! One meaning of a good checkpoint (whole, damaged, or impossible to read now) in `list`, `prune`, `export`,
//! `restore` and in the archives that are made from it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fm_eras::session::session_key;
use fm_forge::damage;
use fm_tests::{
    Restorable, Run, binary, checkpoint, codes, copy_dir, digest, fixture, migrate, rows, shell, verify,
};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Copies checkpoints of real servers of seven guardians: peer 2's has no write-ahead log, peer 3's has one.
fn seven(peer: u16) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let directory = home.path().join("guardian");
    copy_dir(&fixture(&format!("checkpoints-v0.5.0/peer-{peer}")), &directory);
    (home, directory)
}

fn list(directory: &Path, config: &Path, exit: i32) -> (Vec<Value>, Value) {
    let run = checkpoint!("list", "--data-dir", directory, "--config", config, "--json").exits(exit);
    let mut lines = run.json();
    let verdict = lines.pop().expect("a verdict");
    assert_eq!(verdict["verdict"], "listed");
    (lines, verdict)
}

/// Returns the standing of a checkpoint in the list.
fn standing(directory: &Path, name: &str, exit: i32) -> String {
    let (lines, _) = list(directory, directory, exit);
    let line = lines.iter().find(|line| line["path"].as_str().is_some_and(|path| path.ends_with(name)));
    line.unwrap_or_else(|| panic!("{name}: {lines:?}"))["standing"].as_str().expect("a text").to_owned()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("db_checkpoints")).expect("it is there");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

fn restore(directory: &Path, name: &str) -> Run {
    let words = ["--guard-until", "99", "--dry-run"];
    checkpoint!("restore", "--data-dir", directory, "--checkpoint", name, words[0], words[1], words[2])
}

fn found(run: &Run) -> Vec<String> {
    codes(&run.findings()).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn a_checkpoint_without_its_empty_log_is_whole() {
    for (peer, found_codes) in [(2, vec!["log-empty".to_owned()]), (3, vec![])] {
        let (home, directory) = seven(peer);
        let before = digest(&directory);
        let path = directory.join("db_checkpoints/8");
        let run = verify!(path, "--config", directory, "--json").exits(0);
        assert_eq!((found(&run), &run.verdict()["sessions"]), (found_codes.clone(), &json!(9)), "{peer}");
        assert_eq!(standing(&directory, "8", 0), "good");
        restore(&directory, "8").exits(0);
        assert!(restore(&directory, "latest").exits(0).stdout.contains("restore    checkpoint 8"));
        let archive = home.path().join("a.fmar");
        checkpoint!("export", path, "--to", archive, "--config", directory).exits(0);
        let run = checkpoint!("verify", archive, "--config", directory, "--json").exits(0);
        assert_eq!((found(&run), &run.verdict()["verdict"]), (found_codes, &json!("sound")));
        checkpoint!("prune", "--data-dir", directory, "--keep", "0", "--config", directory).exits(0);
        assert_eq!(digest(&directory), before);
        // A copy of it has the log again, and is whole under any name.
        let copy = home.path().join("copy");
        checkpoint!("create", "--data-dir", path, "--to", copy).exits(0);
        assert!(rows(&copy) == rows(&path));
        assert_eq!(found(&verify!(copy, "--config", directory, "--json").exits(0)), [""; 0]);
    }
}

/// A file that servers make when they open a database: so there was a log, and it is lost.
#[test]
fn a_database_that_lost_its_log_is_not_whole() {
    for name in ["LOCK", "IDENTITY", "LOG"] {
        let (home, directory) = seven(2);
        fs::write(directory.join("db_checkpoints/8").join(name), "").expect("a file");
        let path = directory.join("db_checkpoints/8");
        assert_eq!(
            found(&verify!(path, "--config", directory, "--json").exits(1)),
            ["log-missing"],
            "{name}"
        );
        assert_eq!(standing(&directory, "8", 1), "bad");
        assert!(restore(&directory, "8").exits(1).sentence().contains("is not whole"));
        let to = home.path().join("a.fmar");
        assert!(checkpoint!("export", path, "--to", to).exits(1).sentence().contains("is not proven"));
        checkpoint!("prune", "--data-dir", directory, "--keep", "0").exits(1);
        assert_eq!(names(&directory), ["8"]);
    }
}

/// Under another name, nothing shows that it is not a copy of a database: the evidence for either is
/// reported, and the name decides.
#[test]
fn a_checkpoint_without_a_log_under_another_name_is_taken_by_name() {
    let (home, directory) = seven(2);
    let checkpoints = directory.join("db_checkpoints");
    fs::rename(checkpoints.join("8"), checkpoints.join("mine")).expect("it can be renamed");
    let path = checkpoints.join("mine");
    let run = verify!(path, "--config", directory, "--json").exits(0);
    let [finding] = run.findings().try_into().expect("one finding");
    assert_eq!((&finding["code"], &finding["severity"]), (&json!("log-unknown"), &json!("warning")));
    for said in
        ["no LOCK, IDENTITY or LOG", "no item and no unit", "its name does not say its last session, 8"]
    {
        assert!(finding["message"].as_str().is_some_and(|message| message.contains(said)), "{finding}");
    }
    assert_eq!(standing(&directory, "mine", 3), "unknown");
    let run = restore(&directory, "mine").exits(0);
    assert!(run.stdout.contains("warning    log-unknown: there is no write-ahead log"), "{}", run.stdout);
    assert!(restore(&directory, "latest").exits(3).sentence().contains("none of the 1 checkpoint(s)"));
    let archive = home.path().join("a.fmar");
    checkpoint!("export", path, "--to", archive, "--config", directory).exits(0);
    assert_eq!(
        found(&checkpoint!("verify", archive, "--config", directory, "--json").exits(0)),
        ["log-unknown"]
    );
    checkpoint!("verify", archive, "--config", directory, "--strict").exits(1);
    // A link with the right name makes it known again; so do the names of `create`.
    symlink("mine", checkpoints.join("8")).expect("a link");
    assert_eq!(standing(&directory, "/8", 3), "good");
    fs::remove_file(checkpoints.join("8")).expect("the link");
    fs::rename(&path, checkpoints.join("8-20261129T193427Z")).expect("it can be renamed");
    assert_eq!(standing(&directory, "8-20261129T193427Z", 0), "good");
}

#[test]
fn a_torn_end_of_the_log_is_good_everywhere_with_a_warning() {
    let guardian = Restorable::new(0);
    let directory = guardian.path();
    let path = directory.join("db_checkpoints/25");
    fs::File::options()
        .write(true)
        .open(path.join("000085.log"))
        .and_then(|file| file.set_len(12))
        .expect("it can be cut");
    assert_eq!(standing(&directory, "db_checkpoints/25", 0), "good");
    assert_eq!(found(&verify!(path, "--config", directory, "--json").exits(0)), ["log-tail-torn"]);
    let archive = guardian.beside("a.fmar");
    checkpoint!("export", path, "--to", archive, "--config", directory).exits(0);
    let of_archive = ["--archive", archive.to_str().expect("text")];
    for source in [["--checkpoint", "25"], ["--checkpoint", "latest"], of_archive] {
        let words = [&source[..], &["--dry-run", "--json"]].concat();
        let plan = guardian.run("restore", &words).exits(0).json().remove(0);
        let warnings = plan["warnings"].as_array().expect("warnings");
        assert_eq!((warnings.len(), &plan["last"]), (1, &json!(25)), "{plan}");
        assert!(warnings[0].as_str().is_some_and(|text| text.contains("log-tail-torn: ")), "{plan}");
    }
    let kept = checkpoint!("prune", "--data-dir", directory, "--keep", "1", "--config", directory).exits(0);
    assert!(kept.stdout.contains("25 (good"), "{}", kept.stdout);
    assert_eq!(names(&directory), ["25"]);
    guardian.restore(25, &[]).exits(0);
    verify!(directory, "--config", directory).exits(0);
}

/// The archive alone shows what it was made from.
#[test]
fn an_archive_says_that_the_end_was_torn() {
    let guardian = Restorable::new(0);
    let log = guardian.database().join("000085.log");
    let length = fs::metadata(&log).expect("the log").len();
    fs::File::options()
        .write(true)
        .open(&log)
        .and_then(|file| file.set_len(length - 7))
        .expect("it can be cut");
    let (config, archive) = (guardian.path(), guardian.beside("a.fmar"));
    for profile in ["full", "history", "headers"] {
        let archive = guardian.beside(profile);
        checkpoint!("export", config, "--to", archive, "--config", config, "--profile", profile).exits(0);
        let run = checkpoint!("verify", archive, "--config", config, "--json").exits(0);
        assert_eq!((found(&run), &run.verdict()["warnings"]), (vec!["log-tail-torn".to_owned()], &json!(1)));
        let strict = checkpoint!("verify", archive, "--config", config, "--json", "--strict").exits(1);
        assert_eq!((found(&strict), &strict.verdict()["verdict"]), (found(&run), &json!("findings")));
        let people = checkpoint!("verify", archive, "--config", config).exits(0).stdout;
        assert!(people.contains("verdict    SOUND") && people.ends_with("; 1 warning(s)\n"), "{people}");
    }
    fs::rename(guardian.beside("full"), &archive).expect("it can be renamed");
    let run = verify!(archive, "--config", config, "--json").exits(0);
    assert_eq!((found(&run), &run.verdict()["errors"]), (vec!["log-tail-torn".to_owned()], &json!(0)));
    // The same holds for an increment, and for the archive of an archive.
    let increment = guardian.beside("b.fmar");
    let base = guardian.beside("base.fmar");
    checkpoint!("export", config.join("db_checkpoints/24"), "--to", base, "--config", config).exits(0);
    checkpoint!("export", config, "--to", increment, "--since", base, "--config", config).exits(0);
    let run = checkpoint!("verify", increment, "--base", base, "--config", config, "--json").exits(0);
    assert_eq!(found(&run), ["log-tail-torn"]);
    let again = guardian.beside("again.fmar");
    checkpoint!("export", archive, "--to", again, "--config", config).exits(0);
    assert_eq!(
        found(&checkpoint!("verify", again, "--config", config, "--json").exits(0)),
        ["log-tail-torn"]
    );
    // It also holds for what a conversion keeps of the old database.
    let migrated = guardian.beside("new");
    migrate!("convert", "--from", config, "--config", config, "--to", migrated).exits(0);
    let alone = guardian.beside("alone.fmar");
    fs::copy(migrated.join("provenance.fmar"), &alone).expect("a copy");
    assert_eq!(found(&verify!(alone, "--config", config, "--json").exits(0)), ["log-tail-torn"]);
    let run = verify!(migrated, "--config", config, "--json").exits(0);
    assert!(!found(&run).contains(&"provenance-mismatch".to_owned()), "{}", run.stdout);
}

/// A lost log is an error of the archive too: nothing is restored from it, as from the database.
#[test]
fn an_archive_of_what_lost_its_log_is_refused_as_that_is() {
    let guardian = Restorable::new(0);
    fs::remove_file(guardian.database().join("000085.log")).expect("the log");
    let (config, archive) = (guardian.path(), guardian.beside("a.fmar"));
    checkpoint!("export", config, "--to", archive, "--config", config).exits(1);
    checkpoint!("export", config, "--to", archive, "--config", config, "--accept-findings").exits(0);
    assert_eq!(
        found(&checkpoint!("verify", archive, "--config", config, "--json").exits(1)),
        ["log-missing"]
    );
    let words = ["--archive", archive.to_str().expect("text"), "--guard-until", "99", "--dry-run"];
    assert!(guardian.run("restore", &words).exits(1).sentence().contains("is not whole"));
    // The archive is not imported either, though the new database lacks nothing by itself.
    let new = guardian.beside("new");
    let run = checkpoint!("import", archive, "--to", new, "--config", config, "--json").exits(1);
    assert_eq!((found(&run), new.exists()), (vec!["log-missing".to_owned()], false));
    let run = checkpoint!("import", archive, "--to", new, "--config", config, "--accept-findings", "--json");
    assert_eq!(run.exits(0).verdict()["errors"], 1);
}

#[test]
fn what_cannot_be_looked_at_now_is_not_removed() {
    let guardian = Restorable::new(0);
    let directory = guardian.path();
    let all = ["23", "24", "25"];
    let other = fixture("session-v0.2.0-rc1/peer-0");
    let rules = [["--keep", "0"], ["--keep", "1"], ["--older-than", "0s"], ["--min-free", "9999999T"]];
    for rule in rules {
        let run =
            checkpoint!("prune", "--data-dir", directory, rule[0], rule[1], "--config", other, "--json");
        let verdict = run.exits(12).verdict();
        assert_eq!(
            (names(&directory).as_slice(), &verdict["none_good"]),
            (&all.map(str::to_owned)[..], &json!(true))
        );
        assert!(verdict["reason"].as_str().is_some_and(|reason| reason.contains("wrong-keys")), "{verdict}");
    }
    let (_, verdict) = list(&directory, &other, 12);
    assert_eq!((&verdict["unknown"], &verdict["bad"]), (&json!(3), &json!(0)));
    // Too few files may be open, so that some checkpoints can be opened, or none; none of them is bad.
    fs::write(directory.join("db_checkpoints/25/000085.log"), [0; 12]).expect("a torn log");
    for files in 5..12 {
        let script = format!("ulimit -n {files} 2>/dev/null; exec \"$1\" prune --data-dir \"$2\" --keep 1");
        let words: Vec<OsString> = vec![binary("fm-checkpoint").into(), directory.clone().into()];
        let run = shell(&format!("{script} --dry-run"), &words);
        assert!(!run.stdout.contains("BAD"), "{files}: {}{}", run.stdout, run.stderr);
        assert!(matches!(run.exit, 0 | 3 | 127), "{files}: {}{}", run.stdout, run.stderr);
        if run.exit == 3 {
            shell(&script, &words);
            assert_eq!(names(&directory), all, "{files}");
        }
    }
    // A path that RocksDB cannot be given.
    let odd = guardian.beside("x").with_file_name(OsStr::from_bytes(b"\xff\xfe"));
    copy_dir(&directory, &odd);
    let run = checkpoint!("prune", "--data-dir", odd, "--keep", "0").exits(3);
    assert!(run.stdout.contains("nothing was removed"), "{}", run.stdout);
    assert_eq!(names(&odd), all);
    checkpoint!("list", "--data-dir", odd).exits(3);
}

#[test]
fn what_is_in_use_is_not_bad_and_not_removed() {
    let guardian = Restorable::new(0);
    let directory = guardian.path();
    let held: Vec<fs::File> = ["database", "db_checkpoints/24"]
        .iter()
        .map(|name| {
            let lock = directory.join(name).join("LOCK");
            let file = fs::File::options().write(true).create(true).truncate(false).open(lock);
            let file = file.expect("a lock");
            fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).expect("the lock");
            file
        })
        .collect();
    assert_eq!(standing(&directory, "database", 0), "in-use");
    let (_, verdict) = list(&directory, &directory, 0);
    assert_eq!((&verdict["good"], &verdict["in_use"]), (&json!(2), &json!(1)));
    checkpoint!("prune", "--data-dir", directory, "--keep", "1").exits(0);
    assert_eq!(names(&directory), ["24", "25"]);
    fs::remove_dir_all(directory.join("db_checkpoints/25")).expect("it is there");
    checkpoint!("prune", "--data-dir", directory, "--keep", "0").exits(11);
    assert_eq!(names(&directory), ["24"]);
    drop(held);
}

#[test]
fn the_list_says_by_its_status_what_it_found() {
    let guardian = Restorable::new(0);
    let (directory, checkpoints) = (guardian.path(), guardian.path().join("db_checkpoints"));
    list(&directory, &directory, 0);
    // The path is not a data directory.
    let empty = guardian.beside("empty");
    fs::create_dir(&empty).expect("a directory");
    for (path, said) in [
        (empty, "neither database nor a checkpoint"),
        (guardian.database(), "it is a database itself"),
        (checkpoints.join("25"), "it is a database itself"),
        (checkpoints.clone(), "it holds databases"),
        (guardian.beside(""), "guardian looks like one"),
    ] {
        for words in [&["list"][..], &["prune", "--keep", "1"]] {
            let words = words.iter().map(OsString::from).chain(["--data-dir".into(), path.clone().into()]);
            let run = Run::of("fm-checkpoint", &words.collect::<Vec<_>>()).exits(3);
            assert!(run.sentence().contains(said), "{}", run.stderr);
        }
    }
    assert!(checkpoint!("create", "--data-dir", guardian.database()).exits(2).sentence().contains("--to"));
    assert!(!guardian.database().join("db_checkpoints").exists());
    // A checkpoint that another one was copied over: a restore refuses it, so it is not good.
    fs::remove_dir_all(checkpoints.join("24")).expect("it is there");
    copy_dir(&checkpoints.join("23"), &checkpoints.join("24"));
    assert_eq!(standing(&directory, "db_checkpoints/24", 1), "bad");
    restore(&directory, "24").exits(1);
    fs::remove_dir_all(checkpoints.join("24")).expect("it is there");
    // A link that leads nowhere is not known to be bad.
    symlink(guardian.beside("unmounted"), checkpoints.join("24")).expect("a link");
    assert_eq!(standing(&directory, "db_checkpoints/24", 3), "unknown");
    for name in ["23", "25"] {
        fs::write(checkpoints.join(name).join("CURRENT"), "MANIFEST-000060").expect("it can be written");
    }
    let (_, verdict) = list(&directory, &directory, 1);
    assert_eq!((&verdict["bad"], &verdict["good"], &verdict["unknown"]), (&json!(2), &json!(0), &json!(1)));
    checkpoint!("prune", "--data-dir", directory, "--keep", "0").exits(3);
    fs::remove_file(checkpoints.join("24")).expect("the link");
    checkpoint!("prune", "--data-dir", directory, "--keep", "0").exits(1);
    assert_eq!(names(&directory), ["23", "25"]);
}

#[test]
fn a_checkpoint_is_restored_by_any_name() {
    let guardian = Restorable::new(0);
    let (directory, checkpoints) = (guardian.path(), guardian.path().join("db_checkpoints"));
    let made = checkpoint!("create", "--data-dir", directory, "--json").exits(0).verdict();
    assert_eq!(made["standing"], "good");
    let made = PathBuf::from(made["path"].as_str().expect("a path"));
    let made = made.file_name().and_then(OsStr::to_str).expect("a name");
    // The database holds what the new checkpoint holds, and may be a copy of it: the guard has to be named.
    let guard = ["--guard-until", "99"];
    let plan = |name: &str| {
        let words = ["--checkpoint", name, "--dry-run", "--json"];
        guardian.run("restore", &[&words[..], &guard].concat())
    };
    let line = |name: &str| plan(name).exits(0).json().remove(0);
    assert_eq!(line(made)["source"], json!(format!("checkpoint {made}")));
    fs::rename(checkpoints.join("24"), checkpoints.join("24-1795981901187")).expect("it can be renamed");
    assert_eq!(line("24-1795981901187")["last"], 24);
    // The newest good one: of the same session, the one that was written last.
    assert_eq!(line("latest")["last"], 25);
    fs::remove_dir_all(checkpoints.join(made)).expect("it is there");
    fs::remove_file(checkpoints.join("25/CURRENT")).expect("it is there");
    assert_eq!(line("latest")["source"], "checkpoint 24-1795981901187");
    // A link is listed and restored.
    let outside = guardian.beside("outside");
    fs::rename(checkpoints.join("23"), &outside).expect("it can be moved");
    symlink(&outside, checkpoints.join("23")).expect("a link");
    let (lines, _) = list(&directory, &directory, 1);
    let linked = lines.iter().find(|line| line["link"] == true).expect("the link");
    assert_eq!((&linked["good"], &linked["last"]), (&json!(true), &json!(23)));
    assert_eq!(line("23")["last"], 23);
    for name in ["", ".", "..", "../database", "24/x", "24.removed", ".removing-24", "25-1.partial"] {
        assert!(plan(name).exits(2).sentence().contains("is not the name of a checkpoint"), "{name}");
    }
    // Restored, reported by `status`, and undone.
    let words = ["--checkpoint", "24-1795981901187", "--yes", "--json"];
    assert_eq!(guardian.run("restore", &words).exits(0).verdict()["last"], 24);
    let status = guardian.run("status", &["--json"]).exits(0).verdict();
    assert_eq!(status["source"], "checkpoint 24-1795981901187");
    assert_eq!(guardian.run("restore", &words).exits(0).verdict()["verdict"], "restored");
    guardian.run("undo", &["--yes"]).exits(0);
}

/// What a kill leaves of a checkpoint is not a checkpoint, and is in nobody's way.
#[test]
fn unfinished_checkpoints_are_not_listed() {
    let guardian = Restorable::new(0);
    let (directory, checkpoints) = (guardian.path(), guardian.path().join("db_checkpoints"));
    for name in
        ["24.removed", "24.tmp", ".removing-22", "25-20261129T193427Z.partial", "25-1795981901187.tmp"]
    {
        fs::create_dir(checkpoints.join(name)).expect("a directory");
        fs::copy(checkpoints.join("24/CURRENT"), checkpoints.join(name).join("CURRENT")).expect("a file");
    }
    let (lines, verdict) = list(&directory, &directory, 0);
    assert_eq!((lines.len(), &verdict["checkpoints"], &verdict["good"]), (4, &json!(3), &json!(3)));
    checkpoint!("create", "--data-dir", directory).exits(0);
    restore(&directory, "24").exits(0);
    // Such leftovers are removed when the guardian is stopped; while it runs, what looks unfinished may be in
    // progress.
    fs::write(checkpoints.join("24.tmp/mine.txt"), "mine").expect("a file");
    let lock = fs::File::options().write(true).open(guardian.database().join("LOCK")).expect("the lock");
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).expect("the lock");
    checkpoint!("prune", "--data-dir", directory, "--keep", "9").exits(0);
    let unfinished = |name: &&String| name.contains("tmp") || name.contains("remov");
    let left = |all: Vec<String>| all.iter().filter(unfinished).cloned().collect::<Vec<_>>();
    assert_eq!(left(names(&directory)), ["24.removed", "24.tmp", "25-1795981901187.tmp"]);
    drop(lock);
    // If nothing is known to be good, nothing is removed, not even leftovers.
    let other = fm_tests::fixture("session-v0.13.0/peer-0");
    let none =
        checkpoint!("prune", "--data-dir", directory, "--config", other, "--keep", "9", "--json").exits(12);
    assert_eq!((&none.verdict()["none_good"], &none.verdict()["leftovers"]), (&json!(true), &json!([])));
    assert_eq!(left(names(&directory)), ["24.removed", "24.tmp", "25-1795981901187.tmp"]);
    let planned = checkpoint!("prune", "--data-dir", directory, "--keep", "9", "--dry-run", "--json")
        .exits(0)
        .verdict();
    let pruned = checkpoint!("prune", "--data-dir", directory, "--keep", "9", "--json").exits(0).verdict();
    assert_eq!(pruned["leftovers"], planned["leftovers"]);
    let gone = ["24.removed", "25-1795981901187.tmp"].map(|name| checkpoints.join(name));
    assert_eq!(pruned["leftovers"], json!(gone));
    assert_eq!(left(names(&directory)), ["24.tmp"], "what holds anything else is left alone");
}

#[test]
fn only_provenance_is_reverted_and_archives_are_taken_for_what_they_are() {
    let guardian = Restorable::new(0);
    let config = guardian.path();
    let (base, target) = (guardian.beside("base.fmar"), guardian.beside("old"));
    checkpoint!("export", config.join("db_checkpoints/24"), "--to", base, "--config", config).exits(0);
    let increment = guardian.beside("increment");
    checkpoint!("export", config, "--to", increment, "--since", base, "--config", config).exits(0);
    for profile in ["history", "headers"] {
        let to = guardian.beside(profile);
        checkpoint!("export", config, "--to", to, "--profile", profile, "--config", config).exits(0);
    }
    for name in ["base.fmar", "increment", "history", "headers"] {
        let run = migrate!("revert", "--from", guardian.beside(name), "--to", target, "--json").exits(2);
        assert!(run.sentence().contains("is not a provenance archive"), "{}", run.stderr);
        assert!(!target.exists());
    }
    for (name, said) in
        [("increment", "is an increment on the archive"), ("headers", "is an archive of headers")]
    {
        for run in [
            verify!(guardian.beside(name), "--config", config),
            verify!("diff", guardian.beside(name), config),
            migrate!("units", guardian.beside(name)),
        ] {
            let run = run.exits(2);
            assert!(
                run.sentence().contains(said) && run.stderr.contains("fm-checkpoint verify"),
                "{}",
                run.stderr
            );
        }
    }
    let run = verify!(guardian.beside("history"), "--config", config, "--json").exits(0);
    assert_eq!((&run.verdict()["verdict"], &run.verdict()["sessions"]), (&json!("sound"), &json!(26)));
}

/// A session far beyond the others: such a history cannot be written as one, and an empty history is never
/// sound.
#[test]
fn a_stray_session_leaves_no_empty_archive() {
    let guardian = Restorable::new(0);
    let (config, other) = (guardian.path(), guardian.beside("other"));
    let record =
        rows(&guardian.database()).into_iter().find(|(key, _)| *key == session_key(3)).expect("a session");
    let malformed = [(session_key(u64::MAX), record.1)];
    let unchanged = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
    damage::rewrite_and_add(&guardian.database(), &other, unchanged, &malformed).expect("a copy");
    for profile in ["history", "headers"] {
        let to = guardian.beside(profile);
        let words = ["--profile", profile, "--accept-findings", "--json"];
        let run = checkpoint!(
            "export", other, "--to", to, "--config", config, words[0], words[1], words[2], words[3]
        );
        let run = run.exits(1);
        assert!(run.sentence().contains("there is nothing to write"), "{}", run.stderr);
        assert_eq!((&run.verdict()["verdict"], to.exists()), (&json!("refused"), false));
    }
    let whole = guardian.beside("whole");
    checkpoint!("export", other, "--to", whole, "--config", config, "--accept-findings").exits(0);
    assert_eq!(
        found(&checkpoint!("verify", whole, "--config", config, "--json").exits(1))[0],
        "session-missing"
    );
}
