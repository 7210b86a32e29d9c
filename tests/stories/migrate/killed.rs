//! Killed at any moment, a job leaves nothing, or something that the same command replaces, or the whole
//! result. Interrupted politely, it says how to continue and leaves nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::ForgeSpec;
use fm_store::PARTIAL_MARKER;
use fm_tests::{
    Federation, Random, Signal, binary, command, digest, file_list, finished, manifest, migrate, partial_of,
    rows, signalled, started, verify,
};

const KILLS: u32 = 32;
/// The time that a job may take to end after an interruption.
const PATIENCE: Duration = Duration::from_secs(20);

fn federation() -> Federation {
    Federation::new(ForgeSpec {
        epochs: 900,
        items_per_epoch: 12,
        with_shares: false,
        sign_every: 3,
        seed: 7,
        ..ForgeSpec::default()
    })
}

fn arguments(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Names what a killed run left.
fn left_behind(target: &Path) -> String {
    let partial = partial_of(target);
    match (target.exists(), partial.exists()) {
        (true, partial) => format!("target, partial {partial}"),
        (false, false) => "nothing".to_owned(),
        (false, true) => {
            let depth = |path: &&std::path::PathBuf| path.iter().count() == 1;
            let names: Vec<_> =
                file_list(&partial).iter().filter(depth).map(|p| p.display().to_string()).collect();
            format!("partial with {}", names.join(" "))
        }
    }
}

/// Kills the job at moments spread over its duration; `whole` checks a target. Returns what was left, and how
/// many times.
fn kill_often(seed: u64, target: &Path, arguments: &[OsString], whole: &dyn Fn()) -> BTreeMap<String, u32> {
    let mut random = Random::new(seed);
    let mut left = BTreeMap::new();
    let began = Instant::now();
    finished(started("fm-migrate", arguments)).exits(0);
    let mut duration = began.elapsed();
    whole();
    for kill in 0..KILLS {
        fs::remove_dir_all(target).expect("the target can be removed");
        let step = duration.mul_f64(1.05) / KILLS;
        let moment =
            step * kill + step.mul_f64(f64::from(u32::try_from(random.below(1000)).expect("small")) / 1000.0);
        let child = started("fm-migrate", arguments);
        thread::sleep(moment);
        signalled(&child, Signal::KILL);
        let killed = finished(child);
        assert!(matches!(killed.exit, 0 | 137), "{}", killed.stderr);
        *left.entry(left_behind(target)).or_default() += 1;
        if target.exists() {
            whole();
        }
        let began = Instant::now();
        finished(started("fm-migrate", arguments)).exits(0);
        // The machine may be busier than at first.
        duration = (duration + began.elapsed()) / 2;
        whole();
        let unsettled = [partial_of(target), target.join(PARTIAL_MARKER)];
        assert!(!unsettled.iter().any(|path| path.exists()), "after {moment:?}");
    }
    left
}

#[test]
fn a_killed_conversion_is_done_by_the_same_command() {
    let federation = federation();
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let reference = federation.beside("reference");
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", reference).exits(0);
    let (wanted, before) = (rows(&reference.join("database")), digest(&guardian));
    let words =
        arguments(&[&"convert", &"--from", &guardian, &"--config", &guardian, &"--to", &target, &"--json"]);
    let left = kill_often(1, &target, &words, &|| {
        for name in ["manifest.json", "provenance.fmar"] {
            let read = |directory: &Path| fs::read(directory.join(name)).expect("the file is there");
            assert!(read(&target) == read(&reference), "{name}");
        }
        assert!(rows(&target.join("database")) == wanted, "the rows");
    });
    verify!(target, "--config", guardian).exits(0);
    assert_eq!(digest(&guardian), before);
    let partials: u32 =
        left.iter().filter(|(what, _)| what.starts_with("partial")).map(|(_, count)| count).sum();
    assert!(partials >= 4 && left.contains_key("nothing"), "the moments are not spread: {left:?}");
}

#[test]
fn a_killed_revert_is_done_by_the_same_command() {
    let federation = federation();
    let (guardian, migrated) = (federation.guardian(), federation.beside("new"));
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", migrated).exits(0);
    let (target, wanted) = (federation.beside("back"), rows(&federation.database()));
    let words = arguments(&[&"revert", &"--from", &migrated, &"--to", &target, &"--json"]);
    let left = kill_often(2, &target, &words, &|| {
        assert!(rows(&target.join("database")) == wanted, "the rows");
        // A run that is killed in its very last step leaves its marker to the next one.
        let mut names = file_list(&target);
        names.retain(|path| path.iter().count() == 1 && path.as_os_str() != PARTIAL_MARKER);
        assert_eq!(names.len(), 1);
    });
    let partials: u32 =
        left.iter().filter(|(what, _)| what.starts_with("partial")).map(|(_, count)| count).sum();
    assert!(partials >= 4, "the moments are not spread: {left:?}");
}

/// Waits until a condition holds or the job has ended.
fn wait_for(child: &mut Child, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() && child.try_wait().expect("the program can be asked").is_none() {
        assert!(began.elapsed() < PATIENCE, "the job does not come so far");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Interrupts at several stages, recognised by what is in the partial directory; returns how many
/// interruptions were in time.
fn interrupt_often(target: &Path, arguments: &[OsString], how: Signal, stages: &[&str]) -> u32 {
    let mut in_time = 0;
    for stage in stages {
        for delay in [0, 4, 20] {
            let mut child = started("fm-migrate", arguments);
            wait_for(&mut child, || partial_of(target).join(stage).exists());
            thread::sleep(Duration::from_millis(delay));
            let reported = Instant::now();
            signalled(&child, how);
            let run = finished(child);
            assert!(reported.elapsed() < PATIENCE, "interrupted, but did not end");
            if run.exit == 0 {
                fs::remove_dir_all(target).expect("the target is there");
                continue;
            }
            assert!(run.exited, "killed by the signal: {how:?}");
            let run = run.exits(130);
            assert!(run.sentence().contains("interrupted; no partial result remains"), "{}", run.stderr);
            assert!(run.stderr.contains("hint: run the same command again"), "{}", run.stderr);
            run.json();
            assert_eq!(left_behind(target), "nothing");
            in_time += 1;
        }
    }
    in_time
}

#[test]
fn an_interrupted_job_leaves_nothing_and_says_how_to_go_on() {
    let federation = Federation::new(ForgeSpec { epochs: 2000, ..federation().spec });
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let convert =
        arguments(&[&"convert", &"--from", &guardian, &"--config", &guardian, &"--to", &target, &"--json"]);
    let stages = ["", "provenance.fmar", "database/CURRENT", "manifest.json"];
    for how in [Signal::INT, Signal::TERM] {
        let in_time = interrupt_often(&target, &convert, how, &stages);
        assert!(in_time >= 6, "{in_time} of {how:?} were in time");
    }
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(0);
    assert!(manifest(&target)["sessions"].is_u64());
    let back = federation.beside("back");
    let revert = arguments(&[&"revert", &"--from", &target, &"--to", &back, &"--json"]);
    let in_time = interrupt_often(&back, &revert, Signal::INT, &["", "database/CURRENT"]);
    assert!(in_time >= 2, "{in_time} were in time");
}

/// Waits until a process has a handler for `SIGINT`, which is there before the database is opened.
fn wait_for_handler(child: &mut Child) {
    let status = format!("/proc/{}/status", child.id());
    let has_handler = |status: &str| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|mask| mask & 1 << (Signal::INT.as_raw() - 1) != 0)
    };
    wait_for(child, || fs::read_to_string(&status).is_ok_and(|status| has_handler(&status)));
}

/// While the history is only read, there is nothing to clean up, and the answer is the same.
#[test]
fn interrupted_while_reading() {
    let federation = federation();
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let convert = arguments(&[&"convert", &"--from", &guardian, &"--config", &guardian, &"--to", &target]);
    let check = arguments(&[&"check", &"--from", &guardian, &"--config", &guardian]);
    for words in [&convert, &check] {
        let mut child = started("fm-migrate", words);
        wait_for_handler(&mut child);
        signalled(&child, Signal::INT);
        let run = finished(child).exits(130);
        assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
        assert_eq!(left_behind(&target), "nothing");
    }
    // The same for a command that only verifies.
    let verify = binary("fm-verify");
    let mut child = command(verify).arg(&guardian).arg("--config").arg(&guardian).spawn().expect("it starts");
    wait_for_handler(&mut child);
    signalled(&child, Signal::TERM);
    finished(child).exits(130);
}

/// Two at a time on one target: one does the work, the other is refused.
#[test]
fn two_runs_on_one_target_exclude_each_other() {
    let federation = federation();
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let words = arguments(&[&"convert", &"--from", &guardian, &"--config", &guardian, &"--to", &target]);
    let mut first = started("fm-migrate", &words);
    wait_for(&mut first, || partial_of(&target).join("provenance.fmar").exists());
    let second = finished(started("fm-migrate", &words));
    let first = finished(first).exits(0);
    assert!(first.stdout.contains("written:"), "{}", first.stdout);
    match second.exit {
        11 => assert!(second.sentence().contains("is in use"), "{}", second.stderr),
        0 => assert!(second.stdout.contains("was there already"), "{}", second.stdout),
        _ => panic!("{}: {}", second.exit, second.stderr),
    }
    verify!(target, "--config", guardian).exits(0);
}
