//! Finds out which commit is built, for `--version`: the same source has the same text on every machine.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable in which a packager states the commit, for a build outside a repository.
const COMMIT: &str = "FM_BUILD_COMMIT";
/// The time of a reproducible build, in seconds (<https://reproducible-builds.org/specs/source-date-epoch/>).
const EPOCH: &str = "SOURCE_DATE_EPOCH";
/// The number of digits of a commit that are shown.
const DIGITS: usize = 12;

fn main() {
    println!("cargo:rerun-if-env-changed={COMMIT}");
    println!("cargo:rerun-if-env-changed={EPOCH}");
    println!("cargo:rerun-if-changed=build.rs");
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let repository = repository_of(&package);
    if let Some(repository) = &repository {
        watch(repository);
    }
    let git = |words: &[&str]| git(repository.as_deref()?, words);
    let stated = variable(COMMIT).filter(|commit| commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_stated = stated.is_some();
    let commit = stated.or_else(|| git(&["rev-parse", "HEAD"]));
    let seconds = variable(EPOCH).or_else(|| git(&["log", "-1", "--format=%ct"]).filter(|_| !is_stated));
    let date = seconds.and_then(|seconds| seconds.parse().ok()).map(date);
    let commit = commit.map_or("unknown".to_owned(), |commit| commit.chars().take(DIGITS).collect());
    let date = date.map(|date| format!(" of {date}")).unwrap_or_default();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo:rustc-env=FM_VERSION={version} (commit {commit}{date})");
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the root of the source if it is also the root of a repository. A release that was unpacked inside
/// another repository does not carry that repository's commit.
fn repository_of(package: &Path) -> Option<PathBuf> {
    let root = package.parent()?.parent()?.canonicalize().ok()?;
    let top = PathBuf::from(git(&root, &["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    (top == root).then_some(root)
}

/// Triggers a rebuild when another commit is checked out. Missing files are not watched: cargo would rebuild
/// every time.
fn watch(repository: &Path) {
    let branch = git(repository, &["symbolic-ref", "-q", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().map(str::to_owned).chain(branch);
    for name in names {
        let Some(path) = git(repository, &["rev-parse", "--git-path", &name]) else { continue };
        let path = repository.join(path);
        if path.is_file() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

fn git(directory: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(directory).args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// Formats a time in seconds since 1970 as a day in UTC, in the Gregorian calendar.
fn date(seconds: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut days, mut year) = (seconds / 86_400, 1970);
    // Bounds the loop: no calendar goes further.
    while year < 10_000 && days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while month < 11 && days >= months[month] {
        days -= months[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, days + 1)
}
