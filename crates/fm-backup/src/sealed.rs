//! Reads an encrypted archive chunk by chunk: a damaged chunk loses its own contents, and nothing after it.
//!
//! An age file is a header, which wraps the file's key for each recipient, a nonce of 16 bytes, and chunks of
//! 64 KiB, each sealed by itself with ChaCha20-Poly1305: the nonce of a chunk is its number and whether it is
//! the last one. The key of the chunks is derived with HKDF-SHA-256 from the file's key and the nonce. The
//! crate `age` handles header and recipients.
//!
//! Invariants: a byte is returned only if its chunk's tag is valid; a chunk whose tag is not valid reads as
//! an unreadable place. The presence of the last chunk is not required: an archive itself says where it ends.

use std::cell::RefCell;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use age::{DecryptError, Decryptor};
use age_core::format::{FileKey, Stanza};
use age_core::primitives::hkdf;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use fm_audit::ReadSeek;
use zeroize::Zeroizing;

use crate::pieces::{PIECE, Pieces, Source};

/// How an encrypted file begins.
pub(crate) const AGE_START: &[u8] = b"age-encryption.org/v1";

/// Returns whether a file begins like an archive, encrypted or not. What an interrupted run left does.
pub(crate) fn is_archive(start: &[u8]) -> bool {
    fm_archive::begins_like_one(start) || start.starts_with(AGE_START)
}

/// The number of bytes in a sealed chunk; the plain chunk is a piece.
const SEALED_CHUNK: u64 = PIECE + TAG;
/// The length of a chunk's tag.
const TAG: u64 = 16;
/// The length of the nonce before the first chunk.
const NONCE: usize = 16;
/// The label for deriving the key of the chunks.
const LABEL: &[u8] = b"payload";
/// The number of bytes of the header that are read at a time.
const READ_BYTES: usize = 1 << 12;

/// The key of a file's chunks, and where they begin.
pub(crate) struct Payload {
    key: Zeroizing<[u8; 32]>,
    start: u64,
}

/// Two files never have the same key.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        *self.key == *other.key && self.start == other.start
    }
}

/// A secret key that records the file's key which it unwraps.
struct Keeping<'a> {
    age_identity: &'a Identity,
    kept: &'a RefCell<Option<Zeroizing<Vec<u8>>>>,
}

impl age::Identity for Keeping<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let unwrapped = self.age_identity.unwrap_stanza(stanza)?;
        if let Ok(key) = &unwrapped {
            *self.kept.borrow_mut() = Some(Zeroizing::new(key.expose_secret().to_vec()));
        }
        Some(unwrapped)
    }
}

impl Payload {
    /// Reads the header of a file.
    pub(crate) fn of(file: Box<dyn ReadSeek>, age_identities: &[Identity]) -> Result<Self, DecryptError> {
        let mut file = BufReader::with_capacity(READ_BYTES, file);
        let kept = RefCell::new(None);
        let keeping: Vec<Keeping<'_>> =
            age_identities.iter().map(|age_identity| Keeping { age_identity, kept: &kept }).collect();
        // The header's own tag is also checked here.
        Decryptor::new(&mut file)?.decrypt(keeping.iter().map(|keeping| keeping as _)).map(drop)?;
        let start = file.stream_position()?;
        let mut nonce = [0; NONCE];
        file.seek(SeekFrom::Start(start.saturating_sub(NONCE as u64)))?;
        file.read_exact(&mut nonce)?;
        let file_key = kept.take().ok_or(DecryptError::NoMatchingKeys)?;
        Ok(Self { key: Zeroizing::new(hkdf(&nonce, LABEL, &file_key)), start })
    }

    /// Returns whether any chunk of a file whose own header is lost is sealed with this key.
    pub(crate) fn opens(&self, file: Box<dyn ReadSeek>) -> io::Result<bool> {
        let mut chunks = Chunks::new(file, self)?;
        Ok((0..chunks.count).any(|number| chunks.load(number).is_ok()))
    }
}

/// The plain bytes of a sealed file.
pub(crate) type Sealed = Pieces<Chunks>;

impl Sealed {
    pub(crate) fn new(file: Box<dyn ReadSeek>, payload: &Payload) -> io::Result<Self> {
        Ok(Self::of(Chunks::new(file, payload)?))
    }
}

/// The chunks of a sealed file, each of which can be opened by itself.
pub(crate) struct Chunks {
    file: Box<dyn ReadSeek>,
    cipher: ChaCha20Poly1305,
    start: u64,
    count: u64,
    length: u64,
}

impl Chunks {
    fn new(mut file: Box<dyn ReadSeek>, payload: &Payload) -> io::Result<Self> {
        let sealed = file.seek(SeekFrom::End(0))?.saturating_sub(payload.start);
        let count = sealed.div_ceil(SEALED_CHUNK);
        // The rest of a chunk that was cut inside its tag has no plain bytes.
        let rest = sealed % SEALED_CHUNK;
        let missing = if rest == 0 { 0 } else { TAG.saturating_sub(rest) };
        let length = sealed.saturating_add(missing).saturating_sub(count.saturating_mul(TAG));
        let cipher = ChaCha20Poly1305::new(&Key::from(*payload.key));
        Ok(Self { file, cipher, start: payload.start, count, length })
    }
}

impl Source for Chunks {
    type Piece = Zeroizing<Vec<u8>>;

    fn length(&self) -> u64 {
        self.length
    }

    fn load(&mut self, number: u64) -> io::Result<Self::Piece> {
        let offset = self.start.saturating_add(number.saturating_mul(SEALED_CHUNK));
        let mut sealed = Vec::new();
        self.file.seek(SeekFrom::Start(offset))?;
        (&mut self.file).take(SEALED_CHUNK).read_to_end(&mut sealed)?;
        // A file that was cut between two chunks ends with a chunk that was not the last.
        let is_last = number + 1 == self.count;
        let nonces = [nonce(number, is_last), nonce(number, !is_last)];
        let opened = nonces.iter().find_map(|nonce| self.cipher.decrypt(nonce, sealed.as_slice()).ok());
        let Some(plain) = opened else {
            let end = offset.saturating_add(sealed.len() as u64);
            let what = format!("the encryption of bytes {offset}..{end} of the file does not hold");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        Ok(Zeroizing::new(plain))
    }
}

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(is_last);
    Nonce::from(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    const PLAIN: usize = 3 * 65_536 + 1_000;

    fn plain(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    fn sealed(length: usize) -> (Identity, Vec<u8>) {
        let age_identity = Identity::generate();
        let recipient = age_identity.to_public();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
        writer.write_all(&plain(length)).unwrap();
        (age_identity, writer.finish().unwrap())
    }

    fn open(age_identity: &Identity, bytes: &[u8]) -> Sealed {
        let file = || Box::new(Cursor::new(bytes.to_vec()));
        let payload = Payload::of(file(), std::slice::from_ref(age_identity)).ok().unwrap();
        Sealed::new(file(), &payload).unwrap()
    }

    /// Returns the bytes one by one; `None` where a byte cannot be read.
    fn readable(sealed: &mut Sealed) -> Vec<Option<u8>> {
        let length = sealed.seek(SeekFrom::End(0)).unwrap();
        let mut at = |place| {
            let mut byte = [0];
            sealed.seek(SeekFrom::Start(place)).unwrap();
            sealed.read_exact(&mut byte).ok().map(|()| byte[0])
        };
        (0..length).step_by(997).map(&mut at).collect()
    }

    #[test]
    fn every_length_reads_as_it_was_written() {
        for length in [0, 1, 65_535, 65_536, 65_537, 131_072, PLAIN] {
            let (age_identity, bytes) = sealed(length);
            let mut read = Vec::new();
            open(&age_identity, &bytes).read_to_end(&mut read).unwrap();
            assert!(read == plain(length), "{length}");
        }
    }

    #[test]
    fn a_damaged_chunk_costs_itself_alone() {
        let (age_identity, bytes) = sealed(PLAIN);
        let start = bytes.len() - (PLAIN + 4 * 16);
        for (chunk, at) in [(0, 5), (1, 65_552 + 5), (2, 3 * 65_552 - 1), (3, 3 * 65_552)] {
            let mut damaged = bytes.clone();
            damaged[start + at] ^= 1;
            let found = readable(&mut open(&age_identity, &damaged));
            for (number, byte) in found.iter().enumerate() {
                let place = number * 997;
                let wanted = (place / 65_536 != chunk).then(|| plain(PLAIN)[place]);
                assert_eq!(*byte, wanted, "chunk {chunk}, place {place}");
            }
        }
    }

    #[test]
    fn a_cut_file_gives_its_whole_chunks() {
        let (age_identity, bytes) = sealed(PLAIN);
        for (cut, chunks) in [(1_016, 3), (1_017, 2), (1_016 + 65_552, 2), (5, 3), (1_010, 3)] {
            let found = readable(&mut open(&age_identity, &bytes[..bytes.len() - cut]));
            let whole = found.iter().take_while(|byte| byte.is_some()).count();
            assert_eq!(whole, (chunks * 65_536usize).div_ceil(997), "cut by {cut}");
        }
    }

    #[test]
    fn chunks_of_a_file_without_its_header_are_known_by_their_key() {
        let (age_identity, bytes) = sealed(PLAIN);
        let payload = Payload::of(Box::new(Cursor::new(bytes.clone())), std::slice::from_ref(&age_identity));
        let payload = payload.ok().unwrap();
        let mut headless = bytes;
        headless[3] ^= 1;
        assert!(payload.opens(Box::new(Cursor::new(headless))).unwrap());
        let (_, other) = sealed(PLAIN);
        assert!(!payload.opens(Box::new(Cursor::new(other))).unwrap());
    }
}
