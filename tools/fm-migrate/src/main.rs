//! `fm-migrate`: converts an old history into the current schema, loses nothing, and converts it back.

mod args;
mod attest;
mod convert;
mod guide;
mod inspect;
mod inspect_print;
mod map;
mod revert;
mod seal;
mod units;

use std::process::ExitCode;

use crate::args::{Arguments, Command};
use crate::guide::GUIDE;

/// One thread decodes epochs and another drops them, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fm_cli::run(&GUIDE, |arguments: Arguments| match arguments.command {
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Check(arguments) => convert::check(&arguments),
        Command::Convert(arguments) => convert::convert(&arguments),
        Command::Map(arguments) => map::run(&arguments),
        Command::Attest(arguments) => attest::run(&arguments),
        Command::Seal(arguments) => seal::run(&arguments),
        Command::Revert(arguments) => revert::run(&arguments),
        Command::Units(arguments) => units::run(&arguments),
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
