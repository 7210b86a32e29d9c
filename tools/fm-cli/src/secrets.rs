//! A guardian's own key: from its encrypted file and password, or from a key file.
//!
//! Invariants: a secret comes from a file, the environment or a terminal without echo, never from an argument; a
//! message says nothing of it.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use fm_crypto::{PrivateConfigError, SigningKey, open_private_config, parse_secret_key};
use zeroize::Zeroizing;

use crate::keys::read;
use crate::{Exit, Failure};

/// The variable that carries the password.
const PASSWORD: &str = "FM_PASSWORD";
/// Longest key file that is read; a key has 64 digits.
const MAX_KEY_BYTES: u64 = 1024;

/// The key that a guardian signs sessions with: from `key_file`, or else from the private files in `directory`, opened
/// with the password in `FM_PASSWORD` or one that is asked for.
pub fn guardian_key(directory: Option<&Path>, key_file: Option<&Path>) -> Result<SigningKey, Failure> {
    match (key_file, directory) {
        (Some(path), _) => from_key_file(path),
        (None, Some(directory)) => from_private_config(directory),
        (None, None) => Err(Failure::new(Exit::Usage, "no key to sign with")
            .hint("give the guardian's data directory with --config, or its key with --key-file")),
    }
}

fn from_key_file(path: &Path) -> Result<SigningKey, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(1025));
    File::open(path).and_then(|file| file.take(MAX_KEY_BYTES).read_to_string(&mut text)).map_err(
        |error| Failure::new(Exit::CannotLook, format!("cannot read {}: {error}", path.display())),
    )?;
    parse_secret_key(&text).map_err(|_| {
        Failure::new(
            Exit::WrongKey,
            format!("{} is no key file: 64 hex digits of a secret key", path.display()),
        )
    })
}

fn from_private_config(directory: &Path) -> Result<SigningKey, Failure> {
    if !directory.is_dir() {
        let message = format!("{} is not a guardian's data directory, where its key is", directory.display());
        return Err(Failure::new(Exit::Usage, message)
            .hint("give the directory with private.encrypt and private.salt, or the key with --key-file"));
    }
    let (encrypted, salt) =
        (read(&directory.join("private.encrypt"))?, read(&directory.join("private.salt"))?);
    let password = guardian_password(directory)?;
    open_private_config(&encrypted, &salt, &password).map_err(|error| {
        let exit = match error {
            PrivateConfigError::WrongPassword
            | PrivateConfigError::NotAPrivateConfig
            | PrivateConfigError::Key(_) => Exit::WrongKey,
            _ => Exit::CannotLook,
        };
        let failure = Failure::from_error(exit, &error);
        Failure { message: format!("{}: {}", directory.display(), failure.message), ..failure }
    })
}

/// The password of the guardian with that data directory: from `FM_PASSWORD`, or asked for.
pub fn guardian_password(directory: &Path) -> Result<Zeroizing<String>, Failure> {
    match env::var(PASSWORD) {
        Ok(password) => return Ok(Zeroizing::new(password)),
        Err(env::VarError::NotUnicode(_)) => {
            return Err(Failure::new(Exit::WrongKey, format!("{PASSWORD} is not text")));
        }
        Err(env::VarError::NotPresent) => {}
    }
    let prompt = format!("Password of the guardian in {}: ", directory.display());
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| {
        Failure::new(Exit::Usage, "no password, and no terminal to ask for it")
            .hint(format!("set {PASSWORD}, or run it in a terminal"))
    })
}
