//! What the tools share: exit statuses, progress, interruption, output, keys.
//!
//! Invariants: results go to standard output, everything else to standard error. A failure is one sentence
//! with its causes and at most one hint.

mod common;
mod completions;
mod exit;
mod explain;
mod federation;
mod findings;
mod guide;
mod hints;
mod hints_restore;
mod input;
mod interrupt;
mod keys;
mod layout_args;
mod limits;
mod manual;
mod manual_page;
mod moved_away;
mod obstacle;
mod output;
mod paint;
mod progress;
mod progress_line;
mod quantities;
mod run;
mod secrets;
mod source;
mod strict;
mod tables;
mod target;
mod trust_root;
mod values;

pub use common::{Colour, Verbosity, verbosity, wants_colour};
pub use exit::{Exit, Failure, warn};
pub use federation::{
    FederationArgs, LiveGuardians, LiveSource, WhichGuardians, guardian_name, is_federation, shown,
};
pub use findings::FindingPrinter;
pub use fm_restore::day;
pub use fm_store::{directories_around, keep_private, quoted};
pub use guide::{Guide, command, faults};
pub use input::read_file;
pub use interrupt::interrupt_flag;
pub use keys::{
    KeyArgs, PinnedKeys, StatedBy, config_around, keys_of_files, load_keys_of, read as read_text,
};
pub use layout_args::LayoutArgs;
pub use manual::Manual;
pub use moved_away::{MOVED_AWAY, moved_from};
pub use output::{Output, group_digits, note, print_json_line, root_line};
pub use progress::TerminalProgress;
pub use quantities::{bytes, count, number, positive, scaled};
pub use run::{Refused, or_refused, run};
pub use secrets::{GuardianKey, PasswordArgs, guardian_key, of_files};
pub use source::SourceArgs;
pub use strict::StrictArgs;
pub use tables::{ModuleLine, TableLine, module_lines, prefix_of, print_modules, print_tables, table_lines};
pub use target::check_target;
pub use trust_root::{NamedKeys, trust_root_line, trusted};
pub(crate) use values::LAYOUTS;
pub use values::Names;

/// Returns the version of the programs, with the commit that they were built from and its date, as far as
/// these are known.
pub fn version() -> &'static str {
    env!("FM_VERSION")
}
