//! Damage of a history is found, reported with its code and place, and never converted.
//!
//! First the copies of the real history that were damaged through the real code; then, code by code, a
//! history that raises it; then bytes flipped anywhere. Damage to the result of a conversion is in
//! `tampered.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fm_eras::hbbft::{EpochLayout, Table, decode_epoch, epoch_key};
use fm_forge::ForgeSpec;
use fm_forge::damage::{edit_epoch, edit_row, rewrite, rewrite_and_add};
use fm_history::{Code, Contribution, Epoch, EpochItem, Severity};
use fm_rows::Row;
use fm_tests::{
    Change, DAMAGED, Federation, MIGRATED_CODES, Random, SESSION_CODES, codes, contributions, copy_dir,
    digest, dropping, file_list, hbbft, manifest, migrate, module_item, partial_of, rows, rows_under,
    unchanged, verify,
};
use serde_json::json;

/// The epoch at which most damage is done; it and its neighbours are signed.
const AT: u64 = 10;
/// An epoch without a signature, covered by the next.
const GAP: u64 = 13;
/// The number of epochs.
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
        // What lies before the damage can still be converted, if asked for by hand.
        let before_it = home.path().join(format!("{name}-before"));
        migrate!("convert", "--from", source, "--config", source, "--to", before_it, "--until", "150")
            .exits(0);
        assert_eq!(manifest(&before_it)["last"], 150);
    }
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), DAMAGED.len());
}

/// The outcome of a conversion.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Conversion {
    Refused,
    Done,
}
use Conversion::{Done, Refused};

struct Damage {
    code: Code,
    /// The epoch of the finding, if it has one.
    place: Option<u64>,
    /// The key of the finding, if it has no epoch.
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

/// A good history, and rows of it to damage.
struct Good {
    federation: Federation,
    layout: EpochLayout,
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

/// Returns the history's damages: the code that each raises, and where.
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
        Damage::at(Code::EpochTip, EPOCHS - 1, unchanged()).convertible(),
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
        Damage::of(Code::TransactionIndexExtra, &strange, unchanged()).adding((strange.clone(), index_value)),
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
        Damage::of(Code::RecordUndecodable, &[0x05, 1, 2, 3], unchanged())
            .adding((vec![0x05, 1, 2, 3], vec![0])),
        // A warning; the row is archived, and listed as not carried.
        Damage::of(Code::UnknownPrefix, &[0x42, 1], unchanged())
            .adding((vec![0x42, 1], vec![7]))
            .convertible(),
        Damage::at(
            Code::ItemListAmbiguous,
            AT,
            good.edit(AT, |epoch| {
                let peer = contributions(epoch)[0].peer;
                // [a, b, c, c] has the root of [a, b, c].
                let items = [1, 2, 3, 3].map(|byte| module_item(vec![byte; 9])).to_vec();
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
    let (errors, warnings) = (count("error"), count("warning"));
    assert_eq!((&verdict["errors"], &verdict["warnings"]), (&json!(errors), &json!(warnings)));
    assert!(errors > 0 || damage.code.severity() < Severity::Error, "{code}");
    assert!(errors + warnings > 0 || damage.code.severity() < Severity::Warning, "{code}");
    // Errors fail, and with `--strict` so do warnings.
    let run = run.exits(i32::from(errors > 0));
    if errors == 0 {
        let strict = verify!(source, "--config", config, "--json", "--strict").exits(i32::from(warnings > 0));
        assert_eq!(strict.findings(), run.findings(), "{code}");
    }
    // What follows from another finding says so, and does not count by itself.
    for finding in run.findings().iter().filter(|finding| !finding["follows_from"].is_null()) {
        assert_eq!(finding["severity"], "info", "{finding}");
        let cause = &finding["follows_from"];
        let is_cause = |other: &serde_json::Value| {
            other["code"] == cause["code"] && other["epoch"] == cause["epoch"] && other["key"] == cause["key"]
        };
        assert!(run.findings().iter().any(is_cause), "{finding} follows from nothing in\n{}", run.stdout);
    }
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
    // Codes that need another source than a rewritten copy have their own stories, here and in `tampered.rs`.
    covered.extend(ELSEWHERE);
    covered.extend(MIGRATED_CODES);
    covered.extend(OTHER_STORIES);
    covered.extend(UNIT_STORIES);
    covered.extend(SESSION_CODES);
    covered.extend(RUNNING_STORIES);
    covered.extend(MONEY_STORIES);
    for code in Code::ALL {
        let unreachable = NOT_REACHABLE.iter().any(|(unreachable, _)| unreachable == code);
        assert!(covered.contains(code) != unreachable, "{code} is in neither list, or in both");
    }
}

/// Codes that only the stories `incomplete`, `lying_directory`, `sealed_audit`, `trust_file`,
/// `hostile_sessions`, `open_session`, and `damage` and `good` of `checkpoint` raise.
const OTHER_STORIES: [Code; 17] = [
    Code::TrustedPrefixChanged,
    Code::HistoryEmpty,
    Code::UnitsUnchecked,
    Code::ArchiveDamaged,
    Code::ArchiveMisstated,
    Code::ArchiveForeign,
    Code::SealUnchecked,
    Code::LogMissing,
    Code::LogUnknown,
    Code::LogEmpty,
    Code::FileListTorn,
    Code::TablesUnnamed,
    Code::TablesUnfinished,
    Code::SourceIncomplete,
    Code::ProvenanceMismatch,
    Code::DatabaseIncomplete,
    Code::UnexpectedFile,
];

/// Codes of what the story `books` finds in tampered histories.
const MONEY_STORIES: [Code; 11] = [
    Code::PayloadUndecodable,
    Code::ModuleUnknown,
    Code::NoteUnsigned,
    Code::DenominationUnknown,
    Code::NoteSpentTwice,
    Code::BlindNonceRepeated,
    Code::DepositClaimedTwice,
    Code::RedeemedAboveIssued,
    Code::ContractOverdrawn,
    Code::TransactionUnbalanced,
    Code::AmountTooLarge,
];
/// Codes that the stories `running` and `followed` raise.
const RUNNING_STORIES: [Code; 8] = [
    Code::GuardianRecordRefused,
    Code::GuardianDiffers,
    Code::GuardianBehind,
    Code::GuardianSilent,
    Code::GuardianConfigDiffers,
    Code::FederationStalled,
    Code::CheckpointDiffers,
    Code::CheckpointUnread,
];

/// Codes that the story `units` raises.
const UNIT_STORIES: [Code; 15] = [
    Code::UnitRowsMissing,
    Code::UnitRowUndecodable,
    Code::UnitForeign,
    Code::UnitMisplaced,
    Code::UnitParentsInvalid,
    Code::UnitParentMissing,
    Code::UnitParentsDiffer,
    Code::UnitSignatureInvalid,
    Code::UnitBatchSignatureInvalid,
    Code::UnitFork,
    Code::UnitRepeated,
    Code::UnitAlert,
    Code::UnitBatchUndecodable,
    Code::UnitSignaturesUnchecked,
    Code::AcceptedItemNotOrdered,
];

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
    for layout in EpochLayout::ALL.into_iter().filter(|layout| !layout.is_framed()) {
        let opaque = Federation::new(ForgeSpec { layout, epochs: 40, ..ForgeSpec::default() });
        let unchecked = found(&opaque.guardian(), &opaque.config(), 0);
        assert!(
            unchecked.contains(&(Code::TransactionIndexUnchecked.as_str().to_owned(), None)),
            "{unchecked:?}"
        );
        // Its chain and signatures are still proven.
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
    // A crash leaves this, so it is reported and does not fail.
    let found = found(&torn, &torn, 0);
    assert!(found.contains(&(Code::LogTailTorn.as_str().to_owned(), None)), "{found:?}");
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
        // Sometimes in the key; not in the prefix, which would make it a row of another table.
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

/// Assumptions of the damages.
#[test]
fn the_good_history_is_good() {
    let good = Good::new();
    let run = verify!(good.federation.guardian(), "--config", good.federation.config(), "--json").exits(0);
    assert_eq!(codes(&run.findings()), [("epoch-tip".to_owned(), Some(EPOCHS - 1))]);
    assert!(good.epoch(AT).signature.is_some() && good.epoch(AT + 1).signature.is_some());
    assert!(good.epoch(GAP).signature.is_none() && good.epoch(GAP + 1).signature.is_some());
}
