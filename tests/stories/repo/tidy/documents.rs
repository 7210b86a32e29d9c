//! The documents: every code and every quoted message is the programs', and they are in plain English.

use std::collections::BTreeMap;
use std::fs;

use fm_history::{Code, Severity};

use super::{files, root};

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

/// Returns the sources' texts as a reader sees them: values as `…`, continued lines in one piece.
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

/// Every message in the tables of `operating.md` and of the guide to backups is a message of the programs: no
/// row outlives its message.
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
            // Numbers and names are values; a cause follows a colon.
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

/// Phrases that mislead readers; each has a plain equivalent.
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
/// The few correct uses of these phrases.
const RIGHT_USES: &[&str] = &["behind a proxy", "beat x"];

/// Returns the name and text of every document that is in plain English.
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

/// Returns a line as it is read aloud: code as one backtick, a link without its target.
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

/// Returns the numbered lines of a document outside blocks of code.
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

/// Checks whether the text has these words, and not as a part of longer ones.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(phrase).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(phrase).unwrap_or(rest);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// Checks whether a sentence ends in the line and another one follows.
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

/// Returns the first phrase of a line that misleads, if there is one.
fn misleading(line: &str) -> Option<&'static str> {
    let mut line = line.to_lowercase().replace('’', "'");
    for right_use in RIGHT_USES {
        line = line.replace(right_use, "");
    }
    MISLEADING.iter().find(|phrase| has_phrase(&line, phrase)).copied()
}

#[test]
fn documents_are_plain_english() {
    assert!(has_phrase("what is behind it", "behind") && !has_phrase("untold", "told"));
    for (name, text) in plain_documents() {
        for (number, line) in lines_of_text(&text) {
            let found = misleading(&line);
            assert!(found.is_none(), "{name}:{number} has the phrase {found:?}: {line}");
        }
    }
}

/// What a reader of the code or a user reads of a source file: comments, and text in quotes without its values.
fn lines_of_code(source: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.trim_start();
        let read = if line.starts_with("//") {
            as_read(line)
        } else {
            // One word is a name: a field or a word of a format.
            let texts = line.split('"').skip(1).step_by(2).filter(|text| text.trim().contains(' '));
            texts.map(without_values).collect::<Vec<_>>().join(" ")
        };
        lines.push((number, read));
    }
    lines
}

/// A text as a user sees it: names between braces are values.
fn without_values(text: &str) -> String {
    let mut pieces = text.split('{');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |shown, piece| shown + piece.split_once('}').map_or(piece, |(_, rest)| rest))
}

/// Comments, help texts and messages are read like documents.
#[test]
fn code_is_commented_in_plain_english() {
    let root = root();
    let (mut checked, mut found) = (0, Vec::new());
    for folder in ["crates", "tools", "tests"] {
        for path in files(&root.join(folder), &[".rs"]) {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if name.ends_with("tidy/documents.rs") {
                continue;
            }
            for (number, line) in lines_of_code(&fs::read_to_string(&path).unwrap()) {
                checked += 1;
                found
                    .extend(misleading(&line).map(|phrase| format!("{name}:{number}: {phrase:?} in {line}")));
            }
        }
    }
    assert!(checked > 50_000, "only {checked} lines found");
    assert!(found.is_empty(), "misleading phrases:\n{}", found.join("\n"));
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
