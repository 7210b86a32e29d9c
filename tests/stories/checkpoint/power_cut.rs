//! Power is lost before each change that a job makes to the disk, and after the job has reported success:
//! what was not synced is lost. What is there then is whole, the same command finishes, and reported success
//! holds.
//!
//! The disk is an ext4 file system of its own, which only root can mount.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_tests::{
    Fault, Federation, Movable, NEW_DATABASE, PowerDisk, Random, Restorable, Restoring, Run, checkpoint,
    converted, copy_dir, fixture, hbbft, rows, run_with_fault, with_own_mounts,
};

/// A job, and the paths whose changes do not count.
struct Job<'a> {
    program: &'a str,
    words: &'a [OsString],
    skip: &'a str,
}

impl Job<'_> {
    /// Cuts the power at changes of the job, from the first on, and after the job has ended; `next` chooses.
    /// `look` sees the disk as it comes back, and learns whether the job had ended, and when the power was
    /// cut.
    fn cut_often(
        &self,
        disk: &mut PowerDisk,
        mut next: impl FnMut(u32) -> u32,
        mut look: impl FnMut(&mut PowerDisk, bool, &str),
    ) -> u32 {
        let before = disk.held();
        let mut at = 1;
        loop {
            disk.put(&before);
            let run = run_with_fault(self.program, self.words, disk.path(), self.skip, Fault::Kill(at));
            assert!(matches!(run.exit, 0 | 137), "change {at}: {}: {}", run.exit, run.stderr);
            disk.cut();
            look(disk, run.exit == 0, &format!("the power went at change {at}"));
            if run.exit == 0 {
                return at;
            }
            at = next(at);
        }
    }

    /// Cuts the power at all changes outside the unfinished result and at some inside it. `is_whole` says
    /// whether the result has its name, and fails if it has and is not whole.
    fn is_whole_or_not_at_all(
        program: &str,
        words: &[OsString],
        disk: &mut PowerDisk,
        is_whole: impl Fn() -> bool,
    ) {
        disk.sync();
        let mut look = |disk: &mut PowerDisk, ended: bool, context: &str| {
            assert!(is_whole() || !ended, "{context}: what was done is gone");
            Run::of(program, words).exits(0);
            assert!(is_whole(), "{context}");
            disk.cut();
            assert!(is_whole(), "{context}, and went again: what was done is gone");
        };
        let before = disk.held();
        let outside = Job { program, words, skip: NEW_DATABASE };
        let changes = outside.cut_often(disk, |at| at + 1, &mut look);
        disk.put(&before);
        let all = Job { program, words, skip: "" }.cut_often(disk, some(changes), &mut look);
        for at in 1..changes {
            disk.put(&before);
            run_with_fault(program, words, disk.path(), NEW_DATABASE, Fault::Kill(at));
            Run::of(program, words).exits(0);
            disk.cut();
            assert!(is_whole(), "killed at change {at}, done, and gone when the power went");
        }
        assert!(changes > 4 && all >= changes, "{changes} and {all} changes are too few to be all");
    }
}

/// Chooses some changes: on average every tenth.
fn some(seed: u32) -> impl FnMut(u32) -> u32 {
    let mut random = Random::new(seed.into());
    move |at| at + 4 + u32::try_from(random.below(12)).expect("small")
}

fn words(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Runs a story with an empty disk.
fn with_disk(test: &str, story: impl FnOnce(&mut PowerDisk)) {
    with_own_mounts(&format!("power_cut::{test}"), || {
        let home = tempfile::tempdir().expect("a directory");
        story(&mut PowerDisk::new(home.path()));
    });
}

/// Without these checks, the stories below could not fail on a disk that keeps everything.
#[test]
fn what_was_not_synced_is_lost() {
    with_disk("what_was_not_synced_is_lost", |disk| {
        let path = |name: &str| disk.path().join(name);
        let synced = |name: &str| {
            fs::write(path(name), "old").expect("a file");
            fs::File::open(path(name)).and_then(|file| file.sync_all()).expect("it is synced");
        };
        synced("replaced");
        synced("renamed");
        fs::write(path("new"), "new").expect("a file");
        fs::rename(path("new"), path("replaced")).expect("a name");
        // Writes the names to the disk, but not the content of the file.
        fm_store::sync_directory(disk.path()).expect("it is synced");
        fs::write(path("created"), "new").expect("a file");
        fs::rename(path("renamed"), path("other")).expect("a name");
        disk.cut();
        let read = |name: &str| fs::read_to_string(disk.path().join(name)).ok();
        assert_eq!(read("replaced").as_deref(), Some(""), "the disk keeps what was not synced");
        assert_eq!((read("renamed").as_deref(), read("other")), (Some("old"), None));
        assert_eq!(read("created"), None);
    });
}

/// Cut off at changes that `next` chooses, a restore is finished by the same command, and undone by `undo`.
fn cut_restore(disk: &mut PowerDisk, skip: &str, next: impl FnMut(u32) -> u32) -> (u32, BTreeSet<String>) {
    let story = Restoring::new(Restorable::inside(0, disk.path()));
    disk.sync();
    let restore = story.restore();
    let job = Job { program: "fm-checkpoint", words: &restore, skip };
    let mut steps = BTreeSet::new();
    let changes = job.cut_often(disk, next, |disk, ended, context| {
        if ended {
            return story.check_restored(context);
        }
        story.is_new();
        steps.insert(story.guardian.step(1).unwrap_or("nothing".to_owned()));
        let cut = disk.held();
        Run::of("fm-checkpoint", &restore).exits(0);
        disk.cut();
        story.check_restored(context);
        disk.put(&cut);
        story.undone_or_nothing();
        disk.cut();
        story.check_undone(context);
    });
    (changes, steps)
}

#[test]
fn a_restore() {
    with_disk("a_restore", |disk| {
        let (changes, steps) = cut_restore(disk, NEW_DATABASE, |at| at + 1);
        assert!(changes > 30, "{changes} changes are too few to be all");
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        // When the last of them is on the disk, there is nothing left to cut off.
        assert_eq!(steps, ["building", "built", "guarded", "nothing", "swapped"]);
    });
}

#[test]
fn a_restore_that_writes_the_new_database() {
    with_disk("a_restore_that_writes_the_new_database", |disk| {
        let (changes, _) = cut_restore(disk, "", some(5));
        assert!(changes > 60, "{changes} changes are too few to be all");
    });
}

#[test]
fn the_way_back() {
    with_disk("the_way_back", |disk| {
        let story = Restoring::new(Restorable::inside(0, disk.path()));
        disk.sync();
        // Without a sync after it: what it did is on the disk.
        Run::of("fm-checkpoint", &story.restore()).exits(0);
        let undo = story.undo();
        let job = Job { program: "fm-checkpoint", words: &undo, skip: "" };
        let changes = job.cut_often(
            disk,
            |at| at + 1,
            |disk, ended, context| {
                if !ended {
                    story.is_new();
                    story.undone_or_nothing();
                    disk.cut();
                }
                story.check_undone(context);
            },
        );
        assert!(changes > 12, "{changes} changes are too few to be all");
    });
}

fn peer() -> std::path::PathBuf {
    fixture("session-v0.5.0/peer-0")
}

#[test]
fn an_export() {
    with_disk("an_export", |disk| {
        let home = tempfile::tempdir().expect("a directory");
        let (archive, elsewhere) = (disk.path().join("0.fmar"), home.path().join("0.fmar"));
        let config = peer();
        checkpoint!("export", config, "--to", elsewhere, "--config", config).exits(0);
        let wanted = fs::read(&elsewhere).expect("the archive");
        let words = words(&[&"export", &config, &"--to", &archive, &"--config", &config]);
        Job::is_whole_or_not_at_all("fm-checkpoint", &words, disk, || {
            let found = fs::read(&archive).ok();
            assert!(found.as_ref().is_none_or(|found| *found == wanted), "half an archive has its name");
            found.is_some()
        });
    });
}

/// Checks whether a database exists, which must have these rows then.
fn has_rows(database: &Path, wanted: &[fm_rows::Row]) -> bool {
    let is_there = database.exists();
    assert!(!is_there || rows(database) == wanted, "half a database has its name");
    is_there
}

#[test]
fn an_import() {
    with_disk("an_import", |disk| {
        let home = tempfile::tempdir().expect("a directory");
        let (archive, config) = (home.path().join("0.fmar"), peer());
        checkpoint!("export", config, "--to", archive, "--config", config).exits(0);
        let (target, wanted) = (disk.path().join("new"), rows(&config.join("database")));
        let words = words(&[&"import", &archive, &"--to", &target, &"--config", &config]);
        Job::is_whole_or_not_at_all("fm-checkpoint", &words, disk, || {
            assert!(
                !target.exists() || target.join("database").exists(),
                "the target is there without a database"
            );
            has_rows(&target.join("database"), &wanted)
        });
    });
}

#[test]
fn a_conversion() {
    with_disk("a_conversion", |disk| {
        let home = tempfile::tempdir().expect("a directory");
        let (guardian, elsewhere, target) =
            (hbbft("peer-0"), home.path().join("new"), disk.path().join("new"));
        converted(&guardian, &elsewhere);
        let wanted = rows(&elsewhere.join("database"));
        let words = words(&[&"convert", &"--from", &guardian, &"--config", &guardian, &"--to", &target]);
        Job::is_whole_or_not_at_all("fm-migrate", &words, disk, || {
            for file in ["manifest.json", "provenance.fmar"] {
                let same = || fs::read(target.join(file)).ok() == fs::read(elsewhere.join(file)).ok();
                assert!(!target.exists() || same(), "{file} is not what it should be");
            }
            has_rows(&target.join("database"), &wanted)
        });
    });
}

#[test]
fn a_seal() {
    with_disk("a_seal", |disk| {
        let federation = Federation::small(40);
        let (guardian, config) = (federation.guardian(), federation.config());
        let (elsewhere, dir) = (federation.beside("new"), disk.path().join("new"));
        converted(&guardian, &elsewhere);
        let files: Vec<_> =
            (0..3).map(|peer| federation.attestation(&elsewhere, peer, &format!("of-{peer}"))).collect();
        copy_dir(&elsewhere, &dir);
        let seal = |dir: &Path| {
            words(&[&"seal", &"--dir", &dir, &"--config", &config, &files[0], &files[1], &files[2]])
        };
        let old = rows(&elsewhere.join("database"));
        Run::of("fm-migrate", &seal(&elsewhere)).exits(0);
        let new = rows(&elsewhere.join("database"));
        Job::is_whole_or_not_at_all("fm-migrate", &seal(&dir), disk, || {
            let found = rows(&dir.join("database"));
            assert!(found == old || found == new, "neither the old database nor the new one");
            found == new
        });
    });
}

/// Whatever the disk kept: the guardian never starts at the old place while its archive exists, and the same
/// command finishes.
#[test]
fn a_move() {
    with_disk("a_move", |disk| {
        let guardian = Movable::inside("session-v0.5.0/peer-0", disk.path());
        disk.sync();
        let moving = guardian.moving(&[]);
        let job = Job { program: "fm-checkpoint", words: &moving, skip: "" };
        let changes = job.cut_often(
            disk,
            |at| at + 1,
            |disk, ended, context| {
                assert!(!(guardian.server_would_start() && guardian.archive().exists()), "{context}");
                if !ended {
                    Run::of("fm-checkpoint", &moving).exits(0);
                    disk.cut();
                }
                guardian.check_moved(context);
            },
        );
        assert!(changes > 30, "{changes} changes are too few to be all");
    });
}

#[test]
fn a_whole_guardian() {
    with_disk("a_whole_guardian", |disk| {
        let guardian = Movable::inside("session-v0.13.0-single/peer-0", disk.path());
        guardian.run(&guardian.moving(&[])).exits(0);
        let is_whole = || {
            let is_there = guardian.new_place().exists();
            if is_there {
                guardian.check_whole("the power went");
            }
            is_there
        };
        Job::is_whole_or_not_at_all("fm-checkpoint", &guardian.restoring(&[]), disk, is_whole);
    });
}
