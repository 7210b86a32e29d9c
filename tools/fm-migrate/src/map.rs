//! `map`.

use fm_audit::{AuditError, Control, EpochStream, MigratedDir, check_identity};
use fm_cli::{Exit, Failure, Output, TerminalProgress, interrupt_flag};

use crate::args::MapArgs;

pub(crate) fn run(arguments: &MapArgs) -> Result<Exit, Failure> {
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let dir = MigratedDir::open(arguments.directory(), control)?;
    check_identity(&dir.provenance, arguments.directory())?;
    let stream = EpochStream { rows: &dir.provenance, path: dir.provenance.path() };
    let mut output = Output::default();
    let mut failure = None;
    let result = fm_migration::map(stream, dir.layout, dir.manifest.last, control, &mut |entry| {
        output.json(&entry).map_err(|error| {
            failure = Some(error);
            AuditError::Interrupted
        })
    });
    match failure {
        Some(failure) => Err(failure),
        None => result.map(|()| Exit::Done).map_err(Failure::from),
    }
}
