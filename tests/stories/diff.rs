//! Two histories side by side: guardians of one federation, damaged copies, other eras, and every way in which two
//! copies of a session can part; and the evidence of it, for somebody who has neither.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_codec::ModuleValue;
use fm_eras::block::BlockLayout;
use fm_forge::damage::{edit_block, rewrite_and_add};
use fm_history::{Block, BlockContent, BlockItem};
use fm_tests::{
    Change, DAMAGED, Federation, Guardian, Run, Sessions, codes, converted, copy_dir, digest, dropping,
    fixture, guardians, hbbft, layout, root, seal, verify,
};
use serde_json::{Value, json};

const SESSIONS: u64 = 12;
/// The session at which histories part.
const AT: u64 = 6;
/// A key that signs sessions.
const KEY: &str = "0288836e8916e114eb0f4dd0adad9d70234b9b4e57cdc20fe089eede25adee5726";

/// Compares two sources under a guardian's keys, in both orders: the mirrored answer must be the same.
#[track_caller]
fn diff(guardian: &Guardian, left: &Path, right: &Path) -> Run {
    let run = |left: &Path, right: &Path| {
        let mut words: Vec<OsString> = vec!["diff".into(), left.into(), right.into(), "--json".into()];
        words.extend(guardian.keys.clone());
        Run::of("fm-verify", &words)
    };
    let (run, mirrored) = (run(left, right), run(right, left));
    let sideless = |run: &Run, sides: [&str; 2]| {
        let mut verdict = run.verdict();
        let keys = [format!("{}_keys", sides[0]), format!("{}_keys", sides[1])];
        let keys = keys.map(|name| verdict.as_object_mut().and_then(|fields| fields.remove(&name)));
        let shorter = verdict["shorter"].as_str().map(|side| sides.iter().position(|name| *name == side));
        verdict["shorter"] = Value::Null;
        (verdict, keys, shorter)
    };
    let answers = [sideless(&run, ["left", "right"]), sideless(&mirrored, ["right", "left"])];
    assert_eq!(answers[0], answers[1], "{} and {}", left.display(), right.display());
    let sides = |run: &Run, names: [&str; 2]| {
        let difference = run.json().into_iter().find(|line| line["type"] == "difference");
        difference.map(|line| names.map(|name| line[name].clone()))
    };
    assert_eq!(sides(&run, ["left", "right"]), sides(&mirrored, ["right", "left"]));
    assert_eq!(run.stderr, "");
    run
}

#[track_caller]
fn difference(run: &Run) -> Value {
    let mut lines = run.json();
    lines.retain(|line| line["type"] == "difference");
    assert_eq!(lines.len(), 1, "{}", run.stdout);
    lines.remove(0)
}

#[track_caller]
fn assert_parted(run: Run, class: &str, session: u64, item: Option<u64>) -> Run {
    let run = run.exits(1);
    let verdict = run.verdict();
    assert_eq!(verdict["verdict"], "different", "{}", run.stdout);
    assert_eq!((&verdict["class"], &verdict["session"]), (&json!(class), &json!(session)), "{}", run.stdout);
    assert_eq!((&verdict["item"], &verdict["equal"]), (&json!(item), &json!(session)), "{}", run.stdout);
    run
}

/// One history is a beginning of the other: they are one as far as both go.
#[track_caller]
fn assert_shorter(run: Run, side: Option<&str>, sessions: u64) -> Run {
    let run = run.exits(0);
    let verdict = run.verdict();
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("equal"), &json!("shorter")), "{verdict}");
    assert_eq!((&verdict["session"], &verdict["equal"]), (&json!(sessions), &json!(sessions)), "{verdict}");
    assert!(side.is_none_or(|side| verdict["shorter"] == side), "{verdict}");
    run
}

/// What an audit of a source says of its root, and how many sessions are under it.
fn audited(guardian: &Guardian, path: &Path) -> (String, u64) {
    let verdict = guardian.verify_at(path).verdict();
    (root(&verdict), verdict["sessions"].as_u64().expect("a number"))
}

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
                // The root at that point is the one that the shorter one has.
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
    // The content is the same; that the signature is none is what an audit finds, and what is said here too.
    let verdict = swapped.clone().exits(0).verdict();
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("equal"), &json!("other-signatures")));
    assert_eq!((&verdict["session"], &verdict["other_signatures"]), (&json!(160), &json!(1)));
    let sides = difference(&swapped);
    assert_eq!(sides["left"]["signatures"]["is_enough"], true);
    assert_eq!(sides["right"]["signatures"]["is_enough"], false);
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
    assert_eq!(byte["left"]["signatures"]["is_enough"], true);
    assert_eq!(byte["right"]["signatures"]["valid"], json!([]));
    assert_parted(copy("bad-c-missing-block"), "missing", 3, None);
    for name in ["bad-b-swapped-signature", "bad-d-two-signatures"] {
        let run = copy(name).exits(0);
        assert_eq!(run.verdict()["class"], "other-signatures", "{name}");
        assert_eq!(difference(&run)["right"]["signatures"]["is_enough"], false, "{name}");
    }
}

/// A forged history and changed copies of it.
struct Forged {
    sessions: Sessions,
    layout: &'static BlockLayout,
}

impl Forged {
    fn new(name: &str) -> Self {
        let layout = layout(name);
        Self { sessions: Sessions::of(layout, SESSIONS), layout }
    }

    fn edited(&self, signers: Option<&'static [u16]>, edit: impl Fn(&mut Block) + 'static) -> Change {
        let (forged, layout) = (self.sessions.forged.clone(), self.layout);
        Box::new(edit_block(AT, layout, move |block| {
            edit(block);
            if let Some(signers) = signers {
                forged.sign(AT, block, layout, signers);
            }
        }))
    }

    fn copy(&self, name: &str, mut change: Change) -> PathBuf {
        let path = self.sessions.beside(name);
        rewrite_and_add(&self.sessions.database(), &path, &mut change, &[]).expect("a copy");
        path
    }

    fn key(&self, index: u64) -> Vec<u8> {
        fm_forge::damage::block_key(index, self.layout)
    }

    /// How many items the session has.
    fn items(&self) -> u64 {
        let shown = verify!("show", self.sessions.database(), "--session", AT.to_string(), "--json").exits(0);
        shown.json()[0]["items"].as_u64().expect("a number")
    }
}

fn module_item(body: u8) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body: vec![body; 9] });
    BlockItem { content, position: None, peer: 1 }
}

/// Gives the session an odd number of items, the last of them no transaction.
fn make_odd(block: &mut Block) {
    block.items.push(module_item(1));
    if block.items.len().is_multiple_of(2) {
        block.items.push(module_item(2));
    }
}

#[test]
fn each_class() {
    let forged = Forged::new("v0.4");
    let (good, guardian, last) = (forged.sessions.database(), forged.sessions.guardian(), forged.items());
    assert!(last > 4, "a session with {last} items");
    let compare = |name: &str, change| (diff(&guardian, &good, &forged.copy(name, change)), name.to_owned());
    let parted = |(run, _): (Run, String), class, item| assert_parted(run, class, AT, item);

    let (run, _) = compare("signed-by-others", forged.edited(Some(&[0, 2, 3]), |_| {}));
    let verdict = run.exits(0).verdict();
    assert_eq!((&verdict["equal"], &verdict["session"]), (&json!(SESSIONS), &json!(AT)), "{verdict}");
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("equal"), &json!("other-signatures")));

    let swapped = |block: &mut Block| block.items.swap(1, 3);
    parted(compare("reordered", forged.edited(None, swapped)), "reordered", Some(1));
    let longer = |block: &mut Block| block.items.push(module_item(7));
    parted(compare("longer", forged.edited(None, longer)), "extra-tail", Some(last));
    let cut = |block: &mut Block| drop(block.items.pop());
    parted(compare("cut", forged.edited(None, cut)), "extra-tail", Some(last - 1));
    let emptied = |block: &mut Block| block.items.clear();
    parted(compare("emptied", forged.edited(None, emptied)), "extra-tail", Some(0));
    let peer = |block: &mut Block| block.items[2].peer ^= 1;
    parted(compare("other-peer", forged.edited(None, peer)), "different-content", Some(2));
    let double = |block: &mut Block| block.items[2] = block.items[0].clone();
    parted(compare("double", forged.edited(None, double)), "different-content", Some(2));
    parted(compare("hole", dropping(vec![forged.key(AT)])), "missing", None);
    parted(compare("hole-of-two", dropping(vec![forged.key(AT), forged.key(AT + 1)])), "missing", None);
    let tail: Vec<Vec<u8>> = (AT..SESSIONS).map(|index| forged.key(index)).collect();
    assert_shorter(compare("ends", dropping(tail)).0, Some("right"), AT);
    let garbage = fm_forge::damage::edit_row(forged.key(AT), |value| Some([value, &[0]].concat()));
    let run = parted(compare("garbage", Box::new(garbage)), "undecodable", None);
    assert!(difference(&run)["right"]["undecodable"].as_str().is_some_and(|reason| !reason.is_empty()));

    let run =
        parted(compare("equivocated", forged.edited(Some(&[0, 1, 3]), swapped)), "equivocation", Some(1));
    let found = difference(&run);
    assert_eq!(found["change"], "reordered");
    let ours = found["left"]["signatures"]["valid"].as_array().expect("a list").clone();
    let both: Vec<Value> =
        [0, 1, 3].into_iter().map(Value::from).filter(|peer| ours.contains(peer)).collect();
    assert!(!both.is_empty());
    assert_eq!(found["equivocators"], Value::from(both));
}

#[test]
fn lists_that_share_a_header() {
    let forged = Forged::new("v0.4");
    let short = forged.copy("short", forged.edited(Some(&[0, 1, 2]), make_odd));
    let long = forged.edited(Some(&[0, 1, 2]), |block| {
        make_odd(block);
        block.items.extend(block.items.last().cloned());
    });
    let long = forged.copy("long", long);
    let run = diff(&forged.sessions.guardian(), &short, &long);
    let found = difference(&run);
    let items = found["left"]["items"].as_u64().expect("a number");
    assert_parted(run, "merkle-mutation", AT, Some(items));
    assert_eq!(found["left"]["signed_hash"], found["right"]["signed_hash"]);
    assert_eq!((&found["left"]["ambiguous"], &found["right"]["ambiguous"]), (&json!(false), &json!(true)));
    assert_eq!(found["equivocators"], json!([]), "nobody signed two headers");
}

/// Without keys nobody is accused, and with the keys of others no signature counts.
#[test]
fn without_the_right_keys() {
    let forged = Forged::new("v0.4");
    let other = forged.copy("other", forged.edited(Some(&[0, 1, 2]), |block| block.items.swap(1, 3)));
    let good = forged.sessions.database();
    let run = verify!("diff", good, other, "--json").exits(1);
    assert_eq!((&run.verdict()["class"], &run.verdict()["item"]), (&json!("reordered"), &json!(1)));
    let stranger =
        Sessions::new(fm_forge::BlockSpec { seed: 9, ..fm_forge::BlockSpec::new(layout("v0.4"), 1) });
    let run = diff(&stranger.guardian(), &good, &other).exits(1);
    assert_eq!(run.verdict()["class"], "reordered");
    assert_eq!(difference(&run)["left"]["signatures"]["valid"], json!([]));
    assert_eq!(difference(&run)["left"]["signatures"]["keys"], "other");
    assert_eq!(
        (&run.verdict()["left_keys"], &run.verdict()["right_keys"]),
        (&json!("other"), &json!("other"))
    );
    // Guardians whose signatures were checked with the keys of others are not accused.
    let keys = stranger.guardian().keys;
    let people = verify!("diff", good, other, keys[0], keys[1]).exits(1).stdout;
    assert!(people.contains("neither side is signed with these keys"), "{people}");
    assert!(!people.contains("does NOT verify"), "{people}");
    let people = verify!("diff", good, good, keys[0], keys[1]).exits(0).stdout;
    assert!(
        people.contains("neither side is signed with these keys") && people.contains("EQUAL"),
        "{people}"
    );
    let people = verify!("show", good, "--session", "1", keys[0], keys[1]).exits(0).stdout;
    assert!(people.contains("another federation's") && !people.contains("does NOT verify"), "{people}");
    // One bad signature beside good ones is the guardian's, and is called that.
    let changed = forged.copy("changed", forged.edited(None, |block| block.items.swap(1, 3)));
    let keys = forged.sessions.guardian().keys;
    let people = verify!("diff", good, changed, keys[0], keys[1]).exits(1).stdout;
    assert!(people.contains("does NOT verify") && !people.contains("another federation"), "{people}");
    // The history of another federation.
    let spec = fm_forge::BlockSpec { seed: 9, ..fm_forge::BlockSpec::new(layout("v0.4"), 4) };
    let foreign = Sessions::new(spec);
    let foreign = foreign.database();
    let people = verify!("diff", good, foreign, keys[0], keys[1]).exits(1).stdout;
    assert!(people.contains("the right side is not signed with these keys"), "{people}");
    assert!(people.contains("they are the histories of two federations"), "{people}");
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
    // A perfect conversion of the whole history is no difference, and both roots are of the same range.
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
    // One era apart and another federation.
    let other = hbbft("peer-0");
    let run = verify!("diff", guardian.path, other, "--json").exits(1);
    assert_eq!((&run.verdict()["session"], &run.verdict()["equal"]), (&json!(0), &json!(0)));
}

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
    // Nothing is overwritten, and the same difference gives the same file.
    assert!(write(&file).exits(2).sentence().contains("exists already"));
    let again = forged.sessions.beside("again.json");
    write(&again).exits(1);
    assert_eq!(fs::read_to_string(&again).expect("the evidence"), text);
    // Somebody else has the file and the keys.
    let check = |file: &Path, more: &[&OsString]| {
        let mut words: Vec<OsString> = vec!["check-evidence".into(), file.into(), "--json".into()];
        words.extend(more.iter().copied().cloned());
        Run::of("fm-verify", &words)
    };
    let checked = check(&file, &[&keys[0], &keys[1]]).exits(0);
    assert_eq!(difference(&checked), difference(&run));
    let verdict = checked.verdict();
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("proven"), &json!("equivocation")));
    let told = verdict["proven"].to_string();
    assert!(told.contains("signed two different headers for session 6: equivocation"), "{told}");
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
        // Keys that sign sessions check nothing of it, and that is not called a want of keys.
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
    // Whatever the file claims of it: the class, the hash, or that a side cannot be read.
    let text = fs::read_to_string(fixture("hostile/evidence-false-equivocation.json")).expect("the file");
    for (told, lie) in [
        ("\"class\": \"equivocation\"", "\"class\": \"different-content\""),
        ("\"index\": 50", "\"index\": 51"),
        ("\"index\": 50", "\"index\": 52"),
        ("\"index\": 50", "\"index\": 18446744073709551615"),
        ("\"change\": \"different-content\"", "\"change\": \"undecodable\""),
    ] {
        assert!(text.contains(told), "{told}");
        fs::write(&file, resealed(&text.replace(told, lie))).expect("a file");
        refused(&file);
    }
    // True evidence of one epoch is none of another.
    let genuine = home.path().join("genuine.json");
    verify!("diff", config, hbbft("bad-b-item-byte"), "--config", config, "--evidence", genuine).exits(1);
    let text = fs::read_to_string(&genuine).expect("the evidence");
    fs::write(&file, resealed(&text.replace("\"index\": 160", "\"index\": 161"))).expect("a file");
    assert!(refused(&file).contains("its number is 160"));
}

/// The text with the digest that it should have.
fn resealed(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let at = text.rfind("\"sha256\": \"").expect("a digest") + 11;
    let with = |digest: &str| format!("{}{digest}{}", &text[..at], &text[at + 64..]);
    with(&hex::encode(Sha256::digest(with(&"0".repeat(64)))))
}

#[test]
fn what_cannot_be_compared() {
    let home = tempfile::tempdir().expect("a directory");
    let (good, nowhere) = (hbbft("peer-0"), home.path().join("nowhere"));
    assert!(verify!("diff", good, nowhere).exits(3).sentence().contains("nowhere"));
    verify!("diff", nowhere, good).exits(3).sentence();
    verify!("diff", good).exits(2);
    verify!("diff", good, good, good).exits(2);
    verify!("diff", good, fixture("session-v0.5.0/peer-0/consensus.json")).exits(3).sentence();
    let keys = home.path().join("keys.json");
    fs::write(&keys, format!("{{\"0\": \"{KEY}\"}}")).expect("a file");
    assert!(verify!("diff", good, good, "--keys", keys).exits(2).sentence().contains("epoch_pk_set"));
    for target in [good.join("evidence"), good.clone(), home.path().join("no/evidence")] {
        verify!("diff", good, hbbft("bad-b-item-byte"), "--evidence", target).exits(2).sentence();
    }
    // Equal histories leave no evidence.
    let file = home.path().join("evidence");
    let run = verify!("diff", good, hbbft("peer-1"), "--evidence", file, "--json").exits(0);
    assert!(run.verdict()["evidence"].is_null() && !file.exists());
}

/// A directory that is called like a subcommand is a source all the same.
#[test]
fn a_source_that_is_called_like_a_subcommand() {
    let home = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(hbbft("peer-0").canonicalize().expect("a path"), home.path().join("diff"))
        .expect("a link");
    let run = |source: &str| {
        let mut command = fm_tests::command(fm_tests::binary("fm-verify"));
        let output = command.current_dir(home.path()).args([source, "--json"]).output().expect("it starts");
        Run::from_output(source.to_owned(), output)
    };
    assert_eq!(run("./diff").exits(4).verdict()["verdict"], "unpinned");
    run("diff").exits(2);
}

/// A copy whose log is cut: what is missing may be the copy's fault, and that is told first.
#[test]
fn a_torn_copy() {
    let home = tempfile::tempdir().expect("a directory");
    let copy = home.path().join("copy");
    copy_dir(&hbbft("peer-0"), &copy);
    let log = copy.join("database/000004.log");
    let length = fs::metadata(&log).expect("a log").len();
    fs::OpenOptions::new()
        .write(true)
        .open(&log)
        .and_then(|file| file.set_len(length - 1000))
        .expect("a cut");
    let run = verify!("diff", hbbft("peer-0"), copy, "--json");
    assert_eq!(codes(&run.findings()), [("log-tail-torn".to_owned(), None)], "{}", run.stdout);
    assert_eq!(run.json()[0]["type"], "finding");
    run.verdict();
}
