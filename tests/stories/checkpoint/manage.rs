//! The checkpoints of a data directory: listed as what they are, made from a stopped guardian, pruned except
//! for the last good one; and no archive contains a secret.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fm_forge::damage;
use fm_tests::{checkpoint, copy_dir, digest, file_list, fixture, hbbft, root, rows};
use serde_json::Value;
use tempfile::TempDir;

fn peer() -> PathBuf {
    fixture("session-v0.5.0/peer-0")
}

/// Copies a data directory that a test may change.
fn guardian() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let directory = home.path().join("guardian");
    copy_dir(&peer(), &directory);
    (home, directory)
}

fn listed(directory: &Path) -> Vec<Value> {
    listed_with(directory, 0)
}

fn listed_with(directory: &Path, exit: i32) -> Vec<Value> {
    let run = checkpoint!("list", "--data-dir", directory, "--config", peer(), "--json").exits(exit);
    let mut lines = run.json();
    assert_eq!(lines.pop().expect("a verdict")["verdict"], "listed");
    lines
}

#[test]
fn the_list_says_what_each_is_and_what_it_would_lose() {
    let (_home, directory) = guardian();
    let before = digest(&directory);
    let lines = listed(&directory);
    assert_eq!(digest(&directory), before);
    let facts = |line: &Value| {
        ["checkpoint", "last", "signed", "pending", "lost_sessions", "lost_pending"]
            .map(|name| line[name].clone())
    };
    let (yes, no, none) = (Value::Bool(true), Value::Bool(false), Value::Null);
    let numbers = |numbers: [u64; 5]| numbers.map(Value::from);
    assert_eq!(facts(&lines[0]), [no, 25.into(), 26.into(), 6.into(), none.clone(), none]);
    for (line, wanted) in
        lines[1..].iter().zip([[25, 26, 0, 0, 6], [24, 25, 0, 1, 6], [23, 24, 0, 2, 6]].map(numbers))
    {
        let [last, signed, pending, sessions, items] = wanted;
        assert_eq!(facts(line), [yes.clone(), last, signed, pending, sessions, items]);
        assert_eq!(line["good"], true);
    }
    assert_eq!(lines[0]["units"].as_u64(), Some(105));
    assert_eq!(root(&lines[0]), root(&lines[1]));
    let text = checkpoint!("list", "--data-dir", directory).exits(0).stdout;
    assert!(text.contains("loses    2 session(s) and 6 pending item(s)"), "{text}");
    let config = directory.join("consensus.json");
    let found = format!("keys       {}, found in the data directory\n", config.display());
    assert!(text.contains(&found) && !text.contains("NOT CHECKED"), "{text}");
    // Without the configuration nothing is checked, and that is reported.
    fs::rename(&config, directory.join("elsewhere")).expect("it can be renamed");
    let text = checkpoint!("list", "--data-dir", directory).exits(0).stdout;
    assert!(text.contains("NOT CHECKED"), "{text}");
    fs::rename(directory.join("elsewhere"), &config).expect("it can be renamed");
    fs::remove_file(directory.join("db_checkpoints/24/CURRENT")).expect("it is there");
    fs::write(directory.join("db_checkpoints/note.txt"), "mine").expect("it can be written");
    let lines = listed_with(&directory, 1);
    assert_eq!(lines.len(), 4);
    let bad = lines.iter().find(|line| line["opens"] == false).expect("a bad one");
    assert!(bad["error"].as_str().is_some_and(|text| text.contains("no RocksDB database")), "{bad}");
    let missing = checkpoint!("list", "--data-dir", directory.join("nowhere")).exits(3);
    assert!(missing.sentence().contains("nowhere"), "{}", missing.stderr);
}

#[test]
fn a_checkpoint_has_the_rows_of_the_database() {
    let (home, directory) = guardian();
    let database = directory.join("database");
    let before = digest(&database);
    let run = checkpoint!("create", "--data-dir", directory, "--json").exits(0).verdict();
    assert_eq!(run["keys"]["found"], true, "{run}");
    let made = PathBuf::from(run["path"].as_str().expect("a path"));
    let name = made.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("25-2") && name.ends_with('Z'), "{name}");
    assert!(rows(&made) == rows(&database), "rows of an unflushed log included");
    assert_eq!(digest(&database), before);
    assert!(!file_list(&made).iter().any(|file| ["LOCK", "LOG"].iter().any(|name| file.ends_with(name))));
    assert_eq!(listed(&directory)[1]["path"], run["path"]);
    let linked = home.path().join("linked");
    checkpoint!("create", "--data-dir", directory, "--to", linked, "--link").exits(0);
    assert!(rows(&linked) == rows(&database));
    let links = |path: &Path| fs::metadata(path).expect("it is there").nlink();
    for file in file_list(&linked) {
        let is_table = file.extension().is_some_and(|ending| ending == "sst");
        assert_eq!(links(&linked.join(&file)), if is_table { 2 } else { 1 }, "{file:?}");
    }
    assert!(file_list(&made).iter().all(|file| links(&made.join(file)) == 1));
    let again = checkpoint!("create", "--data-dir", directory, "--to", linked).exits(2);
    assert!(again.sentence().contains("already exists"), "{}", again.stderr);
    let inside = checkpoint!("create", "--data-dir", directory, "--to", database.join("x")).exits(2);
    assert!(inside.sentence().contains("and the source is never written"), "{}", inside.stderr);
    let old = home.path().join("old");
    checkpoint!("create", "--data-dir", hbbft("peer-0"), "--to", old).exits(0);
    assert!(rows(&old) == rows(&hbbft("peer-0").join("database")));
    let bad = home.path().join("bad");
    let run = checkpoint!("create", "--data-dir", hbbft("bad-b-item-byte"), "--to", bad, "--json").exits(1);
    assert_eq!(run.verdict()["verdict"], "created-with-findings");
    assert!(rows(&bad) == rows(&hbbft("bad-b-item-byte").join("database")));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("db_checkpoints")).expect("it is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn pruning_never_takes_the_last_good_one() {
    let (_home, directory) = guardian();
    let plan = checkpoint!("prune", "--data-dir", directory, "--keep", "1", "--dry-run", "--json")
        .exits(0)
        .verdict();
    assert_eq!((&plan["verdict"], plan["removed"].as_array().map(Vec::len)), (&"planned".into(), Some(2)));
    assert_eq!(names(&directory), ["23", "24", "25"]);
    // The newest does not open, the next one is not what was signed: neither counts.
    let checkpoints = directory.join("db_checkpoints");
    fs::remove_file(checkpoints.join("25/CURRENT")).expect("it is there");
    let other = checkpoints.join("other");
    let flip = |key: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        if key == [4, 3] {
            value[100] ^= 1;
        }
        Some((key.to_vec(), value))
    };
    damage::rewrite_and_add(&checkpoints.join("24"), &other, flip, &[]).expect("it can be rewritten");
    fs::remove_dir_all(checkpoints.join("24")).expect("it is there");
    fs::rename(&other, checkpoints.join("24")).expect("it can be renamed");
    let keep = |count: &str| {
        checkpoint!("prune", "--data-dir", directory, "--keep", count, "--config", peer(), "--json")
            .exits(0)
            .verdict()
    };
    assert_eq!(
        keep("1")["removed"].as_array().map(Vec::len),
        Some(1),
        "what is older than the only good one"
    );
    assert_eq!(names(&directory), ["23", "24"]);
    let none = keep("0");
    assert!(none["last_good"].as_str().is_some_and(|path| path.ends_with("23")), "{none}");
    assert_eq!(names(&directory), ["23"]);
    let old =
        checkpoint!("prune", "--data-dir", directory, "--older-than", "0s", "--json").exits(0).verdict();
    assert!(old["last_good"].is_string(), "{old}");
    let room =
        checkpoint!("prune", "--data-dir", directory, "--min-free", "9999999T", "--json").exits(13).verdict();
    assert_eq!((&room["enough_space"], names(&directory)), (&false.into(), vec!["23".to_owned()]));
    for bad in [["--keep", "x"], ["--older-than", "7"], ["--min-free", "much"]] {
        checkpoint!("prune", "--data-dir", directory, bad[0], bad[1]).exits(2);
    }
    checkpoint!("prune", "--data-dir", directory).exits(2);
}

#[test]
fn pruning_goes_by_age_and_leaves_what_is_not_its_own() {
    let (home, directory) = guardian();
    let checkpoints = directory.join("db_checkpoints");
    let old = SystemTime::now() - Duration::from_secs(10 * 86_400);
    fs::write(checkpoints.join("24/mine.txt"), "mine").expect("it can be written");
    for name in ["23", "24"] {
        let file = fs::File::open(checkpoints.join(name)).expect("it is there");
        file.set_modified(old).expect("its time can be set");
    }
    fs::create_dir(checkpoints.join(".removing-9")).expect("a directory");
    let refused = checkpoint!("prune", "--data-dir", directory, "--older-than", "9d").exits(2);
    assert!(
        refused.sentence().contains("\"mine.txt\", which is not a file of a database"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        names(&directory),
        ["23", "24", "25"],
        "nothing was removed but what an interrupted run had begun"
    );
    fs::remove_file(checkpoints.join("24/mine.txt")).expect("it is there");
    fs::File::open(checkpoints.join("24"))
        .and_then(|file| file.set_modified(old))
        .expect("its time can be set");
    checkpoint!("prune", "--data-dir", directory, "--older-than", "11d").exits(0);
    assert_eq!(names(&directory).len(), 3);
    checkpoint!("prune", "--data-dir", directory, "--older-than", "9d").exits(0);
    assert_eq!(names(&directory), ["25"]);
    // A link is not a checkpoint.
    let outside = home.path().join("outside");
    copy_dir(&peer().join("db_checkpoints/23"), &outside);
    std::os::unix::fs::symlink(&outside, checkpoints.join("23")).expect("a link");
    checkpoint!("prune", "--data-dir", directory, "--keep", "1").exits(0);
    assert!(outside.join("CURRENT").exists() && checkpoints.join("23").is_symlink());
}

#[test]
fn no_archive_holds_a_secret() {
    let (home, directory) = guardian();
    let database = directory.join("database");
    let clean = fs::read_to_string(directory.join("private.encrypt")).expect("it is there");
    let secrets: [(&str, Vec<u8>); 4] = [
        ("private.encrypt", clean.trim().as_bytes().to_vec()),
        ("private.encrypt", hex::decode(clean.trim()).expect("hex")),
        (
            "private.salt",
            fs::read(directory.join("private.salt")).expect("it is there").trim_ascii().to_vec(),
        ),
        ("password.private", b"fixture".to_vec()),
    ];
    let target = home.path().join("a.fmar");
    for (file, secret) in secrets {
        let other = home.path().join("other");
        let value =
            if file == "password.private" { secret } else { [b"before ", &secret[..], b" after"].concat() };
        let added = [(vec![0xFF, 0, 0x77], value)];
        let unchanged = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
        damage::rewrite_and_add(&peer().join("database"), &other, unchanged, &added)
            .expect("it can be rewritten");
        fs::remove_dir_all(&database).expect("it is there");
        fs::rename(&other, &database).expect("it can be renamed");
        let run = checkpoint!("export", directory, "--to", target, "--json").exits(1);
        assert!(run.sentence().contains("the record ff0077 of"), "{}", run.stderr);
        assert!(run.sentence().contains(&format!("what is in the file {file}")), "{}", run.stderr);
        assert!(!run.stderr.contains("fixture\"") && !run.stderr.contains(clean.trim()), "the secret itself");
        assert_eq!(run.verdict()["verdict"], "refused");
        assert!(!target.exists() && !fm_tests::partial_of(&target).exists());
        // At another place, the directory with the secrets has to be named.
        let bare = home.path().join("bare");
        copy_dir(&database, &bare);
        checkpoint!("export", bare, "--to", target).exits(0);
        fs::remove_file(&target).expect("it was written");
        checkpoint!("export", bare, "--to", target, "--data-dir", directory).exits(1);
        fs::remove_dir_all(&bare).expect("it is there");
    }
}

/// What is not proven is not archived, unless the user asks for it.
#[test]
fn a_state_with_findings_is_refused_or_kept_as_it_is() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("a.fmar");
    let bad = hbbft("bad-a-swapped-signature");
    let run = checkpoint!("export", bad, "--to", target, "--config", hbbft("peer-0"), "--json").exits(1);
    assert_eq!(run.verdict()["verdict"], "refused");
    assert!(!target.exists());
    let accepted = ["--accept-findings", "--json"];
    let run =
        checkpoint!("export", bad, "--to", target, "--config", hbbft("peer-0"), accepted[0], accepted[1]);
    assert!(run.exits(0).verdict()["errors"].as_u64() > Some(0));
    let back = home.path().join("back");
    let refused = checkpoint!("import", target, "--to", back, "--config", hbbft("peer-0")).exits(1);
    assert!(refused.sentence().contains("is not proven"), "{}", refused.stderr);
    checkpoint!("import", target, "--to", back, "--config", hbbft("peer-0"), "--accept-findings").exits(0);
    assert!(rows(&back.join("database")) == rows(&bad.join("database")));
    let verified = checkpoint!("verify", target, "--config", hbbft("peer-0"), "--json").exits(1);
    assert!(verified.findings().iter().any(|finding| finding["code"] == "epoch-signature-invalid"));
    let unpinned = checkpoint!("verify", target, "--json");
    assert!(matches!(unpinned.exit, 1 | 4));
}
