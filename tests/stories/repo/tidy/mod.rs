//! The tree: every file says what it holds and is compiled, no test is switched off, every golden vector is
//! used, nothing names a machine. Crates and documents have files of their own here.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the tree has failed")]

mod crates;
mod documents;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns every file below `dir` with one of the endings; build output and fixtures are left out.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !["target", ".git", "fixtures", "vectors"].contains(&name.as_str()) {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn metadata() -> Value {
    metadata_with(&["--no-deps"])
}

/// Returns cargo's description of the workspace, with further options.
fn metadata_with(options: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(options)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_source_file_says_what_it_holds() {
    let sources = files(&root(), &[".rs"]);
    assert!(sources.len() > 50, "only {} source files found", sources.len());
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
    }
}

/// The parent of a bare name is the empty path, which no system call accepts.
#[test]
fn no_path_is_asked_for_its_parent() {
    let asking = concat!(".par", "ent()");
    let (root, knows) = (root(), Path::new("crates/fm-store/src/around.rs"));
    let mut seen = 0;
    for path in files(&root, &[".rs"]) {
        let inside = path.strip_prefix(&root).unwrap();
        let is_source = inside.components().any(|part| part.as_os_str() == "src");
        if is_source && inside != knows {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains(asking), "{} contains {asking}: take `directory_of`", path.display());
            seen += 1;
        }
    }
    assert!(seen > 50 && fs::read_to_string(root.join(knows)).unwrap().contains(asking));
}

#[test]
fn no_test_is_switched_off() {
    let marks = [concat!("#[", "ignore"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    for path in files(&root(), &[".rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        for mark in marks {
            assert!(!text.contains(mark), "{} contains {mark}", path.display());
        }
    }
}

/// Adds a source file to `reached`, and every file that a `mod` in it names.
fn follow(file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let directory = file.with_file_name("");
    let own = if is_root || file.ends_with("mod.rs") { directory.clone() } else { file.with_extension("") };
    let mut named = None;
    for line in text.lines().map(str::trim_start) {
        let module = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
        if let Some(path) = line.strip_prefix("#[path = \"") {
            named = path.strip_suffix("\"]").map(|path| directory.join(path));
        } else if let Some(module) = module.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            let places = [own.join(format!("{module}.rs")), own.join(module).join("mod.rs")];
            let mut places = named.take().into_iter().chain(places);
            let found = places.find(|place| place.is_file());
            follow(&found.unwrap_or_else(|| panic!("{}: mod {module}", file.display())), false, reached);
        }
    }
    reached.insert(file.to_owned());
}

/// A file that no target and no `mod` names is never compiled: its tests would never run, and nothing would
/// show it.
#[test]
fn every_source_file_is_compiled() {
    let (mut reached, mut there) = (BTreeSet::new(), BTreeSet::new());
    for package in metadata()["packages"].as_array().unwrap() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        for target in package["targets"].as_array().unwrap() {
            follow(Path::new(target["src_path"].as_str().unwrap()), true, &mut reached);
        }
        for part in ["src", "tests", "benches", "kit", "stories"] {
            let part = manifest.with_file_name(part);
            if part.is_dir() {
                there.extend(files(&part, &[".rs"]));
            }
        }
    }
    let stories = there.iter().filter(|file| file.iter().any(|part| part == "stories")).count();
    assert!(stories > 80 && there.len() > 300, "{stories} files of stories among {}", there.len());
    let unlisted: Vec<_> = there.difference(&reached).collect();
    assert!(unlisted.is_empty(), "no target and no `mod` leads to {unlisted:?}");
}

#[test]
fn rooms_do_not_import_each_other() {
    let rooms = ["hbbft", "broadcast", "session"];
    for room in rooms {
        let sources = files(&root().join("crates/fm-eras/src").join(room), &[".rs"]);
        assert!(!sources.is_empty(), "there is no room {room}");
        for path in sources {
            let text = fs::read_to_string(&path).unwrap();
            for other in rooms.into_iter().filter(|other| *other != room) {
                assert!(!text.contains(&format!("crate::{other}")), "{} looks into {other}", path.display());
            }
        }
    }
}

#[test]
fn every_vector_folder_is_used() {
    let mut folders = 0;
    for krate in fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        let vectors = krate.join("vectors");
        if !vectors.exists() {
            continue;
        }
        let tests: String =
            files(&krate, &[".rs"]).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        for entry in fs::read_dir(vectors).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            // Files outside any folder are read as the folder "vectors".
            let folder = if entry.path().is_dir() { name } else { "vectors".to_owned() };
            folders += 1;
            assert!(tests.contains(&format!("\"{folder}")), "no test of {} reads {folder}", krate.display());
        }
    }
    assert!(folders > 0);
}

#[test]
fn nothing_names_a_machine() {
    let homes = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];
    for path in files(&root(), &[".rs", ".md", ".toml", "quickstart", "prerequisites", "test"]) {
        let text = fs::read_to_string(&path).unwrap();
        for home in homes {
            assert!(!text.contains(home), "{} names {home}", path.display());
        }
    }
}
