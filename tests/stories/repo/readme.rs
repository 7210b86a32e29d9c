//! What the README shows is what the programs print.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fm_tests::{binary, command, fixture};

/// The commands of the README and the output below each, in order.
fn samples(text: &str) -> Vec<(String, String)> {
    let mut samples: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let Some(shown) = line.strip_prefix("    ") else {
            inside = false;
            continue;
        };
        if let Some(command) = shown.strip_prefix("$ ") {
            samples.push((command.to_owned(), String::new()));
            inside = true;
        } else if inside && let Some((_, output)) = samples.last_mut() {
            output.push_str(shown);
            output.push('\n');
        }
    }
    samples
}

/// The text without the version and the day of the line that says by what and when it was checked.
fn undated(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("checked    by fm-verify ") {
        Some(_) => "checked    by fm-verify …\n".to_owned(),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_samples_are_true() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let samples = samples(&fs::read_to_string(readme).expect("there is a README"));
    assert!(samples.len() >= 3, "{samples:?}");
    let home = tempfile::tempdir().expect("a directory");
    symlink(fixture("").canonicalize().expect("a path"), home.path().join("fixtures")).expect("a link");
    for (line, expected) in samples {
        let mut words = line.split_whitespace();
        let program = binary(words.next().expect("a program"));
        let output =
            command(program).args(words).current_dir(home.path()).output().expect("it can be started");
        let printed = undated(&String::from_utf8(output.stdout).expect("text"));
        let expected = undated(&expected);
        assert_eq!(printed, expected, "$ {line}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
