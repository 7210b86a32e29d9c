//! What every tool can say of itself: completions for shells, and manual pages, both made from its command line.

use std::fs;
use std::path::PathBuf;

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::{Exit, Failure, Output};

/// The subcommands that every tool has.
#[derive(Subcommand, Clone, Debug)]
pub enum Manual {
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Writes a manual page for the program and one for each subcommand.
    Man {
        /// The directory for the pages; older ones in it are replaced.
        directory: PathBuf,
    },
}

impl Manual {
    /// Does what was asked, for the program with this command line.
    pub fn run(&self, mut command: Command) -> Result<Exit, Failure> {
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut script);
                Output::default().line(String::from_utf8_lossy(&script).trim_end())?;
            }
            Self::Man { directory } => {
                let failed = |error: std::io::Error| {
                    let message = format!("cannot write manual pages to {}: {error}", directory.display());
                    Failure::new(Exit::CannotLook, message)
                };
                fs::create_dir_all(directory).map_err(failed)?;
                clap_mangen::generate_to(command, directory).map_err(failed)?;
            }
        }
        Ok(Exit::Done)
    }
}
