//! The files of real guardians of every version, from their directories and from their backups; and files
//! that are mixed, damaged, or left over from a changed password.

#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use fm_config::{FilesError, GuardianFiles, belongs};
use fm_crypto::{BackupTar, PrivateConfig, open_private_text};
use serde_json::{Value, json};
use tempfile::TempDir;
use zeroize::Zeroizing;

const IROH: &str = "session-v0.13.0-iroh/peer-0";
const TLS: &str = "session-v0.13.0/peer-0";
const SEALED: &str = "session-v0.5.0/peer-0";
const NAMES: [&str; 6] =
    ["consensus.json", "local.json", "private.json", "private.encrypt", "private.salt", "password.private"];

fn fixture(home: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(home)
}

/// Copies the configuration of a guardian into a directory of its own.
fn copy(home: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in NAMES {
        let from = fixture(home).join(name);
        if from.exists() {
            fs::copy(from, copy.path().join(name)).unwrap();
        }
    }
    copy
}

/// Reads all files and checks that they belong together; returns the file of the secrets, and the messages.
fn read(path: &Path, password: Option<&str>) -> Result<(&'static str, Vec<String>), FilesError> {
    let files = GuardianFiles::open(path)?;
    let (consensus, me, found) = (files.consensus()?, files.own_peer()?, files.private(password)?);
    belongs(&consensus, me, &found.config, found.file)?;
    Ok((found.file, found.notes))
}

/// Returns an error and its causes.
#[track_caller]
fn refused(path: &Path, password: Option<&str>) -> String {
    let error = read(path, password).unwrap_err();
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        said = format!("{said}: {source}");
        cause = source.source();
    }
    assert!(!said.contains('\n'), "{said}");
    said
}

fn json_of(home: &TempDir, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(home.path().join(name)).unwrap()).unwrap()
}

fn write(home: &TempDir, name: &str, value: &Value) {
    fs::write(home.path().join(name), value.to_string()).unwrap();
}

fn list(value: Value, count: usize) -> Value {
    vec![value; count].into()
}

fn backup_of(home: &str) -> Vec<u8> {
    let files = NAMES.iter().filter_map(|name| {
        Some(((*name).to_owned(), Zeroizing::new(fs::read(fixture(home).join(name)).ok()?)))
    });
    BackupTar::from_files(files).unwrap().to_bytes().to_vec()
}

#[test]
fn guardians_of_every_version_are_read_from_directory_and_backup() {
    for (home, me, file) in [
        ("hbbft-v0.1.5/peer-2", 2, "private.encrypt"),
        ("aleph-a4177cea3/peer-3", 3, "private.encrypt"),
        ("session-v0.2.0-rc1/peer-1", 1, "private.encrypt"),
        (SEALED, 0, "private.encrypt"),
        (TLS, 0, "private.json"),
        (IROH, 0, "private.json"),
        ("session-v0.13.0-iroh/peer-3", 3, "private.json"),
        ("session-v0.13.0-single/peer-0", 0, "private.json"),
    ] {
        let password = (file == "private.encrypt").then_some("fixture");
        assert_eq!(read(&fixture(home), password).unwrap(), (file, Vec::new()), "{home}");
        let tar = tempfile::tempdir().unwrap();
        let path = tar.path().join("backup");
        fs::write(&path, backup_of(home)).unwrap();
        let (from_directory, from_backup) =
            (GuardianFiles::open(&fixture(home)).unwrap(), GuardianFiles::open(&path).unwrap());
        assert!(from_backup.is_backup() && !from_directory.is_backup());
        for files in [&from_directory, &from_backup] {
            assert_eq!(files.own_peer().unwrap(), me, "{home}");
            assert_eq!(files.needs_password().unwrap(), password.is_some(), "{home}");
            assert_eq!(files.consensus().unwrap(), from_directory.consensus().unwrap());
            let found = files.private(password).unwrap();
            assert_eq!(found.config.secret, from_directory.private(password).unwrap().config.secret);
        }
        if password.is_some() {
            assert!(refused(&path, None).contains("is encrypted, and no password was given"));
            assert!(refused(&path, Some("fixtur")).contains("private.encrypt in "), "{home}");
        }
    }
}

/// Upstream's own code computed these hashes; its interface answers with the other hash.
#[test]
fn hashes_are_those_of_the_servers() {
    for (home, answered) in [
        ("session-v0.13.0", "812d161b23dde3e9b39d8b9e2fb3079ac3b2e6aa0c31e1c7fdf0c3bb47f3dd9e"),
        ("session-v0.13.0-iroh", "0c7c6ba1f10aedb9a0e28e0196c401b886f10a65df11dd57028d4eb46a67edc8"),
        ("session-v0.13.0-single", "8b6c07ce22f2fd83b5a2bf2dd9968d76a1e41d8be40fe0374641f0c4dfdf2b9a"),
    ] {
        let truth = fs::read_to_string(fixture(home).join("truth.json")).unwrap();
        let truth: Value = serde_json::from_str(&truth).unwrap();
        let files = GuardianFiles::open(&fixture(home).join("peer-0")).unwrap();
        let hashes = files.consensus().unwrap().hashes.unwrap();
        assert_eq!(truth["peers"]["peer-0"]["consensus_config_sha256"], hex::encode(hashes.whole), "{home}");
        assert_eq!(hex::encode(hashes.answered), answered, "{home}");
    }
    // Before iroh there was one hash; v0.1 has no hash of this form.
    let hashes = |home: &str| GuardianFiles::open(&fixture(home)).unwrap().consensus().unwrap().hashes;
    let early = hashes(SEALED).unwrap();
    assert_eq!(early.whole, early.answered);
    assert_eq!(hashes("hbbft-v0.1.5/peer-0"), None);
}

#[test]
fn files_of_different_guardians_and_federations_are_told() {
    let mixed = |home: &str, name: &str, from: &str| {
        let copy = copy(home);
        fs::copy(fixture(from).join(name), copy.path().join(name)).unwrap();
        refused(copy.path(), Some("fixture"))
    };
    let peer = "session-v0.13.0/peer-3";
    assert!(
        mixed(TLS, "private.json", peer)
            .contains("private.json holds the key of guardian 3, and not the key of guardian 0")
    );
    assert!(
        mixed(TLS, "local.json", peer).contains("holds the key of guardian 0, and not the key of guardian 3")
    );
    assert!(mixed(TLS, "private.json", IROH).contains("it is of another federation"));
    assert!(mixed(IROH, "private.json", TLS).contains("it is of another federation"));
    assert!(mixed(TLS, "consensus.json", IROH).contains("it is of another federation"));
    assert!(
        mixed("session-v0.13.0/peer-3", "consensus.json", "session-v0.13.0-single/peer-0")
            .contains("local.json says guardian 3, and consensus.json has the keys of 1")
    );
    // The salt of another guardian does not open the file.
    assert!(mixed(SEALED, "private.salt", "session-v0.5.0/peer-1").contains("wrong password"));
    let copy = copy(SEALED);
    for name in ["private.salt", "private.encrypt"] {
        fs::copy(fixture("session-v0.5.0/peer-1").join(name), copy.path().join(name)).unwrap();
    }
    assert!(refused(copy.path(), Some("fixture")).contains("the key of guardian 1, and not"));
}

#[test]
fn a_private_file_with_fields_of_another_type_is_refused_by_the_field() {
    let fields: [(&str, &[Value]); 5] = [
        ("tls_key", &[json!(7), json!([1, 2]), json!("zz"), json!("abc"), json!({}), json!(true)]),
        (
            "iroh_api_sk",
            &[
                json!("00"),
                list(json!(1), 31),
                list(json!(1), 33),
                list(json!(256), 32),
                list(json!(-1), 32),
                list(json!("1"), 32),
                json!({}),
            ],
        ),
        ("iroh_p2p_sk", &[json!(1), json!([]), list(json!(1.5), 32), list(Value::Null, 32), json!(false)]),
        (
            "broadcast_secret_key",
            &[
                json!(null),
                json!(7),
                json!(""),
                json!("ab"),
                list(json!(1), 32),
                json!("zz".repeat(32)),
                json!("0".repeat(64)),
                json!("f".repeat(64)),
            ],
        ),
        (
            "modules",
            &[
                json!(null),
                json!([]),
                json!(7),
                json!({ "x": {} }),
                json!({ "0": {} }),
                json!({ "00": { "kind": "ln" } }),
                json!({ "0": 7 }),
                json!({ "0": { "kind": 7 } }),
            ],
        ),
    ];
    for (field, values) in fields {
        for value in values {
            let home = copy(IROH);
            let mut private = json_of(&home, "private.json");
            private[field] = value.clone();
            write(&home, "private.json", &private);
            let said = refused(home.path(), None);
            assert!(
                said.contains("private.json is not a private configuration: ") && said.contains(field),
                "{value}: {said}"
            );
            // The contents are secret, whatever they are.
            let text = value.as_str().filter(|text| text.len() > 6);
            assert!(text.is_none_or(|text| !said.contains(text)), "{said}");
        }
    }
    for field in ["broadcast_secret_key", "modules"] {
        let home = copy(TLS);
        let mut private = json_of(&home, "private.json");
        private.as_object_mut().unwrap().remove(field);
        write(&home, "private.json", &private);
        assert!(refused(home.path(), None).contains(&format!("it has no {field}")));
    }
    for (text, said) in [
        ("", "is not JSON, at line 1"),
        ("{", "is not JSON"),
        ("[]", "it is not an object"),
        ("{\"a\": 1, \"a\": 2}", "is not JSON"),
        ("7", "it is not an object"),
    ] {
        let home = copy(TLS);
        fs::write(home.path().join("private.json"), text).unwrap();
        assert!(refused(home.path(), None).contains(said), "{text}");
    }
    let home = copy(TLS);
    let text = fs::read(home.path().join("private.json")).unwrap();
    for length in 0..text.len() {
        let error = PrivateConfig::parse(&text[..length]).err().unwrap();
        assert!(error.to_string().contains("is not JSON, at line"), "{length}: {error}");
    }
    fs::write(home.path().join("private.json"), [0xff; 9]).unwrap();
    assert!(refused(home.path(), None).contains("is not JSON"));
}

#[test]
fn a_guardian_without_the_keys_that_it_is_reached_with() {
    let without = |home: &str, field: &str, value: Value| {
        let home = copy(home);
        let mut private = json_of(&home, "private.json");
        private[field] = value;
        write(&home, "private.json", &private);
        refused(home.path(), None)
    };
    for field in ["iroh_api_sk", "iroh_p2p_sk"] {
        let said = without(IROH, field, Value::Null);
        assert!(
            said.contains(&format!("private.json has no {field}")) && said.contains("over iroh"),
            "{said}"
        );
    }
    assert!(
        without(IROH, "iroh_api_sk", list(json!(7), 32))
            .contains("iroh_api_sk in private.json is not the key")
    );
    assert!(without(TLS, "tls_key", Value::Null).contains("has no tls_key"));
    // A guardian that is alone has no links.
    let home = copy("session-v0.13.0-single/peer-0");
    let mut private = json_of(&home, "private.json");
    private.as_object_mut().unwrap().remove("tls_key");
    write(&home, "private.json", &private);
    read(home.path(), None).unwrap();
    // Modules that the federation does not have.
    let kinds = json!({ "0": { "kind": "mint" } });
    assert!(
        without(TLS, "modules", kinds).contains("module 0 is mint in private.json and ln in consensus.json")
    );
    let more = json!({ "77": { "kind": "ln" } });
    assert!(without(TLS, "modules", more).contains("module 77, which consensus.json does not name"));
}

#[test]
fn local_files_that_do_not_say_whose_they_are() {
    let home = copy(TLS);
    for (text, said) in [
        ("", "it is not JSON"),
        ("[]", "it is not an object"),
        ("{}", "it has no identity"),
        ("{\"identity\": \"0\"}", "its identity is not a number"),
        ("{\"identity\": -1}", "its identity is not a number"),
        ("{\"identity\": 65536}", "its identity is not a number"),
        ("{\"identity\": 4}", "local.json says guardian 4"),
    ] {
        fs::write(home.path().join("local.json"), text).unwrap();
        assert!(refused(home.path(), None).contains(said), "{text}");
    }
    for name in ["local.json", "consensus.json"] {
        let home = copy(TLS);
        fs::remove_file(home.path().join(name)).unwrap();
        assert!(refused(home.path(), None).contains(&format!("{name}: ")));
        fs::write(home.path().join(name), [0xff, 0xfe]).unwrap();
        assert!(refused(home.path(), None).contains("is not text"));
        fs::write(home.path().join(name), " ".repeat(5 << 20)).unwrap();
        assert!(refused(home.path(), None).contains("more than"));
        fs::remove_file(home.path().join(name)).unwrap();
        fs::create_dir(home.path().join(name)).unwrap();
        assert!(refused(home.path(), None).contains("it is a directory, not a file"));
    }
    let home = copy(TLS);
    fs::remove_file(home.path().join("private.json")).unwrap();
    assert!(refused(home.path(), None).contains("neither private.json nor private.encrypt"));
    assert!(refused(&home.path().join("nowhere"), None).contains("cannot read"));
    assert!(
        refused(&home.path().join("local.json"), None)
            .contains("neither a guardian's data directory nor its backup")
    );
}

/// Writes a private file under a password, with the existing salt, as servers do.
fn seal(home: &TempDir, name: &str, password: &str, text: &[u8]) {
    let salt = fs::read_to_string(home.path().join("private.salt")).unwrap();
    let mut key = [0; 32];
    let params = Params::new(19_456, 2, 1, Some(32)).unwrap();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.as_bytes(), salt.as_bytes(), &mut key).unwrap();
    let nonce = [7; 12];
    let sealed = ChaCha20Poly1305::new(&Key::from(key)).encrypt(&Nonce::from(nonce), text).unwrap();
    fs::write(home.path().join(name), format!("{}{}", hex::encode(nonce), hex::encode(sealed))).unwrap();
}

/// Returns the plain text of a guardian's secrets with another password in it.
fn opened(home: &TempDir) -> Value {
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    let text = open_private_text(&read("private.encrypt"), &read("private.salt"), "fixture").unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn with_auth(home: &TempDir, password: &str) -> Vec<u8> {
    let mut private = opened(home);
    private["api_auth"] = json!(password);
    private.to_string().into_bytes()
}

/// Every point at which a server of v0.9 to v0.11 can be killed while its password is changed from `fixture`
/// to `new`.
#[test]
fn a_change_of_the_password_that_was_interrupted() {
    let home = copy(SEALED);
    let at = |name: &str| home.path().join(name);
    let new = with_auth(&home, "new");
    let read_with = |password: &str| read(home.path(), Some(password));
    let auth = |password: &str| {
        let files = GuardianFiles::open(home.path()).unwrap();
        files.private(Some(password)).unwrap().config.api_auth.unwrap().to_string()
    };
    // The copies have been made.
    fs::copy(at("private.encrypt"), at("private.bak")).unwrap();
    let (file, notes) = read_with("fixture").unwrap();
    assert_eq!(file, "private.encrypt");
    assert!(notes[0].contains("private.bak: nothing was changed in it"), "{notes:?}");
    // The new file is half written, then whole.
    seal(&home, "private.new", "new", &new);
    let whole = fs::read_to_string(at("private.new")).unwrap();
    for length in [0, 1, 30, whole.len() / 2, whole.len() - 1] {
        fs::write(at("private.new"), &whole[..length]).unwrap();
        let (file, notes) = read_with("fixture").unwrap();
        assert_eq!(file, "private.encrypt");
        assert!(notes[0].contains("left private.new: this password is the old one"), "{notes:?}");
        let said = refused(home.path(), Some("new"));
        assert!(
            said.contains("wrong password")
                && said.contains("the one in password.private opens private.encrypt"),
            "{said}"
        );
    }
    fs::write(at("private.new"), &whole).unwrap();
    let (file, notes) = read_with("new").unwrap();
    assert_eq!((file, auth("new")), ("private.new", "new".to_owned()));
    assert!(
        notes[0].contains("this password is the new one") && notes[0].contains("continues with the new one"),
        "{notes:?}"
    );
    let (file, notes) = read_with("fixture").unwrap();
    assert_eq!((file, auth("fixture")), ("private.encrypt", "fixture".to_owned()));
    assert!(notes[0].contains("this password is the old one"), "{notes:?}");
    // The new file is in place; the password's file is not yet, or was removed by the next start.
    fs::rename(at("private.new"), at("private.encrypt")).unwrap();
    fs::write(at("password.new"), "new\n").unwrap();
    assert_eq!(read_with("new").unwrap().0, "private.encrypt");
    let (file, notes) = read_with("fixture").unwrap();
    assert_eq!(file, "private.bak");
    assert!(notes[0].contains("this password is the one before"), "{notes:?}");
    let said = refused(home.path(), Some("neither"));
    assert!(
        said.contains("nor does it open private.bak")
            && said.contains("the one in password.private opens private.bak"),
        "{said}"
    );
    // The server was started: no leftover remains.
    fs::remove_file(at("private.bak")).unwrap();
    assert_eq!(read_with("new").unwrap(), ("private.encrypt", Vec::new()));
    let said = refused(home.path(), Some("fixture"));
    assert!(said.contains("the one in password.new opens private.encrypt"), "{said}");
    // Only a copy is left, and a copy of another guardian.
    fs::rename(at("private.encrypt"), at("private.bak")).unwrap();
    assert_eq!(read_with("new").unwrap().0, "private.bak");
    let mut other = opened(&copy("session-v0.5.0/peer-1"));
    other["api_auth"] = json!("new");
    seal(&home, "private.encrypt", "new", other.to_string().as_bytes());
    assert!(
        refused(home.path(), Some("new")).contains("private.encrypt and private.bak hold different keys")
    );
}

/// Servers from v0.12 on read the unencrypted file, whatever else exists.
#[test]
fn the_file_in_clear_comes_first() {
    let home = copy(TLS);
    fs::write(home.path().join("private.encrypt"), "garbage").unwrap();
    let (file, notes) = read(home.path(), Some("any")).unwrap();
    assert_eq!(file, "private.json");
    assert!(notes[0].contains("private.encrypt is there as well"), "{notes:?}");
}

#[test]
fn backups_that_are_none() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("backup.tar");
    for fixture in [SEALED, TLS] {
        let whole = backup_of(fixture);
        for length in (1..600).chain((600..whole.len()).step_by(101)) {
            fs::write(&path, &whole[..length]).unwrap();
            let said = refused(&path, None);
            assert!(said.contains("is not a guardian's whole backup: it is cut short"), "{length}: {said}");
        }
    }
    fs::write(&path, "").unwrap();
    assert!(refused(&path, None).contains("neither a guardian's data directory nor its backup"));
    let mut large = backup_of(TLS);
    large.resize(17 << 20, 0);
    fs::write(&path, &large).unwrap();
    assert!(refused(&path, None).contains("more than 16777216 bytes"));
    // Consistent, but of two guardians.
    let mut files: Vec<(String, Zeroizing<Vec<u8>>)> = Vec::new();
    for (name, home) in
        [("consensus.json", TLS), ("local.json", TLS), ("private.json", "session-v0.13.0/peer-3")]
    {
        files.push((name.to_owned(), Zeroizing::new(fs::read(fixture(home).join(name)).unwrap())));
    }
    fs::write(&path, &*BackupTar::from_files(files).unwrap().to_bytes()).unwrap();
    assert!(refused(&path, None).contains("the key of guardian 3, and not the key of guardian 0"));
}

#[test]
fn secrets_that_others_may_read_are_told_once() {
    let home = copy(TLS);
    let outer = home.path().parent().unwrap().to_owned();
    let can_enter = outer.ancestors().all(|path| fs::metadata(path).unwrap().permissions().mode() & 1 == 1);
    assert!(can_enter, "{} is closed to others, so nothing can be shown here", outer.display());
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let private = home.path().join("private.json");
    let exposed = |path: &Path| GuardianFiles::open(path).unwrap().exposed().unwrap();
    mode(&private, 0o644);
    mode(home.path(), 0o700);
    assert_eq!(exposed(home.path()), None, "nobody else gets into the directory");
    mode(home.path(), 0o755);
    let said = exposed(home.path()).unwrap();
    assert!(said.contains("every user of this system may read") && said.contains("private.json"), "{said}");
    mode(&private, 0o640);
    assert_eq!(exposed(home.path()), None);
    for name in ["password.private", "private.json"] {
        fs::write(home.path().join(name), "x").unwrap();
        mode(&home.path().join(name), 0o604);
    }
    let said = exposed(home.path()).unwrap();
    assert!(said.contains("private.json and password.private, which are secrets"), "{said}");
    // A backup is secret if its keys are unencrypted.
    for (fixture, is_secret) in [(TLS, true), (SEALED, false)] {
        let tar = home.path().join("backup.tar");
        fs::write(&tar, backup_of(fixture)).unwrap();
        mode(&tar, 0o644);
        assert_eq!(exposed(&tar).is_some(), is_secret);
    }
}
