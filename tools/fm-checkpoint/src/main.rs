//! The program `fm-checkpoint`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fm_checkpoint::run()
}
