//! The program `fm-checkpoint`, with iroh.

use std::process::ExitCode;

fn main() -> ExitCode {
    fm_iroh::run(fm_checkpoint::run)
}
