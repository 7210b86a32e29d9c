//! Several exports to one key of a store: one of them succeeds, its archive is whole, and nothing else ever
//! has its name.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Run, Store, checkpoint, fixture};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

fn export(number: u8) -> Vec<OsString> {
    vec!["export".into(), peer(number).into(), "--to".into(), "s3://archives/a.fmar".into()]
}

/// Runs four at once, of two guardians; in the end the key holds the archive of one of them.
fn together(has_conditions: bool) {
    let store = Store::new();
    store.manners().has_conditions.store(has_conditions, Ordering::Relaxed);
    let wanted = [0, 1].map(|number| {
        let path = store.path(&format!("{number}.fmar"));
        checkpoint!("export", peer(number), "--to", path).exits(0);
        fs::read(path).expect("an archive")
    });
    let start = |number: u8| store.command(store.address(), &export(number % 2)).spawn().expect("it starts");
    for round in 0..4 {
        let under_way: Vec<Child> = (0..4).map(start).collect();
        let (mut written, mut busy) = (0, 0);
        for child in under_way {
            let run = Run::from_output(format!("round {round}"), child.wait_with_output().expect("it ends"));
            match run.exit {
                0 if run.stdout.contains("written:") => written += 1,
                // An export that comes when all is over finds its own archive there, or the other guardian's.
                0 => assert!(run.stdout.contains("was there already"), "{}", run.stdout),
                2 => assert!(run.sentence().contains("is there already"), "{}", run.stderr),
                11 => {
                    assert!(run.sentence().contains("another export to this key"), "{}", run.stderr);
                    busy += 1;
                }
                other => panic!("exit {other}: {}", run.stderr),
            }
        }
        assert_eq!(written, 1, "round {round}, {busy} busy");
        let found = fs::read(store.object("a.fmar")).expect("an object");
        assert!(wanted.contains(&found), "round {round}: something else has the name");
        assert_eq!(store.files(), ["archives/a.fmar"], "round {round}");
        fs::remove_file(store.object("a.fmar")).expect("it is there");
    }
}

#[test]
fn one_wins_where_the_store_heeds_conditions() {
    together(true);
}

#[test]
fn one_wins_where_it_does_not() {
    together(false);
}

/// Killed after the store began an upload, and before its name was reported to the client.
#[test]
fn an_upload_that_nothing_names_is_ended_by_the_next_run() {
    let store = Store::new();
    store.manners().is_silent_about_uploads.store(true, Ordering::Relaxed);
    let mut child = store.command(store.address(), &export(0)).spawn().expect("it starts");
    let began = Instant::now();
    while store.manners().uploads().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "no upload is begun");
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().and_then(|()| child.wait()).expect("it ends");
    store.manners().is_silent_about_uploads.store(false, Ordering::Relaxed);
    assert_eq!(store.manners().uploads().len(), 1);
    store.run(&export(0)).exits(0);
    assert_eq!(store.manners().uploads(), Vec::<String>::new());
    assert_eq!(store.files(), ["archives/a.fmar"]);
}

/// The note of a run on another machine: while it changes, that run works on the key.
#[test]
fn a_note_of_another_machine_is_watched() {
    let store = Store::new();
    let note = |beat: u32| {
        format!(
            "unfinished upload of the fm tools: 0123456789ab\nprocess elsewhere/pid 77 77\nparts go to ba9876543210\n\
             beat {beat}\n"
        )
    };
    let partial = store.object("a.fmar.partial");
    fs::write(&partial, note(0)).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for beat in 1..100 {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                fs::write(store.path("next"), note(beat))
                    .and_then(|()| fs::rename(store.path("next"), &partial))
                    .unwrap();
                thread::sleep(Duration::from_secs(1));
            }
        });
        let run = store.run(&export(0));
        over.store(true, Ordering::Relaxed);
        assert!(run.exits(11).sentence().contains("another export to this key"));
    });
    let began = Instant::now();
    store.run(&export(0)).exits(0);
    assert!(began.elapsed() > Duration::from_secs(30), "it was not watched for long");
    assert_eq!(store.files(), ["archives/a.fmar"]);
}
