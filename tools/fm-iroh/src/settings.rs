//! What the user says about iroh, in variables that the programs of fedimint have as well.
//!
//! Source: fedimint-core 0.13.0, src/envs.rs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use fm_client::iroh_key;
use url::Url;

/// `KEY=ADDRESS:PORT,…`: where guardians are, in place of a lookup.
const ADDRESSES: &str = "FM_IROH_CONNECT_OVERRIDES_PLAIN";
/// The URL of a directory in which addresses are looked up as well.
const DIRECTORY: &str = "FM_IROH_DNS";
/// Whether addresses are looked up by DNS in iroh's own directory.
const BY_DNS: &str = "FM_IROH_N0_DISCOVERY_ENABLE";
/// Whether addresses are looked up by HTTPS in iroh's own directory.
const BY_HTTPS: &str = "FM_IROH_PKARR_RESOLVER_ENABLE";

/// A key that an endpoint proves to have.
pub(crate) type Key = [u8; 32];

/// How guardians are found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Addresses of endpoints that are known.
    pub(crate) addresses: BTreeMap<Key, Vec<SocketAddr>>,
    /// The user's own directory.
    pub(crate) directory: Option<Url>,
    pub(crate) by_dns: bool,
    pub(crate) by_https: bool,
}

/// Why a variable is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{name} has {entry:?}, which is not a key of 64 hex digits, =, and an address with a port")]
    Address { name: &'static str, entry: String },
    #[error("{name} is {value:?}, which is not the URL of a directory")]
    Directory { name: &'static str, value: String },
    #[error("{name} is {value:?}, and true or false is wanted")]
    Switch { name: &'static str, value: String },
}

impl Settings {
    /// Reads the variables; an empty one counts as missing.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let directory = variable(DIRECTORY).map(directory).transpose()?;
        let is_on = |name| variable(name).map_or(Ok(true), |value| switch(name, value));
        Ok(Self {
            addresses: addresses(&variable(ADDRESSES).unwrap_or_default())?,
            directory,
            by_dns: is_on(BY_DNS)?,
            by_https: is_on(BY_HTTPS)?,
        })
    }
}

fn addresses(text: &str) -> Result<BTreeMap<Key, Vec<SocketAddr>>, SettingsError> {
    let mut addresses: BTreeMap<Key, Vec<SocketAddr>> = BTreeMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let read = entry.split_once('=').and_then(|(key, address)| {
            Some((iroh_key(&format!("iroh://{}", key.trim()))?, address.trim().parse().ok()?))
        });
        let (key, address) =
            read.ok_or_else(|| SettingsError::Address { name: ADDRESSES, entry: entry.to_owned() })?;
        addresses.entry(key).or_default().push(address);
    }
    Ok(addresses)
}

fn directory(value: String) -> Result<Url, SettingsError> {
    let url = Url::parse(&value).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    url.ok_or(SettingsError::Directory { name: DIRECTORY, value })
}

fn switch(name: &'static str, value: String) -> Result<bool, SettingsError> {
    match value.trim() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(SettingsError::Switch { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let of = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        Settings::read(|name| of(name).map(str::to_owned))
    }

    #[test]
    fn guardians_are_looked_up_unless_the_user_says_otherwise() {
        let settings = read(&[(ADDRESSES, ""), (BY_DNS, " ")]).expect("nothing is wrong");
        let nothing = Settings { addresses: BTreeMap::new(), directory: None, by_dns: true, by_https: true };
        assert_eq!(settings, nothing);
        let settings = read(&[(BY_DNS, "false"), (BY_HTTPS, "0"), (DIRECTORY, "http://127.0.0.1:1/")]);
        let settings = settings.expect("nothing is wrong");
        assert!(!settings.by_dns && !settings.by_https);
        assert_eq!(settings.directory.map(|url| url.to_string()).as_deref(), Some("http://127.0.0.1:1/"));
    }

    #[test]
    fn addresses_are_read_strictly() {
        let (one, other) = ("0a".repeat(32), "0b".repeat(32));
        let text = format!("{one}=127.0.0.1:1, {other}=[::1]:2,{one}=127.0.0.1:3,");
        let found = addresses(&text).expect("nothing is wrong");
        assert_eq!(found[&[10; 32]].len(), 2);
        assert_eq!(found[&[11; 32]], ["[::1]:2".parse().expect("an address")]);
        for bad in [one.clone(), format!("{one}=127.0.0.1"), format!("x{one}=127.0.0.1:1"), "=".to_owned()] {
            assert!(matches!(addresses(&bad), Err(SettingsError::Address { .. })), "{bad}");
        }
        assert!(matches!(read(&[(DIRECTORY, "file:///x")]), Err(SettingsError::Directory { .. })));
        assert!(matches!(read(&[(BY_DNS, "yes")]), Err(SettingsError::Switch { .. })));
    }
}
