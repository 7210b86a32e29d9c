//! What a guardian says of itself, signed: its addresses, among other things. Servers since v0.11 have it.
//!
//! Source: fedimint-core 0.13.0, src/net/guardian_metadata.rs.

use fm_crypto::{BroadcastKey, is_signed_by};
use fm_history::sha256;
use serde::Deserialize;
use serde_json::Value;

use crate::announcement::is_an_address;

/// The prefix of the signed bytes.
const TAG: &[u8] = b"fedimint-guardian-metadata";

/// The number of addresses of a guardian that are tried.
const MOST_URLS: usize = 4;

/// The part of the signed text that matters here.
#[derive(Deserialize)]
struct Content {
    api_urls: Vec<String>,
    timestamp_secs: u64,
}

/// The addresses that a guardian states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatedAddresses {
    /// Addresses that can be dialled, the preferred one first.
    pub(crate) urls: Vec<String>,
    /// When the guardian signed this, in seconds since 1970: a later statement replaces an earlier one.
    pub(crate) time: u64,
}

impl StatedAddresses {
    /// Reads what a guardian states, as the interface has it; `None` if the guardian with this key did not
    /// sign it.
    pub(crate) fn read(signed: &Value, key: &BroadcastKey) -> Option<Self> {
        let text = signed["content"].as_str()?;
        let mut signature = [0; 64];
        hex::decode_to_slice(signed["signature"].as_str()?, &mut signature).ok()?;
        let message = sha256(&[TAG, text.as_bytes()]).0;
        if !is_signed_by(key, &message, &signature) {
            return None;
        }
        let Content { api_urls, timestamp_secs } = serde_json::from_str(text).ok()?;
        let urls = api_urls.into_iter().filter(|url| is_an_address(url)).take(MOST_URLS).collect();
        Some(Self { urls, time: timestamp_secs })
    }
}

#[cfg(test)]
mod tests {
    use fm_crypto::SigningKey;
    use serde_json::json;

    use super::*;

    fn signed(text: &str, key: &SigningKey) -> Value {
        let signature = key.sign(&sha256(&[TAG, text.as_bytes()]).0);
        json!({ "content": text, "signature": hex::encode(signature) })
    }

    #[test]
    fn only_what_the_guardian_signed_is_believed() {
        let [own, other] = [1, 2].map(|byte| SigningKey::from_bytes([byte; 32]).unwrap());
        let key = own.public_key();
        let text = r#"{"api_urls":["wss://new.example/","iroh://aa","javascript:1"],"pkarr_id_z32":"y","timestamp_secs":9}"#;
        let expected = StatedAddresses { urls: vec!["wss://new.example/".to_owned()], time: 9 };
        let value = signed(text, &own);
        assert_eq!(StatedAddresses::read(&value, &key), Some(expected));
        assert_eq!(StatedAddresses::read(&signed(text, &other), &key), None);
        let changed = json!({ "content": text.replace("new", "old"), "signature": value["signature"] });
        assert_eq!(StatedAddresses::read(&changed, &key), None);
        for bad in
            [json!(null), json!({}), json!({ "content": text }), signed("{}", &own), signed("no", &own)]
        {
            assert_eq!(StatedAddresses::read(&bad, &key), None, "{bad}");
        }
    }
}
