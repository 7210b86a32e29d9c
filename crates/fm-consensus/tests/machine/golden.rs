//! Processes the real histories of v0.5.0 again: the rows must become those that the servers wrote.

use fm_codec::Dialect;
use fm_consensus::{Action, Engine, UnitPayload};
use fm_eras::session::{module_key, session_key};
use fm_replay::replay;
use fm_units::{Dag, Expected, FORMS, UnitData, UnitTable, read_in_form};

use fm_tests::Random;

use crate::fixture::{RowMap, SESSIONS, engine, federation, keys, rows, storage, tables};
use crate::world::{batch, vote};

/// Passes the finished sessions of a guardian's database to another guardian's machine.
fn catch_up(engine: &mut Engine, source: &RowMap) -> u64 {
    let mut items = 0;
    for session in engine.session()..SESSIONS {
        let actions = engine.on_fetched_outcome(session, &source[&session_key(session)]).unwrap();
        let [Action::SessionComplete { session: done, items: count, .. }] = actions.as_slice() else {
            panic!("session {session}: {actions:?}");
        };
        assert_eq!(*done, session);
        items += count;
    }
    items
}

/// Returns a guardian's rows without its own ones: units, wanted values, announcements.
fn common(rows: &RowMap) -> RowMap {
    let mut rows = tables(rows, &[0x01, 0x02, 0x04, 0x50, 0xFF]);
    rows.retain(|key, _| !key.starts_with(&module_key(300, &[0])));
    rows
}

/// Returns the units of a guardian's open session as the library orders them: round, creator, content.
fn ordered_units(rows: &RowMap) -> Vec<(u16, u16, Option<UnitPayload>)> {
    let table = UnitTable { prefix: 0x05, session_in_key: false, dialect: Dialect::MODERN };
    let units = tables(rows, &[0x05]);
    let backup = table.join(units.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    let backup = backup.unwrap().pop().unwrap();
    let expected = Expected { session: SESSIONS, guardians: Some(4) };
    let read = read_in_form(&backup, expected, &FORMS).unwrap();
    let dag = Dag::new(&[read], Some(&keys()), Dialect::MODERN).unwrap();
    let order = replay(&dag, Some(&keys())).unwrap().order;
    let unit = |node: usize| {
        let fields = &dag.nodes[node].unit.fields;
        let payload = fields.data.map(|data| match data {
            UnitData::Bytes { bytes, .. } | UnitData::Items { list: bytes, .. } => {
                UnitPayload::Batch(bytes.to_vec())
            }
            UnitData::HeaderSignature { signature, .. } => UnitPayload::Signature(signature),
        });
        (fields.round, u16::try_from(fields.creator).unwrap(), payload)
    };
    order.into_iter().map(unit).collect()
}

#[test]
fn the_whole_history_gives_the_rows_that_the_servers_wrote() {
    for peer in 0..4 {
        let real = rows(peer);
        let store = storage(&RowMap::new());
        let mut engine = engine(store.clone(), peer).unwrap();
        assert_eq!(catch_up(&mut engine, &real), 861);
        assert_eq!(tables(&store.rows(), &[0x04]), tables(&real, &[0x04]));
        for (round, creator, payload) in ordered_units(&real) {
            engine.on_ordered_unit(round, creator, payload.as_ref()).unwrap();
        }
        let (ours, theirs) = (common(&store.rows()), common(&real));
        let differ: Vec<_> =
            theirs.keys().chain(ours.keys()).filter(|key| theirs.get(*key) != ours.get(*key)).collect();
        assert!(differ.is_empty(), "peer {peer}: {:?}", differ.iter().map(hex::encode).collect::<Vec<_>>());
        assert_eq!(tables(&ours, &[0x01]).len(), 6);
        assert_eq!(tables(&ours, &[0x02]).len(), 630);
        assert!(tables(&ours, &[0xFF]).len() > 1280);
    }
}

#[test]
fn the_open_session_of_the_four_servers_is_finished_alike() {
    let late = batch(&[vote(1, 9, b"after the restart")]);
    let mut records = Vec::new();
    for peer in 0..4 {
        let real = rows(peer);
        let store = storage(&real);
        let mut engine = engine(store.clone(), peer).unwrap();
        assert_eq!((engine.session(), engine.progress().to_replay), (SESSIONS, 6));
        for (round, creator, payload) in ordered_units(&real) {
            let actions = engine.on_ordered_unit(round, creator, payload.as_ref()).unwrap();
            let accepted = actions.iter().any(|action| matches!(action, Action::Accepted { .. }));
            assert!(!accepted, "peer {peer}: {actions:?}");
        }
        assert_eq!(engine.progress().to_replay, 0);
        assert!(store.rows() == real, "what was accepted before the restart is not written again");

        let actions = engine.on_ordered_unit(39, 2, Some(&late)).unwrap();
        assert!(matches!(actions.as_slice(), [Action::Accepted { index: 6, .. }]), "{actions:?}");
        let Some(Action::Broadcast { header, .. }) = engine.on_ordered_unit(40, 0, None).unwrap().pop()
        else {
            panic!("the rounds are over");
        };
        let message = keys().message(&header.to_bytes());
        for signer in [3, 0, 1] {
            let signature = UnitPayload::Signature(federation(signer).signing_key.sign(&message));
            engine.on_ordered_unit(41, signer, Some(&signature)).unwrap();
        }
        assert_eq!(engine.session(), SESSIONS + 1);
        assert!(tables(&store.rows(), &[0x01, 0x05]).is_empty());
        records.push(store.rows()[&session_key(SESSIONS)].clone());
    }
    assert!(records.iter().all(|record| *record == records[0]));
}

#[test]
fn units_with_any_bytes_in_them_stop_nothing() {
    let real = rows(0);
    let mut engine = engine(storage(&RowMap::new()), 0).unwrap();
    catch_up(&mut engine, &real);
    let batches: Vec<Vec<u8>> = ordered_units(&real)
        .into_iter()
        .filter_map(|(_, _, payload)| match payload {
            Some(UnitPayload::Batch(bytes)) => Some(bytes),
            Some(UnitPayload::Signature(_)) | None => None,
        })
        .collect();
    let mut random = Random::new(7);
    let (mut skipped, mut processed) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = batches[random.below(batches.len())].clone();
        let place = random.below(bytes.len());
        match random.below(4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, u8::try_from(random.below(256)).unwrap()),
            2 => bytes[place] = [0, 0xFC, 0xFD, 0xFE, 0xFF][random.below(5)],
            _ => bytes[place] ^= 1 << random.below(8),
        }
        let actions = engine.on_ordered_unit(1, 1, Some(&UnitPayload::Batch(bytes))).unwrap();
        match actions.first() {
            Some(Action::BatchSkipped { .. }) => skipped += 1,
            _ => processed += 1,
        }
    }
    println!("{skipped} skipped, {processed} processed");
    assert!(skipped > 1000 && processed > 1000);
}
