//! Checks the values of variables and profiles before the library sees them. The library ends the process if
//! a key contains a line feed, or an address has no scheme.
//!
//! Invariant: a message names the variable, never its value.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::ObjectError;

/// Variables that contain an address.
const ADDRESSES: [&str; 6] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_METADATA_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];
/// The variables among them with the address of the store itself.
const STORES: [&str; 3] = ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
/// Variables that contain a region.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// The path of a container's credentials; it becomes part of an address.
const CONTAINER_PATH: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

/// Returns whether an address without TLS is accepted.
pub(crate) fn allows_http(settings: &BTreeMap<String, String>) -> bool {
    settings.get("AWS_ALLOW_HTTP").is_some_and(|value| value == "true" || value == "1")
}

/// Refuses values that no store or library accepts.
pub(crate) fn check(settings: &BTreeMap<String, String>) -> Result<(), ObjectError> {
    let refuse = |name: &str, what| Err(ObjectError::Variable { name: name.to_owned(), what });
    for (name, value) in settings.iter().filter(|(name, _)| name.starts_with("AWS_")) {
        if let Some(what) = unfit(name, value) {
            return refuse(name, what);
        }
        if STORES.contains(&name.as_str()) && is_plain(value) && !allows_http(settings) {
            return Err(ObjectError::Plain { name: name.clone() });
        }
    }
    Ok(())
}

fn is_plain(address: &str) -> bool {
    address.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"))
}

/// Describes what is wrong with a value, if anything.
fn unfit(name: &str, value: &str) -> Option<&'static str> {
    if value.chars().any(char::is_control) {
        return Some("holds a line feed or another control character");
    }
    // Names of files and profiles may contain any character of the system.
    let is_name = ["_FILE", "AWS_PROFILE"].iter().any(|end| name.ends_with(end));
    if is_name {
        return None;
    }
    if !value.is_ascii() {
        return Some("holds a character that is not ASCII");
    }
    if value != value.trim() {
        return Some("begins or ends with a blank");
    }
    let is_region_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    match name {
        _ if ADDRESSES.contains(&name) => unfit_address(value),
        _ if REGIONS.contains(&name) && !value.chars().all(is_region_char) => {
            Some("is not a region: small letters, digits and hyphens, like eu-central-1")
        }
        CONTAINER_PATH if !value.starts_with('/') => Some("is not a path that begins with a slash"),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" | "AWS_TOKEN" => {
            value.contains(' ').then_some("holds a blank")
        }
        _ => None,
    }
}

fn unfit_address(value: &str) -> Option<&'static str> {
    const FORM: &str = "is not an address: https://host, with :port if it is not 443";
    let Ok(url) = Url::parse(value) else { return Some(FORM) };
    // A host without a scheme, as in `host:9000`, would be read as a scheme of that name.
    let is_web = matches!(url.scheme(), "http" | "https") && value.contains("://");
    if !is_web || url.host_str().is_none_or(str::is_empty) {
        return Some(FORM);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds a user or a password: credentials have variables of their own");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("holds a `?` or a `#`: give the address of the store alone");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, value: &str) -> Option<String> {
        let settings = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let error = check(&settings).err()?.to_string();
        // The only value that also occurs in the description of the expected form.
        let is_repeated = value != "https://" && error.contains(value);
        assert!(!is_repeated && error.contains(name), "{name}={value:?}: {error}");
        Some(error)
    }

    #[test]
    fn what_ends_a_library_is_refused_by_name() {
        for (name, value) in [
            ("AWS_ENDPOINT_URL", "127.0.0.1:9000"),
            ("AWS_ENDPOINT_URL", "localhost:9000"),
            ("AWS_ENDPOINT_URL", "https:host"),
            ("AWS_ENDPOINT_URL", "https://"),
            ("AWS_ENDPOINT_URL", "https://host:99999"),
            ("AWS_ENDPOINT_URL", "https://[::1"),
            ("AWS_ENDPOINT_URL_S3", "https://ho st"),
            ("AWS_ENDPOINT_URL", "ftp://host"),
            ("AWS_ENDPOINT_URL", "https://user:word@host"),
            ("AWS_ENDPOINT_URL", "https://host/?a=b"),
            ("AWS_ENDPOINT_URL_STS", "sts"),
            ("AWS_METADATA_ENDPOINT", "metadata"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "creds"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@host"),
            ("AWS_ACCESS_KEY_ID", "key\n"),
            ("AWS_ACCESS_KEY_ID", " key"),
            ("AWS_SECRET_ACCESS_KEY", "one\r\ntwo"),
            ("AWS_SECRET_ACCESS_KEY", "one two"),
            ("AWS_SESSION_TOKEN", "tok\u{7f}en"),
            ("AWS_SESSION_TOKEN", "tök"),
            ("AWS_REGION", "eu-central-1\n"),
            ("AWS_REGION", "eu/central"),
            ("AWS_DEFAULT_REGION", "EU WEST"),
            ("AWS_SSE_KMS_KEY_ID", "a\nb"),
            ("AWS_PROFILE", "a\nb"),
        ] {
            assert!(said(name, value).is_some(), "{name}={value:?}");
        }
    }

    #[test]
    fn what_stores_take_is_taken() {
        for (name, value) in [
            ("AWS_ENDPOINT_URL", "https://host"),
            ("AWS_ENDPOINT_URL", "HTTPS://host:9000/path/"),
            ("AWS_ENDPOINT_URL", "https://[::1]:9000"),
            ("AWS_METADATA_ENDPOINT", "http://169.254.169.254"),
            ("AWS_SECRET_ACCESS_KEY", "a/b+c=d"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_PROFILE", "my night job"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/tökens/aws"),
        ] {
            assert_eq!(said(name, value), None, "{name}={value:?}");
        }
    }

    #[test]
    fn without_tls_only_if_it_is_allowed() {
        let mut settings = BTreeMap::from([("AWS_ENDPOINT_URL".to_owned(), "HTTP://host".to_owned())]);
        let error = check(&settings).unwrap_err();
        assert!(matches!(error, ObjectError::Plain { .. }) && error.to_string().contains("AWS_ALLOW_HTTP"));
        for (value, is_fit) in [("false", false), ("true", true), ("1", true)] {
            settings.insert("AWS_ALLOW_HTTP".to_owned(), value.to_owned());
            assert_eq!(check(&settings).is_ok(), is_fit, "{value}");
        }
    }
}
