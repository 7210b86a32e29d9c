//! A full disk is reported as such at every stage, leaves nothing in the way, and the same command succeeds
//! when there is room.
//!
//! The disk is a small tmpfs in a mount namespace of its own; the file size limit is that of the process.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_forge::ForgeSpec;
use fm_tests::{Federation, ON_A_SMALL_DISK, Run, binary, migrate, rows, shell};

/// The bytes of a page, the least that a file takes on the disk.
const PAGE: u64 = 4096;

struct Story {
    federation: Federation,
    disk: std::path::PathBuf,
}

impl Story {
    fn new() -> Self {
        let spec = ForgeSpec {
            epochs: 300,
            items_per_epoch: 12,
            with_shares: false,
            sign_every: 10,
            ..ForgeSpec::default()
        };
        let federation = Federation::new(spec);
        let disk = federation.beside("disk");
        fs::create_dir(&disk).expect("a directory");
        Self { federation, disk }
    }

    fn convert(&self) -> Vec<OsString> {
        let (guardian, target) = (self.federation.guardian().into(), self.disk.join("target").into());
        let mut words: Vec<OsString> = vec![binary("fm-migrate").into()];
        words.extend(["convert".into(), "--from".into(), OsString::clone(&guardian)]);
        words.extend(["--config".into(), guardian, "--to".into(), target]);
        words
    }

    /// Runs on a small disk and again on a large one; returns what the first run said and where it failed, or
    /// none if the disk was large enough.
    fn run_on(&self, options: &str, words: &[OsString], reference: &Path, name: &str) -> Option<String> {
        let copy = self.federation.beside(name);
        let mut arguments: Vec<OsString> =
            vec![options.into(), self.disk.clone().into(), copy.clone().into()];
        arguments.extend_from_slice(words);
        let run = shell(ON_A_SMALL_DISK, &arguments);
        assert!(matches!(run.exit, 0 | 13), "{options}: {}: {}{}", run.exit, run.stdout, run.stderr);
        assert!(rows(&copy.join("database")) == rows(&reference.join("database")), "{options}");
        let of = |directory: &Path| fs::read(directory.join("manifest.json")).ok();
        assert_eq!(of(&copy), of(reference), "{options}");
        let left = run.stdout.lines().find_map(|line| line.strip_prefix("LEFT ")).expect("what was left");
        if run.exit == 0 {
            assert_eq!(left, "target ", "{options}");
            return None;
        }
        assert_eq!(left, "", "{options}");
        Some(failure(&run))
    }
}

/// Returns the sentence of a failure for want of room, among the lines of the second run, with the file at
/// which it failed.
fn failure(run: &Run) -> String {
    let sentences: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("fm-migrate: ")).collect();
    let [sentence] = sentences.as_slice() else { panic!("not one sentence:\n{}", run.stderr) };
    assert!(sentence.contains("no space left while writing"), "{sentence}");
    let hint = "  hint: nothing was left at the target; make room and run the same command";
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("  hint")).collect::<Vec<_>>(), [hint]);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    let path = sentence.rsplit("target.partial").next().unwrap_or_default();
    path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned()
}

#[test]
fn a_full_disk_at_every_stage_of_a_conversion() {
    let story = Story::new();
    let reference = story.federation.beside("reference");
    let guardian = story.federation.guardian();
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", reference).exits(0);
    let mut stages = BTreeSet::new();
    // By bytes: in the archive, in the database, and at every other size below the whole.
    let size = |name: &str| fs::metadata(reference.join(name)).expect("the file").len();
    let archive = size("provenance.fmar");
    let database: u64 = fm_tests::file_list(&reference.join("database"))
        .iter()
        .map(|file| size(&format!("database/{}", file.display())))
        .sum();
    let whole = archive + database;
    let sizes = [8192, archive / 2, archive + 8192, archive + database / 2, whole - whole / 10, whole];
    for (number, bytes) in sizes.into_iter().enumerate() {
        let failure =
            story.run_on(&format!("size={bytes}"), &story.convert(), &reference, &format!("size-{number}"));
        stages.extend(failure);
    }
    // By files: each file in turn is the one that cannot be made. Not the manifest: making the database takes
    // more files than it keeps, so too few for the manifest were too few before.
    let mut fits = false;
    for files in 2..40 {
        let options = format!("size=64m,nr_inodes={files}");
        let failure = story.run_on(&options, &story.convert(), &reference, &format!("files-{files}"));
        if failure.is_none() {
            fits = true;
            break;
        }
        stages.extend(failure);
    }
    assert!(fits, "a conversion takes more files than it should");
    for stage in [".partial-marker", "provenance.fmar", "database"] {
        assert!(stages.contains(stage), "the disk never was full at {stage}: {stages:?}");
    }
}

/// The last page of the archive, and the manifest: everything before them is written.
#[test]
fn a_disk_that_is_full_at_the_very_end() {
    let story = Story::new();
    let reference = story.federation.beside("reference");
    let guardian = story.federation.guardian();
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", reference).exits(0);
    let on_disk = |name: &Path| {
        let file = fs::metadata(reference.join(name)).expect("the file");
        if file.is_file() { file.len().div_ceil(PAGE) * PAGE } else { 0 }
    };
    // The marker beside the archive takes the page that the archive lacks.
    let archive = on_disk(Path::new("provenance.fmar"));
    let failure = story.run_on(&format!("size={archive}"), &story.convert(), &reference, "archive");
    assert_eq!(failure.as_deref(), Some("provenance.fmar"));
    // RocksDB's own log is sometimes a page longer and sometimes one shorter, so the size is not known to the
    // page.
    let whole: u64 = fm_tests::file_list(&reference).iter().map(|file| on_disk(file)).sum();
    let failures: Vec<String> = (0..8)
        .rev()
        .map_while(|page| {
            let (size, name) = (whole + 3 * PAGE - page * PAGE, format!("end-{page}"));
            story.run_on(&format!("size={size}"), &story.convert(), &reference, &name)
        })
        .collect();
    assert!(failures.iter().any(|name| name == "manifest.json"), "{whole}: {failures:?}");
    assert!(failures.len() < 8, "{whole}: {failures:?}");
}

#[test]
fn a_full_disk_while_reverting() {
    let story = Story::new();
    let (guardian, migrated) = (story.federation.guardian(), story.federation.beside("new"));
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", migrated).exits(0);
    let mut words: Vec<OsString> = vec![binary("fm-migrate").into()];
    words.extend(["revert".into(), "--from".into(), migrated.into()]);
    words.extend(["--to".into(), story.disk.join("target").into()]);
    let reference = story.federation.beside("reference");
    fs::create_dir(&reference).expect("a directory");
    fm_tests::copy_dir(&story.federation.database(), &reference.join("database"));
    let mut failures = 0;
    for (number, options) in
        ["size=8k", "size=300k", "size=64m,nr_inodes=4", "size=64m,nr_inodes=8", "size=64m"]
            .into_iter()
            .enumerate()
    {
        let failure = story.run_on(options, &words, &reference, &format!("back-{number}"));
        failures += u32::from(failure.is_some());
    }
    assert!(failures >= 3, "{failures}");
}

/// The effect of `ulimit -f` on a process.
#[test]
fn a_limit_on_the_size_of_files() {
    let story = Story::new();
    let (guardian, target) = (story.federation.guardian(), story.federation.beside("new"));
    for limit in ["1000", "20000", "200000"] {
        let mut arguments: Vec<OsString> = vec![limit.into()];
        arguments.extend(story.convert());
        *arguments.last_mut().expect("the target") = target.clone().into();
        let run = shell("limit=$1; shift; exec prlimit --fsize=$limit --core=0 \"$@\"", &arguments).exits(13);
        failure(&run);
        assert!(!target.exists() && !fm_tests::partial_of(&target).exists(), "{limit}");
    }
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(0);
}
