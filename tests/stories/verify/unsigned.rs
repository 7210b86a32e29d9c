//! What signatures prove, and what they do not: histories that nobody signed, tips after the last signature,
//! and signatures that were removed or spoilt.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fm_eras::hbbft::{Table, decode_epoch, encode_epoch, epoch_key};
use fm_forge::ForgeSpec;
use fm_forge::damage::{rewrite, rewrite_and_add};
use fm_history::{Contribution, Epoch, EpochItem};
use fm_tests::{Federation, codes, converted, migrate, partial_of, root, rows, verify};
use serde_json::Value;

/// Makes a history in which every epoch except the tip is signed.
fn signed(epochs: u64, tip: u64) -> Federation {
    Federation::new(ForgeSpec { epochs, tip, items_per_epoch: 4, gap_every: 0, ..ForgeSpec::default() })
}

/// Copies the database with each epoch as `edit` makes it; none drops the epoch.
fn with_epochs(federation: &Federation, name: &str, edit: impl Fn(Epoch) -> Option<Epoch>) -> PathBuf {
    let (copy, layout) = (federation.beside(name), federation.spec.layout);
    let change = |key: &[u8], value: &[u8]| {
        if key[0] != Table::SignedEpochOutcome.prefix() {
            return Some((key.to_vec(), value.to_vec()));
        }
        let epoch = edit(decode_epoch(value, &layout).expect("a good epoch"))?;
        Some((key.to_vec(), encode_epoch(&epoch, layout.dialect).expect("an epoch")))
    };
    rewrite(&federation.database(), &copy, change).expect("a copy");
    copy
}

/// Makes a copy without the signatures of some epochs.
fn without_signatures(federation: &Federation, name: &str, epochs: &'static [u64]) -> PathBuf {
    with_epochs(federation, name, |mut epoch| {
        epoch.signature = epoch.signature.filter(|_| !epochs.contains(&epoch.number));
        Some(epoch)
    })
}

/// Returns the epoch of each finding of a kind.
fn places(findings: &[Value], wanted: &str) -> Vec<u64> {
    let found = codes(findings).into_iter().filter(|(code, _)| code == wanted);
    found.filter_map(|(_, epoch)| epoch).collect()
}

/// Returns the line of people's output that begins with a word.
fn line<'a>(stdout: &'a str, word: &str) -> &'a str {
    let line = stdout.lines().find(|line| line.starts_with(word));
    line.unwrap_or_else(|| panic!("no line {word} in\n{stdout}"))
}

/// Every epoch, its hash, its link, the pointer and the index are right; there is no signature anywhere.
#[test]
fn a_history_without_any_signature_is_not_sound() {
    let federation = Federation::new(ForgeSpec { epochs: 6, tip: 6, ..ForgeSpec::default() });
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let with_keys = verify!(guardian, "--config", guardian, "--json").exits(1);
    assert_eq!(
        codes(&with_keys.findings()),
        [("epoch-tip".to_owned(), Some(0)), ("epoch-unproven".to_owned(), None)]
    );
    assert_eq!(with_keys.verdict()["verdict"], "findings");
    assert_eq!(with_keys.verdict()["history_root"], serde_json::Value::Null);
    let without = verify!(guardian, "--json").exits(1);
    assert_eq!(without.verdict()["verdict"], "findings");
    let run = migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(1);
    assert!(run.stderr.contains("no epoch is signed"), "{}", run.stderr);
    assert!(!target.exists() && !partial_of(&target).exists());
}

/// One signature is enough to prove what it covers; the tip after it stays unproven and outside the root, and
/// is reported as such, whatever its length.
#[test]
fn the_root_ends_where_the_signatures_do() {
    for tip in [1, 2, 4, 40] {
        let federation = signed(5 + tip, tip);
        let guardian = federation.guardian();
        let exit = i32::from(tip > 1);
        let run = verify!(guardian, "--config", guardian, "--json").exits(0);
        let verdict = run.verdict();
        assert_eq!(
            (&verdict["signed"], &verdict["tip"], &verdict["last"], &verdict["proven_to"]),
            (&5.into(), &tip.into(), &4.into(), &4.into())
        );
        assert_eq!((&verdict["sessions"], &verdict["errors"]), (&5.into(), &0.into()));
        assert_eq!(codes(&run.findings()), [("epoch-tip".to_owned(), Some(5))]);
        assert_eq!(run.findings()[0]["severity"], if tip > 1 { "warning" } else { "info" });
        let expected = match tip {
            1 => "SOUND up to epoch 4; epoch 5 and module data are this guardian's own word".to_owned(),
            _ => format!(
                "FINDINGS: 0 error(s), 1 warning(s); proven up to epoch 4; epochs 5 to {} and module data are this \
                 guardian's own word",
                4 + tip
            ),
        };
        let people = verify!(guardian, "--config", guardian, "--strict").exits(exit).stdout;
        assert_eq!(line(&people, "verdict"), format!("verdict    {expected}"));
        assert!(!line(&people, "root").contains("NOT PROVEN"), "{people}");
        let lenient = verify!(guardian, "--config", guardian).exits(0).stdout;
        let warned = if tip > 1 { "; 1 warning(s)" } else { "" };
        let scope = expected.split("up to").nth(1).expect("how far it is proven");
        assert_eq!(line(&lenient, "verdict"), format!("verdict    SOUND up to{scope}{warned}"));
        // A conversion succeeds, ends at the last signed epoch, and says what it proves and what it does not.
        let check = migrate!("check", "--from", guardian, "--config", guardian).exits(0).stdout;
        assert_eq!(line(&check, "proven"), "proven     5 epochs: 5 signed, 0 covered by later signatures");
        assert!(
            line(&check, "not proven").starts_with(&format!("not proven {tip} newest epoch(s)")),
            "{check}"
        );
        assert!(line(&check, "compare").contains("(4)"), "{check}");
        let target = federation.beside("new");
        let convert = migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(0);
        assert_eq!(line(&convert.stdout, "compare"), line(&check, "compare"));
        let migrated = verify!(target, "--config", guardian, "--json").exits(0).verdict();
        assert_eq!((&migrated["proven_to"], &migrated["errors"]), (&4.into(), &0.into()));
    }
}

/// Covered epochs are proven like signed ones.
#[test]
fn what_a_later_signature_covers_is_proven() {
    let spec = ForgeSpec { epochs: 21, sign_every: 5, gap_every: 0, ..ForgeSpec::default() };
    let federation = Federation::new(spec);
    let guardian = federation.guardian();
    let (signed, covered) = (federation.forged.signed, federation.forged.covered);
    assert!(covered > 0);
    let check = migrate!("check", "--from", guardian, "--config", guardian).exits(0).stdout;
    let expected = format!("proven     20 epochs: {signed} signed, {covered} covered by later signatures");
    assert_eq!(line(&check, "proven"), expected);
}

/// A history that ends on a signed epoch has no tip to report.
#[test]
fn without_a_tip_nothing_is_said_of_one() {
    let spec = ForgeSpec { epochs: 12, items_per_epoch: 0, gap_every: 0, ..ForgeSpec::default() };
    let federation = Federation::new(spec);
    let (copy, layout) = (federation.beside("copy"), federation.spec.layout);
    let change = |key: &[u8], value: &[u8]| {
        let value = if key == [Table::LastEpoch.prefix()] { vec![10] } else { value.to_vec() };
        (key != epoch_key(11, layout.dialect)).then(|| (key.to_vec(), value))
    };
    rewrite(&federation.database(), &copy, change).expect("a copy");
    let run = verify!(copy, "--config", federation.config()).exits(0);
    let expected =
        "verdict    SOUND up to epoch 10; that it ends there and module data are this guardian's own word";
    assert_eq!(line(&run.stdout, "verdict"), expected);
    let check = migrate!("check", "--from", copy, "--config", federation.config()).exits(0);
    assert!(!check.stdout.contains("not proven"), "{}", check.stdout);
}

/// Without keys, nothing is proven.
#[test]
fn without_keys_no_epoch_is_named_as_proven() {
    let federation = signed(6, 1);
    let verdict = verify!(federation.guardian(), "--json").exits(4).verdict();
    assert_eq!(verdict["proven_to"], Value::Null);
}

/// A guardian who removes the newest signatures does not choose where a conversion ends: the shares reveal
/// it.
#[test]
fn signatures_stripped_from_the_end_do_not_move_it() {
    let federation = signed(30, 1);
    let config = federation.config();
    let stripped = without_signatures(&federation, "stripped", &[26, 27, 28]);
    let run = verify!(stripped, "--config", config, "--json").exits(1);
    assert_eq!(places(&run.findings(), "share-signature-missing"), [26, 27, 28]);
    let target = federation.beside("new");
    for run in [
        migrate!("check", "--from", stripped, "--config", config, "--json"),
        migrate!("convert", "--from", stripped, "--config", config, "--to", target, "--json"),
    ] {
        let run = run.exits(1);
        let sentence = run.sentence();
        assert!(
            sentence.contains("lost the signature of epoch 28") && sentence.contains("epoch 25"),
            "{sentence}"
        );
        assert!(
            run.stderr.contains("--until 25") && run.stderr.contains("another guardian"),
            "{}",
            run.stderr
        );
        assert_eq!(places(&run.findings(), "share-signature-missing"), [26, 27, 28]);
        assert_eq!(run.verdict()["verdict"], "refused");
        assert!(!target.exists() && !partial_of(&target).exists());
    }
    // If the end is named by hand, a conversion ends there, for this guardian as for every other.
    let until = |from: &Path, name: &str| {
        let to = federation.beside(name);
        let run =
            migrate!("convert", "--from", from, "--config", config, "--until", "25", "--to", to, "--json");
        root(&run.exits(0).verdict())
    };
    assert_eq!(until(&stripped, "short"), until(&federation.guardian(), "honest"));
}

/// In the middle, a lost signature changes nothing: the epoch is covered, and the root is that of all
/// guardians.
#[test]
fn a_signature_lost_in_the_middle_changes_no_root() {
    let federation = signed(30, 1);
    let config = federation.config();
    let honest = root(&converted(&federation.guardian(), &federation.beside("honest")));
    let lost = without_signatures(&federation, "lost", &[12, 27]);
    let target = federation.beside("new");
    let run = migrate!("convert", "--from", lost, "--config", config, "--to", target, "--json").exits(0);
    assert_eq!(root(&run.verdict()), honest);
    assert_eq!((&run.verdict()["signed"], &run.verdict()["covered"]), (&27.into(), &2.into()));
    assert_eq!(codes(&run.findings()), [("epoch-tip".to_owned(), Some(29))]);
}

/// A tip whose shares are too few for a signature is a tip, however long.
#[test]
fn too_few_shares_are_no_lost_signature() {
    let federation = signed(12, 6);
    let run = migrate!("check", "--from", federation.guardian(), "--config", federation.config(), "--json");
    assert_eq!(run.exits(0).verdict()["last"], 5);
}

/// A record with thousands of shares costs no more than one with a share of every guardian.
#[test]
fn a_flood_of_shares_is_not_looked_at() {
    let federation = signed(12, 2);
    let share = decode_of(&federation, 3).signature.expect("it is signed");
    let flooded = with_epochs(&federation, "flooded", |mut epoch| {
        if epoch.number == 11 {
            let items = vec![EpochItem::EpochOutcomeSignatureShare(Box::new(share))];
            let contribution = |peer| Contribution { peer, items: items.clone() };
            epoch.content.as_mut().expect("framed").contributions = (0..30_000).map(contribution).collect();
        }
        Some(epoch)
    });
    let start = Instant::now();
    let run = verify!(flooded, "--config", federation.config(), "--json").exits(1);
    assert_eq!(places(&run.findings(), "epoch-hash-mismatch"), [11]);
    assert!(start.elapsed() < Duration::from_secs(60), "one check for each takes three minutes");
}

/// Spoilt signatures wherever an audit looks first are not taken for keys of another federation.
#[test]
fn damage_at_the_first_places_looked_at_is_damage() {
    let federation = signed(98, 1);
    let other = decode_of(&federation, 50).signature;
    let spoilt: Vec<u64> = (0..8).map(|part| 97 * part / 8).collect();
    let copy = with_epochs(&federation, "copy", |mut epoch| {
        if spoilt.contains(&epoch.number) {
            epoch.signature = other;
        }
        Some(epoch)
    });
    let run = verify!(copy, "--config", federation.config(), "--json").exits(1);
    assert_eq!(places(&run.findings(), "epoch-signature-invalid"), spoilt);
    assert!(!codes(&run.findings()).contains(&("wrong-keys".to_owned(), None)), "{}", run.stdout);
}

/// If no signature holds, that is reported first and once; everything else is still checked.
#[test]
fn signatures_that_all_fail_hide_no_other_damage() {
    let federation = signed(40, 1);
    let stranger = Federation::new(ForgeSpec { seed: 77, epochs: 3, ..ForgeSpec::default() });
    let other = decode_of(&federation, 20).signature;
    let damaged = with_epochs(&federation, "damaged", |mut epoch| {
        epoch.signature = other.filter(|_| epoch.signature.is_some());
        epoch.stored_hash.0[0] ^= u8::from(epoch.number == 20);
        (epoch.number != 10).then_some(epoch)
    });
    for config in [federation.config(), stranger.config()] {
        let run = verify!(damaged, "--config", config, "--json").exits(1);
        let findings = run.findings();
        assert_eq!(findings[0]["code"], "wrong-keys");
        let message = findings[0]["message"].as_str().expect("a text");
        assert!(message.contains("another federation") && message.contains("damaged"), "{message}");
        assert_eq!(places(&findings, "epoch-missing"), [10]);
        assert_eq!(places(&findings, "epoch-hash-mismatch"), [20]);
        assert!(codes(&findings).iter().any(|(code, _)| code == "transaction-index-extra"), "{}", run.stdout);
        assert!(!findings.iter().any(|finding| finding["code"].as_str() == Some("epoch-signature-invalid")));
        let verdict = run.verdict();
        assert_eq!((&verdict["verdict"], &verdict["signed"]), (&"findings".into(), &0.into()));
        assert_eq!((&verdict["unchecked_signatures"], &verdict["proven_to"]), (&38.into(), &Value::Null));
        let people = verify!(damaged, "--config", config).exits(1).stdout;
        assert!(people.starts_with("error   wrong-keys"), "{people}");
        assert!(line(&people, "epochs").contains("none of them checked"), "{people}");
        let target = federation.beside("new");
        for run in [
            migrate!("check", "--from", damaged, "--config", config),
            migrate!("convert", "--from", damaged, "--config", config, "--to", target, "--until", "5"),
        ] {
            let run = run.exits(1);
            assert!(run.sentence().contains("the first: wrong-keys"), "{}", run.stderr);
            assert!(!target.exists() && !partial_of(&target).exists());
        }
    }
}

/// `inspect` counts the epochs that are there, not the numbers that they claim.
#[test]
fn a_tip_is_counted_in_epochs() {
    let federation = signed(12, 3);
    let (copy, layout) = (federation.beside("copy"), federation.spec.layout);
    let far = Epoch { number: u64::MAX, ..decode_of(&federation, 11) };
    let value = encode_epoch(&far, layout.dialect).expect("an epoch");
    let change = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
    let added = [(epoch_key(u64::MAX, layout.dialect), value)];
    rewrite_and_add(&federation.database(), &copy, change, &added).expect("a copy");
    for (database, tip) in [(federation.database(), 3), (copy, 4)] {
        let [inspection] =
            migrate!("inspect", database, "--json").exits(0).json().try_into().expect("one object");
        assert_eq!((&inspection["tip"], &inspection["last_with_signature"]), (&tip.into(), &8.into()));
        let people = migrate!("inspect", database).exits(0).stdout;
        assert_eq!(line(&people, "tip"), format!("tip        {tip} newest epoch(s) without a signature"));
    }
}

fn decode_of(federation: &Federation, number: u64) -> Epoch {
    let layout = federation.spec.layout;
    let key = epoch_key(number, layout.dialect);
    let row = rows(&federation.database()).into_iter().find(|(stored, _)| *stored == key);
    decode_epoch(&row.expect("the epoch").1, &layout).expect("a good epoch")
}
