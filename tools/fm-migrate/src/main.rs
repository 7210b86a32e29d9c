//! `fm-migrate`: brings an old history into today's schema, loses nothing, and goes back.

mod args;
mod attest;
mod convert;
mod inspect;
mod map;
mod revert;
mod seal;
mod units;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Arguments, Command};

/// Epochs are decoded on one thread and dropped on another, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    fm_cli::run("fm-migrate", || match arguments.command {
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Check(arguments) => convert::check(&arguments),
        Command::Convert(arguments) => convert::convert(&arguments),
        Command::Map(arguments) => map::run(&arguments),
        Command::Attest(arguments) => attest::run(&arguments),
        Command::Seal(arguments) => seal::run(&arguments),
        Command::Revert(arguments) => revert::run(&arguments),
        Command::Units(arguments) => units::run(&arguments),
        Command::Manual(manual) => manual.run(Arguments::command()),
    })
}
