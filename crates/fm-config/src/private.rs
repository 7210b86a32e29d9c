//! Decides which private file counts, and opens it.
//!
//! `private.json` is read first, as servers do. Otherwise `private.encrypt` is opened, and the files that a
//! change of the password left beside it: a server of v0.9 to v0.11 copies `private.encrypt` to
//! `private.bak`, writes `private.new`, renames it to `private.encrypt`, and does the same with
//! `password.private`. If it is killed in between, it leaves both; the one that the password opens is the
//! right one.

use fm_crypto::{PrivateConfig, PrivateFileError, open_private_text};
use fm_datadir::{
    ENCRYPTED, ENCRYPTED_NEW, ENCRYPTED_OLD, PASSWORD, PASSWORD_NEW, PASSWORD_OLD, PRIVATE, SALT,
};
use zeroize::Zeroizing;

use crate::error::FilesError;
use crate::files::GuardianFiles;

/// The encrypted files, in the order in which they are tried.
const SEALED: [&str; 3] = [ENCRYPTED, ENCRYPTED_NEW, ENCRYPTED_OLD];
/// The files of stored passwords.
const PASSWORDS: [&str; 3] = [PASSWORD, PASSWORD_NEW, PASSWORD_OLD];

/// A guardian's secrets, and where they were found.
pub struct FoundPrivate {
    /// The secrets.
    pub config: PrivateConfig,
    /// The file that the secrets are from.
    pub file: &'static str,
    /// Other findings that the operator of the guardian should know, in sentences.
    pub notes: Vec<String>,
}

/// The name of a file that was encrypted, and its decrypted text.
pub type OpenedFile = (&'static str, Zeroizing<Vec<u8>>);

impl GuardianFiles {
    /// Returns whether the secrets are protected by a password.
    ///
    /// # Errors
    /// If that cannot be determined.
    pub fn needs_password(&self) -> Result<bool, FilesError> {
        Ok(self.bytes(PRIVATE)?.is_none() && self.first_there(&SEALED)?.is_some())
    }

    /// Returns the file in which the guardian stores its password for its server, if there is one. It is
    /// never used unless the caller asks.
    ///
    /// # Errors
    /// If that cannot be determined.
    pub fn kept_password(&self) -> Result<Option<&'static str>, FilesError> {
        self.first_there(&PASSWORDS)
    }

    /// Returns the guardian's secrets; a password is required if they are protected by one.
    ///
    /// # Errors
    /// If there are no secrets, the password does not open them, or they do not have the expected form.
    pub fn private(&self, password: Option<&str>) -> Result<FoundPrivate, FilesError> {
        if let Some(text) = self.bytes(PRIVATE)? {
            let config = self.parsed(PRIVATE, &text)?;
            let mut notes = Vec::new();
            if let Some(left) = self.first_there(&SEALED)? {
                notes.push(format!("{left} is there as well as {PRIVATE}, which servers from 0.12 on read"));
            }
            return Ok(FoundPrivate { config, file: PRIVATE, notes });
        }
        if self.first_there(&SEALED)?.is_none() {
            return Err(FilesError::NoPrivate { path: self.path().to_owned() });
        }
        let salt = self.needed(SALT)?;
        let password = password.ok_or_else(|| FilesError::NoPassword { place: self.place(ENCRYPTED) })?;
        let (mut there, mut opened, mut failure) = (Vec::new(), Vec::new(), None);
        for file in SEALED {
            let Some(sealed) = self.text(file)? else { continue };
            there.push(file);
            match open_private_text(&sealed, &salt, password) {
                Ok(text) => opened.push((file, self.parsed(file, &text)?)),
                // A file that a kill left half written is less reliable than the file that it was to replace.
                Err(source) => drop(failure.get_or_insert((file, source))),
            }
        }
        if let Some((other, _)) = opened.iter().skip(1).find(|(_, one)| one.secret != opened[0].1.secret) {
            let what = format!("{} and {other} hold different keys", self.place(opened[0].0));
            return Err(FilesError::Mixed { what });
        }
        let names: Vec<&str> = opened.iter().map(|(file, _)| *file).collect();
        let notes = said_left(&there, &names);
        match (opened.into_iter().next(), failure) {
            (Some((file, config)), _) => Ok(FoundPrivate { config, file, notes }),
            (None, Some((file, PrivateFileError::WrongPassword))) => {
                let beside = self.said_beside(&there, &salt)?;
                Err(FilesError::WrongPassword { place: self.place(file), beside })
            }
            (None, Some((file, source))) => Err(FilesError::Sealed { place: self.place(file), source }),
            (None, None) => Err(FilesError::NoPrivate { path: self.path().to_owned() }),
        }
    }

    /// Returns a message about the files beside those that a password does not open: what a changed password
    /// left, and stored passwords that do open them.
    fn said_beside(&self, there: &[&'static str], salt: &str) -> Result<String, FilesError> {
        let mut said = String::new();
        if there.len() > 1 {
            said =
                format!("; nor does it open {}, left by a change of the password", there[1..].join(" and "));
        }
        for name in PASSWORDS {
            let Some(password) = self.text(name)? else { continue };
            for file in there {
                let Some(sealed) = self.text(file)? else { continue };
                if open_private_text(&sealed, salt, password.trim()).is_ok() {
                    return Ok(format!("{said}; the one in {name} opens {file}"));
                }
            }
        }
        Ok(said)
    }

    /// Returns the texts of encrypted files that a stored password opens, by file. Only the search for
    /// secrets that must not be exported uses this.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn opened_by_kept_passwords(&self) -> Result<Vec<OpenedFile>, FilesError> {
        let mut opened = Vec::new();
        let Some(salt) = self.text(SALT)? else { return Ok(opened) };
        for name in PASSWORDS {
            let Some(password) = self.text(name)? else { continue };
            for file in SEALED {
                let Some(sealed) = self.text(file)? else { continue };
                if let Ok(text) = open_private_text(&sealed, &salt, password.trim()) {
                    opened.push((file, text));
                }
            }
        }
        Ok(opened)
    }

    fn parsed(&self, name: &'static str, text: &Zeroizing<Vec<u8>>) -> Result<PrivateConfig, FilesError> {
        PrivateConfig::parse(text).map_err(|source| FilesError::Private { place: self.place(name), source })
    }

    fn first_there(&self, names: &[&'static str]) -> Result<Option<&'static str>, FilesError> {
        for name in names {
            if self.bytes(name)?.is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Returns messages about what a changed password left, from which files exist and which of them the password
/// opens.
fn said_left(there: &[&str], opened: &[&str]) -> Vec<String> {
    let is_there = |name: &str| there.contains(&name);
    let opens = |name: &str| opened.contains(&name);
    if is_there(ENCRYPTED_NEW) {
        let which = match (opens(ENCRYPTED), opens(ENCRYPTED_NEW)) {
            (false, true) => "this password is the new one",
            (true, false) => "this password is the old one",
            (true, true) => "old and new password are the same",
            (false, false) => "this password is neither the old nor the new one",
        };
        return vec![format!(
            "a change of the password was interrupted and left {ENCRYPTED_NEW}: {which}; a server of 0.9 to 0.11 continues with \
             the new one"
        )];
    }
    if is_there(ENCRYPTED_OLD) {
        let which = match (opens(ENCRYPTED), opens(ENCRYPTED_OLD)) {
            (false, true) => "this password is the one before, which no server takes any more",
            (true, true) => "nothing was changed in it",
            _ => "this password is the new one",
        };
        return vec![format!("a change of the password left {ENCRYPTED_OLD}: {which}")];
    }
    Vec::new()
}
