//! Real backups of every form, compared with what the code that wrote them says.

use std::collections::BTreeMap;
use std::fs;

use fm_codec::Dialect;
use fm_crypto::{ConsensusConfig, Keys, SessionKeys, parse_keys_file};
use fm_history::{Code, sha256};
use fm_store::ReadStore;
use fm_tests::fixture;
use fm_units::{
    ALEPH_0_20_BYTES, ALEPH_0_20_ITEMS, ALEPH_0_30, ALEPH_0_36, Backup, Dag, Expected, FORMS, Framing,
    ItemEncoding, UnitData, UnitForm, UnitTable, read_in_form,
};
use serde_json::Value;

pub(crate) const B: UnitTable = UnitTable { prefix: 0x01, session_in_key: true, dialect: Dialect::A2 };
pub(crate) const EARLY_C: UnitTable = UnitTable { prefix: 0x05, session_in_key: true, dialect: Dialect::A2 };
pub(crate) const LATER: UnitTable =
    UnitTable { prefix: 0x05, session_in_key: false, dialect: Dialect::MODERN };

pub(crate) fn truth(folder: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(folder).join("truth.json")).unwrap()).unwrap()
}

pub(crate) fn keys(folder: &str) -> SessionKeys {
    let config = fixture(folder).join("peer-0/consensus.json");
    if config.exists() {
        let config = ConsensusConfig::parse(&fs::read_to_string(config).unwrap()).unwrap();
        return SessionKeys::new(&config.broadcast_public_keys).unwrap();
    }
    let file: Value =
        serde_json::from_str(&fs::read_to_string(fixture(folder).join("keys.json")).unwrap()).unwrap();
    let public = serde_json::to_string(&file["public_keys"]).unwrap();
    let Keys::Broadcast(keys) = parse_keys_file(&public).unwrap() else { panic!("no session keys") };
    SessionKeys::new(&keys).unwrap()
}

pub(crate) fn rows(database: &str, prefix: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = ReadStore::open(&fixture(database)).unwrap();
    let mut scan = store.scan_prefix(&[prefix]);
    let mut rows = Vec::new();
    while let Some(row) = scan.next_row() {
        let (key, value) = row.unwrap();
        rows.push((key.to_vec(), value.to_vec()));
    }
    rows
}

pub(crate) fn backup(database: &str, table: UnitTable) -> Backup {
    let rows = rows(database, table.prefix);
    let mut backups = table.join(rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))).unwrap();
    assert_eq!(backups.len(), 1, "{database}");
    backups.pop().unwrap()
}

pub(crate) fn expected(session: u64) -> Expected {
    Expected { session, guardians: Some(4) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Compares what every truth.json says of the stream.
fn compare_stream(backup: &Backup, truth: &Value) {
    assert_eq!(backup.stream.len(), number(&truth["buffer_len"]));
    assert_eq!(backup.digest().to_string(), text(&truth["buffer_sha256"]));
    let reported = truth["rows"].as_array().unwrap();
    assert_eq!(backup.rows.len(), reported.len());
    for (row, reported) in backup.rows.iter().zip(reported) {
        assert_eq!(hex::encode(&row.key), text(&reported["key_hex"]));
        assert_eq!(row.number, reported["index"].as_u64().unwrap());
        assert_eq!(row.value_bytes, number(&reported["stored_value_len"]));
        assert_eq!(row.range.len(), number(&reported["length"]));
        assert_eq!(sha256(&[&backup.stream[row.range.clone()]]).to_string(), text(&reported["sha256"]));
    }
    assert!(backup.gaps().is_empty());
}

/// Compares what every truth.json says of the units.
fn compare_units(dag: &Dag<'_>, truth: &Value) {
    assert_eq!(dag.nodes.len(), number(&truth["decoded_units"]));
    let reported = truth["units"].as_array().unwrap();
    assert_eq!(dag.nodes.len(), reported.len());
    for (node, reported) in dag.nodes.iter().zip(reported) {
        let fields = &node.unit.fields;
        assert_eq!(u64::from(fields.round), reported["round"].as_u64().unwrap());
        assert_eq!(fields.creator, reported["creator"].as_u64().unwrap());
        assert_eq!(fields.session, reported["session_id"].as_u64().unwrap());
        let tag = usize::from(dag.form.framing == Framing::Tagged);
        assert_eq!(node.unit.bytes.len() + tag, number(&reported["encoded_len"]));
        let parents: Vec<Value> = fields.parents.members().map(Value::from).collect();
        assert_eq!(Value::from(parents), reported["parents"]);
        assert_eq!(node.hash.to_string(), text(&reported["unit_hash"]));
        assert_eq!(node.signed, reported["unit_signature_valid"].as_bool());
        assert_eq!(node.batch_signed, reported["data"]["signature_valid"].as_bool());
        match fields.data {
            Some(UnitData::Items { count, by, .. }) => {
                assert_eq!(count, number(&reported["data"]["batch_items"]));
                assert_eq!(by.author, reported["data"]["node"].as_u64().unwrap());
                assert_eq!(hex::encode(by.signature), text(&reported["data"]["signature"]));
            }
            Some(UnitData::Bytes { bytes, .. }) => {
                assert_eq!(bytes.len(), number(&reported["data"]["batch_bytes"]));
                assert_eq!(sha256(&[bytes]).to_string(), text(&reported["data"]["batch_bytes_sha256"]));
            }
            other => panic!("no real backup has {other:?}"),
        }
    }
}

fn only_form(backup: &Backup, session: u64, form: &'static UnitForm) {
    for guardians in [Some(4), None] {
        let read = read_in_form(backup, Expected { session, guardians }, &FORMS).unwrap();
        assert_eq!((read.form, read.guardians), (form, 4));
        assert!(read.damage.is_empty());
    }
}

#[test]
fn one_guardians_own_units() {
    for (folder, table) in [("broadcast-v0.1.5", B), ("aleph-a4177cea3", EARLY_C)] {
        let (truth, keys) = (truth(folder), keys(folder));
        let mut seen = 0;
        for peer in 0..4 {
            let database = format!("{folder}/peer-{peer}/database");
            if !fixture("").join(&database).exists() {
                continue;
            }
            seen += 1;
            let reported = &truth["peers"][peer]["units"][0];
            let backup = backup(&database, table);
            assert_eq!(backup.session, reported["session"].as_u64());
            compare_stream(&backup, reported);
            let session = backup.session.unwrap();
            only_form(&backup, session, &ALEPH_0_20_ITEMS);
            let read = read_in_form(&backup, expected(session), &[&ALEPH_0_20_ITEMS]).unwrap();
            let dag = Dag::new(&[read], Some(&keys), Dialect::A2).unwrap();
            assert_eq!(dag.findings, [], "{database}");
            compare_units(&dag, reported);
            let shape = dag.shape(ItemEncoding::Older);
            assert_eq!(shape.batches, number(&reported["batches"]));
            assert_eq!(shape.items, number(&reported["batch_items"]));
            assert_eq!(shape.batches - shape.empty_batches, number(&reported["non_empty_batches"]));
            assert_eq!(shape.header_signatures, number(&reported["block_signatures"]));
            assert_eq!(shape.without_data, number(&reported["units_without_data"]));
            let creators: Vec<u64> = shape.creators.iter().map(|creator| creator.creator).collect();
            assert_eq!(creators, [peer as u64]);
            assert_eq!(dag.proposals(ItemEncoding::Older).count(), shape.items);
            assert!(!shape.closed, "one guardian's units are no graph");
        }
        assert!(seen >= 2);
    }
}

#[test]
fn everybodys_units_in_v0_2_0_rc1() {
    let (folder, keys) = ("session-v0.2.0-rc1", keys("session-v0.2.0-rc1"));
    let truth = truth(folder);
    for peer in [0, 1, 3] {
        let reported = &truth["peers"][peer]["units"];
        let backup = backup(&format!("{folder}/peer-{peer}/database"), LATER);
        compare_stream(&backup, reported);
        let session = reported["session"].as_u64().unwrap();
        only_form(&backup, session, &ALEPH_0_30);
        let read = read_in_form(&backup, expected(session), &FORMS).unwrap();
        let dag = Dag::new(&[read], Some(&keys), Dialect::MODERN).unwrap();
        assert_eq!(dag.findings, []);
        compare_units(&dag, reported);
        let shape = dag.shape(ItemEncoding::Modern);
        assert_eq!(shape.batches, number(&reported["batches"]));
        assert_eq!(shape.batches - shape.empty_batches, number(&reported["non_empty_batches"]));
        assert_eq!(shape.alerts, number(&reported["alerts"]));
        assert_eq!(shape.without_data, number(&reported["units_without_data"]));
        assert!(shape.closed && shape.forks == 0 && shape.undecodable_batches == 0);
        assert_eq!(shape.signatures_valid, shape.units);
        assert!(dag.undecodable_batches(ItemEncoding::Modern).is_empty());
        compare_items(&dag, &format!("{folder}/peer-{peer}/database"));
    }
}

/// Checks that every pending accepted item of the database was proposed by the guardian it is stored under.
fn compare_items(dag: &Dag<'_>, database: &str) -> usize {
    let mut proposed: BTreeMap<(Vec<u8>, u64), usize> = BTreeMap::new();
    for proposal in dag.proposals(ItemEncoding::Modern) {
        assert!(proposal.item.item.is_some());
        *proposed.entry((proposal.item.bytes.to_vec(), proposal.peer)).or_default() += 1;
    }
    let pending = rows(database, 0x01);
    for (_, value) in &pending {
        let (peer, item) = value.split_last().unwrap();
        assert!(proposed.contains_key(&(item.to_vec(), u64::from(*peer))), "{}", hex::encode(value));
    }
    assert!(!pending.is_empty());
    pending.len()
}

#[test]
fn everybodys_units_in_v0_5_0() {
    let (folder, keys) = ("session-v0.5.0", keys("session-v0.5.0"));
    let truth = truth(folder);
    for peer in 0..4 {
        let database = format!("{folder}/peer-{peer}/database");
        let reported = &truth["peers"][format!("peer-{peer}")]["database"];
        let backup = backup(&database, LATER);
        assert_eq!(backup.rows.len(), number(&reported["aleph_units"]["rows"]));
        let values: usize = backup.rows.iter().map(|row| row.value_bytes).sum();
        assert_eq!(values, number(&reported["aleph_units"]["value_bytes"]));
        let session = reported["sessions"].as_u64().unwrap();
        only_form(&backup, session, &ALEPH_0_36);
        let read = read_in_form(&backup, expected(session), &FORMS).unwrap();
        let dag = Dag::new(&[read], Some(&keys), Dialect::MODERN).unwrap();
        assert_eq!(dag.findings, []);
        assert_eq!(dag.nodes.len(), backup.rows.len(), "one unit in every row");
        assert!(dag.nodes.iter().all(|node| node.signed == Some(true)) && dag.is_closed());
        let shape = dag.shape(ItemEncoding::Modern);
        assert!(shape.without_data > 0 && shape.empty_batches == 0, "v0.4 and later send no empty batch");
        assert_eq!(compare_items(&dag, &database), number(&reported["rows_by_prefix"]["01"]["rows"]));
    }
}

#[test]
fn several_guardians_in_one_graph() {
    let keys = keys("broadcast-v0.1.5");
    let backups: Vec<Backup> =
        (0..3).map(|peer| backup(&format!("broadcast-v0.1.5/peer-{peer}/database"), B)).collect();
    let read: Vec<_> = backups
        .iter()
        .map(|backup| read_in_form(backup, expected(6), &[&ALEPH_0_20_ITEMS]).unwrap())
        .collect();
    let dag = Dag::new(&read, Some(&keys), Dialect::A2).unwrap();
    assert_eq!(dag.findings, []);
    let shape = dag.shape(ItemEncoding::Older);
    assert_eq!((shape.units, shape.items, shape.signatures_valid), (28 + 29 + 29, 92 + 94 + 94, 86));
    assert_eq!(shape.creators.iter().map(|creator| creator.units).collect::<Vec<_>>(), [28, 29, 29]);
    // The same backups twice, or in another order, are the same graph.
    let again: Vec<_> = read.iter().rev().chain(&read).cloned().collect();
    let again = Dag::new(&again, Some(&keys), Dialect::A2).unwrap();
    assert_eq!((again.findings.len(), again.shape(ItemEncoding::Older)), (0, shape));
    // Backups of different sessions do not form one graph.
    let other = backup("broadcast-v0.1.5/peer-3/database", B);
    let other = read_in_form(&other, expected(5), &[&ALEPH_0_20_ITEMS]).unwrap();
    assert!(Dag::new(&[read[0].clone(), other], Some(&keys), Dialect::A2).is_none());
}

#[test]
fn guardians_of_v0_5_0_joined() {
    let keys = keys("session-v0.5.0");
    let backups: Vec<Backup> =
        (0..4).map(|peer| backup(&format!("session-v0.5.0/peer-{peer}/database"), LATER)).collect();
    let read: Vec<_> =
        backups.iter().map(|backup| read_in_form(backup, expected(26), &FORMS).unwrap()).collect();
    let dag = Dag::new(&read, Some(&keys), Dialect::MODERN).unwrap();
    assert_eq!(dag.findings, []);
    assert!(dag.is_closed() && dag.nodes.len() >= 105);
}

#[test]
fn keys_of_another_federation_and_no_keys() {
    let backup = backup("session-v0.5.0/peer-0/database", LATER);
    let read = || [read_in_form(&backup, expected(26), &FORMS).unwrap()];
    let dag = Dag::new(&read(), Some(&keys("session-v0.2.0-rc1")), Dialect::MODERN).unwrap();
    assert_eq!(dag.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::WrongKeys]);
    let dag = Dag::new(&read(), None, Dialect::MODERN).unwrap();
    let codes: Vec<_> = dag.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::UnitSignaturesUnchecked]);
    assert!(dag.nodes.iter().all(|node| node.signed.is_none()));
}

#[test]
fn bytes_that_are_no_units_are_refused() {
    let snapshot = backup("upstream-snapshots/fedimint-server-913a9fe4a", LATER);
    let error = read_in_form(&snapshot, Expected { session: 1, guardians: None }, &FORMS).unwrap_err();
    assert!(error.to_string().contains("aleph-0.36 reads nothing"), "{error}");
    let random = backup("synth-v0.5.0/database", LATER);
    let error = read_in_form(&random, Expected { session: 600, guardians: None }, &FORMS).unwrap_err();
    assert!(error.to_string().contains("no known form"), "{error}");
    // The session must be the open one, and the form one of the candidates.
    let real = backup("session-v0.5.0/peer-0/database", LATER);
    read_in_form(&real, expected(25), &FORMS).unwrap_err();
    let error = read_in_form(&real, expected(26), &[&ALEPH_0_30, &ALEPH_0_20_ITEMS]).unwrap_err();
    assert!(error.to_string().contains("aleph-0.30 reads nothing"), "{error}");
    assert_ne!(ALEPH_0_20_BYTES.data, ALEPH_0_20_ITEMS.data);
}

#[test]
fn the_graph_as_text() {
    let backup = backup("session-v0.5.0/peer-0/database", LATER);
    let read = read_in_form(&backup, expected(26), &FORMS).unwrap();
    let dag = Dag::new(&[read], None, Dialect::MODERN).unwrap();
    let mut text = String::new();
    dag.write_dot(&mut text).unwrap();
    assert!(text.starts_with("digraph session_26 {\n") && text.ends_with("}\n"));
    let parents: usize = dag.nodes.iter().map(|node| node.unit.fields.parents.len()).sum();
    assert_eq!(text.matches(" -> ").count(), parents);
    assert_eq!(text.matches("[label=").count(), dag.nodes.len());
}
