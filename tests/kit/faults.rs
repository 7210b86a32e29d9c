//! Programs that are ended, or whose disk is full, at exactly one of their changes to the disk.
//!
//! These are the shipped programs: a small C library is loaded into them and counts their changes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::{Run, binary, command};

/// The fault of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL before the change with this number, from 1.
    Kill(u32),
    /// No space from the change with this number on.
    Full(u32),
    /// The file system has no locks.
    NoLocks,
    /// The file system syncs no directories.
    NoDirectorySync,
}

/// Runs one of our programs with a fault below a directory; paths that contain `skip` do not count.
pub fn run_with_fault(
    program: &str,
    arguments: &[std::ffi::OsString],
    root: &Path,
    skip: &str,
    fault: Fault,
) -> Run {
    let output = command_with_fault(program, root, skip, fault).args(arguments).output();
    let output = output.expect("the program can be started");
    Run::from_output(format!("{program} {arguments:?} with {fault:?}"), output)
}

/// Returns a command for one of our programs with a fault below a directory; paths that contain `skip` do not
/// count, unless it is empty.
pub fn command_with_fault(program: &str, root: &Path, skip: &str, fault: Fault) -> Command {
    let (kind, at) = match fault {
        Fault::Kill(at) => ("kill", at),
        Fault::Full(at) => ("full", at),
        Fault::NoLocks => ("no-locks", 0),
        Fault::NoDirectorySync => ("no-directory-sync", 0),
    };
    let mut command = command(binary(program));
    command.env("LD_PRELOAD", library()).env("FAULT_ROOT", root).env("FAULT_SKIP", skip);
    command.env("FAULT_KIND", kind).env("FAULT_AT", at.to_string());
    command
}

/// Returns the library, compiled once.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let home = tempfile::tempdir().expect("a directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("kit/faults.c");
        let path = home.path().join("faults.so");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&path).arg(source).status();
        assert!(compiled.expect("there is a C compiler").success(), "the library does not compile");
        (home, path)
    });
    path
}
