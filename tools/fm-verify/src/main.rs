//! The program `fm-verify`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fm_verify::run()
}
