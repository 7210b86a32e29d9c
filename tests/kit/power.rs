//! A disk that loses power: what was written and not synced is lost, as on a real machine.
//!
//! The disk is an ext4 file system in a file, mounted over a loop device. What was not synced is in the
//! kernel's memory only, so a copy of the file is what a disk holds when it loses power; its journal is
//! replayed when it is mounted.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::{NamedTempFile, TempPath};

use crate::copy_dir;

/// The variable that marks a test as running with mounts of its own.
const INSIDE: &str = "TEST_WITH_OWN_MOUNTS";
/// The variable that names another file system to try the stories on: `btrfs` or `xfs`.
const KIND: &str = "TEST_FILE_SYSTEM";

/// The commands that make and mount a file system.
struct Kind {
    name: &'static str,
    bytes: u64,
    /// Words of its `mkfs`.
    make: &'static [&'static str],
    /// Options under which nothing is written unasked, and as little as possible when one file is synced.
    options: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "ext4",
        bytes: 64 << 20,
        make: &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
        options: "loop,noauto_da_alloc,data=writeback,commit=3600",
    },
    Kind { name: "btrfs", bytes: 256 << 20, make: &["-q"], options: "loop,commit=300" },
    Kind { name: "xfs", bytes: 320 << 20, make: &["-q"], options: "loop" },
];

fn kind() -> &'static Kind {
    let wanted = env::var(KIND).unwrap_or("ext4".to_owned());
    KINDS.iter().find(|kind| kind.name == wanted).expect("a kind of file system that is known here")
}

/// Runs a story in a process with its own mounts, which nobody else sees and which end with it. `test` is the
/// name of the calling test, with its modules: it is run once more, inside. If the user may not mount, a
/// message says that the story did not run; if `CI` is set, the test fails.
pub fn with_own_mounts(test: &str, story: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return story();
    }
    let allowed = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        let why = "no private mount namespace: unshare -m is not permitted here (a disk can be mounted by root only)";
        assert!(env::var_os("CI").is_none(), "{why}");
        writeln!(std::io::stderr(), "NOT RUN: {why}").expect("standard error can be written to");
        return;
    }
    let mut inside = Command::new("unshare");
    inside.arg("-m").arg(env::current_exe().expect("a process knows its own program"));
    let run = inside.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
    let run = run.expect("unshare can be started");
    let (said, failed) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{said}{failed}");
}

/// A mounted disk.
pub struct PowerDisk {
    mounted: PathBuf,
    image: TempPath,
}

/// The content of a disk at one moment.
pub struct Held(TempPath);

impl PowerDisk {
    /// Creates an empty disk at the directory `at`.
    pub fn new(at: &Path) -> Self {
        let file = NamedTempFile::new().expect("a file");
        file.as_file().set_len(kind().bytes).expect("a sparse file can be made");
        let image = file.into_temp_path();
        let program = format!("mkfs.{}", kind().name);
        let hint = "that program is needed; mkfs.ext4 is in the package e2fsprogs";
        run(Command::new(program).args(kind().make).arg(&image), hint);
        mount(&image, at);
        Self { mounted: at.to_owned(), image }
    }

    /// Creates a disk with the content of a directory, in place of that directory.
    pub fn over(directory: &Path) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let copy = home.path().join("copy");
        copy_dir(directory, &copy);
        let disk = Self::new(directory);
        copy_dir(&copy, directory);
        disk.sync();
        disk
    }

    /// Returns the mount point.
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// Syncs everything to the disk.
    pub fn sync(&self) {
        run(Command::new("sync").arg("-f").arg(&self.mounted), "sync -f is of coreutils");
    }

    /// Returns what the disk holds now, which is only what was synced.
    pub fn held(&self) -> Held {
        Held(copy(&self.image))
    }

    /// Replaces the disk's content with that; nobody may have a file of it open.
    pub fn put(&mut self, held: &Held) {
        let image = copy(&held.0);
        unmount(&self.mounted);
        mount(&image, &self.mounted);
        self.image = image;
    }

    /// Cuts the power and restores it.
    pub fn cut(&mut self) {
        self.put(&self.held());
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        // Best effort: the mount ends with the process that made it.
        let _ = Command::new("umount").arg(&self.mounted).stderr(Stdio::null()).status();
    }
}

fn copy(image: &Path) -> TempPath {
    let to = NamedTempFile::new().expect("a file").into_temp_path();
    run(Command::new("cp").arg("--sparse=always").arg(image).arg(&to), "cp --sparse is of coreutils");
    to
}

fn mount(image: &Path, at: &Path) {
    let Kind { name, options, .. } = kind();
    let mut mount = Command::new("mount");
    let hint = "a loop device with that file system cannot be mounted here";
    run(mount.args(["-t", name, "-o", options]).arg(image).arg(at), hint);
}

fn unmount(at: &Path) {
    run(Command::new("umount").arg(at), "a file of it is open");
}

#[track_caller]
fn run(command: &mut Command, hint: &str) {
    let run = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: {hint}"));
    assert!(run.status.success(), "{command:?}: {}{hint}", String::from_utf8_lossy(&run.stderr));
}
