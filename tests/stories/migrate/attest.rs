//! A guardian proves its migrated directory and signs the sessions, or signs nothing.

use std::fs;
use std::path::Path;

use fm_archive::ArchiveReader;
use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_forge::{ForgeSpec, broadcast_secret};
use fm_history::SessionParts;
use fm_tests::{
    Federation, attest, binary, converted, copy_dir, digest, edit_manifest, hbbft, migrate, partial_of,
    rewrite_database, root, rows_under, shell,
};
use serde_json::json;

/// Returns the keys in a configuration, as the guardian who seals sees them.
fn keys_in(config: &Path) -> SessionKeys {
    let text = fs::read_to_string(config).expect("there is a config");
    SessionKeys::new(&ConsensusConfig::parse(&text).expect("a config").broadcast_public_keys).expect("keys")
}

#[test]
fn a_real_guardian_signs_every_session() {
    let home = tempfile::tempdir().expect("a directory");
    let (guardian, dir, out) = (hbbft("peer-2"), home.path().join("new"), home.path().join("of-2"));
    converted(&guardian, &dir);
    let before = digest(&dir);
    let verdict = attest(&dir, &guardian, &out, "fixture").exits(0).verdict();
    assert_eq!(digest(&dir), before, "what is attested is only read");
    assert_eq!((&verdict["verdict"], &verdict["peer"]), (&json!("attested"), &json!(2)));
    assert_eq!(
        (&verdict["sessions"], &verdict["first"], &verdict["last"]),
        (&json!(319), &json!(0), &json!(318))
    );
    let keys = keys_in(&guardian.join("consensus.json"));
    let mut archive = ArchiveReader::open_path(&out).expect("an archive");
    for (name, value) in [
        ("kind", "attestation"),
        ("rule", "1"),
        ("peer", "2"),
        ("history_root", &root(&verdict)),
        ("key_set_tag", &hex::encode(keys.tag().expect("a tag"))),
        ("federation", verdict["federation"].as_str().expect("a federation")),
    ] {
        assert_eq!(archive.metadata().get(name), Some(value), "{name}");
    }
    // By the rule of the servers: BIP340 over SHA-256(tag || header).
    let sessions = rows_under(&dir.join("database"), 0x04);
    let records: Vec<_> = archive.range(&[]).collect::<Result<_, _>>().expect("records");
    assert_eq!(records.len(), sessions.len());
    for (index, ((key, signature), (_, record))) in (0u64..).zip(records.into_iter().zip(sessions)) {
        assert_eq!(key, index.to_be_bytes());
        let header = SessionParts::read(&record).expect("a session").leaf(index).header;
        let signature = signature.try_into().expect("64 bytes");
        assert_eq!(keys.verify(2, &keys.message(&header.to_bytes()), &signature), Ok(()), "session {index}");
    }
    // A second time: the file exists already, and nothing changes.
    let before = digest(home.path());
    assert_eq!(attest(&dir, &guardian, &out, "fixture").exits(0).verdict()["verdict"], "exists");
    assert_eq!(digest(home.path()), before);
}

#[test]
fn a_wrong_password_says_nothing_of_the_content() {
    let home = tempfile::tempdir().expect("a directory");
    let (guardian, dir, out) = (hbbft("peer-0"), home.path().join("new"), home.path().join("of-0"));
    converted(&guardian, &dir);
    for password in ["secret-guess-4711", "", "fix ture", "Fixture"] {
        let run = attest(&dir, &guardian, &out, password).exits(12);
        assert!(run.sentence().contains("wrong password"), "{}", run.stderr);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(password.len() < 10 || !said.contains(password), "{said}");
        assert!(!said.contains("broadcast_secret_key"), "{said}");
        assert!(!out.exists() && !partial_of(&out).exists());
    }
    // password.private lies beside the key, and is not read silently; a password is not an argument either.
    assert!(guardian.join("password.private").exists());
    let run = migrate!("attest", "--dir", dir, "--config", guardian, "--out", out).exits(2);
    assert!(run.sentence().contains("no password, and no terminal"), "{}", run.stderr);
    migrate!("attest", "--dir", dir, "--config", guardian, "--out", out, "--password", "fixture").exits(2);
    // Without its private files, a configuration is not enough.
    let run =
        migrate!("attest", "--dir", dir, "--config", guardian.join("consensus.json"), "--out", out).exits(2);
    assert!(run.stderr.contains("--key-file"), "{}", run.stderr);
}

/// On a terminal the password is asked for, and must not be shown.
#[test]
fn the_password_is_asked_for_without_echo() {
    let home = tempfile::tempdir().expect("a directory");
    let (guardian, dir, out) =
        (home.path().join("guardian"), home.path().join("new"), home.path().join("out"));
    copy_dir(&hbbft("peer-0"), &guardian);
    converted(&guardian, &dir);
    let program = binary("fm-migrate");
    let line = format!(
        "{} attest --dir {} --config {} --out {}",
        program.display(),
        dir.display(),
        guardian.display(),
        out.display()
    );
    let typed = |password: &str| {
        // A wrong password is asked for three times.
        let script = "{ for try in 1 2 3; do sleep 3; echo \"$2\"; done; } | script -qec \"$1\" /dev/null";
        shell(script, &[line.clone().into(), password.into()])
    };
    let run = typed("guess-4711").exits(12);
    assert!(
        run.stdout.contains("Password of the guardian in") && !run.stdout.contains("4711"),
        "{}",
        run.stdout
    );
    let run = typed("fixture").exits(0);
    assert!(run.stdout.contains("Password of the guardian in"), "{}", run.stdout);
    assert!(run.stdout.contains("written:") && !run.stdout.contains("fixture"), "{}", run.stdout);
    assert!(out.exists());
}

#[test]
fn keys_of_nobody_and_of_other_federations() {
    let federation = Federation::small(12);
    let (dir, out) = (federation.beside("new"), federation.beside("out"));
    converted(&federation.guardian(), &dir);
    let key_file = federation.beside("key");
    let with_key = |text: &str| {
        fs::write(&key_file, text).expect("the file can be written");
        migrate!(
            "attest",
            "--dir",
            dir,
            "--config",
            federation.config(),
            "--key-file",
            key_file,
            "--out",
            out
        )
    };
    let fifth = broadcast_secret(federation.spec.seed, 4);
    let run = with_key(&fifth).exits(12);
    assert!(
        run.sentence().contains("none of the guardians") && !run.stderr.contains(&fifth),
        "{}",
        run.stderr
    );
    for text in ["", "12", &"0".repeat(64), &"f".repeat(64), &"zz".repeat(32), &"1".repeat(66)] {
        let run = with_key(text).exits(12);
        assert!(run.sentence().contains("is not a key file"), "{}", run.stderr);
    }
    // The key is that of a guardian of another federation, and so is the configuration.
    let stranger = Federation::new(ForgeSpec { seed: 9, ..federation.spec.clone() });
    let key = stranger.key_file(0);
    let run =
        migrate!("attest", "--dir", dir, "--config", stranger.config(), "--key-file", key, "--out", out)
            .exits(1);
    assert!(run.sentence().contains("is of federation"), "{}", run.stderr);
    // Converted with keys alone, the directory names no federation.
    let plain = federation.beside("plain");
    let keys = federation.beside("keys.json");
    fs::write(&keys, fm_tests::keys_of(&federation.forged.coefficients)).expect("the keys can be written");
    migrate!("convert", "--from", federation.guardian(), "--keys", keys, "--to", plain).exits(0);
    let key = federation.key_file(0);
    let run =
        migrate!("attest", "--dir", plain, "--config", federation.config(), "--key-file", key, "--out", out)
            .exits(1);
    assert!(run.stderr.contains("convert again with --config"), "{}", run.stderr);
    assert!(!out.exists() && !partial_of(&out).exists());
}

#[test]
fn nothing_unproven_is_signed() {
    let federation = Federation::small(20);
    let (dir, out, key) = (federation.beside("new"), federation.beside("out"), federation.key_file(1));
    converted(&federation.guardian(), &dir);
    let refused = |expected: &str, exit: i32| {
        let run = migrate!(
            "attest",
            "--dir",
            dir,
            "--config",
            federation.config(),
            "--key-file",
            key,
            "--out",
            out
        )
        .exits(exit);
        assert!(run.sentence().contains(expected), "{}", run.stderr);
        assert!(!out.exists() && !partial_of(&out).exists());
    };
    edit_manifest(&dir, |manifest| manifest["items"] = json!(1));
    refused("manifest-mismatch", 1);
    fs::remove_dir_all(&dir).expect("the directory");
    converted(&federation.guardian(), &dir);
    edit_manifest(&dir, |manifest| manifest["era"] = json!("E"));
    refused("copied with the signatures that it has: there is nothing to sign", 2);
    fs::remove_dir_all(&dir).expect("the directory");
    converted(&federation.guardian(), &dir);
    let flip = |key: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        if key == [0x04, 7] {
            value[3] ^= 1;
        }
        Some((key.to_vec(), value))
    };
    rewrite_database(&dir, flip, &[]);
    refused("session-differs-from-rule at session 7", 1);
}

#[test]
fn nothing_is_overwritten() {
    let federation = Federation::small(12);
    let (dir, key) = (federation.beside("new"), federation.key_file(1));
    converted(&federation.guardian(), &dir);
    let (out, partial) = (federation.beside("out"), federation.beside("out.partial"));
    let run = |out: &Path| {
        migrate!("attest", "--dir", dir, "--config", federation.config(), "--key-file", key, "--out", out)
    };
    fs::write(&out, "a letter").expect("a file");
    assert!(run(&out).exits(2).sentence().contains("already exists, and is not this"));
    assert_eq!(fs::read(&out).expect("the file"), b"a letter");
    fs::remove_file(&out).expect("the file");
    federation.attestation(&dir, 0, "out");
    let run_again = run(&out).exits(2);
    assert!(run_again.sentence().contains("an attestation of something else"), "{}", run_again.stderr);
    fs::remove_file(&out).expect("the file");
    fs::write(&partial, "somebody's notes").expect("a file");
    assert!(run(&out).exits(2).sentence().contains("was not made by this tool"));
    assert_eq!(fs::read(&partial).expect("the file"), b"somebody's notes");
    fs::remove_file(&partial).expect("the file");
    // The file that an interrupted run leaves is replaced.
    let whole = federation.attestation(&dir, 1, "whole");
    let bytes = fs::read(&whole).expect("the attestation");
    for length in [0, 16, 300] {
        fs::write(&partial, &bytes[..length]).expect("a file");
        run(&out).exits(0);
        assert!(fs::read(&out).expect("the attestation") == bytes && !partial.exists());
        fs::remove_file(&out).expect("the file");
    }
    let run = run(&dir.join("inside")).exits(2);
    assert!(run.sentence().contains("and the source is never written"), "{}", run.stderr);
}
