//! History roots as signed notes, which auditors publish and sign for each other.
//!
//! The text is a checkpoint of a log (C2SP `tlog-checkpoint`): an origin, the number of sessions, and the
//! history root, which is an RFC 9162 tree hash as that format wants it. Signatures are those of
//! `signed-note` (Ed25519) and of `tlog-cosignature` (Ed25519 with a time).
//! Source: <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>,
//! <https://c2sp.org/tlog-cosignature>.
//!
//! Invariant: a signature counts only if its key is known, and the text is exactly the one that was signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fm_history::{Hash, sha256};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// The beginning of the text of a secret key.
const SECRET_START: &str = "PRIVATE+KEY+";
/// The beginning of the origin of every history.
const ORIGIN: &str = "fedimint-history/";
/// The largest note that is read, in bytes.
const MAX_NOTE_BYTES: usize = 64 << 10;
/// The bytes of a key's number, and of a key.
const ID_BYTES: usize = 4;
const SEED_BYTES: usize = 32;
/// The bytes of the time before a cosignature.
const TIME_BYTES: usize = 8;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// The text.
    Plain,
    /// The text, and when it was signed.
    Timed,
}

impl NoteKind {
    fn number(self) -> u8 {
        match self {
            Self::Plain => 1,
            Self::Timed => 4,
        }
    }
}

/// Why a key or a note is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoteError {
    /// The text is not one of a key.
    #[error("it is not a key for signed notes, which is like name+1a2b3c4d+base64")]
    NotAKey,
    /// A secret key where a public one is expected.
    #[error("it is a secret key; give the public one")]
    Secret,
    /// The number in a key is not that of its name and its bytes.
    #[error("the key was changed: its number does not match")]
    OtherId,
    /// The text is not a signed note.
    #[error("it is not a signed note of a history")]
    NotANote,
    /// The name cannot be one of a key.
    #[error("a name has no blanks, no plus sign, and at least one character")]
    Name,
    /// The system has no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

/// A public key for notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    /// Whose key it is.
    pub name: String,
    kind: NoteKind,
    public: Vec<u8>,
}

/// A secret key for notes.
pub struct NoteSigner {
    name: String,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The root of a history, as a note states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which history it is: the name of the keys that sign it.
    pub key_set: String,
    /// The number of sessions.
    pub sessions: u64,
    /// The history root over them.
    pub root: Hash,
}

/// A note: its text, and the signatures under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The lines of the signatures.
    signatures: Vec<String>,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{ORIGIN}{}\n{}\n{}\n", self.key_set, self.sessions, STANDARD.encode(self.root.0))
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let key_set = lines.next()?.strip_prefix(ORIGIN)?.to_owned();
        let size = lines.next()?;
        let sessions = size.parse().ok().filter(|number: &u64| number.to_string() == size)?;
        let root = Hash(STANDARD.decode(lines.next()?).ok()?.try_into().ok()?);
        let checkpoint = Self { key_set, sessions, root };
        // Nothing else is in it: what we cannot read, we do not vouch for.
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

fn id_of(name: &str, kind: NoteKind, public: &[u8]) -> [u8; ID_BYTES] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[kind.number()], public]).0;
    [hash[0], hash[1], hash[2], hash[3]]
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
    if is_name { Ok(()) } else { Err(NoteError::Name) }
}

impl NoteKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// If it is not one.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        if text.starts_with(SECRET_START) {
            return Err(NoteError::Secret);
        }
        let (name, id, bytes) = parts(text).ok_or(NoteError::NotAKey)?;
        let (kind, public) = match bytes.split_first() {
            Some((1, public)) => (NoteKind::Plain, public),
            Some((4, public)) => (NoteKind::Timed, public),
            _ => return Err(NoteError::NotAKey),
        };
        if public.len() != SEED_BYTES {
            return Err(NoteError::NotAKey);
        }
        if id != id_of(name, kind, public) {
            return Err(NoteError::OtherId);
        }
        Ok(Self { name: name.to_owned(), kind, public: public.to_vec() })
    }

    fn id(&self) -> [u8; ID_BYTES] {
        id_of(&self.name, self.kind, &self.public)
    }

    /// Returns whether this key signed a note, and when, if the key says when.
    fn verifies(&self, text: &str, line: &str) -> Option<Option<u64>> {
        let (name, bytes) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = STANDARD.decode(bytes).ok()?;
        let (id, signature) = bytes.split_at_checked(ID_BYTES)?;
        if name != self.name || id != self.id() {
            return None;
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        match self.kind {
            NoteKind::Plain => key.verify(text.as_bytes(), signature).is_ok().then_some(None),
            NoteKind::Timed => {
                let (time, signature) = signature.split_at_checked(TIME_BYTES)?;
                let time = u64::from_be_bytes(time.try_into().ok()?);
                let message = timed(text, time);
                key.verify(message.as_bytes(), signature).is_ok().then_some(Some(time))
            }
        }
    }
}

/// The text of a public key.
impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.kind.number()], self.public.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(bytes))
    }
}

fn timed(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Returns name, number and bytes of the text of a key.
fn parts(text: &str) -> Option<(&str, [u8; ID_BYTES], Vec<u8>)> {
    let (name, rest) = text.trim_ascii_end().split_once('+')?;
    let (id, bytes) = rest.split_once('+')?;
    check_name(name).ok()?;
    let mut number = [0; ID_BYTES];
    hex::decode_to_slice(id, &mut number).ok()?;
    Some((name, number, STANDARD.decode(bytes).ok()?))
}

impl NoteSigner {
    /// Makes a new secret key; returns its text, which nobody else may read.
    ///
    /// # Errors
    /// If the name is not one, or the system has no randomness.
    pub fn generate(name: &str) -> Result<Zeroizing<String>, NoteError> {
        check_name(name)?;
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| NoteError::NoRandomness)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| NoteError::NotAKey)?;
        let id = hex::encode(id_of(name, NoteKind::Plain, pair.public_key().as_ref()));
        let bytes = Zeroizing::new([&[NoteKind::Plain.number()], seed.as_slice()].concat());
        let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        Ok(Zeroizing::new(format!("{SECRET_START}{name}+{id}+{}", text.as_str())))
    }

    /// Reads a secret key.
    ///
    /// # Errors
    /// If it is not one.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, bytes) = text.strip_prefix(SECRET_START).and_then(parts).ok_or(NoteError::NotAKey)?;
        let bytes = Zeroizing::new(bytes);
        let seed = bytes.strip_prefix(&[NoteKind::Plain.number()]).ok_or(NoteError::NotAKey)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::NotAKey)?;
        if id != id_of(name, NoteKind::Plain, pair.public_key().as_ref()) {
            return Err(NoteError::OtherId);
        }
        Ok(Self { name: name.to_owned(), pair })
    }

    /// Returns the public key for one kind of signature.
    pub fn public(&self, kind: NoteKind) -> NoteKey {
        NoteKey { name: self.name.clone(), kind, public: self.pair.public_key().as_ref().to_vec() }
    }

    fn line(&self, kind: NoteKind, signature: &[u8]) -> String {
        let bytes = [self.public(kind).id().as_slice(), signature].concat();
        format!("— {} {}", self.name, STANDARD.encode(bytes))
    }

    /// Signs a checkpoint, plainly and with the time in seconds since 1970.
    pub fn sign(&self, checkpoint: Checkpoint, time: u64) -> SignedNote {
        let text = checkpoint.text();
        let plain = self.pair.sign(text.as_bytes());
        let cosigned = self.pair.sign(timed(&text, time).as_bytes());
        let cosigned = [&time.to_be_bytes(), cosigned.as_ref()].concat();
        let signatures =
            vec![self.line(NoteKind::Plain, plain.as_ref()), self.line(NoteKind::Timed, &cosigned)];
        SignedNote { checkpoint, signatures }
    }
}

impl SignedNote {
    /// Reads a note. Its signatures are not verified yet.
    ///
    /// # Errors
    /// If it is not a note of a history.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        if text.len() > MAX_NOTE_BYTES || !text.ends_with('\n') {
            return Err(NoteError::NotANote);
        }
        let (body, signatures) = text.rsplit_once("\n\n").ok_or(NoteError::NotANote)?;
        let checkpoint = Checkpoint::read(&format!("{body}\n")).ok_or(NoteError::NotANote)?;
        let signatures: Vec<String> = signatures.lines().map(str::to_owned).collect();
        let is_signature = |line: &String| line.starts_with("— ");
        if signatures.is_empty() || !signatures.iter().all(is_signature) {
            return Err(NoteError::NotANote);
        }
        Ok(Self { checkpoint, signatures })
    }

    /// Returns the names of the keys whose signatures hold, and when they signed, if they say it.
    pub fn signers<'k>(&self, keys: &'k [NoteKey]) -> Vec<(&'k str, Option<u64>)> {
        let text = self.checkpoint.text();
        let signed = |key: &'k NoteKey| {
            let time = self.signatures.iter().find_map(|line| key.verifies(&text, line))?;
            Some((key.name.as_str(), time))
        };
        keys.iter().filter_map(signed).collect()
    }

    /// Adds the signatures of another note of the same text that hold under these keys; returns whether the
    /// text is the same.
    pub fn merge(&mut self, other: &Self, keys: &[NoteKey]) -> bool {
        if self.checkpoint != other.checkpoint {
            return false;
        }
        let text = self.checkpoint.text();
        for line in &other.signatures {
            let holds = keys.iter().any(|key| key.verifies(&text, line).is_some());
            if holds && !self.signatures.contains(line) {
                self.signatures.push(line.clone());
            }
        }
        true
    }
}

/// The text of a note.
impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint.text())?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key and the signature in the documentation of Go's package `golang.org/x/mod/sumdb/note`.
    const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NEUMANN_SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const SAYING: &str = "If you think cryptography is the answer to your problem,\n\
                          then you don't know what your problem is.\n";
    const LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

    #[test]
    fn keys_and_signatures_are_those_of_other_programs() {
        let key = NoteKey::parse(NEUMANN).unwrap();
        assert_eq!(key.to_string(), NEUMANN);
        assert_eq!(key.verifies(SAYING, LINE), Some(None));
        assert_eq!(key.verifies(&SAYING.replace("problem", "question"), LINE), None);
        let signer = NoteSigner::parse(NEUMANN_SECRET).unwrap();
        assert_eq!(signer.public(NoteKind::Plain), key);
        let signature = signer.pair.sign(SAYING.as_bytes());
        assert_eq!(signer.line(NoteKind::Plain, signature.as_ref()), LINE);
    }

    fn checkpoint(sessions: u64) -> Checkpoint {
        Checkpoint { key_set: "ab".repeat(32), sessions, root: Hash([7; 32]) }
    }

    fn signer(name: &str) -> NoteSigner {
        NoteSigner::parse(&NoteSigner::generate(name).unwrap()).unwrap()
    }

    #[test]
    fn auditors_sign_for_each_other() {
        let [one, two, stranger] = ["one", "two", "stranger"].map(signer);
        let mut note = one.sign(checkpoint(9), 1_700_000_000);
        let keys: Vec<NoteKey> = [&one, &two]
            .iter()
            .flat_map(|signer| [NoteKind::Plain, NoteKind::Timed].map(|kind| signer.public(kind)))
            .collect();
        assert!(note.merge(&two.sign(checkpoint(9), 1_700_000_001), &keys));
        assert!(note.merge(&stranger.sign(checkpoint(9), 1), &keys));
        assert!(!note.merge(&two.sign(checkpoint(8), 1), &keys));
        let read = SignedNote::parse(&note.to_string()).unwrap();
        assert_eq!(read, note);
        let signed =
            [("one", None), ("one", Some(1_700_000_000)), ("two", None), ("two", Some(1_700_000_001))];
        assert_eq!(read.signers(&keys), signed);
        assert_eq!(read.signers(&[stranger.public(NoteKind::Plain)]), []);
        // What was signed is the text: with another root, no signature holds.
        let other = note.to_string().replace("\n9\n", "\n10\n");
        assert_eq!(SignedNote::parse(&other).unwrap().signers(&keys), []);
    }

    #[test]
    fn what_is_no_key_and_no_note_is_refused() {
        assert_eq!(NoteKey::parse(NEUMANN_SECRET), Err(NoteError::Secret));
        assert_eq!(NoteKey::parse(&NEUMANN.replace("c74f", "c74e")), Err(NoteError::OtherId));
        for text in ["", "a", "a+b", "a+c74f20a3+", "a b+c74f20a3+ARpc", "+c74f20a3+ARpc"] {
            assert!(NoteKey::parse(text).is_err(), "{text}");
            assert!(NoteSigner::parse(text).is_err(), "{text}");
        }
        for name in ["", "a b", "a+b", "a\nb"] {
            assert_eq!(NoteSigner::generate(name).unwrap_err(), NoteError::Name);
        }
        let note = signer("one").sign(checkpoint(9), 1).to_string();
        assert!(!note.contains("PRIVATE"));
        for (from, to) in
            [("\n9\n", "\n09\n"), ("\n9\n", "\n9\n\n"), ("\n\n— ", "\nmore\n\n— "), ("\n\n", "\n")]
        {
            assert_eq!(
                SignedNote::parse(&note.replacen(from, to, 1)),
                Err(NoteError::NotANote),
                "{from:?} {to:?}"
            );
        }
        for length in (0..note.len()).filter(|length| note.is_char_boundary(*length)) {
            let _ = SignedNote::parse(&note[..length]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9+/=\n— ]{0,200}") {
            let _ = SignedNote::parse(&text);
            let _ = NoteKey::parse(&text);
            let _ = NoteSigner::parse(&text);
        }
    }
}
