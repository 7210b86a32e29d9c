//! Two histories side by side: guardians of one federation, damaged copies, other eras, and every way in
//! which two copies of a session can differ; and the evidence of it, for a reader who has neither.

mod classes;
mod evidence;
mod histories;
mod refused;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fm_eras::block::BlockLayout;
use fm_forge::damage::{edit_block, rewrite_and_add};
use fm_history::Block;
use fm_tests::{Change, Guardian, Run, Sessions, layout, root, verify};
use serde_json::{Value, json};

const SESSIONS: u64 = 12;
/// The session at which histories diverge.
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

/// Checks that one history is a prefix of the other: they agree as far as both reach.
#[track_caller]
fn assert_shorter(run: Run, side: Option<&str>, sessions: u64) -> Run {
    let run = run.exits(0);
    let verdict = run.verdict();
    assert_eq!((&verdict["verdict"], &verdict["class"]), (&json!("equal"), &json!("shorter")), "{verdict}");
    assert_eq!((&verdict["session"], &verdict["equal"]), (&json!(sessions), &json!(sessions)), "{verdict}");
    assert!(side.is_none_or(|side| verdict["shorter"] == side), "{verdict}");
    run
}

/// Returns what an audit of a source says of its root, and how many sessions are under it.
fn audited(guardian: &Guardian, path: &Path) -> (String, u64) {
    let verdict = guardian.verify_at(path).verdict();
    (root(&verdict), verdict["sessions"].as_u64().expect("a number"))
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

    /// Returns how many items the session has.
    fn items(&self) -> u64 {
        let shown = verify!("show", self.sessions.database(), "--session", AT.to_string(), "--json").exits(0);
        shown.json()[0]["items"].as_u64().expect("a number")
    }
}
