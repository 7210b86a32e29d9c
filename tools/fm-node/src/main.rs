//! The program `fm-node`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fm_node::run()
}
