//! Detection on damaged stores: damage is found later, at its place, and must not change the detected layout.

use fm_codec::{ModuleValue, Writer};
use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE, LAST_EPOCH_KEY, encode_epoch, epoch_key};
use fm_eras::{DetectError, Layout, detect};
use fm_history::{Contribution, Epoch, EpochContent, EpochItem, Hash};
use fm_rows::MemoryRows;

fn layout(name: &str) -> EpochLayout {
    EpochLayout::by_name(name).unwrap()
}

/// Returns a history in which every `step`-th epoch holds a module item.
fn history(layout: &EpochLayout, epochs: u64, step: u64) -> MemoryRows {
    let mut memory = MemoryRows::default();
    for number in 0..epochs {
        let mut items = vec![EpochItem::EpochOutcomeSignatureShare(Box::new([0x81; 96]))];
        if number % step == step - 1 {
            let body = (0..40).map(|place| place ^ number.to_le_bytes()[0]).collect();
            items.push(EpochItem::Module(ModuleValue { instance: 3, body }));
        }
        let epoch = Epoch {
            number,
            last_hash: number.checked_sub(1).map(|before| Hash([before.to_le_bytes()[0]; 32])),
            content: Some(EpochContent {
                contributions: vec![
                    Contribution { peer: 0, items: items.clone() },
                    Contribution { peer: 2, items },
                ],
                rejected: vec![],
            }),
            computed_hash: Hash::default(),
            stored_hash: Hash([number.to_le_bytes()[0]; 32]),
            signature: (number + 1 < epochs).then_some([0x92; 96]),
        };
        let value = encode_epoch(&epoch, layout.dialect).unwrap();
        memory.0.insert(epoch_key(number, layout.dialect), value);
    }
    let mut pointer = Writer::new(layout.dialect);
    pointer.u64(epochs - 1);
    memory.0.insert(LAST_EPOCH_KEY.to_vec(), pointer.into_bytes());
    memory
}

/// Returns the layout to expect: a history in memory has no other tables, so that the tables count as those
/// of v0.1.
fn expected(layout: EpochLayout) -> Layout {
    let name =
        if layout.name() == "fixed-be-length32" { "fixed-be-length32-v0.1-tables" } else { layout.name() };
    Layout::Hbbft(EpochLayout::by_name(name).unwrap())
}

#[test]
fn a_value_far_from_every_sample_decides() {
    for layout in EpochLayout::ALL {
        for (epochs, step) in [(1, 1), (3, 1), (40, 3), (1000, 1), (1000, 333)] {
            let found = detect(&history(&layout, epochs, step)).unwrap();
            assert_eq!(found, expected(layout), "{} {epochs} {step}", layout.name());
        }
    }
}

#[test]
fn damaged_records_do_not_change_the_layout() {
    for layout in EpochLayout::ALL {
        let good = history(&layout, 200, 1);
        for damaged in [&[0][..], &[7], &[199], &[0, 1, 2, 3, 12, 24, 36, 199]] {
            let mut bad = good.clone();
            for number in damaged {
                let key = epoch_key(*number, layout.dialect);
                // Cut in the middle: no framed layout decodes that.
                let value = bad.0.get_mut(&key).unwrap();
                let rest = value.split_off(value.len() / 2);
                value.extend_from_slice(&rest[..rest.len() - 1]);
            }
            assert_eq!(detect(&bad).unwrap(), expected(layout), "{} {damaged:?}", layout.name());
        }
    }
}

#[test]
fn a_damaged_pointer_does_not_hide_the_history() {
    for layout in EpochLayout::ALL {
        for pointer in [vec![], vec![0xFF; 3], vec![0; 7], vec![0xFF; 8], vec![0; 20]] {
            let mut memory = history(&layout, 50, 1);
            memory.0.insert(LAST_EPOCH_KEY.to_vec(), pointer);
            assert_eq!(detect(&memory).unwrap(), expected(layout), "{}", layout.name());
        }
        let mut memory = history(&layout, 50, 1);
        memory.0.remove(LAST_EPOCH_KEY.as_slice());
        assert_eq!(detect(&memory).unwrap(), expected(layout), "{} without", layout.name());
    }
}

#[test]
fn a_stray_key_does_not_hide_the_history() {
    for layout in EpochLayout::ALL {
        let mut memory = history(&layout, 50, 1);
        memory.0.insert(vec![HISTORY_TABLE], vec![1, 2, 3]);
        memory.0.insert(vec![HISTORY_TABLE, 0, 0, 0], vec![]);
        assert_eq!(detect(&memory).unwrap(), expected(layout), "{}", layout.name());
    }
}

#[test]
fn half_framed_and_half_not_is_refused() {
    let (framed, unframed) = (layout("fixed-be-length32"), layout("fixed-be"));
    let mut memory = history(&framed, 20, 1);
    let other = history(&unframed, 20, 1);
    for number in 0..10 {
        let key = epoch_key(number, framed.dialect);
        let value = other.0[&key].clone();
        memory.0.insert(key, value);
    }
    match detect(&memory) {
        Err(DetectError::Ambiguous { layouts }) => {
            assert!(layouts.contains(&"fixed-be".to_owned()), "{layouts:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_guardians_database_is_refused() {
    let found =
        |rows: Vec<(Vec<u8>, Vec<u8>)>| detect(&rows.into_iter().collect::<MemoryRows>()).unwrap_err();
    assert!(matches!(found(vec![]), DetectError::Empty));
    assert!(matches!(found(vec![(vec![], vec![1])]), DetectError::Empty));
    for foreign in [vec![0x80, 1], vec![b'k', b'e', b'y'], vec![0xFF, 0, 1]] {
        match found(vec![(foreign.clone(), vec![1])]) {
            DetectError::Unknown { seen } => {
                assert!(seen.contains(&hex::encode(&foreign[..1])), "{seen}");
            }
            other => panic!("{other:?}"),
        }
    }
    let pointer = (LAST_EPOCH_KEY.to_vec(), vec![0]);
    assert!(matches!(found(vec![pointer.clone()]), DetectError::Undecodable { .. }));
    let epoch = (vec![HISTORY_TABLE, 0], vec![0; 20]);
    assert!(matches!(found(vec![epoch, pointer]), DetectError::Undecodable { .. }));
}
