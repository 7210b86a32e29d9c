//! A guardian of v0.1 that still runs, audited over its interface.

use std::fs;

use fm_crypto::InviteCode;
use fm_tests::{DAMAGED, ServedEpochs, checkpoint, codes, hbbft, verify};
use serde_json::Value;

#[test]
fn its_epochs_are_audited_as_those_in_its_database_are() {
    let home = hbbft("peer-0");
    let stored = verify!(&home, "--config", &home, "--json").exits(0);
    for as_numbers in [false, true] {
        let guardian = ServedEpochs::start(&home.join("database"), as_numbers);
        let run = verify!(&guardian.url, "--config", &home, "--json").exits(0);
        let (live, database) = (run.verdict(), stored.verdict());
        for field in ["verdict", "era", "epochs", "signed", "tip", "history_root", "proven_to"] {
            assert_eq!(live[field], database[field], "{field}");
        }
        assert_eq!(live["source"], "running federation");
        assert_eq!(codes(&run.findings()), codes(&stored.findings()));
    }
}

#[test]
fn what_is_damaged_is_found_over_the_interface_too() {
    for name in DAMAGED {
        let home = hbbft(name);
        let keys = hbbft("peer-0");
        let guardian = ServedEpochs::start(&home.join("database"), false);
        let live = verify!(&guardian.url, "--config", &keys, "--json").findings();
        let stored = verify!(&home, "--config", &keys, "--json").findings();
        let of_epochs = |findings: Vec<Value>| -> Vec<_> {
            let codes = codes(&findings).into_iter();
            // Records beside the history are not served.
            codes.filter(|(code, _)| code.starts_with("epoch-") || code.starts_with("share-")).collect()
        };
        match name {
            // Without the epoch, the guardian has one record less, and those after it have other numbers.
            "bad-d-missing-epoch" => assert!(!of_epochs(live).is_empty()),
            _ => assert_eq!(of_epochs(live), of_epochs(stored), "{name}"),
        }
    }
}

#[test]
fn it_is_shown_archived_and_compared() {
    let home = hbbft("peer-0");
    let guardian = ServedEpochs::start(&home.join("database"), false);
    verify!("show", &guardian.url, "--epoch", "7", "--config", &home).exits(0);
    let diff = verify!("diff", &guardian.url, hbbft("peer-1"), "--config", &home, "--json").exits(0);
    assert_eq!(diff.verdict()["verdict"], "equal");
    let work = tempfile::tempdir().unwrap();
    let archive = work.path().join("history.fmar");
    checkpoint!("export", &guardian.url, "--profile", "history", "--to", &archive, "--config", &home)
        .exits(0);
    verify!(&archive, "--config", &home).exits(0);
}

#[test]
fn an_invite_code_of_that_time_needs_keys() {
    let home = hbbft("peer-0");
    let guardian = ServedEpochs::start(&home.join("database"), false);
    let text = fs::read_to_string(home.join("invite-code")).unwrap();
    // Nobody listens at the address of the real code.
    let refused = verify!(text.trim(), "--config", &home).exits(3);
    assert!(refused.sentence().contains("cannot connect to"), "{}", refused.sentence());
    let code = InviteCode::parse(text.trim()).unwrap();
    assert_eq!(code.federation.len(), 48);
    let run = verify!(&guardian.url, "--config", &home, "--federation-id", "00".repeat(32)).exits(2);
    assert!(run.sentence().contains("are for federations since v0.2"), "{}", run.sentence());
    let run = verify!(&guardian.url).exits(3);
    assert!(run.sentence().contains("no such method"), "{}", run.sentence());
}
