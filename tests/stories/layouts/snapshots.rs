//! Upstream's migration snapshots: one record per table, every layout from March 2023 to February 2026.

use std::collections::BTreeSet;
use std::fs;

use fm_codec::{Dialect, Reader};
use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE, check_record, decode_epoch, encode_epoch, epoch_of_key};
use fm_eras::{Layout, detect};
use fm_history::{EpochItem, sha256};
use fm_tests::fixture;

use crate::{open, rows};

/// Every snapshot, and the layout of its database.
///
/// The last builds of era C already have the layout of D. The history of `global-v0-4ad1a9245` is empty: it
/// has the nonce of 2023-11-15, and nothing that the next layout would write otherwise.
const SNAPSHOTS: [(&str, &str); 27] = [
    ("global-v0-1eb321d6c", "fixed-le"),
    ("global-v0-45d6ef17a", "fixed-le"),
    ("global-v0-dce48b060", "fixed-be"),
    ("global-v0-8dc5275ef", "fixed-be"),
    ("global-v0-1367e6518", "fixed-be"),
    ("global-v0-1313851cb", "fixed-be-length32"),
    ("global-v0-80a5c6150", "fixed-be-length32-v0.1-tables"),
    ("global-v0-dc56a4b08", "bigsize"),
    ("global-v0-a9f18c4bd", "bigsize"),
    ("global-v0-db6b55548", "bigsize"),
    ("global-v0-f712cee69", "bigsize"),
    ("global-v0-a4177cea3", "a4177cea3"),
    ("global-v0-8f9e9846f", "4946b58de"),
    ("global-v0-e88ce4abe", "e88ce4abe"),
    ("global-v0-b3277bf0f", "e88ce4abe"),
    ("global-v0-60e315e25", "67f1ed59c"),
    ("global-v0-4ad1a9245", "d65634ad2"),
    ("global-v0-51563c1d8", "v0.2"),
    ("global-v0-ef68c7245", "v0.2"),
    ("global-v0-c75b431ca", "v0.2"),
    ("fedimint-server-v0-0c6d642b8", "v0.2"),
    ("fedimint-server-v0-edf8d4681", "v0.2"),
    ("fedimint-server-95474db37", "v0.2"),
    ("fedimint-server-6c888ae86", "v0.4"),
    ("fedimint-server-ea375c8a1", "v0.4"),
    ("fedimint-server-1287b5600", "v0.4"),
    ("fedimint-server-913a9fe4a", "v0.4"),
];

/// Returns the snapshots of era A, with their layouts.
fn of_era_a() -> impl Iterator<Item = (&'static str, EpochLayout)> {
    SNAPSHOTS.into_iter().filter_map(|(name, layout)| Some((name, EpochLayout::by_name(layout)?)))
}

#[test]
fn every_snapshot_is_listed() {
    let there: BTreeSet<String> = fs::read_dir(fixture("upstream-snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<String> = SNAPSHOTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, listed);
    assert_eq!(of_era_a().count(), 11);
}

#[test]
fn every_snapshot_is_of_its_era() {
    for (name, expected) in SNAPSHOTS {
        let store = open(&fixture("upstream-snapshots").join(name));
        assert_eq!(detect(&store).unwrap().name(), expected, "{name}");
    }
}

#[test]
fn every_record_of_eras_c_to_e_is_one_of_its_table_to_the_last_byte() {
    let mut damaged = Vec::new();
    for (name, layout) in SNAPSHOTS {
        let Some(Layout::Blocks(layout)) = Layout::by_name(layout) else { continue };
        for (key, value) in rows(&open(&fixture("upstream-snapshots").join(name))) {
            if let Err(error) = layout.check_row(&key, &value) {
                damaged.push(format!("{name} {}: {error}", hex::encode(&key)));
                continue;
            }
            // The form of keys and values of modules is the modules' affair; everything else ends where it
            // says.
            if key[0] == 0xFF {
                continue;
            }
            let longer = [value.as_slice(), &[0]].concat();
            assert!(layout.check_row(&key, &longer).is_err(), "{name} {key:02x?}");
            for end in 0..value.len() {
                assert!(layout.check_row(&key, &value[..end]).is_err(), "{name} {key:02x?} {end}");
            }
            // With one more byte after it, a version's key is a module's id.
            let longer = [key.as_slice(), &[0]].concat();
            assert!(key == [0x50] || layout.check_row(&longer, &value).is_err(), "{name} {key:02x?}");
        }
    }
    // Written by a build that was never released: one byte more than any server reads.
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert!(
        damaged[0].starts_with("fedimint-server-6c888ae86 062a: value of api_announcement"),
        "{damaged:?}"
    );
}

#[test]
fn every_record_of_era_a_is_known_to_its_layout_and_to_no_other_integer_form() {
    for (name, layout) in of_era_a() {
        let rows = rows(&open(&fixture("upstream-snapshots").join(name)));
        assert!(rows.len() >= 7, "{name}");
        for (key, value) in &rows {
            check_record(key, value, &layout).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for other in EpochLayout::ALL {
            if other.dialect.integers == layout.dialect.integers {
                continue;
            }
            let known = |(key, value): &&(Vec<u8>, Vec<u8>)| check_record(key, value, &other).is_ok();
            let decoded = |(key, value): &(Vec<u8>, Vec<u8>)| {
                key[0] == HISTORY_TABLE && decode_epoch(value, &other).is_ok()
            };
            assert!(rows.iter().filter(known).count() < rows.len(), "{name} under {}", other.name());
            assert!(!rows.iter().any(decoded), "{name} under {}", other.name());
        }
    }
}

#[test]
fn records_outside_the_history_have_no_byte_too_many_or_too_few() {
    for (name, layout) in of_era_a() {
        for (key, value) in rows(&open(&fixture("upstream-snapshots").join(name))) {
            if key[0] == HISTORY_TABLE {
                continue;
            }
            // Old rows of the index end in a transaction; without lengths, its end cannot be found.
            let is_opaque = key[0] == 0x02 && !layout.is_framed();
            let longer = [value.as_slice(), &[0]].concat();
            assert!(is_opaque || check_record(&key, &longer, &layout).is_err(), "{name} {key:02x?}");
            for end in 0..if is_opaque { 0 } else { value.len() } {
                assert!(check_record(&key, &value[..end], &layout).is_err(), "{name} {key:02x?} {end}");
            }
            let longer = [key.as_slice(), &[0]].concat();
            assert!(check_record(&longer, &value, &layout).is_err(), "{name} {longer:02x?}");
            for end in 1..key.len() {
                assert!(check_record(&key[..end], &value, &layout).is_err(), "{name} {key:02x?} {end}");
            }
        }
    }
}

#[test]
fn every_epoch_of_era_a_decodes() {
    for (name, layout) in of_era_a() {
        let rows = rows(&open(&fixture("upstream-snapshots").join(name)));
        let epochs: Vec<_> = rows.iter().filter(|(key, _)| key[0] == HISTORY_TABLE).collect();
        let [(key, value)] = epochs.as_slice() else { panic!("{name}: one epoch") };
        let epoch = decode_epoch(value, &layout).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((epoch.number, epoch_of_key(key, layout.dialect)), (6, Ok(6)), "{name}");
        // The hash and last hash of every snapshot are made up: SHA-256 of the bytes 0 to 7.
        let made_up = sha256(&[&[0, 1, 2, 3, 4, 5, 6, 7]]);
        assert_eq!((epoch.stored_hash, epoch.last_hash), (made_up, Some(made_up)), "{name}");
        assert!(epoch.signature.is_some(), "{name}");
        let end = value.len() - 97 - 32;
        assert_eq!(epoch.computed_hash, sha256(&[&value[..end]]), "{name}");
        match epoch.content {
            None => assert!(!layout.is_framed(), "{name}"),
            Some(_) => assert_eq!(encode_epoch(&epoch, layout.dialect).as_ref(), Some(value), "{name}"),
        }
    }
}

#[test]
fn the_worked_example() {
    let store = open(&fixture("upstream-snapshots/global-v0-f712cee69"));
    let value = store.get(&[0x05, 0x06]).unwrap().unwrap();
    let epoch = decode_epoch(&value, &EpochLayout::by_name("bigsize").unwrap()).unwrap();
    assert_eq!(value.len(), 371 + 32 + 97);
    assert_eq!(
        epoch.computed_hash.to_string(),
        "eb6cd8a104711d01ee47072430d1052e67b4185d1cb6ac7fc1e36ba3575ef3ed"
    );
    let content = epoch.content.unwrap();
    assert_eq!(content.rejected, []);
    let [contribution] = content.contributions.as_slice() else { panic!("one contribution") };
    assert_eq!(contribution.peer, 0);
    let [
        EpochItem::ConsensusUpgrade,
        EpochItem::ClientConfigSignatureShare(config_share),
        EpochItem::EpochOutcomeSignatureShare(share),
        EpochItem::Transaction(transaction),
    ] = contribution.items.as_slice()
    else {
        panic!("{:?}", contribution.items)
    };
    assert_eq!(config_share, share);
    assert_eq!((hex::encode(&share[..3]), hex::encode(&share[94..])), ("814a9d".into(), "b785".into()));
    assert_eq!(
        transaction.txid.to_string(),
        "b662ab7035d5c72036da842f4d0b5c786ad682bd0d0548e952f4384c47151c56"
    );
    for values in [&transaction.inputs, &transaction.outputs] {
        let [value] = values.as_slice() else { panic!("one value") };
        assert_eq!((value.instance, value.body.len()), (0, 33));
        assert!(hex::encode(&value.body).starts_with("00580da7"));
    }
    assert_eq!(hex::encode(&transaction.signature.unwrap()[..3]), "893843");
    assert_eq!(hex::encode(&epoch.signature.unwrap()[..3]), "90086d");
}

#[test]
fn the_81_byte_announcement_is_too_long_for_its_layout() {
    let announcement = |name: &str| {
        let store = open(&fixture("upstream-snapshots").join(name));
        store.get(&[0x06, 0x2a]).unwrap().unwrap()
    };
    let read = |value: &[u8]| {
        let mut reader = Reader::new(value, Dialect::MODERN);
        reader.text().and_then(|_| reader.u64()).and_then(|_| reader.take(64)).map(drop)?;
        reader.finish()
    };
    assert_eq!(read(&announcement("fedimint-server-ea375c8a1")), Ok(()));
    assert!(read(&announcement("fedimint-server-6c888ae86")).is_err());
}
