//! An object is replaced or disappears while it is read: the job is refused for that reason and leaves
//! nothing half made.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::BlockSpec;
use fm_tests::{Mishaps, Run, Store, Unsteady, checkpoint, layout, partial_of, records_of, rows};

const KEY: &str = "night/a.fmar";
const URL: &str = "s3://archives/night/a.fmar";
/// The bytes that are fetched before the object changes.
const EARLY: u64 = 10 << 20;

fn words(words: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Makes a store with an archive that is fetched in many ranges, and the archive.
fn store() -> (Store, PathBuf, Vec<u8>) {
    let store = Store::new();
    let spec = BlockSpec { items: 30, body_bytes: 1600, ..BlockSpec::new(layout("v0.4"), 1_220) };
    fm_forge::forge_blocks(&spec, &store.path("large")).expect("the history is forged");
    let local = store.path("local.fmar");
    checkpoint!("export", store.path("large/database"), "--to", local).exits(0);
    store.run(&words(&[&"export", &store.path("large/database"), &"--to", &URL])).exits(0);
    let bytes = fs::read(&local).expect("an archive");
    assert!(bytes.len() > 32 << 20, "{}", bytes.len());
    (store, local, bytes)
}

/// Runs a job that reads the object, which changes when this many bytes of it were fetched.
fn disturbed(store: &Store, job: &[OsString], after: u64, change: &dyn Fn()) -> Run {
    let mishaps = Mishaps { pause: Duration::from_micros(300), ..Mishaps::default() };
    let line = Unsteady::new(store.address(), mishaps, 1);
    let mut command = store.command(line.address(), job);
    let child = command.stdout(Stdio::null()).spawn().expect("the program can be started");
    let began = Instant::now();
    while line.received() < after {
        assert!(began.elapsed() < Duration::from_secs(60), "{job:?}: {} bytes were fetched", line.received());
        thread::sleep(Duration::from_micros(200));
    }
    change();
    Run::from_output(format!("{job:?}"), child.wait_with_output().expect("it ends"))
}

fn jobs(store: &Store, local: &Path) -> [(Vec<OsString>, PathBuf); 5] {
    let none = store.path("nothing");
    [
        (words(&[&"verify", &URL]), none.clone()),
        (words(&[&"verify", &URL, &"--quick"]), none.clone()),
        (words(&[&"cat", &URL]), none.clone()),
        (words(&[&"compare", &local, &URL]), none),
        (words(&[&"import", &URL, &"--to", &store.path("back")]), store.path("back")),
    ]
}

fn refused(run: Run, said: &str, target: &Path) {
    let run = run.exits(3);
    assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    assert!(run.stderr.contains("night/a.fmar"), "which object it was: {}", run.stderr);
    assert!(run.stderr.lines().count() < 5, "reported once: {}", run.stderr);
    assert!(!target.exists() && !partial_of(target).exists(), "something was left at {}", target.display());
}

#[test]
fn an_object_that_is_replaced_is_refused() {
    let (store, local, bytes) = store();
    let mut other = bytes.clone();
    // As long as the first one, with the same beginning and end.
    let place = other.len() - (6 << 20);
    other[place] ^= 1;
    for (job, target) in jobs(&store, &local) {
        for with_tag in [true, false] {
            let run = disturbed(&store, &job, EARLY, &|| store.replace(KEY, &other, with_tag));
            refused(run, "the object was replaced while it was read", &target);
            store.replace(KEY, &bytes, true);
        }
        let run = disturbed(&store, &job, EARLY, &|| store.replace(KEY, &bytes[..bytes.len() / 4], true));
        refused(run, "the object was replaced while it was read", &target);
        store.replace(KEY, &bytes, true);
    }
    store.run(&words(&[&"import", &URL, &"--to", &store.path("back")])).exits(0);
    assert!(rows(&store.path("back/database")) == records_of(&local));
}

#[test]
fn an_object_that_goes_away_is_refused() {
    let (store, local, bytes) = store();
    for (job, target) in jobs(&store, &local) {
        let run =
            disturbed(&store, &job, EARLY, &|| fs::remove_file(store.object(KEY)).expect("it is there"));
        refused(run, "there is no such object", &target);
        fs::write(store.object(KEY), &bytes).expect("it is back");
    }
}

/// `verify` reads an archive twice; it proves one version of it.
#[test]
fn both_readings_are_of_one_version() {
    let (store, local, bytes) = store();
    let [(verify, target), ..] = jobs(&store, &local);
    let newer = store.path("newer.fmar");
    checkpoint!("export", store.path("large/database"), "--to", newer, "--level", "4").exits(0);
    let newer = fs::read(newer).expect("an archive");
    assert_ne!(newer, bytes);
    let second = bytes.len() as u64 + (4 << 20);
    let run = disturbed(&store, &verify, second, &|| store.replace(KEY, &newer, true));
    refused(run, "the object was replaced while it was read", &target);
    store.run(&verify).exits(4);
}
