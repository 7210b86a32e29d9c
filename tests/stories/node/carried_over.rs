//! Guardians of v0.1 that were carried over: each by its own conversion, and restored like any other.

use std::fs;
use std::path::Path;

use fm_tests::{
    Nodes, OLD_PASSWORD, Run, attest, carry_over, codes, copy_dir, digest, hash_to_confirm, migrate, rows,
    seal, sealed_guardians, verify,
};

const CONVERTED: u64 = 319;

/// Runs both steps, as a guardian does.
fn confirmed(directory: &Path, from: &Path, more: &[&str]) -> Run {
    let hash = hash_to_confirm(carry_over(directory, from, &[]));
    carry_over(directory, from, &[&["--confirm", hash.as_str()], more].concat())
}

/// Checks that a refusal comes before anybody compares hashes, and with the hash too.
fn refused(directory: &Path, from: &Path, hash: &str, more: &[&str]) -> Run {
    let first = carry_over(directory, from, more).exits(2);
    let second = carry_over(directory, from, &[&["--confirm", hash], more].concat()).exits(2);
    assert_eq!(first.stderr, second.stderr);
    second
}

#[test]
fn a_conversion_is_carried_over_by_its_own_guardian() {
    let home = tempfile::tempdir().expect("there is room for files");
    let old = sealed_guardians(home.path());
    let directory = |peer: usize| home.path().join(peer.to_string());
    // Another guardian's files: it would run with that guardian's key beside that guardian's own node.
    let before = digest(&directory(0));
    let hash = hash_to_confirm(carry_over(&directory(0), &old[0], &[]));
    let run = refused(&directory(0), &old[1], &hash, &[]);
    assert!(run.sentence().contains("converted from the database of guardian 1"), "{}", run.stderr);
    assert!(run.stderr.contains("--guardian 1"), "{}", run.stderr);
    let run = refused(&directory(0), &old[1], &hash, &["--guardian", "0"]);
    assert!(run.sentence().contains("the files are those of guardian 1"), "{}", run.stderr);
    assert_eq!(digest(&directory(0)), before);
    // What RocksDB leaves of a file that it was writing when it was killed.
    for name in ["000012.dbtmp", "OPTIONS-000013.dbtmp"] {
        fs::write(directory(0).join("database").join(name), "half").expect("a file");
    }
    let run = confirmed(&directory(0), &old[0], &[]).exits(0);
    assert!(run.stdout.contains("this conversion is of the database in --from"), "{}", run.stdout);
    // Killed after its last step, or run again: it is done.
    let before = digest(&directory(0));
    let again = confirmed(&directory(0), &old[0], &[]).exits(0);
    assert!(again.stdout.contains("by an earlier run"), "{}", again.stdout);
    let other = confirmed(&directory(0), &old[1], &[]).exits(2);
    assert!(other.sentence().contains("set up already"), "{}", other.stderr);
    assert_eq!(digest(&directory(0)), before);
    // The configuration beside it is the new federation's, and proves nothing of the old one; that is not an
    // error.
    let beside = verify!(directory(0), "--json").exits(4);
    assert_eq!(beside.verdict()["verdict"], "unpinned");
    assert!(
        beside.findings().iter().all(|finding| finding["severity"] != "error"),
        "{:?}",
        beside.findings()
    );
    // The old database is gone: nobody knows whose conversion it is, and the user names the guardian.
    fs::remove_dir_all(old[2].join("database")).expect("the old database");
    let run = refused(&directory(2), &old[2], &hash, &[]);
    assert!(run.sentence().contains("there is no database in its directory"), "{}", run.stderr);
    let run = carry_over(&directory(2), &old[2], &["--guardian", "2", "--confirm", &hash]).exits(0);
    assert!(run.stdout.contains("as you named it"), "{}", run.stdout);
    verify!(directory(2), "--config", old[2], "--json").exits(0);
}

/// What a crash left of the old database is a warning, and what is signed is still proven.
#[test]
fn a_guardian_whose_old_log_was_torn_is_carried_over() {
    let home = tempfile::tempdir().expect("there is room for files");
    let old = sealed_guardians(home.path());
    let (torn, new) = (home.path().join("torn"), home.path().join("new"));
    copy_dir(&old[0], &torn);
    let logs = fs::read_dir(torn.join("database")).expect("the database");
    let mut logs = logs.map(|entry| entry.expect("an entry").path());
    let log = logs.find(|path| path.extension().is_some_and(|end| end == "log")).expect("a log");
    let length = fs::metadata(&log).expect("the log").len();
    fs::File::options()
        .write(true)
        .open(&log)
        .and_then(|file| file.set_len(length - 5))
        .expect("it can be cut");
    migrate!("convert", "--from", torn, "--config", torn, "--to", new).exits(0);
    // The others convert up to the same session: here they sign this very directory.
    let files: Vec<_> = (0..3).map(|peer| home.path().join(format!("torn-of-{peer}"))).collect();
    for (old, file) in old.iter().zip(&files) {
        attest(&new, old, file, OLD_PASSWORD).exits(0);
    }
    seal(&new, &torn, &files).exits(0);
    let run = verify!(new, "--config", torn, "--json").exits(0);
    assert!(codes(&run.findings()).contains(&("source-incomplete".to_owned(), None)), "{}", run.stdout);
    assert!(run.findings().iter().all(|finding| finding["severity"] != "error"), "{}", run.stdout);
    // An unknown file has to be moved away first.
    fs::write(new.join("notes.txt"), "mine").expect("a file");
    let refused = confirmed(&new, &torn, &[]).exits(1);
    assert!(refused.sentence().contains("unexpected-file"), "{}", refused.stderr);
    fs::remove_file(new.join("notes.txt")).expect("the file");
    confirmed(&new, &torn, &[]).exits(0);
}

#[test]
fn a_carried_over_guardian_is_restored_and_proven() {
    let home = tempfile::tempdir().expect("there is room for files");
    let old = sealed_guardians(home.path());
    for (peer, old) in old.iter().enumerate() {
        confirmed(&home.path().join(peer.to_string()), old, &[]).exits(0);
    }
    let mut nodes = Nodes::at(home, OLD_PASSWORD, 4);
    (0..4).for_each(|peer| nodes.start_with(peer, &["--checkpoints", "2", "--min-free", "0"], &[]));
    nodes.wait_for(2, CONVERTED + 3);
    nodes.kill(2);
    let directory = nodes.directory(2);
    // What a consensus failure leaves, whatever its reason.
    fs::write(directory.join("consensus-failure-321.json"), "{}").expect("a file");
    let sound = |what: &str| {
        let verdict = verify!(directory, "--config", old[2], "--json").exits(0).verdict();
        assert_eq!(verdict["verdict"], "sound", "{what}: {verdict}");
    };
    sound("before");
    let before = rows(&directory.join("database"));
    let names = fs::read_dir(directory.join("db_checkpoints")).expect("checkpoints");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u64>().ok());
    let oldest = names.min().expect("a checkpoint").to_string();
    // The old configuration proves the epochs, the new one the sessions: the directory has the new one.
    nodes.checkpoint(2, &["restore", "--checkpoint", &oldest, "--yes"]).exits(0);
    sound("restored");
    nodes.checkpoint(2, &["undo", "--yes"]).exits(0);
    sound("taken back");
    assert!(rows(&directory.join("database")) == before);
    nodes.checkpoint(2, &["restore", "--checkpoint", &oldest, "--yes"]).exits(0);
    nodes.start(2);
    let ahead = nodes.finished(0).expect("it runs");
    nodes.wait_for(2, ahead + 2);
    let sessions = nodes.shut_down();
    sound("gone on");
    let verdict = verify!(directory, "--config", old[2], "--json").exits(0).verdict();
    assert_eq!(verdict["proven_to"], sessions - 1);
}
