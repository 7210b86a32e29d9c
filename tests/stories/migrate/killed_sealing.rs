//! Attesting and sealing, killed at any moment: the old state or the new one is there, and the same command
//! finishes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fm_forge::ForgeSpec;
use fm_tests::{
    Federation, Random, Run, Signal, binary, converted, copy_dir, finished, partial_of, rows, seal,
    signalled, started, verify,
};

const KILLS: u32 = 24;

fn federation() -> Federation {
    let spec = ForgeSpec {
        epochs: 3000,
        items_per_epoch: 6,
        with_shares: false,
        sign_every: 25,
        gap_every: 0,
        seed: 7,
        ..ForgeSpec::default()
    };
    Federation::new(spec)
}

fn words(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Starts the job again each time and kills it at moments spread over its duration; then runs it to its end.
fn kill_often(
    seed: u64,
    arguments: &[OsString],
    prepare: &dyn Fn(),
    on_killed: &mut dyn FnMut(),
    on_done: &dyn Fn(),
) {
    let mut random = Random::new(seed);
    prepare();
    let began = Instant::now();
    finished(started("fm-migrate", arguments)).exits(0);
    let mut duration = began.elapsed();
    on_done();
    for kill in 0..KILLS {
        prepare();
        let step = duration.mul_f64(1.05) / KILLS;
        let part = f64::from(u32::try_from(random.below(1000)).expect("small")) / 1000.0;
        let child = started("fm-migrate", arguments);
        thread::sleep(step * kill + step.mul_f64(part));
        signalled(&child, Signal::KILL);
        let killed = finished(child);
        assert!(matches!(killed.exit, 0 | 137), "{}", killed.stderr);
        on_killed();
        let began = Instant::now();
        finished(started("fm-migrate", arguments)).exits(0);
        // The machine may be busier than at first.
        duration = (duration + began.elapsed()) / 2;
        on_done();
    }
}

#[test]
fn a_killed_attestation_is_finished_by_the_same_command() {
    let federation = federation();
    let (dir, out, key) = (federation.beside("new"), federation.beside("out"), federation.key_file(0));
    converted(&federation.guardian(), &dir);
    let wanted = fs::read(federation.attestation(&dir, 0, "wanted")).expect("the attestation");
    let config = federation.config();
    let arguments =
        words(&[&"attest", &"--dir", &dir, &"--config", &config, &"--key-file", &key, &"--out", &out]);
    let mut partials = 0;
    let whole = || assert!(fs::read(&out).expect("the attestation") == wanted);
    let prepare = || {
        let _ = fs::remove_file(&out);
    };
    let mut on_killed = || {
        partials += u32::from(partial_of(&out).exists());
        if out.exists() {
            whole();
        }
    };
    kill_often(1, &arguments, &prepare, &mut on_killed, &|| {
        whole();
        assert!(!partial_of(&out).exists());
    });
    assert!(partials >= 2, "{partials} of {KILLS} kills came while the file was written");
}

/// A directory that is ready to be sealed, the command that does it, and its result.
struct Ready {
    federation: Federation,
    unsealed: PathBuf,
    dir: PathBuf,
    arguments: Vec<OsString>,
}

impl Ready {
    fn new() -> Self {
        let federation = federation();
        let (unsealed, dir) = (federation.beside("unsealed"), federation.beside("new"));
        converted(&federation.guardian(), &unsealed);
        let files: Vec<_> =
            (0..3).map(|peer| federation.attestation(&unsealed, peer, &format!("of-{peer}"))).collect();
        let config = federation.config();
        let arguments =
            words(&[&"seal", &"--dir", &dir, &"--config", &config, &files[0], &files[1], &files[2]]);
        Self { federation, unsealed, dir, arguments }
    }

    fn fresh(&self) {
        let _ = fs::remove_dir_all(&self.dir);
        copy_dir(&self.unsealed, &self.dir);
    }

    fn database(&self) -> PathBuf {
        self.dir.join("database")
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_killed_seal_is_finished_by_the_same_command() {
    let ready = Ready::new();
    ready.fresh();
    finished(started("fm-migrate", &ready.arguments)).exits(0);
    let (old, new) = (rows(&ready.unsealed.join("database")), rows(&ready.database()));
    assert!(old != new);
    let mut left: BTreeMap<&str, u32> = BTreeMap::new();
    let mut on_killed = || {
        let found = rows(&ready.database());
        assert!(found == old || found == new, "the database is neither the old one nor the new one");
        let partial = partial_of(&ready.database()).exists();
        let what = match (found == new, partial) {
            (false, false) => "nothing",
            (false, true) => "unfinished",
            (true, _) => "sealed",
        };
        *left.entry(what).or_default() += 1;
    };
    kill_often(2, &ready.arguments, &|| ready.fresh(), &mut on_killed, &|| {
        assert!(rows(&ready.database()) == new);
        assert_eq!(names(&ready.dir), ["database", "manifest.json", "provenance.fmar"]);
    });
    verify!(ready.dir, "--config", ready.federation.config()).exits(0);
    assert!(left.get("unfinished").is_some_and(|count| *count >= 4), "the moments are not spread: {left:?}");
}

/// The moments around the exchange are short; a run that a debugger holds there would leave exactly this.
#[test]
fn what_a_kill_at_the_exchange_leaves_is_finished() {
    let ready = Ready::new();
    ready.fresh();
    finished(started("fm-migrate", &ready.arguments)).exits(0);
    let new = rows(&ready.database());
    let marker = b"unfinished work of the fm tools; may be removed when no fm tool is running\n";
    let partial = partial_of(&ready.database());
    let kept = ready.federation.beside("sealed-database");
    fs::rename(ready.database(), &kept).expect("the database");
    for (in_place, old, new_beside) in [(None, true, true), (None, true, false), (Some(&kept), true, false)] {
        ready.fresh();
        fs::create_dir(&partial).expect("the partial directory");
        fs::write(partial.join(".partial-marker"), marker).expect("the marker");
        if old {
            fs::rename(ready.database(), partial.join("old")).expect("the database");
        }
        if new_beside {
            copy_dir(&kept, &partial.join("new"));
        }
        if let Some(sealed) = in_place {
            copy_dir(sealed, &ready.database());
        }
        finished(started("fm-migrate", &ready.arguments)).exits(0);
        assert!(rows(&ready.database()) == new);
        assert_eq!(names(&ready.dir), ["database", "manifest.json", "provenance.fmar"]);
    }
}

/// Interrupted, it stops, leaves the old database, and says how to continue.
#[test]
fn an_interrupted_seal_leaves_the_old_database() {
    let ready = Ready::new();
    let old = rows(&ready.unsealed.join("database"));
    let mut in_time = 0;
    for delay in [0, 2, 5, 20, 50] {
        ready.fresh();
        let mut child = started("fm-migrate", &ready.arguments);
        let partial = partial_of(&ready.database());
        while !partial.exists() && child.try_wait().expect("it can be asked").is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(delay));
        signalled(&child, Signal::INT);
        let run = finished(child);
        if run.exit == 0 {
            continue;
        }
        let run = run.exits(130);
        assert!(run.sentence().contains("interrupted; no partial result remains"), "{}", run.stderr);
        assert!(!partial.exists() && rows(&ready.database()) == old);
        in_time += 1;
    }
    assert!(in_time >= 2, "{in_time} were in time");
    // While one run seals, another reports that, and leaves everything in place.
    let mut first = started("fm-migrate", &ready.arguments);
    while !partial_of(&ready.database()).exists() && first.try_wait().expect("it can be asked").is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    let second = finished(started("fm-migrate", &ready.arguments));
    assert!(matches!(second.exit, 0 | 11), "{}: {}", second.exit, second.stderr);
    finished(first).exits(0);
    ready.fresh();
    let foreign = partial_of(&ready.database());
    fs::create_dir(&foreign).expect("a directory");
    fs::write(foreign.join("notes"), "mine").expect("a file");
    let run = finished(started("fm-migrate", &ready.arguments)).exits(2);
    assert!(run.sentence().contains("was not made by this tool"), "{}", run.stderr);
    assert_eq!(fs::read(foreign.join("notes")).expect("the file"), b"mine");
}

/// A full disk leaves the old database.
#[test]
fn a_seal_without_room() {
    let ready = Ready::new();
    ready.fresh();
    let old = rows(&ready.unsealed.join("database"));
    for blocks in ["100", "400"] {
        let mut limited = Command::new("/bin/sh");
        limited.arg("-c").arg(format!("ulimit -f {blocks}; exec \"$@\"")).arg("sh").arg(binary("fm-migrate"));
        let output = limited.args(&ready.arguments).output().expect("there is a shell");
        let run = Run::from_output("fm-migrate seal".to_owned(), output).exits(13);
        assert!(run.sentence().contains("no space left"), "{}", run.stderr);
        assert!(!partial_of(&ready.database()).exists() && rows(&ready.database()) == old);
    }
    let files = &ready.arguments[5..];
    seal(&ready.dir, &ready.federation.config(), files).exits(0);
}
