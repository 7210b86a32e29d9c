//! The configuration of guardians of every version: whose directory it is, and what it says.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fm_crypto::{BackupTar, open_private_text};
use fm_forge::damage;
use fm_tests::{
    Nodes, Run, attest, binary, checkpoint, command, converted, copy_dir, digest, fixture, fixture_json,
    hbbft, migrate, verify,
};
use serde_json::{Value, json};

const IROH: &str = "session-v0.13.0-iroh";

fn truth(federation: &str) -> Value {
    fixture_json(&format!("{federation}/truth.json"))["peers"]["peer-0"].clone()
}

/// Writes the configuration of a second federation over iroh that differs in one thing.
fn other_config(home: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut config = fixture_json(&format!("{IROH}/peer-0/consensus.json"));
    change(&mut config);
    let path = home.join("other.json");
    fs::write(&path, config.to_string()).expect("a file");
    path
}

/// The ids are those that the guardians' own servers report.
#[test]
fn federations_of_today_are_named_as_their_servers_name_them() {
    for federation in ["session-v0.13.0", IROH, "session-v0.13.0-single"] {
        let guardian = fixture(&format!("{federation}/peer-0"));
        let shown = verify!("keys", guardian, "--json").exits(0).json().remove(0);
        assert_eq!(shown["federation"], truth(federation)["federation_id"], "{federation}");
        assert_eq!(
            shown["config_hashes"]["whole"],
            truth(federation)["consensus_config_sha256"],
            "{federation}"
        );
        assert_ne!(shown["config_hashes"]["whole"], shown["config_hashes"]["answered"]);
        let names: Vec<&Value> =
            shown["guardians"].as_array().expect("a list").iter().map(|line| &line["name"]).collect();
        assert!(!names.is_empty());
        for (peer, name) in names.iter().enumerate() {
            assert_eq!(**name, json!(format!("guardian-{peer}")), "{federation}");
        }
    }
}

/// Over iroh there are no addresses, but every guardian has its name and every federation its id.
#[test]
fn archives_of_two_federations_over_iroh_are_told_apart() {
    let home = tempfile::tempdir().expect("a directory");
    let checkpoint = fixture(&format!("{IROH}/peer-0/db_checkpoints/10"));
    let (own, archive) = (fixture(&format!("{IROH}/peer-0")), home.path().join("own.fmar"));
    checkpoint!("export", checkpoint, "--to", archive, "--config", own).exits(0);
    checkpoint!("verify", archive, "--config", own).exits(0);
    let changes: [fn(&mut Value); 2] = [
        |config| config["iroh_endpoints"]["3"]["name"] = json!("somebody else"),
        |config| {
            let key = config["iroh_endpoints"]["0"]["p2p_pk"].clone();
            config["iroh_endpoints"]["0"]["api_pk"] = key;
        },
    ];
    for change in changes {
        let other = other_config(home.path(), change);
        let run = checkpoint!("verify", archive, "--config", other, "--json").exits(1);
        let findings = run.json();
        let foreign = findings.iter().find(|line| line["code"] == "archive-foreign");
        let message = foreign.expect("a finding")["message"].as_str().expect("text").to_owned();
        let own = truth(IROH)["federation_id"].as_str().expect("an id").to_owned();
        assert!(message.contains(&own), "{message}");
    }
    let page = home.path().join("page.html");
    verify!("report", own, "--config", own, "--html", page).exits(0);
    let page = fs::read_to_string(page).expect("a page");
    for peer in 0..4 {
        assert!(page.contains(&format!("guardian-{peer}")), "guardian-{peer} has no name");
    }
}

/// A guardian that cannot be reached is not taken for one that does not exist.
#[test]
fn a_guardian_over_iroh_cannot_be_asked() {
    let directory = fixture(&format!("{IROH}/peer-0"));
    let said = |words: &[&str], exit: i32| {
        let mut words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
        words.extend(["--data-dir".into(), directory.clone().into()]);
        Run::of("fm-node", &words).exits(exit)
    };
    let status = said(&["status"], 3);
    assert!(
        status.sentence().contains("guardian 0 is reached over iroh alone (iroh://4e35ba1b"),
        "{}",
        status.stderr
    );
    assert!(status.stderr.contains("--api"), "{}", status.stderr);
    let invite = fs::read_to_string(directory.join("invite-code")).expect("an invite code");
    let key = "0a".repeat(32);
    for (source, said) in [
        (invite.trim(), "names guardians over iroh alone"),
        (&format!("iroh://{key}"), "is an address over iroh"),
        (&format!("iroh://{key}/"), "is an address over iroh"),
    ] {
        let refused = Run::of("fm-verify", &[source.into()]).exits(3);
        assert!(refused.sentence().contains(said), "{}", refused.stderr);
        assert!(refused.stderr.contains("tools/fm-iroh"), "{}", refused.stderr);
    }
    // It leads to an interface of a later iroh.
    let later = Run::of("fm-verify", &[format!("iroh://{key}/v1").into()]).exits(2);
    assert!(later.sentence().contains("not the address of a guardian"), "{}", later.stderr);
}

/// Makes a guardian of v0.1 with its secrets in clear, as servers from 0.12 on keep them.
fn in_clear(peer: &str, to: &Path) {
    copy_dir(&hbbft(peer), to);
    clear(to, "fixture");
    fs::remove_file(to.join("password.private")).expect("a private file");
}

/// Puts a guardian's secrets in clear.
fn clear(to: &Path, password: &str) {
    let read = |name: &str| fs::read_to_string(to.join(name)).expect("a private file");
    let text =
        open_private_text(&read("private.encrypt"), &read("private.salt"), password).expect("it opens");
    let mut private: Value = serde_json::from_slice(&text).expect("JSON");
    private.as_object_mut().expect("an object").remove("api_auth");
    fs::write(to.join("private.json"), private.to_string()).expect("a file");
    for name in ["private.encrypt", "private.salt"] {
        fs::remove_file(to.join(name)).expect("a private file");
    }
}

/// Writes the backup that the server of a guardian with these files makes.
fn backup(home: &Path, to: &Path) {
    let read = |name: &str| Some((name.to_owned(), fs::read(home.join(name)).ok()?.into()));
    let names = ["consensus.json", "local.json", "private.json", "private.encrypt", "private.salt"];
    let tar = BackupTar::from_files(names.into_iter().filter_map(read)).expect("a backup");
    fs::write(to, &*tar.to_bytes()).expect("a file");
}

/// Wherever the key lies, it makes the same signatures.
#[test]
fn a_guardian_signs_with_its_key_of_whatever_form() {
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    converted(&hbbft("peer-0"), &at("new"));
    in_clear("peer-0", &at("clear"));
    backup(&at("clear"), &at("clear.tar"));
    backup(&hbbft("peer-0"), &at("sealed.tar"));
    attest(&at("new"), &hbbft("peer-0"), &at("of-sealed"), "fixture").exits(0);
    let expected = fs::read(at("of-sealed")).expect("an attestation");
    let before = (digest(&at("clear")), digest(&hbbft("peer-0")));
    attest(&at("new"), &at("sealed.tar"), &at("of-sealed-tar"), "fixture").exits(0);
    for (name, out) in [("clear", "of-clear"), ("clear.tar", "of-clear-tar")] {
        migrate!("attest", "--dir", at("new"), "--config", at(name), "--out", at(out)).exits(0);
    }
    for out in ["of-sealed-tar", "of-clear", "of-clear-tar"] {
        assert!(fs::read(at(out)).expect("an attestation") == expected, "{out}");
    }
    assert_eq!((digest(&at("clear")), digest(&hbbft("peer-0"))), before);
    // The files show whose key it is without local.json, too.
    fs::create_dir(at("few")).expect("a directory");
    for name in ["consensus.json", "private.json"] {
        fs::copy(at("clear").join(name), at("few").join(name)).expect("a copy");
    }
    migrate!("attest", "--dir", at("new"), "--config", at("few"), "--out", at("of-few")).exits(0);
    assert!(fs::read(at("of-few")).expect("an attestation") == expected);
    // A backup under a password needs one.
    let run =
        migrate!("attest", "--dir", at("new"), "--config", at("sealed.tar"), "--out", at("none")).exits(2);
    assert!(run.sentence().contains("no password, and no terminal"), "{}", run.stderr);
    let run =
        migrate!("attest", "--dir", at("new"), "--config", hbbft("peer-0"), "--out", at("none")).exits(2);
    assert!(run.stderr.contains("the guardian keeps one: --password-file"), "{}", run.stderr);
    let refused = |config: &Path, exit: i32, said: &str| {
        let run = migrate!("attest", "--dir", at("new"), "--config", config, "--out", at("none")).exits(exit);
        assert!(run.sentence().contains(said), "{}", run.stderr);
        assert!(!at("none").exists());
    };
    // Another guardian's key, one of another federation, a key of another type, no key, and half a backup.
    let clear = at("clear");
    let own = fs::read_to_string(clear.join("private.json")).expect("a file");
    in_clear("peer-1", &at("other"));
    fs::copy(at("other/private.json"), clear.join("private.json")).expect("a copy");
    refused(&clear, 12, "holds the key of guardian 1, and not the key of guardian 0");
    fs::copy(fixture("session-v0.13.0/peer-0/private.json"), clear.join("private.json")).expect("a copy");
    refused(&clear, 12, "it is of another federation");
    fs::write(clear.join("private.json"), own.replace("\"tls_key\":\"", "\"tls_key\":[],\"x\":\""))
        .expect("a file");
    refused(&clear, 12, "tls_key is not the hex of a key");
    fs::remove_file(clear.join("private.json")).expect("a file");
    refused(&clear, 3, "has neither private.json nor private.encrypt");
    let tar = fs::read(at("clear.tar")).expect("a file");
    for length in [1, 9, 300, 511, 512, 700, tar.len() / 2, tar.len() - 513, tar.len() - 1] {
        fs::write(at("half.tar"), &tar[..length]).expect("a file");
        refused(&at("half.tar"), 2, "is not a guardian's whole backup: it is cut short");
    }
}

/// A backup is accepted wherever a directory is: the same verdict rests on it.
#[test]
fn a_backup_names_the_keys_as_its_directory_does() {
    let home = tempfile::tempdir().expect("a directory");
    for place in ["hbbft-v0.1.5/peer-1", "session-v0.5.0/peer-0", "session-v0.13.0-iroh/peer-3"] {
        let (guardian, tar) = (fixture(place), home.path().join("backup.tar"));
        backup(&guardian, &tar);
        let shown = |path: &Path| {
            let mut line = verify!("keys", path, "--json").exits(0).json().remove(0);
            line["path"] = Value::Null;
            line
        };
        assert_eq!(shown(&tar), shown(&guardian), "{place}");
        let source =
            if place.contains("iroh") { guardian.join("db_checkpoints/10") } else { guardian.clone() };
        let verdicts = [&guardian, &tar].map(|config| {
            let mut verdict = verify!(source, "--config", config, "--json").exits(0).verdict();
            verdict["keys"]["path"] = Value::Null;
            verdict["seconds"] = Value::Null;
            verdict
        });
        assert_eq!(verdicts[0]["federation"], verdicts[1]["federation"]);
        assert_eq!(
            (&verdicts[0]["keys"], &verdicts[0]["verdict"]),
            (&verdicts[1]["keys"], &verdicts[1]["verdict"])
        );
        let whole = fs::read(&tar).expect("a file");
        fs::write(&tar, &whole[..whole.len() - 1]).expect("a file");
        let run = verify!(source, "--config", tar).exits(2);
        assert!(run.sentence().contains("it is cut short"), "{}", run.stderr);
    }
}

/// A node's messages about files that are not one guardian's.
#[test]
fn a_node_refuses_files_that_are_not_one_guardians() {
    let home = tempfile::tempdir().expect("a directory");
    let (guardian, other) = (home.path().join("guardian"), fixture("session-v0.5.0/peer-2"));
    let run = |said: &str, exit: i32| {
        let mut node = command(binary("fm-node"));
        node.env("FM_PASSWORD", "fixture").args(["run", "--data-dir"]).arg(&guardian);
        let run = Run::from_output("fm-node run".to_owned(), node.output().expect("it runs")).exits(exit);
        assert!(run.sentence().contains(said), "{}", run.stderr);
    };
    copy_dir(&fixture(&format!("{IROH}/peer-0")), &guardian);
    run("reach each other over iroh", 3);
    fs::remove_dir_all(&guardian).expect("it is there");
    copy_dir(&fixture("session-v0.13.0/peer-0"), &guardian);
    run("cannot process the items of ln", 3);
    fs::remove_dir_all(&guardian).expect("it is there");
    copy_dir(&fixture("session-v0.5.0/peer-0"), &guardian);
    for name in ["private.encrypt", "private.salt"] {
        fs::copy(other.join(name), guardian.join(name)).expect("a copy");
    }
    run("the key of guardian 2, and not the key of guardian 0", 3);
    fs::copy(fixture("session-v0.13.0-single/peer-0/private.json"), guardian.join("private.json"))
        .expect("a copy");
    run("it is of another federation", 3);
    fs::write(guardian.join("private.json"), "{}").expect("a file");
    run("it has no broadcast_secret_key", 3);
    fs::remove_file(guardian.join("private.json")).expect("a file");
    fs::rename(guardian.join("private.encrypt"), guardian.join("elsewhere")).expect("a file");
    run("neither private.json nor private.encrypt", 3);
    fs::rename(guardian.join("elsewhere"), guardian.join("private.encrypt")).expect("a file");
    fs::remove_file(guardian.join("private.salt")).expect("a file");
    run("private.salt", 3);
    fs::remove_dir_all(&guardian).expect("it is there");
    backup(&fixture("session-v0.5.0/peer-0"), &guardian);
    run("is a guardian's backup, which holds no database", 3);
}

/// Guardians whose secrets are in clear run as the others do; the password is then only for the interface.
#[test]
fn guardians_with_secrets_in_clear_run() {
    let mut nodes = Nodes::new(30);
    for peer in [0, 2, 3] {
        clear(&nodes.directory(peer), "dev");
    }
    mode(nodes.home(), 0o755);
    mode(&nodes.directory(2), 0o755);
    mode(&nodes.directory(2).join("private.json"), 0o644);
    (0..3).for_each(|peer| nodes.start(peer));
    // A variable without a value is not a password that everybody has.
    nodes.start_with(3, &[], &[("FM_PASSWORD", "".into())]);
    for peer in 0..4 {
        nodes.wait_for(peer, 3);
    }
    nodes.ask(0, &["checkpoint"]).exits(0);
    nodes.ask(1, &["checkpoint"]).exits(0);
    nodes.ask_with("other", 0, &["checkpoint"]).exits(12).sentence();
    for password in ["dev", ""] {
        nodes.ask_with(password, 3, &["checkpoint"]).exits(12).sentence();
    }
    assert!(
        nodes.log(3).contains("no password: what needs the guardian's password is refused"),
        "{}",
        nodes.log(3)
    );
    assert!(!nodes.log(0).contains("no password:"), "{}", nodes.log(0));
    // Secrets that every user of the system may read are reported once, until that is corrected.
    assert_eq!(said_open(&nodes, 2), 1, "{}", nodes.log(2));
    nodes.kill(2);
    mode(&nodes.directory(2).join("private.json"), 0o600);
    nodes.start(2);
    nodes.wait_for(2, 6);
    (0..4).for_each(|peer| nodes.kill(peer));
    assert_eq!(said_open(&nodes, 2), 1, "{}", nodes.log(2));
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the owner's");
}

/// Returns how many times a guardian reported that all users may read its secrets.
fn said_open(nodes: &Nodes, peer: usize) -> usize {
    nodes.log(peer).matches("every user of this system may read").count()
}

/// Rows that hold a key for iroh, as bytes or as servers write it, stop an export; so does a backup that is
/// named for its secrets.
#[test]
fn no_archive_holds_a_key_for_iroh() {
    let home = tempfile::tempdir().expect("a directory");
    let (guardian, tar) = (home.path().join("guardian"), home.path().join("backup.tar"));
    let source = fixture(&format!("{IROH}/peer-3"));
    backup(&source, &tar);
    let private = fixture_json(&format!("{IROH}/peer-3/private.json"));
    let key: Vec<u8> = serde_json::from_value(private["iroh_api_sk"].clone()).expect("numbers");
    let numbers = json!({ "iroh_api_sk": key }).to_string().into_bytes();
    let pretty = serde_json::to_vec_pretty(&private).expect("JSON");
    for form in [key.clone(), hex::encode(&key).into_bytes(), numbers, pretty] {
        let _ = fs::remove_dir_all(&guardian);
        copy_dir(&source, &guardian);
        let database = guardian.join("database");
        fs::remove_dir_all(&database).expect("it is there");
        let added = [(vec![0xFF, 0, 0x77], [b"before ", &form[..], b" after"].concat())];
        let same = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
        damage::rewrite_and_add(&source.join("database"), &database, same, &added)
            .expect("it can be rewritten");
        let target = home.path().join("a.fmar");
        let run = checkpoint!("export", guardian, "--to", target).exits(1);
        assert!(run.sentence().contains("the record ff0077 of"), "{}", run.stderr);
        assert!(run.sentence().contains("what is in the file private.json"), "{}", run.stderr);
        // Away from its directory, the backup shows what is secret.
        let bare = home.path().join("bare");
        let _ = fs::remove_dir_all(&bare);
        copy_dir(&database, &bare);
        let run = checkpoint!("export", bare, "--to", target, "--data-dir", tar).exits(1);
        assert!(run.sentence().contains("what is in the file private.json"), "{}", run.stderr);
        assert!(!target.exists());
    }
}
