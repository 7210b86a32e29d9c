//! A state is archived and comes back byte for byte, from every kind of database; an archive's header is the
//! same for all guardians with that state.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use fm_rows::Row;
use fm_tests::{
    Run, checkpoint, converted, digest, fixture, hbbft, metadata_of, migrate, records_of, root, rows,
    rows_under, shell,
};
use sha2::{Digest, Sha256};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

fn hash_of(records: &[Row]) -> String {
    let mut hasher = Sha256::new();
    for (key, value) in records {
        let mut record = fm_codec::Writer::new(fm_codec::Dialect::MODERN);
        record.bytes(key);
        record.bytes(value);
        hasher.update(record.as_bytes());
    }
    hex::encode(hasher.finalize())
}

/// Exports, verifies and imports a database; returns the verdict of the export.
#[track_caller]
fn round_trip(source: &Path, database: &Path, config: &Path, home: &Path, name: &str) -> serde_json::Value {
    let before = digest(source);
    let (archive, back) = (home.join(format!("{name}.fmar")), home.join(name));
    let exported = checkpoint!("export", source, "--to", archive, "--config", config, "--json").exits(0);
    assert_eq!(exported.stderr, "");
    let exported = exported.verdict();
    let all = rows(database);
    assert_eq!(exported["verdict"], "exported");
    assert_eq!(exported["identity"], hash_of(&all), "the identity is the hash of the rows");
    assert!(records_of(&archive) == all, "{name}: the records are the rows");
    let verified = checkpoint!("verify", archive, "--config", config, "--json").exits(0).verdict();
    assert_eq!(verified["verdict"], "sound");
    assert_eq!((&verified["identity"], root(&verified)), (&exported["identity"], root(&exported)));
    let imported =
        checkpoint!("import", archive, "--to", back, "--config", config, "--json").exits(0).verdict();
    assert_eq!(imported["verdict"], "imported");
    assert_eq!((&imported["identity"], root(&imported)), (&exported["identity"], root(&exported)));
    assert!(rows(&back.join("database")) == all, "{name}: the rows come back");
    let again = checkpoint!("import", archive, "--to", back, "--json").exits(0).verdict();
    assert_eq!(again["verdict"], "exists");
    assert_eq!(digest(source), before, "{name}: the source is not touched");
    exported
}

#[test]
fn databases_checkpoints_and_conversions_come_back() {
    let home = tempfile::tempdir().expect("a directory");
    let sessions = peer(0);
    let now = round_trip(&sessions, &sessions.join("database"), &sessions, home.path(), "now");
    let last = sessions.join("db_checkpoints/25");
    let checkpoint = round_trip(&last, &last, &sessions, home.path(), "checkpoint");
    assert_eq!(root(&now), root(&checkpoint));
    let (certified, derivable) = (&now["metadata"]["certified"], &now["metadata"]["derivable"]);
    assert_eq!(certified, &checkpoint["metadata"]["certified"], "the open session certifies nothing");
    assert_eq!(derivable, &checkpoint["metadata"]["derivable"]);
    let epochs = hbbft("peer-0");
    let old = round_trip(&epochs, &epochs.join("database"), &epochs, home.path(), "epochs");
    assert_eq!((&old["metadata"]["era"], &old["last"]), (&"A2".into(), &318.into()));
    let target = home.path().join("converted");
    let manifest = converted(&epochs, &target);
    let database = target.join("database");
    let archive = home.path().join("new.fmar");
    let new = checkpoint!("export", database, "--to", archive, "--json").exits(0).verdict();
    assert_eq!(root(&new), root(&manifest));
    assert!(records_of(&archive) == rows(&database));
    let back = home.path().join("new");
    checkpoint!("import", archive, "--to", back).exits(0);
    assert!(rows(&back.join("database")) == rows(&database));
}

/// Four guardians: one history and one certified hash; the rows that are each guardian's own word differ, and
/// so do the whole archives.
#[test]
fn guardians_agree_on_what_is_certified() {
    let home = tempfile::tempdir().expect("a directory");
    let mut seen = Vec::new();
    for number in 0..4 {
        let archive = home.path().join(format!("{number}.fmar"));
        checkpoint!("export", peer(number), "--to", archive, "--config", peer(number)).exits(0);
        let of = |name: &str| metadata_of(&archive, name).expect("it says so");
        seen.push(["certified", "derivable", "history_root", "federation", "unauthenticated"].map(of));
    }
    for other in &seen[1..] {
        assert_eq!(other[..4], seen[0][..4]);
        assert_ne!(other[4], seen[0][4], "votes of the meta module are each guardian's own");
    }
    // Derivable and other rows add up to the index.
    let index = rows_under(&peer(0).join("database"), 2).len();
    let derivable = metadata_of(&home.path().join("0.fmar"), "derivable_records").expect("it says so");
    let open = index - derivable.parse::<usize>().expect("a number");
    assert!(open > 0, "transactions of the open session are in the index, and no signature covers them");
}

#[test]
fn the_same_state_gives_the_same_file() {
    let home = tempfile::tempdir().expect("a directory");
    let (first, second) = (home.path().join("1.fmar"), home.path().join("2.fmar"));
    let (copy, third) = (home.path().join("copy"), home.path().join("3.fmar"));
    checkpoint!("export", peer(0), "--to", first).exits(0);
    let address = format!("file://{}", second.display());
    checkpoint!("export", peer(0).join("database"), "--to", address).exits(0);
    assert!(fs::read(&first).expect("it is there") == fs::read(&second).expect("it is there"));
    checkpoint!("import", first, "--to", copy).exits(0);
    // An archive names the guardian, whose number lies beside its database; without it, only the identity is
    // the same.
    checkpoint!("export", copy, "--to", third).exits(0);
    assert_eq!(metadata_of(&third, "guardian").as_deref(), Some(""));
    let identity =
        |archive: &Path| checkpoint!("inspect", archive, "--json").exits(0).verdict()["identity"].clone();
    assert_eq!(identity(&third), identity(&first));
    fs::remove_file(&third).expect("it is there");
    for name in ["consensus.json", "local.json"] {
        fs::copy(peer(0).join(name), copy.join(name)).expect("a copy");
    }
    checkpoint!("export", copy, "--to", third).exits(0);
    assert!(fs::read(&first).expect("it is there") == fs::read(&third).expect("it is there"));
    let (fast, small) = (home.path().join("fast.fmar"), home.path().join("small.fmar"));
    let fast_run = checkpoint!("export", peer(0), "--to", fast, "--level", "-5", "--json").exits(0).verdict();
    let small_run =
        checkpoint!("export", peer(0), "--to", small, "--level", "19", "--json").exits(0).verdict();
    assert_eq!(fast_run["identity"], small_run["identity"]);
    assert!(fast_run["bytes"].as_u64() > small_run["bytes"].as_u64());
    let script = "zstd -dc \"$1\" | sha256sum | cut -c -64";
    let plain = shell(script, &[small.into()]);
    if plain.stderr.is_empty() {
        assert_eq!(plain.stdout.trim(), small_run["identity"].as_str().expect("text"));
    }
    let exists = checkpoint!("export", peer(0), "--to", first, "--json").exits(0).verdict();
    assert_eq!(exists["verdict"], "exists");
    let refused = checkpoint!("export", peer(1), "--to", first).exits(2);
    assert!(refused.sentence().contains("is there already and is something else"), "{}", refused.stderr);
}

/// Four guardians whose states are equal, each from its own files that were written in another order.
#[test]
fn guardians_with_equal_states_have_equal_identities() {
    let home = tempfile::tempdir().expect("a directory");
    let mut seen = Vec::new();
    for number in 0..4 {
        let guardian = fixture(&format!("hbbft-v0.1.5/peer-{number}"));
        let (converted, archive) =
            (home.path().join(format!("{number}")), home.path().join(format!("{number}.fmar")));
        migrate!("convert", "--from", guardian, "--config", guardian, "--to", converted, "--until", "318")
            .exits(0);
        let reported = checkpoint!("export", converted, "--to", archive, "--json").exits(0).verdict();
        seen.push((reported["identity"].clone(), records_of(&archive)));
    }
    assert!(seen[0].1.len() > 1_000, "{} records", seen[0].1.len());
    assert!(seen[1..].iter().all(|other| *other == seen[0]));
}

#[test]
fn profiles_keep_what_they_name() {
    let home = tempfile::tempdir().expect("a directory");
    let whole = checkpoint!("export", peer(2), "--to", home.path().join("full"), "--json").exits(0).verdict();
    for profile in ["history", "headers"] {
        let archive = home.path().join(profile);
        checkpoint!("export", peer(2), "--to", archive, "--profile", profile, "--config", peer(2)).exits(0);
        assert_eq!(metadata_of(&archive, "profile").as_deref(), Some(profile));
        assert_eq!(records_of(&archive).len(), 26);
        let verified = checkpoint!("verify", archive, "--config", peer(2), "--json").exits(0).verdict();
        assert_eq!((root(&verified), &verified["signed"]), (root(&whole), &26.into()), "{profile}");
        let refused = checkpoint!("import", archive, "--to", home.path().join("no")).exits(2);
        assert!(refused.sentence().contains(&format!("of the profile {profile}")), "{}", refused.stderr);
        let more =
            checkpoint!("export", archive, "--to", home.path().join("no"), "--profile", "full").exits(2);
        assert!(more.sentence().contains("does not hold what full asks for"), "{}", more.stderr);
    }
    assert!(records_of(&home.path().join("history")) == rows_under(&peer(2).join("database"), 4));
    let from_archive = home.path().join("again");
    checkpoint!("export", home.path().join("full"), "--to", from_archive, "--profile", "headers").exits(0);
    assert!(records_of(&from_archive) == records_of(&home.path().join("headers")));
    let epochs =
        checkpoint!("export", hbbft("peer-0"), "--to", home.path().join("no"), "--profile", "headers");
    assert!(epochs.exits(2).sentence().contains("there is no profile `headers` of it"));
    assert!(!home.path().join("no").exists());
    for archive in ["headers", "history"] {
        let archive = home.path().join(archive);
        let wrong =
            checkpoint!("verify", archive, "--config", fixture("hbbft-v0.1.5/peer-0"), "--json").exits(1);
        assert!(!wrong.findings().is_empty());
    }
}

/// Increments lead forward and back, with rows that are gone.
#[test]
fn an_increment_and_its_base_are_the_whole_state() {
    let home = tempfile::tempdir().expect("a directory");
    let states = [peer(0).join("db_checkpoints/23"), peer(0).join("db_checkpoints/25"), peer(0)];
    let archives: Vec<PathBuf> =
        (0..states.len()).map(|number| home.path().join(format!("{number}.fmar"))).collect();
    for (state, archive) in states.iter().zip(&archives) {
        checkpoint!("export", state, "--to", archive, "--config", peer(0)).exits(0);
    }
    for (from, to) in [(0, 1), (0, 2), (1, 2), (2, 1), (2, 0), (1, 1)] {
        let increment = home.path().join(format!("{from}-{to}"));
        let base = &archives[from];
        let run = checkpoint!(
            "export",
            states[to],
            "--since",
            base,
            "--to",
            increment,
            "--config",
            peer(0),
            "--json"
        );
        let run = run.exits(0).verdict();
        let whole = metadata_of(&increment, "state_identity").expect("it says so");
        assert_eq!(run["state_identity"], whole);
        let verified = checkpoint!("verify", increment, "--base", base, "--config", peer(0), "--json");
        let verified = verified.exits(0).verdict();
        assert_eq!((&verified["verdict"], &verified["state_identity"]), (&"sound".into(), &whole.into()));
        let back = home.path().join(format!("back-{from}-{to}"));
        checkpoint!("import", increment, "--base", base, "--to", back, "--config", peer(0)).exits(0);
        assert!(rows(&back.join("database")) == records_of(&archives[to]), "{from} to {to}");
        let size = |path: &Path| fs::metadata(path).expect("it is there").len();
        assert!(size(&increment) < size(&archives[to]) / 2, "{from} to {to}");
    }
    assert_eq!(records_of(&home.path().join("1-1")), []);
    let gone = records_of(&home.path().join("2-1")).into_iter().filter(|(_, value)| value == &[0]);
    assert!(gone.count() > 100, "the open session is gone on the way back");
    let increment = home.path().join("0-2");
    let alone = checkpoint!("verify", increment).exits(2);
    assert!(alone.sentence().contains("is an increment on the archive with identity"), "{}", alone.stderr);
    let other =
        checkpoint!("import", increment, "--base", archives[1], "--to", home.path().join("no")).exits(2);
    assert!(other.sentence().contains(" continues "), "{}", other.stderr);
    let chain = checkpoint!("export", peer(0), "--since", increment, "--to", home.path().join("no")).exits(2);
    assert!(chain.sentence().contains("is not an archive of a whole state"), "{}", chain.stderr);
    assert!(!home.path().join("no").exists());
}

#[test]
fn parts_are_read_without_the_rest() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = home.path().join("a.fmar");
    checkpoint!("export", peer(0), "--to", archive).exits(0);
    let session = checkpoint!("get", archive, "--session", "7").exits(0).json().remove(0);
    let history = rows_under(&peer(0).join("database"), 4);
    assert_eq!(session["value"], hex::encode(&history[7].1));
    assert_eq!((&session["session"], session["signers"].as_array().map(Vec::len)), (&7.into(), Some(3)));
    let key = hex::encode(&history[9].0);
    let record = checkpoint!("get", archive, "--key", key).exits(0).json().remove(0);
    assert_eq!(record["value"], hex::encode(&history[9].1));
    let none = checkpoint!("get", archive, "--session", "26").exits(1);
    assert!(none.sentence().contains("has no record 041a"), "{}", none.stderr);
    let range = checkpoint!("cat", archive, "--from", "04", "--before", "0405").exits(0);
    let keys: Vec<_> = range.json().into_iter().map(|line| line["key"].as_str().map(str::to_owned)).collect();
    assert_eq!(keys, ["0400", "0401", "0402", "0403", "0404"].map(|key| Some(key.to_owned())));
    assert_eq!(checkpoint!("cat", archive).exits(0).json().len(), rows(&peer(0).join("database")).len());
    for bad in [["get", "--key", "0"], ["get", "--session", "x"], ["cat", "--from", "zz"]] {
        Run::of("fm-checkpoint", &[bad[0].into(), archive.clone().into(), bad[1].into(), bad[2].into()])
            .exits(2);
    }
    checkpoint!("get", archive).exits(2);
    for address in ["s4://bucket/a", "file://host/a", "https://host/a.fmar", "file:///a%00b"] {
        let run = Run::of("fm-checkpoint", &["inspect".into(), OsStr::new(address).to_owned()]).exits(2);
        assert!(run.stderr.contains("is not a place that this program reaches"), "{}", run.stderr);
    }
}
