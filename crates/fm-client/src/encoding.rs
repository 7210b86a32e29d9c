//! Encoded values in the JSON of the interface: a list of one text, the hex of a length and the bytes that
//! follow it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fm_codec::{DecodeError, Dialect, Reader, Writer};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Returns encoded bytes in their wrapper.
pub fn wrap_bytes(bytes: &[u8]) -> Value {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.bytes(bytes);
    json!([hex::encode(writer.as_bytes())])
}

/// Returns encoded bytes in the wrapper of the methods since v0.6, in Base64 for URLs without padding.
pub fn wrap_base64(bytes: &[u8]) -> Value {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.bytes(bytes);
    json!([URL_SAFE_NO_PAD.encode(writer.as_bytes())])
}

/// Returns the bytes in a wrapper; `None` if it is not one.
pub fn unwrap_bytes(value: &Value) -> Option<Vec<u8>> {
    Wrapped::deserialize(value).ok().map(|wrapped| wrapped.0)
}

/// The bytes in a wrapper, read from the text of an answer without a second copy of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrapped(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Wrapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Wrapped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of one text, the hex of bytes after their length")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Wrapped, A::Error> {
                let Hex(bytes) = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                match list.next_element::<Hex>()? {
                    None => Ok(Wrapped(bytes)),
                    Some(_) => Err(A::Error::invalid_length(2, &self)),
                }
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Returns the bytes in the wrapper of the methods since v0.6; `None` if it is not one.
pub fn unwrap_base64(value: &Value) -> Option<Vec<u8>> {
    WrappedBase64::deserialize(value).ok().map(|wrapped| wrapped.0)
}

/// Encoded bytes in a list of one text, in Base64 for URLs without padding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrappedBase64(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for WrappedBase64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text,) = <(String,)>::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        without_length(bytes).map(Self).map_err(D::Error::custom)
    }
}

/// The bytes of an epoch in a list of one: the hex of a length and the bytes that follow it, or, as the first
/// servers wrote it, a list of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrappedEpoch(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for WrappedEpoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Hex((String,)),
            Bytes((Vec<u8>,)),
        }
        match Form::deserialize(deserializer)? {
            Form::Bytes((bytes,)) => Ok(Self(bytes)),
            Form::Hex((text,)) => {
                let bytes = hex::decode(text).map_err(D::Error::custom)?;
                without_length(bytes).map(Self).map_err(D::Error::custom)
            }
        }
    }
}

/// Returns the bytes that follow their length.
fn without_length(mut bytes: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
    let mut reader = Reader::new(&bytes, Dialect::MODERN);
    let inner = reader.bytes()?.len();
    reader.finish()?;
    // The bytes are at the end; what precedes them is their length.
    bytes.drain(..bytes.len() - inner);
    Ok(bytes)
}

/// The bytes after the length in a text of hex.
struct Hex(Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Hex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the hex of bytes after their length")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Hex, E> {
                let bytes = hex::decode(text).map_err(E::custom)?;
                without_length(bytes).map(Hex).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_is_unwrapped() {
        for length in [0, 1, 252, 253, 70_000] {
            let bytes = vec![7; length];
            assert_eq!(unwrap_bytes(&wrap_bytes(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn only_wrapped_bytes_are_unwrapped() {
        assert_eq!(unwrap_bytes(&json!(["02abcd"])), Some(vec![0xAB, 0xCD]));
        assert_eq!(unwrap_bytes(&json!(["00"])), Some(Vec::new()));
        for value in [
            json!("00"),
            json!([]),
            json!(["0"]),
            json!(["01"]),
            json!(["0001"]),
            json!(["00", "00"]),
            json!([0]),
        ] {
            assert_eq!(unwrap_bytes(&value), None, "{value}");
        }
    }

    #[test]
    fn epochs_are_read_in_both_forms() {
        let read = |value: Value| WrappedEpoch::deserialize(&value).ok().map(|epoch| epoch.0);
        assert_eq!(read(json!(["02abcd"])), Some(vec![0xAB, 0xCD]));
        assert_eq!(read(json!([[0xAB, 0xCD]])), Some(vec![0xAB, 0xCD]));
        for bad in
            [json!("02abcd"), json!([]), json!(["02ab"]), json!([[256]]), json!([[1], [2]]), json!([7])]
        {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn base64_is_that_of_urls() {
        for (bytes, text) in
            [(&b""[..], "AA"), (b"f", "AWY"), (b"fo", "AmZv"), (&[0xFB, 0xFF, 0xFE], "A_v__g")]
        {
            assert_eq!(wrap_base64(bytes), json!([text]));
            assert_eq!(WrappedBase64::deserialize(&json!([text])).unwrap().0, bytes);
        }
        for bad in
            [json!("AA"), json!([]), json!(["AA", "AA"]), json!(["A"]), json!(["AWY="]), json!(["AmY"])]
        {
            assert!(WrappedBase64::deserialize(&bad).is_err(), "{bad}");
        }
    }
}
