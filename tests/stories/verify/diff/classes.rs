//! Every way in which two copies of a session can differ, and whose signatures certify them.

use fm_codec::ModuleValue;
use fm_history::{Block, BlockContent, BlockItem};
use fm_tests::{Run, Sessions, dropping, layout, verify};
use serde_json::{Value, json};

use super::{AT, Forged, SESSIONS, assert_parted, assert_shorter, diff, difference};

fn module_item(body: u8) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body: vec![body; 9] });
    BlockItem { content, position: None, peer: 1 }
}

/// Makes the number of the session's items odd, the last of them not a transaction.
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
    // One bad signature beside good ones is that guardian's, and is reported as such.
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
