//! Forged histories of every layout of eras B to E are distinguished and prove themselves.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use fm_audit::{Control, EpochStream, Scope, SessionOptions, Silent, audit_sessions};
use fm_crypto::SessionKeys;
use fm_eras::{DetectError, Detected, broadcast, detect, session};
use fm_forge::{BlockSpec, forge_blocks};
use fm_store::ReadStore;

#[test]
fn every_layout_is_recognised_and_sound() {
    let home = tempfile::tempdir().unwrap();
    for layout in broadcast::LAYOUTS.iter().chain(session::LAYOUTS) {
        let spec = BlockSpec::new(layout, 12);
        let dir = home.path().join(layout.name);
        let forged = forge_blocks(&spec, &dir).unwrap();
        assert!(forged.empty > 0 && forged.items > 20, "{}", layout.name);
        let keys = SessionKeys::new(&forged.keys).unwrap();
        let store = ReadStore::open(&dir.join("database")).unwrap();
        let detected = match detect(&store) {
            // One aggregated signature has the bytes of a list with one signature, so the caller has to name
            // the layout.
            Err(DetectError::Ambiguous { layouts }) if layout.name == "2f32eada5" => {
                assert_eq!(layouts, ["2f32eada5", "d65634ad2"]);
                Detected::by_name(layout.name).unwrap()
            }
            detected => detected.unwrap(),
        };
        let Detected::Blocks(found) = detected else { panic!("{}", layout.name) };
        // Histories signed without a tag have the same records; only the keys distinguish them.
        let expected = if layout.name == "fd79b5a6a" { "e91852c61" } else { layout.name };
        assert_eq!(found.name, expected);
        let mut findings = Vec::new();
        let audit = audit_sessions(
            EpochStream { rows: &store, path: store.path() },
            SessionOptions {
                layout: found,
                keys: Some(&keys),
                until: None,
                side_records: true,
                on_row: None,
                scope: Scope::default(),
            },
            Control { progress: &Silent, interrupted: &AtomicBool::new(false) },
            &mut |finding| findings.push(finding),
            &mut |_| Ok(()),
        )
        .unwrap();
        assert_eq!(findings, [], "{}", layout.name);
        let untagged = (layout.name == "fd79b5a6a").then_some(layout);
        assert_eq!((audit.signed, audit.untagged), (12, untagged), "{}", layout.name);
        let anchor = audit.anchor.unwrap();
        let transactions = if layout.transactions.is_some() { forged.transactions } else { 0 };
        assert_eq!((anchor.items, anchor.transactions), (forged.items, transactions), "{}", layout.name);
    }
}

#[test]
fn guardians_with_different_signatures_have_one_history_root() {
    let home = tempfile::tempdir().unwrap();
    let layout = session::LAYOUTS.last().unwrap();
    let mut roots = Vec::new();
    let mut digests = Vec::new();
    for guardian in 0..4 {
        let dir = home.path().join(guardian.to_string());
        let forged = forge_blocks(&BlockSpec { guardian, ..BlockSpec::new(layout, 30) }, &dir).unwrap();
        let keys = SessionKeys::new(&forged.keys).unwrap();
        let store = ReadStore::open(&dir.join("database")).unwrap();
        let mut signatures = Vec::new();
        let audit = audit_sessions(
            EpochStream { rows: &store, path: store.path() },
            SessionOptions {
                layout,
                keys: Some(&keys),
                until: None,
                side_records: true,
                on_row: None,
                scope: Scope::default(),
            },
            Control { progress: &Silent, interrupted: &AtomicBool::new(false) },
            &mut |finding| panic!("{finding}"),
            &mut |block| {
                signatures.push(block.decoded.as_ref().unwrap().block.signatures.clone());
                Ok(())
            },
        )
        .unwrap();
        roots.push(audit.anchor.unwrap().history_root);
        digests.push(signatures);
    }
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert!((1..4).all(|guardian| digests[guardian] != digests[0]));
}
