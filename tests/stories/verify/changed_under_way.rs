//! A source that changes while it is audited: the verdict is about what was there, or there is no verdict.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::BlockSpec;
use fm_tests::{Run, Sessions, binary, command, copy_dir, file_list, layout};

/// The moment of a change, in hundredths of an undisturbed audit.
const MOMENTS: [u32; 5] = [10, 25, 40, 60, 80];

type Change = fn(&Path, &Path);

fn forged(seed: u64) -> Sessions {
    Sessions::new(BlockSpec { seed, items: 12, ..BlockSpec::new(layout("v0.4"), 3000) })
}

/// Returns the largest file of a source.
fn largest(source: &Path) -> PathBuf {
    if source.is_file() {
        return source.to_owned();
    }
    let files = file_list(source).into_iter().map(|path| source.join(path)).filter(|path| path.is_file());
    files.max_by_key(|path| fs::metadata(path).expect("a file").len()).expect("a file")
}

fn truncated(source: &Path, _: &Path) {
    let file = File::options().write(true).open(largest(source)).expect("the file");
    file.set_len(file.metadata().expect("a length").len() / 2).expect("a shorter file");
}

fn overwritten(source: &Path, _: &Path) {
    let file = File::options().write(true).open(largest(source)).expect("the file");
    let length = file.metadata().expect("a length").len();
    for place in (0..length).step_by(1 << 16) {
        file.write_all_at(&[0x5A; 64], place).expect("the file can be written");
    }
}

fn removed(source: &Path, _: &Path) {
    fs::remove_file(largest(source)).expect("the file");
}

fn replaced(source: &Path, other: &Path) {
    fs::rename(source, source.with_extension("old")).expect("another name");
    if other.is_file() {
        fs::copy(other, source).expect("a copy");
    } else {
        copy_dir(other, source);
    }
}

/// Audits a source that is changed at a moment after the beginning.
fn audit(words: &[OsString], change: impl FnOnce(), moment: Duration) -> Run {
    let child = command(binary("fm-verify")).args(words).spawn().expect("the program can be started");
    thread::sleep(moment);
    change();
    Run::from_output("fm-verify".to_owned(), child.wait_with_output().expect("the program ends"))
}

/// Makes every change, before the beginning and at every moment.
fn disturb(good: &Sessions, source: &Path, other: &Path) {
    let copy = good.beside("disturbed");
    let [option, keys] = good.guardian().keys;
    let words = [copy.clone().into(), option, keys, "--json".into()];
    let restore = || {
        for left in [copy.clone(), copy.with_extension("old")] {
            let _ = if left.is_dir() { fs::remove_dir_all(left) } else { fs::remove_file(left) };
        }
        if source.is_file() {
            fs::copy(source, &copy).expect("a copy");
        } else {
            copy_dir(source, &copy);
        }
    };
    restore();
    let began = Instant::now();
    let undisturbed = audit(&words, || (), Duration::ZERO).exits(0).verdict();
    let duration = began.elapsed();
    let changes: [(&str, Change); 4] = [
        ("truncated", truncated),
        ("overwritten", overwritten),
        ("removed", removed),
        ("replaced", replaced),
    ];
    for (name, change) in changes {
        restore();
        change(&copy, other);
        let run = audit(&words, || (), Duration::ZERO);
        assert!(run.exited && matches!(run.exit, 1 | 3), "{name}: {}", run.stderr);
        for moment in MOMENTS {
            restore();
            let run = audit(&words, || change(&copy, other), duration * moment / 100);
            assert!(run.exited && matches!(run.exit, 0 | 1 | 3), "{name} at {moment}: {}", run.stderr);
            if run.exit == 0 {
                // It had read, or still held, what was there before.
                assert_eq!(run.verdict()["history_root"], undisturbed["history_root"], "{name} at {moment}");
            }
        }
    }
}

#[test]
fn databases() {
    let (good, other) = (forged(1), forged(2));
    disturb(&good, &good.database(), &other.database());
}

#[test]
fn archives() {
    let (good, other) = (forged(1), forged(2));
    let archive = |sessions: &Sessions| {
        let (target, path) = (sessions.beside("new"), sessions.beside("new").join("provenance.fmar"));
        sessions.guardian().convert(&target, &[]).exits(0);
        path
    };
    disturb(&good, &archive(&good), &archive(&other));
}
