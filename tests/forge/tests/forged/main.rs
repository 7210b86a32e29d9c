//! The forge's statements, checked by the crates that read its histories; the same seed makes the same rows.

#![allow(clippy::unwrap_used)]

mod checks;
mod damaged;

use std::fs;

use fm_eras::hbbft::{EpochLayout, check_record};
use fm_eras::{Layout, detect};
use fm_forge::{ForgeError, ForgeSpec, SpecError, forge};
use fm_store::ReadStore;

use crate::checks::{check_chain, check_counts, check_shares, epochs, keys, rows};

fn spec(layout: EpochLayout) -> ForgeSpec {
    ForgeSpec { epochs: 60, gap_every: 7, tip: 3, layout, ..ForgeSpec::default() }
}

#[test]
fn every_framed_layout_is_what_the_forge_says() {
    for layout in EpochLayout::ALL.into_iter().filter(EpochLayout::is_framed) {
        let dir = tempfile::tempdir().unwrap();
        let forged = forge(&spec(layout), dir.path()).unwrap();
        let rows = rows(dir.path());
        let epochs = epochs(&rows, &layout);
        let keys = keys(dir.path(), &forged);
        check_chain(&epochs, &keys, &forged);
        check_shares(&epochs, &keys);
        check_counts(&epochs, &rows, &layout, &forged);
        assert!(forged.covered > 0 && forged.transactions > 100 && forged.dropped.len() == 5, "{forged:?}");
    }
}

#[test]
fn unframed_layouts_hide_the_content_and_keep_the_chain() {
    for layout in EpochLayout::ALL.into_iter().filter(|layout| !layout.is_framed()) {
        let dir = tempfile::tempdir().unwrap();
        let forged = forge(&spec(layout), dir.path()).unwrap();
        let rows = rows(dir.path());
        let epochs = epochs(&rows, &layout);
        assert!(epochs.iter().all(|epoch| epoch.content.is_none()));
        check_chain(&epochs, &keys(dir.path(), &forged), &forged);
        for (key, value) in &rows {
            check_record(key, value, &layout).unwrap();
        }
    }
}

#[test]
fn every_layout_is_detected() {
    for layout in EpochLayout::ALL {
        for (seed, items_per_epoch) in [(1, 10), (2, 1), (3, 0)] {
            let dir = tempfile::tempdir().unwrap();
            let spec = ForgeSpec { seed, items_per_epoch, epochs: 30, ..spec(layout) };
            forge(&spec, dir.path()).unwrap();
            let store = ReadStore::open(&dir.path().join("database")).unwrap();
            let expected = match items_per_epoch {
                // Without any module value, the content of both layouts is the same.
                0 if layout.name() == "fixed-be" => EpochLayout::by_name("fixed-be-length32").unwrap(),
                _ => layout,
            };
            assert_eq!(detect(&store).unwrap(), Layout::Hbbft(expected), "seed {seed}");
        }
    }
}

#[test]
fn federations_of_every_size() {
    for guardians in [1, 2, 3, 4, 7, 10] {
        let dir = tempfile::tempdir().unwrap();
        let spec =
            ForgeSpec { guardians, epochs: 12, items_per_epoch: 2, gap_every: 5, ..ForgeSpec::default() };
        let forged = forge(&spec, dir.path()).unwrap();
        let faulty = (usize::from(guardians) - 1) / 3;
        assert_eq!(forged.coefficients.len(), usize::from(guardians) - faulty);
        let epochs = epochs(&rows(dir.path()), &spec.layout);
        check_chain(&epochs, &keys(dir.path(), &forged), &forged);
    }
}

#[test]
fn a_few_signatures_cover_many_epochs_and_a_tip_can_be_all() {
    let dir = tempfile::tempdir().unwrap();
    let base = ForgeSpec { epochs: 500, items_per_epoch: 1, gap_every: 0, ..ForgeSpec::default() };
    let large = ForgeSpec { sign_every: 100, with_shares: false, tip: 7, ..base.clone() };
    let forged = forge(&large, dir.path()).unwrap();
    assert_eq!((forged.signed, forged.covered, forged.tip, forged.last_signed), (6, 487, 7, Some(492)));
    assert!(!forged.dropped.contains_key("epoch_signature_share"));
    check_chain(&epochs(&rows(dir.path()), &large.layout), &keys(dir.path(), &forged), &forged);

    let dir = tempfile::tempdir().unwrap();
    let unsigned = ForgeSpec { epochs: 9, tip: 9, ..base };
    let forged = forge(&unsigned, dir.path()).unwrap();
    assert_eq!((forged.signed, forged.covered, forged.last_signed), (0, 0, None));
    check_chain(&epochs(&rows(dir.path()), &unsigned.layout), &keys(dir.path(), &forged), &forged);
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_one_others() {
    let make = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let forged = forge(&ForgeSpec { seed, epochs: 20, ..ForgeSpec::default() }, dir.path()).unwrap();
        (forged, rows(dir.path()), fs::read(dir.path().join("consensus.json")).unwrap())
    };
    let (first, again, other) = (make(5), make(5), make(6));
    assert!(first == again);
    assert_ne!(first.0.last_hash, other.0.last_hash);
    assert_ne!(first.0.coefficients, other.0.coefficients);
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let base = ForgeSpec::default();
    for (spec, expected) in [
        (ForgeSpec { epochs: 0, ..base.clone() }, SpecError::Zero { field: "epochs" }),
        (ForgeSpec { guardians: 0, ..base.clone() }, SpecError::Zero { field: "guardians" }),
        (ForgeSpec { tip: 0, ..base.clone() }, SpecError::Zero { field: "tip" }),
        (ForgeSpec { sign_every: 0, ..base.clone() }, SpecError::Zero { field: "sign_every" }),
        (ForgeSpec { modules: vec![], ..base.clone() }, SpecError::Zero { field: "the number of modules" }),
        (ForgeSpec { tip: 101, ..base.clone() }, SpecError::Tip { tip: 101, epochs: 100 }),
    ] {
        let dir = tempfile::tempdir().unwrap();
        match forge(&spec, dir.path()) {
            Err(ForgeError::Spec(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
