//! The real histories of v0.5.0, processed again: the rows must become those that the servers wrote.

use fm_codec::Dialect;
use fm_consensus::{Action, Engine, UnitPayload};
use fm_eras::session::{module_key, session_key};
use fm_replay::replay;
use fm_units::{Dag, Expected, FORMS, UnitData, UnitTable, read_in_form};

use crate::fixture::{RowMap, SESSIONS, engine, keys, rows, storage, tables};

/// Feeds the finished sessions of a guardian's database to another guardian's machine.
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

/// A guardian's rows without what is its own: units, what it wants, announcements.
fn common(rows: &RowMap) -> RowMap {
    let mut rows = tables(rows, &[0x01, 0x02, 0x04, 0x50, 0xFF]);
    rows.retain(|key, _| !key.starts_with(&module_key(300, &[0])));
    rows
}

/// The units of a guardian's open session as the library orders them: round, creator, content.
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
