//! Rights and limits: what cannot be read is not called damaged, and no limit ends a program without a
//! message.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fm_tests::{Run, checkpoint, copy_dir, file_list, fixture, least_of, verify, with_own_mounts};

use crate::{SOMEBODY, as_somebody, for_everybody};

/// A name for a set of files that nobody else may read, and a test for its files.
type Closed<'a> = (&'a str, &'a dyn Fn(&Path) -> bool);

/// Checks that a file could not be read, nothing calls it damaged, and the hint helps.
#[track_caller]
fn not_read(run: Run, said: &str, hint: &str) {
    let run = run.exits(3);
    let text = format!("{} {}", run.stdout, run.stderr);
    assert!(run.sentence().contains(said), "{text}");
    assert!(!text.contains("damaged") && !text.contains("another copy"), "{text}");
    assert!(run.stderr.contains(&format!("  hint: {hint}")), "{text}");
}

fn guardian(home: &Path) -> PathBuf {
    let guardian = home.join("guardian");
    copy_dir(&fixture("session-v0.5.0/peer-0"), &guardian);
    guardian
}

fn words(words: &[&str], guardian: &Path) -> Vec<OsString> {
    words.iter().map(OsString::from).chain([guardian.into()]).collect()
}

#[test]
fn files_of_another_user() {
    with_own_mounts("limits::files_of_another_user", || {
        let home = tempfile::tempdir().expect("a directory");
        let guardian = guardian(home.path());
        let (verify, tool) =
            (for_everybody("fm-verify", home.path()), for_everybody("fm-checkpoint", home.path()));
        let modes = |which: &dyn Fn(&Path) -> bool| {
            for name in file_list(&guardian) {
                let (path, closed) = (guardian.join(&name), which(&name));
                let mode = if path.is_dir() { 0o755 } else { 0o644 };
                let mode = if closed { mode & 0o700 } else { mode };
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
            }
        };
        let hint = "this user has no right to it";
        let closed: [Closed<'_>; 5] = [
            ("a table", &|name| name.extension().is_some_and(|end| end == "sst")),
            ("a log", &|name| name.extension().is_some_and(|end| end == "log")),
            ("the list of files", &|name| name.to_string_lossy().contains("MANIFEST")),
            ("the lock", &|name| name.ends_with("LOCK")),
            ("all", &|name| name == Path::new("database")),
        ];
        for (what, which) in closed {
            modes(which);
            let run = as_somebody(SOMEBODY, &[], &verify, &words(&["--config"], &guardian));
            assert_eq!(run.exit, 2, "{what}: the source is missing: {}", run.stderr);
            let mut line = words(&["--config"], &guardian);
            line.push(guardian.clone().into());
            not_read(as_somebody(SOMEBODY, &[], &verify, &line), "Permission denied", hint);
        }
        // A database that this user cannot read shows nothing: no guard is guessed, and none is asked for.
        fs::set_permissions(&guardian, fs::Permissions::from_mode(0o777)).expect("the mode can be set");
        let line = words(&["restore", "--checkpoint", "24", "--dry-run", "--data-dir"], &guardian);
        not_read(as_somebody(SOMEBODY, &[], &tool, &line), "Permission denied", hint);
        // The dry run says that the real run could not write.
        modes(&|_| false);
        fs::set_permissions(&guardian, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
        not_read(as_somebody(SOMEBODY, &[], &tool, &line), "Permission denied", hint);
    });
}

/// Every limit ends a program with a result, or with a sentence.
#[test]
fn limits_of_a_process() {
    with_own_mounts("limits::limits_of_a_process", || {
        let home = tempfile::tempdir().expect("a directory");
        let guardian = guardian(home.path());
        let verify = for_everybody("fm-verify", home.path());
        let mut line = words(&["--config"], &guardian);
        line.push(guardian.clone().into());
        let mut stopped = Vec::new();
        let mut run = |limit: String, hint: &str| {
            let run = as_somebody(SOMEBODY + 1, std::slice::from_ref(&limit), &verify, &line);
            let text = format!("{limit}: {}: {}{}", run.exit, run.stdout, run.stderr);
            if run.exit == 0 {
                return;
            }
            assert!(run.exit == 3 && !text.contains("damaged"), "{text}");
            assert!(run.sentence().contains("fm-verify: ") && run.stderr.contains(hint), "{text}");
            stopped.push(limit);
        };
        for files in [4, 5, 6, 7, 8, 10, 12, 16, 24, 1024] {
            run(format!("--nofile={files}"), "hint: allow more open files");
        }
        for threads in [1, 2, 4, 8, 12, 16, 24, 32, 64, 1024] {
            run(format!("--nproc={threads}"), "hint: allow more processes");
        }
        for mebibytes in [96_u64, 128, 192, 256, 320, 384, 448, 512, 768, 1024, 4096] {
            run(format!("--as={}", mebibytes << 20), "hint: allow more");
        }
        // The memory that a program demands is enough for it.
        let least = ["as", "data"].map(|name| format!("--{name}={}", least_of(name)));
        least.iter().for_each(|limit| run(limit.clone(), "hint: allow more"));
        for kind in ["--nofile", "--nproc", "--as"] {
            assert!(stopped.iter().any(|limit| limit.starts_with(kind)), "{kind}: {stopped:?}");
        }
        let enough = ["--nofile=1024", "--nproc=1024", "--as=4294967296"].map(str::to_owned);
        for limit in enough.iter().chain(&least) {
            assert!(!stopped.contains(limit), "{stopped:?}");
        }
    });
}

#[test]
fn a_path_that_is_not_text() {
    let home = tempfile::tempdir().expect("a directory");
    let name = OsString::from_vec(b"guard\xffian".to_vec());
    let (path, config) = (home.path().join(name), fixture("session-v0.5.0/peer-0"));
    copy_dir(&config, &path);
    let hint = "rename the directory";
    not_read(verify!(path, "--config", config), "is not UTF-8", hint);
    not_read(
        checkpoint!("restore", "--data-dir", path, "--checkpoint", "24", "--config", config, "--dry-run"),
        "is not UTF-8",
        hint,
    );
    // The solution that the hint names.
    let link = home.path().join("guardian");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    verify!(link, "--config", config).exits(0);
}
