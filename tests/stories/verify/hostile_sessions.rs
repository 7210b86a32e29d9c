//! Sessions and keys made to deceive: lists of hashes in place of items, histories without a session, one key
//! for several guardians, rows that nobody would count, stray rows that hide what a database is.

use std::fs;

use fm_codec::ModuleValue;
use fm_eras::block::BlockLayout;
use fm_forge::damage::{edit_block, rewrite_and_add};
use fm_history::{Block, BlockContent, BlockItem, Code, sha256};
use fm_rows::Row;
use fm_tests::{
    Change, Guardian, Sessions, checkpoint, codes, copy_dir, edit_manifest, guardians, layout, migrate,
    restate_archive, root, unchanged,
};
use serde_json::{Value, json};

const SESSIONS: u64 = 6;
/// A session without items, so that the index of transactions has nothing of it.
const AT: u64 = 1;

fn copy(sessions: &Sessions, name: &str, mut change: Change, added: &[Row]) -> Guardian {
    let path = sessions.beside(name);
    rewrite_and_add(&sessions.database(), &path, &mut change, added).expect("a copy");
    sessions.at(&path)
}

fn of_code(run: &[Value], code: Code) -> Vec<&Value> {
    run.iter().filter(|finding| finding["code"] == code.as_str()).collect()
}

/// Searches for the first item that `make` makes whose SHA-256 has a property; returns its number and the
/// hash.
fn search(make: impl Fn(u64) -> Vec<u8>, wanted: impl Fn(&[u8; 32]) -> bool) -> (u64, [u8; 32]) {
    let hashes = (0..1_000_000).map(|number| (number, sha256(&[&make(number)]).0));
    hashes.into_iter().find(|(_, hash)| wanted(hash)).expect("one in a million is like that")
}

/// Makes a database whose session has these items, and one with other items under the very same signatures.
fn twins(
    sessions: &Sessions,
    layout: &'static BlockLayout,
    agreed: Vec<BlockItem>,
    stored: Vec<BlockItem>,
) -> [Guardian; 2] {
    let make = |name: &str, other: Option<Vec<BlockItem>>| {
        let (forged, agreed) = (sessions.forged.clone(), agreed.clone());
        let edit = edit_block(AT, layout, move |block: &mut Block| {
            block.items = agreed.clone();
            forged.sign(AT, block, layout, &[0, 1, 2]);
            if let Some(other) = &other {
                block.items = other.clone();
            }
        });
        copy(sessions, name, Box::new(edit), &[])
    };
    [make("agreed", None), make("stored", Some(stored))]
}

/// Two items of a module, agreed on and signed; they are replaced by one item whose bytes are their hashes.
/// Any holder of the database can search for such a session without a key.
#[test]
fn hashes_in_the_place_of_items() {
    let layout = layout("v0.4");
    let sessions = Sessions::of(layout, SESSIONS);
    let body = |number: u64| number.to_be_bytes().to_vec();
    let stored = |number| [&[1, 10, 0, 8], body(number).as_slice(), &[1]].concat();
    // Read as an item: a kind that no server knows, and 61 bytes of it.
    let (first, left) = search(stored, |hash| (2..0xFD).contains(&hash[0]) && hash[1] == 61);
    let (second, right) = search(stored, |hash| hash[31] < 4);
    let module = |number| BlockItem {
        content: BlockContent::Module(ModuleValue { instance: 0, body: body(number) }),
        position: None,
        peer: 1,
    };
    let pair = [left, right].concat();
    let content = BlockContent::Unknown { variant: pair[0].into(), bytes: pair[2..63].to_vec() };
    let evil = BlockItem { content, position: None, peer: pair[63].into() };
    let [agreed, stored] = twins(&sessions, layout, vec![module(first), module(second)], vec![evil]);
    let agreed = agreed.verify().exits(0);
    assert_eq!(codes(&agreed.findings()), []);
    let stored = stored.verify().exits(1);
    assert_eq!(codes(&stored.findings()), [(Code::ItemListAmbiguous.as_str().to_owned(), Some(AT))]);
    assert_eq!(stored.verdict()["signed"], json!(SESSIONS), "the signatures do hold");
    assert_ne!(root(&agreed.verdict()), root(&stored.verdict()));
}

/// The reverse: one item of 64 bytes was agreed on, made of the hashes of the two items that replace it. Of
/// the stand-alone crate, whose items are any bytes.
#[test]
fn items_in_the_place_of_hashes() {
    let layout = layout("e91852c61");
    let sessions = Sessions::of(layout, SESSIONS);
    let item = |number: u64, position| BlockItem {
        content: BlockContent::Opaque(number.to_be_bytes().to_vec()),
        position: Some(position),
        peer: 0,
    };
    let stored =
        |position: u8| move |number: u64| [&[8], number.to_be_bytes().as_slice(), &[position, 0]].concat();
    let (first, left) = search(stored(1), |hash| hash[0] == 61);
    let (second, right) = search(stored(2), |hash| hash[30] < 0xFD && hash[31] < 4);
    let pair = [left, right].concat();
    let content = BlockContent::Opaque(pair[1..62].to_vec());
    let whole = BlockItem { content, position: Some(pair[62].into()), peer: pair[63].into() };
    let [agreed, stored] = twins(&sessions, layout, vec![whole], vec![item(first, 1), item(second, 2)]);
    for (guardian, text) in [(agreed, "a longer list"), (stored, "a shorter list")] {
        let run = guardian.verify().exits(1);
        let findings = run.findings();
        let [finding] = of_code(&findings, Code::ItemListAmbiguous).try_into().expect("one finding");
        assert_eq!(finding["session"], AT);
        assert!(finding["message"].as_str().is_some_and(|message| message.contains(text)), "{finding}");
    }
}

/// Keys prove nothing if there is nothing that they could have signed.
#[test]
fn without_a_session_nothing_is_sound() {
    let layout = layout("v0.4");
    let sessions = Sessions::of(layout, SESSIONS);
    let change = move |key: &[u8], value: &[u8]| {
        let dropped = [Some(layout.history), layout.transactions, layout.pending].contains(&Some(key[0]));
        (!dropped).then(|| (key.to_vec(), value.to_vec()))
    };
    let version = (fm_eras::session::server_version_key(), vec![0]);
    let guardian = copy(&sessions, "empty", Box::new(change), &[version]);
    // A federation in its first session has nothing else: no alarm, and never sound.
    let run = guardian.verify().exits(4);
    assert_eq!(codes(&run.findings()), [(Code::HistoryEmpty.as_str().to_owned(), None)]);
    assert_eq!(run.verdict()["verdict"], "empty");
    assert_eq!(guardian.verify_with(&["--strict"]).exits(1).verdict()["verdict"], "findings");
    // Its archive says the same.
    let (archive, path) = (sessions.beside("empty.fmar"), &guardian.path);
    let [option, keys] = &guardian.keys;
    checkpoint!("export", path, "--to", archive, option, keys).exits(0);
    let run = checkpoint!("verify", archive, option, keys, "--json").exits(4);
    assert_eq!(run.verdict()["verdict"], "empty");
    checkpoint!("verify", archive, option, keys, "--strict").exits(1);
    let target = sessions.beside("new");
    guardian.convert(&target, &[]).exits(1);
    assert!(!target.exists());
}

/// Every row of the history's table is reported: the first thousand by key, the rest by number.
#[test]
fn rows_that_name_no_session() {
    let sessions = Sessions::of(layout("v0.4"), SESSIONS);
    let malformed = |number: u16| ([&[0x04, 0xFE], number.to_be_bytes().as_slice()].concat(), vec![1]);
    let added: Vec<Row> = (0..1500).map(malformed).collect();
    let run = copy(&sessions, "malformed", unchanged(), &added).verify().exits(1);
    let findings = run.findings();
    let reported = of_code(&findings, Code::RecordUndecodable);
    assert_eq!(reported.len(), 1001);
    let last = reported.last().expect("the last one");
    assert_eq!(
        (&last["key"], &last["message"]),
        (&json!("04"), &json!("500 more keys of the history name no session"))
    );
}

/// A stray row under a prefix of another era, or of no era, does not change what the database is.
#[test]
fn stray_rows_do_not_hide_the_layout() {
    let strays: [(&str, &[&[u8]]); 3] = [
        ("v0.4", &[&[], &[0x00], &[0x03, 0], &[0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x04]]),
        ("e91852c61", &[&[], &[0x00], &[0x04], &[0x50], &[0xFF, 0]]),
        ("a4177cea3", &[&[], &[0x04], &[0x06, 0], &[0x08]]),
    ];
    for (name, keys) in strays {
        let sessions = Sessions::of(layout(name), SESSIONS);
        for (number, key) in keys.iter().enumerate() {
            let guardian = copy(
                &sessions,
                &format!("malformed-{number}"),
                unchanged(),
                &[(key.to_vec(), vec![0xEE; 5])],
            );
            let run = guardian.verify_with(&["--strict"]).exits(1);
            let verdict = run.verdict();
            assert_eq!(
                (&verdict["layout"], &verdict["signed"]),
                (&json!(name), &json!(SESSIONS)),
                "{name} {key:?}"
            );
            let [finding] = run.findings().try_into().expect("one finding");
            assert_eq!(finding["key"], hex::encode(key), "{name}");
        }
    }
}

/// A holder of one key signs once, whatever numbers a file assigns to it.
#[test]
fn keys_that_count_one_signer_twice() {
    let sessions = Sessions::of(layout("v0.4"), SESSIONS);
    let guardian = sessions.guardian();
    let keys: Value =
        serde_json::from_slice(&fs::read(sessions.beside("guardian/keys.json")).expect("the keys"))
            .expect("JSON");
    let key = |peer: &str| keys[peer].as_str().expect("a key").to_owned();
    let flip = |key: &str| key.replacen(&key[..2], if key.starts_with("02") { "03" } else { "02" }, 1);
    let file = |text: String| {
        let path = sessions.beside("other-keys.json");
        fs::write(&path, text).expect("a file");
        Guardian { keys: ["--keys".into(), path.into()], ..guardian.clone() }
    };
    let same = json!({ "0": key("0"), "1": key("0"), "2": key("0"), "3": key("0") });
    let negated = json!({ "0": key("0"), "1": key("1"), "2": flip(&key("0")), "3": key("3") });
    let twice = format!("{{\"0\": \"{}\", \"0\": \"{}\", \"1\": \"{}\"}}", key("0"), key("1"), key("2"));
    let x_only = json!({ "0": key("0")[2..], "1": key("1")[2..], "2": key("2")[2..], "3": key("3")[2..] });
    for (text, expected) in [
        (same.to_string(), "guardians 0 and 1 have the same key"),
        (negated.to_string(), "guardians 0 and 2 have the same key"),
        (twice, "the member \"0\" is there twice"),
        (x_only.to_string(), "holds keys without parity"),
    ] {
        let guardian = file(text);
        let target = sessions.beside("new");
        for run in [guardian.verify(), guardian.check(&[]), guardian.convert(&target, &[])] {
            let run = run.exits(2);
            assert!(run.sentence().contains(expected), "{expected}: {}", run.stderr);
        }
        assert!(!target.exists());
    }
}

/// A directory that says, in both of its files, that it is for a version that no conversion targets.
#[test]
fn targets_that_are_only_said() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = &guardians("session-v0.5.0", home.path())[0];
    let honest = home.path().join("honest");
    guardian.convert(&honest, &[]).exits(0);
    let announcements = guardian.rows().iter().filter(|(key, _)| key[0] == 0x06).count();
    assert!(announcements > 0);
    let invented = [(Code::ManifestMismatch, 1); 6];
    let lies = ["gold", "", "0.1", "0.14", "v0.13", "0.13.0"].into_iter().zip(invented);
    for (lie, (code, count)) in lies.chain([("0.3", (Code::ForeignRecord, announcements))]) {
        let copy = home.path().join("copy");
        copy_dir(&honest, &copy);
        let edit =
            |name: &str, value: &str| Some(if name == "target_version" { lie } else { value }.to_owned());
        restate_archive(&copy, edit, None);
        edit_manifest(&copy, |manifest| manifest["target_version"] = json!(lie));
        let findings = guardian.verify_at(&copy).exits(1).findings();
        assert_eq!((of_code(&findings, code).len(), findings.len()), (count, count), "{lie:?}: {findings:?}");
        fs::remove_dir_all(&copy).expect("the copy");
    }
    guardian.verify_at(&honest).exits(0);
}

/// The archive of another conversion in a directory is neither reverted nor mapped, unless it is named
/// itself.
#[test]
fn an_archive_beside_another_manifest() {
    let sessions = [SESSIONS, SESSIONS + 1].map(|count| Sessions::of(layout("a4177cea3"), count));
    let [one, other] = [0, 1].map(|number: usize| {
        let dir = sessions[number].beside("new");
        sessions[number].guardian().convert(&dir, &[]).exits(0);
        dir
    });
    let archive = one.join("provenance.fmar");
    fs::copy(other.join("provenance.fmar"), &archive).expect("a copy");
    let target = sessions[0].beside("old");
    for run in [migrate!("revert", "--from", one, "--to", target), migrate!("map", "--dir", one)] {
        let run = run.exits(1);
        assert!(run.sentence().contains("one of the two is of another conversion"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert!(!target.exists());
    migrate!("revert", "--from", archive, "--to", target).exits(0);
}

/// Keys that the directory itself names are nobody's word but its own, and `seal` says so.
#[test]
fn whose_keys_a_seal_was_checked_with() {
    let sessions = Sessions::of(layout("a4177cea3"), SESSIONS);
    let (guardian, dir) = (sessions.guardian(), sessions.beside("new"));
    guardian.convert(&dir, &[]).exits(0);
    let keys = sessions.beside("guardian/keys.json");
    let attest = |peer: usize| {
        let (secret, out) = (sessions.beside(&format!("key-{peer}")), sessions.beside(&format!("of-{peer}")));
        fs::write(&secret, &sessions.forged.secrets[peer]).expect("a file");
        migrate!("attest", "--dir", dir, "--keys", keys, "--key-file", secret, "--out", out).exits(0);
        out
    };
    let [a, b, c] = [0, 1, 2].map(attest);
    let pinned = migrate!("seal", "--dir", dir, "--keys", keys, "--json", a, b, c).exits(0).verdict();
    assert_eq!(pinned["keys"], json!(keys.display().to_string()));
    let unpinned = migrate!("seal", "--dir", dir, "--json", a, b, c).exits(0).verdict();
    assert_eq!((&unpinned["verdict"], &unpinned["keys"]), (&json!("exists"), &json!(null)));
    let said = migrate!("seal", "--dir", dir, a, b, c).exits(0);
    assert!(said.stdout.contains("NOT PINNED"), "{}", said.stdout);
}
