//! Colours of lines: by their severity, or by the first word of a verdict.

use std::borrow::Cow;

const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[1;32m";
const YELLOW: &str = "\u{1b}[1;33m";
const CYAN: &str = "\u{1b}[36m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Verdicts that need no attention.
const GOOD: &[&str] = &["SOUND", "PROVEN", "EQUAL", "WHOLE", "REPAIRED"];
/// Verdicts that a person has to look at.
const BAD: &[&str] = &["FINDINGS", "REFUSED", "DIFFERENT", "LOST", "BAD", "DAMAGED"];

/// Colours the severity or the verdict of a line.
pub(crate) fn painted(line: &str) -> Cow<'_, str> {
    match colour_of(line) {
        Some((start, end, colour)) => {
            Cow::Owned(format!("{}{colour}{}{RESET}{}", &line[..start], &line[start..end], &line[end..]))
        }
        None => Cow::Borrowed(line),
    }
}

/// Returns which bytes of a line are coloured, and how.
fn colour_of(line: &str) -> Option<(usize, usize, &'static str)> {
    let first = line.split(' ').next()?;
    let rest = line.get(first.len()..)?;
    let colour = match first {
        _ if !rest.starts_with(' ') => return None,
        "error" => RED,
        "warning" => YELLOW,
        "info" => CYAN,
        "verdict" => return of_verdict(line, line.len() - rest.trim_start().len()),
        _ => return None,
    };
    Some((0, first.len(), colour))
}

fn of_verdict(line: &str, start: usize) -> Option<(usize, usize, &'static str)> {
    let said = &line[start..];
    let length = said.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(said.len());
    let colour = match &said[..length] {
        "" => return None,
        word if GOOD.contains(&word) => GREEN,
        word if BAD.contains(&word) => RED,
        // Neither: unproven, partial, or by a sample.
        _ => YELLOW,
    };
    Some((start, start + length, colour))
}

/// Colours the name of a program before its failure.
pub(crate) fn failure(tool: &str) -> String {
    format!("{RED}{tool}:{RESET}")
}

/// Formats the word before a hint, and headings.
pub(crate) fn bold(text: &str) -> String {
    format!("{BOLD}{text}{RESET}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_and_verdicts_have_colours_and_nothing_else_has() {
        let cases = [
            ("error   epoch-missing: gone", "\u{1b}[1;31merror\u{1b}[0m   epoch-missing: gone"),
            ("warning epoch-tip: two", "\u{1b}[1;33mwarning\u{1b}[0m epoch-tip: two"),
            ("info    epoch-tip: one", "\u{1b}[36minfo\u{1b}[0m    epoch-tip: one"),
            ("verdict    SOUND up to epoch 3", "verdict    \u{1b}[1;32mSOUND\u{1b}[0m up to epoch 3"),
            ("verdict  FINDINGS: 1", "verdict  \u{1b}[1;31mFINDINGS\u{1b}[0m: 1"),
            ("verdict    UNPROVEN: x", "verdict    \u{1b}[1;33mUNPROVEN\u{1b}[0m: x"),
            ("verdict", "verdict"),
            ("verdict    of no capital", "verdict    of no capital"),
            ("errors  3", "errors  3"),
            ("error", "error"),
            ("", ""),
        ];
        for (line, shown) in cases {
            assert_eq!(painted(line), shown);
        }
    }
}
