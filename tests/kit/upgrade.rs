//! Guardians of v0.1 that are to be continued: sealed conversions, and the program that carries them over.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{Run, attest, binary, command, converted, copy_dir, hbbft, readdressed, seal};

/// The password of the old guardians, and of the new ones.
pub const OLD_PASSWORD: &str = "fixture";

/// Returns the words that carry a sealed directory over.
pub fn carry_over_words(directory: &Path, from: &Path, rest: &[&str]) -> Vec<OsString> {
    let words = ["setup", "carry-over", "--rounds", "20", "--data-dir"].map(OsString::from);
    let places = [directory.into(), "--from".into(), from.into()];
    words.into_iter().chain(places).chain(rest.iter().map(OsString::from)).collect()
}

/// Carries a sealed directory over.
pub fn carry_over(directory: &Path, from: &Path, rest: &[&str]) -> Run {
    let words = carry_over_words(directory, from, rest);
    let output = command(binary("fm-node")).env("FM_PASSWORD", OLD_PASSWORD).args(words).output();
    let name = format!("fm-node setup carry-over {}", directory.display());
    Run::from_output(name, output.expect("the program can be started"))
}

/// Returns the hash that a run without `--confirm` asks to be confirmed.
pub fn hash_to_confirm(run: Run) -> String {
    let said = run.exits(0).stdout;
    let word = said.lines().next().and_then(|line| line.split_whitespace().last());
    word.expect("a hash").to_owned()
}

/// Makes old guardians with addresses that are free here, and their conversions in `0` to `3`, sealed.
pub fn sealed_guardians(home: &Path) -> Vec<PathBuf> {
    let old: Vec<PathBuf> = (0..4).map(|peer| home.join(format!("old-{peer}"))).collect();
    for (peer, old) in old.iter().enumerate() {
        copy_dir(&hbbft(&format!("peer-{peer}")), old);
    }
    readdressed(&old);
    let files: Vec<PathBuf> = (0..4).map(|peer| home.join(format!("of-{peer}"))).collect();
    for (peer, old) in old.iter().enumerate() {
        let directory = home.join(peer.to_string());
        converted(old, &directory);
        attest(&directory, old, &files[peer], OLD_PASSWORD).exits(0);
    }
    let hash = hash_to_confirm(carry_over(&home.join("0"), &old[0], &[]));
    let early = carry_over(&home.join("0"), &old[0], &["--confirm", &hash]).exits(1);
    assert!(early.sentence().contains("seal the directory first"), "{}", early.stderr);
    for peer in 0..4 {
        seal(&home.join(peer.to_string()), &old[0], &files[..3]).exits(0);
    }
    old
}
