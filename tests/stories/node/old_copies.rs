//! Databases that are older than what their guardian signed: a program that would take them for the newest
//! asks, or knows better by the node's own record; a node does not start on lost files.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_datadir::SignedSession;
use fm_tests::{Restorable, Run, binary, command, copy_dir, digest, rows};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The message, and how a database loses files.
type Harm = (&'static str, fn(&Path));

/// Longer than a node takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `fm-node run` on a guardian's directory and stops it once it has started.
fn node(guardian: &Restorable, more: &[&str]) -> Run {
    let log = guardian.beside("log");
    let mut node = command(binary("fm-node"));
    node.env("FM_PASSWORD", "fixture").args([
        "run",
        "--bind-p2p",
        "127.0.0.1:0",
        "--bind-api",
        "127.0.0.1:0",
    ]);
    node.args(more).arg("--data-dir").arg(guardian.path());
    let stderr = fs::File::create(&log).expect("a log");
    let mut child = node.stdout(Stdio::null()).stderr(stderr).spawn().expect("the program can be started");
    let begin = Instant::now();
    let said = || fs::read_to_string(&log).expect("the log");
    while child.try_wait().expect("its state").is_none() && !said().contains("started") {
        assert!(begin.elapsed() < PATIENCE, "{}", said());
        sleep(Duration::from_millis(20));
    }
    if child.try_wait().expect("its state").is_none() {
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process");
        kill_process(pid, Signal::TERM).expect("it can be signalled");
    }
    let output =
        Output { status: child.wait().expect("it ends"), stdout: Vec::new(), stderr: said().into_bytes() };
    Run::from_output(format!("fm-node run {more:?}"), output)
}

fn keys(guardian: &Restorable) -> SessionKeys {
    let text = fs::read_to_string(guardian.path().join("consensus.json")).expect("the config");
    let config = ConsensusConfig::parse(&text).expect("a config");
    SessionKeys::new(&config.broadcast_public_keys).expect("keys")
}

/// Writes what a node of this guardian would have recorded.
fn recorded(guardian: &Restorable, newest: Option<u64>, database: Option<&str>) {
    let database = database.map(str::to_owned);
    let record = SignedSession { newest, database, ..SignedSession::new(&keys(guardian), 0) };
    record.write(&guardian.path()).expect("the record can be written");
}

fn record(guardian: &Restorable) -> SignedSession {
    let record = SignedSession::read(&guardian.path(), &keys(guardian), Some(0));
    record.expect("a record").expect("there is one")
}

fn put_in_place(guardian: &Restorable, checkpoint: &str) {
    fs::remove_dir_all(guardian.database()).expect("the database");
    copy_dir(&guardian.path().join("db_checkpoints").join(checkpoint), &guardian.database());
}

/// Checks that, if nobody knows, restore and node ask, and change nothing.
#[track_caller]
fn asks(guardian: &Restorable, checkpoint: u64, at_least: u64, said: &str) {
    let before = digest(&guardian.path());
    let run = guardian.restore(checkpoint, &["--dry-run"]).exits(2);
    assert!(run.sentence().contains("it is not known up to which session"), "{}", run.stderr);
    assert!(run.sentence().contains(said), "{}", run.stderr);
    assert!(run.sentence().contains(&format!("at least {at_least}")), "{}", run.stderr);
    let low = at_least - 1;
    guardian.restore(checkpoint, &["--dry-run", "--guard-until", &low.to_string()]).exits(2);
    let run = node(guardian, &[]).exits(2);
    assert!(run.sentence().contains("it is not known up to which session"), "{}", run.stderr);
    assert!(run.stderr.contains("--guard-until"), "{}", run.stderr);
    let run = node(guardian, &["--guard-until", &low.to_string()]).exits(2);
    assert!(run.sentence().contains("too low"), "{}", run.stderr);
    assert_eq!(digest(&guardian.path()), before, "something was changed");
    let until = (at_least + 3).to_string();
    let verdict = guardian.restore(checkpoint, &["--dry-run", "--guard-until", &until]).exits(0).verdict();
    assert_eq!(verdict["guard_until"], at_least + 3);
}

fn guard_of(guardian: &Restorable, checkpoint: u64) -> (Value, String) {
    let run = guardian.restore(checkpoint, &["--dry-run"]).exits(0);
    let plan = run.json().remove(0);
    (plan["guard_until"].clone(), plan["evidence"].as_str().expect("text").to_owned())
}

#[test]
fn the_copy_of_a_checkpoint_is_not_what_ran_last() {
    let guardian = Restorable::new(0);
    put_in_place(&guardian, "25");
    asks(&guardian, 24, 26, "no unit and no accepted item of session 26");
    // One that is older than the newest beside it.
    put_in_place(&guardian, "24");
    asks(&guardian, 23, 26, "there is a newer state");
    // A checkpoint that was made on demand in the middle of a session holds units of its own.
    let guardian = Restorable::new(0);
    let data_dir = guardian.path();
    let words = ["create".into(), "--data-dir".into(), data_dir.into_os_string()];
    Run::of("fm-checkpoint", &words).exits(0);
    let checkpoints = guardian.path().join("db_checkpoints");
    let names = fs::read_dir(&checkpoints).expect("checkpoints");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    let made = names.into_iter().find(|name| name.starts_with("25-")).expect("the new checkpoint");
    put_in_place(&guardian, &made);
    asks(&guardian, 24, 26, &format!("the same of session 26 as the checkpoint {made}"));
}

/// Every item that it proposed was in a unit that it made.
#[test]
fn items_of_a_guardian_without_its_units_are_rows_that_are_lost() {
    let guardian = Restorable::new(0);
    let mut kept = rows(&guardian.database());
    kept.retain(|(key, _)| key[0] != 5);
    guardian.go_on_with(&kept);
    asks(&guardian, 24, 26, "rows are lost");
    // Items that others proposed show nothing.
    kept.retain(|(key, value)| key[0] != 1 || value.last() != Some(&0));
    assert!(kept.iter().any(|(key, _)| key[0] == 1));
    guardian.go_on_with(&kept);
    assert_eq!(guard_of(&guardian, 24).0, 25);
}

/// The plan says what it does not know, and its refusal contradicts none of it.
#[test]
fn a_plan_claims_no_more_than_is_known() {
    let guardian = Restorable::new(0);
    let low = guardian.run("restore", &["--checkpoint", "24", "--guard-until", "10", "--dry-run"]).exits(2);
    assert!(low.stdout.contains("not the one that was given"), "{}", low.stdout);
    assert!(!low.stdout.contains("not needed"), "{}", low.stdout);
    fs::remove_dir_all(guardian.database()).expect("the database");
    let plan = guardian.run("restore", &["--checkpoint", "24", "--guard-until", "27", "--dry-run"]).exits(0);
    assert!(plan.stdout.contains("whatever came after session 24"), "{}", plan.stdout);
    assert!(plan.stdout.lines().any(|line| line.starts_with("spends     not known")), "{}", plan.stdout);
    assert!(!plan.stdout.contains("is forgotten"), "{}", plan.stdout);
}

/// A guardian whose operator says that nothing was forgotten is believed, once.
#[test]
fn a_database_that_was_stopped_at_the_end_of_a_session() {
    let guardian = Restorable::new(0);
    put_in_place(&guardian, "25");
    node(&guardian, &["--guard-until", "none"]).exits(0);
    assert_eq!((record(&guardian).newest, record(&guardian).guard_until), (None, None));
    // From now on the record names this database.
    node(&guardian, &[]).exits(0);
    assert_eq!(guard_of(&guardian, 24).0, 25);
    // But not a copy of it that was made as a checkpoint.
    fs::remove_file(guardian.database().join("IDENTITY")).expect("the file");
    node(&guardian, &[]).exits(2);
    node(&guardian, &["--guard-until", "28"]).exits(0);
    assert_eq!(record(&guardian).guard_until, Some(28));
    node(&guardian, &[]).exits(0);
}

#[test]
fn the_nodes_record_says_what_a_database_cannot() {
    // Its own database, with units of the open session.
    let guardian = Restorable::new(0);
    node(&guardian, &[]).exits(0);
    assert_eq!(record(&guardian).newest, Some(26));
    assert_eq!(
        guard_of(&guardian, 24),
        (26.into(), "26 of the 105 units of session 26 are this guardian's own".into())
    );
    // Replaced by a copy, it holds as many units as ever.
    recorded(&guardian, Some(31), None);
    let (until, evidence) = guard_of(&guardian, 24);
    assert!(until == 31 && evidence.contains("fm-node recorded session 31"), "{until} {evidence}");
    let low = guardian.restore(24, &["--dry-run", "--guard-until", "30"]).exits(2);
    assert!(low.sentence().contains("--guard-until 30 is too low"), "{}", low.stderr);
    let started = node(&guardian, &[]).exits(0);
    assert!(started.stderr.contains("it makes no units up to that session"), "{}", started.stderr);
    assert_eq!(record(&guardian).newest, Some(31));
    // Lost, or a copy of the newest checkpoint.
    for checkpoint in [None, Some("25")] {
        match checkpoint {
            None => fs::remove_dir_all(guardian.database()).expect("the database"),
            Some(name) => copy_dir(&guardian.path().join("db_checkpoints").join(name), &guardian.database()),
        }
        assert_eq!(guard_of(&guardian, 24).0, 31, "{checkpoint:?}");
    }
    // Something newer lies beside it than the node knew of.
    recorded(&guardian, Some(24), None);
    asks(&guardian, 24, 26, "no unit and no accepted item of session 26");
    fs::remove_dir_all(guardian.database()).expect("the database");
    let run = guardian.restore(24, &["--dry-run"]).exits(2);
    assert!(run.sentence().contains("there is no old database"), "{}", run.stderr);
    let run = node(&guardian, &["--new"]).exits(2);
    assert!(run.sentence().contains("at least 26"), "{}", run.stderr);
}

#[test]
fn somebody_elses_record_is_refused() {
    let guardian = Restorable::new(0);
    let other = SignedSession { newest: Some(26), ..SignedSession::new(&keys(&guardian), 1) };
    other.write(&guardian.path()).expect("the record can be written");
    for run in [guardian.restore(24, &[]), node(&guardian, &[])] {
        let run = run.exits(3);
        assert!(run.sentence().contains("is the record of guardian 1 of this federation"), "{}", run.stderr);
    }
    for text in ["", "{}", r#"{"format":"fm-signed-session","version":7}"#] {
        fs::write(guardian.path().join("signed-session.json"), text).expect("a file");
        guardian.restore(24, &[]).exits(3).sentence();
        node(&guardian, &[]).exits(3).sentence();
    }
    assert_eq!(guardian.entries(), ["database"]);
}

/// Units that a node made on a restored database are not forgotten when the database is replaced by the
/// restored state again.
#[test]
fn a_way_back_from_a_database_that_was_put_back() {
    let guardian = Restorable::new(0);
    guardian.restore(24, &[]).exits(0);
    recorded(&guardian, Some(40), None);
    let refused = guardian.run("undo", &["--yes"]).exits(1);
    assert!(refused.sentence().contains("was written to"), "{}", refused.stderr);
    guardian.run("undo", &["--yes", "--discard-written"]).exits(0);
    assert_eq!(guardian.guard().expect("a guard")["until_session"], 40);
}

/// Rows that RocksDB leaves out silently may be units that this guardian signed.
#[test]
fn a_node_does_not_start_on_lost_files() {
    let lost: [Harm; 3] = [
        ("the write-ahead log is missing", |database| remove(database, ".log")),
        ("is torn at byte", |database| {
            let list = database.join(name_of(database, "MANIFEST"));
            let mut bytes = fs::read(&list).expect("the list of files");
            bytes.extend_from_slice(&[9; 40]);
            fs::write(list, bytes).expect("the list of files");
        }),
        ("does not name", |database| {
            let table = name_of(database, ".sst");
            fs::copy(database.join(table), database.join("000998.sst")).map(drop).expect("a table");
            // With an older log, as a crash would have left it, the table would only be unfinished.
            let log = name_of(database, ".log");
            fs::rename(database.join(log), database.join("000999.log")).expect("the log");
        }),
    ];
    for (said, harm) in lost {
        let guardian = Restorable::new(0);
        harm(&guardian.database());
        let before = digest(&guardian.path());
        let run = node(&guardian, &[]).exits(3);
        assert!(run.sentence().contains("is not whole") && run.sentence().contains(said), "{}", run.stderr);
        assert!(run.stderr.contains("fm-checkpoint restore"), "{}", run.stderr);
        assert_eq!(digest(&guardian.path()), before, "{said}");
    }
    // What a crash leaves: the end of the log is torn.
    let guardian = Restorable::new(0);
    cut(&guardian.database(), ".log", 3);
    node(&guardian, &[]).exits(0);
}

/// Bytes after a tear at which RocksDB's reader never ends: they are found before it reads them.
#[test]
fn garbage_that_rocksdb_would_read_for_ever() {
    for part in [".log", "MANIFEST"] {
        let guardian = Restorable::new(0);
        let file = guardian.database().join(name_of(&guardian.database(), part));
        let mut bytes = fs::read(&file).expect("the file");
        bytes.extend_from_slice(&[7; 40]);
        fs::write(file, bytes).expect("the file");
        let run = fm_tests::verify!(guardian.path(), "--config", guardian.path()).exits(3);
        assert!(run.sentence().contains("is torn at byte"), "{}", run.stderr);
        node(&guardian, &[]).exits(3).sentence();
        let run = guardian.restore(24, &["--dry-run"]).exits(2);
        assert!(run.sentence().contains("the old database cannot be read"), "{}", run.stderr);
    }
}

fn name_of(database: &Path, part: &str) -> String {
    let names = fm_tests::file_list(database).into_iter().map(|name| name.display().to_string());
    names.into_iter().rfind(|name| name.contains(part)).expect("the file")
}

fn remove(database: &Path, part: &str) {
    fs::remove_file(database.join(name_of(database, part))).expect("the file");
}

fn cut(database: &Path, part: &str, by: u64) {
    let file =
        fs::OpenOptions::new().write(true).open(database.join(name_of(database, part))).expect("the file");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - by).expect("it can be cut");
}

/// The archive of a database keeps what was accepted in the open session: none of it is counted as lost.
#[test]
fn what_an_archive_keeps_is_not_lost() {
    let guardian = Restorable::new(0);
    let archive = guardian.beside("full.fmar");
    let words = ["export", "--to", archive.to_str().expect("text")].map(std::ffi::OsString::from);
    let config = guardian.path();
    let words = [&words[..], &[config.clone().into(), "--config".into(), config.into()]].concat();
    Run::of("fm-checkpoint", &words).exits(0);
    let archive = archive.to_str().expect("text");
    let run = guardian.run("restore", &["--archive", archive, "--dry-run"]).exits(0);
    assert!(run.stdout.contains("nothing that was accepted in session 26"), "{}", run.stdout);
    assert!(run.stdout.contains("no transaction is forgotten"), "{}", run.stdout);
    let plan =
        guardian.run("restore", &["--archive", archive, "--dry-run", "--json"]).exits(0).json().remove(0);
    assert_eq!((&plan["pending"]["items"], &plan["lost"]["sessions"]), (&0.into(), &0.into()));
    assert_eq!((&plan["old"]["client_backups_lost"], &plan["guard_until"]), (&0.into(), &26.into()));
    // One of the six items is not in the database that is replaced: five are kept.
    let mut kept = rows(&guardian.database());
    let more = kept.iter().rposition(|(key, _)| key[0] == 1).expect("an accepted item");
    let (key, item) = kept[more].clone();
    kept.insert(more + 1, ([&key[..key.len() - 1], &[key[key.len() - 1] + 1]].concat(), item));
    guardian.go_on_with(&kept);
    let plan =
        guardian.run("restore", &["--archive", archive, "--dry-run", "--json"]).exits(0).json().remove(0);
    assert_eq!(plan["pending"]["items"], 1, "the seventh is not in the archive");
}
