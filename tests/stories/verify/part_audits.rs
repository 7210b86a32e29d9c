//! Audits that leave something out because the user said so: a part of a history, a sample of its signatures.
//! They judge what they looked at as a full audit does, and no script can take one for the other.

use std::ffi::OsString;
use std::path::Path;

use fm_tests::{Guardian, Run, codes, guardians, hbbft, root, verify};
use serde_json::{Value, json};

fn with(guardian: &Guardian, path: &Path, more: &[&str]) -> Run {
    let [option, value] = guardian.keys.clone();
    let mut words: Vec<OsString> = vec![path.into(), option, value, "--json".into()];
    words.extend(more.iter().map(OsString::from));
    Run::of("fm-verify", &words)
}

/// Returns the real guardians of every era with their number of epochs or sessions.
fn real(home: &Path) -> Vec<(Guardian, u64)> {
    let epochs = hbbft("peer-0");
    let keys = ["--config".into(), epochs.clone().into()];
    let mut all = vec![(Guardian { name: "hbbft".to_owned(), path: epochs, keys }, 320)];
    for folder in ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.5.0"] {
        let guardian = guardians(folder, home).remove(0);
        let count = guardian.verify().exits(0).verdict()["sessions"].as_u64().expect("a number");
        all.push((guardian, count));
    }
    all
}

/// Removes from a verdict the fields in which an audit of a part differs.
fn facts(mut verdict: Value) -> Value {
    for name in ["range", "sample", "trust_file"] {
        verdict[name] = Value::Null;
    }
    verdict
}

#[test]
fn a_part_is_judged_like_the_whole_and_says_that_it_is_one() {
    let home = tempfile::tempdir().expect("a directory");
    for (guardian, count) in real(home.path()) {
        let (from, to) = (count / 3, count / 2);
        let part = ["--from", &from.to_string(), "--to", &to.to_string()];
        let run = with(&guardian, &guardian.path, &part).exits(4);
        let verdict = run.verdict();
        assert_eq!(verdict["verdict"], "partial", "{}", guardian.name);
        assert_eq!(verdict["range"], json!({ "from": from, "to": to }), "{}", guardian.name);
        assert_eq!(verdict["signed"], to - from + 1, "{}", guardian.name);
        // There is no root over a part, and the part does not prove what comes before it.
        assert!(verdict["history_root"].is_null() && verdict["proven_to"].is_null(), "{verdict}");
        let found = codes(&run.findings());
        assert_eq!(found, [("transaction-index-unchecked".to_owned(), None)], "{}", guardian.name);
        // From the first one on there is a root, over as much as was looked at.
        let verdict = with(&guardian, &guardian.path, &["--to", &to.to_string()]).exits(4).verdict();
        assert_eq!((&verdict["verdict"], &verdict["proven_to"]), (&json!("partial"), &json!(to)));
        assert_eq!(verdict["last"], to);
        root(&verdict);
        // All of it is not a part.
        let whole = with(&guardian, &guardian.path, &["--from", "0", "--to", &(count - 1).to_string()]);
        let (whole, plain) = (whole.exits(0), with(&guardian, &guardian.path, &[]).exits(0));
        assert_eq!(whole.stdout, plain.stdout, "{}", guardian.name);
    }
}

#[test]
fn a_part_that_is_not_there() {
    let home = tempfile::tempdir().expect("a directory");
    for (guardian, count) in real(home.path()) {
        let (end, behind) = ((count - 1).to_string(), count.to_string());
        for (option, words) in [
            ("--from", vec!["--from", &*behind]),
            ("--to", vec!["--to", &*behind]),
            ("--to", vec!["--from", "3", "--to", "18446744073709551615"]),
        ] {
            let run = with(&guardian, &guardian.path, &words).exits(2);
            let sentence = run.sentence();
            assert!(sentence.contains(option) && sentence.contains(&format!("is {end}")), "{sentence}");
            assert_eq!((run.failure()["type"].as_str(), run.json().len()), (Some("failure"), 1));
        }
        let run = with(&guardian, &guardian.path, &["--from", "5", "--to", "4"]).exits(2);
        assert!(run.sentence().contains("before --from"));
    }
    for words in [["--from", "1x"], ["--to", "x"], ["--sample", "0"], ["--jobs", "0"], ["--jobs", "9999"]] {
        let run = verify!(hbbft("peer-0"), words[0], words[1]).exits(2);
        assert!(run.stderr.contains(words[0]), "{}", run.stderr);
    }
}

#[test]
fn damage_is_found_by_the_parts_that_hold_it() {
    let (keys, at) = (hbbft("peer-0"), 160);
    let look = |name: &str, from: u64, to: u64, exit: i32| {
        let (from, to) = (from.to_string(), to.to_string());
        let run = verify!(hbbft(name), "--config", keys, "--json", "--from", from, "--to", to).exits(exit);
        let mut found = codes(&run.findings());
        found.retain(|(code, _)| code != "transaction-index-unchecked");
        found
    };
    for (name, code) in [
        ("bad-a-swapped-signature", "epoch-signature-invalid"),
        ("bad-b-item-byte", "epoch-hash-mismatch"),
        ("bad-d-missing-epoch", "epoch-missing"),
    ] {
        assert_eq!(look(name, 20, 100, 4), [], "{name}");
        assert_eq!(look(name, 200, 300, 4), [], "{name}");
        for (from, to) in [(150, 170), (at, 170), (150, at)] {
            let found = look(name, from, to, 1);
            assert!(found.contains(&(code.to_owned(), Some(at))), "{name} {from} {to}: {found:?}");
        }
    }
}

#[test]
fn a_sample_finds_or_misses_and_says_how_likely() {
    let keys = hbbft("peer-0");
    let source = hbbft("bad-a-swapped-signature");
    let (mut found, mut missed) = (0, 0);
    for seed in 0..12 {
        let seed_text = seed.to_string();
        let words = ["--config", "--json", "--sample", "160", "--seed"];
        let run = verify!(source, words[0], keys, words[1], words[2], words[3], words[4], seed_text);
        let verdict = run.verdict();
        let sample = &verdict["sample"];
        assert_eq!(
            (&sample["count"], &sample["of"], &sample["seed"]),
            (&json!(160), &json!(320), &json!(seed))
        );
        assert_eq!(sample["missed"][0], json!({ "bad": 1, "chance": 0.5 }));
        let again = verify!(source, words[0], keys, words[1], words[2], words[3], words[4], seed_text);
        assert_eq!(run.stdout, again.stdout);
        match run.exit {
            1 => {
                found += 1;
                assert_eq!(verdict["verdict"], "findings");
                assert!(codes(&run.findings()).contains(&("epoch-signature-invalid".to_owned(), Some(160))));
            }
            4 => {
                missed += 1;
                assert_eq!((&verdict["verdict"], &verdict["errors"]), (&json!("sampled"), &json!(0)));
                let text = verify!(source, words[0], keys, words[2], words[3], words[4], seed_text).exits(4);
                assert!(text.stdout.contains("SAMPLED") && !text.stdout.contains("SOUND"), "{}", text.stdout);
                assert!(text.stdout.contains("(SAMPLED, not proven)"), "{}", text.stdout);
            }
            exit => panic!("exit {exit}"),
        }
    }
    assert!(found > 0 && missed > 0, "{found} found, {missed} missed");
}

#[test]
fn a_sample_is_of_signatures_only() {
    let keys = hbbft("peer-0");
    for name in ["bad-b-item-byte", "bad-c1-last-hash", "bad-d-missing-epoch"] {
        let run = verify!(hbbft(name), "--config", keys, "--json", "--sample", "1").exits(1);
        assert!(codes(&run.findings()).iter().any(|(_, place)| matches!(place, Some(160 | 161))), "{name}");
    }
    let home = tempfile::tempdir().expect("a directory");
    for guardian in guardians("broadcast-v0.1.5", home.path()).into_iter().take(1) {
        let bad = |name: &str| guardian.path.with_file_name(name);
        // Too few signatures are too few, whether they hold or not.
        let run = with(&guardian, &bad("bad-d-two-signatures"), &["--sample", "1", "--seed", "1"]).exits(1);
        assert_eq!(codes(&run.findings())[0].0, "session-unsigned");
        let plain = guardian.verify().exits(0).verdict();
        let verdict = with(&guardian, &guardian.path, &["--sample", "3"]).exits(4).verdict();
        assert_eq!((&verdict["signed"], &verdict["proven_to"]), (&json!(3), &Value::Null));
        assert_eq!(verdict["history_root"], plain["history_root"]);
        // A sample of everything is a full audit.
        let all = with(&guardian, &guardian.path, &["--sample", "1000000"]).exits(0).verdict();
        assert_eq!(facts(all), facts(plain));
    }
    let run = verify!(hbbft("peer-0"), "--sample", "5").exits(2);
    assert!(run.sentence().contains("--sample") && run.stderr.contains("--config"), "{}", run.stderr);
    let run = verify!(hbbft("peer-0"), "--seed", "5").exits(2);
    assert!(run.stderr.contains("--sample"), "{}", run.stderr);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for name in ["peer-0", "bad-a-swapped-signature"] {
        let run = |more: &[&str]| {
            let config = hbbft("peer-0");
            let mut words: Vec<OsString> = vec![hbbft(name).into(), "--config".into(), config.into()];
            words.extend(more.iter().map(OsString::from));
            Run::of("fm-verify", &words).stdout
        };
        let plain = run(&[]);
        for jobs in ["1", "2", "5"] {
            assert_eq!(run(&["--jobs", jobs]), plain, "{name} {jobs}");
        }
    }
}
