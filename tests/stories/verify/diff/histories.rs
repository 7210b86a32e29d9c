//! Whole histories side by side: guardians of one federation, damaged copies, other eras.

use std::path::PathBuf;

use fm_tests::{DAMAGED, Federation, Guardian, converted, digest, fixture, guardians, hbbft, seal, verify};
use serde_json::{Value, json};

use super::{assert_parted, assert_shorter, audited, diff, difference};

#[test]
fn guardians_of_one_federation() {
    let home = tempfile::tempdir().expect("a directory");
    let (mut equal, mut shorter) = (0, 0);
    for folder in ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.2.0-rc1", "session-v0.5.0"] {
        let guardians = guardians(folder, home.path());
        for (place, left) in guardians.iter().enumerate() {
            let before = digest(&left.path);
            for right in &guardians[place..] {
                let run = diff(left, &left.path, &right.path);
                let sides = [audited(left, &left.path), audited(left, &right.path)];
                let least = sides.iter().map(|side| side.1).min().expect("two");
                if sides[0] == sides[1] {
                    equal += 1;
                    assert_eq!(run.clone().exits(0).verdict()["verdict"], "equal");
                } else {
                    shorter += 1;
                    let side = if sides[0].1 == least { "left" } else { "right" };
                    assert_shorter(run.clone(), Some(side), least);
                }
                let verdict = run.verdict();
                assert_eq!(verdict["equal"], least, "{} {}", left.name, right.name);
                // The root at that point is the root of the shorter one.
                let expected = &sides.iter().find(|side| side.1 == least).expect("two").0;
                assert_eq!(verdict["history_root"], **expected, "{} {}", left.name, right.name);
            }
            assert_eq!(digest(&left.path), before, "{} was written", left.name);
        }
    }
    assert!(equal >= 15 && shorter >= 5, "{equal} {shorter}");
}

#[test]
fn damaged_copies_of_epochs() {
    let whole = hbbft("peer-0");
    let keys = ["--config".into(), whole.clone().into()];
    let guardian = Guardian { name: "hbbft".to_owned(), path: whole.clone(), keys };
    assert_eq!(diff(&guardian, &whole, &hbbft("peer-2")).exits(0).verdict()["equal"], 320);
    let [swapped, byte, hash, missing] = DAMAGED.map(|name| diff(&guardian, &whole, &hbbft(name)));
    // The content is the same; an audit finds that the signature is not valid, and the comparison says so,
    // too.
    let verdict = swapped.clone().exits(0).verdict();
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("equal"), &json!("other-signatures")));
    assert_eq!((&verdict["session"], &verdict["other_signatures"]), (&json!(160), &json!(1)));
    let sides = difference(&swapped);
    assert_eq!(sides["left"]["signatures"]["threshold_met"], true);
    assert_eq!(sides["right"]["signatures"]["threshold_met"], false);
    let byte = difference(&assert_parted(byte, "different-content", 160, Some(0)));
    assert_ne!(byte["left"]["item"]["sha256"], byte["right"]["item"]["sha256"]);
    assert_eq!(byte["left"]["item"]["kind"], "transaction");
    let hash = difference(&assert_parted(hash, "different-content", 160, None));
    assert_ne!(hash["left"]["last_hash"], hash["right"]["last_hash"]);
    assert_parted(missing, "missing", 160, None);
}

#[test]
fn damaged_copies_of_blocks() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("broadcast-v0.1.5", home.path())[0];
    let copy = |name: &str| diff(guardian, &guardian.path, &fixture("broadcast-v0.1.5").join(name));
    let byte = difference(&assert_parted(copy("bad-a-item-byte"), "different-content", 3, Some(5)));
    assert_eq!(byte["left"]["signatures"]["threshold_met"], true);
    assert_eq!(byte["right"]["signatures"]["valid"], json!([]));
    assert_parted(copy("bad-c-missing-block"), "missing", 3, None);
    for name in ["bad-b-swapped-signature", "bad-d-two-signatures"] {
        let run = copy(name).exits(0);
        assert_eq!(run.verdict()["class"], "other-signatures", "{name}");
        assert_eq!(difference(&run)["right"]["signatures"]["threshold_met"], false, "{name}");
    }
}

#[test]
fn histories_of_two_eras() {
    let federation = Federation::small(40);
    let (first, second) = (federation.beside("first"), federation.beside("second"));
    converted(&federation.guardian(), &first);
    let keys = ["--config".into(), federation.config().into()];
    let guardian = Guardian { name: "forged".to_owned(), path: federation.guardian(), keys };
    // The old database has the unsigned tip beyond what was migrated.
    let run = diff(&guardian, &guardian.path, &first);
    let verdict = run.verdict();
    assert_eq!(verdict["by_rule"], true);
    let (expected, sessions) = (fm_tests::manifest(&first)["history_root"].clone(), verdict["equal"].clone());
    assert_eq!(verdict["history_root"], expected);
    assert_shorter(run, Some("right"), sessions.as_u64().expect("a number"));
    // A perfect conversion of the whole history is not a difference, and both roots are of the same range.
    let people = verify!("diff", guardian.path, first, "--config", federation.config()).exits(0).stdout;
    assert!(people.contains("verdict    EQUAL up to session "), "{people}");
    let audited = verify!(first, "--config", federation.config()).stdout;
    let line = audited.lines().find(|line| line.starts_with("root ")).expect("a root");
    assert!(people.contains(&format!("{line}\n")), "{line} is not in\n{people}");
    // The archive has every old row.
    assert_eq!(
        diff(&guardian, &guardian.path, &first.join("provenance.fmar")).exits(0).verdict()["by_rule"],
        false
    );
    converted(&federation.guardian(), &second);
    let run = diff(&guardian, &first, &second).exits(0);
    assert_eq!((&run.verdict()["class"], &run.verdict()["equal"]), (&Value::Null, &sessions));
    // Sealed sessions are the same sessions.
    let files: Vec<PathBuf> =
        (0..3).map(|peer| federation.attestation(&second, peer, &format!("of-{peer}"))).collect();
    seal(&second, &federation.config(), &files).exits(0);
    let run = diff(&guardian, &first, &second).exits(0);
    assert_eq!(run.verdict()["class"], "other-signatures");
    assert_eq!(run.verdict()["other_signatures"], sessions);
}

#[test]
fn blocks_of_two_layouts() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("aleph-a4177cea3", home.path())[0];
    let target = home.path().join("new");
    guardian.convert(&target, &[]).exits(0);
    let run = diff(guardian, &guardian.path, &target).exits(0);
    assert_eq!(run.verdict()["by_rule"], true);
    assert_eq!(run.verdict()["history_root"], fm_tests::manifest(&target)["history_root"]);
    // One era apart, and another federation.
    let other = hbbft("peer-0");
    let run = verify!("diff", guardian.path, other, "--json").exits(1);
    assert_eq!((&run.verdict()["session"], &run.verdict()["equal"]), (&json!(0), &json!(0)));
}
