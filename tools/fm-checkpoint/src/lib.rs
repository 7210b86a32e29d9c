//! `fm-checkpoint`: checkpoints and archives of a guardian's database, and restoring from them.
//!
//! It is a library so that a program that links more can be made of it, as `tools/fm-iroh` does.

mod args;
mod compare;
mod compare_federations;
mod compare_print;
mod configuration;
mod create;
mod create_running;
mod export;
mod guide;
mod import;
mod inspect;
mod list;
mod move_args;
mod move_guardian;
mod move_status;
mod place;
mod prune;
mod quantities;
mod read;
mod repair;
mod restore;
mod restore_args;
mod restore_plan;
mod restore_status;
mod restore_undo;
mod restore_whole;
mod show;
mod verify;

use std::process::ExitCode;

use crate::args::{Arguments, Command};
use crate::guide::GUIDE;

/// The program's name in what it writes.
const TOOL: &str = concat!("fm-checkpoint ", env!("CARGO_PKG_VERSION"));

/// One thread reads rows and another drops them, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    fm_cli::run(&GUIDE, |arguments: Arguments| match arguments.command {
        Command::List(arguments) => list::run(&arguments),
        Command::Create(arguments) => create::run(&arguments),
        Command::Prune(arguments) => prune::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Get(arguments) => read::get(&arguments),
        Command::Cat(arguments) => read::cat(&arguments),
        Command::Repair(arguments) => repair::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Status(arguments) => restore_status::run(&arguments),
        Command::Undo(arguments) => restore_undo::run(&arguments),
        Command::Move(arguments) => move_guardian::run(&arguments),
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
