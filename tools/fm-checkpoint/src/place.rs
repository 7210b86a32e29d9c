//! Where archives and databases are, as a command line names them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use fm_backup::Location;
use fm_cli::{Exit, Failure, moved_from};
use fm_object::{Address, Settings};

/// A path, `file://…` or `s3://bucket/key`.
pub(crate) fn parser() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(location)
}

fn location(text: OsString) -> Result<Location, String> {
    let text = match text.into_string() {
        Ok(text) => text,
        // No address has such bytes.
        Err(path) => return Ok(PathBuf::from(path).into()),
    };
    match Address::parse(&text) {
        Some(address) => {
            fm_object::interrupted_by(fm_cli::interrupt_flag().map_err(|failure| failure.message)?);
            in_store(address).map_err(|error| error.to_string())
        }
        None => text.parse().map_err(|error: fm_backup::BackupError| error.to_string()),
    }
}

fn in_store(address: Result<Address, fm_object::ObjectError>) -> Result<Location, fm_object::ObjectError> {
    // What is no text is refused by its name when the settings are checked, if it is one of them.
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    fm_object::location(&address?, &Settings::new(variables)?)
}

/// Refuses a directory where only an archive can be read.
pub(crate) fn check_archive(location: &Location) -> Result<(), Failure> {
    let path = location.path();
    if location.is_remote() || !path.is_dir() {
        return Ok(());
    }
    if let Some(failure) = moved_from(path) {
        return Err(failure);
    }
    let message = format!("{} is a directory, and this command reads archives", path.display());
    Err(Failure::new(Exit::CannotLook, message).hint(
        "`fm-verify DIR` audits a database, `fm-checkpoint list --data-dir DIR` looks at its checkpoints",
    ))
}

/// As [`fm_cli::check_target`]; objects lie in no directory, and only their names can collide.
pub(crate) fn check_target(target: &Location, source: &Location) -> Result<(), Failure> {
    match (target.is_remote(), source.is_remote()) {
        (false, _) => fm_cli::check_target(target.path(), source.path()),
        (true, true) if target.path() == source.path() => {
            let message =
                format!("{} is source and target, and the source is never written", target.path().display());
            Err(Failure::new(Exit::Usage, message).hint("choose another target"))
        }
        (true, _) => Ok(()),
    }
}
