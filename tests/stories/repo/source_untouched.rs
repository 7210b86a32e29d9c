//! No command changes its source: not one byte, not one file, not even one modification time; and none needs
//! the right to.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_tests::{
    DAMAGED, Federation, Run, binary, converted, copy_dir, digest, file_list, hbbft, migrate, shell, verify,
};

/// Runs every command that reads `source`, with exit statuses that are right for a whole or damaged one.
fn read_it_all(source: &Path, config: &Path, home: &Path, other_config: &Path) -> Vec<Run> {
    let target = |name: &str| home.join(name);
    vec![
        migrate!("inspect", source),
        migrate!("inspect", source, "--config", config, "--json"),
        migrate!("inspect", source, "--layout", "fixed-be"),
        migrate!("check", "--from", source, "--config", config),
        migrate!("check", "--from", source, "--config", other_config),
        migrate!("check", "--from", source, "--config", config, "--layout", "fixed-be-length32"),
        migrate!("convert", "--from", source, "--config", config, "--to", target("a")),
        migrate!("convert", "--from", source, "--config", config, "--to", target("b"), "--until", "7"),
        migrate!("convert", "--from", source, "--config", config, "--to", target("c"), "--until", "100000"),
        migrate!("convert", "--from", source, "--config", other_config, "--to", target("d")),
        migrate!("convert", "--from", source, "--config", config, "--to", source),
        migrate!("convert", "--from", source, "--config", config, "--to", source.join("new")),
        migrate!("convert", "--from", source, "--config", config, "--to", source.join("database/new")),
        migrate!(
            "convert",
            "--from",
            source.join("database"),
            "--config",
            config,
            "--to",
            source.join("database/new")
        ),
        migrate!("convert", "--from", source, "--to", target("e")),
        migrate!("map", "--dir", source),
        migrate!("revert", "--from", source, "--to", target("f")),
        migrate!("revert", "--from", source.join("consensus.json"), "--to", target("g")),
        verify!(source),
        verify!(source, "--config", config, "--json"),
        verify!(source, "--config", other_config),
        verify!(source.join("database"), "--config", config),
    ]
}

fn assert_untouched(source: &Path, config: &Path, other_config: &Path) {
    let home = tempfile::tempdir().expect("a directory");
    let (files, before) = (file_list(source), digest(source));
    for run in read_it_all(source, config, home.path(), other_config) {
        assert!(run.exited && matches!(run.exit, 0..=4), "$ {}\n{}", run.line, run.stderr);
    }
    assert_eq!(file_list(source), files, "{}", source.display());
    assert_eq!(digest(source), before, "{}", source.display());
}

/// Rows in the write-ahead log, as v0.1.5 left them, whole and damaged.
#[test]
fn real_databases() {
    let stranger = Federation::small(4);
    for name in ["peer-0"].iter().chain(&DAMAGED) {
        let home = tempfile::tempdir().expect("a directory");
        let source = home.path().join("guardian");
        copy_dir(&hbbft(name), &source);
        assert_untouched(&source, &source, &stranger.config());
    }
}

/// Rows in table files.
#[test]
fn forged_databases() {
    let (federation, stranger) = (
        Federation::small(30),
        Federation::new(fm_forge::ForgeSpec { seed: 99, epochs: 4, ..Default::default() }),
    );
    assert_untouched(&federation.guardian(), &federation.config(), &stranger.config());
}

/// A log whose end is torn, and a missing table file.
#[test]
fn broken_databases() {
    let home = tempfile::tempdir().expect("a directory");
    let source = home.path().join("guardian");
    copy_dir(&hbbft("peer-0"), &source);
    let log = file_list(&source).into_iter().find(|path| path.extension().is_some_and(|e| e == "log"));
    let log = source.join(log.expect("a log"));
    let length = fs::metadata(&log).expect("the log").len();
    fs::OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(length - 5)).expect("the log");
    let stranger = Federation::small(4);
    assert_untouched(&source, &source, &stranger.config());

    let federation = Federation::small(30);
    let table = file_list(&federation.guardian())
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "sst"));
    fs::remove_file(federation.guardian().join(table.expect("a table"))).expect("the table");
    let before = digest(&federation.guardian());
    for run in read_it_all(&federation.guardian(), &federation.config(), home.path(), &stranger.config()) {
        assert!(run.exited && matches!(run.exit, 2 | 3), "$ {}\n{}{}", run.line, run.stdout, run.stderr);
    }
    assert_eq!(digest(&federation.guardian()), before);
}

/// The result of a conversion is a source as well.
#[test]
fn migrated_directories() {
    let federation = Federation::small(30);
    let target = federation.beside("new");
    converted(&federation.guardian(), &target);
    let before = digest(&target);
    for run in [
        verify!(target, "--config", federation.config()),
        verify!(target.join("provenance.fmar"), "--config", federation.config()),
        verify!(target.join("database"), "--config", federation.config()),
        migrate!("map", "--dir", target),
        migrate!("inspect", target),
        migrate!("revert", "--from", target, "--to", federation.beside("back")),
    ] {
        run.exits(0);
        assert_eq!(digest(&target), before);
    }
    for run in [
        migrate!(
            "convert",
            "--from",
            target,
            "--config",
            federation.config(),
            "--to",
            federation.beside("twice")
        ),
        migrate!("revert", "--from", target, "--to", target),
        migrate!("revert", "--from", target, "--to", target.join("database")),
        migrate!("revert", "--from", target, "--to", target.join("inside")),
        migrate!("map", "--dir", target.join("database")),
    ] {
        assert!(run.exited && matches!(run.exit, 2 | 3), "$ {}\n{}", run.line, run.stderr);
        run.sentence();
        assert_eq!(digest(&target), before);
    }
}

/// On a file system that is mounted read-only, every command works as ever.
#[test]
fn a_source_that_cannot_be_written() {
    let home = tempfile::tempdir().expect("a directory");
    let source = home.path().join("guardian");
    copy_dir(&hbbft("peer-0"), &source);
    let script = "unshare -rm sh -ec '\
        mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; \
        if touch \"$1/written\" 2>/dev/null; then echo it can be written; exit 99; fi; \
        \"$3\" inspect \"$1\"; \
        \"$3\" convert --from \"$1\" --config \"$1\" --to \"$2\"; \
        \"$4\" \"$1\" --config \"$1\"' sh \"$@\"";
    let paths: [PathBuf; 4] = [source, home.path().join("new"), binary("fm-migrate"), binary("fm-verify")];
    let run = shell(script, &paths.map(OsString::from)).exits(0);
    assert!(run.stdout.contains("SOUND"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
}
