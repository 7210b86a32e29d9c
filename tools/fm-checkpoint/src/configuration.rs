//! `--with-config`: the guardian's configuration beside an archive, encrypted.

use std::path::Path;

use fm_backup::{Location, Recipient, configuration, write_configuration};
use fm_cli::{Exit, Failure, of_files, warn};
use fm_config::GuardianFiles;
use fm_restore::RestoreError;

/// Refuses a configuration in clear, and one whose name is taken, before any work is done.
///
/// What is there beside an archive that is there as well is of an earlier run of the same command.
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

/// Writes it, if it is not there from an earlier run; a line that says so.
pub(crate) fn write(
    config: Option<&Location>,
    directories: &[&Path],
    recipients: &[Recipient],
) -> Result<Option<String>, Failure> {
    let Some(target) = config else { return Ok(None) };
    let path = target.path().display();
    directories.iter().try_for_each(|directory| warn_of_exposed(directory))?;
    if target.is_there()? {
        return Ok(Some(format!("config     {path} was there already, and was not looked at")));
    }
    write_configuration(&configuration(directories)?, target, recipients)?;
    Ok(Some(format!("config     {path}, encrypted: configuration and private keys")))
}

/// Says of secrets in clear that others may read them where they are.
fn warn_of_exposed(directory: &Path) -> Result<(), Failure> {
    let exposed = GuardianFiles::open(directory).and_then(|files| files.exposed());
    exposed.map_err(|error| of_files(&error))?.iter().for_each(|words| warn("fm-checkpoint", words));
    Ok(())
}
