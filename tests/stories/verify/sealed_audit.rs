//! What `fm-verify` says of the signatures of migrated sessions: good ones, bad ones, too few, too many,
//! unchecked.

use std::fs;
use std::path::PathBuf;

use fm_forge::ForgeSpec;
use fm_history::{Code, SessionParts, Signatures, signed_record};
use fm_tests::{Federation, codes, converted, copy_dir, keys_of, rewrite_database, rows_under, seal, verify};

const AT: u64 = 17;

struct Sealed {
    federation: Federation,
    dir: PathBuf,
}

impl Sealed {
    fn new() -> Self {
        let spec = ForgeSpec { epochs: 40, items_per_epoch: 4, with_shares: false, ..ForgeSpec::default() };
        let federation = Federation::new(spec);
        let dir = federation.beside("sealed");
        converted(&federation.guardian(), &dir);
        let files: Vec<_> =
            (0..3).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
        seal(&dir, &federation.config(), &files).exits(0);
        Self { federation, dir }
    }

    /// Returns the findings, and the number of sealed sessions, of a copy in which the signatures of some
    /// sessions are changed.
    fn with(&self, exit: i32, change: impl Fn(u64, &mut Signatures)) -> (Vec<(String, Option<u64>)>, u64) {
        let copy = self.federation.beside("copy");
        copy_dir(&self.dir, &copy);
        rewrite_database(
            &copy,
            |key, value| {
                if key[0] != 0x04 {
                    return Some((key.to_vec(), value.to_vec()));
                }
                let mut parts = SessionParts::read(value).expect("a session");
                change(u64::from(key[1]), &mut parts.signatures);
                Some((key.to_vec(), signed_record(&value[..parts.outcome_bytes], &parts.signatures)))
            },
            &[],
        );
        let run = verify!(copy, "--config", self.federation.config(), "--json").exits(exit);
        fs::remove_dir_all(&copy).expect("the copy");
        let found = codes(&run.findings()).into_iter().filter(|(code, _)| code != "epoch-tip").collect();
        (found, run.verdict()["sealed"].as_u64().expect("a number"))
    }
}

fn code(code: Code, session: impl Into<Option<u64>>) -> (String, Option<u64>) {
    (code.as_str().to_owned(), session.into())
}

#[test]
fn damaged_seals() {
    let sealed = Sealed::new();
    let at = |change: fn(&mut Signatures)| {
        move |index, signatures: &mut Signatures| {
            if index == AT {
                change(signatures)
            }
        }
    };
    assert_eq!(sealed.with(0, |_, _| ()), (vec![], 39));
    let flipped = sealed.with(1, at(|signatures| signatures.get_mut(&1).expect("a signature")[5] ^= 1));
    assert_eq!(flipped, (vec![code(Code::SessionSignatureInvalid, AT), code(Code::SessionUnsigned, AT)], 38));
    let stranger = sealed.with(
        1,
        at(|signatures| {
            let signature = signatures.remove(&2).expect("a signature");
            signatures.insert(9, signature);
        }),
    );
    assert_eq!(stranger, (vec![code(Code::SessionSignerUnknown, AT), code(Code::SessionUnsigned, AT)], 38));
    let two = sealed.with(1, at(|signatures| signatures.retain(|peer, _| *peer != 2)));
    assert_eq!(two, (vec![code(Code::SessionUnsigned, AT)], 38));
    // Some sessions without signatures: sealing never leaves that.
    let none = sealed.with(1, at(Signatures::clear));
    assert_eq!(none, (vec![code(Code::SessionUnsigned, AT)], 38));
    let all = sealed.with(0, |_, signatures| signatures.clear());
    assert_eq!(all, (vec![code(Code::SessionsUnsealed, None)], 0));
}

/// The signature of a session is stored with the next one.
#[test]
fn signatures_of_another_session() {
    let sealed = Sealed::new();
    let rows = rows_under(&sealed.dir.join("database"), 0x04);
    let next = |index: u64| {
        let row = rows.iter().find(|(key, _)| u64::from(key[1]) == index + 1).expect("a session");
        SessionParts::read(&row.1).expect("a session").signatures
    };
    let (found, count) = sealed.with(1, |index, signatures| {
        if index == AT {
            *signatures = next(AT);
        }
    });
    let bad = code(Code::SessionSignatureInvalid, AT);
    assert_eq!(found, [bad.clone(), bad.clone(), bad, code(Code::SessionUnsigned, AT)]);
    assert_eq!(count, 38);
}

#[test]
fn more_than_servers_store() {
    let sealed = Sealed::new();
    let fourth = sealed.federation.attestation(&sealed.dir, 3, "of-3");
    let mut archive = fm_archive::ArchiveReader::open_path(fourth).expect("an attestation");
    let signature: [u8; 64] =
        archive.get(&AT.to_be_bytes()).expect("readable").expect("there").try_into().expect("64 bytes");
    let (found, count) = sealed.with(0, |index, signatures| {
        if index == AT {
            signatures.insert(3, signature);
        }
    });
    assert_eq!((found, count), (vec![code(Code::SessionSignaturesSurplus, AT)], 39));
}

/// With epoch keys alone the new signatures are not checked, and nothing is called sealed.
#[test]
fn without_session_keys() {
    let sealed = Sealed::new();
    let keys = sealed.federation.beside("keys.json");
    fs::write(&keys, keys_of(&sealed.federation.forged.coefficients)).expect("the keys can be written");
    let run = verify!(sealed.dir, "--keys", keys, "--json").exits(0);
    assert!(codes(&run.findings()).contains(&code(Code::SealUnchecked, None)), "{}", run.stdout);
    assert!(run.verdict()["sealed"].is_null());
    let people = verify!(sealed.dir, "--keys", keys).exits(0).stdout;
    assert!(!people.contains("\nsealed "), "{people}");
    verify!(sealed.dir, "--json").exits(4);
}
