//! Exports that continue: what a killed export has written to a file or sent to a store is not written again,
//! and a wrong record of it does no harm.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::BlockSpec;
use fm_tests::{Mishaps, Run, Store, Unsteady, binary, checkpoint, command, layout, partial_of};
use rustix::process::{Pid, Signal, kill_process};

const KEY: &str = "a.fmar";
const URL: &str = "s3://archives/a.fmar";
/// The length of a part of an upload.
const PART: u64 = 8 << 20;
/// The number of lines of a note before those of its parts: run, process, where the parts go, counter,
/// upload.
const BEFORE_PARTS: usize = 5;
/// The bytes that requests take beside what they carry.
const BESIDE: u64 = 256 << 10;

fn words(words: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// A store, and a state whose archive takes five parts.
struct Scene {
    store: Store,
    export: Vec<OsString>,
    whole: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let store = Store::new();
        let database = forged(&store, 1);
        let local = store.path("local.fmar");
        checkpoint!("export", database, "--to", local).exits(0);
        let whole = fs::read(local).expect("an archive");
        assert!((4 * PART..5 * PART).contains(&(whole.len() as u64)), "{}", whole.len());
        Self { export: words(&[&"export", &database, &"--to", &URL, &"--json"]), store, whole }
    }

    fn note(&self) -> PathBuf {
        self.store.object("a.fmar.partial")
    }

    /// Returns the number of parts that the note names.
    fn noted(&self) -> usize {
        fs::read_to_string(self.note()).map_or(0, |note| note.lines().count().saturating_sub(BEFORE_PARTS))
    }

    /// Starts the export over a slow line, and does something to it when the note names `parts` parts.
    fn halted(&self, export: &[OsString], parts: usize, halt: impl FnOnce(&Unsteady, Pid)) -> Run {
        let mishaps = Mishaps { pause: Duration::from_micros(400), ..Mishaps::default() };
        let line = Unsteady::new(self.store.address(), mishaps, 1);
        let mut command = self.store.command(line.address(), export);
        // A cut line is not waited for as long as people would.
        let child = command.env("FM_S3_RETRY_SECONDS", "5").spawn().expect("the program can be started");
        let began = Instant::now();
        while self.noted() < parts {
            assert!(began.elapsed() < Duration::from_secs(60), "{} parts after a minute", self.noted());
            thread::sleep(Duration::from_millis(1));
        }
        let pid = i32::try_from(child.id()).expect("a process id");
        halt(&line, Pid::from_raw(pid).expect("a process id"));
        let run = Run::from_output("a halted export".to_owned(), child.wait_with_output().expect("it ends"));
        assert!(!self.store.object(KEY).exists(), "nothing has the name yet");
        run
    }

    fn killed(&self, export: &[OsString], parts: usize) {
        let kill = |_: &Unsteady, pid| kill_process(pid, Signal::KILL).expect("it runs");
        self.halted(export, parts, kill).exits(137);
    }

    /// Runs the same command again; returns how many bytes it kept and how many went over the line.
    fn again(&self) -> (u64, u64) {
        let line = Unsteady::new(self.store.address(), Mishaps::default(), 1);
        let reported = self.store.run_at(line.address(), &self.export).exits(0).verdict();
        assert_eq!(reported["verdict"], "exported");
        self.is_whole();
        (reported["kept"].as_u64().expect("a number"), line.sent())
    }

    fn is_whole(&self) {
        assert!(fs::read(self.store.object(KEY)).expect("an object") == self.whole);
        assert_eq!(self.store.files(), ["archives/a.fmar"]);
    }

    /// Changes the note that a killed run left.
    fn tamper(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut lines: Vec<String> =
            fs::read_to_string(self.note()).expect("a note").lines().map(str::to_owned).collect();
        change(&mut lines);
        self.store.replace("a.fmar.partial", format!("{}\n", lines.join("\n")).as_bytes(), true);
    }

    /// Returns a file of the unfinished upload, as this store keeps it.
    fn file_of_upload(&self, ending: &str) -> PathBuf {
        let objects = self.store.root().join("objects");
        let files = fs::read_dir(objects).expect("objects").map(|entry| entry.expect("an object").path());
        let matches = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(".upload") && name.ends_with(ending)
        };
        files.into_iter().find(matches).expect("the store keeps it")
    }
}

fn forged(store: &Store, seed: u64) -> PathBuf {
    forged_at(&store.path(&format!("large-{seed}")), seed)
}

fn forged_at(home: &Path, seed: u64) -> PathBuf {
    let spec = BlockSpec { seed, items: 30, body_bytes: 1600, ..BlockSpec::new(layout("v0.4"), 1_220) };
    fm_forge::forge_blocks(&spec, home).expect("the history is forged");
    home.join("database")
}

/// Starts an export to a file and kills it when this many bytes are there.
fn killed_at(export: &[OsString], partial: &Path, bytes: u64) {
    let mut child =
        command(binary("fm-checkpoint")).args(export).spawn().expect("the program can be started");
    let written = || fs::metadata(partial).map_or(0, |file| file.len());
    while written() < bytes {
        assert!(child.try_wait().expect("it can be asked").is_none(), "it ended before {bytes} bytes");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("a process can be killed");
    child.wait().expect("a killed process ends");
}

/// One way to make an archive, several records of it: none at all, and some that do not fit.
#[test]
fn a_killed_export_to_a_file_goes_on() {
    let home = tempfile::tempdir().expect("there is room for files");
    let (database, target) = (forged_at(&home.path().join("one"), 1), home.path().join("a.fmar"));
    let partial = partial_of(&target);
    let export = words(&[&"export", &database, &"--to", &target, &"--json"]);
    let run = || Run::of("fm-checkpoint", &export).exits(0).verdict()["kept"].as_u64().expect("a number");
    assert_eq!(run(), 0);
    let whole = fs::read(&target).expect("an archive");
    let length = whole.len() as u64;
    let killed = |bytes: u64| {
        fs::remove_file(&target).expect("the archive");
        killed_at(&export, &partial, bytes);
    };
    let is_whole = |context: &str| {
        assert!(fs::read(&target).expect("an archive") == whole && !partial.exists(), "{context}");
    };
    for bytes in [1 << 20, length / 2, length - length / 20] {
        killed(bytes);
        let there = fs::metadata(&partial).expect("what was left").len();
        let kept = run();
        println!("of {there} bytes {kept} were kept");
        assert!(kept <= there && there < kept + (2 << 20), "{kept} of {there}");
        is_whole("killed");
    }
    // A power cut leaves zeros.
    for from in [100, length / 2, length * 9 / 10] {
        killed(length - length / 20);
        let file = fs::File::options().write(true).open(&partial).expect("what was left");
        file.write_all_at(&[0; 5000], from).expect("it can be changed");
        let kept = run();
        assert!(kept <= from && from < kept + (2 << 20), "{kept} of {from}");
        is_whole("zeros");
    }
    let other = forged_at(&home.path().join("two"), 2);
    let words = words(&[&"export", &other, &"--to", &target]);
    fs::remove_file(&target).expect("the archive");
    killed_at(&words, &partial, length / 2);
    assert_eq!(run(), 0, "another state's");
    is_whole("another state");
}

#[test]
fn a_killed_export_sends_what_is_missing() {
    let scene = Scene::new();
    let line = Unsteady::new(scene.store.address(), Mishaps::default(), 1);
    let first = scene.store.run_at(line.address(), &scene.export).exits(0).verdict();
    let length = scene.whole.len() as u64;
    assert_eq!(first["kept"], 0);
    assert!((length..length + BESIDE).contains(&line.sent()), "{} of {length}", line.sent());
    for parts in 1..=3 {
        fs::remove_file(scene.store.object(KEY)).expect("the object");
        scene.killed(&scene.export, parts);
        // Killed again; what both runs have sent is kept.
        scene.killed(&scene.export, parts + 1);
        let (kept, sent) = scene.again();
        println!("of {length} bytes {kept} were kept and {sent} sent");
        assert!(kept >= (parts as u64 + 1) * PART && kept % PART == 0 || kept == length, "{kept}");
        assert!(sent < length - kept + BESIDE, "{sent} of {length}, {kept} kept");
    }
}

/// An object that the store does not copy at once is copied to its key part by part, and appears there whole.
#[test]
fn an_archive_that_is_too_large_for_one_copy_is_copied_in_parts() {
    let scene = Scene::new();
    let limited = |most: &str| {
        let mut command = scene.store.command(scene.store.address(), &scene.export);
        let output = command.env("FM_S3_COPY_MAX", most).output().expect("the program can be started");
        Run::from_output(format!("at most {most}"), output)
    };
    for most in ["1000000", "0"] {
        limited(most).exits(0);
        scene.is_whole();
        fs::remove_file(scene.store.object(KEY)).unwrap();
    }
    for wrong in ["5 GiB", "-1"] {
        assert!(limited(wrong).exits(2).stderr.contains("FM_S3_COPY_MAX is not a number of bytes"));
    }
    assert_eq!(scene.store.files(), Vec::<String>::new());
}

#[test]
fn people_are_told_what_was_kept() {
    let scene = Scene::new();
    let plain: Vec<OsString> = scene.export.iter().filter(|word| *word != "--json").cloned().collect();
    scene.killed(&plain, 2);
    let reported = scene.store.run(&plain).exits(0).stdout;
    let line = reported.lines().find(|line| line.starts_with("kept ")).expect("a line about it");
    assert!(line.ends_with(" bytes that an interrupted run had written"), "{line}");
    scene.is_whole();
}

#[test]
fn a_line_that_is_cut_leaves_what_was_sent() {
    let scene = Scene::new();
    let run = scene.halted(&scene.export, 2, |line, _| line.cut()).exits(3);
    assert!(run.stderr.contains("the store cannot be reached"), "{}", run.stderr);
    assert!(scene.noted() >= 2);
    let (kept, sent) = scene.again();
    assert!(kept >= 2 * PART && sent < scene.whole.len() as u64 - kept + BESIDE, "{kept} kept, {sent} sent");
}

#[test]
fn an_interrupted_export_takes_back_what_was_sent() {
    let scene = Scene::new();
    let interrupt = |_: &Unsteady, pid| kill_process(pid, Signal::INT).expect("it runs");
    scene.halted(&scene.export, 1, interrupt).exits(130);
    assert_eq!(scene.store.files(), Vec::<String>::new());
    assert_eq!(scene.again().0, 0);
}

/// Another state, or an encryption, whose key is new each time: other bytes, of which nothing is there.
#[test]
fn the_upload_of_another_archive_is_not_gone_on_with() {
    let scene = Scene::new();
    let other = words(&[&"export", &forged(&scene.store, 2), &"--to", &URL]);
    scene.killed(&other, 2);
    assert_eq!(scene.again().0, 0);
    fs::remove_file(scene.store.object(KEY)).expect("the object");
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let sealed = [scene.export.clone(), words(&[&"--recipient", &recipient])].concat();
    scene.killed(&sealed, 2);
    assert_eq!(scene.store.run(&sealed).exits(0).verdict()["kept"], 0);
    fs::remove_file(scene.store.object(KEY)).expect("the object");
    scene.killed(&sealed, 2);
    assert_eq!(scene.again().0, 0);
}

#[test]
fn a_note_that_was_tampered_with_does_no_harm() {
    let scene = Scene::new();
    let begin = |parts| {
        let _ = fs::remove_file(scene.store.object(KEY));
        scene.killed(&scene.export, parts);
    };
    begin(3);
    scene.tamper(|lines| lines[BEFORE_PARTS + 1].replace_range(..4, "0000"));
    assert_eq!(scene.again().0, PART, "what precedes the wrong hash");
    begin(3);
    scene.tamper(|lines| lines[BEFORE_PARTS] = "not a line of a part".to_owned());
    assert_eq!(scene.again().0, 0);
    begin(3);
    scene.tamper(|lines| lines.swap(BEFORE_PARTS, BEFORE_PARTS + 2));
    assert_eq!(scene.again().0, 0);
    begin(2);
    scene.tamper(|lines| lines.truncate(BEFORE_PARTS + 1));
    assert_eq!(scene.again().0, PART);
    begin(2);
    scene.tamper(|lines| {
        let last = lines[BEFORE_PARTS - 1].pop().expect("an id");
        lines[BEFORE_PARTS - 1].push(if last == '0' { '1' } else { '0' });
    });
    assert_eq!(scene.store.run(&scene.export).exits(0).verdict()["kept"], 0, "an upload that is not there");
    assert!(fs::read(scene.store.object(KEY)).expect("an object") == scene.whole);
}

#[test]
fn an_upload_that_the_store_has_given_up_is_begun_anew() {
    let scene = Scene::new();
    scene.killed(&scene.export, 2);
    fs::remove_file(scene.file_of_upload(".json")).expect("the store's note of the upload");
    assert_eq!(scene.again().0, 0);
}

/// The note is believed, but the store has something else: reading back finds it, and the next run starts
/// over.
#[test]
fn a_part_that_is_not_what_was_sent_is_never_published() {
    let scene = Scene::new();
    scene.killed(&scene.export, 2);
    let part = scene.file_of_upload(".part-2");
    let mut bytes = fs::read(&part).expect("a part");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&part, bytes).expect("the part can be changed");
    let run = scene.store.run(&scene.export).exits(3);
    assert!(run.stderr.contains("does not read back as what was written"), "{}", run.stderr);
    assert!(!scene.store.object(KEY).exists() && !scene.note().exists());
    assert_eq!(scene.again().0, 0);
}

/// A reader that looks for the archive meanwhile finds nothing, and does not take a note for an archive.
#[test]
fn an_unfinished_upload_is_no_archive() {
    let scene = Scene::new();
    scene.killed(&scene.export, 1);
    let at = |key: &str| scene.store.run(&words(&[&"verify", &format!("s3://archives/{key}")])).exits(3);
    assert!(at(KEY).stderr.contains("there is no such object"));
    assert!(at("a.fmar.partial").stderr.contains("not an archive"));
    assert!(Path::new(&scene.note()).exists());
}
