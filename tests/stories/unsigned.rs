//! A history that nobody signed proves nothing, however consistent it is.

use fm_forge::ForgeSpec;
use fm_tests::{Federation, codes, migrate, partial_of, verify};

/// Every epoch, its hash, its link, the pointer and the index are right; no signature is anywhere.
#[test]
fn a_history_without_any_signature_is_not_sound() {
    let federation = Federation::new(ForgeSpec { epochs: 6, tip: 6, ..ForgeSpec::default() });
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let with_keys = verify!(guardian, "--config", guardian, "--json").exits(1);
    assert_eq!(
        codes(&with_keys.findings()),
        [("epoch-tip".to_owned(), Some(0)), ("epoch-unproven".to_owned(), None)]
    );
    assert_eq!(with_keys.verdict()["verdict"], "findings");
    assert_eq!(with_keys.verdict()["history_root"], serde_json::Value::Null);
    let without = verify!(guardian, "--json").exits(1);
    assert_eq!(without.verdict()["verdict"], "findings");
    let run = migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(1);
    assert!(run.stderr.contains("no epoch is signed"), "{}", run.stderr);
    assert!(!target.exists() && !partial_of(&target).exists());
}

/// One signature is enough to prove what it covers; the tip behind it stays unproven and out of the root.
#[test]
fn the_root_ends_where_the_signatures_do() {
    let federation = Federation::new(ForgeSpec { epochs: 9, tip: 4, gap_every: 0, ..ForgeSpec::default() });
    let guardian = federation.guardian();
    let verdict = verify!(guardian, "--config", guardian, "--json").exits(0).verdict();
    assert_eq!((&verdict["signed"], &verdict["tip"], &verdict["last"]), (&5.into(), &4.into(), &4.into()));
    assert_eq!(verdict["sessions"], 5);
}
