//! Invite codes, with which a client finds the guardians of a federation.
//!
//! Three forms are in use: Bech32m of a list of parts (since v0.2), the same list in base32 after the word
//! `fedimint` (read since v0.10), and Bech32m of fixed fields (v0.1). Source: fedimint-core 0.13.0,
//! src/invite_code.rs and src/base32.rs.
//!
//! Invariants: a code is read whole or refused; a length is used only after it was checked against what
//! remains. A code proves nothing: its author chose the addresses and the federation's id.

use std::collections::BTreeMap;

use bech32::{FromBase32, ToBase32, Variant};
use fm_codec::{DecodeError, DecodeErrorKind, Dialect, PeerId, Reader, Writer};

/// The human-readable part of a code in Bech32m. Source: fedimint-core 0.13.0, src/invite_code.rs.
const BECH32_PREFIX: &str = "fed1";
/// The digits of Bech32m, and how many of them are the checksum. Source: BIP 350.
const BECH32_DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_DIGITS: usize = 6;
/// The beginning of a code in base32. Source: fedimint-core 0.13.0, src/base32.rs.
const BASE32_PREFIX: &str = "fedimint";
/// The digits of base32, five bits each, the lowest bits of the bytes first.
const BASE32_DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// The longest code that is read, in bytes: hundreds of addresses.
const MAX_CODE_BYTES: usize = 64 << 10;

/// The numbers of the known parts.
const ADDRESS: u64 = 0;
const FEDERATION: u64 = 1;
const API_SECRET: u64 = 2;

/// Bytes of the download token at the end of a code of v0.1.
const TOKEN_BYTES: usize = 12;

/// What an invite code says.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteCode {
    /// The addresses of the guardians that the code names. A code of v0.1 names one without its number, which
    /// is 0 here.
    pub addresses: BTreeMap<PeerId, String>,
    /// The federation's id: 32 bytes, or 48 bytes in a code of v0.1.
    pub federation: Vec<u8>,
    /// The secret of the guardians' interfaces, if they have one.
    pub api_secret: Option<String>,
}

/// Leaves the secret out.
impl std::fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InviteCode")
            .field("addresses", &self.addresses)
            .field("federation", &hex::encode(&self.federation))
            .finish_non_exhaustive()
    }
}

/// Why a text is not an invite code.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// It begins like no code.
    #[error("an invite code begins with fed11 or fedimint")]
    OtherText,
    /// It is longer than any code.
    #[error("it is longer than any invite code")]
    TooLong,
    /// Its characters or its checksum are wrong.
    #[error("the invite code was changed or cut: its checksum does not match")]
    Checksum(#[source] bech32::Error),
    /// A character that base32 does not have.
    #[error("the invite code has a character that such codes do not have, at position {position}")]
    Digit {
        /// From 0.
        position: usize,
    },
    /// Its contents are not those of an invite code.
    #[error("the invite code cannot be read")]
    Content(#[source] DecodeError),
    /// It names no guardian.
    #[error("the invite code names no guardian")]
    NoAddress,
    /// It names no federation.
    #[error("the invite code names no federation")]
    NoFederation,
}

impl InviteCode {
    /// Returns whether a text is meant to be an invite code.
    pub fn is_one(text: &str) -> bool {
        let begins =
            |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        begins("fed11") || begins(BASE32_PREFIX)
    }

    /// Reads a code.
    ///
    /// # Errors
    /// If it is not an invite code, or was changed.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        if text.len() > MAX_CODE_BYTES {
            return Err(InviteError::TooLong);
        }
        let begins = text.get(..BASE32_PREFIX.len());
        if begins.is_some_and(|start| start.eq_ignore_ascii_case(BASE32_PREFIX)) {
            return Self::of_parts(&base32(&text[BASE32_PREFIX.len()..])?);
        }
        let bytes = bech32m(text)?;
        match (Self::of_parts(&bytes), Self::of_first_version(&bytes)) {
            (Err(_), Ok(old)) => Ok(old),
            (code, _) => code,
        }
    }

    /// Returns the code in Bech32m, as a list of parts.
    pub fn encode(&self) -> String {
        let mut parts = Vec::new();
        for (peer, url) in &self.addresses {
            let mut body = Writer::new(Dialect::MODERN);
            body.text(url);
            body.u16(*peer);
            parts.push((ADDRESS, body.into_bytes()));
        }
        parts.push((FEDERATION, self.federation.clone()));
        if let Some(secret) = &self.api_secret {
            let mut body = Writer::new(Dialect::MODERN);
            body.text(secret);
            parts.push((API_SECRET, body.into_bytes()));
        }
        let mut payload = Writer::new(Dialect::MODERN);
        payload.list(parts.iter(), |payload, (part, body)| {
            payload.u64(*part);
            payload.bytes(body);
        });
        bech32::encode(BECH32_PREFIX, payload.as_bytes().to_base32(), Variant::Bech32m)
            .expect("the prefix is one that Bech32m may have")
    }

    fn of_parts(bytes: &[u8]) -> Result<Self, InviteError> {
        let (mut addresses, mut federation, mut api_secret) = (BTreeMap::new(), None, None);
        each_part(bytes, |part, body| {
            let mut body = Reader::new(body, Dialect::MODERN);
            match part {
                ADDRESS => {
                    let url = body.text()?;
                    addresses.insert(body.u16()?, url);
                }
                FEDERATION => federation = Some(body.array::<32>()?.to_vec()),
                API_SECRET => api_secret = Some(body.text()?),
                _ => return Ok(()),
            }
            body.finish()
        })
        .map_err(InviteError::Content)?;
        if addresses.is_empty() {
            return Err(InviteError::NoAddress);
        }
        let federation = federation.ok_or(InviteError::NoFederation)?;
        Ok(Self { addresses, federation, api_secret })
    }

    /// Reads the fields of a code of v0.1: the federation's key, an address, and a token.
    fn of_first_version(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes, Dialect::MODERN);
        let federation = reader.array::<48>()?.to_vec();
        let length = u16::from_be_bytes(reader.array()?);
        let start = reader.position();
        let url = std::str::from_utf8(reader.take(usize::from(length))?)
            .map_err(|_| DecodeError { offset: start, kind: DecodeErrorKind::NotUtf8 })?;
        let addresses = BTreeMap::from([(0, url.to_owned())]);
        reader.take(TOKEN_BYTES)?;
        reader.finish()?;
        Ok(Self { addresses, federation, api_secret: None })
    }
}

/// Returns the secret in a federation's invite code, whatever else is wrong with the code; `None` if it has
/// none, or the text is not an invite code.
pub fn api_secret_of(code: &str) -> Option<String> {
    let bytes = match code.get(..BASE32_PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(BASE32_PREFIX) => {
            base32(&code[BASE32_PREFIX.len()..]).ok()?
        }
        _ => unchecked(code)?,
    };
    let mut secret = None;
    // A damaged part may follow the secret.
    let _ = each_part(&bytes, |part, body| {
        if part == API_SECRET && secret.is_none() {
            secret = Some(Reader::new(body, Dialect::MODERN).text()?);
        }
        Ok(())
    });
    secret
}

fn each_part(
    bytes: &[u8],
    mut on_part: impl FnMut(u64, &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes, Dialect::MODERN);
    // A part has at least its number and a length.
    for _ in 0..reader.count(2)? {
        let part = reader.u64()?;
        on_part(part, reader.bytes()?)?;
    }
    reader.finish()
}

fn bech32m(text: &str) -> Result<Vec<u8>, InviteError> {
    if !InviteCode::is_one(text) {
        return Err(InviteError::OtherText);
    }
    let (prefix, digits, variant) = bech32::decode(text).map_err(InviteError::Checksum)?;
    if prefix != BECH32_PREFIX {
        return Err(InviteError::OtherText);
    }
    if variant != Variant::Bech32m {
        return Err(InviteError::Checksum(bech32::Error::InvalidChecksum));
    }
    Vec::from_base32(&digits).map_err(InviteError::Checksum)
}

/// Returns the bytes of a text in Bech32m, whatever its checksum is.
fn unchecked(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(BECH32_PREFIX)?.strip_prefix('1')?.as_bytes();
    let digits = &digits[..digits.len().checked_sub(CHECKSUM_DIGITS)?];
    let (mut bytes, mut held, mut count) = (Vec::with_capacity(digits.len()), 0_u32, 0);
    for digit in digits {
        let digit = digit.to_ascii_lowercase();
        let value = BECH32_DIGITS.iter().position(|known| *known == digit)?;
        held = ((held << 5) | u32::try_from(value).ok()?) & 0xffff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(low_byte(held >> count));
        }
    }
    Some(bytes)
}

/// Decodes base32 as Fedimint writes it: digits of five bits, the lowest bits of the bytes first. The last
/// digit may have unused bits, which are ignored as upstream does.
fn base32(text: &str) -> Result<Vec<u8>, InviteError> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8 + 1);
    let (mut held, mut count) = (0_u32, 0);
    for (position, digit) in text.bytes().enumerate() {
        let digit = digit.to_ascii_lowercase();
        let value = BASE32_DIGITS.iter().position(|known| *known == digit);
        let value = value.and_then(|value| u32::try_from(value).ok());
        held |= value.ok_or(InviteError::Digit { position: position + BASE32_PREFIX.len() })? << count;
        count += 5;
        if count >= 8 {
            bytes.push(low_byte(held));
            held >>= 8;
            count -= 8;
        }
    }
    Ok(bytes)
}

fn low_byte(bits: u32) -> u8 {
    bits.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(parts: &[(u64, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.list(parts.iter(), |writer, (part, body)| {
            writer.u64(*part);
            writer.bytes(body);
        });
        writer.into_bytes()
    }

    fn in_bech32m(payload: &[u8]) -> String {
        bech32::encode(BECH32_PREFIX, payload.to_base32(), Variant::Bech32m).unwrap()
    }

    fn in_base32(payload: &[u8]) -> String {
        let bits: Vec<u8> = payload.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).collect();
        let digit = |bits: &[u8]| bits.iter().rev().fold(0, |value, bit| value << 1 | bit);
        let digits = bits.chunks(5).map(|bits| char::from(BASE32_DIGITS[usize::from(digit(bits))]));
        format!("{BASE32_PREFIX}{}", digits.collect::<String>())
    }

    const API: (u64, &[u8]) = (0, b"\x0aws://host/\x03");
    const ID: (u64, &[u8]) = (1, &[7; 32]);
    const SECRET: (u64, &[u8]) = (2, b"\x07hunter2");
    const LATER: (u64, &[u8]) = (9, b"whatever comes");

    #[test]
    fn a_public_code_is_read() {
        let text = "fed11qgqpu8rhwden5te0vejkg6tdd9h8gepwd4cxcumxv4jzuen0duhsqqfqh6nl7sgk72caxfx8khtfnn8y436q3nhyrkev3qp8ugdhdllnh86qmp42pm";
        for text in [text.to_owned(), text.to_uppercase()] {
            let code = InviteCode::parse(&text).unwrap();
            assert_eq!(code.encode(), text.to_lowercase());
            assert_eq!(code.addresses, BTreeMap::from([(0, "wss://fedimintd.mplsfed.foo/".to_owned())]));
            let id = "bea7ff4116f2b1d324c7b5d699cce4ac7408cee41db2c88027e21b76fff3b9f4";
            assert_eq!((hex::encode(&code.federation), &code.api_secret), (id.to_owned(), &None));
        }
        for position in 5..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[position] = if changed[position] == b'q' { b'p' } else { b'q' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(matches!(InviteCode::parse(&changed), Err(InviteError::Checksum(_))), "{position}");
        }
    }

    #[test]
    fn both_encodings_say_the_same() {
        for parts in [&[API, ID][..], &[API, ID, SECRET], &[LATER, ID, SECRET, API]] {
            let payload = payload(parts);
            let code = InviteCode::parse(&in_bech32m(&payload)).unwrap();
            let in_base32 = in_base32(&payload);
            assert_eq!(InviteCode::parse(&in_base32).unwrap(), code);
            assert_eq!(InviteCode::parse(&code.encode()).unwrap(), code);
            assert_eq!(InviteCode::parse(&in_base32.to_uppercase()).unwrap(), code);
            assert_eq!(code.addresses, BTreeMap::from([(3, "ws://host/".to_owned())]));
            let secret = parts.contains(&SECRET).then(|| "hunter2".to_owned());
            assert_eq!(code.api_secret, secret);
            assert!(!format!("{code:?}").contains("hunter2"));
            for text in [in_bech32m(&payload), in_base32] {
                assert_eq!(api_secret_of(&text), secret);
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let of = |parts: &[(u64, &[u8])]| InviteCode::parse(&in_bech32m(&payload(parts)));
        assert!(matches!(of(&[ID]), Err(InviteError::NoAddress)));
        assert!(matches!(of(&[API]), Err(InviteError::NoFederation)));
        for (part, body) in
            [(0, &b"\x0aws://host/"[..]), (0, b"\x0bws://host/\x03"), (1, &[7; 31]), (1, &[7; 33])]
        {
            assert!(matches!(of(&[API, ID, (part, body)]), Err(InviteError::Content(_))), "{part} {body:?}");
        }
        let whole = payload(&[API, ID]);
        for length in 0..whole.len() {
            assert!(InviteCode::parse(&in_bech32m(&whole[..length])).is_err(), "{length}");
            assert!(InviteCode::parse(&in_base32(&whole[..length])).is_err(), "{length}");
        }
        let trailing: Vec<u8> = whole.iter().copied().chain([0]).collect();
        assert!(InviteCode::parse(&in_bech32m(&trailing)).is_err());
        let other = bech32::encode("bc", whole.to_base32(), Variant::Bech32m).unwrap();
        let older = bech32::encode(BECH32_PREFIX, whole.to_base32(), Variant::Bech32).unwrap();
        for text in
            ["", "fed1", "fed11", "fedimint", "fedimint!", "é", "fed11é", "fedimintwxyz", &other, &older]
        {
            assert!(InviteCode::parse(text).is_err(), "{text}");
        }
        let long = format!("fed11{}", "q".repeat(MAX_CODE_BYTES));
        assert!(matches!(InviteCode::parse(&long), Err(InviteError::TooLong)));
    }

    #[test]
    fn codes_of_real_guardians_are_read() {
        for (home, bytes, host) in [
            ("session-v0.13.0/peer-0", 32, "ws://127.0.0.1:28501/"),
            ("session-v0.5.0/peer-0", 32, "ws://127.0.0.1:"),
            ("hbbft-v0.1.5/peer-0", 48, "ws://127.0.0.1:"),
        ] {
            let path = format!("{}/../../fixtures/{home}/invite-code", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let code = InviteCode::parse(text.trim()).unwrap();
            assert_eq!((code.federation.len(), api_secret_of(text.trim())), (bytes, None), "{home}");
            assert!(code.addresses[&0].starts_with(host), "{home}: {code:?}");
        }
    }

    #[test]
    fn the_secret_of_a_damaged_code_is_read() {
        let whole = in_bech32m(&payload(&[API, ID, SECRET]));
        let damaged = format!("{}qqqqqq", &whole[..whole.len() - CHECKSUM_DIGITS]);
        assert_eq!(api_secret_of(&damaged).as_deref(), Some("hunter2"));
        assert_eq!(api_secret_of(&in_bech32m(&payload(&[(2, b"\x09hunter2")]))), None);
        for length in 0..whole.len() {
            let _ = api_secret_of(&whole[..length]);
        }
        for text in ["", "fed11", "fed11qqqqqq", "fed11!!!!!!!!!!", "lnurl1qqqqqqqqq", "fed11é"] {
            assert_eq!(api_secret_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(fed1|fedimint|)[0-9a-zA-Zé]{0,200}") {
            let _ = InviteCode::parse(&text);
            let _ = api_secret_of(&text);
        }

        #[test]
        fn no_payload_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = InviteCode::parse(&in_bech32m(&payload));
            let _ = InviteCode::parse(&in_base32(&payload));
        }
    }
}
