//! Golden archives: each file states what opening it, checking it whole and salvaging it must return.
//!
//! The verdicts were recorded from this crate and reviewed by hand; identity and root of the good files were
//! recomputed with `zstd` and another SHA-256. These tests guard against change, the other tests against
//! errors.
//!
//! Invariant: the good files were written in version 1 of the format and stay readable forever.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fm_archive::salvage;

use crate::{open, verdict};

/// Returns the results of the three readers, in one form for good and bad.
fn verdicts(bytes: &[u8]) -> [(&'static str, String); 3] {
    let opened = open(bytes)
        .and_then(|mut reader| reader.range(&[]).try_fold(0, |count: u64, record| record.map(|_| count + 1)));
    let opened = opened.map_or_else(|error| format!("error: {error}"), |count| format!("{count} records"));
    let verified = verdict(bytes).map_or_else(
        |error| format!("error: {error}"),
        |summary| format!("identity {} root {}", hex::encode(summary.identity), hex::encode(summary.root)),
    );
    let saved = salvage(bytes).map_or_else(
        |error| format!("error: {error}"),
        |mut saved| {
            let error = saved.by_ref().find_map(Result::err).map(|error| format!(", error: {error}"));
            format!(
                "{} records in {} frames{}",
                saved.records(),
                saved.whole_frames(),
                error.unwrap_or_default()
            )
        },
    );
    [("read", opened), ("verify", verified), ("salvage", saved)]
}

#[test]
fn every_vector_has_its_verdict() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let (mut good, mut bad) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once("\n\n").expect("a header, a blank line, the bytes");
        let head: BTreeMap<&str, &str> = head.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let bytes = hex::decode(body.split_whitespace().collect::<String>()).unwrap();
        for (way, found) in verdicts(&bytes) {
            assert_eq!(head[way], found, "{name}: {way}");
        }
        let verdict = if verdict(&bytes).is_ok() { "good" } else { "bad" };
        assert_eq!(head["expect"], verdict, "{name}");
        if verdict == "good" { good += 1 } else { bad += 1 }
    }
    assert!(good > 0 && bad > good, "{good} good vectors, {bad} bad ones");
}
