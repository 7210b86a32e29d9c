//! `--with-config`: the guardian's configuration beside an archive, encrypted.

use std::path::Path;

use fm_backup::{Location, Recipient, configuration, write_configuration};
use fm_cli::{Exit, Failure, warn};
use fm_config::GuardianFiles;
use fm_restore::RestoreError;

/// Refuses, before any work, a configuration in clear, and one whose name is taken.
///
/// If a configuration and its archive both exist, they are of an earlier run of the same command.
pub(crate) fn check(
    config: Option<&Location>,
    archive: &Location,
    recipients: &[Recipient],
) -> Result<(), Failure> {
    let Some(config) = config else { return Ok(()) };
    let path = config.path().display();
    if recipients.is_empty() {
        let message = format!("{path} would hold private keys in clear: --with-config needs --recipient");
        return Err(Failure::new(Exit::Usage, message)
            .hint("`age-keygen` makes a key pair: give its public key, and keep the secret one elsewhere"));
    }
    if config.path() == archive.path() {
        return Err(Failure::new(Exit::Usage, format!("{path} is the archive and the configuration")));
    }
    if config.is_there()? && !archive.is_there()? {
        return Err(RestoreError::InTheWay { path: config.path().to_owned() }.into());
    }
    Ok(())
}

/// Returns warnings about secrets of the guardian with these directories or this backup that every user of
/// the system may read. What is missing or cannot be looked at is left out; reading it reports that.
pub(crate) fn exposed(places: &[&Path]) -> Vec<String> {
    // An encrypted backup holds nothing in clear.
    let places = places.iter().filter(|place| GuardianFiles::is_one(place));
    places.filter_map(|place| GuardianFiles::open(place).and_then(|files| files.exposed()).ok()?).collect()
}

/// Prints these warnings.
pub(crate) fn say(exposed: &[String]) {
    exposed.iter().for_each(|said| warn("fm-checkpoint", said));
}

/// Writes the configuration unless an earlier run did, and returns a line that says so.
pub(crate) fn write(
    config: Option<&Location>,
    directories: &[&Path],
    recipients: &[Recipient],
) -> Result<Option<String>, Failure> {
    let Some(target) = config else { return Ok(None) };
    let path = target.path().display();
    say(&exposed(directories));
    if target.is_there()? {
        return Ok(Some(format!("config     {path} was there already, and was not looked at")));
    }
    write_configuration(&configuration(directories)?, target, recipients)?;
    Ok(Some(format!("config     {path}, encrypted: configuration and private keys")))
}
