//! Mistakes that a tired person makes: one clear sentence, at most one hint, the documented exit status, and
//! nothing written.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fm_forge::ForgeSpec;
use fm_forge::damage::rewrite;
use fm_store::StoreWriter;
use fm_tests::{
    Federation, Run, binary, checkpoint, codes, command, converted, copy_dir, digest, file_list, hbbft,
    keys_of, migrate, partial_of, verify,
};

/// A small v0.5 configuration: no keys for HoneyBadger epochs.
const MODERN_CONFIG: &str = r#"{
    "code_version": "0.5.0", "version": {"major": 2, "minor": 0},
    "broadcast_public_keys": {
        "0": "0288836e8916e114eb0f4dd0adad9d70234b9b4e57cdc20fe089eede25adee5726",
        "1": "039cedecc92194ef559f66005a586d8d77b413257930603545a2e678be1f625ad4",
        "2": "02c1a922c0e2549fec95bfe3a9b815b67a1858583c1eb03692bd28bdcee46c5edf",
        "3": "035d0d70b3a589b3991c077092ea11f8efc8ff3be56b341b85cf9865fa835b68da"
    },
    "broadcast_rounds_per_session": 40,
    "api_endpoints": {
        "0": {"url": "ws://127.0.0.1:28201/", "name": "peer-0"}, "1": {"url": "ws://127.0.0.1:28203/", "name": "peer-1"},
        "2": {"url": "ws://127.0.0.1:28205/", "name": "peer-2"}, "3": {"url": "ws://127.0.0.1:28207/", "name": "peer-3"}
    },
    "tls_certs": {"0": "30", "1": "30", "2": "30", "3": "30"},
    "modules": {"0": {"kind": "dummy", "version": {"major": 2, "minor": 0}, "config": "00"}},
    "meta": {"federation_name": "modern"}
}"#;

/// Runs every command that reads a source with these keys; nothing may appear at the target.
fn all_commands(source: &Path, trust: &str, keys: &Path, target: &Path) -> Vec<Run> {
    let runs = vec![
        verify!(source, trust, keys),
        verify!(source, trust, keys, "--json"),
        migrate!("check", "--from", source, trust, keys, "--json"),
        migrate!("convert", "--from", source, trust, keys, "--to", target),
        migrate!("convert", "--from", source, trust, keys, "--to", target, "--json"),
    ];
    assert!(!target.exists() && !partial_of(target).exists());
    runs
}

#[track_caller]
fn assert_told(runs: Vec<Run>, exit: i32, texts: &[&str]) {
    for run in runs {
        let run = run.exits(exit);
        for text in texts {
            assert!(run.sentence().contains(text), "$ {}\n{}", run.line, run.stderr);
        }
        if run.line.ends_with("--json") {
            let failure = run.failure();
            let message = failure["message"].as_str().unwrap_or_default();
            assert!(run.sentence().ends_with(message), "$ {}\n{failure}", run.line);
        }
    }
}

/// With `--json` every failure is an object with code, message and hint; one for each exit status and each
/// program.
#[test]
fn every_failure_is_an_object() {
    let federation = Federation::small(12);
    let (guardian, nowhere) = (federation.guardian(), federation.beside("nowhere"));
    let failures = [
        (verify!(guardian, "--nonsense", "--json"), 2, "usage", "unexpected argument '--nonsense'"),
        (verify!("diff", guardian, "--json"), 2, "usage", "required arguments"),
        (verify!("--json"), 2, "usage", "required arguments"),
        (verify!(guardian, "--json", "--jobs", "many"), 2, "usage", "invalid value 'many'"),
        (verify!("show", guardian, "--epoch", "99999", "--json"), 1, "findings", "99,999"),
        (verify!(nowhere, "--json"), 3, "cannot-look", "does not exist"),
        (migrate!("frobnicate", "--json"), 2, "usage", "frobnicate"),
        (migrate!("inspect", nowhere, "--json"), 3, "cannot-look", "does not exist"),
        (migrate!("units", guardian, "--form", "none", "--json"), 2, "usage", "no form"),
        (checkpoint!("list", "--json"), 2, "usage", "--data-dir"),
        (
            checkpoint!("inspect", guardian.join("consensus.json"), "--json"),
            3,
            "cannot-look",
            "consensus.json",
        ),
        (checkpoint!("status", "--data-dir", nowhere, "--json"), 3, "cannot-look", "nowhere"),
        (
            Run::of(
                "fm-node",
                &["status".into(), "--api".into(), "ws://127.0.0.1:1/".into(), "--json".into()],
            ),
            3,
            "cannot-look",
            "127.0.0.1:1",
        ),
        (Run::of("fm-node", &["load".into(), "--json".into()]), 2, "usage", "--dir"),
    ];
    for (run, exit, code, text) in failures {
        let run = run.exits(exit);
        let failure = run.failure();
        assert_eq!(failure["code"], code, "$ {}", run.line);
        let message = failure["message"].as_str().unwrap_or_default();
        assert!(
            message.contains(text) && run.stderr.contains(text),
            "$ {}\n{failure}\n{}",
            run.line,
            run.stderr
        );
        assert_eq!(run.json().len(), 1, "$ {}\n{}", run.line, run.stdout);
    }
    // With the variable as well, and not with a word after `--`.
    let output =
        command(binary("fm-verify")).arg("--nonsense").env("FM_JSON", "1").output().expect("it starts");
    Run::from_output("fm-verify --nonsense".to_owned(), output).exits(2).failure();
    assert_eq!(verify!("--nonsense", "--", "--json").exits(2).stdout, "");
    assert_eq!(verify!(nowhere).exits(3).stdout, "");
}

#[test]
fn keys_of_another_federation() {
    let stranger = Federation::new(ForgeSpec { seed: 77, epochs: 3, ..ForgeSpec::default() });
    let home = tempfile::tempdir().expect("a directory");
    let (source, target) = (hbbft("peer-0"), home.path().join("new"));
    let keys = home.path().join("keys.json");
    fs::write(&keys, keys_of(&stranger.forged.coefficients)).expect("a file");
    for (trust, path) in [("--config", stranger.guardian()), ("--keys", keys)] {
        for run in all_commands(&source, trust, &path, &target) {
            let run = run.exits(1);
            // One finding, not one per epoch.
            if run.line.ends_with("--json") {
                assert_eq!(codes(&run.findings()), [("wrong-keys".to_owned(), None)], "$ {}", run.line);
            }
            if run.line.starts_with("fm-migrate") {
                assert!(run.sentence().contains("keys of another federation"), "{}", run.stderr);
            } else {
                assert!(run.stdout.contains("keys of another federation"), "{}", run.stdout);
                assert!(run.stdout.contains("findings") || run.stdout.contains("FINDINGS"), "{}", run.stdout);
            }
        }
    }
    // A migrated directory as well.
    converted(&source, &target);
    let run = verify!(target, "--config", stranger.config(), "--json").exits(1);
    assert!(codes(&run.findings()).contains(&("wrong-keys".to_owned(), None)), "{}", run.stdout);
    assert_eq!(run.verdict()["signed"], 0);
}

#[test]
fn configs_that_are_none() {
    let home = tempfile::tempdir().expect("a directory");
    let (source, target) = (hbbft("peer-0"), home.path().join("new"));
    let empty = home.path().join("empty");
    fs::create_dir(&empty).expect("a directory");
    let file = |name: &str, text: &[u8]| -> PathBuf {
        let path = home.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    };
    let cases: Vec<(PathBuf, i32, &str)> = vec![
        (home.path().join("nowhere.json"), 3, "nowhere.json"),
        (empty, 3, "consensus.json"),
        (file("text.json", b"this is no JSON"), 2, "not JSON"),
        (file("cut.json", br#"{"code_version": "0.1.5", "epoch_pk_set": "03"#), 2, "not JSON"),
        (file("empty.json", b""), 2, "not JSON"),
        (file("bytes.json", &[0xFF, 0xFE, 0x00]), 2, "bytes.json"),
        (file("list.json", b"[1, 2, 3]"), 2, "list.json"),
        (file("other.json", br#"{"name": "something else"}"#), 2, "other.json"),
        (file("number.json", b"42"), 2, "number.json"),
        (file("modern.json", MODERN_CONFIG.as_bytes()), 2, "no epoch_pk_set"),
        (hbbft("peer-0").join("client.json"), 2, "client.json"),
        (hbbft("peer-0").join("local.json"), 2, "local.json"),
        (hbbft("peer-0").join("private.encrypt"), 2, "private.encrypt"),
        (PathBuf::from("/dev/null"), 3, "not a regular file"),
    ];
    for (config, exit, text) in cases {
        assert_told(all_commands(&source, "--config", &config, &target), exit, &[text]);
        assert_told(vec![migrate!("inspect", source, "--config", config)], exit, &[text]);
    }
}

#[test]
fn keys_files_that_are_none() {
    let home = tempfile::tempdir().expect("a directory");
    let (source, target) = (hbbft("peer-0"), home.path().join("new"));
    let file = |name: &str, text: &str| -> PathBuf {
        let path = home.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    };
    let session_keys = r#"{"0": "0288836e8916e114eb0f4dd0adad9d70234b9b4e57cdc20fe089eede25adee5726"}"#;
    let cases = [
        (file("empty-set.json", r#"{"epoch_pk_set": []}"#), "empty-set.json"),
        (file("short.json", r#"{"epoch_pk_set": ["9410"]}"#), "short.json"),
        (file("zero.json", &format!(r#"{{"epoch_pk_set": ["{}"]}}"#, "00".repeat(48))), "zero.json"),
        (file("sessions.json", session_keys), "holds session keys"),
        (file("word.json", r#"{"epoch_pk_set": "9410"}"#), "word.json"),
    ];
    for (keys, text) in cases {
        assert_told(all_commands(&source, "--keys", &keys, &target), 2, &[text]);
    }
    let both = verify!(source, "--config", source, "--keys", home.path().join("short.json")).exits(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn sources_that_are_none() {
    let home = tempfile::tempdir().expect("a directory");
    let (config, target) = (hbbft("peer-0").join("consensus.json"), home.path().join("new"));
    let (file, empty, nothing) =
        (home.path().join("file"), home.path().join("empty"), home.path().join("nothing"));
    fs::write(&file, "a file").expect("a file");
    fs::create_dir(&empty).expect("a directory");
    StoreWriter::create(&nothing).and_then(StoreWriter::finish).expect("an empty database");
    let cases: [(PathBuf, &str); 5] = [
        (home.path().join("nowhere"), "does not exist"),
        (file, "not an archive"),
        (empty, "no RocksDB database"),
        (nothing, "the database is empty"),
        (config.clone(), "not an archive"),
    ];
    for (source, text) in cases {
        assert_told(all_commands(&source, "--config", &config, &target), 3, &[text]);
        let text = if source.is_file() { "is a file" } else { text };
        assert_told(vec![migrate!("inspect", source), migrate!("inspect", source, "--json")], 3, &[text]);
    }
    assert!(!home.path().join("nowhere").exists(), "nothing is created where nothing was");
    // Rows that no guardian writes.
    let foreign = home.path().join("foreign");
    let mut writer = StoreWriter::create(&foreign).expect("a database");
    writer.put(b"hello", b"world").expect("a row");
    writer.finish().expect("a database");
    assert_told(
        all_commands(&foreign, "--config", &config, &target),
        3,
        &["not a guardian's database", "68"],
    );
}

#[test]
fn targets_that_cannot_be() {
    let federation = Federation::small(12);
    let guardian = federation.guardian();
    let convert = |to: &Path| migrate!("convert", "--from", guardian, "--config", guardian, "--to", to);
    let file = federation.beside("file");
    fs::write(&file, "a file").expect("a file");
    let empty = federation.beside("empty");
    fs::create_dir(&empty).expect("a directory");
    for (target, exit, text) in [
        (federation.beside("nowhere/new"), 2, "there is no directory"),
        (file.clone(), 2, "already exists"),
        (empty, 2, "already exists"),
        (file.join("new"), 2, "file"),
        (guardian.join("new"), 2, "the source is never written"),
        (guardian.clone(), 2, "the source is never written"),
    ] {
        assert_told(vec![convert(&target)], exit, &[text]);
    }
    // A source that is named as this target's unfinished work is not a leftover.
    let source = federation.beside("copy.partial");
    fm_tests::copy_dir(&guardian, &source);
    let before = fm_tests::digest(&source);
    let to = federation.beside("copy");
    let run = migrate!("convert", "--from", source, "--config", guardian, "--to", to);
    assert_told(vec![run], 2, &["the source is never written"]);
    assert_eq!(fm_tests::digest(&source), before);
    // A foreign file where the unfinished work would be.
    let target = federation.beside("new");
    fs::create_dir(partial_of(&target)).expect("a directory");
    fs::write(partial_of(&target).join("precious"), "do not touch").expect("a file");
    assert_told(vec![convert(&target)], 2, &["was not made by this tool"]);
    assert_eq!(fs::read_to_string(partial_of(&target).join("precious")).expect("the file"), "do not touch");
    // An empty directory is in nobody's way.
    fs::remove_file(partial_of(&target).join("precious")).expect("the file");
    convert(&target).exits(0);
}

#[test]
fn a_database_in_use() {
    let federation = Federation::small(12);
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let mut holder = command(binary("fm-forge"))
        .arg("hold")
        .arg(federation.database())
        .stdin(Stdio::piped())
        .spawn()
        .expect("fm-forge can be started");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line, "held\n");
    let before = digest(&guardian);
    let pid = format!("in use by process {}", holder.id());
    assert_told(all_commands(&guardian, "--config", &guardian, &target), 11, &[&pid]);
    assert_told(vec![migrate!("inspect", guardian), migrate!("inspect", guardian, "--json")], 11, &[&pid]);
    assert_eq!(digest(&guardian), before);
    holder.stdin.take().expect("a pipe").flush().expect("it is open");
    assert!(holder.wait().expect("it ends").success());
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(0);
}

#[test]
fn a_torn_log() {
    let home = tempfile::tempdir().expect("a directory");
    let (source, target) = (home.path().join("guardian"), home.path().join("new"));
    copy_dir(&hbbft("peer-0"), &source);
    let log = file_list(&source).into_iter().find(|path| path.extension().is_some_and(|e| e == "log"));
    let log = source.join(log.expect("a log"));
    let whole = fs::read(&log).expect("the log");
    let torn = |length: usize| fs::write(&log, &whole[..length]).expect("the log");
    // A few bytes, as after a crash: it is reported, and the remaining history is judged by itself.
    torn(whole.len() - 5);
    let [inspection] = migrate!("inspect", source, "--json").exits(0).json().try_into().expect("one object");
    let said = inspection["log_tail_torn"].as_str().expect("a sentence");
    let name = log.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(said.starts_with(&format!("the end of {name} is torn")) && said.ends_with(')'), "{inspection}");
    // The document says exactly that of the field.
    let document =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md")).expect("a document");
    let row = document.lines().find(|line| line.starts_with("| `log_tail_torn`")).expect("its row");
    assert!(row.contains("a sentence with the name of the log whose end is torn"), "{row}");
    verify!(source, "--config", source, "--strict").exits(1);
    let run = verify!(source, "--config", source, "--json").exits(0);
    assert!(codes(&run.findings()).contains(&("log-tail-torn".to_owned(), None)), "{}", run.stdout);
    let run = migrate!("convert", "--from", source, "--config", source, "--to", target, "--json");
    assert!(codes(&run.findings()).contains(&("log-tail-torn".to_owned(), None)), "{}", run.stdout);
    assert!(matches!(run.exit, 0 | 1), "{}", run.stderr);
    // Half of it, and all of it.
    for length in [whole.len() / 2, 0] {
        torn(length);
        for run in [
            verify!(source, "--config", source, "--json"),
            migrate!("inspect", source, "--json"),
            migrate!("check", "--from", source, "--config", source, "--json"),
        ] {
            assert!(run.exited && run.exit != 101, "$ {}\n{}", run.line, run.stderr);
            let said_so = run.stdout.contains("torn") || run.stderr.contains("empty");
            assert!(said_so, "$ {}\n{}{}", run.line, run.stdout, run.stderr);
            run.json();
        }
    }
}

#[test]
fn files_missing_under_a_database() {
    let federation = Federation::small(30);
    let target = federation.beside("new");
    for kind in ["sst", "MANIFEST", "CURRENT"] {
        let copy = federation.beside(&format!("without-{kind}"));
        copy_dir(&federation.guardian(), &copy);
        let file = file_list(&copy).into_iter().find(|path| path.to_string_lossy().contains(kind));
        let file = file.expect("a file of that kind");
        fs::remove_file(copy.join(&file)).expect("the file");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert_told(all_commands(&copy, "--config", &copy, &target), 3, &[&name]);
        assert_told(vec![migrate!("inspect", copy)], 3, &[&name]);
    }
    // A byte of a table.
    let copy = federation.beside("flipped");
    copy_dir(&federation.guardian(), &copy);
    let table = file_list(&copy).into_iter().find(|path| path.extension().is_some_and(|e| e == "sst"));
    let table = copy.join(table.expect("a table"));
    let mut bytes = fs::read(&table).expect("the table");
    bytes[500] ^= 1;
    fs::write(&table, bytes).expect("the table");
    assert_told(all_commands(&copy, "--config", &copy, &target), 3, &["sum"]);
}

#[test]
fn arguments_that_make_no_sense() {
    let federation = Federation::small(12);
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    for run in [
        migrate!(),
        migrate!("frobnicate"),
        migrate!("convert", "--from", guardian),
        migrate!("convert", "--from", guardian, "--config", guardian, "--to", target, "--until", "minus one"),
        migrate!("convert", "--from", "", "--config", guardian, "--to", target),
        verify!(),
        verify!(guardian, guardian),
    ] {
        let run = run.exits(2);
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "$ {}", run.line);
    }
    let run = migrate!("inspect", guardian, "--layout", "modern").exits(2);
    assert!(
        run.sentence().contains("no layout \"modern\"") && run.stderr.contains("bigsize"),
        "{}",
        run.stderr
    );
    verify!(guardian, "--layout", "modern").exits(2).sentence();
    // The wrong kind of source for a command.
    converted(&guardian, &target);
    let other = federation.beside("other");
    for (run, text) in [
        (migrate!("convert", "--from", target, "--config", guardian, "--to", other), "migrated already"),
        (migrate!("check", "--from", target.join("provenance.fmar"), "--config", guardian), "is an archive"),
    ] {
        assert_told(vec![run], 2, &[text]);
    }
    assert_told(vec![migrate!("map", "--dir", guardian)], 3, &["manifest.json"]);
    assert_told(vec![migrate!("revert", "--from", guardian, "--to", other)], 3, &["provenance.fmar"]);
    for part in ["manifest.json", "provenance.fmar", "database"] {
        let broken = federation.beside(&format!("no-{part}"));
        copy_dir(&target, &broken);
        if part == "database" {
            fs::remove_dir_all(broken.join(part)).expect("the database");
        } else {
            fs::remove_file(broken.join(part)).expect("the file");
        }
        assert_told(vec![verify!(broken, "--config", guardian, "--json")], 3, &[part]);
    }
    let version = migrate!("--version").exits(0);
    assert!(version.stdout.starts_with("fm-migrate "));
    assert!(verify!("--help").exits(0).stdout.contains("Exit status"));
}

/// The detected layout can be overruled; a wrong one is damage, not a crash.
#[test]
fn a_wrong_layout() {
    let federation = Federation::small(12);
    let guardian = federation.guardian();
    let copy = federation.beside("copy");
    rewrite(&federation.database(), &copy, |key, value| Some((key.to_vec(), value.to_vec())))
        .expect("a copy");
    for layout in ["fixed-le", "fixed-be", "fixed-be-length32", "fixed-be-length32-v0.1-tables"] {
        let run = verify!(copy, "--config", guardian, "--layout", layout, "--json").exits(1);
        assert!(run.findings().len() > 1, "{layout}");
        run.verdict();
    }
    verify!(copy, "--config", guardian, "--layout", "bigsize").exits(0);
}
