//! The guardians' signed announcements of new addresses of their interfaces.

use fm_codec::{DecodeError, Dialect, Reader, Writer};
use fm_crypto::{BroadcastKey, SigningKey, is_signed_by};
use fm_history::sha256;
use serde_json::{Value, json};

use crate::address::authority;

/// The prefix of the signed bytes. Source: fedimint-core 0.4.0, src/net/api_announcement.rs.
const TAG: &[u8] = b"fedimint-api-announcement";
/// The longest accepted address, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// An announcement that the interface of a guardian is at a new address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub url: String,
    /// The number of the announcement: a higher one replaces a lower one.
    pub nonce: u64,
    /// The guardian's signature.
    pub signature: [u8; 64],
}

impl Announcement {
    /// Makes an announcement.
    pub fn sign(url: String, nonce: u64, key: &SigningKey) -> Self {
        let signature = key.sign(&message(&url, nonce));
        Self { url, nonce, signature }
    }

    /// Reads the value of a row of the table of announcements.
    ///
    /// # Errors
    /// If it is not one.
    pub fn read(row: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(row, Dialect::MODERN);
        let read = Self { url: reader.text()?.to_owned(), nonce: reader.u64()?, signature: reader.array()? };
        reader.finish()?;
        Ok(read)
    }

    /// Returns the value of the row.
    pub fn to_row(&self) -> Vec<u8> {
        let mut row = signed_part(&self.url, self.nonce);
        row.raw(&self.signature);
        row.into_bytes()
    }

    /// Reads an announcement as the interface has it.
    pub fn from_json(value: &Value) -> Option<Self> {
        let announcement = &value["api_announcement"];
        let mut signature = [0; 64];
        hex::decode_to_slice(value["signature"].as_str()?, &mut signature).ok()?;
        let url = announcement["api_url"].as_str()?.to_owned();
        Some(Self { url, nonce: announcement["nonce"].as_u64()?, signature })
    }

    /// Returns an announcement as the interface has it.
    pub fn to_json(&self) -> Value {
        let announcement = json!({ "api_url": self.url, "nonce": self.nonce });
        json!({ "api_announcement": announcement, "signature": hex::encode(self.signature) })
    }

    /// Returns whether it announces an address that can be dialled.
    pub fn is_an_address(&self) -> bool {
        is_an_address(&self.url)
    }

    /// Returns whether the guardian with this key signed it.
    pub fn is_signed_by(&self, key: &BroadcastKey) -> bool {
        is_signed_by(key, &message(&self.url, self.nonce), &self.signature)
    }
}

/// Returns whether a text is an address of an interface that can be dialled.
pub(crate) fn is_an_address(url: &str) -> bool {
    url.len() <= MAX_URL_BYTES && authority(url, &["ws", "wss"], 443).is_some()
}

fn signed_part(url: &str, nonce: u64) -> Writer {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.text(url);
    writer.u64(nonce);
    writer
}

fn message(url: &str, nonce: u64) -> [u8; 32] {
    sha256(&[TAG, signed_part(url, nonce).as_bytes()]).0
}
