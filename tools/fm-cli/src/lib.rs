//! What the tools share: exit codes, progress, interruption, output, keys.
//!
//! Invariants: results go to standard output, everything else to standard error; a failure is one sentence
//! with its causes and at most one hint.

mod common;
mod completions;
mod exit;
mod exit_restore;
mod explain;
mod findings;
mod guide;
mod input;
mod interrupt;
mod keys;
mod manual;
mod manual_page;
mod output;
mod paint;
mod progress;
mod progress_line;
mod quantities;
mod run;
mod secrets;
mod target;
mod values;

pub use common::{Colour, Verbosity, verbosity, wants_colour};
pub use exit::{Exit, Failure};
pub use findings::FindingPrinter;
pub use guide::{Guide, command, faults};
pub use input::read_file;
pub use interrupt::interrupt_flag;
pub use keys::{KeyArgs, PinnedKeys, layout_by_name, read as read_text};
pub use manual::Manual;
pub use output::{Output, group_digits, print_json_line};
pub use progress::TerminalProgress;
pub use quantities::{bytes, scaled};
pub use run::{Refused, run};
pub use secrets::{guardian_key, guardian_password};
pub use target::check_target;
pub use values::{LAYOUTS, Names};

/// The version of the programs, with the commit that they were built from and its date, as far as that is known.
pub fn version() -> &'static str {
    env!("FM_VERSION")
}
