//! What the tools share: exit codes, progress, interruption, output, keys.
//!
//! Invariants: results go to standard output, everything else to standard error; a failure is one sentence
//! with its causes and at most one hint.

mod exit;
mod exit_restore;
mod findings;
mod input;
mod interrupt;
mod keys;
mod limits;
mod manual;
mod obstacle;
mod output;
mod progress;
mod quantities;
mod secrets;
mod source;
mod target;
mod trust_root;

pub use exit::{Exit, Failure, run, warn};
pub use findings::FindingPrinter;
pub use fm_restore::day;
pub use fm_store::keep_private;
pub use input::read_file;
pub use interrupt::interrupt_flag;
pub use keys::{KeyArgs, PinnedKeys, layout_by_name, load_keys_of, read as read_text};
pub use manual::Manual;
pub use output::{Output, group_digits, print_json_line, root_line};
pub use progress::TerminalProgress;
pub use quantities::{bytes, number, scaled};
pub use secrets::{PasswordArgs, guardian_key};
pub use source::{SourceArgs, quoted};
pub use target::check_target;
pub use trust_root::{NamedKeys, trust_root_line, trusted};
