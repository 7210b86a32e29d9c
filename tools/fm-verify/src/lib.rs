//! `fm-verify`: checks whether a history is whole and signed, and if not, where exactly it breaks.
//!
//! It is a library so that a program that links more can be made of it, as `tools/fm-iroh` does.

mod args;
mod attribution;
mod audit_args;
mod check_evidence;
mod decoded;
mod diff;
mod explained;
mod follow;
mod guardians;
mod guide;
mod keys;
mod money;
mod open_session;
mod opened;
mod pending;
mod prove;
mod report;
mod reported;
mod ruling;
mod scope_args;
mod show;
mod show_converted;
mod show_open;
mod show_unit;
mod spoken;
mod standing;
mod verdict;
mod verify;
mod view;

use std::process::ExitCode;

use crate::args::{Arguments, Command};
use crate::guide::GUIDE;

/// One thread decodes epochs and another drops them, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    fm_cli::run(&GUIDE, |arguments: Arguments| match &arguments.command {
        None if arguments.follow.follow => follow::run(&arguments.audit, &arguments.follow),
        None => verify::run(&arguments.audit),
        Some(Command::Diff(arguments)) => diff::run(arguments),
        Some(Command::CheckEvidence(arguments)) => check_evidence::run(arguments),
        Some(Command::Keys(arguments)) => keys::run(arguments),
        Some(Command::Keygen(arguments)) => follow::keygen(arguments),
        Some(Command::Prove(arguments)) => prove::run(arguments),
        Some(Command::CheckProof(arguments)) => prove::check(arguments),
        Some(Command::Money(arguments)) => money::run(arguments),
        Some(Command::Report(arguments)) => report::run(arguments),
        Some(Command::Manual(manual)) => manual.run(fm_cli::command::<Arguments>(&GUIDE), &GUIDE),
        Some(Command::Show(arguments)) => show::run(arguments),
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
