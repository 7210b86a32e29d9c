//! `fm-node`: runs a guardian, or a whole federation for trying.
//!
//! It is a library so that a program that links more can be made of it, as `tools/fm-iroh` does.

mod args;
mod client;
mod dev;
mod failure;
mod guide;
mod load;
mod log;
mod processes;
mod recover;
mod run;
mod setup;

use std::process::ExitCode;

use crate::args::{Arguments, Command};
use crate::guide::GUIDE;

/// Many small values live as long as a session, which would fragment the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    fm_cli::run(&GUIDE, |arguments: Arguments| match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Setup(command) => setup::run(&command),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Status(arguments) => client::status(&arguments),
        Command::Submit(arguments) => client::submit(&arguments),
        Command::Checkpoint(arguments) => client::checkpoint(&arguments),
        Command::Shutdown(arguments) => client::shutdown(&arguments),
        Command::Announce(arguments) => client::announce(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::RecoverAccount(arguments) => recover::run(&arguments),
        Command::Manual(manual) => manual.run(fm_cli::command::<Arguments>(&GUIDE), &GUIDE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_help_text_has_an_example_that_is_accepted() {
        assert_eq!(fm_cli::faults::<Arguments>(&GUIDE), Vec::<String>::new());
    }
}
