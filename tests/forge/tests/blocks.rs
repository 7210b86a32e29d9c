//! Forged histories of every layout of eras B to E are distinguished and prove themselves.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use fm_audit::{Audited, Control, HistoryKeys, Observer, OldSession, Origin, Request, Silent, audit_history};
use fm_crypto::SessionKeys;
use fm_eras::{DetectError, Layout, broadcast, detect, session};
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
                Layout::by_name(layout.name).unwrap()
            }
            detected => detected.unwrap(),
        };
        let Layout::Blocks(found) = detected else { panic!("{}", layout.name) };
        // Histories signed without a tag have the same records; only the keys distinguish them.
        let expected = if layout.name == "fd79b5a6a" { "e91852c61" } else { layout.name };
        assert_eq!(found.name, expected);
        let mut findings = Vec::new();
        let audit = audit_history(
            Origin { rows: &store, path: store.path(), layout: detected },
            Request::everything(Some(HistoryKeys::Session(&keys))),
            Control { progress: &Silent, interrupted: &AtomicBool::new(false) },
            Observer::of_findings(&mut |finding| findings.push(finding)),
        )
        .unwrap();
        assert_eq!(findings, [], "{}", layout.name);
        assert_eq!((audit.chain.signed, audit.layout), (12, Some(Layout::Blocks(layout))), "{}", layout.name);
        let anchor = audit.proven.unwrap();
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
        let observer = Observer {
            on_finding: &mut |finding| panic!("{finding}"),
            on_session: Some(&mut |session: OldSession<'_>| {
                let Audited::Block(block) = session.audited else { panic!("an epoch") };
                signatures.push(block.decoded.as_ref().unwrap().block.signatures.clone());
                Ok(())
            }),
            on_row: None,
        };
        let audit = audit_history(
            Origin { rows: &store, path: store.path(), layout: Layout::Blocks(layout) },
            Request::everything(Some(HistoryKeys::Session(&keys))),
            Control { progress: &Silent, interrupted: &AtomicBool::new(false) },
            observer,
        )
        .unwrap();
        roots.push(audit.proven.unwrap().history_root);
        digests.push(signatures);
    }
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert!((1..4).all(|guardian| digests[guardian] != digests[0]));
}
