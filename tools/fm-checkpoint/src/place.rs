//! Locations of archives and databases, as a command line names them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use fm_backup::Location;
use fm_cli::{Exit, Failure, is_federation, moved_from};
use fm_object::{Address, ObjectError, Settings};

/// Returns the parser of a location: a path, `file://…` or `s3://bucket/key`.
pub(crate) fn parser() -> impl TypedValueParser<Value = Location> {
    PlaceParser { may_run: false }
}

/// Parses a location, or the name of a running federation.
pub(crate) fn parser_of_sources() -> impl TypedValueParser<Value = Location> {
    PlaceParser { may_run: true }
}

#[derive(Clone)]
struct PlaceParser {
    /// Whether a running federation may be named, too.
    may_run: bool,
}

impl TypedValueParser for PlaceParser {
    type Value = Location;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<Location, Error> {
        let refused = |what: String| Error::raw(ErrorKind::ValueValidation, what).with_cmd(command);
        if self.may_run && is_federation(Path::new(value)) {
            return Ok(PathBuf::from(value).into());
        }
        let place = location(value.to_owned());
        place.map_err(|wrong| match wrong {
            Wrong::Value(what) => {
                let name = argument.map_or_else(|| "…".to_owned(), ToString::to_string);
                refused(format!("invalid value '{}' for '{name}': {what}\n", value.to_string_lossy()))
            }
            // No other value of the argument would help.
            Wrong::Surroundings(what) => refused(format!("{what}\n")),
        })
    }
}

/// The reason why a value is not a location.
enum Wrong {
    /// The value itself is wrong.
    Value(String),
    /// A variable or a file that configures the access to a store is wrong.
    Surroundings(String),
}

fn location(text: OsString) -> Result<Location, Wrong> {
    let text = match text.into_string() {
        Ok(text) => text,
        // No address has such bytes.
        Err(path) => return Ok(PathBuf::from(path).into()),
    };
    match Address::parse(&text) {
        Some(address) => {
            let flag = fm_cli::interrupt_flag().map_err(|failure| Wrong::Surroundings(failure.message))?;
            fm_object::interrupted_by(flag);
            in_store(address).map_err(|error| match error {
                ObjectError::Address { .. } => Wrong::Value(error.to_string()),
                error => Wrong::Surroundings(Failure::from_error(Exit::Usage, &error).message),
            })
        }
        None => text.parse().map_err(|error: fm_backup::BackupError| Wrong::Value(error.to_string())),
    }
}

fn in_store(address: Result<Address, ObjectError>) -> Result<Location, ObjectError> {
    // A value that is not text is refused with its variable's name when the settings are checked, if it is
    // one of them.
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

/// Checks a target as [`fm_cli::check_target`] does. Objects do not lie in directories; only their names can
/// collide.
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
