//! The access to a store: address, region and credentials, from variables and from a profile of the AWS
//! programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use thiserror::Error;

use crate::{environment, profile};

/// The longest time for a connection to be established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for one request with all its data: a part of 8 MiB at half a megabit per second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(150);
/// The time after which a failing request is no longer repeated, unless [`PATIENCE`] sets another.
const RETRY_TIME: Duration = Duration::from_secs(180);
const LONGEST_RETRY_TIME: Duration = Duration::from_secs(86_400);
/// Repetitions are limited by time, not by number.
const RETRIES: usize = usize::MAX;
/// Repetitions of a request that some stores answer as unsupported.
const FEW_RETRIES: usize = 2;
/// Pauses between repetitions: the first, the longest, and the factor between two.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const PAUSE_FACTOR: f64 = 2.0;
/// Other sources of credentials; the library reads them itself.
const OTHER_SOURCES: [&str; 4] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

/// Size of the largest object that the store copies by one request, in bytes; the default is [`MOST_COPIED`].
const COPY_MAX: &str = "FM_S3_COPY_MAX";
/// The form of a copy only to a free key, for stores that do not know the usual header; the library reads it.
const COPY_CONDITION: &str = "AWS_COPY_IF_NOT_EXISTS";
/// Seconds for which a failing request is repeated; the default is [`RETRY_TIME`].
const PATIENCE: &str = "FM_S3_RETRY_SECONDS";
/// The largest object that Amazon's store, and most others, copy.
const MOST_COPIED: u64 = 5 << 30;

/// The reason that an object cannot be accessed.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The text is not the address of an object.
    #[error("{text:?} is not an address of an object: {what}")]
    Address { text: String, what: &'static str },
    /// There are no credentials to sign requests with.
    #[error(
        "no credentials for an object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )]
    NoCredentials,
    /// The profile is in neither file.
    #[error("there is no profile {name:?} in the configuration of the AWS programs")]
    NoProfile { name: String },
    /// The profile leads to credentials that this program does not fetch.
    #[error(
        "the profile {name:?} takes its credentials from {by}, which this program does not use: \
         `aws configure export-credentials --profile NAME --format env` prints variables that it takes"
    )]
    OtherProfile {
        name: String,
        /// The setting that names the other source.
        by: &'static str,
    },
    /// A variable, or the profile's setting for it, has a value that no store accepts.
    #[error("{name} {what}")]
    Variable {
        name: String,
        /// What is wrong with it; not its value.
        what: &'static str,
    },
    /// The store's address is without TLS.
    #[error(
        "{name} is an address without TLS (http), over which everybody reads what is sent: AWS_ALLOW_HTTP=true allows it"
    )]
    Plain {
        /// The variable.
        name: String,
    },
    /// A file of profiles cannot be read.
    #[error("cannot read {path}")]
    File { path: PathBuf, source: io::Error },
    /// The settings do not fit together.
    #[error("the settings of the object store cannot be used: {what}")]
    Settings {
        /// Without credentials.
        what: String,
    },
}

/// Settings of stores, by the names of the usual variables (`AWS_…`) and our own.
#[derive(Clone)]
pub struct Settings(BTreeMap<String, String>);

impl fmt::Debug for Settings {
    /// Formats only the names: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Returns whether the library can fetch credentials by itself.
pub(crate) fn has_other_source(settings: &BTreeMap<String, String>) -> bool {
    OTHER_SOURCES.iter().any(|name| settings.contains_key(*name))
}

impl Settings {
    /// Takes the environment's variables; other settings come from the profile that the variables name, or
    /// from the default profile.
    ///
    /// # Errors
    /// Fails if the files of profiles cannot be read, the named profile is in none of them, there are no
    /// credentials, or no store accepts a value.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ObjectError> {
        let is_ours = |name: &str| name.starts_with("AWS_") || ["HOME", COPY_MAX, PATIENCE].contains(&name);
        // An empty variable counts as unset, as in every other program that reads these variables.
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, value)| is_ours(name) && !value.is_empty()).collect();
        environment::check(&variables)?;
        let mut all = if variables.contains_key("AWS_ACCESS_KEY_ID") && !variables.contains_key("AWS_PROFILE")
        {
            BTreeMap::new()
        } else {
            profile::read(&variables)?
        };
        all.extend(variables);
        environment::check(&all)?;
        let has = |name: &str| all.contains_key(name);
        let has_keys = has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY");
        if !has_keys && !has_other_source(&all) {
            return Err(ObjectError::NoCredentials);
        }
        Ok(Self(all))
    }

    /// Returns the size of the largest object that the store copies by one request, in bytes.
    pub(crate) fn most_copied(&self) -> Result<u64, ObjectError> {
        Ok(self.number(COPY_MAX, "is not a number of bytes")?.unwrap_or(MOST_COPIED))
    }

    /// Returns the time for which a failing request is repeated.
    pub(crate) fn patience(&self) -> Result<Duration, ObjectError> {
        let seconds = self.number(PATIENCE, "is not a number of seconds up to 86400")?;
        match seconds.map(Duration::from_secs) {
            Some(time) if time > LONGEST_RETRY_TIME => {
                let what = "is not a number of seconds up to 86400";
                Err(ObjectError::Variable { name: PATIENCE.to_owned(), what })
            }
            time => Ok(time.unwrap_or(RETRY_TIME)),
        }
    }

    fn number(&self, name: &str, what: &'static str) -> Result<Option<u64>, ObjectError> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let refused = |_| ObjectError::Variable { name: name.to_owned(), what };
        text.parse().map(Some).map_err(refused)
    }

    /// Returns a client for a bucket, and one with few repetitions, for requests that not every store
    /// supports.
    pub(crate) fn clients(&self, bucket: &str) -> Result<(AmazonS3, AmazonS3), ObjectError> {
        Ok((self.client(bucket, RETRIES)?, self.client(bucket, FEW_RETRIES)?))
    }

    fn client(&self, bucket: &str, retries: usize) -> Result<AmazonS3, ObjectError> {
        // A process has only one provider; if another one is installed already, it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.0 {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        if !self.0.contains_key(COPY_CONDITION) {
            let condition = S3CopyIfNotExists::Header("if-none-match".to_owned(), "*".to_owned());
            builder = builder.with_copy_if_not_exists(condition);
        }
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT)
            .with_allow_http(environment::allows_http(&self.0));
        let backoff =
            BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: PAUSE_FACTOR };
        let retry = RetryConfig { backoff, max_retries: retries, retry_timeout: self.patience()? };
        // One object a request: a store that refuses a deletion reports the bulk form as done.
        let builder = builder.with_bucket_name(bucket).with_disable_bulk_delete(true);
        let built = builder.with_client_options(client).with_retry(retry).build();
        built.map_err(|error| ObjectError::Settings { what: crate::answer::reason(&error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, ObjectError> {
        Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn without_credentials_there_is_no_store() {
        assert!(matches!(settings(&[]), Err(ObjectError::NoCredentials)));
        assert!(matches!(settings(&[("AWS_ACCESS_KEY_ID", "a")]), Err(ObjectError::NoCredentials)));
        assert!(settings(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]).is_ok());
    }

    #[test]
    fn what_a_store_copies_can_be_told() {
        let with = |value: &str| {
            let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), (COPY_MAX, value)];
            settings(&keys).unwrap().most_copied()
        };
        assert_eq!((with("").unwrap(), with("1000").unwrap()), (5 << 30, 1_000));
        for wrong in ["-1", "5G", "1e9"] {
            assert!(matches!(with(wrong), Err(ObjectError::Variable { .. })), "{wrong}");
        }
    }

    #[test]
    fn requests_are_repeated_for_three_minutes_or_as_long_as_is_said() {
        let with = |value: &str| {
            let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), (PATIENCE, value)];
            settings(&keys).unwrap().patience()
        };
        assert_eq!((with("").unwrap().as_secs(), with("7").unwrap().as_secs()), (180, 7));
        for wrong in ["-1", "3m", "86401", "18446744073709551616"] {
            assert!(matches!(with(wrong), Err(ObjectError::Variable { .. })), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let both = [("AWS_ACCESS_KEY_ID", "first-secret"), ("AWS_SECRET_ACCESS_KEY", "second-secret")];
        let shown = format!("{:?}", settings(&both).unwrap());
        assert!(shown.contains("AWS_ACCESS_KEY_ID") && !shown.contains("secret\""), "{shown}");
        assert!(!shown.contains("first-secret") && !shown.contains("second-secret"), "{shown}");
    }
}
