//! Encrypted archives: only the recipients read them, every command works on them, and damage is reported.

use std::fs;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use fm_tests::{Run, checkpoint, fixture, flipped, partial_of, records_of, rows};

fn peer() -> PathBuf {
    fixture("session-v0.5.0/peer-0")
}

/// Makes a new key: the file with the secret, and the public key.
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
        run.sentence().contains("a secret key is not a public key") && !run.stderr.contains(key),
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

/// Three copies of an encrypted archive of several chunks, each damaged at another place.
#[test]
fn damaged_copies_of_an_encrypted_one_are_joined() {
    let home = tempfile::tempdir().expect("a directory");
    let path = |name: &str| home.path().join(name);
    let (secret, public) = key(home.path(), "key");
    let (archive, plain) = (path("a"), path("plain"));
    let layout = fm_eras::session::modern();
    let spec = fm_forge::BlockSpec { items: 30, body_bytes: 400, ..fm_forge::BlockSpec::new(layout, 300) };
    fm_forge::forge_blocks(&spec, &path("large")).expect("the history is forged");
    let source = path("large").join("database");
    checkpoint!("export", source, "--to", plain).exits(0);
    checkpoint!("export", source, "--to", archive, "--recipient", public).exits(0);
    let length = fs::metadata(&archive).expect("it is there").len();
    assert!(length > 30 * 65_552, "{length}");
    let damaged = |name: &str, places: &[u64]| {
        fs::copy(&archive, path(name)).expect("a copy");
        places.iter().for_each(|at| flipped(&path(name), &path(name), *at, 1));
    };
    // One bad byte in the middle costs the frames there, and none after them.
    damaged("middle", &[length / 2]);
    let lost = checkpoint!("repair", path("middle"), "--identity", secret, "--json").exits(1).verdict();
    assert_eq!(lost["verdict"], "lost");
    let records = lost["lost_records"].as_u64().expect("a number");
    let all = records_of(&plain);
    println!("{records} of {} records are lost with one byte", all.len());
    assert!(records < all.len() as u64, "{lost}");
    let verified = checkpoint!("verify", path("middle"), "--identity", secret, "--json").exits(1);
    let message = verified.findings()[0]["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("the encryption of bytes"), "{message}");
    let whole = |name: &str, copies: &[&str]| {
        let mut words = vec!["repair".into(), path(name).into(), "--identity".into(), secret.clone().into()];
        words.push("--from".into());
        words.extend(copies.iter().map(|copy| path(copy).into()));
        words.extend(["--to".into(), path("whole").into(), "--json".into()]);
        let run = Run::of("fm-checkpoint", &words).exits(0);
        assert_eq!(run.verdict()["verdict"], "repaired", "{name} {copies:?}");
        assert!(records_of(&path("whole")) == all, "{name} {copies:?}");
        fs::remove_file(path("whole")).expect("it is there");
    };
    // The archive's header is lost in one copy, its index in the other, and a frame in each.
    damaged("start", &[length / 2, 700]);
    damaged("end", &[length / 3, length - 5]);
    whole("start", &["end"]);
    whole("end", &["start"]);
    // The key to all of it is lost in one copy: the other one has it.
    for at in [3, 30, 90, 200] {
        damaged("headless", &[at, length - 5]);
        whole("headless", &["middle"]);
        whole("middle", &["headless"]);
    }
    for at in [3, 200] {
        damaged("headless", &[at]);
        // A file that nobody can open is not whole, though nothing else is damaged.
        whole("headless", &["a"]);
        let said = checkpoint!("repair", path("headless"), "--identity", secret, "--from", archive).exits(1);
        assert!(
            said.stdout.contains("REPAIRABLE") && said.stdout.contains("the key is that of"),
            "{}",
            said.stdout
        );
        let alone = checkpoint!("repair", path("headless"), "--identity", secret).exits(2);
        assert!(!alone.stderr.contains("`fm-checkpoint repair`"), "{}", alone.stderr);
    }
    assert!(
        checkpoint!("repair", path("headless"), "--identity", secret)
            .stderr
            .contains("another copy of the same file")
    );
    // Cut and damaged: what is left is as good as before.
    let bytes = fs::read(&archive).expect("it is there");
    fs::write(path("cut"), &bytes[..bytes.len() - 70_000]).expect("it can be written");
    whole("cut", &["start"]);
    // Another file with the same key is not a copy.
    let other = fixture("session-v0.5.0/peer-1");
    checkpoint!("export", other, "--to", path("other"), "--recipient", public).exits(0);
    let refused =
        checkpoint!("repair", path("cut"), "--identity", secret, "--from", path("other"), "--to", path("no"));
    assert!(refused.exits(2).sentence().contains("is not a copy of that archive"));
    assert!(!path("no").exists());
}
