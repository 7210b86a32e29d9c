//! The configuration of guardians of every version: whose a directory is, and what it says.

use std::fs;
use std::path::{Path, PathBuf};

use fm_tests::{Run, checkpoint, fixture, fixture_json, verify};
use serde_json::{Value, json};

const IROH: &str = "session-v0.13.0-iroh";

fn truth(federation: &str) -> Value {
    fixture_json(&format!("{federation}/truth.json"))["peers"]["peer-0"].clone()
}

/// The configuration of a second federation over iroh: the same but for one thing.
fn other_config(home: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut config = fixture_json(&format!("{IROH}/peer-0/consensus.json"));
    change(&mut config);
    let path = home.join("other.json");
    fs::write(&path, config.to_string()).expect("a file");
    path
}

/// The ids are those that the guardians' own servers give.
#[test]
fn federations_of_today_are_named_as_their_servers_name_them() {
    for federation in ["session-v0.13.0", IROH, "session-v0.13.0-single"] {
        let guardian = fixture(&format!("{federation}/peer-0"));
        let shown = verify!("keys", guardian, "--json").exits(0).json().remove(0);
        assert_eq!(shown["federation"], truth(federation)["federation_id"], "{federation}");
        let names: Vec<&Value> =
            shown["guardians"].as_array().expect("a list").iter().map(|line| &line["name"]).collect();
        assert!(!names.is_empty());
        for (peer, name) in names.iter().enumerate() {
            assert_eq!(**name, json!(format!("guardian-{peer}")), "{federation}");
        }
    }
}

/// Over iroh there are no addresses, and still every guardian has its name and every federation its id.
#[test]
fn archives_of_two_federations_over_iroh_are_told_apart() {
    let home = tempfile::tempdir().expect("a directory");
    let checkpoint = fixture(&format!("{IROH}/peer-0/db_checkpoints/10"));
    let (own, archive) = (fixture(&format!("{IROH}/peer-0")), home.path().join("own.fmar"));
    checkpoint!("export", checkpoint, "--to", archive, "--config", own).exits(0);
    checkpoint!("verify", archive, "--config", own).exits(0);
    let changes: [fn(&mut Value); 2] = [
        |config| config["iroh_endpoints"]["3"]["name"] = json!("somebody else"),
        |config| {
            let key = config["iroh_endpoints"]["0"]["p2p_pk"].clone();
            config["iroh_endpoints"]["0"]["api_pk"] = key;
        },
    ];
    for change in changes {
        let other = other_config(home.path(), change);
        let run = checkpoint!("verify", archive, "--config", other, "--json").exits(1);
        let findings = run.json();
        let foreign = findings.iter().find(|line| line["code"] == "archive-foreign");
        let message = foreign.expect("a finding")["message"].as_str().expect("text").to_owned();
        let own = truth(IROH)["federation_id"].as_str().expect("an id").to_owned();
        assert!(message.contains(&own), "{message}");
    }
    let page = home.path().join("page.html");
    verify!("report", own, "--config", own, "--html", page).exits(0);
    let page = fs::read_to_string(page).expect("a page");
    for peer in 0..4 {
        assert!(page.contains(&format!("guardian-{peer}")), "guardian-{peer} has no name");
    }
}

/// A guardian that cannot be reached is not one that does not exist.
#[test]
fn a_guardian_over_iroh_cannot_be_asked() {
    let directory = fixture(&format!("{IROH}/peer-0"));
    let said = |words: &[&str], exit: i32| {
        let mut words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
        words.extend(["--data-dir".into(), directory.clone().into()]);
        Run::of("fm-node", &words).exits(exit)
    };
    let status = said(&["status"], 3);
    assert!(
        status.sentence().contains("guardian 0 is reached over iroh alone (iroh://4e35ba1b"),
        "{}",
        status.stderr
    );
    assert!(status.stderr.contains("--api"), "{}", status.stderr);
}
