//! The README and the tour show what the programs print, and the index of documents names all of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fm_tests::{binary, command, fixture};

/// Returns the commands of a document and the output below each, in order.
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

/// Removes what differs from run to run: the version and the day of an audit, the ports of a federation, and
/// how long its sessions took.
fn steady(text: &str) -> String {
    let line = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["checked", "by", "fm-verify", ..] => "checked    by fm-verify …\n".to_owned(),
        ["guardian", number, api, "page", page, "log", log]
            if api.starts_with("ws://127.0.0.1:") && page.starts_with("http://127.0.0.1:") =>
        {
            format!("guardian {number} ws://…  page http://…  log {log}\n")
        }
        ["session", number, items, "items", signatures, "signatures", _, "s"] => {
            format!("session {number} {items} items {signatures} signatures … s\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Documents whose samples are run, in the order in which later ones use the results of earlier ones.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/tour.md"];

#[test]
fn the_samples_are_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let home = tempfile::tempdir().expect("a directory");
    symlink(fixture("").canonicalize().expect("a path"), home.path().join("fixtures")).expect("a link");
    for document in DOCUMENTS {
        let samples = samples(&fs::read_to_string(root.join(document)).expect(document));
        assert!(samples.len() >= 3, "{document}: {samples:?}");
        for (line, expected) in samples {
            let mut words = line.split_whitespace();
            let program = binary(words.next().expect("a program"));
            let output =
                command(program).args(words).current_dir(home.path()).output().expect("it can be started");
            let printed = steady(&String::from_utf8(output.stdout).expect("text"));
            let expected = steady(&expected);
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert_eq!(printed, expected, "{document}: $ {line}\n{complaint}");
        }
    }
}

/// Returns every Markdown file below a directory.
fn documents(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found
}

/// `tools/docs` makes the chapters of the book from the index, so a document that the index lacks is missing
/// from the book.
#[test]
fn the_index_names_every_document() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let index = docs.join("README.md");
    let text = fs::read_to_string(&index).expect("there is an index");
    let lists: String = text.lines().filter(|line| line.starts_with("- ")).collect();
    let all = documents(&docs);
    assert!(all.len() > 30, "{all:?}");
    for document in all.iter().filter(|document| **document != index) {
        let name = document.strip_prefix(&docs).expect("a document");
        assert!(lists.contains(&format!("]({})", name.display())), "docs/README.md does not name {name:?}");
    }
}
