//! Encrypted archives: only the recipients read them, everything works on them, and damage is told.

use std::fs;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use fm_tests::{checkpoint, fixture, flipped, partial_of, rows};

fn peer() -> PathBuf {
    fixture("session-v0.5.0/peer-0")
}

/// A new key: the file with the secret, and the public key.
fn key(home: &Path, name: &str) -> (PathBuf, String) {
    let identity = Identity::generate();
    let path = home.join(name);
    let public = identity.to_public().to_string();
    let text = format!("# public key: {public}\n{}\n", identity.to_string().expose_secret());
    fs::write(&path, text).expect("it can be written");
    (path, public)
}

#[test]
fn recipients_read_it_and_nobody_else() {
    let home = tempfile::tempdir().expect("a directory");
    let path = |name: &str| home.path().join(name);
    let ((first, first_public), (second, second_public)) = (key(home.path(), "k1"), key(home.path(), "k2"));
    let (stranger, _) = key(home.path(), "k3");
    let (plain, archive) = (path("plain.fmar"), path("a.fmar.age"));
    let open = checkpoint!("export", peer(), "--to", plain, "--json").exits(0).verdict();
    let both = ["--recipient", &first_public, "--recipient", &second_public];
    let words = checkpoint!("export", peer(), "--to", archive, both[0], both[1], both[2], both[3], "--json");
    let closed = words.exits(0).verdict();
    assert_eq!(closed["identity"], open["identity"]);
    let bytes = fs::read(&archive).expect("it is there");
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    assert!(!bytes.windows(8).any(|window| window == b"FMARHEAD" || window == b"FMAREND1"));
    for secret in [&first, &second] {
        let verified = checkpoint!("verify", archive, "--identity", secret, "--config", peer(), "--json");
        assert_eq!(verified.exits(0).verdict()["identity"], open["identity"]);
    }
    let back = path("back");
    checkpoint!("import", archive, "--identity", first, "--to", back).exits(0);
    assert!(rows(&back.join("database")) == rows(&peer().join("database")));
    let session =
        |archive: &Path| checkpoint!("get", archive, "--identity", first, "--session", "9").exits(0).stdout;
    assert_eq!(session(&archive), session(&plain));
    checkpoint!("compare", archive, plain, "--identity", second).exits(0);
    let inspected = checkpoint!("inspect", archive, "--identity", second, "--json").exits(0).verdict();
    assert_eq!(inspected["identity"], open["identity"]);
    let increment = path("increment");
    let run =
        checkpoint!("export", peer(), "--since", archive, "--identity", first, "--to", increment, "--json");
    assert_eq!(run.exits(0).verdict()["records"], 0);
    for command in ["inspect", "verify", "cat"] {
        let run = checkpoint!(command, archive).exits(12);
        assert!(run.sentence().contains("is encrypted"), "{}", run.stderr);
        let run = checkpoint!(command, archive, "--identity", stranger).exits(12);
        assert!(run.sentence().contains("to other keys than those given"), "{}", run.stderr);
    }
    checkpoint!("import", archive, "--to", path("no")).exits(12);
    assert!(!path("no").exists());
    let exists = checkpoint!("export", peer(), "--to", archive, "--recipient", first_public).exits(2);
    assert!(exists.sentence().contains("is there already and is something else"), "{}", exists.stderr);
}

#[test]
fn keys_of_the_wrong_kind_are_refused_and_not_repeated() {
    let home = tempfile::tempdir().expect("a directory");
    let (secret, public) = key(home.path(), "key");
    let text = fs::read_to_string(&secret).expect("it is there");
    let key = text.lines().nth(1).expect("a key");
    let target = home.path().join("a");
    let run = checkpoint!("export", peer(), "--to", target, "--recipient", key).exits(2);
    assert!(
        run.sentence().contains("a secret key is no public key") && !run.stderr.contains(key),
        "{}",
        run.stderr
    );
    checkpoint!("export", peer(), "--to", target, "--recipient", "age1nothing").exits(2);
    assert!(!target.exists() && !partial_of(&target).exists());
    checkpoint!("export", peer(), "--to", target, "--recipient", public).exits(0);
    let broken = home.path().join("broken");
    fs::write(&broken, format!("{key}x\n")).expect("it can be written");
    let run = checkpoint!("verify", target, "--identity", broken).exits(12);
    assert!(!run.stderr.contains(key), "{}", run.stderr);
}

#[test]
fn a_damaged_or_cut_one_is_told() {
    let home = tempfile::tempdir().expect("a directory");
    let (secret, public) = key(home.path(), "key");
    let (archive, changed) = (home.path().join("a"), home.path().join("changed"));
    checkpoint!("export", peer(), "--to", archive, "--recipient", public, "--profile", "headers").exits(0);
    let length = fs::metadata(&archive).expect("it is there").len();
    for at in (0..length).step_by(89) {
        flipped(&archive, &changed, at, 1);
        let run = checkpoint!("verify", changed, "--identity", secret);
        assert!(matches!(run.exit, 1 | 3 | 12), "byte {at}: {} {}{}", run.exit, run.stdout, run.stderr);
        assert!(!run.stderr.contains("panicked"), "byte {at}: {}", run.stderr);
    }
    let bytes = fs::read(&archive).expect("it is there");
    for cut in [1, 2, 40, 300, length - 10, length - 1] {
        let rest = bytes.len() - usize::try_from(cut).expect("small");
        fs::write(&changed, &bytes[..rest]).expect("it can be written");
        let run = checkpoint!("verify", changed, "--identity", secret);
        assert!(matches!(run.exit, 1 | 3), "{cut} bytes less: {} {}", run.exit, run.stderr);
    }
}
