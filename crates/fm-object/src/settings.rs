//! How a store is reached: address, region and credentials, from variables and from a profile of the AWS programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use thiserror::Error;

use crate::profile;

/// Longest time that a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for one request, with all that it carries: a part of 8 MiB over half a megabit.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(150);
/// How often a request is repeated, and for how long at most.
const RETRIES: usize = 8;
const RETRY_TIME: Duration = Duration::from_secs(180);
/// Pauses between repetitions: the first, the longest, and the factor between two.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const PAUSE_FACTOR: f64 = 2.0;
/// Credentials may also come from these, which the library asks by itself.
const OTHER_SOURCES: [&str; 4] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];

/// Size of the largest object that the store copies by one request, in bytes, if it is not [`MOST_COPIED`].
const COPY_MAX: &str = "FM_S3_COPY_MAX";
/// What Amazon's store copies, and most others.
const MOST_COPIED: u64 = 5 << 30;

/// Why an object cannot be reached.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The address is not one of an object.
    #[error("{text:?} is no address of an object: {what}")]
    Address {
        /// What was given.
        text: String,
        /// What is asked for.
        what: &'static str,
    },
    /// There is nothing to sign requests with.
    #[error(
        "no credentials for an object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )]
    NoCredentials,
    /// The profile is in neither file.
    #[error("there is no profile {name:?} in the configuration of the AWS programs")]
    NoProfile {
        /// Its name.
        name: String,
    },
    /// A file of profiles cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The settings do not fit together.
    #[error("the settings of the object store cannot be used: {what}")]
    Settings {
        /// Why not; no credential.
        what: String,
    },
}

/// Settings of stores, by the names of the usual variables (`AWS_…`) and one of ours.
#[derive(Clone)]
pub struct Settings(BTreeMap<String, String>);

impl fmt::Debug for Settings {
    /// The names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Settings {
    /// Takes the environment's variables; what they do not say comes from the profile that they name, or the usual one.
    ///
    /// # Errors
    /// If the files of profiles cannot be read, the named profile is in none of them, or there are no credentials.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ObjectError> {
        let is_ours = |name: &str| name.starts_with("AWS_") || name == "HOME" || name == COPY_MAX;
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, _)| is_ours(name)).collect();
        let mut all = if variables.contains_key("AWS_ACCESS_KEY_ID") && !variables.contains_key("AWS_PROFILE")
        {
            BTreeMap::new()
        } else {
            profile::read(&variables)?
        };
        all.extend(variables);
        let has = |name: &str| all.get(name).is_some_and(|value| !value.is_empty());
        let has_keys = has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY");
        if !has_keys && !OTHER_SOURCES.iter().any(|name| has(name)) {
            return Err(ObjectError::NoCredentials);
        }
        Ok(Self(all))
    }

    /// Size of the largest object that the store copies by one request, in bytes.
    pub(crate) fn most_copied(&self) -> Result<u64, ObjectError> {
        let Some(text) = self.0.get(COPY_MAX).filter(|text| !text.is_empty()) else { return Ok(MOST_COPIED) };
        text.parse().map_err(|_| ObjectError::Settings { what: format!("{COPY_MAX} is no number of bytes") })
    }

    /// A client for a bucket.
    pub(crate) fn client(&self, bucket: &str) -> Result<AmazonS3, ObjectError> {
        // A second provider cannot be chosen; whoever was first chose this one, too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.0 {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let allow_http = self.0.get("AWS_ALLOW_HTTP").is_some_and(|value| value == "true" || value == "1");
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT)
            .with_allow_http(allow_http);
        let backoff =
            BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: PAUSE_FACTOR };
        let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_TIME };
        let built = builder.with_bucket_name(bucket).with_client_options(client).with_retry(retry).build();
        built.map_err(|error| ObjectError::Settings { what: crate::client::reason(&error) })
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
            assert!(matches!(with(wrong), Err(ObjectError::Settings { .. })), "{wrong}");
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
