//! Opens a guardian's `private.encrypt` with its password.
//!
//! Layout: hex of nonce (12 bytes), ciphertext and tag (16 bytes) of ChaCha20-Poly1305 over a JSON text; the
//! key is Argon2id (version 0x13, two passes, one lane) of the password, salted with the text of
//! `private.salt` as it is. Invariants: what was decrypted is overwritten when it is dropped; an error
//! reveals nothing of it.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use zeroize::Zeroizing;

use crate::{NotASecretKey, SigningKey};

/// The memory of the key derivation in KiB: the setting of guardians, and that of test federations (the
/// minimum). Source: fedimint-aead 0.5.0, src/lib.rs, which takes both from argon2 0.5.3, src/params.rs.
const MEMORY_KIB: [u32; 2] = [19_456, 8];
/// The length of the nonce. Source: fedimint-aead 0.5.0, src/lib.rs; ring 0.17.14, src/aead/nonce.rs.
const NONCE_BYTES: usize = 12;

/// Why an encrypted private file cannot be opened.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The file's text is not hex.
    #[error("it is not hex")]
    Hex,
    /// The file is shorter than a nonce and a tag.
    #[error("it is too short")]
    TooShort,
    /// The key derivation does not accept the password and salt.
    #[error("the salt is not one: it has {bytes} bytes")]
    Salt { bytes: usize },
    /// Wrong password, or a damaged file: the two cases cannot be distinguished.
    #[error("wrong password, or the file or private.salt is damaged")]
    WrongPassword,
}

/// Opens `private.encrypt` and returns its JSON text.
///
/// `encrypted` and `salt` are the files' texts. Both settings of the key derivation are tried.
///
/// # Errors
/// If the file is malformed, or the password does not open it; see [`PrivateFileError`].
pub fn open_private_text(
    encrypted: &str,
    salt: &str,
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let sealed = hex::decode(encrypted.trim_ascii_end()).map_err(|_| PrivateFileError::Hex)?;
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(PrivateFileError::TooShort)?;
    for memory in MEMORY_KIB {
        let key = derive(password, salt, memory)?;
        let cipher = ChaCha20Poly1305::new(&Key::from(*key));
        if let Ok(text) = cipher.decrypt(&Nonce::from(*nonce), ciphertext) {
            return Ok(Zeroizing::new(text));
        }
    }
    Err(PrivateFileError::WrongPassword)
}

/// Makes the texts of a new `private.encrypt` and its `private.salt`.
///
/// # Errors
/// If the system provides no randomness.
pub fn seal_private_text(text: &[u8], password: &str) -> Result<(String, String), NoRandomness> {
    /// The digits of Base64, of which a salt is made. Source: fedimint-aead 0.5.0, src/lib.rs.
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut nonce, mut random) = ([0; NONCE_BYTES], [0; 22]);
    getrandom::fill(&mut nonce).map_err(|_| NoRandomness)?;
    getrandom::fill(&mut random).map_err(|_| NoRandomness)?;
    // 22 digits of Base64 are 16 bytes and four bits, which must be zero.
    random[21] &= 0b11_0000;
    let salt: String = random.iter().map(|random| char::from(DIGITS[usize::from(random % 64)])).collect();
    let key = derive(password, &salt, MEMORY_KIB[0]).expect("the salt has an allowed length");
    let cipher = ChaCha20Poly1305::new(&Key::from(*key));
    let sealed = cipher.encrypt(&Nonce::from(nonce), text).expect("the text is far below the cipher's limit");
    Ok((format!("{}{}", hex::encode(nonce), hex::encode(sealed)), salt))
}

/// The system provides no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system provides no randomness")]
pub struct NoRandomness;

/// Parses a key from its text: 64 hex digits.
///
/// # Errors
/// If the text is anything else, or is not a scalar of the curve.
pub fn parse_secret_key(text: &str) -> Result<SigningKey, NotASecretKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), bytes.as_mut_slice()).map_err(|_| NotASecretKey)?;
    SigningKey::from_bytes(*bytes)
}

fn derive(password: &str, salt: &str, memory: u32) -> Result<Zeroizing<[u8; 32]>, PrivateFileError> {
    let params = Params::new(memory, 2, 1, Some(32)).expect("constant parameters within the limits");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt.as_bytes(), key.as_mut_slice())
        .map_err(|_| PrivateFileError::Salt { bytes: salt.len() })?;
    Ok(key)
}
