//! Databases of real v0.1.5 guardians, compared with what the code of v0.1.5 says of them.

use std::collections::BTreeMap;
use std::fs;

use fm_eras::hbbft::{
    EpochLayout, HISTORY_TABLE, LAST_EPOCH_KEY, Table, check_record, decode_epoch, decode_last_epoch,
    encode_epoch, epoch_of_key, index_row,
};
use fm_eras::{Layout, Tables, detect};
use fm_history::{Epoch, EpochItem, accepted_transactions, sha256};
use fm_tests::fixture;
use serde_json::Value;

use crate::{open, rows};

const ALL: [&str; 8] = [
    "peer-0",
    "peer-1",
    "peer-2",
    "peer-3",
    "bad-a-swapped-signature",
    "bad-b-item-byte",
    "bad-c1-last-hash",
    "bad-d-missing-epoch",
];

fn layout() -> EpochLayout {
    EpochLayout::by_name("bigsize").unwrap()
}

fn truth(name: &str) -> Value {
    let path = fixture("hbbft-v0.1.5").join(name).join("truth.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn database(name: &str) -> fm_store::ReadStore {
    open(&fixture("hbbft-v0.1.5").join(name).join("database"))
}

fn kind(item: &EpochItem) -> &'static str {
    match item {
        EpochItem::ConsensusUpgrade => "ConsensusUpgrade",
        EpochItem::ClientConfigSignatureShare(_) => "ClientConfigSignatureShare",
        EpochItem::EpochOutcomeSignatureShare(_) => "EpochOutcomeSignatureShare",
        EpochItem::Transaction(_) => "Transaction",
        EpochItem::Module(_) => "Module",
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Checks everything that truth.json says of an epoch.
fn check_epoch(key: &[u8], value: &[u8], epoch: &Epoch, truth: &Value) {
    let number = truth["epoch"].as_u64().unwrap();
    assert_eq!(epoch.number, number);
    assert_eq!(hex::encode(key), truth["key_hex"].as_str().unwrap());
    assert_eq!(epoch_of_key(key, layout().dialect).unwrap(), truth["key"].as_u64().unwrap());
    assert_eq!(value.len() as u64, truth["value_len"].as_u64().unwrap());
    assert_eq!(sha256(&[value]).to_string(), truth["value_sha256"].as_str().unwrap());
    assert_eq!(epoch.stored_hash.to_string(), truth["hash"].as_str().unwrap(), "epoch {number}");
    assert_eq!(epoch.computed_hash.to_string(), truth["recomputed_hash"].as_str().unwrap(), "epoch {number}");
    assert_eq!(epoch.last_hash.map(|hash| hash.to_string()).as_deref(), truth["last_hash"].as_str());
    assert_eq!(epoch.signature.map(hex::encode).as_deref(), truth["signature"].as_str());
    let content = epoch.content.as_ref().unwrap();
    let rejected: Vec<String> = content.rejected.iter().map(ToString::to_string).collect();
    assert_eq!(rejected, texts(&truth["rejected_txids"]), "epoch {number}");

    let mut per_peer = BTreeMap::new();
    let mut transactions = Vec::new();
    for contribution in &content.contributions {
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for item in &contribution.items {
            *kinds.entry(kind(item)).or_default() += 1;
            if let EpochItem::Transaction(transaction) = item {
                transactions.push((contribution.peer, transaction.txid.to_string()));
            }
        }
        let counts = serde_json::json!({ "count": contribution.items.len(), "kinds": kinds });
        assert!(per_peer.insert(contribution.peer.to_string(), counts).is_none());
    }
    assert_eq!(serde_json::json!(per_peer), truth["items_per_peer"], "epoch {number}");
    let expected: Vec<(u16, String)> = truth["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transaction| {
            let peer = u16::try_from(transaction["peer"].as_u64().unwrap()).unwrap();
            (peer, transaction["txid"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(transactions, expected, "epoch {number}");
    let mut distinct: Vec<String> = transactions.into_iter().map(|(_, txid)| txid).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct, texts(&truth["distinct_txids"]), "epoch {number}");
}

#[test]
fn every_epoch_is_what_the_old_code_says() {
    for name in ALL {
        let truth = truth(name);
        let store = database(name);
        let history: Vec<_> = rows(&store).into_iter().filter(|(key, _)| key[0] == HISTORY_TABLE).collect();
        let epochs = truth["epochs"].as_array().unwrap();
        assert_eq!(
            (history.len(), epochs.len() as u64),
            (epochs.len(), truth["epoch_rows"].as_u64().unwrap())
        );
        for ((key, value), expected) in history.iter().zip(epochs) {
            let epoch = decode_epoch(value, &layout()).unwrap();
            check_epoch(key, value, &epoch, expected);
            assert_eq!(encode_epoch(&epoch, layout().dialect).as_ref(), Some(value), "{name}");
        }
        let last = store.get(&LAST_EPOCH_KEY).unwrap().unwrap();
        assert_eq!(decode_last_epoch(&last, layout().dialect).ok(), truth["last_epoch"].as_u64());
    }
}

#[test]
fn every_other_row_is_of_a_known_table() {
    for name in ALL {
        let store = database(name);
        assert_eq!(detect(&store).unwrap(), Layout::Hbbft(layout()), "{name}");
        for (key, value) in rows(&store) {
            check_record(&key, &value, &layout()).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn the_index_of_transactions_follows_from_the_epochs() {
    for name in ["peer-0", "peer-1", "peer-2", "peer-3"] {
        let store = database(name);
        let rows = rows(&store);
        let mut expected = BTreeMap::new();
        for (_, value) in rows.iter().filter(|(key, _)| key[0] == HISTORY_TABLE) {
            let epoch = decode_epoch(value, &layout()).unwrap();
            for transaction in accepted_transactions(epoch.content.as_ref().unwrap()) {
                let (key, value) = index_row(transaction, epoch.number, &layout());
                assert_eq!(expected.insert(key, value), None, "accepted twice");
            }
        }
        let prefix = Table::AcceptedTransaction.prefix();
        let stored: BTreeMap<_, _> = rows.into_iter().filter(|(key, _)| key[0] == prefix).collect();
        assert_eq!(stored, expected, "{name}");
        let truth = truth(name);
        let listed: Vec<String> = truth["accepted_transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|transaction| format!("02{}", transaction["txid"].as_str().unwrap()))
            .collect();
        assert_eq!(stored.keys().map(hex::encode).collect::<Vec<_>>(), listed);
    }
}

#[test]
fn tables_are_counted_as_the_old_code_counts_them() {
    for name in ALL {
        let store = database(name);
        let mut seen = 0;
        // truth.json counts module space by its first three bytes: `ff`, module, the module's table.
        let prefix = |key: &[u8]| key[..if key[0] == 0xFF { 3 } else { 1 }].to_vec();
        let tables = Tables::count(&store, prefix, |_, _| seen += 1).unwrap();
        let truth = truth(name);
        let raw = truth["raw"]["rows_by_prefix"].as_object().unwrap();
        assert_eq!(seen, truth["raw"]["rows"].as_u64().unwrap(), "{name}");
        let counted: BTreeMap<String, (u64, u64)> = tables
            .counts
            .iter()
            .map(|(prefix, count)| {
                (hex::encode(prefix), (count.records, count.key_bytes + count.value_bytes))
            })
            .collect();
        let expected: BTreeMap<String, (u64, u64)> = raw
            .iter()
            .map(|(prefix, count)| {
                (prefix.clone(), (count["rows"].as_u64().unwrap(), count["bytes"].as_u64().unwrap()))
            })
            .collect();
        assert_eq!(counted, expected, "{name}");
    }
}

#[test]
fn a_real_record_with_a_byte_more_or_less_is_an_error() {
    let history: Vec<_> =
        rows(&database("peer-0")).into_iter().filter(|(key, _)| key[0] == HISTORY_TABLE).collect();
    for (key, value) in history {
        let layout = layout();
        for end in 0..value.len() {
            assert!(decode_epoch(&value[..end], &layout).is_err(), "{key:02x?} cut to {end}");
        }
        for byte in [0, 1, 0x80, 0xFF] {
            let longer = [value.as_slice(), &[byte]].concat();
            assert!(decode_epoch(&longer, &layout).is_err(), "{key:02x?} with {byte:02x}");
        }
    }
}
