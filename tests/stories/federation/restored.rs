//! A guardian is restored with `fm-checkpoint` and continues with `fm-node`: guarded, caught up, with one
//! history again.

use fm_codec::Dialect;
use fm_eras::session::{SIGNED_SESSION_OUTCOME, session_of_key};
use fm_tests::{Nodes, rows};
use fm_units::{ALEPH_0_36, Expected, UnitTable, read_in_form};

const UNITS: UnitTable = UnitTable { prefix: 0x05, session_in_key: false, dialect: Dialect::MODERN };

fn units(nodes: &Nodes, peer: usize) -> usize {
    rows(&nodes.directory(peer).join("database")).iter().filter(|(key, _)| key[0] == UNITS.prefix).count()
}

/// Returns the last finished session in a guardian's database, and how many units of the next one it made
/// itself.
fn last_and_own(nodes: &Nodes, peer: usize) -> (u64, usize) {
    let rows = rows(&nodes.directory(peer).join("database"));
    let of = |prefix: u8| rows.iter().filter(move |(key, _)| key[0] == prefix);
    let last = of(SIGNED_SESSION_OUTCOME).next_back().expect("a finished session");
    let last = session_of_key(&last.0).expect("its number");
    let units = of(UNITS.prefix).map(|(key, value)| (&key[..], &value[..]));
    let expected = Expected { session: last + 1, guardians: Some(4) };
    let own = UNITS.join(units).expect("a unit backup").into_iter().map(|backup| {
        let records = read_in_form(&backup, expected, &[&ALEPH_0_36]).expect("units");
        records.units().filter(|(_, unit)| unit.fields.creator == peer as u64).count()
    });
    (last, own.sum())
}

/// Returns the next step according to `fm-checkpoint status`, and whether the guard has passed.
fn next(nodes: &Nodes, peer: usize) -> (String, Option<bool>) {
    let status = nodes.checkpoint(peer, &["status", "--json"]).exits(0).verdict();
    (status["next"].as_str().expect("a text").to_owned(), status["guard_passed"].as_bool())
}

fn guard(nodes: &Nodes, peer: usize) -> u64 {
    let text =
        std::fs::read_to_string(nodes.directory(peer).join("equivocation-guard.json")).expect("a guard");
    let guard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    guard["until_session"].as_u64().expect("a session")
}

#[test]
fn a_restored_guardian_makes_no_units_where_it_may_have_made_some() {
    let mut nodes = Nodes::real();
    assert!(units(&nodes, 2) > 0, "its units of the open session are in the old database");
    nodes.checkpoint(2, &["restore", "--checkpoint", "24", "--yes"]).exits(0);
    assert_eq!((guard(&nodes, 2), units(&nodes, 2)), (26, 0));
    let (before, passed) = next(&nodes, 2);
    assert!(before.starts_with("start fm-node now, or fedimintd when the others have finished session 26"));
    assert_eq!(passed, Some(false));
    // Two of four cannot finish a session: the guarded one waits, and reports what it waits for.
    nodes.start_with(0, &["--stuck-after", "1"], &[]);
    nodes.start_with(2, &["--stuck-after", "1"], &[]);
    nodes.wait_for(2, 26);
    nodes.wait_for_log(2, "this guardian makes no units up to session 26");
    assert!(nodes.log(2).contains("no link to guardian 1, 3"), "{}", nodes.log(2));
    nodes.wait_for_log(0, "nothing of guardian 2");
    let (running, passed) = next(&nodes, 2);
    assert!(running.starts_with("nothing: a process works with the database"), "{running}");
    assert_eq!(passed, None);
    nodes.kill(2);
    assert_eq!(units(&nodes, 2), 0, "a guarded guardian has made units");
    assert_eq!(next(&nodes, 2), (before, Some(false)), "it caught up, and session 26 is not finished");
    nodes.start(2);
    nodes.start(1);
    nodes.start(3);
    nodes.wait_for(2, 29);
    // After the guarded session it takes part again.
    let contributed = |nodes: &Nodes| {
        let status = nodes.ask(0, &["status", "--json"]).exits(0);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
        status["federation"]["status_by_peer"]["2"]["last_contribution"].as_u64()
    };
    assert!(contributed(&nodes).is_some_and(|session| session > 26), "{:?}", contributed(&nodes));
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    let (after, passed) = next(&nodes, 2);
    assert!(after.starts_with("nothing: session 26 is finished"), "{after}");
    assert_eq!(passed, Some(true));
    let reported = nodes.checkpoint(2, &["status"]).exits(0).stdout;
    assert!(reported.contains("guard      passed: session 26 is finished"), "{reported}");
}

#[test]
fn a_guardian_of_a_running_federation_is_restored_and_catches_up() {
    let mut nodes = Nodes::new(12);
    (0..4).for_each(|peer| nodes.start_with(peer, &["--checkpoints", "3", "--min-free", "0"], &[]));
    nodes.wait_for(2, 2);
    nodes.ask(2, &["submit"]).exits(0);
    nodes.wait_for(2, 5);
    nodes.kill(2);
    let checkpoints = nodes.directory(2).join("db_checkpoints");
    let names = std::fs::read_dir(checkpoints).expect("checkpoints");
    let numbers = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u64>().ok());
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    assert!((1..=4).contains(&numbers.len()), "{numbers:?}");
    let (oldest, newest) = (numbers[0], numbers[numbers.len() - 1]);
    // Killed at the beginning of a session, it may have made no units in it; then the guard need not cover
    // it.
    let (last, made) = last_and_own(&nodes, 2);
    assert!(last >= newest, "{last} {numbers:?}");
    nodes.checkpoint(2, &["restore", "--checkpoint", &oldest.to_string(), "--yes"]).exits(0);
    let guarded = guard(&nodes, 2);
    assert!(guarded >= last + u64::from(made > 0), "{guarded} {last} {made}");
    nodes.start(2);
    nodes.wait_for(2, guarded + 2);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

/// A package for home servers puts a checkpoint in place of the database: the node knows that it made units
/// since.
#[test]
fn a_guardian_on_a_copy_of_its_own_checkpoint_makes_no_unit_twice() {
    let mut nodes = Nodes::new(12);
    (0..4).for_each(|peer| nodes.start_with(peer, &["--checkpoints", "3", "--min-free", "0"], &[]));
    nodes.wait_for(3, 4);
    nodes.kill(2);
    let (last, made) = last_and_own(&nodes, 2);
    let newest = if made > 0 { last + 1 } else { last };
    let (database, checkpoints) =
        (nodes.directory(2).join("database"), nodes.directory(2).join("db_checkpoints"));
    let record = std::fs::read_to_string(nodes.directory(2).join("signed-session.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!(record["newest"], newest, "{last} {made}");
    let names = std::fs::read_dir(&checkpoints).expect("checkpoints");
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u64>().ok());
    let oldest = names.min().expect("a checkpoint");
    assert!(oldest < last, "{oldest} {last}");
    std::fs::remove_dir_all(&database).expect("the database");
    fm_tests::copy_dir(&checkpoints.join(oldest.to_string()), &database);
    let planned =
        nodes.checkpoint(2, &["restore", "--checkpoint", &oldest.to_string(), "--dry-run", "--json"]);
    assert_eq!(planned.exits(0).verdict()["guard_until"], newest);
    nodes.start(2);
    nodes.wait_for(2, newest + 2);
    assert!(
        nodes.log(2).contains("the database is older than what this guardian signed"),
        "{}",
        nodes.log(2)
    );
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    // What it makes from then on is recorded, and so is the database: it is stopped at the end of a session,
    // and continues.
    (0..4).for_each(|peer| nodes.start(peer));
    nodes.wait_for(2, sessions + 1);
    let later = nodes.shut_down();
    nodes.root(later);
}

#[test]
fn a_session_with_a_hole_in_its_units_is_taken_from_the_others() {
    is_taken_from_the_others(|_| None, "units 40 to 40");
}

/// Wherever a byte changed, the unit is not the one that its creator signed.
#[test]
fn a_session_with_a_changed_unit_is_taken_from_the_others() {
    let changed = |mut row: Vec<u8>| {
        let last = row.len() - 1;
        row[last] ^= 1;
        Some(row)
    };
    is_taken_from_the_others(changed, "is not signed by its creator");
}

/// Makes that change to a row of units in guardian 2's database.
fn is_taken_from_the_others(change: impl Fn(Vec<u8>) -> Option<Vec<u8>>, reason: &str) {
    let mut nodes = Nodes::real();
    let path = nodes.directory(2).join("database");
    let store = fm_store::LiveStore::open(&path).expect("the database");
    let key = fm_consensus::unit_key(40);
    let row = store.get(&key).expect("it can be read").expect("the row");
    let row = change(row);
    store.write([(key.as_slice(), row.as_deref())], fm_store::Durability::Synced).expect("it can be written");
    drop(store);
    nodes.start_all();
    nodes.wait_for(2, 28);
    let log = nodes.log(2);
    assert!(log.contains("the session cannot be ordered here") && log.contains(reason), "{log}");
    assert!(!log.contains("ordering ended"), "{log}");
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}
