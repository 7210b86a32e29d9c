//! The signatures of a threshold of guardians are stored with the sessions, or nothing changes.

use std::fs;
use std::path::{Path, PathBuf};

use fm_crypto::parse_secret_key;
use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_forge::{ForgeSpec, broadcast_secret};
use fm_history::SessionParts;
use fm_rows::Row;
use fm_tests::{
    Federation, Random, attest, converted, copy_dir, digest, forge_attestation, hbbft, migrate, rows, seal,
    verify,
};
use serde_json::json;

const SESSIONS: u8 = 0x04;

/// Splits a record into what the guardians agreed on and who signed it.
fn apart(record: &[u8]) -> (&[u8], Vec<u16>) {
    let parts = SessionParts::read(record).expect("a session");
    (&record[..parts.outcome_bytes], parts.signatures.into_keys().collect())
}

/// Compares two databases: all but the signatures is equal, and these peers signed.
#[track_caller]
fn sealed_by(unsealed: &[Row], sealed: &[Row], peers: &[u16]) {
    assert_eq!(unsealed.len(), sealed.len());
    for (before, after) in unsealed.iter().zip(sealed) {
        assert_eq!(before.0, after.0);
        if before.0[0] == SESSIONS {
            assert_eq!(apart(&before.1), (apart(&after.1).0, Vec::new()));
            assert_eq!(apart(&after.1).1, peers);
        } else {
            assert!(before.1 == after.1, "{}", hex::encode(&before.0));
        }
    }
}

#[test]
fn four_real_guardians_seal_in_every_way() {
    let home = tempfile::tempdir().expect("a directory");
    let (mut dirs, mut files): (Vec<PathBuf>, Vec<PathBuf>) = (Vec::new(), Vec::new());
    for peer in 0..4 {
        let guardian = hbbft(&format!("peer-{peer}"));
        dirs.push(home.path().join(format!("new-{peer}")));
        files.push(home.path().join(format!("of-{peer}")));
        converted(&guardian, &dirs[peer]);
        attest(&dirs[peer], &guardian, &files[peer], "fixture").exits(0);
    }
    let config = hbbft("peer-0").join("consensus.json");
    let unsealed = rows(&dirs[0].join("database"));
    let of_three = |missing: usize| -> (Vec<PathBuf>, Vec<u16>) {
        let peers = (0..4u16).filter(|peer| usize::from(*peer) != missing);
        peers.map(|peer| (files[usize::from(peer)].clone(), peer)).unzip()
    };
    let copied = home.path().join("copy");
    let sealed_copy = |files: &[PathBuf], of: &Path| {
        copy_dir(of, &copied);
        let verdict = seal(&copied, &config, files).exits(0).verdict();
        assert_eq!((&verdict["verdict"], &verdict["threshold"]), (&json!("sealed"), &json!(3)));
        let run = verify!(copied, "--config", config, "--json").exits(0);
        assert_eq!((&run.verdict()["verdict"], &run.verdict()["sealed"]), (&json!("sound"), &json!(319)));
        let people = verify!(copied, "--config", config).exits(0).stdout;
        assert!(people.contains("sealed     319 sessions, each signed by 3 of 4 guardians"), "{people}");
        assert!(people.contains("319 signed"), "{people}");
        let rows = rows(&copied.join("database"));
        fs::remove_dir_all(&copied).expect("the copy");
        rows
    };
    for missing in 0..4 {
        let (three, peers) = of_three(missing);
        sealed_by(&unsealed, &sealed_copy(&three, &dirs[0]), &peers);
    }
    // All four, in any order: the three lowest are stored.
    let lowest = sealed_copy(&of_three(3).0, &dirs[0]);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        assert!(sealed_copy(&order.map(|peer| files[peer].clone()), &dirs[0]) == lowest, "{order:?}");
    }
    // Every guardian who seals gets the same sessions.
    let sessions =
        |rows: Vec<Row>| -> Vec<Row> { rows.into_iter().filter(|(key, _)| key[0] == SESSIONS).collect() };
    assert!(sessions(sealed_copy(&files, &dirs[3])) == sessions(lowest));
}

/// A sealed directory can be sealed again, with the same or other attestations, and it can still be attested.
#[test]
fn sealed_again() {
    let federation = Federation::small(40);
    let (dir, config) = (federation.beside("new"), federation.config());
    converted(&federation.guardian(), &dir);
    let files: Vec<_> =
        (0..4).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
    seal(&dir, &config, &files[..3]).exits(0);
    let before = digest(&dir);
    assert_eq!(seal(&dir, &config, &files).exits(0).verdict()["verdict"], "exists");
    assert_eq!(digest(&dir), before, "nothing is written again");
    let other = seal(&dir, &config, &files[1..]).exits(0).verdict();
    assert_eq!((&other["verdict"], &other["peers"]), (&json!("sealed"), &json!([1, 2, 3])));
    assert_ne!(digest(&dir), before);
    verify!(dir, "--config", config).exits(0);
    let again = federation.attestation(&dir, 0, "again");
    assert_eq!(fs::read(&again).expect("the file"), fs::read(&files[0]).expect("the file"));
    // The same conversion finds its own directory, sealed or not; a revert works as well.
    let run = migrate!("convert", "--from", federation.guardian(), "--config", config, "--to", dir).exits(0);
    assert!(run.stdout.contains("was there already"), "{}", run.stdout);
    let keys = federation.beside("session-keys.json");
    let text = fs::read_to_string(&config).expect("the config");
    let public: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    fs::write(&keys, public["broadcast_public_keys"].to_string()).expect("the keys can be written");
    let run = migrate!("seal", "--dir", dir, "--keys", keys, files[0], files[1], files[2]).exits(0);
    assert!(run.stdout.contains("signatures of guardians 0, 1, 2 (3 of 4)"), "{}", run.stdout);
}

/// A directory and the attestations of its four guardians, with what must be refused of them.
struct Ready {
    federation: Federation,
    dir: PathBuf,
    files: Vec<PathBuf>,
    before: String,
}

impl Ready {
    fn new(spec: ForgeSpec) -> Self {
        let federation = Federation::new(spec);
        let dir = federation.beside("new");
        converted(&federation.guardian(), &dir);
        let files =
            (0..4).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect::<Vec<_>>();
        let before = digest(&dir);
        Self { federation, dir, files, before }
    }

    #[track_caller]
    fn refused(&self, files: &[PathBuf], exit: i32, expected: &[&str]) {
        let run = seal(&self.dir, &self.federation.config(), files).exits(exit);
        for text in expected {
            assert!(run.stderr.contains(text), "no {text:?} in {}", run.stderr);
        }
        run.sentence();
        assert_eq!(run.verdict()["verdict"], "refused");
        assert_eq!(digest(&self.dir), self.before, "nothing may change: {}", run.stderr);
    }

    /// Returns the good files, with guardian 1's replaced.
    fn with(&self, other: &Path) -> Vec<PathBuf> {
        vec![self.files[0].clone(), other.to_owned(), self.files[2].clone()]
    }

    /// Replaces guardian 1's file with a forged one.
    fn forged(
        &self,
        name: &str,
        edit: impl Fn(&str, &str) -> String,
        change: impl FnMut(&[u8], &[u8]) -> Option<Row>,
    ) -> Vec<PathBuf> {
        let path = self.federation.beside(name);
        forge_attestation(&self.files[1], &path, edit, change);
        self.with(&path)
    }
}

fn spec(epochs: u64) -> ForgeSpec {
    ForgeSpec { epochs, items_per_epoch: 4, body_bytes: 24, with_shares: false, ..ForgeSpec::default() }
}

fn same(_: &str, value: &str) -> String {
    value.to_owned()
}

fn keep(key: &[u8], value: &[u8]) -> Option<Row> {
    Some((key.to_vec(), value.to_vec()))
}

#[test]
fn too_few_or_the_same_twice() {
    let ready = Ready::new(spec(30));
    let files = &ready.files;
    ready.refused(&files[..2], 2, &["2 attestation(s), and it takes those of 3 guardians"]);
    ready.refused(&[files[0].clone(), files[1].clone(), files[0].clone()], 2, &["both of guardian 0"]);
    ready.refused(&ready.with(&ready.dir.join("manifest.json")), 2, &["is not an attestation"]);
    ready.refused(&ready.with(&ready.dir.join("provenance.fmar")), 2, &["its kind is \"provenance\""]);
    ready.refused(&ready.with(&ready.federation.beside("nowhere")), 3, &["cannot read"]);
}

#[test]
fn every_flipped_bit_is_found_with_its_place() {
    let ready = Ready::new(spec(30));
    let (good, copy) = (fs::read(&ready.files[1]).expect("the file"), ready.federation.beside("flipped"));
    let mut random = Random::new(3);
    for _ in 0..30 {
        let mut bytes = good.clone();
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
        fs::write(&copy, &bytes).expect("the file");
        let run = seal(&ready.dir, &ready.federation.config(), &ready.with(&copy));
        assert!(matches!(run.exit, 1 | 2), "byte {place}: {}", run.stderr);
        assert!(run.sentence().contains("flipped"), "{}", run.stderr);
        assert!(
            run.stderr.contains("bytes") || run.stderr.contains("is not an attestation"),
            "{}",
            run.stderr
        );
    }
    for length in [0, 10, good.len() / 2, good.len() - 1] {
        fs::write(&copy, &good[..length]).expect("the file");
        let run = seal(&ready.dir, &ready.federation.config(), &ready.with(&copy));
        assert!(matches!(run.exit, 1 | 2), "{length} bytes: {}", run.stderr);
    }
    assert_eq!(digest(&ready.dir), ready.before);
}

#[test]
fn files_that_say_or_sign_something_else() {
    let ready = Ready::new(spec(300));
    let sessions = 299u64;
    // One bad signature among many.
    for at in [0, 137, sessions - 1] {
        let flip = |key: &[u8], value: &[u8]| {
            let mut value = value.to_vec();
            value[63] ^= u8::from(key == at.to_be_bytes());
            Some((key.to_vec(), value))
        };
        let files = ready.forged(&format!("bad-{at}"), same, flip);
        let place = format!("bad-{at}: the signature of guardian 1 over session {at} does not verify");
        ready.refused(&files, 1, &[&place]);
    }
    // Fewer signatures than sessions.
    let without = |index: u64| {
        move |key: &[u8], value: &[u8]| (key != index.to_be_bytes()).then(|| (key.to_vec(), value.to_vec()))
    };
    ready.refused(&ready.forged("hole", same, without(5)), 2, &["the signature over session 5"]);
    ready.refused(
        &ready.forged("short", same, without(298)),
        2,
        &["ends before the signature over session 298"],
    );
    let longer = |key: &[u8], value: &[u8]| Some((key.to_vec(), [value, &[0]].concat()));
    ready.refused(&ready.forged("wide", same, longer), 2, &["over session 0 has 65 bytes"]);
    // Headers of the file.
    let saying = |name: &'static str, other: String| {
        let file = format!("says-{name}-{}", other.get(..2).unwrap_or(&other));
        let edit = move |of: &str, value: &str| if of == name { other.clone() } else { value.to_owned() };
        ready.forged(&file, edit, keep)
    };
    ready.refused(&saying("federation", "ab".repeat(48)), 1, &["is of federation"]);
    ready.refused(&saying("key_set_tag", "ab".repeat(32)), 12, &["with the guardians' keys"]);
    ready.refused(&saying("peer", "7".to_owned()), 1, &["there is no such guardian"]);
    ready.refused(&saying("peer", "3".to_owned()), 1, &["guardian 3 over session 0 does not verify"]);
    ready.refused(&saying("peer", "01".to_owned()), 2, &["is not an attestation"]);
    ready.refused(&saying("rule", "2".to_owned()), 2, &["rule 2"]);
    ready.refused(&saying("last", "3".to_owned()), 2, &["is not an attestation"]);
    ready.refused(&saying("history_root", "ab".repeat(32)), 1, &["names the root abab"]);
    // A fifth key signs in the name of guardian 1.
    let text = fs::read_to_string(ready.federation.config()).expect("the config");
    let config = ConsensusConfig::parse(&text).expect("a config");
    let keys = SessionKeys::new(&config.broadcast_public_keys).expect("keys");
    let fifth = parse_secret_key(&broadcast_secret(ready.federation.spec.seed, 4)).expect("a key");
    let records = rows(&ready.dir.join("database"));
    let sessions: Vec<_> = records.iter().filter(|(key, _)| key[0] == SESSIONS).collect();
    let sign = |key: &[u8], _: &[u8]| {
        let index = u64::from_be_bytes(key.try_into().expect("8 bytes"));
        let record = &sessions[usize::try_from(index).expect("small")].1;
        let header = SessionParts::read(record).expect("a session").leaf(index).header;
        Some((key.to_vec(), fifth.sign(&keys.message(&header.to_bytes())).to_vec()))
    };
    ready.refused(&ready.forged("fifth", same, sign), 1, &["guardian 1 over session 0 does not verify"]);
}

#[test]
fn other_federations_and_other_histories() {
    let ready = Ready::new(spec(30));
    let stranger = Ready::new(ForgeSpec { seed: 8, ..spec(30) });
    ready.refused(&ready.with(&stranger.files[1]), 1, &["is of federation"]);
    // The configuration of another federation.
    let run = seal(&ready.dir, &stranger.federation.config(), &ready.files).exits(1);
    assert!(run.sentence().contains("is of federation"), "{}", run.stderr);
    // A database that is not the one that the manifest describes.
    let tampered = ready.federation.beside("tampered");
    copy_dir(&ready.dir, &tampered);
    fm_tests::edit_manifest(&tampered, |manifest| manifest["history_root"] = json!("ab".repeat(32)));
    let run = seal(&tampered, &ready.federation.config(), &ready.files).exits(1);
    assert!(run.sentence().contains("its manifest states 29 with abab"), "{}", run.stderr);
    copy_dir(&ready.dir, &ready.federation.beside("modern"));
    let modern = ready.federation.beside("modern");
    fm_tests::edit_manifest(&modern, |manifest| manifest["era"] = json!("D"));
    let run = seal(&modern, &ready.federation.config(), &ready.files).exits(2);
    assert!(run.sentence().contains("there is nothing to sign"), "{}", run.stderr);
    assert_eq!(digest(&ready.dir), ready.before);
}

/// Guardians whose tips differ are shown which `--until` makes them equal, and it does.
#[test]
fn different_tips() {
    let ready = Ready::new(spec(60));
    let federation = &ready.federation;
    let (guardian, config) = (federation.guardian(), federation.config());
    let shorter = federation.beside("shorter");
    migrate!("convert", "--from", guardian, "--config", guardian, "--to", shorter, "--until", "39").exits(0);
    let of_shorter = federation.attestation(&shorter, 1, "shorter-of-1");
    ready.refused(
        &ready.with(&of_shorter),
        1,
        &["shorter history, sessions 0 to 39", "which ends with session 58", "--until 39"],
    );
    let before = digest(&shorter);
    let files = [of_shorter.clone(), ready.files[0].clone(), ready.files[2].clone()];
    let run = seal(&shorter, &config, &files).exits(1);
    assert!(run.sentence().contains("longer history, up to session 58"), "{}", run.stderr);
    assert!(run.stderr.contains("--until 39"), "{}", run.stderr);
    assert_eq!(digest(&shorter), before);
    // Following the hint, the others convert again up to there.
    let equal: Vec<_> = [0, 2]
        .into_iter()
        .map(|peer| {
            let dir = federation.beside(&format!("until-{peer}"));
            migrate!("convert", "--from", guardian, "--config", guardian, "--to", dir, "--until", "39")
                .exits(0);
            federation.attestation(&dir, peer, &format!("until-of-{peer}"))
        })
        .collect();
    seal(&shorter, &config, &[of_shorter, equal[0].clone(), equal[1].clone()]).exits(0);
    verify!(shorter, "--config", config).exits(0);
}

/// Another history of the same federation, of the same length or not: the first difference is named.
#[test]
fn another_history_is_named_where_it_parts() {
    let ready = Ready::new(spec(60));
    // No honest guardian has it, so its signatures are made by hand.
    let other_from = |fork: u64| {
        move |key: &[u8], value: &[u8]| {
            let index = u64::from_be_bytes(key.try_into().expect("8 bytes"));
            let mut value = value.to_vec();
            value[0] ^= u8::from(index >= fork);
            Some((key.to_vec(), value))
        }
    };
    for fork in [0, 31, 58] {
        let edit = |name: &str, value: &str| match name {
            "history_root" => "cd".repeat(32),
            _ => value.to_owned(),
        };
        let files = ready.forged(&format!("fork-{fork}"), edit, other_from(fork));
        let expected = format!("another history: the first difference is at session {fork}");
        ready.refused(&files, 1, &[&expected, "compare roots by voice"]);
    }
}
