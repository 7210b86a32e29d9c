//! Federations of one, two and three guardians, in which everybody has to sign; and keys that lack a
//! guardian, or are another federation's.

use std::fs;
use std::path::Path;

use fm_eras::session;
use fm_forge::BlockSpec;
use fm_tests::{Run, Sessions, codes, verify};
use serde_json::{Map, Value};

fn federation(guardians: u16, seed: u64) -> Sessions {
    // Small bodies: no item has the 64 bytes that make a list of items ambiguous.
    let layout = session::modern();
    Sessions::new(BlockSpec { guardians, seed, items: 4, body_bytes: 24, ..BlockSpec::new(layout, 30) })
}

fn audit(sessions: &Sessions, keys: &Path) -> Run {
    verify!(sessions.database(), "--keys", keys, "--json")
}

/// Writes changed keys of a federation.
fn keys(sessions: &Sessions, change: impl Fn(&mut Map<String, Value>)) -> std::path::PathBuf {
    let text = fs::read_to_string(sessions.beside("guardian/keys.json")).expect("there are keys");
    let mut keys: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
    change(&mut keys);
    let file = sessions.beside("other-keys.json");
    fs::write(&file, Value::from(keys).to_string()).expect("the keys can be written");
    file
}

#[test]
fn up_to_three_guardians_all_sign() {
    for guardians in 1..=3 {
        let sessions = federation(guardians, 1);
        let run = audit(&sessions, &sessions.beside("guardian/keys.json")).exits(0);
        assert_eq!(run.findings(), Vec::<Value>::new(), "{guardians}");
        let verdict = run.verdict();
        assert_eq!(verdict["by_signers"], serde_json::json!({ guardians.to_string(): 30 }));
    }
}

/// Signatures cover the whole set of keys: with one key too few, those of every guardian fail.
#[test]
fn keys_that_lack_a_guardian() {
    for guardians in [2, 3, 4] {
        let sessions = federation(guardians, 1);
        let last = (guardians - 1).to_string();
        let without = keys(&sessions, |keys| drop(keys.remove(&last)));
        let found = codes(&audit(&sessions, &without).exits(1).findings());
        assert_eq!(
            found.first().map(|(code, _)| code.as_str()),
            Some("wrong-keys"),
            "{guardians}: {found:?}"
        );
    }
}

#[test]
fn keys_of_another_federation() {
    for guardians in 1..=4 {
        let (sessions, other) = (federation(guardians, 1), federation(guardians, 2));
        let run = audit(&sessions, &other.beside("guardian/keys.json")).exits(1);
        let found = codes(&run.findings());
        assert_eq!(found, [("wrong-keys".to_owned(), None)], "{guardians}");
        assert_ne!(run.verdict()["verdict"], "sound");
    }
}

/// One guardian under two numbers is not a federation of two.
#[test]
fn a_guardian_that_counts_twice_is_refused() {
    let sessions = federation(2, 1);
    let twice = keys(&sessions, |keys| {
        let first = keys["0"].clone();
        keys.insert("1".to_owned(), first);
    });
    let run = audit(&sessions, &twice).exits(2);
    assert!(run.stderr.contains("the same key"), "{}", run.stderr);
}
