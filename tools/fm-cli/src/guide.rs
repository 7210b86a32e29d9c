//! A program's examples, files and variables, and its whole command line made of them and its options.

use clap::{Args as _, Command, CommandFactory};

use crate::common::CommonArgs;
use crate::version;

/// What a program's help and manual pages say in addition to its options.
pub struct Guide {
    /// Command lines for each subcommand (words separated by spaces, empty for the program itself).
    pub examples: &'static [(&'static str, &'static [&'static str])],
    /// Files that the program reads or writes, and what they are.
    pub files: &'static [(&'static str, &'static str)],
    /// Variables without an option, and what they mean.
    pub variables: &'static [(&'static str, &'static str)],
}

/// Variables that every program has and that have no option.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("NO_COLOR", "If it is set and not empty, nothing has colours, unless --color always is given."),
    ("TERM", "If it is `dumb`, there is no progress and there are no colours."),
];

impl Guide {
    /// Returns the examples of a subcommand.
    pub(crate) fn examples_of(&self, path: &str) -> &'static [&'static str] {
        self.examples.iter().find(|(of, _)| *of == path).map(|(_, lines)| *lines).unwrap_or_default()
    }

    /// Returns the variables without an option: the program's, then those that all programs have.
    pub(crate) fn all_variables(&self) -> impl Iterator<Item = &(&'static str, &'static str)> {
        self.variables.iter().chain(VARIABLES)
    }
}

/// Builds the command line of a program: its own, the options of all programs, its version, and an example in
/// every help text.
pub fn command<A: CommandFactory>(guide: &Guide) -> Command {
    let command = CommonArgs::augment_args(A::command()).version(version());
    let tool = command.get_name().to_owned();
    with_examples(command, &tool, "", guide)
}

fn with_examples(mut command: Command, tool: &str, path: &str, guide: &Guide) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    for name in names {
        let inner_path = format!("{path} {name}").trim_start().to_owned();
        command = command.mut_subcommand(&name, |inner| with_examples(inner, tool, &inner_path, guide));
    }
    let mut examples = shared_examples(tool, path);
    examples.extend(guide.examples_of(path).iter().map(|line| (*line).to_owned()));
    if examples.is_empty() {
        return command;
    }
    command.after_help(format!("Examples:\n  {}", examples.join("\n  ")))
}

/// Returns examples of the subcommands that [`crate::Manual`] adds to every program.
fn shared_examples(tool: &str, path: &str) -> Vec<String> {
    match path {
        "explain" => vec![format!("{tool} explain 11")],
        "completions" => {
            vec![format!("{tool} completions bash > ~/.local/share/bash-completion/completions/{tool}")]
        }
        "man" => vec![format!("{tool} man ~/.local/share/man/man1")],
        _ => Vec::new(),
    }
}

/// Returns the faults of a program's guide, for its own test: a help text without an example, an example that
/// is not accepted, a summary in another style.
pub fn faults<A: CommandFactory>(guide: &Guide) -> Vec<String> {
    let whole = command::<A>(guide);
    let mut faults = Vec::new();
    visit(&whole, "", &mut |inner, path| faults.extend(faults_of(inner, path, &whole)));
    let known: Vec<String> = {
        let mut paths = Vec::new();
        visit(&whole, "", &mut |_, path| paths.push(path.to_owned()));
        paths
    };
    faults.extend(
        guide
            .examples
            .iter()
            .filter(|(path, _)| !known.iter().any(|known| known == path))
            .map(|(path, _)| format!("there is no subcommand {path:?}")),
    );
    faults
}

/// Calls `act` with a command and all below it, each with its path.
pub(crate) fn visit(command: &Command, path: &str, act: &mut impl FnMut(&Command, &str)) {
    act(command, path);
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        visit(inner, format!("{path} {}", inner.get_name()).trim_start(), act);
    }
}

fn faults_of(command: &Command, path: &str, whole: &Command) -> Vec<String> {
    let mut faults = Vec::new();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let first = about.split(' ').next().unwrap_or_default();
    if !first.starts_with(char::is_uppercase) || first.ends_with('s') && first != "Compress" {
        faults.push(format!("{path:?} does not begin with what it does, as \"Show\": {about:?}"));
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    if examples.is_empty() {
        faults.push(format!("{path:?} has no example"));
    }
    for example in examples {
        let line = example.split(" > ").next().unwrap_or_default();
        // The address of a store is accepted only if there are credentials.
        let line = line.replace("s3://", "file:///");
        let words = line.split_whitespace().skip_while(|word| word.contains("=") && !word.starts_with('-'));
        if let Err(error) = whole.clone().try_get_matches_from(words) {
            faults.push(format!("{example:?} is not accepted: {error}"));
        }
    }
    faults
}
