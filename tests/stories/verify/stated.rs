//! `diff` of two guardians that state history roots: the first difference is found by a few requests, and what a root
//! hides is found without them.

use std::sync::atomic::Ordering::Relaxed;

use fm_eras::session;
use fm_forge::BlockSpec;
use fm_tests::{Lie, Nodes, Run, Served, Sessions, verify};
use serde_json::json;

const SESSIONS: u64 = 200;

struct World {
    sessions: Sessions,
    served: Served,
}

impl World {
    fn new(lies: &[Lie]) -> Self {
        let spec = BlockSpec { items: 5, body_bytes: 40, ..BlockSpec::new(session::modern(), SESSIONS) };
        let sessions = Sessions::new(spec);
        let served = Served::start(&sessions.database(), &sessions.beside("guardian/keys.json"), 5, lies);
        Self { sessions, served }
    }

    fn diff(&self, left: usize, right: usize, more: &[&str]) -> Run {
        let keys = self.sessions.beside("guardian/keys.json");
        let [left, right] = [left, right].map(|peer| self.served.urls[peer].clone());
        let words = ["diff", &left, &right, "--json", "--keys", keys.to_str().expect("a path")];
        Run::of("fm-verify", &[&words[..], more].concat().into_iter().map(Into::into).collect::<Vec<_>>())
    }

    fn root(&self) -> serde_json::Value {
        self.sessions.guardian().verify().verdict()["history_root"].clone()
    }

    /// Returns how many records and how many roots were requested of a guardian.
    fn asked(&self, peer: usize) -> [u64; 2] {
        [&self.served.asked[peer], &self.served.asked_roots[peer]].map(|count| count.load(Relaxed))
    }
}

#[test]
fn the_first_difference_is_found_by_a_few_requests() {
    for first in [0, 1, 99, 128, SESSIONS - 8] {
        let world = World::new(&[Lie::Roots, Lie::PartsAt(first), Lie::None, Lie::None]);
        let found = world.diff(0, 1, &[]).exits(1).verdict();
        assert!(found["session"].as_u64() >= Some(first), "{found}");
        assert_eq!(found["session"], found["equal_as_stated"]);
        assert_eq!((&found["equal"], &found["verdict"]), (&found["session"], &json!("different")));
        let [records, roots] = world.asked(1);
        assert!(records < 40 && roots <= 9, "{records} records and {roots} roots were requested");
        // The same is found from the records alone.
        let read = world.diff(0, 1, &["--all-sessions"]).exits(1).verdict();
        for field in ["session", "item", "class", "equal", "last_equal", "history_root"] {
            assert_eq!(found[field], read[field], "{field}");
        }
        assert_eq!(read["equal_as_stated"], 0);
    }
}

#[test]
fn equal_guardians_are_compared_by_one_root() {
    let world = World::new(&[Lie::Roots, Lie::Roots, Lie::None, Lie::None]);
    let verdict = world.diff(0, 1, &[]).exits(0).verdict();
    assert_eq!((&verdict["verdict"], &verdict["equal_as_stated"]), (&json!("equal"), &json!(SESSIONS)));
    assert_eq!(verdict["history_root"], world.root());
    // Some records are read to see whether the keys are those of the federation.
    let ([_, left], [records, right]) = (world.asked(0), world.asked(1));
    assert!(records < 8 && left == 1 && right == 1, "{records} records, {left} and {right} roots");
    // A guardian without roots is compared by its records.
    let verdict = world.diff(0, 2, &[]).exits(0).verdict();
    assert_eq!((&verdict["equal_as_stated"], &verdict["history_root"]), (&json!(0), &world.root()));
}

/// A root that is not that of what the guardian serves hides no difference, and makes none.
#[test]
fn wrong_roots_are_not_believed() {
    let world = World::new(&[Lie::Roots, Lie::WrongRoots, Lie::None, Lie::None]);
    let verdict = world.diff(0, 1, &[]).exits(0).verdict();
    assert_eq!((&verdict["verdict"], &verdict["equal_as_stated"]), (&json!("equal"), &json!(0)));
    assert_eq!(verdict["history_root"], world.root());
}

#[test]
fn nodes_state_the_roots_of_what_they_serve() {
    let mut nodes = Nodes::new(10);
    nodes.start_all();
    nodes.wait_for(0, 4);
    nodes.wait_for(1, 4);
    // Two of four finish nothing more.
    nodes.kill(2);
    nodes.kill(3);
    let [left, right] = [0, 1].map(|peer| format!("ws://{}/", nodes.interface(peer)));
    let config = nodes.directory(0);
    let verdict = verify!("diff", &left, &right, "--config", &config, "--json").exits(0).verdict();
    assert!(verdict["equal_as_stated"].as_u64() >= Some(4), "{verdict}");
    assert_eq!(verdict["equal_as_stated"], verdict["equal"]);
    let read =
        verify!("diff", &left, &right, "--config", &config, "--all-sessions", "--json").exits(0).verdict();
    assert_eq!((&read["equal_as_stated"], &read["history_root"]), (&json!(0), &verdict["history_root"]));
    let text = verify!("diff", &left, &right, "--config", &config).exits(0).stdout;
    assert!(text.contains("both guardians state this root"), "{text}");
}
