//! Blocks and sessions while the programs work on them: no command changes its source, and the same command
//! completes a conversion that was killed.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::BlockSpec;
use fm_tests::{
    Guardian, Run, Sessions, binary, command, copy_dir, digest, file_list, guardians, layout, migrate,
    partial_of, rows, verify,
};

const KILLS: u32 = 12;

/// Runs every command that reads a database.
fn read_it_all(guardian: &Guardian, others: &[OsString; 2], home: &Path) -> Vec<Run> {
    let (source, [option, keys]) = (&guardian.path, &guardian.keys);
    let to = |name: &str| home.join(name);
    vec![
        migrate!("inspect", source),
        migrate!("inspect", source, "--json"),
        migrate!("inspect", source, "--layout", "4946b58de"),
        guardian.check(&[]),
        guardian.check(&["--target-version", "0.3"]),
        guardian.check(&["--until", "1"]),
        guardian.check(&["--layout", "fixed-be"]),
        guardian.convert(&to("a"), &[]),
        guardian.convert(&to("b"), &["--until", "1"]),
        guardian.convert(&to("c"), &["--until", "100000"]),
        guardian.convert(&to("d"), &["--target-version", "0.4"]),
        guardian.convert(source, &[]),
        guardian.convert(&source.join("new"), &[]),
        guardian.convert(&source.join("database/new"), &[]),
        migrate!("convert", "--from", source, others[0], others[1], "--to", to("e")),
        migrate!("map", "--dir", source),
        migrate!("revert", "--from", source, "--to", to("f")),
        verify!(source),
        verify!(source, "--json", option, keys),
        verify!(source, option, keys, "--layout", "4946b58de"),
        verify!(source, others[0], others[1]),
        verify!(source.join("database"), option, keys),
    ]
}

#[test]
fn no_command_changes_its_source() {
    let home = tempfile::tempdir().expect("a directory");
    let others = guardians("synth-v0.5.0", home.path()).remove(0).keys;
    for folder in ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.2.0-rc1", "session-v0.5.0"] {
        let targets = tempfile::tempdir().expect("a directory");
        let original = guardians(folder, home.path()).remove(0);
        let source = home.path().join(folder);
        copy_dir(&original.path, &source);
        let keys = original.keys.map(|word| if word == original.path { source.clone().into() } else { word });
        let guardian = Guardian { path: source.clone(), keys, name: original.name };
        let (files, before) = (file_list(&source), digest(&source));
        for run in read_it_all(&guardian, &others, targets.path()) {
            assert!(run.exited && matches!(run.exit, 0..=4), "$ {}\n{}", run.line, run.stderr);
            assert_eq!(digest(&source), before, "$ {}", run.line);
        }
        assert_eq!(file_list(&source), files, "{folder}");
        // The commands do not change the result of a conversion that they read either.
        let migrated = targets.path().join("a");
        let before = digest(&migrated);
        for run in [
            guardian.verify_at(&migrated).exits(0),
            guardian.verify_at(&migrated.join("provenance.fmar")).exits(0),
            migrate!("inspect", migrated).exits(0),
            migrate!("map", "--dir", migrated),
            migrate!("revert", "--from", migrated, "--to", targets.path().join("back")).exits(0),
        ] {
            assert_eq!(digest(&migrated), before, "$ {}", run.line);
        }
    }
}

#[test]
fn a_killed_conversion_is_done_by_the_same_command() {
    let spec = BlockSpec { guardians: 1, items: 6, ..BlockSpec::new(layout("v0.4"), 6000) };
    let sessions = Sessions::new(spec);
    let (guardian, target) = (sessions.guardian(), sessions.beside("new"));
    let reference = sessions.beside("reference");
    let began = Instant::now();
    guardian.convert(&reference, &[]).exits(0);
    let mut duration = began.elapsed();
    let (wanted, before) = (rows(&reference.join("database")), digest(&guardian.path));
    assert!(wanted == guardian.rows());
    let whole = || {
        for name in ["manifest.json", "provenance.fmar"] {
            let read = |directory: &Path| fs::read(directory.join(name)).expect("the file is there");
            assert!(read(&target) == read(&reference), "{name}");
        }
        assert!(rows(&target.join("database")) == wanted, "the rows");
        assert!(!partial_of(&target).exists());
    };
    let mut partials = 0;
    for kill in 0..KILLS {
        let moment = duration.mul_f64((f64::from(kill) + 0.5) / f64::from(KILLS));
        let ended = kill_after(&guardian, &target, moment);
        assert!(matches!(ended, 0 | 137), "{ended}");
        partials += u32::from(partial_of(&target).exists());
        let began = Instant::now();
        guardian.convert(&target, &[]).exits(0);
        // The machine may be busier than at first.
        duration = (duration + began.elapsed()) / 2;
        whole();
        fs::remove_dir_all(&target).expect("the target can be removed");
    }
    assert!(partials >= 2, "the moments are not spread: {partials} of {KILLS} left something");
    assert_eq!(digest(&guardian.path), before);
}

/// Starts a conversion and kills it; returns its exit status as a shell shows it.
fn kill_after(guardian: &Guardian, target: &Path, moment: Duration) -> i32 {
    let mut convert = command(binary("fm-migrate"));
    convert.arg("convert").arg("--from").arg(&guardian.path).args(&guardian.keys).arg("--to").arg(target);
    let mut child = convert.spawn().expect("the program can be started");
    thread::sleep(moment);
    // The process may have ended already, which is one of the moments to test.
    let _ = child.kill();
    let output = child.wait_with_output().expect("the program ends");
    Run::from_output("fm-migrate convert".to_owned(), output).exit
}
