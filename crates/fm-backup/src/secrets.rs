//! Keeps secrets out of archives: the rows are searched for the contents of the guardian's secret files.
//!
//! An archive gets rows only, never files. But a row holds whatever a module or a client put there. The
//! search covers the contents of the guardian's secret files in every [form](crate::secret_forms), and the
//! marks with which private keys in text begin. Invariant: a message names the file, never its contents.

use std::collections::HashMap;
use std::path::Path;

use fm_config::GuardianFiles;
use zeroize::Zeroizing;

use crate::BackupError;
use crate::secret_forms::forms;

/// Marks of private keys in text.
const MARKS: [(&str, &str); 3] = [
    ("PRIVATE KEY-----", "a private key in PEM form"),
    ("AGE-SECRET-KEY-1", "an age secret key"),
    ("AGE-SECRET-KEY-PQ-1", "an age secret key"),
];
/// The number of first bytes by which a secret is recognised. Nothing shorter is searched for inside a value:
/// it would be found everywhere by chance.
const HEAD: usize = 8;
/// How far the window moves if it ends with two bytes that occur in no head.
const LONGEST_STEP: u8 = 7;
/// The longest needle.
const NEEDLE: usize = 32;

/// What no row may contain.
pub(crate) struct Secrets {
    /// The needles that are searched for, by their heads.
    heads: HashMap<[u8; HEAD], Vec<Needle>>,
    /// The needles that are shorter than a head.
    short: Vec<Needle>,
    /// By the last two bytes of a window as long as a head: in how many bytes the next head can end, 0 if one
    /// may end here. Indexed by two bytes because a guardian has hundreds of forms of secrets: with one byte,
    /// hardly any position could be skipped.
    steps: Vec<u8>,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    what: String,
}

impl Secrets {
    /// Reads the secrets in a guardian's data directory or backup; without one, only the marks are searched
    /// for.
    pub(crate) fn of(data_dir: Option<&Path>) -> Result<Self, BackupError> {
        let mut needles: Vec<Needle> = MARKS
            .iter()
            .map(|(mark, what)| Needle {
                bytes: Zeroizing::new(mark.as_bytes().to_vec()),
                what: (*what).to_owned(),
            })
            .collect();
        if let Some(path) = data_dir {
            let files = GuardianFiles::open(path)?;
            for (bytes, name) in forms(&files)? {
                let bytes = Zeroizing::new(bytes[..bytes.len().min(NEEDLE)].to_vec());
                needles.push(Needle { bytes, what: format!("what is in the file {name}") });
            }
        }
        let (mut heads, mut short) = (HashMap::<[u8; HEAD], Vec<Needle>>::new(), Vec::new());
        let mut steps = vec![LONGEST_STEP; 1 << 16];
        for needle in needles {
            let Some(head) = needle.bytes.first_chunk::<HEAD>() else {
                short.push(needle);
                continue;
            };
            for (left, pair) in (0..LONGEST_STEP).rev().zip(head.windows(2)) {
                let step = &mut steps[block(pair[0], pair[1])];
                *step = left.min(*step);
            }
            let same = heads.entry(*head).or_default();
            if same.iter().all(|other| *other.bytes != *needle.bytes) {
                same.push(needle);
            }
        }
        Ok(Self { heads, short, steps })
    }

    /// Returns which secret a row holds, if any.
    pub(crate) fn find(&self, key: &[u8], value: &[u8]) -> Option<&str> {
        [key, value].into_iter().find_map(|bytes| self.find_in(bytes))
    }

    fn find_in(&self, bytes: &[u8]) -> Option<&str> {
        if let Some(needle) = self.short.iter().find(|needle| *needle.bytes == bytes) {
            return Some(&needle.what);
        }
        let mut end = HEAD - 1;
        while let Some(last) = bytes.get(end) {
            let step = self.steps[block(bytes[end - 1], *last)];
            let rest = &bytes[end + 1 - HEAD..];
            if step == 0
                && let Some(same) = rest.first_chunk().and_then(|head: &[u8; HEAD]| self.heads.get(head))
                && let Some(needle) = same.iter().find(|needle| rest.starts_with(&needle.bytes))
            {
                return Some(&needle.what);
            }
            end += usize::from(step.max(1));
        }
        None
    }
}

fn block(before: u8, last: u8) -> usize {
    usize::from(before) << 8 | usize::from(last)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(home.path().join(name), text).unwrap();
        }
        home
    }

    #[test]
    fn secrets_are_found_wherever_they_are_in_a_row() {
        let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let home = directory(&[
            ("private.json", &format!("{{\"broadcast_secret_key\": \"{key}\"}}")),
            ("password.private", "fixture\n"),
            ("private.salt", "0123456789abcdef\n"),
            ("local.json", "{\"nothing\": \"that is not public at all, really\"}"),
        ]);
        let secrets = Secrets::of(Some(home.path())).unwrap();
        let found = |value: &[u8]| secrets.find(b"key", value).map(str::to_owned);
        assert_eq!(found(b"fixture").unwrap(), "what is in the file password.private");
        assert_eq!(found(b"a fixture of the house"), None, "too short a word to say anything");
        assert_eq!(found(b"..0123456789abcdef..").unwrap(), "what is in the file private.salt");
        assert!(found(format!("x{key}").as_bytes()).is_some());
        let raw = hex::decode(key).unwrap();
        for at in 0..9 {
            let mut value = vec![7; at];
            value.extend_from_slice(&raw);
            value.push(9);
            assert!(found(&value).is_some(), "at {at}");
            assert_eq!(found(&value[..at + 31]), None);
        }
        assert!(secrets.find(&raw, b"").is_some(), "keys are searched as well");
        assert!(found(b"-----BEGIN PRIVATE KEY-----\nMC4").is_some());
        assert_eq!(found(b"{\"nothing\": \"that is not public at all, really\"}"), None);
        assert_eq!(found(b""), None);
    }

    /// Every form of every secret of real guardians, unencrypted or under a stored password, anywhere in a
    /// row.
    #[test]
    fn every_form_of_a_secret_is_found() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let text = |place: &str| fs::read_to_string(fixtures.join(place)).unwrap();
        let iroh: serde_json::Value =
            serde_json::from_str(&text("session-v0.13.0-iroh/peer-3/private.json")).unwrap();
        let numbers: Vec<u8> = serde_json::from_value(iroh["iroh_p2p_sk"].clone()).unwrap();
        let scalar = hex::decode(iroh["broadcast_secret_key"].as_str().unwrap()).unwrap();
        let share = hex::decode(iroh["modules"]["2"]["tbs_sks"]["7"].as_str().unwrap()).unwrap();
        let sealed = fm_crypto::open_private_text(
            &text("session-v0.5.0/peer-0/private.encrypt"),
            &text("session-v0.5.0/peer-0/private.salt"),
            "fixture",
        );
        let sealed: serde_json::Value = serde_json::from_slice(&sealed.unwrap()).unwrap();
        let of = |value: &serde_json::Value| hex::decode(value.as_str().unwrap()).unwrap();
        let tls = of(&sealed["tls_key"]);
        let place = tls.windows(2).position(|pair| pair == [4, 32]).unwrap() + 2;
        for (home, secret) in [
            ("session-v0.13.0-iroh/peer-3", numbers),
            ("session-v0.13.0-iroh/peer-3", scalar),
            ("session-v0.13.0-iroh/peer-3", share),
            ("session-v0.5.0/peer-0", of(&sealed["broadcast_secret_key"])),
            ("session-v0.5.0/peer-0", tls[place..place + 32].to_vec()),
        ] {
            let secrets = Secrets::of(Some(&fixtures.join(home))).unwrap();
            let list = |between: &str| secret.iter().map(u8::to_string).collect::<Vec<_>>().join(between);
            let hex = hex::encode(&secret);
            let reversed: Vec<u8> = secret.iter().rev().copied().collect();
            for form in [
                secret.clone(),
                reversed,
                hex.clone().into_bytes(),
                hex.to_uppercase().into_bytes(),
                format!("[{}]", list(",")).into_bytes(),
                format!("[{}]", list(", ")).into_bytes(),
                format!("[\n    {}\n  ]", list(",\n    ")).into_bytes(),
                serde_json::json!({ "key": secret }).to_string().into_bytes(),
            ] {
                for at in 0..20 {
                    let value = [&b"between the rows of others"[..at], &form, b"and more"].concat();
                    assert!(secrets.find(b"key", &value).is_some(), "{home} at {at}");
                    assert!(secrets.find(&value, b"").is_some());
                }
                let cut = form[..form.len() / 2 - 1].to_vec();
                if form.len() < 60 {
                    assert_eq!(secrets.find(b"key", &cut), None);
                }
            }
            assert_eq!(secrets.find(b"key", &[0x55; 500]), None);
        }
    }

    /// Base64 and Base32, as written by the system's programs.
    #[test]
    fn secrets_in_other_alphabets_are_found() {
        let home = directory(&[
            (
                "private.json",
                "{\"iroh_api_sk\": [19,1,2,115,60,250,251,252,253,254,255,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27]}",
            ),
            ("token.secret", "EwECczz6+/z9/v8HCAkKCwwNDg8QERITFBUWFxgZGhs="),
        ]);
        let secrets = Secrets::of(Some(home.path())).unwrap();
        for (text, file) in [
            ("EwECczz6+/z9/v8HCAkKCwwNDg8QERITFBUWFxgZGhs=", "private.json"),
            ("EwECczz6-_z9_v8HCAkKCwwNDg8QERITFBUWFxgZGhs", "private.json"),
            ("cmaqe4z47l6p37x7a4eascqlbqgq4dyqceircfausfdrmfyydena3", "private.json"),
        ] {
            let text = if text.starts_with("cm") {
                // The same bytes, encoded by the definition of the alphabet.
                let bits: String =
                    hex::decode("130102733cfafbfcfdfeff0708090a0b0c0d0e0f101112131415161718191a1b")
                        .unwrap()
                        .iter()
                        .map(|byte| format!("{byte:08b}"))
                        .collect();
                let digit = |five: &[u8]| {
                    let five = std::str::from_utf8(five).unwrap();
                    char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from_str_radix(five, 2).unwrap()])
                };
                bits.as_bytes().chunks_exact(5).map(digit).collect()
            } else {
                text.to_owned()
            };
            let found = secrets.find(b"", format!("x{text}").as_bytes()).unwrap_or_default().to_owned();
            assert_eq!(found, format!("what is in the file {file}"), "{text}");
        }
    }

    /// Where secrets may be in a data directory: in the directory itself, in the staging directory, in a
    /// backup, in the invite code.
    #[test]
    fn secrets_are_looked_for_wherever_a_guardian_keeps_them() {
        let key = "aa112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let private = format!("{{\"broadcast_secret_key\": \"{key}\"}}");
        let raw = hex::decode(key).unwrap();
        for name in [
            "private.json",
            "private.new",
            "private.bak",
            "password.new",
            "PRIVATE.JSON.old",
            "cfg_staging/private.json",
        ] {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir(home.path().join("cfg_staging")).unwrap();
            fs::write(home.path().join(name), &private).unwrap();
            let secrets = Secrets::of(Some(home.path())).unwrap();
            assert_eq!(secrets.find(b"", &raw), Some(&*format!("what is in the file {name}")));
        }
        let home = directory(&[]);
        let files = [("consensus.json", "{}"), ("local.json", "{}"), ("private.json", &private)];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec().into()));
        let tar = fm_crypto::BackupTar::from_files(files).unwrap().to_bytes();
        fs::write(home.path().join("guardian.tar"), &*tar).unwrap();
        for place in [home.path().to_owned(), home.path().join("guardian.tar")] {
            let secrets = Secrets::of(Some(&place)).unwrap();
            assert!(secrets.find(b"", &raw).is_some(), "{}", place.display());
        }
        // Large files of that name are not read completely, and do not cause an error.
        fs::write(home.path().join("secret.iso"), [private.as_bytes(), &vec![0; 6 << 20]].concat()).unwrap();
        assert!(Secrets::of(Some(home.path())).unwrap().find(&raw, b"").is_some());
    }

    /// Compares with a plain search, in texts of few different bytes, where heads overlap and nearly match.
    #[test]
    fn stepping_over_bytes_misses_nothing() {
        let mut state = 7u64;
        let mut letters = |count: usize| -> String {
            let mut letter = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if state >> 62 == 0 { 'b' } else { 'a' }
            };
            (0..count).map(|_| letter()).collect()
        };
        let words = [letters(8), letters(9), letters(11)];
        let files = ["a.key", "b.key", "c.key"].iter().zip(&words);
        let home = directory(&files.map(|(name, word)| (*name, word.as_str())).collect::<Vec<_>>());
        let secrets = Secrets::of(Some(home.path())).unwrap();
        let mut hits = 0;
        for length in 0..2_000 {
            let text = letters(length % 60);
            let is_there = words.iter().any(|word| text.contains(word.as_str()));
            assert_eq!(secrets.find(b"", text.as_bytes()).is_some(), is_there, "{text} {words:?}");
            hits += usize::from(is_there);
        }
        assert!((100..1_900).contains(&hits), "{hits}");
    }
}
