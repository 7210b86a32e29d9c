//! Killed, interrupted or out of room at any moment, `export` and `import` leave nothing under the target's
//! name, and the same command completes the work.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::ForgeSpec;
use fm_tests::{
    Federation, ON_A_SMALL_DISK, Random, Signal, binary, checkpoint, digest, finished, partial_of,
    records_of, rows, shell, signalled, started,
};

const KILLS: u32 = 8;

fn federation() -> Federation {
    let spec = ForgeSpec {
        epochs: 500,
        items_per_epoch: 12,
        with_shares: false,
        sign_every: 3,
        ..ForgeSpec::default()
    };
    Federation::new(spec)
}

fn remove(target: &Path) {
    let removed = if target.is_dir() { fs::remove_dir_all(target) } else { fs::remove_file(target) };
    removed.expect("the target is there");
}

/// Kills the job at moments spread over its duration, and equally often as soon as its work is visible;
/// `whole` checks a target. Returns how many times unfinished work was left.
fn kill_often(target: &Path, words: &[OsString], whole: &dyn Fn()) -> u32 {
    let began = Instant::now();
    finished(started("fm-checkpoint", words)).exits(0);
    let duration = began.elapsed();
    whole();
    let (mut random, mut left) = (Random::new(5), 0);
    for kill in 0..2 * KILLS {
        remove(target);
        let thousandth = u32::try_from(random.below(1000)).expect("small");
        let moment = duration * (kill / 2) / KILLS + duration / KILLS * thousandth / 1000;
        let began = Instant::now();
        let child = started("fm-checkpoint", words);
        if kill % 2 == 0 {
            thread::sleep(moment);
        } else {
            while !partial_of(target).exists() && began.elapsed() < duration {
                thread::sleep(Duration::from_micros(200));
            }
        }
        signalled(&child, Signal::KILL);
        let killed = finished(child);
        assert!(matches!(killed.exit, 0 | 137), "{}", killed.stderr);
        if target.exists() {
            whole();
        }
        left += u32::from(partial_of(target).exists());
        finished(started("fm-checkpoint", words)).exits(0);
        whole();
        assert!(!partial_of(target).exists(), "after {moment:?}");
    }
    left
}

fn export(federation: &Federation, archive: &Path) -> Vec<OsString> {
    let guardian = federation.guardian().into_os_string();
    ["export".into(), guardian.clone(), "--to".into(), archive.into(), "--config".into(), guardian].to_vec()
}

fn import(archive: &Path, target: &Path) -> Vec<OsString> {
    ["import".into(), archive.into(), "--to".into(), target.into()].to_vec()
}

#[test]
fn a_killed_export_or_import_is_done_by_the_same_command() {
    let federation = federation();
    let (archive, target) = (federation.beside("a.fmar"), federation.beside("back"));
    let (wanted, before) = (rows(&federation.database()), digest(&federation.guardian()));
    let left = kill_often(&archive, &export(&federation, &archive), &|| {
        assert!(records_of(&archive) == wanted, "the records");
    });
    assert!(left >= 1, "no kill came while the archive was written");
    let left = kill_often(&target, &import(&archive, &target), &|| {
        assert!(rows(&target.join("database")) == wanted, "the rows");
    });
    assert!(left >= 3, "{left} kills came while the database was written");
    assert_eq!(digest(&federation.guardian()), before);
}

#[test]
fn an_interrupted_job_leaves_nothing() {
    let federation = federation();
    let (archive, target) = (federation.beside("a.fmar"), federation.beside("back"));
    finished(started("fm-checkpoint", &export(&federation, &archive))).exits(0);
    let other = federation.beside("other.fmar");
    let mut in_time = 0;
    for (words, target) in [(export(&federation, &other), &other), (import(&archive, &target), &target)] {
        for how in [Signal::INT, Signal::TERM] {
            let mut child = started("fm-checkpoint", &words);
            while !partial_of(target).exists() && child.try_wait().expect("it can be asked").is_none() {
                thread::sleep(Duration::from_millis(1));
            }
            signalled(&child, how);
            let run = finished(child);
            if run.exit == 0 {
                remove(target);
                continue;
            }
            let run = run.exits(130);
            assert!(run.sentence().contains("interrupted; no partial result remains"), "{}", run.stderr);
            assert!(!target.exists() && !partial_of(target).exists());
            in_time += 1;
        }
    }
    assert!(in_time >= 2, "{in_time} were in time");
}

/// Runs a job on disks of these sizes, and again on a large one; returns how many times the first had too
/// little room.
fn on_small_disks(words: &[OsString], home: &Path, sizes: &[u64], whole: &dyn Fn(&Path)) -> u32 {
    let disk = home.join("disk");
    let mut full = 0;
    for (number, bytes) in sizes.iter().enumerate() {
        let copy: PathBuf = home.join(format!("copy-{number}"));
        let mut arguments: Vec<OsString> =
            vec![format!("size={bytes}").into(), disk.clone().into(), copy.clone().into()];
        arguments.push(binary("fm-checkpoint").into());
        arguments.extend_from_slice(words);
        let run = shell(ON_A_SMALL_DISK, &arguments);
        assert!(matches!(run.exit, 0 | 13), "{bytes}: {}: {}{}", run.exit, run.stdout, run.stderr);
        whole(&copy);
        let left = run.stdout.lines().find_map(|line| line.strip_prefix("LEFT ")).expect("what was left");
        if run.exit == 13 {
            full += 1;
            assert_eq!(left, "", "{bytes}");
            assert!(run.stderr.contains("no space left while writing"), "{}", run.stderr);
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        let removed = if copy.is_dir() { fs::remove_dir_all(&copy) } else { fs::remove_file(&copy) };
        removed.expect("the copy is there");
    }
    full
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let federation = federation();
    let (home, archive) = (federation.beside("home"), federation.beside("a.fmar"));
    fs::create_dir_all(home.join("disk")).expect("a directory");
    checkpoint!("export", federation.guardian(), "--to", archive).exits(0);
    let wanted = rows(&federation.database());
    let target = home.join("disk/target");
    let bytes = fs::metadata(&archive).expect("it is there").len();
    let sizes = [4096, bytes / 3, bytes - bytes / 10];
    let full = on_small_disks(&export(&federation, &target), &home, &sizes, &|copy| {
        assert!(records_of(copy) == wanted, "the records");
    });
    assert_eq!(full, 3);
    let full = on_small_disks(&import(&archive, &target), &home, &[16_384, bytes / 3, bytes], &|copy| {
        assert!(rows(&copy.join("database")) == wanted, "the rows");
    });
    assert!(full >= 2, "{full}");
}
