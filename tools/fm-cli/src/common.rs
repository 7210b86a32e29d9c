//! The options that every program has, and their values for this process.

use std::env;
use std::ffi::OsString;
use std::sync::OnceLock;

use clap::builder::FalseyValueParser;
use clap::{ArgMatches, Args, ColorChoice, ValueEnum};

/// Heading of these options in a help text.
const HEADING: &str = "Common options";

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Checks whether to use colours on a stream, given whether that stream is a terminal.
    fn applies(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && !no_color() && !is_dumb(),
        }
    }

    /// Returns the same choice for help texts and usage errors.
    pub(crate) fn of_clap(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }

    /// Finds the choice in the words of a command line before they are parsed: usage errors have colours,
    /// too.
    pub(crate) fn in_words(words: &[OsString]) -> Self {
        let mut chosen = env::var("FM_COLOR").ok();
        let mut words = words.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            if word == "--color" {
                chosen = words.next().map(std::borrow::Cow::into_owned);
            } else if let Some(value) = word.strip_prefix("--color=") {
                chosen = Some(value.to_owned());
            } else if word == "--" {
                break;
            }
        }
        chosen.and_then(|name| Self::from_str(&name, false).ok()).unwrap_or_default()
    }
}

// No `///` here: clap would show it as the description of every program.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct CommonArgs {
    /// When to use colours.
    #[arg(long, value_name = "WHEN", value_enum, env = "FM_COLOR", default_value = "auto", global = true,
          help_heading = HEADING)]
    color: Colour,
    /// Print no progress, and of the findings only errors; the verdict still counts all.
    #[arg(short, long, env = "FM_QUIET", value_parser = FalseyValueParser::new(), global = true,
          conflicts_with = "verbose", help_heading = HEADING)]
    quiet: bool,
    /// Print every finding, and how long each stage took.
    #[arg(short, long, env = "FM_VERBOSE", value_parser = FalseyValueParser::new(), global = true,
          help_heading = HEADING)]
    verbose: bool,
}

/// How much is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Results and errors only.
    Quiet,
    /// What a person usually wants to see.
    #[default]
    Normal,
    /// Everything.
    Verbose,
}

#[derive(Clone, Copy, Default)]
struct Settings {
    colour: Colour,
    verbosity: Verbosity,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Stores the options of the command line; only the first call counts.
pub(crate) fn set(matches: &ArgMatches) {
    let flag = |name: &str| matches.get_flag(name);
    let verbosity = match (flag("quiet"), flag("verbose")) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let colour = matches.get_one("color").copied().unwrap_or_default();
    // A second call would pass the same command line.
    let _ = SETTINGS.set(Settings { colour, verbosity });
}

/// Returns how much this process prints.
pub fn verbosity() -> Verbosity {
    SETTINGS.get().copied().unwrap_or_default().verbosity
}

/// Checks whether a stream gets colours, given whether that stream is a terminal.
pub fn wants_colour(is_terminal: bool) -> bool {
    SETTINGS.get().copied().unwrap_or_default().colour.applies(is_terminal)
}

/// Checks whether the terminal cannot move its cursor.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Checks `NO_COLOR`, where any non-empty value counts: <https://no-color.org>.
fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_found_in_unparsed_words() {
        let of = |words: &[&str]| Colour::in_words(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["fm-verify", "--color", "always", "--nonsense"]), Colour::Always);
        assert_eq!(of(&["fm-verify", "--color=never"]), Colour::Never);
        assert_eq!(of(&["fm-verify", "--", "--color=never"]), Colour::Auto);
        assert_eq!(of(&["fm-verify", "--color"]), Colour::Auto);
        assert_eq!(of(&["fm-verify", "--color", "pink"]), Colour::Auto);
    }
}
