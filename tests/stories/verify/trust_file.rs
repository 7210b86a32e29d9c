//! Audits that continue where an earlier one ended: what was proven is not proven again, what has changed is
//! found, and a file that is not what it should be is refused.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_forge::BlockSpec;
use fm_forge::damage::{edit_block, rewrite};
use fm_tests::{Federation, Guardian, Run, Sessions, codes, guardians, hbbft, layout, partial_of, verify};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const LAYOUT: &str = "v0.4";

fn audit(guardian: &Guardian, path: &Path, trust: &Path) -> Run {
    let [option, value] = guardian.keys.clone();
    let words: Vec<OsString> =
        vec![path.into(), option, value, "--json".into(), "--trust-file".into(), trust.into()];
    Run::of("fm-verify", &words)
}

/// Returns how many sessions were known, and how many are now.
fn counts(run: &Run) -> (u64, u64) {
    let facts = &run.verdict()["trust_file"];
    let number = |name: &str| facts[name].as_u64().expect("a number");
    (number("trusted"), number("remembered"))
}

fn forged(sessions: u64) -> Sessions {
    Sessions::new(BlockSpec { items: 6, pending: 2, ..BlockSpec::new(layout(LAYOUT), sessions) })
}

#[test]
fn real_histories_are_proven_once() {
    let home = tempfile::tempdir().expect("a directory");
    let epochs = Guardian {
        name: "hbbft".to_owned(),
        path: hbbft("peer-0"),
        keys: ["--config".into(), hbbft("peer-0").into()],
    };
    let others = ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.2.0-rc1", "session-v0.5.0"];
    let all = others.into_iter().flat_map(|folder| guardians(folder, home.path()).into_iter().take(1));
    for guardian in std::iter::once(epochs).chain(all) {
        let trust = home.path().join("trust.json");
        let plain = guardian.verify().exits(0);
        let first = audit(&guardian, &guardian.path, &trust).exits(0);
        let (known, now) = counts(&first);
        let proven = first.verdict()["proven_to"].as_u64().expect("a number") + 1;
        assert_eq!((known, now), (0, proven), "{}", guardian.name);
        let text = fs::read(&trust).expect("it was written");
        let second = audit(&guardian, &guardian.path, &trust).exits(0);
        assert_eq!(counts(&second), (proven, proven), "{}", guardian.name);
        assert_eq!(fs::read(&trust).expect("it is there"), text);
        // The verdict is otherwise the same.
        let mut verdict = second.verdict();
        verdict["trust_file"] = Value::Null;
        assert_eq!(verdict, plain.verdict(), "{}", guardian.name);
        assert_eq!(second.findings(), plain.findings());
        fs::remove_file(&trust).expect("it is there");
    }
}

#[test]
fn guardians_of_one_federation_share_what_is_proven() {
    let home = tempfile::tempdir().expect("a directory");
    let trust = home.path().join("trust.json");
    let all = guardians("broadcast-v0.1.5", home.path());
    let (_, now) = counts(&audit(&all[0], &all[0].path, &trust).exits(0));
    for other in &all[1..] {
        // Other signatures of the same sessions are checked, and the sessions are those that were proven.
        let sessions = other.verify().exits(0).verdict()["sessions"].as_u64().expect("a number");
        let run = audit(other, &other.path, &trust);
        if sessions < now {
            // A history that ends earlier does not have all of what was proven.
            let found = codes(&run.exits(1).findings());
            assert_eq!(found, [("trusted-prefix-changed".to_owned(), Some(sessions))], "{}", other.name);
            continue;
        }
        let (known, after) = counts(&run.exits(0));
        assert!(known <= now && after >= now, "{}: {known} of {now}", other.name);
    }
}

#[test]
fn a_longer_history_goes_on_and_a_shorter_one_is_found_out() {
    let (short, long) = (forged(30), forged(41));
    let trust = short.beside("trust.json");
    let guardian = short.guardian();
    assert_eq!(counts(&audit(&guardian, &guardian.path, &trust).exits(0)), (0, 30));
    let run = audit(&guardian, &long.guardian().path, &trust).exits(0);
    assert_eq!(counts(&run), (30, 41));
    assert_eq!(run.verdict()["signed"], 41);
    let before = fs::read(&trust).expect("a file");
    let run = audit(&guardian, &guardian.path, &trust).exits(1);
    assert_eq!(codes(&run.findings()), [("trusted-prefix-changed".to_owned(), Some(30))]);
    assert_eq!(fs::read(&trust).expect("a file"), before);
}

/// Makes a copy with one block edited and signed by these guardians.
fn edited(
    good: &Sessions,
    at: u64,
    signers: &'static [u16],
    edit: impl Fn(&mut fm_history::Block) + 'static,
) -> PathBuf {
    let (layout, forged) = (layout(LAYOUT), good.forged.clone());
    let copy = good.beside("edited");
    let _ = fs::remove_dir_all(&copy);
    let change = edit_block(at, layout, move |block| {
        edit(block);
        forged.sign(at, block, layout, signers);
    });
    rewrite(&good.database(), &copy, change).expect("the copy");
    copy
}

#[test]
fn a_proven_session_that_was_agreed_on_anew_is_named() {
    let good = forged(40);
    let (guardian, trust) = (good.guardian(), good.beside("trust.json"));
    audit(&guardian, &guardian.path, &trust).exits(0);
    for at in [2, 17, 39] {
        // Guardians can sign another history in which everything holds: only a record of the earlier one
        // shows it.
        let copy = edited(&good, at, &[0, 1, 2], |block| {
            let item = fm_tests::module_item_of_block(vec![7; 9]);
            block.items.push(item);
        });
        guardian.verify_at(&copy).exits(0);
        let run = audit(&guardian, &copy, &trust).exits(1);
        assert_eq!(codes(&run.findings()), [("trusted-prefix-changed".to_owned(), Some(at))]);
        let (known, remembered) = counts(&run);
        // Everything after it is no longer connected to what was proven.
        assert_eq!((known, remembered), (at, 40));
    }
}

#[test]
fn other_signatures_under_a_proven_session_are_checked() {
    let good = forged(40);
    let (guardian, trust) = (good.guardian(), good.beside("trust.json"));
    audit(&guardian, &guardian.path, &trust).exits(0);
    // Every three of the four sign at some session, so two of these choices differ from the stored one.
    for signers in [&[0u16, 1, 3][..], &[1, 2, 3]] {
        let copy = edited(&good, 11, if signers[0] == 0 { &[0, 1, 3] } else { &[1, 2, 3] }, |_| {});
        let (known, remembered) = counts(&audit(&guardian, &copy, &trust).exits(0));
        assert!(known >= 39 && remembered == 40, "{known}");
    }
    let copy = good.beside("bad");
    let change = edit_block(11, layout(LAYOUT), |block| {
        let signature = block.signatures.values_mut().next().expect("a signature");
        signature[40] ^= 1;
    });
    rewrite(&good.database(), &copy, change).expect("the copy");
    let run = audit(&guardian, &copy, &trust).exits(1);
    let found = codes(&run.findings());
    assert_eq!(found[0], ("session-signature-invalid".to_owned(), Some(11)), "{found:?}");
}

#[test]
fn damage_of_a_proven_epoch_is_found() {
    let home = tempfile::tempdir().expect("a directory");
    let trust = home.path().join("trust.json");
    let keys = hbbft("peer-0");
    verify!(keys, "--config", keys, "--trust-file", trust).exits(0);
    for (name, at, code) in [
        ("bad-a-swapped-signature", 160, "epoch-signature-invalid"),
        ("bad-b-item-byte", 160, "trusted-prefix-changed"),
        ("bad-d-missing-epoch", 160, "trusted-prefix-changed"),
    ] {
        let run = verify!(hbbft(name), "--config", keys, "--trust-file", trust, "--json").exits(1);
        let found = codes(&run.findings());
        assert!(found.contains(&(code.to_owned(), Some(at))), "{name}: {found:?}");
    }
    // Nothing is remembered of a history that is not sound.
    let other = home.path().join("other.json");
    verify!(hbbft("bad-a-swapped-signature"), "--config", keys, "--trust-file", other).exits(1);
    assert!(!other.exists() && !partial_of(&other).exists());
}

/// Returns a trust file whose digest fits its content.
fn restated(file: &Value) -> String {
    let text = |name: &str| file[name].as_str().map_or_else(|| file[name].to_string(), str::to_owned);
    let names = ["format", "version", "era", "layout", "key_set", "sessions", "root", "salt"];
    let fields: Vec<String> = names.into_iter().map(text).collect();
    let digest = Sha256::digest(format!("{}\n{}", fields.join("\n"), text("marks")));
    let mut file = file.clone();
    file["digest"] = json!(hex::encode(digest));
    file.to_string()
}

#[test]
fn files_that_are_none() {
    let good = forged(9);
    let (guardian, trust) = (good.guardian(), good.beside("trust.json"));
    audit(&guardian, &guardian.path, &trust).exits(0);
    let text = fs::read_to_string(&trust).expect("a file");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(restated(&file).len(), text.len(), "the test makes digests as the program does");
    let with = |name: &str, value: Value| {
        let mut file = file.clone();
        file[name] = value;
        file
    };
    let swapped = |text: &str, from: &str, to: &str| text.replacen(from, to, 1);
    let marks = file["marks"].as_str().expect("text");
    let bad: Vec<(i32, &str, String)> = vec![
        (2, "not a trust file", String::new()),
        (2, "not a trust file", "garbage\u{0}".to_owned()),
        (2, "not a trust file", "[1,2]".to_owned()),
        (2, "not a trust file", "{}".to_owned()),
        (2, "not a trust file", text[..text.len() / 2].to_owned()),
        (2, "not a trust file", swapped(&text, "fm-trust", "fm-other")),
        (2, "not a trust file", restated(&with("more", json!(1)))),
        (2, "version 1", restated(&with("version", json!(1)))),
        (2, "version 3", restated(&with("version", json!(3)))),
        (2, "version 4000000000", json!({ "format": "fm-trust", "version": 4_000_000_000_u32 }).to_string()),
        (2, "other keys", restated(&with("key_set", json!("00".repeat(32))))),
        (2, "another layout", restated(&with("layout", json!("v0.2")))),
        (3, "damaged", with("sessions", json!(10)).to_string()),
        (3, "damaged", swapped(&text, &marks[..8], "00000000")),
        (3, "damaged", restated(&with("sessions", json!(10)))),
        (3, "damaged", restated(&with("marks", json!(&marks[..40])))),
        (3, "damaged", restated(&with("marks", json!("zz")))),
        (3, "damaged", restated(&with("salt", json!("00")))),
    ];
    for (exit, words, text) in bad {
        fs::write(&trust, &text).expect("a file");
        let run = audit(&guardian, &guardian.path, &trust).exits(exit);
        assert!(run.sentence().contains(words), "{text:.80}: {}", run.stderr);
        assert_eq!(fs::read_to_string(&trust).expect("a file"), text, "it was written");
        assert_eq!((run.failure()["type"].as_str(), run.json().len()), (Some("failure"), 1));
    }
    // A root that does not fit the marks: somebody changed the file with care.
    fs::write(&trust, restated(&with("root", json!("11".repeat(32))))).expect("a file");
    let run = audit(&guardian, &guardian.path, &trust).exits(1);
    assert_eq!(codes(&run.findings()), [("trusted-prefix-changed".to_owned(), None)]);
    // Marks that fit nothing: at the first session.
    fs::write(&trust, restated(&with("marks", json!("5a".repeat(16 * 9))))).expect("a file");
    let run = audit(&guardian, &guardian.path, &trust).exits(1);
    assert_eq!(codes(&run.findings()), [("trusted-prefix-changed".to_owned(), Some(0))]);
}

#[test]
fn places_and_options_that_do_not_go_together() {
    let good = forged(4);
    let guardian = good.guardian();
    let inside = good.database().join("trust.json");
    let run = audit(&guardian, &guardian.path, &inside).exits(2);
    assert!(run.sentence().contains("source"), "{}", run.stderr);
    let run = audit(&guardian, &guardian.path, Path::new("/nowhere/at/all/trust.json")).exits(2);
    assert!(run.sentence().contains("no directory"), "{}", run.stderr);
    let trust = good.beside("trust.json");
    let run = verify!(guardian.path, "--trust-file", trust).exits(2);
    assert!(run.sentence().contains("--trust-file"), "{}", run.stderr);
    for option in [["--from", "1"], ["--to", "1"], ["--sample", "1"]] {
        let [keys, value] = guardian.keys.clone();
        let run = verify!(guardian.path, keys, value, "--trust-file", trust, option[0], option[1]).exits(2);
        assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
    assert!(!trust.exists());
    // A directory in its place.
    fs::create_dir(&trust).expect("a directory");
    audit(&guardian, &guardian.path, &trust).exits(3).sentence();
}

#[test]
fn what_a_killed_run_leaves_is_no_harm() {
    let good = forged(12);
    let (guardian, trust) = (good.guardian(), good.beside("trust.json"));
    audit(&guardian, &guardian.path, &trust).exits(0);
    let before = fs::read(&trust).expect("a file");
    // Half of a new file, as a kill while writing leaves it.
    fs::write(partial_of(&trust), &before[..before.len() / 3]).expect("a file");
    assert_eq!(counts(&audit(&guardian, &guardian.path, &trust).exits(0)), (12, 12));
    assert!(!partial_of(&trust).exists());
    // A foreign file of that name is not ours to remove.
    fs::write(partial_of(&trust), "mine").expect("a file");
    let run = audit(&guardian, &guardian.path, &trust).exits(2);
    assert!(run.sentence().contains(".partial"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(partial_of(&trust)).expect("a file"), "mine");
    assert_eq!(fs::read(&trust).expect("a file"), before);
}

#[test]
fn a_migrated_directory_goes_on_too() {
    let federation = Federation::small(30);
    let (dir, trust) = (federation.beside("new"), federation.beside("trust.json"));
    fm_tests::converted(&federation.guardian(), &dir);
    let run = || verify!(dir, "--config", federation.config(), "--trust-file", trust, "--json").exits(0);
    let (_, now) = counts(&run());
    assert!(now > 20);
    assert_eq!(counts(&run()), (now, now));
    // The old database has the same epochs, under the same keys.
    let old =
        verify!(federation.guardian(), "--config", federation.config(), "--trust-file", trust, "--json");
    assert_eq!(counts(&old.exits(0)), (now, now));
}
