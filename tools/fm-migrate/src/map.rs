//! `map`.

use fm_audit::{Control, MigratedDir, check_identity};
use fm_cli::{Exit, Failure, Output, TerminalProgress, interrupt_flag};

use crate::args::MapArgs;

pub(crate) fn run(arguments: &MapArgs) -> Result<Exit, Failure> {
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let dir = MigratedDir::open(arguments.directory(), control)?;
    check_identity(&dir.provenance, arguments.directory())?;
    let mut output = Output::default();
    fm_migration::map(dir.original(), dir.manifest.last, control, &mut |entry| output.json(&entry))?;
    Ok(Exit::Done)
}
