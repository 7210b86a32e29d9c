//! A program from its command line to its exit status: parses, runs, and reports failures.
//!
//! Invariant: with `--json` every failure, usage errors too, has an object on standard output.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::builder::{FalseyValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Command, Parser};
use fm_audit::AuditError;
use fm_history::{is_hidden, printable};
use serde::Serialize;

use crate::common::{self, Colour, wants_colour};
use crate::guide::{Guide, command};
use crate::interrupt::is_interrupted;
use crate::output::{SCHEMA, error_line, has_verdict};
use crate::{Exit, Failure, Output, limits, paint, warn};

/// A failure in JSON.
#[derive(Serialize)]
struct FailureLine<'a> {
    r#type: &'static str,
    schema: u32,
    code: &'static str,
    exit: u8,
    message: &'a str,
    hint: Option<&'a str>,
}

/// The last line of the NDJSON of a command that refused: a verdict with all fields of a failure.
#[derive(Serialize)]
pub struct Refused<'a> {
    r#type: &'static str,
    verdict: &'static str,
    reason: &'a str,
    code: &'static str,
    exit: u8,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Refused<'a> {
    /// Creates the verdict of a command that ended with this failure.
    pub fn with(failure: &'a Failure) -> Self {
        Self {
            r#type: "verdict",
            verdict: "refused",
            reason: &failure.message,
            code: failure.exit.code(),
            exit: failure.exit as u8,
            message: &failure.message,
            hint: failure.hint.as_deref(),
        }
    }
}

/// Passes a result on. With `--json`, a failure is also printed as the last line of the NDJSON.
///
/// # Errors
/// The failure, or that of printing it.
pub fn or_refused<T, E: Into<Failure>>(
    result: Result<T, E>,
    json: bool,
    output: &mut Output,
) -> Result<T, Failure> {
    result.map_err(Into::into).or_else(|failure: Failure| {
        if json {
            output.json(&Refused::with(&failure))?;
        }
        Err(failure)
    })
}

/// Runs a program: parses its command line, prints its failure, if any, and returns its exit status.
pub fn run<A: Parser>(guide: &Guide, main: impl FnOnce(A) -> Result<Exit, Failure>) -> ExitCode {
    let words = common_last(env::args_os().collect());
    let mut command = command::<A>(guide).color(Colour::in_words(&words).of_clap());
    let tool = command.get_name().to_owned();
    let parsed = command.try_get_matches_from_mut(&words).and_then(|matches| {
        let arguments = A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok((matches, arguments))
    });
    let (matches, arguments) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return ExitCode::from(unparsed(&tool, &words, &error) as u8),
    };
    common::set(&matches);
    let done = match limits::check().and_then(|()| main(arguments)) {
        // A request or a read that was given up fails in many ways, for one reason.
        Err(failure) if is_interrupted() && failure.exit == Exit::CannotLook => {
            Err(AuditError::Interrupted.into())
        }
        done => done,
    };
    let exit = done.unwrap_or_else(|failure| failed(&tool, &failure, wants_json(&matches)));
    warn_of_unsynced(&tool);
    ExitCode::from(exit as u8)
}

/// Warns if the names of new files could not be synced.
fn warn_of_unsynced(tool: &str) {
    if let Some(path) = fm_store::unsynced_directory() {
        let text = format!(
            "the file system of {} cannot sync directories: if the power fails within seconds, the names of the newest \
             files may be lost; `sync` puts them on the disk",
            path.display()
        );
        warn(tool, &text);
    }
}

/// Moves options that every program has from before a subcommand to after it, where they mean the same.
fn common_last(words: Vec<OsString>) -> Vec<OsString> {
    let mut rest = words.into_iter().peekable();
    let mut reordered: Vec<OsString> = rest.next().into_iter().collect();
    let mut common = Vec::new();
    while let Some(word) = rest.peek().and_then(|word| word.to_str()) {
        let takes_a_value = word == "--color";
        if !takes_a_value
            && !matches!(word, "-q" | "--quiet" | "-v" | "--verbose")
            && !word.starts_with("--color=")
        {
            break;
        }
        common.extend(rest.next());
        if takes_a_value {
            common.extend(rest.next());
        }
    }
    reordered.extend(rest.next());
    reordered.extend(common);
    reordered.extend(rest);
    reordered
}

/// Checks whether the command that ran has `--json`, and whether it was given.
fn wants_json(matches: &ArgMatches) -> bool {
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    matches!(innermost.try_get_one::<bool>("json"), Ok(Some(true)))
}

/// Checks whether a command line that could not be parsed asks for JSON.
fn words_want_json(words: &[OsString]) -> bool {
    let variable = env::var_os("FM_JSON").unwrap_or_default();
    let by_variable = FalseyValueParser::new().parse_ref(&Command::new(""), None::<&Arg>, &variable);
    by_variable.unwrap_or(false) || words.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

/// Prints help or the version, or reports what is wrong with a command line.
fn unparsed(tool: &str, words: &[OsString], error: &clap::Error) -> Exit {
    let text = error.render();
    if !error.use_stderr() {
        let colour = Colour::in_words(words).of_clap();
        let is_coloured = match colour {
            clap::ColorChoice::Always => true,
            clap::ColorChoice::Never => false,
            clap::ColorChoice::Auto => wants_colour(io::stdout().is_terminal()),
        };
        let text = if is_coloured { text.ansi().to_string() } else { text.to_string() };
        return match Output::default().text(text.trim_end()) {
            Ok(()) => Exit::Done,
            Err(failure) => failed(tool, &failure, false),
        };
    }
    let plain = text.to_string();
    let hides = |c: char| c != '\n' && is_hidden(c);
    if plain.contains(hides) {
        // A word of the command line may have control characters; the line breaks are clap's.
        plain.trim_end().lines().for_each(|line| error_line(&printable(line)));
    } else {
        let _ = error.print();
    }
    if words_want_json(words) {
        print_json(&usage_failure(tool, &plain, error));
    }
    Exit::Usage
}

/// Returns a usage error as a failure: its first paragraph, and clap's suggestion.
fn usage_failure(tool: &str, plain: &str, error: &clap::Error) -> Failure {
    let paragraph: Vec<&str> = plain.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = paragraph.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let suggested =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let suggestion = suggested.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    });
    let hint = match suggestion {
        Some(word) => format!("did you mean {word}?"),
        None => format!("`{tool} --help` says how it is used"),
    };
    Failure::new(Exit::Usage, message).hint(hint)
}

/// Reports how a program failed, and returns its exit status.
fn failed(tool: &str, failure: &Failure, json: bool) -> Exit {
    let colour = wants_colour(io::stderr().is_terminal());
    let name = if colour { paint::failure(tool) } else { format!("{tool}:") };
    error_line(&format!("{name} {}", printable(&failure.message)));
    if let Some(hint) = &failure.hint {
        let word = if colour { paint::bold("hint:") } else { "hint:".to_owned() };
        error_line(&format!("  {word} {}", printable(hint)));
    }
    // A refusal is a verdict and has all these fields already.
    if json && !has_verdict() {
        print_json(failure);
    }
    failure.exit
}

fn print_json(failure: &Failure) {
    let line = FailureLine {
        r#type: "failure",
        schema: SCHEMA,
        code: failure.exit.code(),
        exit: failure.exit as u8,
        message: &failure.message,
        hint: failure.hint.as_deref(),
    };
    // If standard output cannot be written, the sentence on standard error and the exit status remain.
    let _ = Output::default().json(&line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_options_may_stand_before_a_subcommand() {
        let reordered = |words: &[&str]| {
            let words = common_last(words.iter().map(OsString::from).collect());
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            reordered(&["fm-verify", "-q", "--color", "never", "diff", "a", "b"]),
            "fm-verify diff -q --color never a b"
        );
        assert_eq!(
            reordered(&["fm-verify", "--color=never", "a", "--json"]),
            "fm-verify a --color=never --json"
        );
        assert_eq!(reordered(&["fm-verify", "a", "-v"]), "fm-verify a -v");
        assert_eq!(reordered(&["fm-verify", "-q"]), "fm-verify -q");
        assert_eq!(reordered(&["fm-verify", "--color"]), "fm-verify --color");
        assert_eq!(reordered(&["fm-verify", "--config", "x", "a"]), "fm-verify --config x a");
    }
}
