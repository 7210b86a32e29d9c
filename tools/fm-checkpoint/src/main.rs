//! `fm-checkpoint`: checkpoints and archives of a guardian's database, and the way back.

mod args;
mod inspect;
mod restore;
mod restore_args;
mod restore_plan;
mod restore_status;
mod restore_undo;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

/// Rows are read on one thread and dropped on another, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    fm_cli::run("fm-checkpoint", || match arguments.command {
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Status(arguments) => restore_status::run(&arguments),
        Command::Undo(arguments) => restore_undo::run(&arguments),
    })
}
