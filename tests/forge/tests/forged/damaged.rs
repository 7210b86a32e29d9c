//! Copies with one fault have that fault and no other.

use fm_eras::hbbft::epoch_key;
use fm_forge::{ForgeSpec, damage, forge};
use fm_history::sha256;
use fm_rows::Row;
use fm_store::ReadStore;

use crate::checks::rows;

#[test]
fn damage_changes_exactly_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let spec = ForgeSpec { epochs: 12, ..ForgeSpec::default() };
    forge(&spec, dir.path()).unwrap();
    let source = dir.path().join("database");
    let before = rows(dir.path());
    let key = |epoch| epoch_key(epoch, spec.layout.dialect);
    let changed = |name: &str| -> Vec<Row> {
        let store = ReadStore::open(&dir.path().join(name)).unwrap();
        store.scan().collect::<Result<_, _>>().unwrap()
    };
    let copy = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));

    damage::rewrite(&source, &dir.path().join("same"), copy).unwrap();
    assert_eq!(changed("same"), before);

    damage::rewrite(&source, &dir.path().join("gone"), damage::edit_row(key(4), |_| None)).unwrap();
    let rest: Vec<Row> = before.iter().filter(|(row, _)| *row != key(4)).cloned().collect();
    assert_eq!((changed("gone"), rest.len()), (rest.clone(), before.len() - 1));

    let unsign = damage::edit_epoch(4, spec.layout, |epoch| epoch.signature = None);
    damage::rewrite(&source, &dir.path().join("unsigned"), unsign).unwrap();
    let differing: Vec<Vec<u8>> = changed("unsigned")
        .into_iter()
        .zip(&before)
        .filter(|(now, then)| now != *then)
        .map(|(now, _)| now.0)
        .collect();
    assert_eq!(differing, [key(4)]);

    let added = [(vec![0x60, 1], sha256(&[b"foreign"]).0.to_vec())];
    damage::rewrite_and_add(&source, &dir.path().join("added"), copy, &added).unwrap();
    assert_eq!(changed("added").len(), before.len() + 1);
    assert!(changed("added").contains(&added[0]));
}
