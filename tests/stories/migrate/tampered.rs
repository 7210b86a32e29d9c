//! Tampering with the result of a conversion is found: with its database, its manifest and its provenance
//! archive.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_forge::ForgeSpec;
use fm_forge::damage::{edit_epoch, edit_row};
use fm_history::{Code, Epoch, Severity};
use fm_rows::Row;
use fm_tests::{
    Change, Federation, MIGRATED_CODES, Random, Run, codes, contributions, converted, copy_dir, dropping,
    edit_manifest, manifest, migrate, module_item, partial_of, rewrite_archive, rewrite_database, rows,
    rows_under, unchanged, verify,
};
use serde_json::{Value, json};

/// The epoch at which most damage is done; it and its neighbours are signed.
const AT: u64 = 10;
/// The number of epochs.
const EPOCHS: u64 = 30;
/// The last epoch that is signed.
const LAST: u64 = EPOCHS - 2;

/// Codes that have their own stories here.
const ELSEWHERE: [Code; 4] =
    [Code::SessionsUnsealed, Code::HistoryRootMismatch, Code::ManifestMismatch, Code::ProvenanceDamaged];

/// A migrated directory, and copies of it to tamper with.
struct Migrated {
    federation: Federation,
    original: PathBuf,
}

impl Migrated {
    fn new() -> Self {
        let federation = Federation::small(EPOCHS);
        let original = federation.beside("new");
        converted(&federation.guardian(), &original);
        Self { federation, original }
    }

    /// Tampers with a copy; the audit must find it, with these codes and places among the findings.
    #[track_caller]
    fn tampered(&self, expected: &[(Code, Value)], tamper: impl FnOnce(&Path)) {
        let home = tempfile::tempdir().expect("a directory");
        let copy = home.path().join("new");
        copy_dir(&self.original, &copy);
        tamper(&copy);
        // Warnings fail with `--strict`.
        let is_warning = expected.iter().all(|(code, _)| code.severity() == Severity::Warning);
        for trust in [true, false] {
            let mut words: Vec<OsString> = vec![copy.clone().into(), "--json".into()];
            words.extend(is_warning.then(|| "--strict".into()));
            if trust {
                words.extend(["--config".into(), self.federation.config().into()]);
            }
            let run = Run::of("fm-verify", &words).exits(1);
            assert_eq!(run.verdict()["verdict"], "findings");
            let findings = run.findings();
            for (code, place) in expected {
                let found = findings.iter().any(|finding| {
                    let fields = place.as_object().expect("an object");
                    let is_there = |(name, value): (&String, &Value)| match (name.as_str(), value.as_str()) {
                        ("message", Some(text)) => {
                            finding["message"].as_str().is_some_and(|m| m.contains(text))
                        }
                        _ => finding[name] == *value,
                    };
                    finding["code"] == code.as_str() && fields.iter().all(is_there)
                });
                assert!(found, "{code} at {place} is not among\n{}", run.stdout);
            }
        }
    }

    fn row(&self, prefix: u8, at: usize) -> Row {
        rows_under(&self.original.join("database"), prefix).into_iter().nth(at).expect("a row")
    }
}

#[test]
fn every_code_of_a_migrated_directory() {
    let migrated = Migrated::new();
    let drop = |key: Vec<u8>| dropping(vec![key]);
    let flip = |key: Vec<u8>| -> Change {
        Box::new(edit_row(key, |value| {
            let mut value = value.to_vec();
            let middle = value.len() / 2;
            value[middle] ^= 4;
            Some(value)
        }))
    };
    let index_table = json!({ "key": "02" });
    let (session, _) = migrated.row(0x04, 7);
    let (module, _) = migrated.row(0xFF, 3);
    let (index, _) = migrated.row(0x02, 5);
    let cases: Vec<(Code, Value, Change, Vec<Row>)> = vec![
        (Code::SessionDiffersFromRule, json!({ "session": 7 }), flip(session.clone()), vec![]),
        (
            Code::SessionDiffersFromRule,
            json!({ "session": 7 }),
            Box::new(edit_row(session.clone(), |value| Some([value, &[0]].concat()))),
            vec![],
        ),
        (
            Code::SessionDiffersFromRule,
            json!({ "session": 7 }),
            Box::new(edit_row(session.clone(), |_| Some(vec![]))),
            vec![],
        ),
        (Code::SessionMissing, json!({ "session": 7 }), drop(session), vec![]),
        (Code::SessionMissing, json!({ "session": LAST }), drop(vec![0x04, 28]), vec![]),
        (Code::SessionExtra, json!({ "session": LAST + 1 }), unchanged(), vec![(vec![0x04, 29], vec![0, 0])]),
        (
            Code::RecordUndecodable,
            json!({ "key": "04050607" }),
            unchanged(),
            vec![(vec![4, 5, 6, 7], vec![0])],
        ),
        (Code::ForeignRecord, json!({ "key": "4201" }), unchanged(), vec![(vec![0x42, 1], vec![0])]),
        (Code::CarriedRecordDiffers, json!({ "key": "01" }), unchanged(), vec![(vec![0x01], vec![0])]),
        (Code::ForeignRecord, json!({ "key": "0300" }), unchanged(), vec![(vec![0x03, 0], vec![0])]),
        (Code::CarriedRecordDiffers, json!({ "key": "05" }), unchanged(), vec![(vec![0x05], vec![0])]),
        (Code::CarriedRecordDiffers, json!({ "key": hex::encode(&module) }), flip(module.clone()), vec![]),
        (Code::CarriedRecordMissing, json!({ "key": hex::encode(&module) }), drop(module), vec![]),
        (
            Code::CarriedRecordDiffers,
            json!({ "key": "ff0001aa" }),
            unchanged(),
            vec![(vec![0xFF, 0, 1, 0xAA], vec![1])],
        ),
        (Code::SessionIndexDiffers, index_table.clone(), flip(index.clone()), vec![]),
        (Code::SessionIndexDiffers, index_table.clone(), drop(index), vec![]),
        (
            Code::SessionIndexDiffers,
            index_table,
            unchanged(),
            vec![([&[0x02][..], &[9; 32]].concat(), vec![0])],
        ),
    ];
    let mut covered: BTreeSet<Code> = cases.iter().map(|(code, ..)| *code).collect();
    covered.extend(ELSEWHERE);
    assert!(covered.is_superset(&MIGRATED_CODES.into()), "{covered:?}");
    for (code, place, change, added) in cases {
        migrated.tampered(&[(code, place)], |copy| rewrite_database(copy, change, &added));
    }
    // Only reported, not held against it.
    let run = verify!(migrated.original, "--config", migrated.federation.config(), "--json").exits(0);
    assert!(codes(&run.findings()).contains(&(Code::SessionsUnsealed.as_str().to_owned(), None)));
}

#[test]
fn every_field_of_the_manifest() {
    let migrated = Migrated::new();
    let fields = manifest(&migrated.original);
    for (name, value) in fields.as_object().expect("an object") {
        let edited = match value {
            Value::Number(number) => json!(number.as_u64().expect("a whole number") + 1),
            Value::String(text) if text.len() == 64 => {
                json!(text.replace(&text[..1], if text.starts_with('a') { "b" } else { "a" }))
            }
            Value::String(text) if name == "layout" => {
                json!(format!("{}-length32", text.replace("bigsize", "fixed-be")))
            }
            Value::String(text) => json!(format!("{text}1")),
            Value::Array(omissions) if omissions.is_empty() => json!(["log-missing"]),
            Value::Object(map) => {
                let mut map = map.clone();
                // Another guardian's keys.
                let other = map.get("1").cloned();
                let first = map.values_mut().next().expect("an entry");
                *first =
                    first.as_u64().map_or_else(|| other.expect("a second key"), |count| json!(count + 1));
                Value::Object(map)
            }
            other => panic!("{name} is {other}"),
        };
        let edit = |copy: &Path| edit_manifest(copy, |manifest| manifest[name.as_str()] = edited.clone());
        let mismatch = json!({ "message": name });
        match name.as_str() {
            // Any version may have made it, for any server and any guardians; but the archive repeats the
            // original.
            "tool_version" | "target_version" | "session_keys" => {
                migrated.tampered(&[(Code::ProvenanceMismatch, json!({}))], edit)
            }
            // Nothing else remains of that time to show it; a database that was not whole proves nothing.
            "source_omissions" => migrated.tampered(&[(Code::SourceIncomplete, json!({}))], edit),
            "history_root" => migrated.tampered(&[(Code::HistoryRootMismatch, json!({}))], edit),
            // The manifest decides where the end is; then everything else is shorter.
            "last" => migrated.tampered(&[(Code::SessionMissing, json!({ "session": LAST + 1 }))], edit),
            "signed" | "covered" => {
                // Counts of signatures can be checked only with keys.
                let home = tempfile::tempdir().expect("a directory");
                let copy = home.path().join("new");
                copy_dir(&migrated.original, &copy);
                edit(&copy);
                let run = verify!(copy, "--config", migrated.federation.config(), "--json").exits(1);
                assert_eq!(codes(&run.findings())[1].0, Code::ManifestMismatch.as_str(), "{}", run.stdout);
            }
            _ => migrated.tampered(&[(Code::ManifestMismatch, mismatch)], edit),
        }
    }
    // A shorter one: the sessions after its end are too many.
    migrated.tampered(
        &[(Code::SessionExtra, json!({ "session": LAST })), (Code::HistoryRootMismatch, json!({}))],
        |copy| {
            edit_manifest(copy, |manifest| manifest["last"] = json!(LAST - 1));
        },
    );
    // A file of that name that is not a manifest.
    for text in ["", "{}", "[]", "not JSON"] {
        let home = tempfile::tempdir().expect("a directory");
        let copy = home.path().join("new");
        copy_dir(&migrated.original, &copy);
        fs::write(copy.join("manifest.json"), text).expect("a file");
        let run = verify!(copy, "--config", migrated.federation.config(), "--json").exits(3);
        assert!(run.sentence().contains("not a manifest of a conversion"), "{}", run.stderr);
    }
}

#[test]
fn a_damaged_provenance_archive() {
    let migrated = Migrated::new();
    let archive = fs::read(migrated.original.join("provenance.fmar")).expect("the archive");
    let config = migrated.federation.config();
    let mut random = Random::new(3);
    let mut places: Vec<usize> = (0..20).map(|_| random.below(archive.len())).collect();
    places.extend([8, 30, archive.len() - 1, archive.len() - 60, archive.len() / 2]);
    let damaged = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move |copy: &Path| fs::write(copy.join("provenance.fmar"), bytes).expect("the archive")
    };
    for place in places {
        let mut bytes = archive.clone();
        bytes[place] ^= 1 << random.below(8);
        migrated.tampered(&[(Code::ProvenanceDamaged, json!({}))], damaged(&bytes));
    }
    for length in [archive.len() - 1, archive.len() - 100, archive.len() / 2] {
        let expected = [(Code::ProvenanceDamaged, json!({ "message": "byte" }))];
        migrated.tampered(&expected, damaged(&archive[..length]));
        migrated.tampered(&expected, |copy| {
            // The archive alone shows it as well, and nothing can be made from it.
            damaged(&archive[..length])(copy);
            let alone = verify!(copy.join("provenance.fmar"), "--config", config, "--json").exits(1);
            assert_eq!(codes(&alone.findings()), [(Code::ProvenanceDamaged.as_str().to_owned(), None)]);
            let back = copy.with_file_name("back");
            migrate!("revert", "--from", copy, "--to", back).exits(3).sentence();
            assert!(!back.exists() && !partial_of(&back).exists());
        });
    }
    // Nothing is left of it, or something else is there.
    for bytes in [&[][..], b"something else"] {
        let home = tempfile::tempdir().expect("a directory");
        let copy = home.path().join("new");
        copy_dir(&migrated.original, &copy);
        fs::write(copy.join("provenance.fmar"), bytes).expect("the archive");
        let run = verify!(copy, "--config", config, "--json").exits(3);
        assert!(run.sentence().contains("not an archive"), "{}", run.stderr);
    }
}

/// A whole archive, of another history than the database: the conversion rule shows it.
#[test]
fn a_forged_provenance_archive() {
    let migrated = Migrated::new();
    let layout = migrated.federation.spec.layout;
    let restate = |copy: &Path, identity: &str| {
        edit_manifest(copy, |manifest| manifest["provenance"] = json!(identity));
    };
    // One more item.
    migrated.tampered(
        &[
            (Code::EpochHashMismatch, json!({ "epoch": AT })),
            (Code::SessionDiffersFromRule, json!({ "session": AT })),
        ],
        |copy| {
            let add = |epoch: &mut Epoch| contributions(epoch)[0].items.push(module_item(vec![3; 12]));
            let identity = rewrite_archive(copy, edit_epoch(AT, layout, add));
            restate(copy, &identity);
        },
    );
    // Even if the manifest does not mention it, its identity shows it.
    migrated.tampered(&[(Code::ManifestMismatch, json!({ "message": "provenance" }))], |copy| {
        rewrite_archive(copy, |key, value| (key[0] != 0x51).then(|| (key.to_vec(), value.to_vec())));
    });
}

/// Sessions that nothing signs, in a directory that is consistent in every other way.
#[test]
fn a_migrated_tip_is_no_proof() {
    let spec = ForgeSpec { epochs: 20, with_shares: false, gap_every: 0, ..ForgeSpec::default() };
    let federation = Federation::new(spec);
    let target = federation.beside("new");
    converted(&federation.guardian(), &target);
    verify!(target, "--config", federation.config()).exits(0);
    // The last signature is removed, and the numbers are adjusted.
    let identity =
        rewrite_archive(&target, edit_epoch(18, federation.spec.layout, |epoch| epoch.signature = None));
    edit_manifest(&target, |manifest| {
        manifest["provenance"] = json!(identity);
        manifest["signed"] = json!(18);
        manifest["covered"] = json!(1);
    });
    let run = verify!(target, "--config", federation.config(), "--json").exits(1);
    let found = codes(&run.findings());
    assert!(found.contains(&(Code::EpochUnproven.as_str().to_owned(), Some(18))), "{found:?}");
}

/// A flipped bit anywhere in a migrated database is found.
#[test]
fn flipped_bits_of_a_migrated_database() {
    let migrated = Migrated::new();
    let all = rows(&migrated.original.join("database"));
    let mut random = Random::new(12);
    for _ in 0..25 {
        let (key, value) = &all[random.below(all.len())];
        let mut row = (key.clone(), value.clone());
        let bytes = if value.is_empty() || random.below(4) == 0 { &mut row.0 } else { &mut row.1 };
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
        migrated.tampered(&[], |copy| {
            let change = |stored: &[u8], value: &[u8]| {
                Some(if stored == key { row.clone() } else { (stored.to_vec(), value.to_vec()) })
            };
            rewrite_database(copy, change, &[]);
        });
    }
}
