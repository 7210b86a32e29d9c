//! The surroundings of a job, which are not damage: owners, rights, limits, mounts, file systems, and where
//! passwords and keys come from.

mod found_keys;
mod limits;
mod owners;
mod passwords;
mod places;
mod plain_words;
mod sources;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fm_tests::{Run, binary, command};

/// A user that owns nothing here.
const SOMEBODY: u32 = 54_321;

/// Copies a program so that every user may run it, into a directory that every user may enter.
fn for_everybody(program: &str, home: &Path) -> PathBuf {
    let copy = home.join(program);
    fs::copy(binary(program), &copy).expect("the program can be copied");
    for path in [home, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
    }
    copy
}

/// Runs a program as a user without rights, through `prlimit` with options.
fn as_somebody(user: u32, limits: &[String], program: &Path, words: &[OsString]) -> Run {
    let (user, mut run) = (user.to_string(), command("setpriv"));
    run.args(["--reuid", &user, "--regid", &user, "--clear-groups", "prlimit", "--core=0"]).args(limits);
    let output = run.arg(program).args(words).output().expect("setpriv is there");
    Run::from_output(format!("{limits:?} {} {words:?}", program.display()), output)
}
