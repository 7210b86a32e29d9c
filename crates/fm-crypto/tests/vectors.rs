//! Golden vectors: each file states the result that its bytes must yield; a new case is a new file.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fm_crypto::{CombineError, EpochKeys, KeyError, Signature, SignatureError, hash_g2};

/// One file: its expectation, and its lines in order.
struct Vector {
    file: String,
    expect: String,
    lines: Vec<(String, String)>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        assert!(head.contains("\nmade-by: "), "{}: no origin", path.display());
        let line = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim().to_owned())
        };
        Self {
            file: path.display().to_string(),
            expect: head.lines().next().unwrap().strip_prefix("expect: ").unwrap().to_owned(),
            lines: body.lines().map(line).collect(),
        }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.lines.iter().filter(|line| line.0 == name).map(|line| line.1.as_str()).collect()
    }

    fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{}: {name}", self.file);
        all[0]
    }

    fn bytes<const N: usize>(&self, name: &str) -> [u8; N] {
        bytes(self.one(name))
    }
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// Runs every file of a directory; bad cases must outnumber good ones.
fn check_folder(folder: &str, outcome: impl Fn(&Vector) -> String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(folder);
    let files: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "no vectors in {folder}");
    let vectors: Vec<_> = files.iter().map(|path| Vector::read(path)).collect();
    for vector in &vectors {
        assert_eq!(outcome(vector), vector.expect, "{}", vector.file);
    }
    let good = vectors.iter().filter(|vector| vector.expect.starts_with("ok")).count();
    assert!(good > 0 && 2 * good < vectors.len(), "{good} good ones in {folder}");
}

#[test]
fn hash() {
    check_folder("hash", |vector| {
        let point = hash_g2(&hex::decode(vector.one("message")).unwrap());
        if point == vector.bytes("point") { "ok" } else { "differs" }.to_owned()
    });
}

fn verdict(verdict: Result<(), SignatureError>) -> String {
    match verdict {
        Ok(()) => "ok",
        Err(SignatureError::NotAPoint) => "not a point",
        Err(SignatureError::DoesNotVerify) => "does not verify",
        Err(SignatureError::Disagreement) => "disagreement",
    }
    .to_owned()
}

#[test]
fn signatures() {
    check_folder("signatures", |vector| {
        let keys = EpochKeys::from_coefficients(vec![vector.bytes("key")]).unwrap();
        let (message, signature) = (vector.bytes("message"), vector.bytes("signature"));
        let alone = keys.verify(&message, &signature);
        assert_eq!(keys.verify_batch(&[(message, signature)]), [alone], "{}", vector.file);
        verdict(alone)
    });
}

#[test]
fn epochs() {
    check_folder("epochs", |vector| {
        let keys = EpochKeys::from_coefficients(vec![vector.bytes("key")]).unwrap();
        let item = |line: &str| {
            let (hash, signature) = line.split_once(' ').unwrap();
            (bytes(hash), bytes(signature))
        };
        let items: Vec<([u8; 32], Signature)> = vector.all("epoch").into_iter().map(item).collect();
        let verdicts = keys.verify_batch(&items);
        for ((message, signature), verdict) in items.iter().zip(&verdicts) {
            assert_eq!(keys.verify(message, signature), *verdict, "{}", vector.file);
        }
        let bad = (0..items.len()).filter(|place| verdicts[*place].is_err());
        let bad: Vec<String> = bad.map(|place| place.to_string()).collect();
        if bad.is_empty() { "ok".to_owned() } else { format!("bad at {}", bad.join(" ")) }
    });
}

#[test]
fn all_signatures_of_the_server_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/epochs/all-signed.txt");
    assert_eq!(Vector::read(&root).all("epoch").len(), 319);
}

#[test]
fn shares() {
    check_folder("shares", |vector| {
        let coefficients = vector.all("coefficient").into_iter().map(bytes).collect();
        let keys = EpochKeys::from_coefficients(coefficients).unwrap();
        let share = |line: &(String, String)| {
            let peer: u16 = line.0.strip_prefix("share-")?.parse().unwrap();
            Some((peer, bytes(&line.1)))
        };
        let shares: BTreeMap<u16, Signature> = vector.lines.iter().filter_map(share).collect();
        match keys.combine(&shares) {
            Ok(signature) if signature == vector.bytes("signature") => "ok".to_owned(),
            Ok(_) => "differs".to_owned(),
            Err(CombineError::NotEnoughShares { shares, needed }) => format!("{shares} of {needed} shares"),
            Err(CombineError::NotAPoint { peer }) => format!("peer {peer} is not a point"),
        }
    });
}

#[test]
fn keysets() {
    check_folder("keysets", |vector| match EpochKeys::from_config_hex(vector.one("text")) {
        Ok(keys) => format!("ok {} {}", keys.degree(), hex::encode(keys.public_key())),
        Err(KeyError::NoCoefficients) => "no coefficients".to_owned(),
        Err(KeyError::TooManyCoefficients { count }) => format!("too many {count}"),
        Err(KeyError::NotAPoint { coefficient }) => format!("not a point {coefficient}"),
        Err(KeyError::IdentityKey) => "identity".to_owned(),
        Err(KeyError::Hex(_)) => "hex".to_owned(),
        Err(KeyError::CoefficientHex { coefficient, .. }) => format!("inner hex {coefficient}"),
        Err(KeyError::Ends { offset, needed }) => format!("ends {offset} {needed}"),
        Err(KeyError::CoefficientLength { coefficient, length }) => {
            format!("length {coefficient} {length}")
        }
        Err(KeyError::Trailing { offset, left }) => format!("trailing {offset} {left}"),
    });
}
