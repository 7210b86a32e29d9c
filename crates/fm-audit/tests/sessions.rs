//! Compares audits of real histories of eras B to E with what the programs that wrote them say about them.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fm_audit::{
    Audited as OldRecord, Control, HistoryAudit, HistoryKeys, Observer, OldSession, Origin, Request, Silent,
    audit_history,
};
use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_eras::block::BlockLayout;
use fm_eras::{Era, Layout, detect};
use fm_history::Finding;
use fm_store::ReadStore;
use serde_json::Value;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(path)).unwrap()).unwrap()
}

/// A session as the audit saw it: header in hex, number of items, guardians whose signatures are stored.
type Seen = (String, u64, Vec<u16>);

struct Audited {
    layout: &'static BlockLayout,
    audit: HistoryAudit,
    findings: Vec<Finding>,
    sessions: Vec<Seen>,
}

fn audit(database: &str, keys: Option<&SessionKeys>) -> Audited {
    let store = ReadStore::open(&fixture(database)).unwrap();
    let Layout::Blocks(layout) = detect(&store).unwrap() else { panic!("{database} has no blocks") };
    let (mut findings, mut sessions) = (Vec::new(), Vec::new());
    let interrupted = AtomicBool::new(false);
    let observer = Observer {
        on_finding: &mut |finding| findings.push(finding),
        on_session: Some(&mut |session: OldSession<'_>| {
            let OldRecord::Block(block) = session.audited else { panic!("an epoch") };
            let decoded = block.decoded.as_ref().unwrap();
            let header = hex::encode(decoded.leaf.header.to_bytes());
            sessions.push((header, decoded.leaf.items, decoded.block.signatures.keys().copied().collect()));
            Ok(())
        }),
        on_row: None,
    };
    let audit = audit_history(
        Origin { rows: &store, path: store.path(), layout: Layout::Blocks(layout) },
        Request::everything(keys.map(HistoryKeys::Session)),
        Control { progress: &Silent, interrupted: &interrupted },
        observer,
    )
    .unwrap();
    Audited { layout, audit, findings, sessions }
}

/// Returns the keys in a `public_key_map_consensus_encoding_hex`.
fn keys_of_map(truth: &Value) -> SessionKeys {
    let bytes = hex::decode(truth["public_key_map_consensus_encoding_hex"].as_str().unwrap()).unwrap();
    let keys: BTreeMap<u16, [u8; 33]> =
        bytes[1..].chunks_exact(34).map(|entry| (entry[0].into(), entry[1..].try_into().unwrap())).collect();
    let keys = SessionKeys::new(&keys).unwrap();
    assert_eq!(hex::encode(keys.tag().unwrap()), truth["public_key_tag_sha256"].as_str().unwrap());
    assert_eq!(keys.threshold() as u64, truth["threshold"].as_u64().unwrap());
    keys
}

fn blocks_of_truth(blocks: &Value) -> Vec<Seen> {
    let seen = |block: &Value| {
        let signatures = block["signatures"].as_object().unwrap();
        assert!(signatures.values().all(|signature| signature["valid"] == true));
        let peers = signatures.keys().map(|peer| peer.parse().unwrap()).collect();
        (block["header"].as_str().unwrap().to_owned(), block["items"].as_u64().unwrap(), peers)
    };
    blocks.as_array().unwrap().iter().map(seen).collect()
}

#[test]
fn blocks_and_sessions_of_three_builds_are_what_their_servers_say() {
    let cases = [
        ("broadcast-v0.1.5", "e91852c61", None),
        ("aleph-a4177cea3", "a4177cea3", Some("accepted_indices")),
        ("session-v0.2.0-rc1", "v0.2", Some("accepted_items")),
    ];
    for (folder, layout, pending) in cases {
        let truth = json(&format!("{folder}/truth.json"));
        let keys = keys_of_map(&truth);
        for peer in truth["peers"].as_array().unwrap() {
            let name = format!("{folder}/peer-{}/database", peer["peer"]);
            if !fixture(&name).exists() {
                continue;
            }
            let Audited { layout: found, audit, findings, sessions } = audit(&name, Some(&keys));
            assert_eq!(found.name, layout, "{name}");
            assert_eq!(findings, [], "{name}");
            assert_eq!(sessions, blocks_of_truth(&peer["blocks"]), "{name}");
            let count = sessions.len() as u64;
            assert_eq!(
                (audit.chain.records, audit.chain.signed, audit.chain.unproven),
                (count, count, 0),
                "{name}"
            );
            let items = sessions.iter().map(|session| session.1).sum::<u64>();
            assert_eq!(audit.proven.unwrap().items, items, "{name}");
            let pending = pending.map_or(0, |pending| peer[pending].as_array().unwrap().len() as u64);
            assert_eq!(audit.pending, pending, "{name}");
        }
    }
}

#[test]
fn guardians_of_v0_5_have_one_history_root_under_every_set_of_signers() {
    let truth = json("session-v0.5.0/truth.json");
    let config = fs::read_to_string(fixture("session-v0.5.0/peer-0/consensus.json")).unwrap();
    let keys = SessionKeys::new(&ConsensusConfig::parse(&config).unwrap().broadcast_public_keys).unwrap();
    let mut roots = Vec::new();
    let mut signers = BTreeSet::new();
    for peer in ["peer-0", "peer-1", "peer-2", "peer-3"] {
        let database = &truth["peers"][peer]["database"];
        let Audited { layout, audit, findings, sessions } =
            audit(&format!("session-v0.5.0/{peer}/database"), Some(&keys));
        assert_eq!((layout.era, findings.as_slice()), (Era::E, [].as_slice()), "{peer}");
        let outcomes = database["outcomes"].as_array().unwrap();
        assert_eq!(sessions.len(), outcomes.len());
        for (session, outcome) in sessions.iter().zip(outcomes) {
            assert_eq!(session.0, outcome["header"].as_str().unwrap());
            assert_eq!(session.1, outcome["items"].as_u64().unwrap());
            assert_eq!(session.2.len(), 3, "exactly a threshold");
        }
        let anchor = audit.proven.unwrap();
        assert_eq!((anchor.sessions, anchor.items, audit.pending), (26, 861, 6), "{peer}");
        roots.push(anchor.history_root);
        signers.extend(sessions.into_iter().map(|session| session.2));
        let mut earlier = Vec::new();
        for checkpoint in ["23", "24", "25"] {
            let found =
                self::audit(&format!("session-v0.5.0/{peer}/db_checkpoints/{checkpoint}"), Some(&keys));
            assert_eq!(found.findings, [], "{peer} {checkpoint}");
            earlier.push(found.audit.chain.signed);
        }
        assert_eq!(earlier, [24, 25, 26], "{peer}");
    }
    assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");
    assert_eq!(signers.len(), 4, "every set of three occurs: {signers:?}");
}

#[test]
fn made_up_content_of_nine_modules_verifies() {
    let truth = json("synth-v0.5.0/truth.json");
    let stated = json("synth-v0.5.0/keys.json");
    let peers = stated["peers"].as_object().unwrap();
    let key = |peer: &Value| hex::decode(peer["public"].as_str().unwrap()).unwrap().try_into().unwrap();
    let keys = peers.iter().map(|(number, peer)| (number.parse().unwrap(), key(peer))).collect();
    let keys = SessionKeys::new(&keys).unwrap();
    assert_eq!(hex::encode(keys.tag().unwrap()), stated["message_tag"].as_str().unwrap());
    let Audited { audit, findings, sessions, .. } = audit("synth-v0.5.0/database", Some(&keys));
    assert_eq!(findings, []);
    assert_eq!((audit.chain.records, audit.chain.signed, audit.pending), (600, 600, 9));
    for (session, stated) in sessions.iter().zip(truth["sessions"].as_array().unwrap()) {
        assert_eq!(session.0, stated["header"].as_str().unwrap());
        assert_eq!(session.1, stated["items"].as_u64().unwrap());
    }
}

#[test]
fn damaged_copies_are_found_out_at_their_place() {
    let keys = keys_of_map(&json("broadcast-v0.1.5/truth.json"));
    for name in ["bad-a-item-byte", "bad-b-swapped-signature", "bad-c-missing-block", "bad-d-two-signatures"]
    {
        let Audited { findings, .. } = audit(&format!("broadcast-v0.1.5/{name}/database"), Some(&keys));
        let truth = json(&format!("broadcast-v0.1.5/{name}/truth.json"));
        let seen: Vec<_> =
            findings.iter().map(|finding| (finding.code.as_str(), finding.place.session.unwrap())).collect();
        let codes: &[&str] = match name {
            // All three signatures cover the changed byte; only one of the three signatures is swapped.
            "bad-a-item-byte" => &[
                "session-signature-invalid",
                "session-signature-invalid",
                "session-signature-invalid",
                "session-unsigned",
            ],
            "bad-b-swapped-signature" => &["session-signature-invalid", "session-unsigned"],
            "bad-c-missing-block" => &["session-missing"],
            _ => &["session-unsigned"],
        };
        let place = truth["mutation"]["block"].as_u64().unwrap();
        let expected: Vec<_> = codes.iter().map(|code| (*code, place)).collect();
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn without_keys_and_with_wrong_keys_nothing_counts_as_signed() {
    let audited = audit("session-v0.5.0/peer-0/database", None);
    assert_eq!((audited.audit.chain.signed, audited.audit.chain.unchecked), (0, 26));
    let other = keys_of_map(&json("broadcast-v0.1.5/truth.json"));
    let Audited { audit, findings, .. } = audit("session-v0.5.0/peer-0/database", Some(&other));
    let codes: Vec<_> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["wrong-keys"]);
    assert_eq!((audit.chain.signed, audit.chain.unchecked), (0, 26));
}
