//! Subcommands that every tool has: explanations of codes, and completions for shells and manual pages, both
//! made from the tool's command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::completions::completions;
use crate::explain::explain;
use crate::guide::Guide;
use crate::manual_page::page;
use crate::{Exit, Failure, Output};

/// The subcommands that every tool has.
#[derive(Subcommand, Clone, Debug)]
pub enum Manual {
    /// Explain a finding's code, or an exit status.
    Explain {
        /// The code, as epoch-missing, or the number of an exit status.
        #[arg(value_parser = crate::values::CODES, hide_possible_values = true)]
        code: String,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write a manual page for the program and one for each subcommand.
    Man {
        /// The directory for the pages; older ones in it are replaced.
        directory: PathBuf,
    },
}

impl Manual {
    /// Runs the subcommand for the program with this command line.
    ///
    /// # Errors
    /// If the code is unknown or a result cannot be written.
    pub fn run(&self, command: Command, guide: &Guide) -> Result<Exit, Failure> {
        match self {
            Self::Explain { code } => {
                let mut output = Output::default();
                explain(code)?.iter().try_for_each(|line| output.line(line))?;
            }
            Self::Completions { shell } => Output::default().text(completions(*shell, command).trim_end())?,
            Self::Man { directory } => write_pages(command, guide, directory)?,
        }
        Ok(Exit::Done)
    }
}

fn write_pages(mut command: Command, guide: &Guide, directory: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::from_write(&format!("manual pages to {}", directory.display()), &error)
    };
    fs::create_dir_all(directory).map_err(failed)?;
    command = command.disable_help_subcommand(true);
    command.build();
    write_page(&command, guide, directory).map_err(failed)
}

/// Writes the page of a command and those of all its subcommands.
fn write_page(command: &Command, guide: &Guide, directory: &Path) -> std::io::Result<()> {
    for inner in command.get_subcommands() {
        write_page(inner, guide, directory)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    fs::write(directory.join(format!("{name}.1")), page(command, guide)?)
}
