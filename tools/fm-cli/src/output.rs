//! Results on standard output. If the reader goes away, the output ends and the program does not panic.
//!
//! Invariants: one call of [`Output::line`] prints one line, whatever foreign text is in it; no control
//! sequence other than our own colours reaches a terminal; progress never mixes with the output.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use fm_history::{is_hidden, printable};
use serde::Serialize;

use crate::common::wants_colour;
use crate::paint::painted;
use crate::progress::above;
use crate::{Exit, Failure};

/// The version of the schema in docs/json.md.
pub(crate) const SCHEMA: u32 = 2;
const VERDICT: &str = r#"{"type":"verdict","#;

/// Whether the verdict was printed as JSON: a failure after it prints no second last line.
static HAS_VERDICT: AtomicBool = AtomicBool::new(false);

/// Checks whether a verdict was printed as JSON.
pub(crate) fn has_verdict() -> bool {
    HAS_VERDICT.load(Ordering::Relaxed)
}

/// Lines on standard output.
#[derive(Default)]
pub struct Output {
    closed: bool,
}

impl Output {
    /// Returns whether the reader went away.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Prints a line: hidden characters are written out, and its severity or verdict is coloured on a
    /// terminal.
    ///
    /// # Errors
    /// If standard output cannot be written, except for a reader that went away.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        let shown = printable(text);
        if wants_colour(io::stdout().is_terminal()) {
            return self.text(&painted(&shown));
        }
        self.text(&shown)
    }

    /// Prints our own text unchanged; it may have several lines.
    ///
    /// # Errors
    /// If standard output cannot be written, except for a reader that went away.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let written = above(|| {
            let mut output = io::stdout().lock();
            writeln!(output, "{text}").and_then(|()| output.flush())
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::from_write("to standard output", &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Prints a value as one line of JSON.
    ///
    /// # Errors
    /// If the value cannot be written as JSON or standard output cannot be written.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
        if text.starts_with(VERDICT) {
            HAS_VERDICT.store(true, Ordering::Relaxed);
        }
        self.text(&versioned(shown_json(text)))
    }
}

/// Adds to a verdict the version of the schema that the lines before it follow.
fn versioned(text: String) -> String {
    match text.strip_prefix(VERDICT) {
        Some(rest) => format!("{VERDICT}\"schema\":{SCHEMA},{rest}"),
        None => text,
    }
}

/// Writes hidden characters in JSON, which occur only in strings, as `\uXXXX`.
fn shown_json(text: String) -> String {
    if !text.contains(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Prints one value as one line of JSON.
///
/// # Errors
/// If the value cannot be written as JSON or standard output cannot be written.
pub fn print_json_line(value: &impl Serialize) -> Result<(), Failure> {
    Output::default().json(value)
}

/// Formats the line of a history root, with its range of sessions: each range has another root.
pub fn root_line(root: impl std::fmt::Display, last: u64) -> String {
    format!("root       {root} (0 to {})", group_digits(last))
}

/// Prints a note on standard error, while a result fills standard output.
pub fn note(tool: &str, text: &str) {
    error_line(&format!("{tool}: {}", printable(text)));
}

/// Prints a line on standard error, clear of progress; a line that cannot be written is lost.
pub(crate) fn error_line(text: &str) {
    above(|| {
        let _ = writeln!(io::stderr().lock(), "{text}");
    });
}

/// Formats a number with its digits in groups of three.
pub fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shows_hidden_characters_and_means_the_same() {
        let value = serde_json::json!({ "name": "a\u{202e}b\u{9b}c\u{e0041}\nd" });
        let text = serde_json::to_string(&value).expect("JSON");
        let shown = shown_json(text.clone());
        assert!(
            !shown.contains(is_hidden) && shown.contains("\\u202e") && shown.contains("\\u009b"),
            "{shown}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), value);
        assert_eq!(shown_json("{\"a\":\"b\"}".to_owned()), "{\"a\":\"b\"}");
    }
}
