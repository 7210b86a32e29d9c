//! Archives in a store of objects: a real S3 server, reached over good lines and bad ones.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Mishaps, Restorable, Run, Store, Unsteady, checkpoint, fixture, flipped, records_of, rows};
use rustix::process::{Pid, Signal, kill_process};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

fn words(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Runs the program against the store.
macro_rules! at {
    ($store:expr, $($word:expr),* $(,)?) => { $store.run(&words(&[$(&$word),*])) };
}

/// Makes a large forged archive, with random bodies.
fn large(home: &Path) -> PathBuf {
    let layout = fm_eras::session::modern();
    let spec = fm_forge::BlockSpec { items: 30, body_bytes: 400, ..fm_forge::BlockSpec::new(layout, 2_000) };
    fm_forge::forge_blocks(&spec, &home.join("large")).expect("the history is forged");
    home.join("large")
}

#[test]
fn every_job_on_archives_works_on_objects() {
    let store = Store::new();
    let (url, local) = ("s3://archives/night/0.fmar", store.path("0.fmar"));
    checkpoint!("export", peer(0), "--to", local, "--config", peer(0)).exits(0);
    let reported = at!(store, "export", peer(0), "--to", url, "--config", peer(0), "--json").exits(0);
    assert_eq!(reported.verdict()["verdict"], "exported");
    assert!(fs::read(store.object("night/0.fmar")).unwrap() == fs::read(&local).unwrap());
    assert_eq!(store.files(), ["archives/night/0.fmar"]);
    let again = at!(store, "export", peer(0), "--to", url, "--config", peer(0), "--json").exits(0);
    assert_eq!(again.verdict()["verdict"], "exists");
    let other = at!(store, "export", peer(1), "--to", url).exits(2);
    assert!(other.sentence().contains("is there already and is something else"), "{}", other.stderr);
    let sound = at!(store, "verify", url, "--config", peer(0), "--json").exits(0);
    assert_eq!(sound.verdict()["verdict"], "sound");
    assert_eq!(at!(store, "inspect", url).exits(0).stdout, checkpoint!("inspect", local).exits(0).stdout);
    let session = at!(store, "get", url, "--session", "9").exits(0);
    assert_eq!(session.stdout, checkpoint!("get", local, "--session", "9").exits(0).stdout);
    let part = at!(store, "cat", url, "--from", "04", "--before", "05").exits(0);
    assert_eq!(part.stdout, checkpoint!("cat", local, "--from", "04", "--before", "05").exits(0).stdout);
    at!(store, "import", url, "--to", store.path("back"), "--config", peer(0)).exits(0);
    assert!(rows(&store.path("back/database")) == records_of(&local));
    let equal = at!(store, "compare", url, peer(1), "--json").exits(0);
    assert_eq!(equal.verdict()["verdict"], "equal");
    let headers = "s3://archives/headers.fmar";
    at!(store, "export", url, "--to", headers, "--profile", "headers").exits(0);
    at!(store, "verify", headers, "--config", peer(0)).exits(0);
    let itself = at!(store, "export", url, "--to", url).exits(2);
    assert!(itself.sentence().contains("is source and target"), "{}", itself.stderr);
}

#[test]
fn increments_encryption_repair_and_restore_work_on_objects() {
    let store = Store::new();
    let (base, since) = ("s3://archives/base.fmar", "s3://archives/since.fmar");
    let checkpoint = peer(0).join("db_checkpoints/24");
    at!(store, "export", checkpoint, "--to", base, "--config", peer(0)).exits(0);
    at!(store, "export", peer(0), "--to", since, "--since", base, "--config", peer(0)).exits(0);
    at!(store, "verify", since, "--base", base, "--config", peer(0)).exits(0);
    at!(store, "import", since, "--base", base, "--to", store.path("back")).exits(0);
    assert!(rows(&store.path("back/database")) == rows(&peer(0).join("database")));
    let identity = age::x25519::Identity::generate();
    let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    fs::write(store.path("key"), secret).unwrap();
    let sealed = "s3://archives/sealed.fmar";
    at!(store, "export", peer(0), "--to", sealed, "--recipient", identity.to_public().to_string()).exits(0);
    assert!(fs::read(store.object("sealed.fmar")).unwrap().starts_with(b"age-encryption.org"));
    at!(store, "verify", sealed).exits(12);
    at!(store, "verify", sealed, "--identity", store.path("key"), "--config", peer(0)).exits(0);
    let length = fs::metadata(store.object("base.fmar")).unwrap().len();
    flipped(&store.object("base.fmar"), &store.object("broken.fmar"), length / 2, 1);
    let broken = "s3://archives/broken.fmar";
    at!(store, "verify", broken).exits(1);
    let whole = "s3://archives/whole.fmar";
    at!(store, "repair", broken, "--from", base, "--to", whole).exits(0);
    assert!(records_of(&store.object("whole.fmar")) == records_of(&store.object("base.fmar")));
    let guardian = Restorable::new(0);
    let dir = guardian.path();
    let restored = at!(store, "restore", "--data-dir", dir, "--archive", base, "--compare", base, "--yes");
    restored.exits(0);
    assert!(rows(&dir.join("database")) == records_of(&store.object("base.fmar")));
    assert!(store.files().iter().all(|name| !name.ends_with(".partial")), "{:?}", store.files());
}

/// What is not requested is not fetched, as counted by a line between the program and the store.
#[test]
fn parts_are_fetched_without_the_rest() {
    let store = Store::new();
    let database = large(store.root()).join("database");
    at!(store, "export", database, "--to", "s3://archives/large.fmar").exits(0);
    let length = fs::metadata(store.object("large.fmar")).unwrap().len();
    assert!(length > 12 << 20, "{length}");
    let fetched = |asked: &[&dyn AsRef<std::ffi::OsStr>]| {
        let line = Unsteady::new(store.address(), Mishaps::default(), 1);
        store.run_at(line.address(), &words(asked)).exits(0);
        line.received()
    };
    let url = "s3://archives/large.fmar";
    let inspected = fetched(&[&"inspect", &url]);
    let got = fetched(&[&"get", &url, &"--session", &"1000"]);
    let shown = fetched(&[&"cat", &url, &"--from", &"0405", &"--before", &"0407"]);
    let verified = fetched(&[&"verify", &url, &"--quick"]);
    println!("of {length} bytes: inspect {inspected}, get {got}, cat {shown}, verify --quick {verified}");
    assert!(inspected < 200 << 10, "{inspected}");
    assert!((10 << 10..5 << 18).contains(&got), "{got}");
    assert!((10 << 10..5 << 18).contains(&shown), "{shown}");
    assert!((length..length + (1 << 20)).contains(&verified), "{verified}");
}

#[test]
fn a_bad_line_costs_time_and_nothing_else() {
    let store = Store::new();
    let database = large(store.root()).join("database");
    let local = store.path("local.fmar");
    checkpoint!("export", database, "--to", local).exits(0);
    let mishaps = Mishaps { keeps_one_of: 4, within: 1 << 20, pause: Duration::from_micros(300) };
    let line = Unsteady::new(store.address(), mishaps, 7);
    let url = "s3://archives/a.fmar";
    store.run_at(line.address(), &words(&[&"export", &database, &"--to", &url])).exits(0);
    let while_written = line.dropped();
    assert!(while_written >= 3, "{while_written} connections were dropped");
    assert!(fs::read(store.object("a.fmar")).unwrap() == fs::read(&local).unwrap());
    assert_eq!(store.files(), ["archives/a.fmar"]);
    store.run_at(line.address(), &words(&[&"verify", &url])).exits(4);
    store.run_at(line.address(), &words(&[&"import", &url, &"--to", &store.path("back")])).exits(0);
    assert!(rows(&store.path("back/database")) == records_of(&local));
    assert!(line.dropped() >= while_written + 2, "{} connections were dropped", line.dropped());
}

/// Killed at any moment, a job leaves only whole objects at the key, and the same command finishes and clears
/// up.
#[test]
fn a_killed_export_is_done_by_the_same_command() {
    let store = Store::new();
    let database = large(store.root()).join("database");
    let (url, object) = ("s3://archives/a.fmar", store.object("a.fmar"));
    let mishaps = Mishaps { pause: Duration::from_micros(300), ..Mishaps::default() };
    let line = Unsteady::new(store.address(), mishaps, 3);
    let export = words(&[&"export", &database, &"--to", &url]);
    let began = Instant::now();
    store.run_at(line.address(), &export).exits(0);
    let (duration, whole) = (began.elapsed(), fs::read(&object).unwrap());
    let mut left = 0;
    for kill in 1..10u32 {
        fs::remove_file(&object).unwrap();
        let mut child = store.command(line.address(), &export).spawn().expect("it starts");
        thread::sleep(duration * kill / 10);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).expect("a process id");
        let _ = kill_process(pid, Signal::KILL);
        child.wait().expect("it ends");
        // This server copies in place, and completes the copy even when its client is gone; a store that
        // keeps objects shows them then.
        let began = Instant::now();
        while object.exists() && fs::read(&object).unwrap() != whole {
            assert!(began.elapsed() < Duration::from_secs(10), "half an object has the name");
            thread::sleep(Duration::from_millis(20));
        }
        left += u32::from(store.object("a.fmar.partial").exists());
        store.run(&export).exits(0);
        assert!(fs::read(&object).unwrap() == whole);
        assert_eq!(store.files(), ["archives/a.fmar"], "after kill {kill}");
    }
    assert!(left >= 3, "{left} kills left something");
}

fn refused(run: Run, exit: i32, said: &str) {
    let run = run.exits(exit);
    assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
}

#[test]
fn stores_that_refuse_are_told() {
    let store = Store::new();
    let export = |url: &str| words(&[&"export", &peer(0), &"--to", &url]);
    refused(at!(store, "verify", "s3://nowhere/a.fmar"), 3, "there is no such object");
    refused(at!(store, "verify", "s3://archives/none.fmar"), 3, "there is no such object");
    for address in ["s3://archives", "s3://archives/", "s3://a/b", "s3://archives/../x", "s4://archives/x"] {
        store.run(&export(address)).exits(2);
    }
    let with = |name: &str, value: &str| {
        let mut command = store.command(store.address(), &export("s3://archives/a.fmar"));
        let output = command.env(name, value).output().expect("the program can be started");
        let run = Run::from_output(format!("{name}={value}"), output);
        assert!(
            !run.stderr.contains(store.secret()) && !run.stderr.contains("not-the-secret"),
            "{}",
            run.stderr
        );
        run
    };
    refused(with("AWS_SECRET_ACCESS_KEY", "not-the-secret"), 3, "the store refuses these credentials");
    refused(with("AWS_SECRET_ACCESS_KEY", ""), 2, "no credentials for an object store");
    refused(with("AWS_ALLOW_HTTP", "false"), 2, "AWS_ALLOW_HTTP=true allows it");
    refused(with("AWS_PROFILE", "night"), 2, "there is no profile \"night\"");
    assert_eq!(store.files(), Vec::<String>::new());
    fs::write(store.object("a.fmar.partial"), "a text of somebody's").unwrap();
    refused(store.run(&export("s3://archives/a.fmar")), 3, "something else is at a.fmar.partial");
    assert_eq!(store.files(), ["archives/a.fmar.partial"]);
    fs::write(store.object("text.fmar"), "a text of somebody's").unwrap();
    refused(at!(store, "verify", "s3://archives/text.fmar"), 3, "not an archive");
}

/// A profile of the AWS programs replaces the variables.
#[test]
fn a_profile_is_as_good_as_variables() {
    let store = Store::new();
    let credentials = store.path("credentials");
    let secret = store.secret();
    fs::write(
        &credentials,
        format!("[night]\naws_access_key_id = night-job\naws_secret_access_key = {secret}\n"),
    )
    .unwrap();
    let export = words(&[&"export", &peer(0), &"--to", &"s3://archives/a.fmar"]);
    let mut command = store.command(store.address(), &export);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_PROFILE", "night").env("AWS_SHARED_CREDENTIALS_FILE", &credentials);
    let run = Run::from_output("a profile".to_owned(), command.output().expect("it starts")).exits(0);
    assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret));
    assert_eq!(store.files(), ["archives/a.fmar"]);
}
