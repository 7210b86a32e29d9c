//! A source that has lost files is refused; a user who accepts the loss gets a result that says so.
//!
//! RocksDB opens all of these databases without a word.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use fm_rows::Row;
use fm_tests::{
    binary, codes, command, converted, copy_dir, digest, fixture, manifest, migrate, partial_of, root, rows,
    verify,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// All of its rows are in the write-ahead log.
const IN_LOG: &str = "peer-0";
/// Its older rows are in a table, the newer ones in the write-ahead log.
const IN_BOTH: &str = "peer-3";

/// A copy of a guardian's directory that is to lose files.
struct Copy {
    home: TempDir,
}

impl Copy {
    fn of(peer: &str) -> Self {
        Self::of_fixture(&format!("hbbft-v0.1.5/{peer}"))
    }

    fn of_fixture(name: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        copy_dir(&fixture(name), &home.path().join("guardian"));
        Self { home }
    }

    fn guardian(&self) -> PathBuf {
        self.home.path().join("guardian")
    }

    fn target(&self) -> PathBuf {
        self.home.path().join("new")
    }

    fn database(&self, name: &str) -> PathBuf {
        self.guardian().join("database").join(name)
    }

    /// Returns the only file of the database with this in its name.
    fn file(&self, part: &str) -> PathBuf {
        let entries = fs::read_dir(self.database("")).expect("the database");
        let mut found = entries.map(|entry| entry.expect("an entry").path());
        found.find(|path| path.to_string_lossy().contains(part)).expect("a file of that kind")
    }
}

fn append(file: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(file).expect("the file");
    file.write_all(bytes).expect("it can be written");
}

fn cut(file: &Path, from_the_end: usize) {
    let bytes = fs::read(file).expect("the file");
    fs::write(file, &bytes[..bytes.len() - from_the_end]).expect("it can be written");
}

/// Returns a write-ahead log with one late change, which writes a row of the database unchanged.
fn log_of_one_change(database: &Path) -> Vec<u8> {
    let is_short = |(key, value): &Row| key.len().max(value.len()) < 100;
    let (key, value) = rows(database).into_iter().find(is_short).expect("a short row");
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("it is short");
    let mut record = vec![1]; // A whole record.
    record.extend(1_000_000_u64.to_le_bytes()); // The change's number.
    record.extend(1_u32.to_le_bytes());
    record.push(1); // A value is put.
    for bytes in [&key, &value] {
        record.push(length(bytes));
        record.extend(bytes);
    }
    let sum = !record.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    });
    let sum = sum.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let payload = u16::try_from(record.len() - 1).expect("it is short").to_le_bytes();
    [sum.as_slice(), &payload, &record].concat()
}

/// Returns each way to lose files, with the code that reports it.
fn losses() -> Vec<(&'static str, Copy)> {
    let without_log = Copy::of(IN_BOTH);
    fs::remove_file(without_log.file(".log")).expect("the log");
    let torn_within = Copy::of(IN_LOG);
    let newer = log_of_one_change(&torn_within.database(""));
    cut(&torn_within.file(".log"), 5);
    fs::write(torn_within.database("000900.log"), newer).expect("a log");
    let torn_list = Copy::of(IN_LOG);
    append(&torn_list.file("MANIFEST-"), &[1, 2, 3]);
    // The list of files asks for the log by its number: a log that was finished since is neither named nor
    // read.
    let unnamed = Copy::of(IN_LOG);
    fs::rename(unnamed.file(".log"), unnamed.database("000900.log")).expect("the log");
    fs::copy(Copy::of(IN_BOTH).file(".sst"), unnamed.database("000099.sst")).expect("a table");
    vec![
        ("log-missing", without_log),
        ("log-missing", torn_within),
        ("file-list-torn", torn_list),
        ("tables-unnamed", unnamed),
    ]
}

/// What a crash leaves while a table is written: the logs still have its rows, and one of them is removed
/// only when the table is done.
#[test]
fn a_table_that_was_not_finished_is_told_and_loses_nothing() {
    let copy = Copy::of_fixture("session-v0.5.0/peer-0");
    let (source, target) = (copy.guardian(), copy.target());
    let honest = verify!(source, "--config", source, "--json").exits(0).verdict();
    fs::copy(copy.file(".sst"), copy.database("000099.sst")).expect("a table");
    let run = verify!(source, "--config", source, "--json").exits(0);
    let findings = run.findings();
    let reported =
        findings.iter().find(|finding| finding["code"] == "tables-unfinished").expect("the finding");
    assert_eq!(reported["severity"], "info");
    assert!(reported["message"].as_str().is_some_and(|message| message.contains("000099.sst")), "{reported}");
    assert_eq!(run.verdict()["history_root"], honest["history_root"]);
    migrate!("convert", "--from", source, "--config", source, "--to", target).exits(0);
    assert_eq!(manifest(&target)["source_omissions"], json!([]));
    verify!(target, "--config", source).exits(0);
}

#[test]
fn a_source_that_lost_files_is_refused() {
    for (code, copy) in losses() {
        let (source, target) = (copy.guardian(), copy.target());
        let before = digest(&source);
        for run in [
            migrate!("check", "--from", source, "--config", source, "--json"),
            migrate!("convert", "--from", source, "--config", source, "--to", target, "--json"),
        ] {
            let run = run.exits(1);
            assert!(
                run.sentence().contains(&format!("the database is not whole: {code}: ")),
                "{}",
                run.stderr
            );
            assert!(run.stderr.contains("copy the whole directory again"), "{}", run.stderr);
            assert!(run.stderr.contains("--accept-incomplete"), "{}", run.stderr);
            assert_eq!(run.verdict()["verdict"], "refused");
            let findings = run.findings();
            assert_eq!(codes(&findings), [(code.to_owned(), None)]);
            assert_eq!(findings[0]["severity"], "error");
        }
        assert!(!target.exists() && !partial_of(&target).exists(), "{code}");
        // A command that only reads gets the same finding.
        let run = verify!(source, "--config", source, "--json").exits(1);
        assert!(codes(&run.findings()).contains(&(code.to_owned(), None)), "{}", run.stdout);
        assert_eq!((&run.verdict()["errors"], &run.verdict()["warnings"]), (&json!(1), &json!(0)), "{code}");
        let [seen] = migrate!("inspect", source, "--json").exits(0).json().try_into().expect("one object");
        assert_eq!((&seen["omissions"][0]["code"], &seen["log_tail_torn"]), (&json!(code), &Value::Null));
        assert_eq!(seen["omissions"].as_array().map(Vec::len), Some(1), "{seen}");
        let people = migrate!("inspect", source).exits(0);
        assert!(people.stdout.contains(&format!("not read   {code}: ")), "{}", people.stdout);
        assert_eq!(digest(&source), before, "{code}");
    }
}

#[test]
fn an_accepted_loss_is_in_the_manifest() {
    for (code, copy) in losses() {
        let (source, target) = (copy.guardian(), copy.target());
        let check =
            migrate!("check", "--from", source, "--config", source, "--accept-incomplete", "--json").exits(0);
        assert_eq!(check.verdict()["source_omissions"], json!([code]));
        let convert = || {
            migrate!(
                "convert",
                "--from",
                source,
                "--config",
                source,
                "--to",
                target,
                "--accept-incomplete",
                "--json"
            )
        };
        let run = convert().exits(0);
        assert!(codes(&run.findings()).contains(&(code.to_owned(), None)), "{}", run.stdout);
        assert_eq!(run.verdict()["source_omissions"], json!([code]));
        assert_eq!(manifest(&target)["source_omissions"], json!([code]));
        assert_eq!(root(&check.verdict()), root(&manifest(&target)));
        assert_eq!(convert().exits(0).verdict()["verdict"], "exists");
        assert_warned(&target, &source, code);
        // The same with the variable, for people.
        let other = copy.home.path().join("other");
        let run = command(binary("fm-migrate"))
            .args(["convert", "--from"])
            .args([&source, Path::new("--config"), &source, Path::new("--to"), &other])
            .env("FM_ACCEPT_INCOMPLETE", "1")
            .output()
            .expect("the program can be started");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(said.contains(&format!("incomplete the old database was not whole ({code})")), "{said}");
        assert_eq!(manifest(&other), manifest(&target));
    }
}

/// Checks that an auditor of the result sees that the original was not whole, and nothing else against it.
#[track_caller]
fn assert_warned(target: &Path, config: &Path, code: &str) {
    verify!(target, "--config", config, "--strict").exits(1);
    let run = verify!(target, "--config", config, "--json").exits(0);
    let findings = run.findings();
    let reported = findings.iter().find(|finding| finding["code"] == "source-incomplete").expect("a finding");
    assert_eq!(reported["severity"], "warning");
    assert!(reported["message"].as_str().is_some_and(|text| text.ends_with(code)), "{reported}");
    assert_eq!((&run.verdict()["errors"], &run.verdict()["warnings"]), (&json!(0), &json!(1)));
}

/// A server that is killed again while it recovers from a crash has made a new log, and written nothing to
/// it.
#[test]
fn an_empty_log_behind_a_torn_one_is_what_two_crashes_leave() {
    let copy = Copy::of(IN_LOG);
    let source = copy.guardian();
    cut(&copy.file(".log"), 5);
    fs::write(copy.database("000900.log"), b"").expect("a log");
    let run = verify!(source, "--config", source, "--json").exits(0);
    assert!(codes(&run.findings()).contains(&("log-tail-torn".to_owned(), None)), "{}", run.stdout);
    assert_eq!((&run.verdict()["errors"], &run.verdict()["warnings"]), (&json!(0), &json!(1)));
}

/// What a crash leaves: only the newest is lost, so it is converted, with a finding about it.
#[test]
fn a_torn_end_of_the_log_is_no_obstacle() {
    for peer in [IN_LOG, IN_BOTH] {
        let copy = Copy::of(peer);
        let (source, target) = (copy.guardian(), copy.target());
        cut(&copy.file(".log"), 5);
        let run =
            migrate!("convert", "--from", source, "--config", source, "--to", target, "--json").exits(0);
        let torn: Vec<_> =
            run.findings().into_iter().filter(|finding| finding["code"] == "log-tail-torn").collect();
        assert_eq!((torn.len(), &torn[0]["severity"]), (1, &json!("warning")));
        assert_eq!(manifest(&target)["source_omissions"], json!(["log-tail-torn"]));
        assert_warned(&target, &source, "log-tail-torn");
        let [seen] = migrate!("inspect", source, "--json").exits(0).json().try_into().expect("one object");
        assert_eq!(seen["log_tail_torn"], seen["omissions"][0]["message"]);
        // Together with a loss that does not come from a crash, it is refused like that loss, and both are
        // recorded.
        append(&copy.file("MANIFEST-"), &[9]);
        let other = copy.home.path().join("other");
        let words = ["convert", "--from"].map(PathBuf::from);
        let refused =
            migrate!(words[0], words[1], source, "--config", source, "--to", other, "--json").exits(1);
        assert!(refused.sentence().contains("file-list-torn"), "{}", refused.stderr);
        migrate!("convert", "--from", source, "--config", source, "--to", other, "--accept-incomplete")
            .exits(0);
        assert_eq!(manifest(&other)["source_omissions"], json!(["log-tail-torn", "file-list-torn"]));
        assert_eq!(root(&manifest(&other)), root(&manifest(&target)));
    }
}

#[test]
fn a_whole_source_has_no_omissions() {
    for peer in [IN_LOG, IN_BOTH] {
        let copy = Copy::of(peer);
        let verdict = converted(&copy.guardian(), &copy.target());
        assert_eq!(verdict["source_omissions"], json!([]));
        let run = verify!(copy.target(), "--config", copy.guardian(), "--json").exits(0);
        assert!(!run.stdout.contains("source-incomplete"), "{}", run.stdout);
    }
}

/// Without its log, nothing is left of a small database: there is nothing to accept.
#[test]
fn nothing_left_is_no_history() {
    let copy = Copy::of(IN_LOG);
    let (source, target) = (copy.guardian(), copy.target());
    fs::remove_file(copy.file(".log")).expect("the log");
    for run in [
        verify!(source, "--config", source),
        migrate!("convert", "--from", source, "--config", source, "--to", target),
        migrate!("convert", "--from", source, "--config", source, "--to", target, "--accept-incomplete"),
    ] {
        let run = run.exits(3);
        assert!(run.sentence().contains("is incomplete (the write-ahead log is missing"), "{}", run.stderr);
    }
    let run = migrate!(
        "convert",
        "--from",
        source,
        "--config",
        source,
        "--to",
        target,
        "--accept-incomplete",
        "--layout",
        "bigsize"
    );
    run.exits(1).sentence();
    assert!(!target.exists() && !partial_of(&target).exists());
}

/// A list of files that is cut anywhere: the same history, or no conversion.
#[test]
fn a_list_of_files_that_is_cut_never_shortens_a_history() {
    let copy = Copy::of(IN_BOTH);
    let source = copy.guardian();
    let whole = migrate!("check", "--from", source, "--config", source, "--json").exits(0).verdict();
    let list = copy.file("MANIFEST-");
    let bytes = fs::read(&list).expect("the list");
    let (mut refused, mut same) = (0, 0);
    for length in (0..bytes.len()).step_by(3) {
        fs::write(&list, &bytes[..length]).expect("the list");
        let run = migrate!("check", "--from", source, "--config", source, "--json");
        match run.exit {
            0 => {
                assert_eq!(run.verdict(), whole, "cut to {length}");
                same += 1;
            }
            1 | 3 => {
                run.sentence();
                refused += 1;
            }
            other => panic!("cut to {length}: {other}\n{}", run.stderr),
        }
    }
    assert!(refused > 100 && same <= 2, "{refused} refused, {same} the same");
}
