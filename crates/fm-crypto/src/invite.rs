//! The invite code with which clients join a federation, as far as it holds a secret: that of the guardians'
//! interfaces.
//!
//! It is the Bech32m encoding of a list of parts, each with a number and a length. The checksum is not
//! verified, because nothing in the code is trusted. Invariant: a length is used only after it was checked
//! against what remains.

use fm_codec::{Dialect, Reader};

/// The digits of Bech32. Source: bech32 0.11.1, src/primitives/gf32.rs.
const DIGITS: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The beginning of such a text, including the separator. Source: fedimint-core 0.5.0, src/invite_code.rs.
const PREFIX: &str = "fed11";
/// The number of digits of the checksum. Source: bech32 0.11.1, src/primitives/mod.rs.
const CHECKSUM: usize = 6;
/// The number of the part that is the secret of the interfaces.
/// Source: fedimint-core 0.5.0, src/invite_code.rs.
const API_SECRET: u64 = 2;

/// Returns the secret in a federation's invite code; `None` if it has none, or the text is not an invite
/// code.
pub fn api_secret_of(code: &str) -> Option<String> {
    let digits = code.strip_prefix(PREFIX)?.as_bytes();
    let digits = &digits[..digits.len().checked_sub(CHECKSUM)?];
    let (mut bytes, mut held, mut count) = (Vec::with_capacity(digits.len()), 0u32, 0);
    for digit in digits {
        let place = DIGITS.iter().position(|other| *other == digit.to_ascii_lowercase())?;
        held = ((held << 5) | u32::try_from(place).ok()?) & 0xffff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((held >> count) & 0xff).ok()?);
        }
    }
    let mut reader = Reader::new(&bytes, Dialect::MODERN);
    for _ in 0..reader.u64().ok()? {
        let part = reader.u64().ok()?;
        let body = reader.bytes().ok()?;
        if part == API_SECRET {
            let mut body = Reader::new(body, Dialect::MODERN);
            return body.text().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use fm_codec::Writer;

    use super::*;

    /// Makes a code with these parts and a checksum of zeros.
    fn code(parts: &[(u64, &[u8])]) -> String {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.list(parts.iter(), |writer, (part, body)| {
            writer.u64(*part);
            writer.bytes(body);
        });
        let bits: Vec<u8> =
            writer.as_bytes().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let digit = |bits: &[u8]| {
            let value = (0..5).fold(0, |value, bit| value << 1 | bits.get(bit).copied().unwrap_or_default());
            char::from(DIGITS[usize::from(value)])
        };
        format!("fed11{}qqqqqq", bits.chunks(5).map(digit).collect::<String>())
    }

    #[test]
    fn the_secret_of_a_code_is_read() {
        let (api, id) = (&b"\x0aws://host/\x00"[..], &[7; 32][..]);
        assert_eq!(
            api_secret_of(&code(&[(0, api), (1, id), (2, b"\x07hunter2")])),
            Some("hunter2".to_owned())
        );
        assert_eq!(api_secret_of(&code(&[(0, api), (1, id)])), None);
        assert_eq!(api_secret_of(&code(&[(2, b"\x09hunter2")])), None, "a length beyond the end");
        let whole = code(&[(0, api), (2, b"\x07hunter2")]);
        for length in 0..whole.len() {
            let _ = api_secret_of(&whole[..length]);
        }
        for text in ["", "fed11", "fed11qqqqqq", "fed11!!!!!!!!!!", "lnurl1qqqqqqqqq", "fed11é"] {
            assert_eq!(api_secret_of(text), None, "{text}");
        }
    }

    #[test]
    fn codes_of_real_guardians_hold_none() {
        for home in ["session-v0.13.0/peer-0", "session-v0.5.0/peer-0", "hbbft-v0.1.5/peer-0"] {
            let path = format!("{}/../../fixtures/{home}/invite-code", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(api_secret_of(std::fs::read_to_string(path).unwrap().trim()), None, "{home}");
        }
    }
}
