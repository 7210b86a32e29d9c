//! One manual page: clap's sections about a command, and those that clap does not write.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::explain::exit_statuses;
use crate::guide::Guide;
use crate::version;

/// Returns the text of a page.
pub(crate) fn page(command: &Command, guide: &Guide) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("Fedimint history tools");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut more = Roff::default();
    examples(&mut more, command);
    section(&mut more, "EXIT STATUS", &exit_statuses());
    environment(&mut more, command, guide);
    let files = guide.files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    section(&mut more, "FILES", &files.collect::<Vec<_>>());
    more.control("SH", ["VERSION"]);
    more.text([roman(version())]);
    more.to_writer(&mut page)?;
    Ok(page)
}

/// Writes a section of names and their meanings.
fn section(roff: &mut Roff, heading: &str, entries: &[(String, String)]) {
    if entries.is_empty() {
        return;
    }
    roff.control("SH", [heading]);
    for (name, text) in entries {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(text)]);
    }
}

fn examples(roff: &mut Roff, command: &Command) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    if lines.is_empty() {
        return;
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// Writes every variable that sets an option of this command, and the variables without an option.
fn environment(roff: &mut Roff, command: &Command, guide: &Guide) {
    roff.control("SH", ["ENVIRONMENT"]);
    let mut options: Vec<(&Arg, String)> = command
        .get_arguments()
        .filter_map(|argument| Some((argument, argument.get_env()?.to_string_lossy().into_owned())))
        .collect();
    options.sort_by(|one, other| one.1.cmp(&other.1));
    for (argument, variable) in options {
        let Some(option) = argument.get_long() else { continue };
        roff.control("TP", []);
        roff.text([bold(variable), roman(" (--"), roman(option), roman(")")]);
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        roff.text([roman(help)]);
    }
    for (variable, text) in guide.all_variables() {
        roff.control("TP", []);
        roff.text([bold(*variable)]);
        roff.text([roman(*text)]);
    }
}
