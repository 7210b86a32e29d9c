//! `fm-verify`: is this history whole and signed; if not, where exactly does it break.

mod args;
mod audit_args;
mod check_evidence;
mod diff;
mod explained;
mod open_session;
mod pending;
mod prove;
mod report;
mod scope_args;
mod show;
mod show_unit;
mod verdict;
mod verify;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Arguments, Command};

/// Epochs are decoded on one thread and dropped on another, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    fm_cli::run("fm-verify", || match &arguments.command {
        None => verify::run(&arguments.audit),
        Some(Command::Diff(arguments)) => diff::run(arguments),
        Some(Command::CheckEvidence(arguments)) => check_evidence::run(arguments),
        Some(Command::Prove(arguments)) => prove::run(arguments),
        Some(Command::CheckProof(arguments)) => prove::check(arguments),
        Some(Command::Report(arguments)) => report::run(arguments),
        Some(Command::Manual(manual)) => manual.run(Arguments::command()),
        Some(Command::Show(arguments)) => show::run(arguments),
    })
}
