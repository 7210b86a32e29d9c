//! Real backups are ordered again and compared with what the servers had accepted; forged ones are refused.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use fm_codec::Dialect;
use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_forge::{UnitForge, unit_rows};
use fm_replay::{ReplayError, compare, replay};
use fm_store::ReadStore;
use fm_units::{
    ALEPH_0_20_ITEMS, ALEPH_0_30, ALEPH_0_36, Backup, Dag, Expected, FORMS, ItemEncoding, UnitForm,
    UnitTable, read_in_form,
};

const TABLE: UnitTable = UnitTable { prefix: 0x05, session_in_key: false, dialect: Dialect::MODERN };

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn rows(database: &str, prefix: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = ReadStore::open(&fixture(database)).unwrap();
    let mut scan = store.scan_prefix(&[prefix]);
    let mut rows = Vec::new();
    while let Some(row) = scan.next_row() {
        let (key, value) = row.unwrap();
        rows.push((key.to_vec(), value.to_vec()));
    }
    rows
}

fn join(rows: &[(Vec<u8>, Vec<u8>)]) -> Backup {
    TABLE.join(rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))).unwrap().pop().unwrap()
}

fn config(folder: &str) -> ConsensusConfig {
    let config = fs::read_to_string(fixture(folder).join("peer-0/consensus.json")).unwrap();
    ConsensusConfig::parse(&config).unwrap()
}

fn keys(folder: &str) -> SessionKeys {
    SessionKeys::new(&config(folder).broadcast_public_keys).unwrap()
}

fn stored(database: &str) -> Vec<(Vec<u8>, u64)> {
    let split = |(_, value): (Vec<u8>, Vec<u8>)| {
        let (peer, item) = value.split_last().unwrap();
        (item.to_vec(), u64::from(*peer))
    };
    rows(database, 0x01).into_iter().map(split).collect()
}

#[test]
fn real_backups_give_the_accepted_items_in_their_order() {
    for (folder, session, peers) in [
        ("session-v0.5.0", [26; 4], vec![0, 1, 2, 3]),
        ("session-v0.2.0-rc1", [4, 4, 4, 3], vec![0, 1, 3]),
        ("session-v0.13.0", [22, 22, 22, 21], vec![0]),
        ("session-v0.13.0-iroh", [11; 4], vec![0, 3]),
    ] {
        let keys = keys(folder);
        for peer in peers {
            let database = format!("{folder}/peer-{peer}/database");
            let backup = join(&rows(&database, 0x05));
            let expected = Expected { session: session[peer], guardians: Some(4) };
            let read = read_in_form(&backup, expected, &FORMS).unwrap();
            let dag = Dag::new(&[read], Some(&keys), Dialect::MODERN).unwrap();
            let order = replay(&dag, Some(&keys)).unwrap();
            let items = order.items(&dag, ItemEncoding::Modern, config(folder).rounds_per_session);
            let stored = stored(&database);
            let compared = compare(&items, &stored);
            println!(
                "{database}: {} units ordered of {}, {} items, {compared:?}",
                order.order.len(),
                dag.nodes.len(),
                items.len()
            );
            assert_eq!((compared.missing, compared.accepted.len()), (0, stored.len()), "{database}");
            assert!(!stored.is_empty() && order.order.len() < dag.nodes.len());
            assert_eq!(
                compared.discarded + compared.behind + compared.past_end + stored.len(),
                items.len(),
                "{database}"
            );
            // Only the sessions of the iroh federation continued past their last round.
            assert_eq!(compared.past_end > 0, folder.ends_with("iroh"), "{database}");
            // Every unit comes after its parents, and a repetition returns the same order.
            let mut seen = std::collections::BTreeSet::new();
            for node in &order.order {
                let fields = &dag.nodes[*node].unit.fields;
                assert!(
                    fields.parents.members().all(|parent| seen.contains(&(fields.round - 1, parent as u64)))
                );
                seen.insert((fields.round, fields.creator));
            }
            assert_eq!(replay(&dag, None).unwrap(), order);
        }
    }
}

#[test]
fn guardians_agree_on_the_order() {
    let keys = keys("session-v0.5.0");
    let orders: Vec<Vec<(u16, u64)>> = (0..4)
        .map(|peer| {
            let backup = join(&rows(&format!("session-v0.5.0/peer-{peer}/database"), 0x05));
            let read = read_in_form(&backup, Expected { session: 26, guardians: Some(4) }, &FORMS).unwrap();
            let dag = Dag::new(&[read], Some(&keys), Dialect::MODERN).unwrap();
            let place =
                |node: &usize| (dag.nodes[*node].unit.fields.round, dag.nodes[*node].unit.fields.creator);
            replay(&dag, Some(&keys)).unwrap().order.iter().map(place).collect()
        })
        .collect();
    let longest = orders.iter().max_by_key(|order| order.len()).unwrap();
    assert!(orders.iter().all(|order| order.len() > 50 && longest.starts_with(order)), "{orders:?}");
}

fn forged(
    form: &'static UnitForm,
    change: impl FnOnce(&mut UnitForge, &mut Vec<Vec<u8>>),
) -> Result<usize, ReplayError> {
    let mut forge = UnitForge::new(form, 7, &[[1; 32], [2; 32], [3; 32], [4; 32]]);
    let mut records = forge.rounds(12);
    change(&mut forge, &mut records);
    let backup = join(&unit_rows(TABLE, 7, &records));
    let read = read_in_form(&backup, Expected { session: 7, guardians: Some(4) }, &[form]).unwrap();
    let dag = Dag::new(&[read], Some(forge.keys()), Dialect::MODERN).unwrap();
    replay(&dag, Some(forge.keys())).map(|replay| replay.order.len())
}

#[test]
fn a_full_graph_is_ordered_but_for_its_newest_rounds() {
    // 0.36 reports every unit, 0.30 only units with data: a third of them here.
    let all = forged(&ALEPH_0_36, |_, _| {}).unwrap();
    assert!((24..48).contains(&all), "{all}");
    let carrying = forged(&ALEPH_0_30, |_, _| {}).unwrap();
    assert!((8..16).contains(&carrying), "{carrying}");
}

#[test]
fn what_is_not_ordered_again() {
    let all = [0, 1, 2, 3];
    let fork = forged(&ALEPH_0_36, |forge, records| {
        records.push(forge.unit(11, 2, &all, Some(&[vec![1, 4, 0, 2, 9, 9]])));
    });
    assert!(
        matches!(&fork, Err(ReplayError::Refused { reason }) if reason.contains("unit-fork")),
        "{fork:?}"
    );
    let lost = forged(&ALEPH_0_36, |_, records| drop(records.remove(9)));
    assert!(matches!(&lost, Err(ReplayError::Refused { .. })), "{lost:?}");
    let unsigned = forged(&ALEPH_0_36, |_, records| *records[9].last_mut().unwrap() ^= 1);
    assert!(
        matches!(&unsigned, Err(ReplayError::Refused { reason }) if reason.contains("signature")),
        "{unsigned:?}"
    );
    let mut forge = UnitForge::new(&ALEPH_0_20_ITEMS, 7, &[[1; 32], [2; 32], [3; 32], [4; 32]]);
    let records: Vec<_> = forge.rounds(3).into_iter().step_by(4).collect();
    let backup = join(&unit_rows(TABLE, 7, &records));
    let read =
        read_in_form(&backup, Expected { session: 7, guardians: Some(4) }, &[&ALEPH_0_20_ITEMS]).unwrap();
    let dag = Dag::new(&[read], None, Dialect::A2).unwrap();
    assert_eq!(replay(&dag, None), Err(ReplayError::NoLibrary { form: "aleph-0.20-items" }));
}

#[test]
fn stored_items_that_were_never_ordered() {
    let item = |byte: u8, peer| (vec![byte], peer);
    let ordered: Vec<_> = [(1, 0), (2, 1), (1, 2), (3, 0)].map(|(byte, peer)| item(byte, peer)).to_vec();
    let ordered: Vec<_> = ordered
        .iter()
        .map(|(bytes, peer)| fm_replay::Ordered {
            round: 0,
            peer: *peer,
            bytes: bytes.as_slice(),
            past_end: false,
        })
        .collect();
    let compared = compare(&ordered, &[item(1, 0), item(1, 2)]);
    assert_eq!(
        (compared.accepted, compared.discarded, compared.behind, compared.missing),
        (vec![0, 2], 1, 1, 0)
    );
    // The right bytes of another guardian do not match, nor do the right items in another order.
    assert_eq!(compare(&ordered, &[item(2, 0)]).missing, 1);
    assert_eq!(compare(&ordered, &[item(3, 0), item(2, 1)]).missing, 1);
    assert_eq!(compare(&ordered, &[]).behind, 4);
    // Items past the end were not processed: they do not count after the last item, and no item is found
    // among them.
    let mut ordered = ordered;
    ordered[2..].iter_mut().for_each(|item| item.past_end = true);
    let compared = compare(&ordered, &[item(1, 0)]);
    assert_eq!((compared.accepted, compared.behind, compared.past_end), (vec![0], 1, 2));
    assert_eq!(compare(&ordered, &[item(1, 0), item(1, 2)]).missing, 1);
}
