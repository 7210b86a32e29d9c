//! One item of a history, shown to a reader who has the keys and nothing else, and shown to anyone who asks.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_tests::{
    Federation, Guardian, Run, Sessions, converted, fixture, guardians, hbbft, layout, seal, verify,
};
use serde_json::{Value, json};

/// Runs a subcommand on a source with a guardian's keys.
fn run(command: &str, path: &Path, keys: &[OsString], more: &[&str]) -> Run {
    let mut words: Vec<OsString> = vec![command.into(), path.into()];
    words.extend(keys.iter().cloned());
    words.extend(more.iter().map(OsString::from));
    Run::of("fm-verify", &words)
}

fn show(guardian: &Guardian, more: &[&str]) -> Value {
    let shown = run("show", &guardian.path, &guardian.keys, more).exits(0);
    assert_eq!((shown.json().len(), shown.stderr.as_str()), (1, ""), "{}", shown.stdout);
    shown.json().remove(0)
}

/// Proves an item, and has it checked with the keys alone.
#[track_caller]
fn proven(guardian: &Guardian, home: &Path, place: &[&str]) -> Value {
    let file = home.join("proof.json");
    let mut more = place.to_vec();
    more.extend(["--out", file.to_str().expect("text")]);
    assert_eq!(run("prove", &guardian.path, &guardian.keys, &more).exits(0).stderr, "");
    let checked = run("check-proof", &file, &guardian.keys, &["--json"]).exits(0).verdict();
    assert_eq!(checked["verdict"], "proven");
    assert_eq!(run("check-proof", &file, &[], &["--json"]).exits(4).verdict()["verdict"], "unpinned");
    let printed = run("prove", &guardian.path, &guardian.keys, place).exits(0).stdout;
    assert_eq!(printed, fs::read_to_string(&file).expect("the proof"));
    fs::remove_file(&file).expect("the proof");
    checked
}

#[test]
fn every_item_of_a_session_of_every_era() {
    let home = tempfile::tempdir().expect("a directory");
    let mut seen = 0;
    for folder in
        ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.2.0-rc1", "session-v0.5.0", "synth-v0.5.0"]
    {
        let guardian = &guardians(folder, home.path())[0];
        let sessions = guardian.verify().exits(0).verdict()["sessions"].as_u64().expect("a number");
        let mut all =
            (0..sessions).rev().map(|index| show(guardian, &["--session", &index.to_string(), "--json"]));
        let session = all.find(|shown| shown["items"].as_u64() > Some(0)).expect("a session with items");
        assert_eq!(session["signatures"]["threshold_met"], true);
        let index = session["session"].to_string();
        for item in session["list"].as_array().expect("a list").iter().take(12) {
            let place = ["--session", &index, "--item", &item["item"].to_string()];
            let proof = proven(guardian, home.path(), &place);
            assert_eq!((&proof["item"], &proof["items"]), (item, &session["items"]), "{folder}");
            assert_eq!(
                (&proof["session"], &proof["hash"]),
                (&session["session"], &session["hash"]),
                "{folder}"
            );
            assert_eq!(proof["signed_by"], session["signatures"]["valid"], "{folder}");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

/// Servers of 0.13 end sessions with votes that they have already: what is before these is proven, and the
/// votes are not.
#[test]
fn sessions_that_end_with_repeated_items() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("session-v0.13.0", home.path())[0];
    let file = home.path().join("proof.json");
    for (index, repeated) in [("4", 2), ("9", 13)] {
        let session = show(guardian, &["--session", index, "--json"]);
        assert_eq!(session["ambiguous"], true);
        let list = session["list"].as_array().expect("a list");
        let certain = list.len() - repeated;
        for place in [0, 1, certain / 2, certain - 1] {
            let at = place.to_string();
            let more = ["--session", index, "--item", &at, "--out", file.to_str().expect("text")];
            let made = run("prove", &guardian.path, &guardian.keys, &more).exits(0);
            assert!(made.stderr.contains(&format!("the last {repeated} of which repeat")), "{}", made.stderr);
            let proof = run("check-proof", &file, &guardian.keys, &["--json"]).exits(0).verdict();
            assert_eq!((&proof["verdict"], &proof["items"]), (&json!("proven"), &json!(certain)));
            assert_eq!((&proof["item"], &proof["hash"]), (&list[place], &session["hash"]));
            // The same file with another number of items proves nothing.
            let text = fs::read_to_string(&file).expect("the proof");
            for items in [certain - 1, certain + 1, list.len()] {
                let lie = text.replace(&format!("\"items\": {certain}"), &format!("\"items\": {items}"));
                assert_ne!(lie, text);
                fs::write(&file, resealed(&lie)).expect("a file");
                run("check-proof", &file, &guardian.keys, &[]).exits(1);
            }
            fs::remove_file(&file).expect("the proof");
        }
        for place in certain..list.len() {
            let more = ["--session", index, "--item", &place.to_string()];
            let refused = run("prove", &guardian.path, &guardian.keys, &more).exits(1);
            let only = format!("only items 0 to {} can be", certain - 1);
            assert!(refused.sentence().contains(&only), "{}", refused.stderr);
        }
        let beyond = ["--session", index, "--item", &list.len().to_string()];
        run("prove", &guardian.path, &guardian.keys, &beyond).exits(1).sentence();
    }
}

#[test]
fn transactions_by_their_id() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("session-v0.5.0", home.path())[0];
    let session = show(guardian, &["--session", "1", "--json"]);
    let list = session["list"].as_array().expect("a list");
    let item = list.iter().find(|item| item["kind"] == "transaction").expect("a transaction");
    let txid = item["txid"].as_str().expect("an id");
    let shown = show(guardian, &["--txid", txid, "--json", "--hex"]);
    assert_eq!((&shown["session"], &shown["list"][0]["item"]), (&json!(1), &item["item"]));
    let hex = shown["list"][0]["hex"].as_str().expect("bytes");
    assert_eq!(hex.len() as u64, 2 * item["bytes"].as_u64().expect("a number"));
    assert_eq!(proven(guardian, home.path(), &["--txid", txid])["item"], *item);
    let unknown = "00".repeat(32);
    for command in ["show", "prove"] {
        let run = run(command, &guardian.path, &guardian.keys, &["--txid", &unknown]).exits(1);
        assert!(run.sentence().contains("no transaction"), "{}", run.stderr);
    }
    // Modules have names if the configuration says them.
    let people = verify!("show", guardian.path, "--config", guardian.path, "--txid", txid).exits(0).stdout;
    assert!(people.contains("(dummy)") && people.contains(txid) && people.contains("signed by"), "{people}");
}

#[test]
fn epochs_and_what_covers_them() {
    let home = tempfile::tempdir().expect("a directory");
    let peer = hbbft("peer-0");
    let real =
        Guardian { name: "real".to_owned(), path: peer.clone(), keys: ["--config".into(), peer.into()] };
    let epoch = show(&real, &["--epoch", "5", "--json"]);
    assert_eq!(epoch["signatures"]["threshold_met"], true);
    for item in epoch["list"].as_array().expect("a list") {
        let proof = proven(&real, home.path(), &["--epoch", "5", "--item", &item["item"].to_string()]);
        assert_eq!((&proof["item"], &proof["epoch"]), (item, &json!(5)));
    }
    // The newest epoch is not signed.
    let tip = run("prove", &real.path, &real.keys, &["--epoch", "319", "--item", "0"]).exits(1);
    assert!(tip.sentence().contains("no epoch from 319 on carries a signature"), "{}", tip.stderr);
    // Epochs without a signature of their own are covered by the chain.
    let federation = Federation::small(40);
    let keys = ["--config".into(), federation.config().into()];
    let forged = Guardian { name: "forged".to_owned(), path: federation.guardian(), keys };
    let mut covered = 0;
    for number in 0..38 {
        let shown = show(&forged, &["--epoch", &number.to_string(), "--json"]);
        if shown["signatures"]["federation"] == false && shown["items"].as_u64() > Some(0) {
            let proof = proven(&forged, home.path(), &["--epoch", &number.to_string(), "--item", "0"]);
            assert!(proof["signed_epoch"].as_u64() > Some(number), "{proof}");
            covered += 1;
        }
    }
    assert!(covered > 2, "{covered}");
}

/// Changes of a proof of an epoch, with the digest corrected.
#[test]
fn lies_about_epochs() {
    let home = tempfile::tempdir().expect("a directory");
    let federation = Federation::small(30);
    let config = federation.config();
    let keys = ["--config".into(), config.into()];
    let forged = Guardian { name: "forged".to_owned(), path: federation.guardian(), keys: keys.clone() };
    let number = (0..28u64)
        .find(|number| {
            let shown = show(&forged, &["--epoch", &number.to_string(), "--json"]);
            shown["signatures"]["federation"] == false && shown["items"].as_u64() > Some(1)
        })
        .expect("a covered epoch");
    let proof = run("prove", &forged.path, &keys, &["--epoch", &number.to_string(), "--item", "1"]).exits(0);
    let text = proof.stdout;
    let check = |text: &str| {
        let file = home.path().join("lie.json");
        fs::write(&file, resealed(text)).expect("a file");
        run("check-proof", &file, &keys, &["--json"])
    };
    assert_eq!(resealed(&text), text);
    check(&text).exits(0);
    let refused = |name: &str, lie: String| {
        assert_ne!(lie, text, "{name} changes nothing");
        let run = check(&lie).exits(1);
        assert_eq!(run.verdict()["verdict"], "refused", "{name}");
    };
    refused("index", text.replace(&format!("\"index\": {number}"), &format!("\"index\": {}", number + 1)));
    refused("item", text.replace("\"item\": 1", "\"item\": 1000"));
    refused("layout", text.replace("bigsize", "fixed-be"));
    let records: Vec<&str> = text.lines().filter(|line| line.len() > 200).collect();
    assert!(records.len() > 1);
    refused("last record", text.replace(&format!(",\n{}", records[records.len() - 1]), ""));
    refused("first record", text.replace(&format!("{}\n", records[0]), ""));
    refused(
        "order",
        text.replace(records[0].trim_end_matches(','), "@")
            .replace(records[1].trim_end_matches(','), records[0].trim_end_matches(','))
            .replace('@', records[1].trim_end_matches(',')),
    );
    for at in [30, 90, 150, records[0].len() - 120] {
        let mut record = records[0].to_owned();
        let digit = if record.as_bytes()[at] == b'0' { "1" } else { "0" };
        record.replace_range(at..=at, digit);
        refused("a byte", text.replace(records[0], &record));
    }
}

/// Numbers at the end of the range: a refusal, and no panic.
#[test]
fn the_largest_number() {
    let file = fixture("hostile/proof-index-max.json");
    for keys in [&[][..], &["--config".into(), hbbft("peer-0").into()]] {
        let verdict = run("check-proof", &file, keys, &["--json"]).exits(1).verdict();
        assert_eq!(verdict["verdict"], "refused");
        assert!(
            verdict["reason"].as_str().is_some_and(|reason| reason.contains("it is epoch 3")),
            "{verdict}"
        );
    }
    let max = u64::MAX.to_string();
    for place in [["--epoch", &max, "--item", "0"], ["--epoch", "0", "--item", &max]] {
        run("prove", &hbbft("peer-0"), &[], &place).exits(1);
    }
}

/// The keys that an answer rests on, and whether they are the right ones.
#[test]
fn the_keys_are_named() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("session-v0.5.0", home.path())[0];
    let file = home.path().join("proof.json");
    let place = ["--session", "1", "--item", "3", "--out", file.to_str().expect("text")];
    run("prove", &guardian.path, &guardian.keys, &place).exits(0);
    let checked = run("check-proof", &file, &guardian.keys, &["--json"]).exits(0).verdict();
    let audited = guardian.verify().verdict();
    assert_eq!(checked["keys"]["key_set"], audited["keys"]["key_set_tag"], "one name of one key set");
    assert_eq!(audited["keys"]["key_set"], audited["keys"]["key_set_tag"]);
    let name = checked["keys"]["key_set"].as_str().expect("a name").to_owned();
    let trust = home.path().join("trust.json");
    verify!(guardian.path, guardian.keys[0], guardian.keys[1], "--trust-file", trust).exits(0);
    assert!(fs::read_to_string(&trust).expect("a file").contains(&format!("\"key_set\":\"{name}\"")));
    let people = run("check-proof", &file, &guardian.keys, &[]).exits(0).stdout;
    assert!(people.starts_with(&format!("trust root {name} from ")), "{people}");
    let shown = show(guardian, &["--session", "1", "--json"]);
    assert_eq!((&shown["keys"]["key_set"], &shown["signatures"]["keys"]), (&json!(name), &json!("given")));
    // Keys of the other kind are not reported as missing keys.
    let epochs = Federation::small(2);
    let keys = home.path().join("keys.json");
    fs::write(&keys, fm_tests::keys_of(&epochs.forged.coefficients)).expect("a file");
    let keys = ["--keys".into(), keys.into()];
    let people = run("check-proof", &file, &keys, &[]).exits(4).stdout;
    assert!(people.contains("no keys of the kind that signs sessions"), "{people}");
    assert!(people.contains("trust root NONE of sessions"), "{people}");
    let shown = run("show", &guardian.path, &keys, &["--session", "1"]).exits(0).stdout;
    assert!(shown.contains("UNCHECKED: the keys given are not of the kind"), "{shown}");
    // Those of another federation are reported as such, without naming a guardian.
    let other = ["--config".into(), fixture("session-v0.2.0-rc1/peer-0").into()];
    let refused = run("check-proof", &file, &other, &["--json"]).exits(1).verdict();
    assert!(
        refused["reason"].as_str().is_some_and(|reason| reason.contains("another federation")),
        "{refused}"
    );
    // Nor are its modules given the kinds that another federation has under these numbers.
    let named = run("show", &guardian.path, &other, &["--session", "1", "--json"]).exits(0).json().remove(0);
    assert_eq!((&named["signatures"]["keys"], &named["modules"]), (&json!("other"), &json!({})), "{named}");
    let audited = fm_tests::verify!(guardian.path, other[0], other[1], "--json").exits(1).verdict();
    assert!(audited["federation"].is_null() && audited["guardians"] == json!({}), "{audited}");
    let own = fm_tests::verify!(guardian.path, "--config", guardian.path, "--json").exits(0).verdict();
    assert!(own["federation"].is_string() && own["guardians"]["0"] == "peer-0", "{own}");
    let unit = run("show", &guardian.path, &other, &["--unit", "0:1"]).exits(0).stdout;
    assert!(unit.contains("another federation") && !unit.contains("NOT by its guardian"), "{unit}");
}

/// Returns the text with the digest that it should have.
fn resealed(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let at = text.rfind("\"sha256\": \"").expect("a digest") + 11;
    let with = |digest: &str| format!("{}{digest}{}", &text[..at], &text[at + 64..]);
    with(&hex::encode(Sha256::digest(with(&"0".repeat(64)))))
}

/// Sealed sessions are proven by the new signatures, and the old epochs by the old ones.
#[test]
fn migrated_histories() {
    let federation = Federation::small(20);
    let dir = federation.beside("new");
    converted(&federation.guardian(), &dir);
    let keys = ["--config".into(), federation.config().into()];
    let migrated = Guardian { name: "migrated".to_owned(), path: dir.clone(), keys: keys.clone() };
    let unsigned = run("prove", &dir, &keys, &["--session", "3", "--item", "0"]).exits(1);
    assert!(unsigned.sentence().contains("carries no signatures"), "{}", unsigned.stderr);
    let home = tempfile::tempdir().expect("a directory");
    assert_eq!(proven(&migrated, home.path(), &["--epoch", "3", "--item", "0"])["epoch"], 3);
    let files: Vec<_> =
        (0..3).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
    seal(&dir, &federation.config(), &files).exits(0);
    let proof = proven(&migrated, home.path(), &["--session", "3", "--item", "0"]);
    assert_eq!((&proof["session"], &proof["signed_by"]), (&json!(3), &json!([0, 1, 2])));
}

#[test]
fn what_cannot_be_proven_or_shown() {
    let home = tempfile::tempdir().expect("a directory");
    let sessions = Sessions::of(layout("v0.4"), 3);
    let guardian = sessions.guardian();
    let (path, keys) = (&guardian.path, &guardian.keys);
    for (place, exit) in [
        (&["--session", "99", "--item", "0"][..], 1),
        (&["--session", "1", "--item", "9999"], 1),
        (&["--session", "18446744073709551615", "--item", "0"], 1),
        (&["--session", "1"], 2),
        (&["--item", "1"], 2),
        (&[], 2),
        (&["--epoch", "1", "--item", "0"], 2),
        (&["--session", "1", "--txid", "00"], 2),
        (&["--session", "-1", "--item", "0"], 2),
    ] {
        let run = run("prove", path, keys, place).exits(exit);
        assert_eq!(run.stdout, "", "{place:?}");
    }
    // Keys of others, of another kind, and an invalid signature.
    let stranger =
        Sessions::new(fm_forge::BlockSpec { seed: 5, ..fm_forge::BlockSpec::new(layout("v0.4"), 1) });
    let has_items = |index: &u64| {
        show(&guardian, &["--session", &index.to_string(), "--json"])["items"].as_u64() > Some(0)
    };
    let index = (0..3).find(has_items).expect("a session with items").to_string();
    let place = ["--session", index.as_str(), "--item", "0"];
    let refused = run("prove", path, &stranger.guardian().keys, &place).exits(1);
    assert!(refused.sentence().contains("of them verify"), "{}", refused.stderr);
    let epochs = Federation::small(2);
    let keys_of_epochs = home.path().join("keys.json");
    fs::write(&keys_of_epochs, fm_tests::keys_of(&epochs.forged.coefficients)).expect("a file");
    run("prove", path, &["--keys".into(), keys_of_epochs.into()], &place).exits(2).sentence();
    let bad = fixture("broadcast-v0.1.5/bad-d-two-signatures");
    let blocks = &guardians("broadcast-v0.1.5", home.path())[0];
    run("prove", &bad, &blocks.keys, &["--session", "3", "--item", "0"]).exits(1).sentence();
    let bad = hbbft("bad-b-item-byte");
    run("prove", &bad, &["--config".into(), hbbft("peer-0").into()], &["--epoch", "160", "--item", "0"])
        .exits(1);
    // Files that are not proofs.
    for (content, exit) in [(&b""[..], 1), (b"{}", 1), (b"[[[[", 1), (b"\xFF", 2)] {
        let file = home.path().join("bad.json");
        fs::write(&file, content).expect("a file");
        run("check-proof", &file, keys, &[]).exits(exit);
    }
    run("check-proof", &home.path().join("nowhere"), keys, &[]).exits(3).sentence();
    let taken = home.path().join("bad.json");
    let more = ["--session", index.as_str(), "--item", "0", "--out", taken.to_str().expect("text")];
    assert!(run("prove", path, keys, &more).exits(2).sentence().contains("exists already"));
}

/// Units of the session in progress, of a real backup.
#[test]
fn units() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("session-v0.5.0", home.path())[0];
    let listed = Run::of("fm-migrate", &["units".into(), guardian.path.clone().into(), "--json".into()]);
    let items: Vec<Value> = listed.json().into_iter().filter(|line| line["type"] == "item").collect();
    assert!(!items.is_empty());
    for item in items {
        let name = format!("{}:{}", item["peer"], item["round"]);
        let unit = show(guardian, &["--unit", &name, "--json", "--hex"]);
        assert_eq!((&unit["type"], &unit["signed"]), (&json!("unit"), &json!(true)), "{unit}");
        for field in ["session", "round", "peer"] {
            assert_eq!(unit[field], item[field], "{field} of {name}");
        }
        let place = usize::try_from(item["position"].as_u64().expect("a number")).expect("small");
        let shown = &unit["list"][place];
        let fields = [("kind", "kind"), ("txid", "txid"), ("module", "module"), ("hex", "bytes")];
        for (ours, theirs) in fields {
            assert_eq!(shown[ours], item[theirs], "{ours} of item {place} in {name}");
        }
        let people = run("show", &guardian.path, &guardian.keys, &["--unit", &name]).exits(0).stdout;
        assert!(people.contains("signed     by its guardian"), "{people}");
    }
    for (name, exit) in [("9:1", 1), ("0:65535", 1), ("0", 2), ("0:65536", 2), (":", 2), ("a:b", 2)] {
        run("show", &guardian.path, &guardian.keys, &["--unit", name]).exits(exit);
    }
    let epochs = hbbft("peer-0");
    run("show", &epochs, &[], &["--unit", "0:1"]).exits(2).sentence();
}
