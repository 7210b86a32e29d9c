//! A guardian's own key and password: from an encrypted file, a key file, a password file, the environment, a
//! terminal.
//!
//! Invariants: a secret comes from a file, the environment or a terminal without echo, never from an
//! argument; no message contains any part of it.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use fm_config::{FilesError, GuardianFiles, belongs, is_exposed, said_exposed};
use fm_crypto::{SigningKey, parse_secret_key};
use fm_datadir::LOCAL;
use fm_store::quoted;
use zeroize::Zeroizing;

use crate::{Exit, Failure};

/// The variable that carries the password.
const PASSWORD: &str = "FM_PASSWORD";
/// The number of times a password is asked for at a terminal.
const TRIES: u32 = 3;
/// The longest password that is read from a file.
const MAX_PASSWORD_BYTES: u64 = 4096;
/// The longest key file that is read; a key has 64 digits.
const MAX_KEY_BYTES: u64 = 1024;

/// The key that a guardian signs sessions with, and notes about where it was found.
pub struct GuardianKey {
    /// The key.
    pub key: SigningKey,
    /// Sentences for the keeper of the key.
    pub notes: Vec<String>,
}

/// Reads the key of a guardian: from `key_file`, or else from the private files in its data directory or
/// backup, which the guardian's password opens if they are encrypted.
///
/// # Errors
/// If the key cannot be read or opened, or is not that guardian's.
pub fn guardian_key(
    config: Option<&Path>,
    key_file: Option<&Path>,
    password: &PasswordArgs,
) -> Result<GuardianKey, Failure> {
    match (key_file, config) {
        (Some(path), _) => from_key_file(path),
        (None, Some(path)) => from_private_config(path, password),
        (None, None) => Err(Failure::new(Exit::Usage, "no key to sign with")
            .hint("give the guardian's data directory with --config, or its key with --key-file")),
    }
}

fn from_key_file(path: &Path) -> Result<GuardianKey, Failure> {
    let text = read_secret(path, MAX_KEY_BYTES)?;
    let key = parse_secret_key(&text).map_err(|_| {
        Failure::new(
            Exit::WrongKey,
            format!("{} is not a key file: 64 hex digits of a secret key", path.display()),
        )
    })?;
    let notes = if is_exposed(path) { vec![said_exposed(path)] } else { Vec::new() };
    Ok(GuardianKey { key, notes })
}

fn from_private_config(path: &Path, password: &PasswordArgs) -> Result<GuardianKey, Failure> {
    let is_files = GuardianFiles::is_one(path) || GuardianFiles::is_encrypted_file(path);
    if path.exists() && !is_files {
        let message = format!(
            "{} is neither a guardian's data directory nor its backup (tar), where its key is",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message)
            .hint("give the directory with private.json or private.encrypt, or the key with --key-file"));
    }
    let files = GuardianFiles::open(path).map_err(|error| of_files(&error))?;
    let open = |password: Option<&str>| files.private(password);
    let found = password.open_files(&files, FilesError::is_wrong_password, open)?;
    let found = found.map_err(|error| of_files(&error))?;
    // Without local.json, the key alone shows whose it is.
    if files.text(LOCAL).map_err(|error| of_files(&error))?.is_some() {
        let belonging =
            files.own_peer().and_then(|me| belongs(&files.consensus()?, me, &found.config, found.file));
        belonging.map_err(|error| of_files(&error))?;
    }
    let exposed = files.exposed().map_err(|error| of_files(&error))?;
    let notes = found.notes.into_iter().chain(exposed).collect();
    Ok(GuardianKey { key: found.config.signing_key(), notes })
}

/// Returns the failure for a guardian's files that are of no use.
pub fn of_files(error: &FilesError) -> Failure {
    match error {
        FilesError::Read { path, source } => Failure::file("read", path, source),
        error => Failure::from_error(error.kind().into(), error),
    }
}

/// Where a guardian's password comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct PasswordArgs {
    /// Read the guardian's password from this file. Without it the password comes from FM_PASSWORD, or is asked for.
    #[arg(long, value_name = "FILE", env = "FM_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// Reads the password of the guardian with that data directory.
    ///
    /// # Errors
    /// If it cannot be read, or there is no terminal to ask at.
    pub fn read(&self, directory: &Path) -> Result<Zeroizing<String>, Failure> {
        match self.given()? {
            Some(password) => Ok(trimmed(&password)),
            None => ask(directory),
        }
    }

    /// Opens something with the password. At a terminal, a wrong password is asked for again, three times in
    /// all.
    ///
    /// # Errors
    /// If there is no password; the inner error is that of the last attempt.
    pub fn open<T, E>(
        &self,
        directory: &Path,
        is_wrong: impl Fn(&E) -> bool,
        mut open: impl FnMut(&str) -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        if let Some(password) = self.given()? {
            let opened = open(password.trim());
            // Servers trim their passwords; a password with blanks around it that something else set may be
            // meant as it is.
            return Ok(match opened {
                Err(error) if is_wrong(&error) && password.trim() != password.as_str() => open(&password),
                opened => opened,
            });
        }
        for _ in 1..TRIES {
            match open(&ask(directory)?) {
                Err(error) if is_wrong(&error) => eprintln!("That is not the password."),
                opened => return Ok(opened),
            }
        }
        Ok(open(&ask(directory)?))
    }

    /// Opens a guardian's files: with the password from the file or the environment, if there is one; without
    /// a password if the files are in clear; otherwise with a password that is asked for. A password that the
    /// guardian keeps beside its files is not used unasked.
    ///
    /// # Errors
    /// As [`PasswordArgs::open`], and if the files cannot be looked at.
    pub fn open_files<T, E>(
        &self,
        files: &GuardianFiles,
        is_wrong: impl Fn(&E) -> bool,
        mut open: impl FnMut(Option<&str>) -> Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        let is_given = self.password_file.is_some() || env::var_os(PASSWORD).is_some();
        if !is_given && !files.needs_password().map_err(|error| of_files(&error))? {
            return Ok(open(None));
        }
        self.open(files.path(), is_wrong, |password| open(Some(password))).map_err(|failure| {
            match files.kept_password() {
                Ok(Some(name)) if failure.exit == Exit::Usage => {
                    let kept = quoted(&files.path().join(name));
                    failure.hint(format!("the guardian keeps one: --password-file {kept}"))
                }
                _ => failure,
            }
        })
    }

    /// Returns the password from the file or the environment, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = &self.password_file {
            let password = read_secret(path, MAX_PASSWORD_BYTES)?;
            // Nobody means such a password; it would only be reported as wrong.
            if password.trim().is_empty() {
                let message = format!("{} is empty: it holds no password", path.display());
                return Err(Failure::new(Exit::WrongKey, message).hint("write the password into it"));
            }
            return Ok(Some(password));
        }
        match env::var(PASSWORD) {
            Ok(password) => Ok(Some(Zeroizing::new(password))),
            Err(env::VarError::NotUnicode(_)) => {
                Err(Failure::new(Exit::WrongKey, format!("{PASSWORD} is not text")))
            }
            Err(env::VarError::NotPresent) => Ok(None),
        }
    }
}

/// Reads a small secret text.
fn read_secret(path: &Path, most: u64) -> Result<Zeroizing<String>, Failure> {
    let capacity = usize::try_from(most).unwrap_or_default() + 1;
    // Allocated once, so that the buffer never moves and leaves no copy of the secret in memory.
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text));
    read.map_err(|error| Failure::file("read", path, &error))?;
    if text.len() as u64 > most {
        let message = format!("{} has more than {most} bytes", path.display());
        return Err(Failure::new(Exit::WrongKey, message).hint("give the file that holds the secret alone"));
    }
    Ok(text)
}

/// Removes blanks and line ends around a password.
fn trimmed(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.trim().to_owned())
}

fn ask(directory: &Path) -> Result<Zeroizing<String>, Failure> {
    let prompt = format!("Password of the guardian in {}: ", directory.display());
    let typed = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| {
        Failure::new(Exit::Usage, "no password, and no terminal to ask for it")
            .hint(format!("set {PASSWORD}, give --password-file, or run it in a terminal"))
    })?;
    Ok(trimmed(&typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str, right: &str) -> (Result<(), ()>, usize) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("password");
        std::fs::write(&path, text).unwrap();
        let (mut tries, arguments) = (0, PasswordArgs { password_file: Some(path) });
        let opened = arguments.open(
            home.path(),
            |()| true,
            |password| {
                tries += 1;
                if password == right { Ok(()) } else { Err(()) }
            },
        );
        (opened.unwrap(), tries)
    }

    #[test]
    fn blanks_and_line_ends_around_a_password_are_no_part_of_it() {
        for text in ["pass word", "pass word\n", "pass word\r\n", " \tpass word \n\n"] {
            assert_eq!(opened(text, "pass word"), (Ok(()), 1), "{text:?}");
        }
        assert_eq!(opened(" pass word", " pass word"), (Ok(()), 2), "as something else has set it");
        assert_eq!(opened("other", "pass word"), (Err(()), 1), "a file is not asked twice");
    }

    #[test]
    fn a_file_without_a_password_is_called_empty() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("password");
        for text in ["", "\n", " \t\r\n"] {
            std::fs::write(&path, text).unwrap();
            let arguments = PasswordArgs { password_file: Some(path.clone()) };
            let failure = arguments.read(home.path()).unwrap_err();
            assert_eq!(failure.exit, Exit::WrongKey, "{failure:?}");
            assert!(failure.message.contains("is empty"), "{failure:?}");
        }
    }

    #[test]
    fn a_file_that_holds_more_is_none() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("password");
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        let failure = PasswordArgs { password_file: Some(path) }.read(home.path()).unwrap_err();
        assert_eq!(failure.exit, Exit::WrongKey, "{failure:?}");
    }
}
