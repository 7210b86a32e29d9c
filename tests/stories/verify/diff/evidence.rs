//! The evidence of a difference, for a reader who has neither history.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_tests::{Federation, Run, fixture, hbbft, verify};
use serde_json::{Value, json};

use super::{Forged, KEY, difference};

#[test]
fn what_the_evidence_shows() {
    let forged = Forged::new("v0.4");
    let (good, guardian) = (forged.sessions.database(), forged.sessions.guardian());
    let other = forged.copy("other", forged.edited(Some(&[0, 1, 3]), |block| block.items.swap(1, 3)));
    let (file, keys) = (forged.sessions.beside("evidence.json"), guardian.keys.clone());
    let write = |file: &Path| verify!("diff", good, other, keys[0], keys[1], "--evidence", file, "--json");
    let run = write(&file).exits(1);
    assert_eq!(run.verdict()["evidence"], file.to_str().expect("text"));
    let text = fs::read_to_string(&file).expect("the evidence");
    // Nothing is overwritten, and the same difference results in the same file.
    assert!(write(&file).exits(2).sentence().contains("exists already"));
    let again = forged.sessions.beside("again.json");
    write(&again).exits(1);
    assert_eq!(fs::read_to_string(&again).expect("the evidence"), text);
    // A third party has the file and the keys.
    let check = |file: &Path, more: &[&OsString]| {
        let mut words: Vec<OsString> = vec!["check-evidence".into(), file.into(), "--json".into()];
        words.extend(more.iter().copied().cloned());
        Run::of("fm-verify", &words)
    };
    let checked = check(&file, &[&keys[0], &keys[1]]).exits(0);
    assert_eq!(difference(&checked), difference(&run));
    let verdict = checked.verdict();
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("proven"), &json!("equivocation")));
    let reported = verdict["proven"].to_string();
    assert!(reported.contains("signed two different headers for session 6: equivocation"), "{reported}");
    let people = verify!("check-evidence", file, keys[0], keys[1]).exits(0).stdout;
    assert!(people.contains("verdict    PROVEN: equivocation"), "{people}");
    assert_eq!(check(&file, &[]).exits(4).verdict()["verdict"], "unpinned");
    // Changed, cut, garbage, or nothing at all.
    for (at, bits) in [(0, 1), (text.len() / 2, 2), (text.len() - 20, 1)] {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= bits;
        let changed = forged.sessions.beside("changed.json");
        fs::write(&changed, bytes).expect("a file");
        let run = check(&changed, &[&keys[0], &keys[1]]).exits(1);
        assert_eq!(run.verdict()["verdict"], "refused", "byte {at}");
        assert!(run.verdict()["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    }
    for (content, exit) in [(&text.as_bytes()[..900], 1), (b"{}", 1), (b"", 1), (b"\xFF\xFE", 2)] {
        let bad = forged.sessions.beside("bad.json");
        fs::write(&bad, content).expect("a file");
        check(&bad, &[&keys[0], &keys[1]]).exits(exit);
    }
    check(&forged.sessions.beside("nowhere"), &[]).exits(3).sentence();
}

/// One side that nobody signed: the evidence shows the other, and accuses nobody.
#[test]
fn evidence_of_damage() {
    let home = tempfile::tempdir().expect("a directory");
    let whole = hbbft("peer-0");
    for (name, class) in [("bad-b-item-byte", "different-content"), ("bad-d-missing-epoch", "missing")] {
        let file = home.path().join(name);
        verify!("diff", whole, hbbft(name), "--config", whole, "--evidence", file).exits(1);
        let run = verify!("check-evidence", file, "--config", hbbft("peer-1"), "--json").exits(4);
        let verdict = run.verdict();
        assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("one-sided"), &json!(class)));
        let proven = (&verdict["proven_class"], &verdict["proven_sides"]);
        assert_eq!(proven, (&Value::Null, &json!(["left"])), "{verdict}");
        assert_eq!(verdict["proven"].as_array().map(Vec::len), Some(1), "{verdict}");
        assert_eq!(verdict["keys"]["key_set"].as_str().map(str::len), Some(96), "{verdict}");
        let people = verify!("check-evidence", file, "--config", hbbft("peer-1")).exits(4).stdout;
        assert!(people.contains("PROVEN OF THE LEFT SIDE ONLY"), "{people}");
        assert!(people.contains(&format!("{class} is NOT proven")), "{people}");
        // Keys that sign sessions check none of it, and that is not reported as missing keys.
        let session_keys = home.path().join("keys.json");
        fs::write(&session_keys, format!("{{\"0\": \"{KEY}\"}}")).expect("a file");
        let run = verify!("check-evidence", file, "--keys", session_keys).exits(4);
        assert!(run.stdout.contains("has no keys of the kind that signs epochs"), "{}", run.stdout);
        assert!(run.stdout.contains("trust root NONE of epochs"), "{}", run.stdout);
        // Session keys say nothing about epochs.
        let stranger = Federation::small(3);
        let run = verify!("check-evidence", file, "--config", stranger.config(), "--json").exits(1);
        assert!(run.verdict()["reason"].as_str().is_some_and(|reason| reason.contains("federation")));
    }
}

/// Two honest epochs under one number, and true evidence under another one: nobody signed two things.
#[test]
fn evidence_of_what_never_happened() {
    let home = tempfile::tempdir().expect("a directory");
    let (config, file) = (hbbft("peer-0"), home.path().join("evidence.json"));
    let refused = |file: &Path| {
        let run = verify!("check-evidence", file, "--config", config, "--json").exits(1).verdict();
        assert_eq!((&run["verdict"], &run["proven"]), (&json!("refused"), &json!([])), "{run}");
        run["reason"].as_str().expect("a reason").to_owned()
    };
    let reason = refused(&fixture("hostile/evidence-false-equivocation.json"));
    assert!(reason.contains("its number is 51"), "{reason}");
    // Whatever the file claims: the class, the hash, or that a side cannot be read.
    let text = fs::read_to_string(fixture("hostile/evidence-false-equivocation.json")).expect("the file");
    for (reported, lie) in [
        ("\"class\": \"equivocation\"", "\"class\": \"different-content\""),
        ("\"index\": 50", "\"index\": 51"),
        ("\"index\": 50", "\"index\": 52"),
        ("\"index\": 50", "\"index\": 18446744073709551615"),
        ("\"change\": \"different-content\"", "\"change\": \"undecodable\""),
    ] {
        assert!(text.contains(reported), "{reported}");
        fs::write(&file, resealed(&text.replace(reported, lie))).expect("a file");
        refused(&file);
    }
    // True evidence of one epoch is not evidence of another.
    let genuine = home.path().join("genuine.json");
    verify!("diff", config, hbbft("bad-b-item-byte"), "--config", config, "--evidence", genuine).exits(1);
    let text = fs::read_to_string(&genuine).expect("the evidence");
    fs::write(&file, resealed(&text.replace("\"index\": 160", "\"index\": 161"))).expect("a file");
    assert!(refused(&file).contains("its number is 160"));
}

/// Returns the text with the digest that it should have.
fn resealed(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let at = text.rfind("\"sha256\": \"").expect("a digest") + 11;
    let with = |digest: &str| format!("{}{digest}{}", &text[..at], &text[at + 64..]);
    with(&hex::encode(Sha256::digest(with(&"0".repeat(64)))))
}
