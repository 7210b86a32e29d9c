//! `fm-checkpoint`: checkpoints and archives of a guardian's database, and the way back.

mod args;
mod inspect;

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
    })
}
