//! Damage of blocks and sessions is found, reported with its code and place, and never converted; what is
//! signed nevertheless (a list of items that shares its header with another) is reported too.

use fm_eras::Era;
use std::collections::BTreeSet;

use fm_codec::ModuleValue;
use fm_eras::block::BlockLayout;
use fm_forge::damage::{block_key, edit_block, edit_row, rewrite_and_add};
use fm_forge::{BlockSpec, ForgedBlocks};
use fm_history::{Block, BlockContent, BlockItem, Code, Severity};
use fm_rows::Row;
use fm_tests::{
    Change, Guardian, Random, SESSION_CODES, Sessions, codes, dropping, layout, partial_of, root, rows,
    rows_under, unchanged,
};
use serde_json::json;

/// The number of sessions.
const SESSIONS: u64 = 12;
/// With this seed, the damaged session has more than one item in every layout.
const SEED: u64 = 3;
/// The session at which most damage is done.
const AT: u64 = 6;
/// The last session.
const LAST: u64 = SESSIONS - 1;
/// The index of accepted transactions.
const INDEX: u8 = 0x02;

struct Damage {
    code: Code,
    /// The session of the finding, if it has one.
    place: Option<u64>,
    /// The key of the finding, if it has one.
    key: Option<Vec<u8>>,
    change: Change,
    added: Vec<Row>,
    is_converted: bool,
}

impl Damage {
    fn at(code: Code, place: u64, change: Change) -> Self {
        Self { code, place: Some(place), key: None, change, added: Vec::new(), is_converted: false }
    }

    fn of(code: Code, key: &[u8], change: Change) -> Self {
        Self { place: None, key: Some(key.to_vec()), ..Self::at(code, 0, change) }
    }

    fn adding(mut self, key: &[u8], value: &[u8]) -> Self {
        self.added.push((key.to_vec(), value.to_vec()));
        self
    }

    fn convertible(self) -> Self {
        Self { is_converted: true, ..self }
    }
}

/// A good history of a layout, and ways to damage it.
struct Good {
    sessions: Sessions,
    layout: &'static BlockLayout,
}

impl Good {
    fn new(name: &str) -> Self {
        let layout = layout(name);
        let spec = BlockSpec { seed: SEED, ..BlockSpec::new(layout, SESSIONS) };
        Self { sessions: Sessions::new(spec), layout }
    }

    fn key(&self, index: u64) -> Vec<u8> {
        block_key(index, self.layout)
    }

    fn edit(&self, index: u64, edit: impl Fn(&mut Block) + 'static) -> Change {
        Box::new(edit_block(index, self.layout, edit))
    }

    /// Returns an edit that enough guardians sign.
    fn agreed(&self, index: u64, signers: &'static [u16], edit: impl Fn(&mut Block) + 'static) -> Change {
        let (forged, layout): (ForgedBlocks, _) = (self.sessions.forged.clone(), self.layout);
        self.edit(index, move |block| {
            edit(block);
            forged.sign(index, block, layout, signers);
        })
    }

    fn value(&self, key: &[u8], edit: impl Fn(&[u8]) -> Option<Vec<u8>> + 'static) -> Change {
        Box::new(edit_row(key.to_vec(), edit))
    }

    fn row(&self, prefix: u8) -> Row {
        rows_under(&self.sessions.database(), prefix).into_iter().next().expect("the table has rows")
    }

    /// Returns a transaction of the damaged session.
    fn transaction(&self) -> BlockItem {
        let key = self.key(AT);
        let row = rows(&self.sessions.database()).into_iter().find(|(stored, _)| *stored == key);
        let block =
            fm_eras::block::decode_block(&row.expect("the session").1, self.layout).expect("it decodes");
        let is_transaction = |item: &&BlockItem| matches!(item.content, BlockContent::Transaction(_));
        block.items.iter().find(is_transaction).expect("it has a transaction").clone()
    }

    /// Makes a changed copy.
    fn damaged(&self, name: &str, mut change: Change, added: &[Row]) -> Guardian {
        let path = self.sessions.beside(name);
        rewrite_and_add(&self.sessions.database(), &path, &mut change, added).expect("a copy");
        self.sessions.at(&path)
    }
}

fn module_item(body: Vec<u8>) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body });
    BlockItem { content, position: None, peer: 1 }
}

/// Adds items until there is an odd number of them, the last of them not a transaction.
fn make_odd(block: &mut Block) {
    block.items.push(module_item(vec![1; 9]));
    if block.items.len().is_multiple_of(2) {
        block.items.push(module_item(vec![2; 9]));
    }
}

/// Returns a row of a unit backup: only the unit's end matters here, its session and its signature.
fn unit_row(session: u64) -> Vec<u8> {
    let unit = [&[9; 20], session.to_le_bytes().as_slice(), &[7; 64]].concat();
    [&[u8::try_from(unit.len()).expect("short")], unit.as_slice()].concat()
}

/// Returns damages of a record: of what is stored.
fn of_records(good: &Good) -> Vec<Damage> {
    let key = good.key(AT);
    vec![
        Damage::at(Code::SessionMissing, AT, dropping(vec![key.clone()])),
        Damage::at(Code::SessionMissing, AT - 1, dropping(vec![good.key(AT - 1), key.clone()])),
        Damage::at(Code::SessionMissing, 0, dropping(vec![good.key(0)])),
        Damage::at(Code::SessionUndecodable, AT, good.value(&key, |value| Some([value, &[0]].concat()))),
        Damage::at(Code::SessionUndecodable, AT, good.value(&key, |value| Some(value[..40].to_vec()))),
        Damage::at(Code::SessionUndecodable, AT, good.value(&key, |_| Some(Vec::new()))),
        Damage::at(Code::SessionUndecodable, 0, good.value(&good.key(0), |_| Some(vec![0xFF; 9]))),
    ]
}

/// Returns damages of signatures.
fn of_signatures(good: &Good) -> Vec<Damage> {
    let first = |block: &mut Block| *block.signatures.keys().next().expect("it is signed");
    vec![
        Damage::at(
            Code::SessionSignatureInvalid,
            AT,
            good.edit(AT, |block| block.signatures.values_mut().next().expect("it is signed")[63] ^= 1),
        ),
        Damage::at(
            Code::SessionSignatureInvalid,
            AT,
            good.edit(AT, |block| {
                assert!(block.items.len() > 1, "another order is another list");
                block.items.reverse();
            }),
        ),
        Damage::at(
            Code::SessionUnsigned,
            AT,
            good.edit(AT, |block| block.signatures.values_mut().next().expect("it is signed")[0] ^= 1),
        ),
        Damage::at(
            Code::SessionUnsigned,
            AT,
            good.edit(AT, move |block| {
                let peer = first(block);
                block.signatures.remove(&peer);
            }),
        ),
        Damage::at(Code::SessionUnsigned, AT, good.edit(AT, |block| block.signatures.clear())),
        Damage::at(
            Code::SessionSignerUnknown,
            AT,
            good.edit(AT, move |block| {
                let peer = first(block);
                let signature = block.signatures.remove(&peer).expect("it is signed");
                block.signatures.insert(4, signature);
            }),
        ),
        // A guardian's signature under another's name.
        Damage::at(
            Code::SessionSignatureInvalid,
            AT,
            good.edit(AT, move |block| {
                let peer = first(block);
                let signature = block.signatures.remove(&peer).expect("it is signed");
                let other = (0..4).find(|other| *other != peer && !block.signatures.contains_key(other));
                block.signatures.insert(other.expect("one has not signed"), signature);
            }),
        ),
        Damage::at(Code::SessionSignaturesSurplus, AT, good.agreed(AT, &[0, 1, 2, 3], |_| {})).convertible(),
    ]
}

/// Returns damages of the index of accepted transactions.
fn of_the_index(good: &Good) -> Vec<Damage> {
    let transaction = good.transaction();
    let BlockContent::Transaction(content) = &transaction.content else { panic!("not a transaction") };
    let key = [&[INDEX], content.txid.0.as_slice()].concat();
    let mut strange = key.clone();
    strange[20] ^= 1;
    vec![
        Damage::at(Code::TransactionIndexMissing, AT, dropping(vec![key.clone()])),
        Damage::of(Code::TransactionIndexExtra, &strange, unchanged()).adding(&strange, &[0]),
        Damage::at(Code::TransactionIndexDiffers, AT, good.value(&key, |_| Some(vec![2, 9, 9]))),
        Damage::at(
            Code::TransactionAcceptedTwice,
            LAST,
            good.agreed(LAST, &[0, 1, 2], move |block| block.items.push(transaction.clone())),
        ),
    ]
}

/// Returns damages of sessions as current servers store them, and of the other tables.
fn of_sessions(good: &Good) -> Vec<Damage> {
    let pending = |number: u8| vec![0x01, number];
    let (value, version) = (good.row(0x01).1, good.row(0x50).0);
    let malformed = [good.layout.history, 0xFF, 1, 2];
    vec![
        Damage::at(
            Code::ItemListAmbiguous,
            AT,
            good.agreed(AT, &[0, 1, 2], |block| {
                make_odd(block);
                block.items.extend(block.items.last().cloned());
            }),
        )
        .convertible(),
        Damage::at(
            Code::SessionTooLarge,
            AT,
            good.agreed(AT, &[1, 2, 3], |block| block.items.push(module_item(vec![7; 16_000_001]))),
        ),
        Damage::of(Code::PendingItemMissing, &pending(3), dropping(vec![pending(2)])),
        Damage::of(Code::PendingItemMissing, &pending(1), dropping(vec![pending(0)])),
        Damage::of(Code::PendingItemMissing, &pending(9), unchanged()).adding(&pending(9), &value),
        Damage::of(
            Code::RecordUndecodable,
            &pending(2),
            good.value(&pending(2), |value| Some(value[1..].to_vec())),
        ),
        Damage::of(Code::RecordUndecodable, &version, good.value(&version, |_| Some(vec![1, 2, 3]))),
        Damage::of(Code::RecordUndecodable, &malformed, unchanged()).adding(&malformed, &[0, 0]),
        Damage::of(Code::RecordUndecodable, &malformed[..1], unchanged())
            .adding(&malformed[..1], b"a row without a number"),
        Damage::of(Code::UnitsBeyondEnd, &[0x05, 0], unchanged())
            .adding(&[0x05, 0], &unit_row(LAST + 2))
            .adding(&[0x05, 1], &unit_row(LAST + 2)),
        Damage::of(Code::UnknownPrefix, &[0x42, 1], unchanged()).adding(&[0x42, 1], &[7]),
    ]
}

/// Returns damages of blocks that hold their own index, number their items, or have a record of the open
/// session.
fn of_blocks(good: &Good) -> Vec<Damage> {
    let mut damages = vec![
        Damage::at(Code::SessionKeyMismatch, AT, good.edit(AT, |block| block.index = Some(AT + 1))),
        Damage::at(
            Code::ItemsUnordered,
            AT,
            good.agreed(AT, &[0, 2, 3], |block| {
                let (first, second) = (block.items[0].position, block.items[1].position);
                (block.items[0].position, block.items[1].position) = (second, first);
            }),
        ),
        Damage::at(
            Code::ItemsUnordered,
            AT,
            good.agreed(AT, &[0, 2, 3], |block| block.items[1].position = block.items[0].position),
        ),
    ];
    let units = [good.layout.units, 13, 0];
    damages.push(Damage::of(Code::UnitsBeyondEnd, &units, unchanged()).adding(&units, &[0]));
    if good.layout.era == Era::C {
        damages.push(Damage::of(Code::SessionPointerWrong, &[0], dropping(vec![vec![0]])));
        for open in [0, LAST, LAST + 2] {
            let value = good.value(&[0], move |_| Some(vec![u8::try_from(open).expect("small")]));
            damages.push(Damage::of(Code::SessionPointerWrong, &[0], value));
        }
    }
    damages
}

/// Does each damage; returns the codes that were found.
#[track_caller]
fn assert_found(good: &Good, damages: Vec<Damage>) -> BTreeSet<Code> {
    let mut found = BTreeSet::new();
    for (number, Damage { code, place, key, change, added, is_converted }) in damages.into_iter().enumerate()
    {
        let guardian = good.damaged(&format!("damaged-{code}-{number}"), change, &added);
        let run = guardian.verify();
        let (name, key) = (format!("{code} {number} of {}", good.layout.name), key.map(hex::encode));
        let matches = |finding: &serde_json::Value| {
            finding["code"] == code.as_str()
                && place.is_none_or(|place| finding["session"] == place)
                && key.as_ref().is_none_or(|key| finding["key"] == *key)
        };
        assert!(
            run.findings().iter().any(matches),
            "{name} at {place:?} {key:?} is not among\n{}",
            run.stdout
        );
        let findings = run.findings();
        let count = |severity: &str| findings.iter().filter(|f| f["severity"] == severity).count();
        let verdict = run.verdict();
        assert_eq!(verdict["errors"], count("error"), "{name}");
        assert_eq!(verdict["warnings"], count("warning"), "{name}");
        assert!(count("error") > 0 || code.severity() < Severity::Error, "{name}");
        // Errors fail, and with `--strict` so do warnings.
        let run = run.exits(i32::from(count("error") > 0));
        if count("error") == 0 {
            let strict = guardian.verify_with(&["--strict"]).exits(i32::from(count("warning") > 0));
            assert_eq!(strict.findings(), run.findings(), "{name}");
        }
        // Errors prevent a conversion, and so do records that the target's server does not know.
        let target = good.sessions.beside("new");
        let run = guardian.convert(&target, &[]);
        let is_warning = code.severity() == Severity::Warning && code != Code::UnknownPrefix;
        if is_converted || is_warning {
            run.exits(0);
            let verdict = guardian.verify_at(&target).verdict();
            assert_eq!((&verdict["errors"], &verdict["source"]), (&json!(0), &json!("migrated directory")));
            std::fs::remove_dir_all(&target).expect("the target");
        } else {
            let run = run.exits(1);
            assert_eq!(run.verdict()["verdict"], "refused", "{name}");
            run.sentence();
            assert!(!target.exists() && !partial_of(&target).exists(), "{name}");
        }
        found.insert(code);
    }
    found
}

#[test]
fn every_code_of_blocks_and_sessions() {
    let mut found = BTreeSet::new();
    for name in ["v0.4", "v0.2"] {
        let good = Good::new(name);
        for damages in [of_records(&good), of_signatures(&good), of_the_index(&good), of_sessions(&good)] {
            found.extend(assert_found(&good, damages));
        }
    }
    for name in ["e91852c61", "fd79b5a6a", "a4177cea3"] {
        let good = Good::new(name);
        for damages in [of_records(&good), of_signatures(&good), of_blocks(&good)] {
            found.extend(assert_found(&good, damages));
        }
    }
    found.extend(units_of_the_old_form());
    for code in SESSION_CODES {
        assert!(found.contains(&code), "{code} was not found");
    }
}

/// Returns the code with which `check` and `convert` say that the open session's units will not be read,
/// unless the target reads them.
fn units_of_the_old_form() -> Option<Code> {
    let good = Good::new("v0.2");
    // A chunk without content: what is in it does not matter.
    let added = [(vec![0x05, 0], vec![0])];
    let guardian = good.damaged("units", unchanged(), &added);
    guardian.verify().exits(0);
    for (run, name) in
        [(guardian.check(&[]), "check"), (guardian.convert(&good.sessions.beside("new"), &[]), "convert")]
    {
        let run = run.exits(0);
        let [finding] = run.findings().try_into().expect("one finding");
        let expected = (Code::UnitsUnreadable.as_str(), "warning", "05");
        let found = (finding["code"].as_str(), finding["severity"].as_str(), finding["key"].as_str());
        assert_eq!(found, (Some(expected.0), Some(expected.1), Some(expected.2)), "{name}");
    }
    assert_eq!(codes(&guardian.check(&["--target-version", "0.3"]).exits(0).findings()), []);
    Some(Code::UnitsUnreadable)
}

/// CVE-2012-2459: one set of valid signatures fits two lists of items. Only the number of items distinguishes
/// them, and that is part of the history root.
#[test]
fn signatures_that_cover_two_lists() {
    let good = Good::new("v0.4");
    let forged = &good.sessions.forged;
    let make = |name: &str, repeated: bool| {
        let forged = forged.clone();
        let edit = good.edit(AT, move |block| {
            make_odd(block);
            forged.sign(AT, block, layout("v0.4"), &[0, 1, 3]);
            // Guardians signed the short list; the long one replaces it.
            if repeated {
                block.items.extend(block.items.last().cloned());
            }
        });
        good.damaged(name, edit, &[])
    };
    // Honest servers leave such a list, so it is not an alarm; the verdict says that signatures do not settle
    // it.
    let forged_guardian = make("forged", true);
    let (signed, forged) = (make("signed", false).verify().exits(0), forged_guardian.verify().exits(0));
    let expected = [(Code::ItemListAmbiguous.as_str().to_owned(), Some(AT))];
    assert_eq!((codes(&signed.findings()), codes(&forged.findings())), (vec![], expected.to_vec()));
    let (signed, forged) = (signed.verdict(), forged.verdict());
    assert_eq!((&signed["signed"], &forged["signed"]), (&json!(SESSIONS), &json!(SESSIONS)));
    assert_ne!(root(&signed), root(&forged));
    assert_eq!((&signed["ambiguous"], &forged["ambiguous"]), (&json!(0), &json!(1)));
    let people = forged_guardian.verify_for_people(&[]).exits(0).stdout;
    assert!(
        people.contains("how often the last items of session 6 were repeated is not under its signatures")
    );
}

/// No server accepts a transaction twice: a list that ends with a repeated one is forged, and nothing from it
/// on is proven.
#[test]
fn a_repeated_transaction_is_an_error() {
    let good = Good::new("v0.4");
    let (forged, transaction) = (good.sessions.forged.clone(), good.transaction());
    let edit = good.edit(AT, move |block| {
        block.items = vec![module_item(vec![4; 9]), module_item(vec![5; 9]), transaction.clone()];
        forged.sign(AT, block, layout("v0.4"), &[0, 1, 3]);
        block.items.push(transaction.clone());
    });
    let guardian = good.damaged("repeated", edit, &[]);
    let run = guardian.verify().exits(1);
    let verdict = run.verdict();
    let reported = run.findings().into_iter().find(|f| f["code"] == Code::ItemListAmbiguous.as_str());
    assert_eq!(reported.expect("it is reported")["severity"], "error", "{}", run.stdout);
    assert_eq!((&verdict["signed"], &verdict["proven_to"]), (&json!(SESSIONS), &json!(AT - 1)));
    assert_eq!((&verdict["intact_to"], &verdict["first_break"]), (&json!(AT - 1), &json!(AT)));
}

/// A flipped bit anywhere in the history or its index is found.
#[test]
fn flipped_bits_of_sessions() {
    for (seed, name) in ["e91852c61", "4946b58de", "v0.4"].into_iter().enumerate() {
        let layout = layout(name);
        let spec = BlockSpec { items: 4, ..BlockSpec::new(layout, 6) };
        let good = Good { sessions: Sessions::new(spec), layout };
        let is_history = |key: &[u8]| key[0] == layout.history || Some(key[0]) == layout.transactions;
        let all: Vec<Row> =
            rows(&good.sessions.database()).into_iter().filter(|(key, _)| is_history(key)).collect();
        let mut random = Random::new(seed as u64);
        for number in 0..20 {
            let (key, value) = all[random.below(all.len())].clone();
            let mut changed = (key.clone(), value);
            // Sometimes in the key; not in the prefix, which would make it a row of another table.
            let in_key = random.below(5) == 0;
            let bytes = if in_key { &mut changed.0[1..] } else { &mut changed.1 };
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
            let added = [changed];
            let guardian = good.damaged(&format!("{name}-{number}"), dropping(vec![key.clone()]), &added);
            let run = guardian.verify();
            assert_eq!(run.exit, 1, "{name}: {} byte {place}\n{}", hex::encode(&key), run.stdout);
            let target = good.sessions.beside("new");
            guardian.convert(&target, &[]).exits(1);
            assert!(!target.exists() && !partial_of(&target).exists(), "{name}");
        }
    }
}

/// Rows in place of units that are not units, of whatever session, are reported as unchecked and do not cast
/// doubt on the history.
#[test]
fn units_of_the_open_session() {
    let good = Good::new("v0.4");
    for sessions in [[LAST + 1; 2], [LAST, LAST], [LAST + 1, LAST + 5], [LAST + 5, LAST + 6]] {
        let added = [(vec![0x05, 0], unit_row(sessions[0])), (vec![0x05, 1], unit_row(sessions[1]))];
        let guardian = good.damaged(&format!("units-{sessions:?}"), unchanged(), &added);
        let found = codes(&guardian.verify().exits(0).findings());
        assert_eq!(found, [(Code::UnitsUnchecked.as_str().to_owned(), None)], "{sessions:?}");
    }
}

/// Assumptions of the damages.
#[test]
fn the_good_histories_are_good() {
    for name in ["v0.4", "v0.2", "e91852c61", "fd79b5a6a", "a4177cea3", "4946b58de"] {
        let good = Good::new(name);
        let run = good.sessions.guardian().verify().exits(0);
        assert_eq!(codes(&run.findings()), [], "{name}");
        let verdict = run.verdict();
        assert_eq!((&verdict["signed"], &verdict["layout"]), (&json!(SESSIONS), &json!(name)), "{name}");
        assert!(good.sessions.forged.transactions > 0 || good.layout.transactions.is_none(), "{name}");
    }
}
