//! The program `fm-node`, with iroh.

use std::process::ExitCode;

fn main() -> ExitCode {
    fm_iroh::run(fm_node::run)
}
