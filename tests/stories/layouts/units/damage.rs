//! Damage of unit backups: what is named, and where.

use fm_codec::Dialect;
use fm_forge::unit_rows;
use fm_history::{Code, Finding};
use fm_units::{
    ALEPH_0_20_ITEMS, ALEPH_0_30, ALEPH_0_36, Dag, Expected, FORMS, MAX_ROWS, UnitBackupError, UnitForm,
    UnitTable, read_in_form,
};
use proptest::prelude::*;

use super::forged::{codes, found, guardians};
use super::real::{self, B, LATER};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns the findings in a real backup after a change to its rows.
fn damaged(folder: &str, session: u64, table: UnitTable, change: impl FnOnce(&mut Rows)) -> Vec<Finding> {
    let mut rows = real::rows(&format!("{folder}/peer-0/database"), table.prefix);
    change(&mut rows);
    let backup = table.join(rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))).unwrap();
    let read = read_in_form(&backup[0], real::expected(session), &FORMS).unwrap();
    Dag::new(&[read], Some(&real::keys(folder)), table.dialect).unwrap().findings
}

fn at(finding: &Finding) -> &str {
    finding.place.key.as_deref().unwrap()
}

#[test]
fn a_missing_row() {
    let found = damaged("broadcast-v0.1.5", 6, B, |rows| drop(rows.remove(10)));
    assert_eq!(found[0].code, Code::UnitRowsMissing);
    assert_eq!(at(&found[0]), "01060b");
    let text = &found[0].message;
    assert!(text.contains("1 row(s) are missing, 10 to 10; after them are 17 row(s)"), "{text}");
    assert!(
        text.contains("17 unit(s) of rounds 11 to 27") && text.contains("reads nothing after it"),
        "{text}"
    );
    // After it, every unit is out of place.
    assert!(found[1..].iter().all(|finding| finding.code == Code::UnitMisplaced) && found.len() == 18);

    let found = damaged("session-v0.5.0", 26, LATER, |rows| drop(rows.drain(20..23)));
    assert!(
        found[0].message.contains("3 row(s) are missing, 20 to 22; after them are 82 row(s)"),
        "{}",
        found[0]
    );
    assert!(found[0].message.contains("reads on"), "{}", found[0]);
    assert!(found[1..].iter().all(|finding| finding.code == Code::UnitParentMissing) && found.len() > 1);

    let found = damaged("session-v0.2.0-rc1", 4, LATER, |rows| drop(rows.remove(0)));
    assert!(found[0].message.contains("1 row(s) are missing, 0 to 0"), "{}", found[0]);
}

#[test]
fn a_truncated_row() {
    let cases: [(&str, u64, UnitTable); 3] =
        [("broadcast-v0.1.5", 6, B), ("session-v0.2.0-rc1", 4, LATER), ("session-v0.5.0", 26, LATER)];
    for (folder, session, table) in cases {
        // The value ends early: its length says more bytes than there are.
        let torn = damaged(folder, session, table, |rows| rows[12].1.truncate(60));
        // The chunk is shorter, and the value is whole.
        let shorter =
            damaged(folder, session, table, |rows| rows[12].1 = [&[60], &rows[12].1[3..63]].concat());
        for found in [torn, shorter] {
            assert_eq!(found[0].code, Code::UnitRowUndecodable, "{folder}: {}", found[0]);
            let key = real::rows(&format!("{folder}/peer-0/database"), table.prefix)[12].0.clone();
            assert_eq!(at(&found[0]), hex::encode(key));
            assert!(found[0].message.starts_with("row 12 cannot be read, 60 bytes are lost"), "{}", found[0]);
            let others = [Code::UnitMisplaced, Code::UnitParentMissing];
            assert!(found[1..].iter().all(|finding| others.contains(&finding.code)), "{folder}: {found:?}");
        }
    }
}

#[test]
fn a_flipped_byte() {
    // In the signature, the last byte of the row.
    let found = damaged("session-v0.5.0", 26, LATER, |rows| *rows[40].1.last_mut().unwrap() ^= 1);
    assert_eq!(codes(&found), [Code::UnitSignatureInvalid]);
    // In the creator, the combined hash, the session: at offsets after round, creator, mask.
    let flip = |offset: usize| {
        damaged("session-v0.5.0", 26, LATER, move |rows| {
            let chunk = rows[40].1.iter().position(|byte| *byte < 0xfd).unwrap();
            rows[40].1[chunk + 1 + offset] ^= 8;
        })
    };
    assert_eq!(flip(2)[0].code, Code::UnitForeign);
    let hash = codes(&flip(20));
    assert!(
        hash.contains(&Code::UnitParentsDiffer) && hash.contains(&Code::UnitSignatureInvalid),
        "{hash:?}"
    );
    // Another round.
    assert!(flip(0).iter().any(|finding| finding.code == Code::UnitParentMissing));
    // Fewer parents than a unit needs: the mask of four with one left.
    let few = damaged("session-v0.5.0", 26, LATER, |rows| {
        let chunk = rows[40].1.iter().position(|byte| *byte < 0xfd).unwrap() + 1;
        rows[40].1[chunk + 2 + 8 + 5] = 0x80;
    });
    assert!(codes(&few).contains(&Code::UnitParentsInvalid), "{few:?}");
}

#[test]
fn batches_that_nobody_signed_or_decodes() {
    let found = damaged("broadcast-v0.1.5", 6, B, |rows| {
        // The author precedes the session and the signature of the unit: 8 + 8 + 64 bytes from the end.
        let place = rows[3].1.len() - 8 - 64 - 8;
        rows[3].1[place] ^= 1;
    });
    assert!(codes(&found).contains(&Code::UnitBatchSignatureInvalid), "{found:?}");
    let mut forge = guardians(&ALEPH_0_36);
    let mut records = forge.rounds(2);
    records.push(forge.unit(2, 0, &[0, 1, 2, 3], Some(&[vec![1, 9, 0]])));
    let backup = super::forged::stored(&records);
    let expected = Expected { session: super::forged::SESSION, guardians: None };
    let read = read_in_form(&backup, expected, &FORMS).unwrap();
    let dag = Dag::new(&[read], Some(forge.keys()), Dialect::MODERN).unwrap();
    assert_eq!(dag.findings, []);
    let bad = dag.undecodable_batches(fm_units::ItemEncoding::Modern);
    assert_eq!(codes(&bad), [Code::UnitBatchUndecodable]);
    assert_eq!(dag.shape(fm_units::ItemEncoding::Modern).undecodable_batches, 1);
}

#[test]
fn units_that_no_library_makes() {
    let invalid = |unit: &dyn Fn(&mut fm_forge::UnitForge) -> Vec<u8>| {
        let mut forge = guardians(&ALEPH_0_30);
        let mut records = forge.rounds(2);
        records.push(unit(&mut forge));
        codes(&found(&forge, &ALEPH_0_30, &records))
    };
    assert_eq!(invalid(&|forge| forge.unit(2, 1, &[1, 2], None)), [Code::UnitParentsInvalid]);
    assert_eq!(invalid(&|forge| forge.unit(2, 1, &[0, 2, 3], None)), [Code::UnitParentsInvalid]);
    assert_eq!(invalid(&|forge| forge.unit(2, 1, &[0, 1, 3], None)), []);
    let with_parents = invalid(&|forge| forge.unit(0, 1, &[0], None));
    assert!(with_parents.contains(&Code::UnitParentsInvalid), "{with_parents:?}");
    let early = invalid(&|forge| forge.unit(3, 1, &[0, 1, 2], None));
    assert_eq!(early, [Code::UnitParentMissing]);
}

#[test]
fn rows_that_are_no_backup() {
    let join = |rows: &[(&[u8], &[u8])]| LATER.join(rows.iter().copied());
    assert!(matches!(join(&[(&[5, 0, 0], &[0])]), Err(UnitBackupError::Key { .. })));
    assert!(matches!(join(&[(&[6, 0], &[0])]), Err(UnitBackupError::Key { .. })));
    assert!(matches!(join(&[(&[5, 1], &[0]), (&[5, 0], &[0])]), Err(UnitBackupError::Unordered { .. })));
    let many = unit_rows(LATER, 0, &vec![Vec::new(); MAX_ROWS + 1]);
    let many = LATER.join(many.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    assert_eq!(many, Err(UnitBackupError::TooLarge));
    assert_eq!(join(&[]).unwrap(), []);
    let empty = join(&[(&[5, 0], &[0]), (&[5, 1], &[9])]).unwrap();
    let expected = Expected { session: 0, guardians: None };
    let error = read_in_form(&empty[0], expected, &FORMS).unwrap_err().to_string();
    assert!(error.contains("aleph-0.30 reads nothing"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_makes_it_panic(
        form in 0usize..4, row in 0usize..12, place in 0usize..400, byte: u8, cut in 0usize..400, lost in 0usize..12,
    ) {
        let form: &'static UnitForm = FORMS[form];
        let mut records = guardians(form).rounds(3);
        let length = records[row].len();
        records[row][place % length] = byte;
        if cut < records[lost].len() {
            records[lost].truncate(cut);
        }
        let backup = super::forged::stored(&records);
        let expected = Expected { session: super::forged::SESSION, guardians: None };
        for candidates in [&FORMS[..], &[form], &[&ALEPH_0_20_ITEMS]] {
            if let Ok(read) = read_in_form(&backup, expected, candidates) {
                let lost: usize = read.damage.iter().map(|damage| damage.lost).sum();
                let units: usize = read.units().map(|(_, unit)| unit.bytes.len()).sum();
                prop_assert!(lost + units <= backup.stream.len());
                let dag = Dag::new(&[read], None, Dialect::A2).unwrap();
                dag.shape(fm_units::ItemEncoding::Modern);
                let mut text = String::new();
                dag.write_dot(&mut text).unwrap();
            }
        }
    }
}
