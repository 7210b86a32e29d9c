//! The program `fm-verify`, with iroh.

use std::process::ExitCode;

fn main() -> ExitCode {
    fm_iroh::run(fm_verify::run)
}
