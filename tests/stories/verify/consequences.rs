//! Causes are reported, and what follows from them is counted under them; the verdict says how far a history
//! holds.

use std::fs;

use fm_eras::block::decode_block;
use fm_forge::BlockSpec;
use fm_forge::damage::{block_key, edit_block, rewrite_and_add};
use fm_history::{BlockContent, Code};
use fm_rows::Row;
use fm_tests::{Guardian, Sessions, guardians, layout, rows, verify};
use serde_json::{Value, json};

const SESSIONS: u64 = 40;
const LAST: u64 = SESSIONS - 1;
/// Missing sessions, one that does not decode, and one whose items were reordered.
const GONE: [u64; 4] = [12, 13, 20, 30];
const SPOILT: u64 = 17;
const CHANGED: u64 = 25;

fn sessions() -> Sessions {
    Sessions::new(BlockSpec { items: 12, seed: 9, ..BlockSpec::new(layout("v0.4"), SESSIONS) })
}

/// Makes a copy with all of that done to it, and rows added.
fn damaged(good: &Sessions, added: &[Row]) -> Guardian {
    let layout = layout("v0.4");
    let gone = GONE.map(|index| block_key(index, layout));
    let spoilt = block_key(SPOILT, layout);
    let mut change = edit_block(CHANGED, layout, |block| {
        assert!(block.items.len() > 1, "another order is another list");
        block.items.reverse();
    });
    let path = good.beside("damaged");
    let all = move |key: &[u8], value: &[u8]| match key {
        key if gone.iter().any(|gone| gone == key) => None,
        key if key == spoilt => Some((key.to_vec(), value[..value.len() / 2].to_vec())),
        key => change(key, value),
    };
    rewrite_and_add(&good.database(), &path, all, added).expect("a copy");
    good.at(&path)
}

/// Returns the number of transactions in a session.
fn transactions(good: &Sessions, index: u64) -> usize {
    let layout = layout("v0.4");
    let key = block_key(index, layout);
    let row = rows(&good.database()).into_iter().find(|(stored, _)| *stored == key).expect("the session");
    let block = decode_block(&row.1, layout).expect("it decodes");
    block.items.iter().filter(|item| matches!(item.content, BlockContent::Transaction(_))).count()
}

fn of_code(findings: &[Value], code: Code) -> Vec<Value> {
    findings.iter().filter(|finding| finding["code"] == code.as_str()).cloned().collect()
}

/// Index entries of sessions that nobody can read are not known to be wrong.
#[test]
fn what_follows_from_lost_sessions_is_told_under_them() {
    let good = sessions();
    let lost: usize = GONE.iter().chain([&SPOILT]).map(|index| transactions(&good, *index)).sum();
    assert!(lost > 5, "{lost}");
    let guardian = damaged(&good, &[]);
    let run = guardian.verify().exits(1);
    let (findings, verdict) = (run.findings(), run.verdict());
    // Sessions 12 and 13 are one hole; the changed one has no signature that verifies.
    let errors: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "error").collect();
    let places: Vec<_> = errors.iter().map(|finding| finding["session"].as_u64()).collect();
    assert_eq!(places, [Some(12), Some(SPOILT), Some(20), Some(CHANGED), Some(30)], "{}", run.stdout);
    let extra = of_code(&findings, Code::TransactionIndexExtra);
    assert_eq!(extra.len(), lost);
    for finding in &extra {
        assert_eq!(finding["severity"], "info", "{finding}");
        assert_eq!(finding["follows_from"], json!({ "code": "session-missing", "session": 12 }), "{finding}");
    }
    // Two more bad signatures of the changed session, and the error that it is not signed.
    assert_eq!((&verdict["errors"], &verdict["causes"]), (&json!(5), &json!(5)));
    assert_eq!(verdict["consequences"], json!(lost + 3));
    assert_eq!(
        (&verdict["intact_to"], &verdict["first_break"], &verdict["proven_to"]),
        (&json!(11), &json!(12), &json!(11))
    );
    let people = guardian.verify_for_people(&[]).exits(1).stdout;
    let errors = people.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 5, "{people}");
    assert!(people.contains("\nroot       none: it is that of a whole history"), "{people}");
    let folded =
        format!("        + {lost} transaction-index-extra follow from session-missing at session 12;");
    assert!(people.contains(&folded), "{people}");
    assert!(
        people.contains("; intact up to session 11, first break at 12; proven up to session 11"),
        "{people}"
    );
    assert!(people.contains(&format!("and {} findings that follow from them", lost + 3)), "{people}");
    // The page says the same.
    let html = good.beside("page.html");
    let [option, value] = guardian.keys.clone();
    verify!("report", guardian.path, option, value, "--html", html).exits(1);
    let page = fs::read_to_string(&html).expect("a page");
    assert!(page.contains("intact up to session 11, first break at 12"));
    assert!(page.contains("Errors: 5"));
    assert_eq!(page.matches("<tr class=\"error\">").count(), 5);
    let folded = format!("<code>transaction-index-extra</code>\n<strong>{lost}</strong>");
    assert!(page.contains(&folded), "{page}");
}

/// If the history is known, an error in the index is an error as ever; so is an entry that a known session
/// lacks in it.
#[test]
fn what_follows_from_nothing_is_an_error() {
    let good = sessions();
    let strange = [&[0x02; 1][..], &[7; 32]].concat();
    let path = good.beside("strange");
    let same = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
    rewrite_and_add(&good.database(), &path, same, &[(strange, vec![0])]).expect("a copy");
    let run = good.at(&path).verify().exits(1);
    let (findings, verdict) = (run.findings(), run.verdict());
    let [extra] = of_code(&findings, Code::TransactionIndexExtra).try_into().expect("one finding");
    assert_eq!((&extra["severity"], &extra["follows_from"]), (&json!("error"), &Value::Null));
    // It belongs to no session: all of them hold.
    assert_eq!((&verdict["proven_to"], &verdict["first_break"]), (&json!(LAST), &Value::Null));
    assert_eq!((&verdict["intact_to"], &verdict["consequences"]), (&json!(LAST), &json!(0)));
}

/// The counts in brackets add up to the numbers before them.
#[test]
fn sessions_by_signers_add_up() {
    let good = sessions();
    let layout = layout("v0.4");
    let take = |index: u64, left: usize| {
        edit_block(index, layout, move |block| {
            while block.signatures.len() > left {
                block.signatures.pop_last();
            }
        })
    };
    let mut edits = [take(3, 2), take(4, 0), take(9, 1)];
    let spoilt = block_key(SPOILT, layout);
    let path = good.beside("short");
    let all = move |key: &[u8], value: &[u8]| {
        if key == spoilt {
            return Some((key.to_vec(), vec![0xFF; 9]));
        }
        let row = (key.to_vec(), value.to_vec());
        edits.iter_mut().try_fold(row, |(key, value), edit| edit(&key, &value))
    };
    rewrite_and_add(&good.database(), &path, all, &[]).expect("a copy");
    let people = good.at(&path).verify_for_people(&[]).exits(1).stdout;
    let line = people.lines().find(|line| line.starts_with("signatures")).expect("the line");
    let expected = "signatures 40 sessions: 36 signed by enough guardians (36 by 3), 3 not (1 by 2, 1 by 1, 1 by nobody), \
                    1 not readable";
    assert_eq!(line, expected);
}

/// A healthy federation of servers of 0.13: two of its sessions end with a repeated vote, and all is well.
#[test]
fn honest_sessions_that_end_with_a_repeated_vote() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = guardians("session-v0.13.0", home.path()).remove(0);
    for more in [&["--json"][..], &["--json", "--strict"]] {
        let run = guardian.verify_for_people(more).exits(0);
        let findings = run.findings();
        let places: Vec<_> =
            of_code(&findings, Code::ItemListAmbiguous).iter().map(|f| f["session"].as_u64()).collect();
        assert_eq!((places.as_slice(), findings.len()), (&[Some(4), Some(9)][..], 2), "{}", run.stdout);
        assert!(findings.iter().all(|finding| finding["severity"] == "info"), "{}", run.stdout);
        let verdict = run.verdict();
        assert_eq!((&verdict["verdict"], &verdict["proven_to"]), (&json!("sound"), &json!(21)));
        assert_eq!((&verdict["ambiguous"], &verdict["items"]), (&json!(2), &json!(10_081)));
    }
    let people = guardian.verify_for_people(&[]).exits(0).stdout;
    let said =
        "how often the last items of 2 sessions (the first: 4) were repeated is not under their signatures";
    assert!(people.contains(said), "{people}");
    let target = home.path().join("new");
    guardian.convert(&target, &[]).exits(0);
    guardian.verify_at(&target).exits(0);
}
