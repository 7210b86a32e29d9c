//! Mount points, overlays, and file systems that lack something: named before any work, with a solution and
//! no leftover.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use fm_tests::{Fault, Restorable, Run, digest, fixture, rows, run_with_fault, with_own_mounts};

#[track_caller]
fn done(program: &str, words: &[&str]) {
    let status = Command::new(program).args(words).status().expect("the program is there");
    assert!(status.success(), "{program} {words:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Checks that a restore, dry or not, is refused with nothing changed and nothing left.
#[track_caller]
fn refused(guardian: &Restorable, exit: i32, said: &str) {
    let names = || {
        let entries = fs::read_dir(guardian.path()).expect("the data directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let (before, had) = (digest(&guardian.path()), names());
    for more in [&["--dry-run"][..], &[]] {
        let run = guardian.restore(24, more).exits(exit);
        assert!(run.sentence().contains(said) && run.stderr.contains("  hint: "), "{}", run.stderr);
        assert_eq!(names(), had, "{more:?}");
        assert_eq!(digest(&guardian.path()), before, "{more:?}");
    }
}

#[test]
fn a_database_that_is_a_mount_point() {
    with_own_mounts("places::a_database_that_is_a_mount_point", || {
        let guardian = Restorable::new(0);
        let (database, volume) = (guardian.database(), guardian.beside("volume"));
        fs::rename(&database, &volume).expect("the database");
        fs::create_dir(&database).expect("a directory");
        // A directory of the same file system, and another file system.
        done("mount", &["--bind", text(&volume), text(&database)]);
        refused(&guardian, 2, "is a mount point: its name cannot be changed");
        done("umount", &[text(&database)]);
        done("mount", &["-t", "tmpfs", "tmpfs", text(&database)]);
        done("cp", &["-a", &format!("{}/.", text(&volume)), text(&database)]);
        refused(&guardian, 2, "is a mount point: its name cannot be changed");
        // The solution that the hint names.
        let copy = guardian.path().join("copy");
        done("cp", &["-a", text(&database), text(&copy)]);
        done("umount", &[text(&database)]);
        fs::remove_dir(&database).expect("the mount point");
        fs::rename(&copy, &database).expect("the copy");
        guardian.restore(24, &[]).exits(0);
        assert!(rows(&guardian.database()) == guardian.checkpoint_rows(24));
    });
}

#[test]
fn a_database_in_the_image_of_a_container() {
    with_own_mounts("places::a_database_in_the_image_of_a_container", || {
        let guardian = Restorable::new(0);
        let disk = guardian.beside("disk");
        fs::create_dir(&disk).expect("a directory");
        done("mount", &["-t", "tmpfs", "tmpfs", text(&disk)]);
        for name in ["upper", "work"] {
            fs::create_dir(disk.join(name)).expect("a directory");
        }
        let (path, upper, work) = (guardian.path(), disk.join("upper"), disk.join("work"));
        let layers = format!("lowerdir={},upperdir={},workdir={}", text(&path), text(&upper), text(&work));
        done(
            "mount",
            &["-t", "overlay", "-o", &format!("{layers},redirect_dir=off"), "overlay", text(&path)],
        );
        refused(&guardian, 2, "in a lower layer of an overlay: its name cannot be changed");
        // The solution that the hint names.
        let (database, copy) = (guardian.database(), guardian.path().join("copy"));
        done("cp", &["-a", text(&database), text(&copy)]);
        done("rm", &["-r", text(&database)]);
        fs::rename(&copy, &database).expect("the copy");
        guardian.restore(24, &[]).exits(0);
        assert!(rows(&guardian.database()) == guardian.checkpoint_rows(24));
    });
}

#[test]
fn a_data_directory_that_is_read_only() {
    with_own_mounts("places::a_data_directory_that_is_read_only", || {
        let guardian = Restorable::new(0);
        let path = guardian.path();
        done("mount", &["--bind", text(&path), text(&path)]);
        done("mount", &["-o", "remount,bind,ro", text(&path)]);
        refused(&guardian, 3, "Read-only file system");
    });
}

/// One of two old checkpoints is a mount point: it stays, the other one is removed, and both are reported.
#[test]
fn pruning_says_what_is_gone_and_what_is_not() {
    with_own_mounts("places::pruning_says_what_is_gone_and_what_is_not", || {
        let guardian = Restorable::new(0);
        let checkpoint = guardian.path().join("db_checkpoints");
        let (old, mounted) = (checkpoint.join("23"), checkpoint.join("24"));
        done("mount", &["--bind", text(&mounted), text(&mounted)]);
        let prune = |more: &[&str]| {
            let path = guardian.path();
            let words = [&["prune", "--keep", "1", "--data-dir", text(&path)][..], more].concat();
            Run::of("fm-checkpoint", &words.into_iter().map(OsString::from).collect::<Vec<_>>())
        };
        let plan = prune(&["--dry-run"]).exits(3);
        assert!(plan.stdout.contains("would go  ") && plan.stderr.contains("mount point"), "{}", plan.stderr);
        assert!(old.is_dir());
        let run = prune(&["--json"]).exits(3);
        let said = run.verdict();
        assert_eq!(said["verdict"], "pruned-in-part");
        assert_eq!(said["removed"], serde_json::json!([text(&old)]), "{said}");
        assert_eq!(said["failed"][0]["path"], text(&mounted), "{said}");
        assert!(run.sentence().contains("is a mount point"), "{}", run.stderr);
        assert!(run.stderr.contains("  hint: unmount it"), "{}", run.stderr);
        assert!(!old.exists() && mounted.join("CURRENT").exists());
        done("umount", &[text(&mounted)]);
        prune(&[]).exits(0);
        assert!(!mounted.exists());
    });
}

#[test]
fn pruning_where_nothing_can_be_written_promises_nothing() {
    with_own_mounts("places::pruning_where_nothing_can_be_written_promises_nothing", || {
        let guardian = Restorable::new(0);
        let path = guardian.path();
        done("mount", &["--bind", text(&path), text(&path)]);
        done("mount", &["-o", "remount,bind,ro", text(&path)]);
        for more in [&["--dry-run"][..], &[]] {
            let words = [&["prune", "--keep", "1", "--data-dir", text(&path)][..], more].concat();
            let words: Vec<_> = words.into_iter().map(OsString::from).collect();
            let run = Run::of("fm-checkpoint", &words).exits(3);
            assert!(run.sentence().contains("Read-only file system"), "{}", run.stderr);
            assert!(run.stderr.contains("  hint: ") && !run.stdout.contains("would go"), "{}", run.stdout);
        }
    });
}

#[test]
fn a_file_system_without_locks() {
    let guardian = Restorable::new(0);
    let before = digest(&guardian.path());
    let words = guardian.words("restore", &["--checkpoint", "24", "--yes"]);
    let run = run_with_fault("fm-checkpoint", &words, &guardian.path(), "", Fault::NoLocks).exits(3);
    assert!(run.sentence().contains("has no locks") && run.stderr.contains("NFS"), "{}", run.stderr);
    assert_eq!(digest(&guardian.path()), before);
    let archive = guardian.beside("archive");
    let words = export(&guardian, &archive);
    let run = run_with_fault("fm-checkpoint", &words, &guardian.path(), "", Fault::NoLocks).exits(3);
    assert!(run.sentence().contains("has no locks"), "{}", run.stderr);
    assert!(!archive.exists());
}

fn export(guardian: &Restorable, archive: &Path) -> Vec<OsString> {
    let source = guardian.path().join("db_checkpoints/24");
    let mut words: Vec<OsString> = vec!["export".into(), source.into(), "--config".into()];
    words.extend([guardian.path().into(), "--to".into(), archive.into()]);
    words
}

/// An archive is written there nevertheless, with a warning; a database is not, since RocksDB makes none
/// there.
#[test]
fn a_file_system_that_syncs_no_directories() {
    let guardian = Restorable::new(0);
    let archive = guardian.beside("archive");
    let words = export(&guardian, &archive);
    let faulty = |words: &[OsString]| -> Run {
        run_with_fault("fm-checkpoint", words, &guardian.path(), "", Fault::NoDirectorySync)
    };
    let run = faulty(&words).exits(0);
    assert!(archive.is_file());
    assert!(
        run.stderr.contains("warning: the file system of") && run.stderr.contains("sync"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.matches("warning: the file system").count(), 1);
    let before = digest(&guardian.database());
    let run = faulty(&guardian.words("restore", &["--checkpoint", "24", "--yes"])).exits(3);
    assert!(run.stderr.contains("cannot sync a directory, which RocksDB needs"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: nothing was left"), "{}", run.stderr);
    assert_eq!(digest(&guardian.database()), before);
    assert_eq!(guardian.entries(), ["database"]);
    assert!(fixture("session-v0.5.0/peer-0").exists());
}
