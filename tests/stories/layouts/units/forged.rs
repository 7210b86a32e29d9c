//! Backups made on purpose: every form, chunks that are not units, forks, alerts.

use fm_codec::Dialect;
use fm_forge::{UnitForge, unit_rows};
use fm_history::{Code, Finding};
use fm_units::{
    ALEPH_0_20_BYTES, ALEPH_0_30, ALEPH_0_36, Backup, Dag, Expected, FORMS, ItemEncoding, UnitForm,
    read_in_form,
};

use super::real::LATER;

pub(crate) const SESSION: u64 = 7;
const EVERY: Expected = Expected { session: SESSION, guardians: Some(4) };

pub(crate) fn guardians(form: &'static UnitForm) -> UnitForge {
    UnitForge::new(form, SESSION, &[[1; 32], [2; 32], [3; 32], [4; 32]])
}

pub(crate) fn stored(chunks: &[Vec<u8>]) -> Backup {
    let rows = unit_rows(LATER, SESSION, chunks);
    let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    LATER.join(rows).unwrap().pop().unwrap()
}

pub(crate) fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

pub(crate) fn found(forge: &UnitForge, form: &'static UnitForm, chunks: &[Vec<u8>]) -> Vec<Finding> {
    let backup = stored(chunks);
    let read = read_in_form(&backup, EVERY, &[form]).unwrap();
    Dag::new(&[read], Some(forge.keys()), Dialect::A2).unwrap().findings
}

#[test]
fn every_form_is_told_from_the_others() {
    for form in FORMS.into_iter().filter(|form| !form.own_only) {
        let mut forge = guardians(form);
        let backup = stored(&forge.rounds(6));
        let read = read_in_form(&backup, EVERY, &FORMS).unwrap();
        assert_eq!(read.form, form);
        let dag = Dag::new(&[read], Some(forge.keys()), Dialect::A2).unwrap();
        assert_eq!(dag.findings, []);
        let shape = dag.shape(ItemEncoding::Modern);
        assert_eq!((shape.units, shape.items, shape.closed, shape.rounds), (24, 8, true, Some((0, 5))));
        assert_eq!(dag.proposals(ItemEncoding::Modern).count(), 8);
    }
    // Own units only: one guardian's, in the order of the rounds, and all of them together.
    for form in FORMS.into_iter().filter(|form| form.own_only) {
        let mut forge = guardians(form);
        let records = forge.rounds(6);
        let own = |peer: usize| records.iter().skip(peer).step_by(4).cloned().collect::<Vec<_>>();
        let backups: Vec<_> = (0..4).map(|peer| stored(&own(peer))).collect();
        let read: Vec<_> =
            backups.iter().map(|backup| read_in_form(backup, EVERY, &FORMS).unwrap()).collect();
        assert!(read.iter().all(|read| read.form == form));
        let dag = Dag::new(&read, Some(forge.keys()), Dialect::A2).unwrap();
        assert_eq!(dag.findings, [], "{}", form.name);
        assert!(dag.is_closed() && dag.nodes.len() == 24);
        assert!(dag.nodes.iter().all(|node| node.batch_signed != Some(false)));
        assert_eq!(dag.nodes.iter().filter(|node| node.batch_signed == Some(true)).count(), 8);
    }
}

#[test]
fn forms_that_explain_the_same_bytes() {
    // Units that carry nothing are the same in both forms with signed batches.
    let mut forge = guardians(&ALEPH_0_20_BYTES);
    let own = [forge.unit(0, 1, &[], None)];
    let error = read_in_form(&stored(&own), EVERY, &FORMS).unwrap_err().to_string();
    assert!(error.contains("aleph-0.20-items, aleph-0.20-bytes; say which with --form"), "{error}");
    // The hash over no parents distinguishes them from the newest form.
    let mut forge = guardians(&ALEPH_0_36);
    let own = [forge.unit(0, 1, &[], None)];
    assert_eq!(read_in_form(&stored(&own), EVERY, &FORMS).unwrap().form, &ALEPH_0_36);
}

#[test]
fn a_chunk_is_not_always_a_unit() {
    // As v0.2.0 and v0.2.1 may leave it: chunks end anywhere.
    let mut forge = guardians(&ALEPH_0_30);
    let stream = forge.rounds(5).concat();
    for size in [1, 7, 100, 333, stream.len()] {
        let chunks: Vec<Vec<u8>> = stream.chunks(size).map(<[u8]>::to_vec).collect();
        let backup = stored(&chunks);
        let read = read_in_form(&backup, EVERY, &FORMS);
        if size < 7 {
            // More rows than a record may span.
            assert!(read.is_err());
            continue;
        }
        let dag = Dag::new(&[read.unwrap()], Some(forge.keys()), Dialect::A2).unwrap();
        assert_eq!((codes(&dag.findings), dag.nodes.len()), (vec![], 20), "chunks of {size}");
    }
}

#[test]
fn forks_and_repetitions() {
    let mut forge = guardians(&ALEPH_0_36);
    let mut records = forge.rounds(3);
    let all = [0, 1, 2, 3];
    // Guardian 2 makes a second unit for round 2, and guardian 0 builds on that one, guardian 1 on the first.
    let first = forge.unit(3, 1, &all, None);
    let second = forge.unit(2, 2, &all, Some(&[vec![1, 4, 0, 2, 9, 9]]));
    records.extend([first, second, forge.unit(3, 0, &all, None)]);
    let findings = found(&forge, &ALEPH_0_36, &records);
    assert_eq!(codes(&findings), [Code::UnitFork], "{findings:?}");
    assert!(findings[0].message.contains("guardian 2 made 2 different units for round 2"), "{}", findings[0]);
    records.push(records[5].clone());
    assert_eq!(codes(&found(&forge, &ALEPH_0_36, &records)), [Code::UnitRepeated, Code::UnitFork]);
}

#[test]
fn a_fork_alert() {
    let mut forge = guardians(&ALEPH_0_30);
    let mut records = forge.rounds(2);
    let mut alert = vec![1, 2];
    alert.extend([7; 32]);
    alert.extend([16, 0, 0, 0, 0]);
    records.push(alert);
    records.push(forge.unit(2, 0, &[0, 1, 2, 3], None));
    let backup = stored(&records);
    let read = read_in_form(&backup, EVERY, &FORMS).unwrap();
    let dag = Dag::new(&[read], Some(forge.keys()), Dialect::A2).unwrap();
    assert_eq!((codes(&dag.findings), dag.nodes.len(), dag.alerts.len()), (vec![Code::UnitAlert], 9, 1));
}
