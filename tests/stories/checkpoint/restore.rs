//! Restores of real guardians: every checkpoint, archives, what is reported, what is kept, and the undo.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fm_store::ReadStore;
use fm_tests::{Restorable, Run, binary, digest, fixture, rows, shell, verify};
use serde_json::Value;

/// What the fixture's guardian 0 says of a checkpoint: items, lost sessions, lost items and transactions.
const CHECKPOINTS: [(u64, u64, u64, u64, u64); 3] =
    [(23, 784, 2, 77, 69), (24, 824, 1, 37, 33), (25, 861, 0, 0, 0)];

fn export(source: &Path, to: &Path, more: &[&str]) {
    let config = fixture("session-v0.5.0/peer-0");
    let mut words: Vec<OsString> = vec!["export".into(), source.into(), "--to".into(), to.into()];
    words.extend(["--config".into(), config.into()]);
    words.extend(more.iter().map(OsString::from));
    Run::of("fm-checkpoint", &words).exits(0);
}

fn plan_of(run: &Run) -> Value {
    let plan = run.json().into_iter().find(|line| line["type"] == "plan");
    plan.unwrap_or_else(|| panic!("no plan:\n{}", run.stdout))
}

#[test]
fn every_checkpoint() {
    for peer in 0..4 {
        for (checkpoint, items, sessions, lost_items, transactions) in CHECKPOINTS {
            let guardian = Restorable::new(peer);
            let (old, wanted) = (digest(&guardian.database()), guardian.checkpoint_rows(checkpoint));
            let before = digest(&guardian.path());
            let dry = guardian.restore(checkpoint, &["--dry-run"]).exits(0);
            assert_eq!(digest(&guardian.path()), before, "a dry run changes nothing");
            assert_eq!(dry.verdict()["verdict"], "planned");
            let run = guardian.restore(checkpoint, &[]).exits(0);
            let (plan, verdict) = (plan_of(&run), run.verdict());
            assert_eq!(plan["lost"]["sessions"], sessions);
            assert_eq!(plan["lost"]["items"], lost_items);
            assert_eq!(plan["lost"]["transactions"], transactions);
            assert_eq!(plan["lost"]["signed"], sessions, "lost sessions are signed");
            assert_eq!(plan["pending"]["items"], 6);
            assert!(plan["old"]["own_units"].as_u64().expect("a number") > 0);
            assert_eq!((&verdict["last"], &verdict["items"]), (&checkpoint.into(), &items.into()));
            for field in ["identity", "history_root", "guard_until"] {
                assert_eq!(verdict[field], dry.verdict()[field], "{field}");
            }
            assert!(rows(&guardian.database()) == wanted, "the rows of the checkpoint");
            assert_eq!(
                digest(&guardian.entry("database.broken-")),
                old,
                "the old database is kept as it was"
            );
            let guard = guardian.guard().expect("a guard");
            assert_eq!((&guard["until_session"], &guard["peer"]), (&26.into(), &peer.into()));
            assert_eq!((&guard["restored_session"], &guard["version"]), (&checkpoint.into(), &1.into()));
            assert_eq!(guard["history_root"], verdict["history_root"]);
            let audit = verify!(guardian.path(), "--config", guardian.path(), "--json").exits(0).verdict();
            assert_eq!(audit["history_root"], verdict["history_root"]);
        }
    }
}

#[test]
fn there_and_back_again() {
    let guardian = Restorable::new(1);
    let (old, database) = (digest(&guardian.database()), guardian.database());
    guardian.restore(24, &[]).exits(0);
    let planned = guardian.run("undo", &["--dry-run", "--json"]).exits(0).verdict();
    assert_eq!((&planned["verdict"], &planned["swapped"]), (&"planned".into(), &true.into()));
    assert_eq!(guardian.step(1).as_deref(), Some("done"));
    let undone = guardian.run("undo", &["--yes", "--json"]).exits(0).verdict();
    assert_eq!(undone["verdict"], "undone");
    assert_eq!(digest(&database), old);
    assert_eq!(guardian.guard(), None);
    assert!(rows(&guardian.entry("database.undone-")) == guardian.checkpoint_rows(24));
    let nothing = guardian.run("undo", &["--yes"]).exits(2);
    assert!(nothing.sentence().contains("is there to undo"), "{}", nothing.stderr);
    // A second time: numbers and names continue.
    guardian.restore(23, &[]).exits(0);
    assert_eq!(guardian.step(2).as_deref(), Some("done"));
    assert!(rows(&database) == guardian.checkpoint_rows(23));
}

/// Several restores in sequence: the guard keeps the highest session, and each is undone by itself.
#[test]
fn restores_on_restores() {
    let guardian = Restorable::new(2);
    let old = digest(&guardian.database());
    guardian.restore(24, &["--guard-until", "40"]).exits(0);
    let first = guardian.guard().expect("a guard");
    assert_eq!(first["until_session"], 40);
    let run = guardian.restore(23, &[]).exits(0);
    assert_eq!(run.verdict()["guard_until"], 40);
    assert_eq!(plan_of(&run)["old"]["last"], 24);
    let second = guardian.guard().expect("a guard");
    assert_eq!((&second["until_session"], &second["restored_session"]), (&40.into(), &23.into()));
    // The restored state may be older than the newest checkpoint: the guard covers what was before.
    guardian.restore(25, &[]).exits(0);
    assert_eq!(guardian.guard().expect("a guard")["until_session"], 40);
    guardian.run("undo", &["--yes"]).exits(0);
    assert_eq!(guardian.guard(), Some(second));
    assert!(rows(&guardian.database()) == guardian.checkpoint_rows(23));
    guardian.run("undo", &["--yes"]).exits(0);
    assert_eq!(guardian.guard(), Some(first));
    guardian.run("undo", &["--yes"]).exits(0);
    assert_eq!((guardian.guard(), digest(&guardian.database())), (None, old));
}

/// A node ran on the restored database: what it wrote is discarded only if the user says so, and is guarded.
#[test]
fn a_way_back_after_the_node_has_run() {
    let guardian = Restorable::new(0);
    let ran = rows(&guardian.database());
    guardian.restore(24, &[]).exits(0);
    guardian.go_on_with(&ran);
    let refused = guardian.run("undo", &["--yes"]).exits(1);
    assert!(
        refused.sentence().contains("was written to since it was restored: 1 session(s)"),
        "{}",
        refused.stderr
    );
    assert!(rows(&guardian.database()) == ran);
    // The restore's guard is gone by now: the node removed it after its session.
    fs::remove_file(guardian.path().join("equivocation-guard.json")).expect("the guard");
    let low = guardian.run("undo", &["--yes", "--discard-written", "--guard-until", "3"]).exits(2);
    assert!(low.sentence().contains("--guard-until 3 is too low"), "{}", low.stderr);
    guardian.run("undo", &["--yes", "--discard-written"]).exits(0);
    let guard = guardian.guard().expect("a guard");
    assert_eq!((&guard["until_session"], &guard["reason"]), (&26.into(), &"undo".into()));
    assert!(rows(&guardian.entry("database.undone-")) == ran);
}

#[test]
fn archives() {
    let guardian = Restorable::new(0);
    let (full, base, increment) =
        (guardian.beside("full.fmar"), guardian.beside("base.fmar"), guardian.beside("increment.fmar"));
    let checkpoint = |number: u64| guardian.path().join(format!("db_checkpoints/{number}"));
    export(&checkpoint(24), &full, &[]);
    export(&checkpoint(23), &base, &[]);
    export(&checkpoint(25), &increment, &["--since", base.to_str().expect("text")]);
    let archive = |path: &Path, more: &[&str]| {
        let words = [&["--archive", path.to_str().expect("text"), "--yes", "--json"], more].concat();
        guardian.run("restore", &words)
    };
    let needs_base = archive(&increment, &[]).exits(2);
    assert!(needs_base.stderr.contains("--base"), "{}", needs_base.stderr);
    let restored = archive(&full, &[]).exits(0);
    assert!(rows(&guardian.database()) == guardian.checkpoint_rows(24));
    let from_checkpoint = Restorable::new(0).restore(24, &[]).exits(0).verdict();
    assert_eq!(restored.verdict()["identity"], from_checkpoint["identity"]);
    guardian.run("undo", &["--yes"]).exits(0);
    archive(&increment, &["--base", base.to_str().expect("text")]).exits(0);
    assert!(rows(&guardian.database()) == guardian.checkpoint_rows(25));
}

#[test]
fn other_guardians_agree() {
    let guardian = Restorable::new(0);
    let copies: Vec<String> = (1..4)
        .map(|peer| fixture(&format!("session-v0.5.0/peer-{peer}/db_checkpoints/24")).display().to_string())
        .collect();
    let history = guardian.beside("history.fmar");
    export(&fixture("session-v0.5.0/peer-3"), &history, &["--profile", "history"]);
    let all = format!("{},{}", copies.join(","), history.display());
    let plan = plan_of(&guardian.restore(24, &["--compare", &all, "--dry-run"]).exits(0));
    let compared = plan["compared"].as_array().expect("a list");
    assert_eq!(compared.len(), 4);
    for (number, witness) in compared.iter().enumerate() {
        assert_eq!((&witness["agrees"], &witness["common"]), (&true.into(), &24.into()), "{witness}");
        assert_eq!(witness["history_root"], plan["history_root"]);
        // Each guardian of the fixture wants something else of module 300, which is its own; the archive is
        // of another moment.
        let modules = if number < 3 { serde_json::json!([]) } else { Value::Null };
        assert_eq!((&witness["other_modules"], &witness["unclear_modules"]), (&modules, &modules));
    }
}

/// The number is typed at a terminal, and only the right one counts.
#[test]
fn asked_and_answered() {
    let guardian = Restorable::new(0);
    let refused = guardian.run("restore", &["--checkpoint", "24"]).exits(2);
    assert!(refused.sentence().contains("no terminal to ask at"), "{}", refused.stderr);
    let line = format!(
        "{} restore --data-dir '{}' --checkpoint 24",
        binary("fm-checkpoint").display(),
        guardian.path().display()
    );
    for (answer, exit) in [("", 2), ("yes", 2), ("23", 2), ("24", 0)] {
        let run = shell(
            "printf '%s\\n' \"$2\" | script -qec \"$1\" /dev/null",
            &[line.clone().into(), answer.into()],
        );
        assert_eq!(run.exit, exit, "{answer:?}: {}", run.stdout);
        assert!(run.stdout.contains("Type 24"), "{}", run.stdout);
        assert_eq!(guardian.entries().len(), if exit == 0 { 4 } else { 1 }, "{answer:?}");
    }
}

/// A link to the data directory is followed; its content is not moved out of it.
#[test]
fn through_a_link() {
    let guardian = Restorable::new(0);
    let link = guardian.beside("link");
    std::os::unix::fs::symlink(guardian.path(), &link).expect("a link");
    let words: Vec<OsString> = vec![
        "restore".into(),
        "--data-dir".into(),
        link.into(),
        "--checkpoint".into(),
        "24".into(),
        "--yes".into(),
    ];
    Run::of("fm-checkpoint", &words).exits(0);
    assert!(rows(&guardian.database()) == guardian.checkpoint_rows(24));
    // Checkpoints may lie on another disk, reached through a link.
    let other = Restorable::new(0);
    let (inside, outside) = (other.path().join("db_checkpoints"), other.beside("elsewhere"));
    fs::rename(&inside, &outside).expect("the checkpoints");
    std::os::unix::fs::symlink(&outside, &inside).expect("a link");
    other.restore(23, &[]).exits(0);
    assert!(ReadStore::open(&other.database()).is_ok());
}
