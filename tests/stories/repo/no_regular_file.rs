//! A pipe in place of a file that the user names: no program waits for data that may never come.

use std::ffi::OsString;

use fm_tests::{Run, binary, command, copy_dir, fixture};

/// Runs a program that must refuse without waiting.
fn refused(program: &str, words: &[&str]) -> Run {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let output = command("timeout").arg("60").arg(binary(program)).args(&words).output();
    let run = Run::from_output(format!("{program} {words:?}"), output.expect("there is a timeout command"));
    run.exits(3)
}

#[test]
fn a_pipe_is_no_file() {
    let home = tempfile::tempdir().expect("a directory");
    let pipe = home.path().join("pipe");
    assert!(command("mkfifo").arg(&pipe).status().expect("there is mkfifo").success());
    let pipe = pipe.to_str().expect("text");
    let guardian = fixture("session-v0.5.0/peer-0");
    let guardian = guardian.to_str().expect("text");
    let cases: [(&str, &[&str]); 7] = [
        ("fm-verify", &[guardian, "--keys", pipe]),
        ("fm-verify", &[guardian, "--config", guardian, "--trust-file", pipe]),
        ("fm-verify", &["check-evidence", pipe, "--config", guardian]),
        ("fm-verify", &["check-proof", pipe, "--config", guardian]),
        ("fm-migrate", &["check", "--from", guardian, "--keys", pipe]),
        ("fm-checkpoint", &["verify", pipe]),
        ("fm-checkpoint", &["inspect", pipe]),
    ];
    for (program, words) in cases {
        let run = refused(program, words);
        assert!(run.stderr.contains("it is not a regular file"), "{}: {}", run.line, run.stderr);
    }
    refused("fm-verify", &[pipe, "--config", guardian]);
    refused("fm-migrate", &["inspect", pipe]);
}

/// RocksDB would open a pipe among its files, and wait.
#[test]
fn a_pipe_among_the_files_of_a_database_is_no_file() {
    let home = tempfile::tempdir().expect("a directory");
    copy_dir(&fixture("session-v0.5.0/peer-0/database"), &home.path().join("database"));
    let database = home.path().join("database");
    let log = std::fs::read_dir(&database)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|end| end == "log"))
        .expect("a log");
    for name in
        ["000999.log", "000999.sst", "LOCK", log.file_name().and_then(|name| name.to_str()).expect("text")]
    {
        let (file, kept) = (database.join(name), home.path().join("kept"));
        let was_there = std::fs::rename(&file, &kept).is_ok();
        assert!(command("mkfifo").arg(&file).status().expect("there is mkfifo").success());
        let text = database.to_str().expect("text");
        let target = home.path().join("target");
        let target = target.to_str().expect("text");
        let cases: [(&str, &[&str]); 5] = [
            ("fm-verify", &[text]),
            ("fm-migrate", &["inspect", text]),
            ("fm-migrate", &["units", text]),
            ("fm-checkpoint", &["export", text, "--to", target]),
            ("fm-checkpoint", &["compare", text, text]),
        ];
        for (program, words) in cases {
            let run = refused(program, words);
            assert!(run.stderr.contains("it is not a regular file"), "{name}: {}: {}", run.line, run.stderr);
        }
        std::fs::remove_file(&file).expect("it is there");
        if was_there {
            std::fs::rename(&kept, &file).expect("it was there");
        }
    }
}
