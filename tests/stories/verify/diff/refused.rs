//! Sources that cannot be compared, or that are not what they look like.

use std::fs;

use fm_tests::{Run, codes, copy_dir, fixture, hbbft, verify};

use super::KEY;

#[test]
fn what_cannot_be_compared() {
    let home = tempfile::tempdir().expect("a directory");
    let (good, nowhere) = (hbbft("peer-0"), home.path().join("nowhere"));
    assert!(verify!("diff", good, nowhere).exits(3).sentence().contains("nowhere"));
    verify!("diff", nowhere, good).exits(3).sentence();
    verify!("diff", good).exits(2);
    verify!("diff", good, good, good).exits(2);
    verify!("diff", good, fixture("session-v0.5.0/peer-0/consensus.json")).exits(3).sentence();
    let keys = home.path().join("keys.json");
    fs::write(&keys, format!("{{\"0\": \"{KEY}\"}}")).expect("a file");
    assert!(verify!("diff", good, good, "--keys", keys).exits(2).sentence().contains("epoch_pk_set"));
    for target in [good.join("evidence"), good.clone(), home.path().join("no/evidence")] {
        verify!("diff", good, hbbft("bad-b-item-byte"), "--evidence", target).exits(2).sentence();
    }
    // Equal histories leave no evidence.
    let file = home.path().join("evidence");
    let run = verify!("diff", good, hbbft("peer-1"), "--evidence", file, "--json").exits(0);
    assert!(run.verdict()["evidence"].is_null() && !file.exists());
}

/// A directory with the name of a subcommand can still be a source.
#[test]
fn a_source_that_is_called_like_a_subcommand() {
    let home = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(hbbft("peer-0").canonicalize().expect("a path"), home.path().join("diff"))
        .expect("a link");
    let run = |source: &str| {
        let mut command = fm_tests::command(fm_tests::binary("fm-verify"));
        let output = command.current_dir(home.path()).args([source, "--json"]).output().expect("it starts");
        Run::from_output(source.to_owned(), output)
    };
    assert_eq!(run("./diff").exits(4).verdict()["verdict"], "unpinned");
    run("diff").exits(2);
}

/// A copy whose log is cut: what is missing may be the copy's fault, which is reported first.
#[test]
fn a_torn_copy() {
    let home = tempfile::tempdir().expect("a directory");
    let copy = home.path().join("copy");
    copy_dir(&hbbft("peer-0"), &copy);
    let log = copy.join("database/000004.log");
    let length = fs::metadata(&log).expect("a log").len();
    fs::OpenOptions::new()
        .write(true)
        .open(&log)
        .and_then(|file| file.set_len(length - 1000))
        .expect("a cut");
    let run = verify!("diff", hbbft("peer-0"), copy, "--json");
    assert_eq!(codes(&run.findings()), [("log-tail-torn".to_owned(), None)], "{}", run.stdout);
    assert_eq!(run.json()[0]["type"], "finding");
    run.verdict();
}
