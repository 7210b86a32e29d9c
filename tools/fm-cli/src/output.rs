//! Results on standard output. A reader that went away ends the output, not the program with a panic.

use std::io::{self, Write};

use serde::Serialize;

use crate::{Exit, Failure};

/// The version of the schema in docs/json.md.
const SCHEMA: u32 = 1;

/// Lines on standard output.
#[derive(Default)]
pub struct Output {
    closed: bool,
}

impl Output {
    /// Prints a line.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::from_error(Exit::CannotLook, &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Prints a value as one line of JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
        self.line(&versioned(text))
    }
}

/// A verdict says which version of the schema the lines before it follow.
fn versioned(text: String) -> String {
    const VERDICT: &str = r#"{"type":"verdict","#;
    match text.strip_prefix(VERDICT) {
        Some(rest) => format!("{VERDICT}\"schema\":{SCHEMA},{rest}"),
        None => text,
    }
}

/// Prints one value as one line of JSON.
pub fn print_json_line(value: &impl Serialize) -> Result<(), Failure> {
    Output::default().json(value)
}

/// The line of a history root: with the sessions that it is over, for each range has another.
pub fn root_line(root: impl std::fmt::Display, last: u64) -> String {
    format!("root       {root} (0 to {})", group_digits(last))
}

/// A number with its digits in groups of three.
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
