//! The house plan, checked against the tree: layers run downward, every file says what it holds, no test is
//! switched off, every golden vector is used, documents name every code and no machine, in plain English.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the tree has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fm_history::{Code, Severity};
use serde_json::Value;

/// Layers from the bottom to the top; a package may use only packages of lower layers.
const LAYERS: &[&[&str]] = &[
    &["fm-codec", "fm-rows", "fm-peers"],
    &["fm-crypto", "fm-rpc", "fm-store"],
    &["fm-history"],
    &["fm-units", "fm-datadir"],
    &["fm-eras", "fm-archive", "fm-replay", "fm-config"],
    &["fm-audit", "fm-consensus"],
    &["fm-backup", "fm-evidence", "fm-migration", "fm-aleph", "fm-client"],
    &["fm-restore", "fm-guardian", "fm-object"],
    &["fm-cli"],
    &["fm-checkpoint", "fm-migrate", "fm-node", "fm-verify"],
];
/// Packages for tests only: they may use any layer, no layer may use them but for its tests.
const TEST_PACKAGES: &[&str] = &["fm-forge", "fm-tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below `dir` with one of the endings, build output and fixtures left out.
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
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn layer(package: &str) -> usize {
    let position = LAYERS.iter().position(|layer| layer.contains(&package));
    position.unwrap_or_else(|| panic!("{package} has no place in the house plan"))
}

#[test]
fn imports_run_downward() {
    let metadata = metadata();
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if TEST_PACKAGES.contains(&name) {
            continue;
        }
        seen += 1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            if dependency["path"].is_null() || dependency["kind"] == "dev" {
                continue;
            }
            assert!(layer(used) < layer(name), "{name} uses {used}, which is not below it");
        }
    }
    assert_eq!(seen, LAYERS.concat().len());
}

#[test]
fn the_database_knows_no_history() {
    let metadata = metadata();
    let uses = |name: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let store = uses("fm-store");
    assert!(!store.iter().any(|name| name.starts_with("fm-") && name != "fm-rows"), "{store:?}");
    assert!(!uses("fm-history").contains(&"rayon".to_owned()));
}

/// Who changes one of these has its tests built and run within a minute.
#[test]
fn layouts_units_histories_and_archives_are_tested_without_rocksdb() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    const TESTED: [&str; 5] = ["fm-archive", "fm-eras", "fm-history", "fm-rows", "fm-units"];
    let mut left: Vec<String> = TESTED.map(str::to_owned).into();
    let mut seen = BTreeSet::new();
    while let Some(name) = left.pop() {
        assert!(name != "rocksdb" && name != "fm-store", "{seen:?}");
        let Some(package) = packages.iter().find(|package| package["name"] == name.as_str()) else {
            continue;
        };
        let used = package["dependencies"].as_array().unwrap().iter();
        // Tests of what these use are not built with theirs.
        let is_built = |used: &&Value| used["kind"] != "dev" || TESTED.contains(&name.as_str());
        left.extend(used.filter(is_built).map(|used| used["name"].as_str().unwrap().to_owned()));
        seen.insert(name);
    }
}

/// A name that is written twice is one day written in two ways.
#[test]
fn names_in_a_data_directory_are_written_in_one_crate() {
    use fm_datadir as names;
    let known = [
        names::CHECKPOINTS_NAME,
        names::CLIENT,
        names::CONSENSUS,
        names::ENCRYPTED,
        names::GUARD_NAME,
        names::INVITE_CODE,
        names::JOURNAL_NAME,
        names::LOCAL,
        names::MOVED_NAME,
        names::PASSWORD,
        names::PRIVATE,
        names::RESTORED_NAME,
        names::SALT,
        names::SERVER_LOCK,
        names::SIGNED_NAME,
    ];
    let mut seen = 0;
    for path in
        files(&root().join("crates"), &[".rs"]).into_iter().chain(files(&root().join("tools"), &[".rs"]))
    {
        let place = path.to_str().unwrap();
        // The texts of a backup are in a crate below.
        let is_exempt = place.contains("/fm-datadir/") || place.ends_with("fm-crypto/src/backup_tar.rs");
        if is_exempt || !place.contains("/src/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let shipped = text.split("#[cfg(test)]").next().unwrap();
        for name in known {
            assert!(!shipped.contains(&format!("\"{name}\"")), "{place} writes the name {name} itself");
        }
        seen += 1;
    }
    assert!(seen > 200, "only {seen} files found");
}

/// The third column of the map in `docs/architecture.md`.
#[test]
fn the_map_says_what_every_crate_uses() {
    let metadata = metadata();
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut crates = 0;
    for package in metadata["packages"].as_array().unwrap().iter().filter(|package| is_library(package)) {
        let name = package["name"].as_str().unwrap();
        let beginning = format!("| `crates/{name}` | ");
        let row = text.lines().find(|line| line.starts_with(&beginning));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the map"));
        let told = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let used = package["dependencies"].as_array().unwrap().iter();
        let used: BTreeSet<&str> = used
            .filter(|used| used["kind"] != "dev")
            .filter_map(|used| used["name"].as_str().unwrap().strip_prefix("fm-"))
            .collect();
        let listed = used.iter().copied().collect::<Vec<_>>().join(", ");
        assert_eq!(told, if listed.is_empty() { "–" } else { &listed }, "{name}");
        crates += 1;
    }
    let rows = text.lines().filter(|line| line.starts_with("| `crates/")).count();
    assert_eq!(rows, crates, "a crate that is not there is on the map");
}

/// What each folder of `fm-audit` may import beside what all do: its own files, errors and control.
const ROOMS_OF_THE_AUDIT: [(&str, &[&str]); 5] = [
    ("source", &[]),
    ("frame", &["source"]),
    ("epochs", &["frame", "outcome", "pipeline", "scope", "source"]),
    ("sessions", &["frame", "outcome", "pipeline", "scope", "source"]),
    ("migrated", &["audit", "frame", "outcome", "report", "scope", "sessions", "source"]),
];

/// The two auditors share a frame, and neither knows the other.
#[test]
fn the_rooms_of_the_audit_import_what_is_below_them() {
    let source = root().join("crates/fm-audit/src");
    let mut seen = 0;
    for (room, allowed) in ROOMS_OF_THE_AUDIT {
        for path in files(&source.join(room), &[".rs"]) {
            let text = fs::read_to_string(&path).unwrap();
            for import in text.split("crate::").skip(1) {
                let name: String =
                    import.chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect();
                let is_allowed = ["control", "error", room].contains(&&*name) || allowed.contains(&&*name);
                assert!(is_allowed, "{} imports crate::{name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "only {seen} imports found");
}

fn is_library(package: &Value) -> bool {
    package["manifest_path"].as_str().unwrap().contains("/crates/")
}

#[test]
fn every_package_has_the_lints() {
    for package in metadata()["packages"].as_array().unwrap() {
        let manifest = fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        let own = ["unsafe_code = ", "missing_docs = \"deny\"", "unwrap_used = \"deny\""];
        let has_own = own.iter().all(|lint| manifest.contains(lint));
        assert!(inherits || has_own, "{} has no lints", package["name"]);
    }
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

/// The parent of a bare name is the empty path, which no system call takes.
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

/// Puts a source file into `reached`, and every file that a `mod` of it names.
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

/// A file that no target and no `mod` names is compiled by nobody: its tests would never run, and nothing would tell.
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
            // Files that lie in no folder are read as the folder "vectors".
            let folder = if entry.path().is_dir() { name } else { "vectors".to_owned() };
            folders += 1;
            assert!(tests.contains(&format!("\"{folder}")), "no test of {} reads {folder}", krate.display());
        }
    }
    assert!(folders > 0);
}

#[test]
fn every_code_is_documented() {
    let text = fs::read_to_string(root().join("docs/finding-codes.md")).unwrap();
    let rows: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` | "))
        .filter_map(|(code, rest)| Some((code, rest.split_once(" |")?.0)))
        .collect();
    for code in Code::ALL {
        let severity = match code.severity() {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        assert_eq!(rows.get(code.as_str()), Some(&severity), "{code}");
        assert!(!code.meaning().is_empty());
    }
    assert_eq!(rows.len(), Code::ALL.len(), "the document has codes that do not exist");
}

/// The sources' texts as a reader sees them: values as `…`, a line that is continued in one piece.
fn texts_of_programs() -> String {
    let mut texts = String::new();
    for path in
        files(&root().join("crates"), &[".rs"]).into_iter().chain(files(&root().join("tools"), &[".rs"]))
    {
        let source = fs::read_to_string(path).unwrap();
        let mut pieces = source.split("\\\n");
        texts.push_str(pieces.next().unwrap());
        pieces.for_each(|piece| texts.push_str(piece.trim_start()));
    }
    let mut shown = String::new();
    for (index, piece) in texts.split('{').enumerate() {
        match piece.split_once('}') {
            Some((value, rest)) if index > 0 && !value.contains(['"', '\n']) => {
                shown.push('…');
                shown.push_str(rest);
            }
            _ => shown.push_str(piece),
        }
    }
    shown
}

/// What the tables of `operating.md` and of the guide to backups say that programs say, they say: no row outlives its message.
#[test]
fn documented_messages_are_those_of_the_programs() {
    let documents = ["docs/operating.md", "docs/backup-and-move.md"];
    let document = documents.map(|path| fs::read_to_string(root().join(path)).unwrap()).join("\n");
    let texts = texts_of_programs();
    let (mut inside, mut rows) = (false, 0);
    for line in document.lines() {
        inside = line.starts_with("| Said |") || inside && line.starts_with('|');
        let said = line.split(" | ").next().filter(|_| inside && line.starts_with("| `")).unwrap_or_default();
        for phrase in said.split('`').skip(1).step_by(2) {
            rows += 1;
            let phrase = phrase.trim_start_matches("warning ").trim_start_matches("error ");
            // Numbers and names are values; a cause stands behind a colon.
            let word = |word: &str| match word.trim_matches(|c: char| !c.is_alphanumeric()) {
                value @ ("N" | "M" | "FILE") => word.replace(value, "…"),
                _ => word.to_owned(),
            };
            let phrase = phrase.split(' ').map(word).collect::<Vec<_>>().join(" ").replace(": ", "…");
            for part in phrase.split('…').map(|part| part.trim_matches([' ', '"', ':', ','])) {
                assert!(part.len() < 4 || texts.contains(part), "nothing says {part:?}: {line}");
            }
        }
    }
    assert!(rows > 50, "{rows}");
}

/// Phrases that mislead readers; each has a plain one with the same meaning.
const MISLEADING: &[&str] = &[
    "anew",
    "are none",
    "beat",
    "behind",
    "gives",
    "go on",
    "goes on",
    "is none",
    "of today",
    "one after the other",
    "so long",
    "so many",
    "so often",
    "stands",
    "stranger",
    "strangers",
    "tells",
    "today's",
    "told",
    "what it is worth",
    "who wants to",
    "whoever",
];
/// The few right uses of these phrases.
const RIGHT_USES: &[&str] = &["behind a proxy"];

/// Name and text of every document that is in plain English.
fn plain_documents() -> Vec<(String, String)> {
    let root = root();
    let mut paths = files(&root.join("docs"), &[".md"]);
    paths.push(root.join("README.md"));
    let mut documents = Vec::new();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        documents.push((name, fs::read_to_string(path).unwrap()));
    }
    assert!(documents.len() > 30, "only {} documents found", documents.len());
    documents
}

/// A line as it is read aloud: code as one backtick, a link without its target.
fn as_read(line: &str) -> String {
    let mut without_code = String::new();
    for (index, piece) in line.split('`').enumerate() {
        without_code.push_str(if index % 2 == 0 { piece } else { "`" });
    }
    let mut pieces = without_code.split("](");
    let mut read = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        read.push(']');
        read.push_str(piece.split_once(')').map_or(piece, |(_, rest)| rest));
    }
    read
}

/// The numbered lines of a document outside of blocks of code.
fn lines_of_text(document: &str) -> Vec<(usize, String)> {
    let (mut is_fenced, mut is_code, mut is_after_blank) = (false, false, true);
    let mut lines = Vec::new();
    for (index, line) in document.lines().enumerate() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if line.trim().is_empty() {
            is_after_blank = true;
        } else {
            // A block of code is indented and follows an empty line.
            is_code = line.starts_with("    ") && (is_code || is_after_blank);
            is_after_blank = false;
            if !is_fenced && !is_code {
                lines.push((index + 1, as_read(line)));
            }
        }
    }
    lines
}

/// Whether the text has these words, and not as a part of longer ones.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(phrase).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(phrase).unwrap_or(rest);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// Whether a sentence ends in the line and another one follows.
fn has_two_sentences(line: &str) -> bool {
    let is_table_or_heading = line.trim_start().starts_with(['|', '#']);
    let number_of_item = |c: char| c.is_ascii_digit();
    let text = line.trim_start().trim_start_matches(number_of_item);
    let text = text.strip_prefix(". ").unwrap_or(text);
    !is_table_or_heading
        && text.match_indices(['.', '!', '?']).any(|(at, end)| {
            let (before, rest) = text.split_at(at);
            let closed = rest.strip_prefix(end).unwrap_or(rest).trim_start_matches([')', '*', '"', '”', '_']);
            let next = closed.trim_start().trim_start_matches(['*', '_', '(', '"', '“', '[']);
            let begins = |c: char| c.is_uppercase() || c.is_ascii_digit() || c == '`' || c == '…';
            let is_abbreviation =
                [".", "e.g", "i.e", " vs", " etc"].iter().any(|before_dot| before.ends_with(before_dot));
            closed.starts_with(' ') && next.starts_with(begins) && !is_abbreviation
        })
}

#[test]
fn documents_are_plain_english() {
    assert!(has_phrase("what is behind it", "behind") && !has_phrase("untold", "told"));
    for (name, text) in plain_documents() {
        for (number, line) in lines_of_text(&text) {
            let mut line = line.to_lowercase().replace('’', "'");
            for right_use in RIGHT_USES {
                line = line.replace(right_use, "");
            }
            let found = MISLEADING.iter().find(|phrase| has_phrase(&line, phrase));
            assert!(found.is_none(), "{name}:{number} has the phrase {found:?}: {line}");
        }
    }
}

#[test]
fn one_sentence_a_line() {
    for line in ["It ends. It begins.", "- **So.** `It` is.", "1. It ends ([why](a.md)). It begins."] {
        assert!(has_two_sentences(&as_read(line)), "{line}");
    }
    for line in
        ["1. It ends.", "With v0.5.0 it ends, e.g. here.", "`A. B` ends.", "# 1. It. It.", "| It. It. |"]
    {
        assert!(!has_two_sentences(&as_read(line)), "{line}");
    }
    for (name, text) in plain_documents() {
        for (number, line) in lines_of_text(&text) {
            assert!(!has_two_sentences(&line), "{name}:{number} has two sentences: {line}");
        }
    }
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
