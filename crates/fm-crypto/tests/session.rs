//! Schnorr keys of sessions: published vectors, real guardians' files, and everything that must be refused.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fm_crypto::{
    ConsensusConfig, PrivateConfig, PrivateFileError, SchnorrError, SessionKeyError, SessionKeys, SigningKey,
    open_private_text, parse_secret_key,
};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

/// Returns the keys 1, 2, 3, 4 of peers 0 to 3.
fn signers() -> Vec<SigningKey> {
    (1..=4u8)
        .map(|last| {
            let mut bytes = [0; 32];
            bytes[31] = last;
            SigningKey::from_bytes(bytes).unwrap()
        })
        .collect()
}

fn keys() -> SessionKeys {
    SessionKeys::new(&(0..4).zip(signers().iter().map(SigningKey::public_key)).collect()).unwrap()
}

#[test]
fn tag_messages_and_signatures_are_those_of_the_vectors() {
    let keys = keys();
    let tag = "fd5a77526b3d2ec65af01499d4d01ddc6cf99391edc36b6112de82921248002b";
    assert_eq!(hex::encode(keys.tag().unwrap()), tag);
    assert_eq!((keys.guardians(), keys.threshold()), (4, 3));
    let header = "0000000000000005467e3eb016c0c913d18681782f413800bc8581aea6baf732cf01b5360e47bcca";
    let cases = [
        (
            vec![0; 40],
            "2efa832c7132c8b94c172d4442b1ffe9c7865f9739320a990ca7f7d3ba4d9f1e",
            "84ee229812f3910f93defa5b98dc33becffdf20f495a0b4dc825f4b7e0b3059b\
             d05ef78831f704848e462c2931f50592a09d9f58df8c1b729b8de42b6abba4b8",
        ),
        (
            hex::decode(header).unwrap(),
            "d92821d1d379a87ced34a581eaa6fbb4a4fb92da2a505f0e091232ed2d959162",
            "50efaea1c382cfb523b2062af2f50742407eecf21c3bad43396107e58f6a89e2\
             845a9ba8198bd534253a8db5dabdffc1451316ed7e0c7bf118f310c1392c851a",
        ),
    ];
    for (header, message, signature) in cases {
        let to_sign = keys.message(&header);
        assert_eq!(hex::encode(to_sign), message);
        assert_eq!(hex::encode(signers()[0].sign(&to_sign)), signature);
    }
}

#[test]
fn only_the_guardian_itself_over_the_very_message_verifies() {
    let keys = keys();
    let message = keys.message(b"header");
    let signature = signers()[2].sign(&message);
    assert_eq!(keys.verify(2, &message, &signature), Ok(()));
    assert_eq!(keys.verify(1, &message, &signature), Err(SchnorrError::DoesNotVerify { peer: 1 }));
    assert_eq!(keys.verify(4, &message, &signature), Err(SchnorrError::UnknownPeer { peer: 4 }));
    let other = keys.message(b"Header");
    assert_eq!(keys.verify(2, &other, &signature), Err(SchnorrError::DoesNotVerify { peer: 2 }));
    for at in 0..64 {
        let mut flipped = signature;
        flipped[at] ^= 1;
        assert_eq!(keys.verify(2, &message, &flipped), Err(SchnorrError::DoesNotVerify { peer: 2 }));
    }
    let untagged = keys.without_tag();
    assert!(untagged.verify(2, &untagged.message(b"header"), &signature).is_err());
    let x_only = (0..4).map(|peer| (peer, keys.x_only(peer).unwrap())).collect();
    assert_eq!(SessionKeys::untagged(&x_only).unwrap(), untagged);
}

#[test]
fn the_threshold_is_more_than_two_thirds() {
    let key = |peer: u16| {
        let mut secret = [0; 32];
        secret[30..].copy_from_slice(&(peer + 1).to_be_bytes());
        SigningKey::from_bytes(secret).unwrap().public_key()
    };
    for (guardians, threshold) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (20, 14)]
    {
        let keys = SessionKeys::new(&(0..guardians).map(|peer| (peer, key(peer))).collect()).unwrap();
        assert_eq!(keys.threshold(), threshold, "{guardians} guardians");
    }
}

#[test]
fn what_is_no_key_set_is_refused() {
    assert_eq!(SessionKeys::new(&BTreeMap::new()), Err(SessionKeyError::NoGuardians));
    let mut no_point = [0xFF; 33];
    no_point[0] = 2;
    assert_eq!(
        SessionKeys::new(&BTreeMap::from([(7, no_point)])),
        Err(SessionKeyError::NotAPoint { peer: 7 })
    );
    let key = signers()[0].public_key();
    let many = (0..2000).map(|peer| (peer, key)).collect();
    assert_eq!(SessionKeys::new(&many), Err(SessionKeyError::TooManyGuardians { count: 2000 }));
    // One signer under two numbers, including keys that differ only in parity: it would count twice.
    let other = signers()[1].public_key();
    let mut negated = key;
    negated[0] ^= 1;
    for shared in [key, negated] {
        let keys = BTreeMap::from([(0, key), (1, other), (5, shared)]);
        assert_eq!(SessionKeys::new(&keys), Err(SessionKeyError::SharedKey { first: 0, second: 5 }));
    }
    let x_only: [u8; 32] = key[1..].try_into().unwrap();
    let keys = BTreeMap::from([(0, x_only), (1, x_only)]);
    assert_eq!(SessionKeys::untagged(&keys), Err(SessionKeyError::SharedKey { first: 0, second: 1 }));
    for text in ["", "00", &"00".repeat(32), &"ff".repeat(32), &"zz".repeat(32), &"01".repeat(33)] {
        assert!(parse_secret_key(text).is_err(), "{text}");
    }
}

/// The private file of every real guardian holds the key that its public configuration names.
#[test]
fn real_private_files_open_with_their_password_only() {
    for home in [
        "hbbft-v0.1.5/peer-2",
        "aleph-a4177cea3/peer-3",
        "session-v0.2.0-rc1/peer-1",
        "session-v0.5.0/peer-0",
    ] {
        let read = |name: &str| fs::read_to_string(fixture(home).join(name)).unwrap();
        let (encrypted, salt) = (read("private.encrypt"), read("private.salt"));
        let private =
            PrivateConfig::parse(&open_private_text(&encrypted, &salt, "fixture").unwrap()).unwrap();
        let key = private.signing_key();
        assert_eq!(private.api_auth.as_deref().map(String::as_str), Some("fixture"), "{home}");
        assert!(private.tls_key.is_some() && private.iroh_api_key.is_none(), "{home}");
        let config = ConsensusConfig::parse(&read("consensus.json")).unwrap();
        let peer: u16 = home.chars().last().unwrap().to_digit(10).unwrap().try_into().unwrap();
        assert_eq!(config.broadcast_public_keys[&peer], key.public_key(), "{home}");
        assert!(!format!("{key:?}").contains("secret"));
        let wrong = [("fixture ", salt.as_str()), ("", &salt), ("fixture", "otherSaltotherSalt")];
        for (password, salt) in wrong {
            let error = open_private_text(&encrypted, salt, password).unwrap_err();
            assert!(matches!(error, PrivateFileError::WrongPassword), "{home}: {error}");
        }
        let mut flipped = encrypted.into_bytes();
        flipped[100] ^= 1;
        let flipped = String::from_utf8(flipped).unwrap();
        assert!(open_private_text(&flipped, &salt, "fixture").is_err());
    }
}

#[test]
fn what_is_no_private_file_is_refused() {
    let salt = "lKu1wh2RmcAA24i1iEaNkQ";
    for (text, expected) in [
        ("", "too short"),
        ("zz", "not hex"),
        ("00", "too short"),
        (&"00".repeat(12), "wrong password"),
        (&"00".repeat(500), "wrong password"),
    ] {
        let error = open_private_text(text, salt, "fixture").unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = open_private_text(&"00".repeat(500), "short", "fixture").unwrap_err();
    assert!(matches!(error, PrivateFileError::Salt { bytes: 5 }), "{error}");
}
