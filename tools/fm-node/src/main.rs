//! `fm-node`: runs a guardian, or a whole federation for trying.

mod args;
mod client;
mod dev;
mod failure;
mod load;
mod processes;
mod run;
mod setup;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Arguments, Command};

/// Many small values live for as long as a session; the system's allocator would fragment.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    fm_cli::run("fm-node", || match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Setup(command) => setup::run(&command),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Status(arguments) => client::status(&arguments),
        Command::Submit(arguments) => client::submit(&arguments),
        Command::Checkpoint(arguments) => client::checkpoint(&arguments),
        Command::Shutdown(arguments) => client::shutdown(&arguments),
        Command::Load(arguments) => load::run(&arguments),
        Command::Manual(manual) => manual.run(Arguments::command()),
    })
}
