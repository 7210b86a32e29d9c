//! Every changed bit of an archive is found and located, every truncation is reported, and what another copy
//! has is repaired.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fm_archive::{ArchiveReader, Metadata};
use fm_audit::{Control, Silent};
use fm_backup::{BackupError, Verified, VerifyOptions, verify};
use fm_history::Finding;
use fm_tests::{Run, checkpoint, fixture, flipped, metadata_of, partial_of, records_of, rewritten};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

/// Verifies in this process: a process for each byte would take minutes.
fn verified(path: &Path) -> (Result<Verified, BackupError>, Vec<Finding>) {
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let options = VerifyOptions { base: None, quick: false, federation: None, layout: None };
    let mut findings = Vec::new();
    let verified = verify::<BackupError>(&path.into(), &options, |_| Ok(None), control, &mut |finding| {
        findings.push(finding)
    });
    (verified, findings)
}

/// Checks whether some finding names bytes that cover the place.
fn is_located(findings: &[Finding], at: u64) -> bool {
    findings.iter().any(|finding| bytes_of(&finding.message).is_some_and(|bytes| bytes.contains(&at)))
}

/// Returns the byte range in a sentence `… at bytes 5..9: …`.
fn bytes_of(message: &str) -> Option<Range<u64>> {
    let (start, rest) = message.split_once("at bytes ")?.1.split_once("..")?;
    let end = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// Makes a small archive in many frames.
fn small(home: &Path) -> PathBuf {
    let (whole, small) = (home.join("headers.fmar"), home.join("small.fmar"));
    checkpoint!("export", peer(0), "--to", whole, "--profile", "headers").exits(0);
    rewritten(&whole, &small, 1500, |_| {}, Some);
    let frames = ArchiveReader::open_path(&small).expect("it opens").frames().len();
    assert!(frames >= 4, "{frames} frames");
    small
}

#[test]
fn every_changed_byte_is_found_and_located() {
    let home = tempfile::tempdir().expect("a directory");
    let (archive, changed) = (small(home.path()), home.path().join("changed.fmar"));
    let length = fs::metadata(&archive).expect("it is there").len();
    let mut refused = 0;
    for at in 0..length {
        flipped(&archive, &changed, at, 1 << (at % 8));
        match verified(&changed) {
            (Ok(verified), findings) => {
                assert!(verified.errors > 0, "byte {at} is not found");
                assert!(is_located(&findings, at), "byte {at} is not located: {findings:?}");
            }
            // A file that does not begin like an archive is not an archive.
            (Err(_), _) => refused += u64::from(at >= 16),
        }
    }
    assert_eq!(refused, 0);
    flipped(&archive, &changed, length / 2, 4);
    let run = checkpoint!("verify", changed, "--json").exits(1);
    assert_eq!(run.findings()[0]["code"], "archive-damaged");
    assert_eq!((&run.verdict()["verdict"], &run.verdict()["identity"]), (&"findings".into(), &Value::Null));
    let refused = checkpoint!("import", changed, "--to", home.path().join("no"));
    assert!(matches!(refused.exit, 2 | 3), "{}", refused.stderr);
    assert!(!home.path().join("no").exists());
}

#[test]
fn every_truncation_is_told() {
    let home = tempfile::tempdir().expect("a directory");
    let (archive, cut) = (small(home.path()), home.path().join("cut.fmar"));
    let bytes = fs::read(&archive).expect("it is there");
    for length in 0..bytes.len() {
        fs::write(&cut, &bytes[..length]).expect("it can be written");
        match verified(&cut) {
            (Ok(verified), findings) => {
                assert!(verified.errors > 0, "length {length}");
                let reported = findings.iter().any(|finding| {
                    ["truncated", "trailer", "index"].iter().any(|word| finding.message.contains(word))
                });
                assert!(reported, "length {length}: {findings:?}");
            }
            (Err(error), _) => {
                let reported = format!("{error:?}");
                assert!(
                    reported.contains("NotAnArchive") || reported.contains("Truncated"),
                    "length {length}: {reported}"
                );
            }
        }
    }
    fs::write(&cut, [&bytes[..], b"more"].concat()).expect("it can be written");
    let run = checkpoint!("verify", cut, "--json").exits(1);
    assert!(run.findings()[0]["message"].as_str().is_some_and(|text| text.contains("bytes follow the end")));
}

/// An archive of another format version, and archives whose lengths promise more than they hold.
#[test]
fn hostile_headers_are_refused_without_taking_memory() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = small(home.path());
    let bytes = fs::read(&archive).expect("it is there");
    let header =
        8 + usize::try_from(u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])).expect("small");
    let newer = home.path().join("newer.fmar");
    let mut changed = bytes.clone();
    changed[16] = 9;
    let hash: [u8; 32] = Sha256::digest(&changed[8..header - 32]).into();
    changed[header - 32..header].copy_from_slice(&hash);
    fs::write(&newer, &changed).expect("it can be written");
    for command in ["inspect", "verify", "cat"] {
        let run = Run::of("fm-checkpoint", &[command.into(), newer.clone().into()]).exits(3);
        assert!(
            run.sentence().contains("archive format version 9: this tool reads version 1"),
            "{}",
            run.stderr
        );
    }
    // Content sizes and lengths of frames and skippable frames are as large as the format allows.
    let mut crafted = Vec::new();
    for (name, at, value) in [("header", 4, vec![0xFF; 4]), ("index", bytes.len() - 16, vec![0xFF; 8])] {
        let mut changed = bytes.clone();
        changed[at..at + value.len()].copy_from_slice(&value);
        crafted.push((name, changed));
    }
    let mut frame = bytes[..header].to_vec();
    // A frame with an eight-byte content size of 100 GB.
    frame.extend([0x28, 0xB5, 0x2F, 0xFD, 0b1110_0100]);
    frame.extend((100u64 << 30).to_le_bytes());
    frame.extend([1, 0, 0, 0, 0, 0, 0]);
    crafted.push(("frame", frame));
    for (name, changed) in crafted {
        let path = home.path().join(format!("{name}.fmar"));
        fs::write(&path, changed).expect("it can be written");
        for command in ["inspect", "verify", "cat"] {
            let (run, peak) = Run::with_peak("fm-checkpoint", &[command.into(), path.clone().into()]);
            assert!(matches!(run.exit, 1 | 3), "{name} {command}: {} {}", run.exit, run.stderr);
            assert!(peak < 100, "{name} {command}: {peak} MiB");
        }
    }
}

/// An archive is whole and lies.
#[test]
fn what_an_archive_says_of_itself_is_checked() {
    let home = tempfile::tempdir().expect("a directory");
    let (archive, lying) = (home.path().join("a.fmar"), home.path().join("lying.fmar"));
    checkpoint!("export", peer(0), "--to", archive, "--config", peer(0)).exits(0);
    let zeros = "0".repeat(64);
    let lies: [(&str, &str); 15] = [
        ("kind", "provenance"),
        ("kind", ""),
        ("federation", "not-hex"),
        ("guardian", "77"),
        ("guardian", "-1"),
        ("guardian", "01"),
        ("history_root", &zeros),
        ("certified", &zeros),
        ("derivable", &zeros),
        ("unauthenticated", &zeros),
        ("last", "24"),
        ("pending", "0"),
        ("era", "D"),
        ("profile", "history"),
        ("sessions", "../../etc/passwd"),
    ];
    for (name, value) in lies {
        let edit = |metadata: &mut Metadata| drop(metadata.insert(name, value));
        rewritten(&archive, &lying, 1 << 20, edit, Some);
        let run = checkpoint!("verify", lying, "--config", peer(0), "--json").exits(1);
        let found = run.findings();
        assert!(found.iter().any(|finding| finding["code"] == "archive-misstated"), "{name}: {found:?}");
        let import = checkpoint!("import", lying, "--to", home.path().join("no"), "--config", peer(0));
        assert!(matches!(import.exit, 1 | 2), "{name}: {}", import.stderr);
        assert!(!home.path().join("no").exists() && !partial_of(&home.path().join("no")).exists());
        fs::remove_file(&lying).expect("it is there");
    }
    for name in ["kind", "federation", "guardian"] {
        let without = |metadata: &mut Metadata| {
            let rest = metadata.iter().filter(|(other, _)| *other != name);
            *metadata = rest.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        };
        rewritten(&archive, &lying, 1 << 20, without, Some);
        let run = checkpoint!("verify", lying, "--config", peer(0), "--json").exits(1);
        assert!(run.stdout.contains(&format!("{name} is nothing")), "{name}: {}", run.stdout);
        fs::remove_file(&lying).expect("it is there");
    }
    // A changed row: a session's items are not the signed ones, or module state is not the stated one.
    let changed = |mut row: (Vec<u8>, Vec<u8>), key: &[u8]| {
        if row.0 == key {
            let middle = row.1.len() / 2;
            row.1[middle] ^= 1;
        }
        Some(row)
    };
    let session = records_of(&archive).into_iter().find(|(key, _)| key == &[4, 9]).expect("session 9").0;
    rewritten(&archive, &lying, 1 << 20, |_| {}, |row| changed(row, &session));
    let run = checkpoint!("verify", lying, "--config", peer(0), "--json").exits(1);
    assert!(run.findings().iter().any(|finding| finding["session"] == 9), "{}", run.stdout);
    fs::remove_file(&lying).expect("it is there");
    let other = fixture("hbbft-v0.1.5/peer-0");
    let run = checkpoint!("verify", archive, "--config", other, "--json").exits(1);
    assert!(run.findings().iter().any(|finding| finding["code"] == "archive-foreign"), "{}", run.stdout);
    let refused =
        checkpoint!("import", archive, "--to", home.path().join("no"), "--config", other, "--json").exits(1);
    assert_eq!(refused.verdict()["verdict"], "refused");
    assert!(!home.path().join("no").exists());
}

/// Writes the same archive in many frames.
fn framed(home: &Path) -> PathBuf {
    let (whole, framed) = (home.join("whole.fmar"), home.join("framed.fmar"));
    checkpoint!("export", peer(0), "--to", whole).exits(0);
    rewritten(&whole, &framed, 20_000, |_| {}, Some);
    framed
}

#[test]
fn damage_is_repaired_from_other_copies_or_listed() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = framed(home.path());
    let frames = ArchiveReader::open_path(&archive).expect("it opens").frames().to_vec();
    assert!(frames.len() > 8, "{}", frames.len());
    let path = |name: &str| home.path().join(name);
    let inside = |frame: usize| frames[frame].offset + frames[frame].compressed / 2;
    flipped(&archive, &path("one"), inside(2), 1);
    flipped(&archive, &path("two"), inside(5), 1);
    // Both copies are damaged, each at another place; together they are whole.
    let only = checkpoint!("repair", path("one"), "--json").exits(1);
    assert_eq!(only.verdict()["verdict"], "lost");
    assert_eq!((&only.json()[0]["frame"], &only.json()[0]["found_in"]), (&2.into(), &Value::Null));
    assert_eq!(only.verdict()["lost_records"], frames[2].records);
    assert_eq!(only.json()[0]["first_key"], hex::encode(&frames[2].first_key));
    let plan = checkpoint!("repair", path("one"), "--from", path("two"), "--json").exits(1);
    assert_eq!(plan.verdict()["verdict"], "repairable");
    let target = path("repaired");
    checkpoint!("repair", path("one"), "--from", path("two"), "--to", target).exits(0);
    assert!(records_of(&target) == records_of(&archive));
    assert_eq!(metadata_of(&target, "certified"), metadata_of(&archive, "certified"));
    checkpoint!("verify", target, "--config", peer(0)).exits(0);
    // A copy in other frames, with another compression, serves as well.
    let other = path("other");
    rewritten(&archive, &other, 1 << 20, |_| {}, Some);
    checkpoint!("repair", path("one"), "--from", other, "--to", path("from-other")).exits(0);
    assert!(records_of(&path("from-other")) == records_of(&archive));
    // The archive is truncated and its index is gone: the other copy's index leads, and the archive supplies
    // what the other copy has lost.
    let bytes = fs::read(&archive).expect("it is there");
    fs::write(path("cut"), &bytes[..bytes.len() - 100]).expect("it can be written");
    checkpoint!("repair", path("cut"), "--from", path("two"), "--to", path("from-cut")).exits(0);
    assert!(records_of(&path("from-cut")) == records_of(&archive));
    // Both have lost the same frame.
    flipped(&archive, &path("same"), inside(2) + 1, 1);
    let lost =
        checkpoint!("repair", path("one"), "--from", path("same"), path("cut"), "--to", path("no"), "--json");
    assert_eq!(lost.exits(0).verdict()["verdict"], "repaired", "the truncated one has frame 2");
    fs::remove_file(path("no")).expect("it was written");
    let lost =
        checkpoint!("repair", path("one"), "--from", path("same"), "--to", path("no"), "--json").exits(1);
    assert_eq!((&lost.verdict()["verdict"], &lost.verdict()["lost_frames"]), (&"lost".into(), &1.into()));
    assert!(!path("no").exists());
    let whole = checkpoint!("repair", archive, "--from", path("two"), "--to", path("no"), "--json").exits(0);
    assert_eq!(whole.verdict()["verdict"], "whole");
    assert!(!path("no").exists());
}

#[test]
fn only_copies_of_the_same_archive_repair_it() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = framed(home.path());
    let path = |name: &str| home.path().join(name);
    let length = fs::metadata(&archive).expect("it is there").len();
    flipped(&archive, &path("broken"), length / 2, 1);
    checkpoint!("export", peer(1), "--to", path("other")).exits(0);
    let refused = checkpoint!("repair", path("broken"), "--from", path("other"), "--to", path("no")).exits(2);
    assert!(refused.sentence().contains("is not a copy of that archive"), "{}", refused.stderr);
    flipped(&archive, &path("root"), length - 40, 1);
    let none = checkpoint!("repair", path("root"), "--to", path("no")).exits(2);
    assert!(none.sentence().contains("no copy has a sound header and index"), "{}", none.stderr);
    let target = path("whole");
    checkpoint!("repair", path("root"), "--from", archive, "--to", target).exits(0);
    assert!(records_of(&target) == records_of(&archive));
    assert!(!path("no").exists());
}

/// A truncated archive's header shows whose it was: no other archive is taken for a copy, whatever its
/// position on the command line.
#[test]
fn only_its_own_copies_repair_a_truncated_archive() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = framed(home.path());
    let path = |name: &str| home.path().join(name);
    let bytes = fs::read(&archive).expect("it is there");
    fs::write(path("cut"), &bytes[..bytes.len() / 2]).expect("it can be written");
    let refused = |from: &[&Path], said: &str| {
        let mut words = vec!["repair".into(), path("cut").into(), "--from".into()];
        words.extend(from.iter().map(|from| (*from).into()));
        words.extend(["--to".into(), path("no").into()]);
        let run = Run::of("fm-checkpoint", &words).exits(2);
        assert!(run.sentence().contains("is not a copy of that archive"), "{}", run.stderr);
        assert!(run.sentence().contains(said), "{said}: {}", run.stderr);
        assert!(!path("no").exists());
    };
    checkpoint!("export", peer(1), "--to", path("guardian")).exits(0);
    checkpoint!("export", fixture("hbbft-v0.1.5/peer-0"), "--to", path("federation")).exits(0);
    checkpoint!("export", peer(0).join("db_checkpoints/24"), "--to", path("older")).exits(0);
    checkpoint!("export", peer(0), "--to", path("increment"), "--since", path("older")).exits(0);
    checkpoint!("export", peer(0), "--to", path("history"), "--profile", "history").exits(0);
    refused(&[&path("guardian")], "its guardian is \"1\", and \"0\" in the header of");
    refused(&[&path("federation")], "in the header of");
    refused(&[&path("older")], "in the header of");
    refused(&[&path("increment")], "its kind is \"increment\"");
    refused(&[&path("history")], "its profile is \"history\"");
    // The right copy follows a wrong one: the wrong one is named.
    refused(&[&path("guardian"), &archive], "its guardian is");
    // The same header over other records.
    rewritten(&archive, &path("records"), 20_000, |_| {}, |row| (row.0 != [4, 9]).then_some(row));
    refused(&[&path("records")], "holds another record at the key 04");
    // With its header or its index, it still recognises its own copies.
    checkpoint!("repair", path("cut"), "--from", archive, "--to", path("whole")).exits(0);
    assert!(records_of(&path("whole")) == records_of(&archive));
    flipped(&archive, &path("cut"), 40, 1);
    checkpoint!("repair", path("cut"), "--from", archive, "--to", path("by-index")).exits(0);
    assert!(records_of(&path("by-index")) == records_of(&archive));
    refused(&[&path("guardian")], "its identity is not the one in the index of");
    // Without either, nothing is known.
    let mut headless = bytes[..bytes.len() / 2].to_vec();
    headless[40] ^= 1;
    fs::write(path("cut"), headless).expect("it can be written");
    let run = checkpoint!("repair", path("cut"), "--from", archive, "--to", path("no")).exits(2);
    assert!(run.sentence().contains("nothing else says which archive it was"), "{}", run.stderr);
    assert!(!path("no").exists());
}
