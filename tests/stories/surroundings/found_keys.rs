//! A command that works on a data directory finds the configuration there, says so, and proves nothing with
//! it.

use std::fs;
use std::path::Path;

use fm_tests::{Restorable, Run, checkpoint, codes, copy_dir, fixture, hbbft, migrate, verify};
use serde_json::{Value, json};

/// Returns what is said about a configuration that was found.
fn found(config: &Path) -> String {
    format!("keys       {}, found in the data directory", config.display())
}

fn says(run: &Run, wanted: &str) {
    assert!(run.stdout.contains(wanted), "$ {}\n{}", run.line, run.stdout);
}

#[test]
fn an_audit_finds_them_wherever_it_is_in_the_data_directory() {
    let guardian = fixture("session-v0.5.0/peer-0");
    let config = guardian.join("consensus.json");
    for source in [guardian.clone(), guardian.join("database"), guardian.join("db_checkpoints/25")] {
        let verdict = verify!(source, "--json").exits(4).verdict();
        assert_eq!((&verdict["verdict"], &verdict["signed"]), (&json!("unpinned"), &json!(26)));
        assert_eq!(verdict["keys"]["path"], json!(std::path::absolute(&config).expect("a path")));
        assert_eq!((&verdict["keys"]["found"], &verdict["proven_to"]), (&json!(true), &Value::Null));
    }
    // A trust file or a sample of signatures rests on keys that the user named.
    let home = tempfile::tempdir().expect("a directory");
    let trust = home.path().join("trust.json");
    verify!(guardian, "--trust-file", trust).exits(2);
    verify!(guardian, "--sample", "3").exits(2);
    assert!(!trust.exists());
    // The configuration of another place does not count for a copy.
    let copy = home.path().join("copy");
    copy_dir(&guardian.join("database"), &copy);
    assert_eq!(verify!(copy, "--json").exits(4).verdict()["keys"], Value::Null);
}

#[test]
fn keys_that_do_not_fit_are_a_finding_and_those_of_no_use_are_told() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = home.path().join("guardian");
    copy_dir(&fixture("session-v0.5.0/peer-0"), &guardian);
    let config = guardian.join("consensus.json");
    fs::copy(fixture("session-v0.13.0/peer-0/consensus.json"), &config).expect("another federation's");
    let run = verify!(guardian, "--json").exits(1);
    assert!(codes(&run.findings()).iter().any(|(code, _)| code == "wrong-keys"), "{}", run.stdout);
    assert_eq!(run.verdict()["keys"]["found"], json!(true));
    fs::write(&config, "{}").expect("it can be written");
    let run = verify!(guardian, "--json").exits(4);
    assert_eq!((&run.verdict()["verdict"], &run.verdict()["keys"]), (&json!("unpinned"), &Value::Null));
    assert!(run.stderr.contains("warning: the keys in the data directory cannot be used"), "{}", run.stderr);
    // A configuration that is named must be usable.
    verify!(guardian, "--config", guardian).exits(2);
    // Keys of another kind are not tried: epochs are signed with those of the v0.1 configuration.
    let epochs = home.path().join("epochs");
    copy_dir(&hbbft("peer-0"), &epochs);
    fs::copy(fixture("session-v0.5.0/peer-0/consensus.json"), epochs.join("consensus.json")).expect("a copy");
    let run = verify!(epochs, "--json").exits(4);
    assert_eq!((&run.verdict()["verdict"], &run.verdict()["signed"]), (&json!("unpinned"), &json!(0)));
    says(&verify!(epochs).exits(4), "signatures not checked for want of keys");
    migrate!("inspect", epochs).exits(0);
}

#[test]
fn other_commands_find_them_and_say_so() {
    let guardian = fixture("session-v0.5.0/peer-0");
    let line = found(&guardian.join("consensus.json"));
    let nobody = "found in the data directory; nobody confirmed it";
    for place in [["--session", "3"], ["--unit", "0:1"]] {
        says(&verify!("show", guardian, place[0], place[1]).exits(0), nobody);
        let shown = verify!("show", guardian, place[0], place[1], "--json").exits(0).json();
        assert_eq!(shown[0]["keys"]["found"], json!(true), "{place:?}");
        let named =
            verify!("show", guardian, place[0], place[1], "--config", guardian, "--json").exits(0).json();
        assert_eq!(
            (&named[0]["keys"]["found"], &named[0]["signatures"]),
            (&json!(false), &shown[0]["signatures"])
        );
    }
    verify!("show", guardian, "--unit", "0:1,0").exits(2);
    let far = verify!("show", guardian, "--unit", "0:1,000").exits(1);
    assert!(far.sentence().contains("in round 1000"), "{}", far.stderr);
    says(&migrate!("inspect", guardian).exits(0), &line);
    assert_eq!(migrate!("inspect", guardian, "--json").exits(0).json()[0]["guardians"]["2"], "peer-2");
    says(&migrate!("units", guardian).exits(4), &line);
    let units = migrate!("units", guardian, "--json").exits(4);
    let verdict = units.verdict();
    assert_eq!((&verdict["verdict"], &verdict["units"]), (&json!("unpinned"), &json!(105)));
    assert_eq!(verdict["keys_found"], json!(guardian.join("consensus.json")));
    assert_eq!(units.json()[0]["signatures_valid"], 105);
    let pinned = migrate!("units", guardian, "--config", guardian, "--json").exits(0).verdict();
    assert_eq!((&pinned["verdict"], &pinned["keys_found"]), (&json!("sound"), &Value::Null));
    // Two federations' units: nobody can say whose keys to use.
    let other = fixture("session-v0.13.0/peer-0");
    let both = migrate!("units", guardian, other, "--json");
    assert_eq!(both.verdict()["keys_found"], Value::Null);
    assert!(both.stderr.contains("different keys"), "{}", both.stderr);
}

/// Whether an archive is made of a data directory or of its database, it is the same, and the same as with
/// the configuration named.
#[test]
fn an_export_takes_them_and_is_refused_if_they_do_not_fit() {
    let home = tempfile::tempdir().expect("a directory");
    let guardian = fixture("session-v0.5.0/peer-0");
    let archives = ["first", "second", "third"].map(|name| home.path().join(name));
    for (source, archive) in [guardian.clone(), guardian.join("database")].iter().zip(&archives) {
        let run = checkpoint!("export", source, "--to", archive).exits(0);
        says(&run, "found in the data directory; nobody confirmed it");
    }
    let named = checkpoint!("export", guardian, "--to", archives[2], "--config", guardian).exits(0);
    assert!(!named.stdout.contains("found in"), "{}", named.stdout);
    let [first, second, third] = archives.map(|archive| fs::read(archive).expect("an archive"));
    assert!(first == second && first == third);
    // The keys of another federation.
    let mixed = home.path().join("mixed");
    copy_dir(&guardian, &mixed);
    let other = fixture("session-v0.13.0/peer-0/consensus.json");
    fs::copy(other, mixed.join("consensus.json")).expect("another federation's");
    let target = home.path().join("fourth");
    let run = checkpoint!("export", mixed, "--to", target, "--json").exits(1);
    assert!(codes(&run.findings()).iter().any(|(code, _)| code == "wrong-keys"), "{}", run.stdout);
    assert!(!target.exists());
    // A file without keys is reported, and the archive says that no signature was checked.
    fs::write(mixed.join("consensus.json"), "{}").expect("it can be written");
    let run = checkpoint!("export", mixed, "--to", target, "--json").exits(0);
    assert!(run.stderr.contains("warning: the keys in the data directory cannot be used"), "{}", run.stderr);
    assert_eq!(run.verdict()["metadata"]["checked"], "structure");
}

#[test]
fn a_difference_tells_two_federations_by_them() {
    let [one, other] = ["session-v0.5.0/peer-0", "session-v0.13.0/peer-0"].map(fixture);
    let home = tempfile::tempdir().expect("a directory");
    let bare = home.path().join("bare");
    copy_dir(&other.join("database"), &bare);
    for right in [&other, &bare] {
        let run = verify!("diff", one, right).exits(1);
        says(&run, "they are the histories of two federations");
        says(&run, "found in the data directory; nobody confirmed it");
    }
    // The left side's keys, or else the right side's.
    let verdict = verify!("diff", bare, one, "--json").exits(1).verdict();
    assert_eq!(verdict["keys"]["path"], json!(one.join("consensus.json")));
    assert_eq!((&verdict["left_keys"], &verdict["right_keys"]), (&json!("other"), &json!("given")));
    // Two guardians of one federation.
    let verdict = verify!("diff", one, fixture("session-v0.5.0/peer-1"), "--json").exits(0).verdict();
    assert_eq!((&verdict["verdict"], &verdict["keys"]["found"]), (&json!("equal"), &json!(true)));
}

#[test]
fn a_proof_is_made_with_them_and_nobody_has_confirmed_them() {
    let guardian = fixture("session-v0.5.0/peer-0");
    let home = tempfile::tempdir().expect("a directory");
    let (found, named) = (home.path().join("found"), home.path().join("named"));
    let place = ["--session", "3", "--item", "0"];
    let run = verify!("prove", guardian, place[0], place[1], place[2], place[3], "--out", found).exits(4);
    says(&run, "found in the data directory");
    let config = ["--config".into(), guardian.clone().into_os_string()];
    verify!("prove", guardian, place[0], place[1], place[2], place[3], "--out", named, config[0], config[1])
        .exits(0);
    assert_eq!(fs::read(&found).expect("a proof"), fs::read(&named).expect("a proof"));
    let run = verify!("prove", guardian, place[0], place[1], place[2], place[3]).exits(4);
    assert!(run.stderr.contains("nobody confirmed it"), "{}", run.stderr);
    // With the keys of another federation, nothing is signed.
    let mixed = home.path().join("mixed");
    copy_dir(&guardian, &mixed);
    let other = fixture("session-v0.13.0/peer-0/consensus.json");
    fs::copy(other, mixed.join("consensus.json")).expect("another federation's");
    verify!("prove", mixed, place[0], place[1], place[2], place[3]).exits(1);
}

#[test]
fn a_restore_says_whose_keys_it_takes_and_takes_numbers_as_they_are_shown() {
    let guardian = Restorable::new(0);
    let home = guardian.path();
    let line = found(&home.join("consensus.json"));
    says(&checkpoint!("restore", "--data-dir", home, "--checkpoint", "24", "--yes").exits(0), &line);
    says(&checkpoint!("undo", "--data-dir", home, "--yes").exits(0), &line);
    let named =
        checkpoint!("restore", "--data-dir", home, "--checkpoint", "24", "--dry-run", "--config", home);
    assert!(!named.exits(0).stdout.contains("found in the data directory"));
    // The session's number with commas is looked up without them, if it is a session number.
    let checkpoints = home.join("db_checkpoints");
    fs::rename(checkpoints.join("24"), checkpoints.join("1024")).expect("another name");
    let refused = |name: &str| {
        let run = checkpoint!("restore", "--data-dir", home, "--checkpoint", name, "--dry-run");
        (run.exit, run.stderr)
    };
    assert_eq!(refused("1,024"), refused("1024"));
    for name in ["10,24", "1,025", "01024"] {
        assert_ne!(refused(name), refused("1024"), "{name}");
    }
    says(&checkpoint!("prune", "--data-dir", home, "--keep", "1,000", "--dry-run").exits(0), "kept ");
    checkpoint!("prune", "--data-dir", home, "--keep", "10,00", "--dry-run").exits(2);
}
