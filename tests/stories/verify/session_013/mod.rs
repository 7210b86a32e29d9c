//! The guardians of 0.13.0 as their servers left them: what upstream's own code reads in them, and what our
//! programs report.

mod alone;
mod bare_names;
mod past_end;
mod truth;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fm_tests::{Run, fixture};
use serde_json::Value;

/// The federations, with their guardians.
const FEDERATIONS: [(&str, &[&str]); 3] = [
    ("session-v0.13.0", &["peer-0", "peer-3"]),
    ("session-v0.13.0-iroh", &["peer-0", "peer-3"]),
    ("session-v0.13.0-single", &["peer-0"]),
];

/// Returns what upstream's code reads in one guardian's directory.
fn truth(folder: &str, peer: &str) -> Value {
    let text =
        std::fs::read_to_string(fixture(folder).join("truth.json")).expect("the fixture has a truth.json");
    let truth: Value = serde_json::from_str(&text).expect("truth.json is JSON");
    truth["peers"][peer].clone()
}

/// Runs a program on a path, with the configuration of a guardian.
fn run(program: &str, words: &[&str], path: &Path, config: Option<&Path>) -> Run {
    let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
    all.push(path.into());
    all.extend(config.into_iter().flat_map(|config| ["--config".into(), OsString::from(config)]));
    Run::of(program, &all)
}

/// Returns the only object that a program printed.
#[track_caller]
fn object(run: &Run) -> Value {
    let [object] =
        <[Value; 1]>::try_from(run.json()).unwrap_or_else(|lines| panic!("{} objects", lines.len()));
    object
}

/// Returns the only line of a type.
#[track_caller]
fn line(lines: &[Value], kind: &str) -> Value {
    let found: Vec<_> = lines.iter().filter(|line| line["type"] == kind).collect();
    let [line] = found.as_slice() else { panic!("{} lines of the type {kind}", found.len()) };
    (*line).clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Returns a guardian's directory in the fixtures.
fn guardian(folder: &str, peer: &str) -> PathBuf {
    fixture(&format!("{folder}/{peer}"))
}
