//! Damage is found, told with its code and place, and never converted.
//!
//! First the copies of the real history that were damaged through the real code; then, code by code, a history that
//! raises it; then bytes flipped anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fm_codec::ModuleValue;
use fm_eras::hbbft::{Layout, Table, decode_epoch, epoch_key};
use fm_forge::ForgeSpec;
use fm_forge::damage::{edit_epoch, edit_row, rewrite, rewrite_and_add};
use fm_history::{Code, Contribution, Epoch, EpochItem, Severity};
use fm_store::Row;
use fm_tests::{
    DAMAGED, Federation, Random, codes, converted, copy_dir, digest, edit_manifest, file_list, hbbft,
    manifest, migrate, partial_of, rewrite_archive, rewrite_database, rows, rows_under, verify,
};
use serde_json::{Value, json};

/// The epoch at which most damage is done; it and its neighbours are signed.
const AT: u64 = 10;
/// An epoch without a signature, covered by the next.
const GAP: u64 = 13;
/// Number of epochs.
const EPOCHS: u64 = 30;
/// The last epoch that is signed.
const LAST: u64 = EPOCHS - 2;

/// Codes that no history of era A and no migrated directory raises, each with the reason.
const NOT_REACHABLE: &[(Code, &str)] = &[];

#[test]
fn damaged_copies_of_the_real_history() {
    let expected = [
        ("bad-a-swapped-signature", "epoch-signature-invalid"),
        ("bad-b-item-byte", "epoch-hash-mismatch"),
        ("bad-c1-last-hash", "epoch-link-broken"),
        ("bad-d-missing-epoch", "epoch-missing"),
    ];
    assert_eq!(expected.map(|(name, _)| name), DAMAGED);
    let home = tempfile::tempdir().expect("a directory");
    for (name, code) in expected {
        let (source, target) = (hbbft(name), home.path().join(name));
        let before = digest(&source);
        for run in [
            migrate!("convert", "--from", source, "--config", source, "--to", target, "--json"),
            migrate!("check", "--from", source, "--config", source, "--json"),
        ] {
            let run = run.exits(1);
            let sentence = run.sentence();
            assert!(sentence.contains("the history is not proven"), "{sentence}");
            assert!(sentence.contains(&format!("{code} at epoch 160")), "{name}: {sentence}");
            assert!(codes(&run.findings()).contains(&(code.to_owned(), Some(160))), "{name}: {}", run.stdout);
        }
        let people = migrate!("convert", "--from", source, "--config", source, "--to", target).exits(1);
        assert!(people.stdout.contains(&format!("error   {code} at epoch 160: ")), "{}", people.stdout);
        let run = verify!(source, "--config", source, "--json").exits(1);
        assert_eq!(run.verdict()["verdict"], "findings");
        let first = run.findings().into_iter().find(|finding| finding["severity"] == "error");
        let first = first.expect("an error");
        assert_eq!((&first["code"], &first["epoch"]), (&json!(code), &json!(160)), "{name}");
        assert!(!target.exists() && !partial_of(&target).exists(), "{name}");
        assert_eq!(digest(&source), before, "{name}");
        // What lies before the damage can still be carried over, if asked for by hand.
        let before_it = home.path().join(format!("{name}-before"));
        migrate!("convert", "--from", source, "--config", source, "--to", before_it, "--until", "150")
            .exits(0);
        assert_eq!(manifest(&before_it)["last"], 150);
    }
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), DAMAGED.len());
}

/// What becomes of a conversion.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Conversion {
    Refused,
    Done,
}
use Conversion::{Done, Refused};

type Change = Box<dyn FnMut(&[u8], &[u8]) -> Option<Row>>;

struct Damage {
    code: Code,
    /// Epoch of the finding, if it has one.
    place: Option<u64>,
    /// Key of the finding, if it has no epoch.
    key: Option<Vec<u8>>,
    change: Change,
    added: Vec<Row>,
    conversion: Conversion,
}

impl Damage {
    fn at(code: Code, place: u64, change: Change) -> Self {
        Self { code, place: Some(place), key: None, change, added: Vec::new(), conversion: Refused }
    }

    fn of(code: Code, key: &[u8], change: Change) -> Self {
        Self { code, place: None, key: Some(key.to_vec()), change, added: Vec::new(), conversion: Refused }
    }

    fn adding(self, row: Row) -> Self {
        Self { added: vec![row], ..self }
    }

    fn convertible(self) -> Self {
        Self { conversion: Done, ..self }
    }
}

/// A good history, and rows of it to do damage to.
struct Good {
    federation: Federation,
    layout: Layout,
}

impl Good {
    fn new() -> Self {
        let federation = Federation::small(EPOCHS);
        let layout = federation.spec.layout;
        Self { federation, layout }
    }

    fn epoch(&self, number: u64) -> Epoch {
        let key = epoch_key(number, self.layout.dialect);
        let row = rows(&self.federation.database()).into_iter().find(|(stored, _)| *stored == key);
        decode_epoch(&row.expect("the epoch").1, &self.layout).expect("a good epoch")
    }

    fn key(&self, epoch: u64) -> Vec<u8> {
        epoch_key(epoch, self.layout.dialect)
    }

    fn edit(&self, epoch: u64, edit: impl Fn(&mut Epoch) + 'static) -> Change {
        Box::new(edit_epoch(epoch, self.layout, edit))
    }

    fn value(&self, key: &[u8], edit: impl Fn(&[u8]) -> Option<Vec<u8>> + 'static) -> Change {
        Box::new(edit_row(key.to_vec(), edit))
    }

    fn first(&self, table: Table) -> Row {
        rows_under(&self.federation.database(), table.prefix())
            .into_iter()
            .next()
            .expect("the table has rows")
    }
}

fn nothing() -> Change {
    Box::new(|key, value| Some((key.to_vec(), value.to_vec())))
}

fn dropping(dropped: Vec<Vec<u8>>) -> Change {
    Box::new(move |key, value| (!dropped.iter().any(|k| k == key)).then(|| (key.to_vec(), value.to_vec())))
}

fn contributions(epoch: &mut Epoch) -> &mut Vec<Contribution> {
    &mut epoch.content.as_mut().expect("a framed layout").contributions
}

fn module_item(body: Vec<u8>) -> EpochItem {
    EpochItem::Module(ModuleValue { instance: 0, body })
}

/// The history's damages: the code each raises, and where.
fn damages(good: &Good) -> Vec<Damage> {
    let other = good.epoch(AT + 1).signature.expect("it is signed");
    let transaction = (AT..LAST)
        .flat_map(|number| good.epoch(number).content.expect("framed").contributions)
        .flat_map(|contribution| contribution.items)
        .find(|item| matches!(item, EpochItem::Transaction(_)))
        .expect("the history has transactions");
    let (index_key, index_value) = good.first(Table::AcceptedTransaction);
    let (backup_key, _) = good.first(Table::ClientBackup);
    let mut strange = index_key.clone();
    strange[20] ^= 1;
    let pointer = [Table::LastEpoch.prefix()];
    let accepted_epoch = None;
    vec![
        Damage::at(Code::EpochMissing, AT, dropping(vec![good.key(AT)])),
        Damage::at(Code::EpochMissing, 0, dropping(vec![good.key(0)])),
        Damage::at(
            Code::EpochUndecodable,
            AT,
            good.value(&good.key(AT), |value| Some([value, &[0]].concat())),
        ),
        Damage::at(Code::EpochUndecodable, AT, good.value(&good.key(AT), |value| Some(value[..40].to_vec()))),
        Damage::at(Code::EpochUndecodable, AT, good.value(&good.key(AT), |_| Some(Vec::new()))),
        Damage::at(Code::EpochKeyMismatch, AT, good.edit(AT, |epoch| epoch.number = AT + 1)),
        Damage::at(Code::EpochHashMismatch, AT, good.edit(AT, |epoch| epoch.stored_hash.0[5] ^= 1)),
        Damage::at(
            Code::EpochLinkBroken,
            AT,
            good.edit(AT, |epoch| epoch.last_hash = Some(epoch.stored_hash)),
        ),
        Damage::at(Code::EpochLinkBroken, AT, good.edit(AT, |epoch| epoch.last_hash = None)),
        Damage::at(
            Code::EpochSignatureInvalid,
            AT,
            good.edit(AT, move |epoch| epoch.signature = Some(other)),
        ),
        Damage::at(
            Code::EpochSignatureMalformed,
            AT,
            good.edit(AT, |epoch| epoch.signature = Some([0xFF; 96])),
        ),
        Damage::at(Code::EpochSignatureMalformed, AT, good.edit(AT, |epoch| epoch.signature = Some([0; 96]))),
        Damage::at(Code::EpochUnproven, GAP, dropping(vec![good.key(GAP + 1)])),
        Damage::at(Code::EpochTip, EPOCHS - 1, nothing()).convertible(),
        // The next epoch covers it, and the session is the same: only an audit asks for the signature.
        Damage::at(Code::ShareSignatureMissing, AT, good.edit(AT, |epoch| epoch.signature = None))
            .convertible(),
        Damage::at(
            Code::ShareSignatureDiffers,
            AT,
            good.edit(AT, move |epoch| epoch.signature = Some(other)),
        ),
        Damage::at(
            Code::SharesLeftOut,
            GAP + 1,
            good.edit(GAP + 1, move |epoch| {
                let share = EpochItem::EpochOutcomeSignatureShare(Box::new(other));
                let strangers = (100..104).map(|peer| Contribution { peer, items: vec![share.clone()] });
                contributions(epoch).extend(strangers);
            }),
        ),
        Damage::of(Code::LastEpochWrong, &pointer, good.value(&pointer, |_| Some(vec![28]))),
        Damage::of(Code::LastEpochMissing, &pointer, dropping(vec![pointer.to_vec()])),
        Damage::at(Code::ContributionsUnordered, AT, good.edit(AT, |epoch| contributions(epoch).reverse())),
        Damage {
            place: accepted_epoch,
            ..Damage::at(
                Code::TransactionAcceptedTwice,
                AT,
                good.edit(LAST, move |epoch| contributions(epoch)[0].items.push(transaction.clone())),
            )
        },
        Damage {
            key: None,
            ..Damage::of(Code::TransactionIndexMissing, &[], dropping(vec![index_key.clone()]))
        },
        Damage::of(Code::TransactionIndexExtra, &strange, nothing()).adding((strange.clone(), index_value)),
        Damage {
            key: None,
            ..Damage::of(Code::TransactionIndexDiffers, &[], good.value(&index_key, |_| Some(vec![1, 9])))
        },
        Damage::of(
            Code::RecordUndecodable,
            &backup_key,
            good.value(&backup_key, |value| Some(value[..9].to_vec())),
        ),
        Damage::of(Code::RecordUndecodable, &pointer, good.value(&pointer, |_| Some(vec![1, 2, 3]))),
        Damage::of(Code::RecordUndecodable, &[0x05, 1, 2, 3], nothing())
            .adding((vec![0x05, 1, 2, 3], vec![0])),
        // A warning; the row is archived, and listed as not carried.
        Damage::of(Code::UnknownPrefix, &[0x42, 1], nothing()).adding((vec![0x42, 1], vec![7])).convertible(),
        Damage::at(
            Code::ItemListAmbiguous,
            AT,
            good.edit(AT, |epoch| {
                let peer = contributions(epoch)[0].peer;
                let items = vec![module_item(vec![1; 9]), module_item(vec![1; 9])];
                *contributions(epoch) = vec![Contribution { peer, items }];
            }),
        ),
        Damage::at(
            Code::SessionTooLarge,
            AT,
            good.edit(AT, |epoch| contributions(epoch)[0].items.push(module_item(vec![7; 16_000_001]))),
        ),
    ]
}

fn assert_found(source: &Path, config: &Path, damage: &Damage) {
    let code = damage.code.as_str();
    let run = verify!(source, "--config", config, "--json");
    let run = run.exits(i32::from(damage.code.severity() > Severity::Info));
    let key = damage.key.as_ref().map(hex::encode);
    let found = run.findings().into_iter().any(|finding| {
        finding["code"] == code
            && damage.place.is_none_or(|place| finding["epoch"] == place)
            && key.as_ref().is_none_or(|key| finding["key"] == *key)
    });
    assert!(found, "{code} at {:?} {key:?} is not among\n{}", damage.place, run.stdout);
    let verdict = run.verdict();
    let count =
        |severity: &str| run.findings().iter().filter(|finding| finding["severity"] == severity).count();
    assert_eq!(
        (&verdict["errors"], &verdict["warnings"]),
        (&json!(count("error")), &json!(count("warning")))
    );
}

#[test]
fn every_code_of_a_history() {
    let good = Good::new();
    let config = good.federation.config();
    let mut covered: BTreeSet<Code> = BTreeSet::new();
    for (number, mut damage) in damages(&good).into_iter().enumerate() {
        covered.insert(damage.code);
        let home = tempfile::tempdir().expect("a directory");
        let database = home.path().join("database");
        rewrite_and_add(&good.federation.database(), &database, &mut damage.change, &damage.added)
            .expect("a copy");
        assert_found(&database, &config, &damage);
        let target = home.path().join("new");
        let run = migrate!("convert", "--from", database, "--config", config, "--to", target, "--json");
        match damage.conversion {
            Done => {
                run.exits(0);
                verify!(target, "--config", config);
            }
            Refused => {
                let run = run.exits(1);
                assert!(run.sentence().contains("the history is not proven"), "{number}: {}", run.stderr);
                assert!(!target.exists() && !partial_of(&target).exists(), "{number}");
            }
        }
    }
    // Those that need another source than a rewritten copy have stories of their own below.
    covered.extend(ELSEWHERE);
    covered.extend(MIGRATED);
    for code in Code::ALL {
        let unreachable = NOT_REACHABLE.iter().any(|(unreachable, _)| unreachable == code);
        assert!(covered.contains(code) != unreachable, "{code} is in neither list, or in both");
    }
}

/// Codes that `codes_of_special_sources` raises.
const ELSEWHERE: [Code; 3] = [Code::WrongKeys, Code::TransactionIndexUnchecked, Code::LogTailTorn];

#[test]
fn codes_of_special_sources() {
    let good = Good::new();
    let stranger = Federation::new(ForgeSpec { seed: 5, epochs: 3, ..ForgeSpec::default() });
    let found = |source: &Path, config: &Path, exit: i32| {
        codes(&verify!(source, "--config", config, "--json").exits(exit).findings())
    };
    let wrong = found(&good.federation.guardian(), &stranger.config(), 1);
    assert_eq!(wrong, [(Code::WrongKeys.as_str().to_owned(), None)]);
    for layout in Layout::ALL.into_iter().filter(|layout| !layout.is_framed()) {
        let opaque = Federation::new(ForgeSpec { layout, epochs: 40, ..ForgeSpec::default() });
        let unchecked = found(&opaque.guardian(), &opaque.config(), 0);
        assert!(
            unchecked.contains(&(Code::TransactionIndexUnchecked.as_str().to_owned(), None)),
            "{unchecked:?}"
        );
        // Its chain and signatures are proven all the same.
        let damaged = opaque.beside("damaged");
        let key = epoch_key(AT, layout.dialect);
        let flip = |value: &[u8]| {
            let mut value = value.to_vec();
            let middle = value.len() / 2;
            value[middle] ^= 1;
            Some(value)
        };
        rewrite(&opaque.database(), &damaged, edit_row(key, flip)).expect("a copy");
        let run = verify!(damaged, "--config", opaque.config(), "--json", "--layout", layout.name()).exits(1);
        let found = codes(&run.findings());
        assert!(
            found.iter().any(|(code, place)| code.starts_with("epoch-") && *place == Some(AT)),
            "{found:?}"
        );
    }
    let home = tempfile::tempdir().expect("a directory");
    let torn = home.path().join("torn");
    copy_dir(&hbbft("peer-0"), &torn);
    let log = file_list(&torn).into_iter().find(|path| path.extension().is_some_and(|e| e == "log"));
    let log = torn.join(log.expect("a log"));
    let bytes = fs::read(&log).expect("the log");
    fs::write(&log, &bytes[..bytes.len() - 5]).expect("the log");
    let found = found(&torn, &torn, 1);
    assert!(found.contains(&(Code::LogTailTorn.as_str().to_owned(), None)), "{found:?}");
}

/// Codes that `every_code_of_a_migrated_directory` raises.
const MIGRATED: [Code; 11] = [
    Code::SessionMissing,
    Code::SessionExtra,
    Code::SessionDiffersFromRule,
    Code::SessionsUnsealed,
    Code::HistoryRootMismatch,
    Code::ManifestMismatch,
    Code::ProvenanceDamaged,
    Code::CarriedRecordDiffers,
    Code::CarriedRecordMissing,
    Code::ForeignRecord,
    Code::SessionIndexDiffers,
];

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
        for trust in [true, false] {
            let run = if trust {
                verify!(copy, "--config", self.federation.config(), "--json")
            } else {
                verify!(copy, "--json")
            };
            let run = run.exits(1);
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
        (Code::SessionExtra, json!({ "session": LAST + 1 }), nothing(), vec![(vec![0x04, 29], vec![0, 0])]),
        (Code::RecordUndecodable, json!({ "key": "04050607" }), nothing(), vec![(vec![4, 5, 6, 7], vec![0])]),
        (Code::ForeignRecord, json!({ "key": "4201" }), nothing(), vec![(vec![0x42, 1], vec![0])]),
        (Code::ForeignRecord, json!({ "key": "01" }), nothing(), vec![(vec![0x01], vec![0])]),
        (Code::ForeignRecord, json!({ "key": "0300" }), nothing(), vec![(vec![0x03, 0], vec![0])]),
        (Code::ForeignRecord, json!({ "key": "05" }), nothing(), vec![(vec![0x05], vec![0])]),
        (Code::CarriedRecordDiffers, json!({ "key": hex::encode(&module) }), flip(module.clone()), vec![]),
        (Code::CarriedRecordMissing, json!({ "key": hex::encode(&module) }), drop(module), vec![]),
        (
            Code::CarriedRecordDiffers,
            json!({ "key": "ff0001aa" }),
            nothing(),
            vec![(vec![0xFF, 0, 1, 0xAA], vec![1])],
        ),
        (Code::SessionIndexDiffers, index_table.clone(), flip(index.clone()), vec![]),
        (Code::SessionIndexDiffers, index_table.clone(), drop(index), vec![]),
        (
            Code::SessionIndexDiffers,
            index_table,
            nothing(),
            vec![([&[0x02][..], &[9; 32]].concat(), vec![0])],
        ),
    ];
    for (code, place, change, added) in cases {
        migrated.tampered(&[(code, place)], |copy| rewrite_database(copy, change, &added));
    }
    // Only said, not held against it.
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
            Value::String(text) if name == "dialect" => {
                json!(format!("{}-length32", text.replace("bigsize", "fixed-be")))
            }
            Value::String(text) => json!(format!("{text}1")),
            Value::Object(map) => {
                let mut map = map.clone();
                let first = map.values_mut().next().expect("a count");
                *first = json!(first.as_u64().expect("a count") + 1);
                Value::Object(map)
            }
            other => panic!("{name} is {other}"),
        };
        let edit = |copy: &Path| edit_manifest(copy, |manifest| manifest[name.as_str()] = edited.clone());
        let mismatch = json!({ "message": name });
        match name.as_str() {
            // Any version may have made it; nothing follows from it.
            "tool_version" => continue,
            "history_root" => migrated.tampered(&[(Code::HistoryRootMismatch, json!({}))], edit),
            // The end is what the manifest says it is; then everything else is short of it.
            "last" => migrated.tampered(&[(Code::SessionMissing, json!({ "session": LAST + 1 }))], edit),
            "signed" | "covered" => {
                // Counts of signatures can be judged only with keys.
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
    // A shorter one: the sessions behind its end are too many.
    migrated.tampered(
        &[(Code::SessionExtra, json!({ "session": LAST })), (Code::HistoryRootMismatch, json!({}))],
        |copy| {
            edit_manifest(copy, |manifest| manifest["last"] = json!(LAST - 1));
        },
    );
    // No manifest at all in a file of that name.
    for text in ["", "{}", "[]", "not JSON"] {
        let home = tempfile::tempdir().expect("a directory");
        let copy = home.path().join("new");
        copy_dir(&migrated.original, &copy);
        fs::write(copy.join("manifest.json"), text).expect("a file");
        let run = verify!(copy, "--config", migrated.federation.config(), "--json").exits(3);
        assert!(run.sentence().contains("no manifest of a conversion"), "{}", run.stderr);
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
            // The archive alone tells it as well, and nothing can be made from it.
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

/// An archive that is whole, of another history than the database: the rule tells.
#[test]
fn a_forged_provenance_archive() {
    let migrated = Migrated::new();
    let layout = migrated.federation.spec.layout;
    let restate = |copy: &Path, identity: &str| {
        edit_manifest(copy, |manifest| manifest["provenance"] = json!(identity));
    };
    // An item more.
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
    // Without a word in the manifest its identity gives it away.
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
    // The last signature is taken away, and the numbers are made to fit.
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

/// A flipped bit anywhere in the history, its index or its pointer is found.
#[test]
fn flipped_bits_of_a_history() {
    let federation = Federation::small(12);
    let all: Vec<Row> = rows(&federation.database())
        .into_iter()
        .filter(|(key, value)| matches!(key[0], 0x02 | 0x05 | 0x06) && !value.is_empty())
        .collect();
    let mut random = Random::new(11);
    let home = tempfile::tempdir().expect("a directory");
    for number in 0..60 {
        let (key, value) = &all[random.below(all.len())];
        let mut row = (key.clone(), value.clone());
        // In the key now and then; not in the prefix, which makes it a row of another table.
        let in_key = random.below(5) == 0 && key.len() > 1;
        let bytes = if in_key { &mut row.0[1..] } else { &mut row.1 };
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
        let copy = home.path().join(number.to_string());
        let change = |stored: &[u8], value: &[u8]| {
            Some(if stored == key { row.clone() } else { (stored.to_vec(), value.to_vec()) })
        };
        rewrite(&federation.database(), &copy, change).expect("a copy");
        let run = verify!(copy, "--config", federation.config(), "--json").exits(1);
        assert_eq!(run.verdict()["verdict"], "findings", "{} byte {place}", hex::encode(key));
        let target = home.path().join("new");
        migrate!("convert", "--from", copy, "--config", federation.config(), "--to", target);
        // A covered epoch loses nothing with its signature; everything else is refused.
        if target.exists() {
            let run = verify!(target, "--config", federation.config());
            assert!(run.exit <= 1, "{}", run.stderr);
            fs::remove_dir_all(&target).expect("the target");
        }
    }
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

/// What the damages take for granted.
#[test]
fn the_good_history_is_good() {
    let good = Good::new();
    let run = verify!(good.federation.guardian(), "--config", good.federation.config(), "--json").exits(0);
    assert_eq!(codes(&run.findings()), [("epoch-tip".to_owned(), Some(EPOCHS - 1))]);
    assert!(good.epoch(AT).signature.is_some() && good.epoch(AT + 1).signature.is_some());
    assert!(good.epoch(GAP).signature.is_none() && good.epoch(GAP + 1).signature.is_some());
}
