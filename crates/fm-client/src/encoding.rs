//! Encoded values in the JSON of the interface: a list of one text, the hex of the bytes behind their length.

use fm_codec::{Dialect, Reader, Writer};
use serde_json::{Value, json};

/// Encoded bytes in their wrapper.
pub fn wrap_bytes(bytes: &[u8]) -> Value {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.bytes(bytes);
    json!([hex::encode(writer.as_bytes())])
}

/// The bytes in a wrapper; none if it is not one.
pub fn unwrap_bytes(value: &Value) -> Option<Vec<u8>> {
    let [Value::String(text)] = value.as_array()?.as_slice() else { return None };
    let bytes = hex::decode(text).ok()?;
    let mut reader = Reader::new(&bytes, Dialect::MODERN);
    let inner = reader.bytes().ok()?.to_vec();
    reader.finish().ok()?;
    Some(inner)
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
}
