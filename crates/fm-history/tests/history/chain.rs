//! The chain of epochs: every tampering is found at its place, and the classes equal those of a naive count.

use fm_history::{
    ChainSummary, ChainVerifier, Code, EpochFacts, Finding, Hash, Severity, SignatureState, sha256,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Returns a correct chain; `signed` says which epochs have a signature.
fn good(signed: &[bool]) -> Vec<EpochFacts> {
    let hash = |number: u64| sha256(&[b"epoch", &number.to_be_bytes()]);
    (0..)
        .zip(signed)
        .map(|(number, signed)| EpochFacts {
            key: number,
            number,
            last_hash: number.checked_sub(1).map(hash),
            computed_hash: hash(number),
            stored_hash: hash(number),
            signature: if *signed { SignatureState::Valid } else { SignatureState::Absent },
        })
        .collect()
}

fn verify(chain: &[EpochFacts]) -> (ChainSummary, Vec<Finding>) {
    let mut verifier = ChainVerifier::new();
    let mut findings: Vec<Finding> = chain.iter().flat_map(|facts| verifier.on_epoch(facts)).collect();
    let (summary, last) = verifier.finish();
    findings.extend(last);
    (summary, findings)
}

fn codes(findings: &[Finding]) -> Vec<(Code, Option<u64>)> {
    findings.iter().map(|finding| (finding.code, finding.place.epoch)).collect()
}

/// Counts signed, covered, tip and unproven epochs; decides each by looking at every later epoch.
fn naive(chain: &[EpochFacts]) -> (u64, u64, u64, u64) {
    let is_signed = |at: usize| {
        chain[at].signature == SignatureState::Valid && chain[at].computed_hash == chain[at].stored_hash
    };
    let is_linked = |at: usize| {
        chain[at].key == chain[at - 1].key + 1 && chain[at].last_hash == Some(chain[at - 1].computed_hash)
    };
    let mut counts = (0, 0, 0, 0);
    for at in 0..chain.len() {
        let next_signed = (at..chain.len()).find(|at| is_signed(*at));
        let next_break = (at + 1..chain.len()).find(|at| !is_linked(*at));
        match (next_signed, next_break) {
            (Some(signed), _) if signed == at => counts.0 += 1,
            (Some(signed), Some(broken)) if signed >= broken => counts.3 += 1,
            (Some(_), _) => counts.1 += 1,
            (None, Some(_)) => counts.3 += 1,
            (None, None) => counts.2 += 1,
        }
    }
    counts
}

fn counts(summary: &ChainSummary) -> (u64, u64, u64, u64) {
    (summary.signed, summary.covered, summary.tip, summary.unproven)
}

/// One modification of one epoch.
#[derive(Clone, Copy, Debug)]
enum Tamper {
    Number,
    Content,
    StoredHash,
    LastHash,
    NoLastHash,
    BadSignature,
    NoPoint,
    Removed,
}

impl Tamper {
    const ALL: [Self; 8] = [
        Self::Number,
        Self::Content,
        Self::StoredHash,
        Self::LastHash,
        Self::NoLastHash,
        Self::BadSignature,
        Self::NoPoint,
        Self::Removed,
    ];

    /// Applies the modification; returns the finding that must result, or `None` if the chain cannot detect
    /// it.
    fn apply(self, chain: &mut Vec<EpochFacts>, at: usize) -> Option<(Code, Option<u64>)> {
        let epoch = chain[at].key;
        let facts = &mut chain[at];
        let code = match self {
            Self::Number => {
                facts.number ^= 1;
                Code::EpochKeyMismatch
            }
            Self::Content => {
                facts.computed_hash.0[0] ^= 1;
                Code::EpochHashMismatch
            }
            Self::StoredHash => {
                facts.stored_hash.0[0] ^= 1;
                Code::EpochHashMismatch
            }
            Self::LastHash => {
                let mut other = facts.last_hash.unwrap_or_default();
                other.0[31] ^= 1;
                facts.last_hash = Some(other);
                Code::EpochLinkBroken
            }
            Self::NoLastHash => {
                facts.last_hash.take()?;
                Code::EpochLinkBroken
            }
            Self::BadSignature => {
                facts.signature = SignatureState::Invalid;
                Code::EpochSignatureInvalid
            }
            Self::NoPoint => {
                facts.signature = SignatureState::Malformed("no point".to_owned());
                Code::EpochSignatureMalformed
            }
            Self::Removed => {
                chain.remove(at);
                if at == chain.len() {
                    // After the last epoch nothing is missing; the last-epoch pointer detects that.
                    return None;
                }
                Code::EpochMissing
            }
        };
        Some((code, Some(epoch)))
    }
}

proptest! {
    #[test]
    fn a_good_chain_has_no_finding_but_its_tip(signed in vec(any::<bool>(), 0..40)) {
        let chain = good(&signed);
        let (summary, findings) = verify(&chain);
        prop_assert_eq!(counts(&summary), naive(&chain));
        prop_assert_eq!(summary.records, signed.len() as u64);
        prop_assert_eq!((summary.unproven, summary.unchecked), (0, 0));
        let last_signed = signed.iter().rposition(|signed| *signed).map(|at| at as u64);
        prop_assert_eq!(summary.last_signed, last_signed);
        prop_assert_eq!(summary.last, signed.len().checked_sub(1).map(|last| last as u64));
        let tip = last_signed.map_or(0, |last| last + 1);
        let expected = if summary.tip > 0 { vec![(Code::EpochTip, Some(tip))] } else { vec![] };
        prop_assert_eq!(codes(&findings), expected);
        // A history ends with one unsigned epoch; more than one is a case for a person to look at.
        let severity = if summary.tip > 1 { Severity::Warning } else { Severity::Info };
        prop_assert!(findings.iter().all(|finding| finding.severity == severity));
    }

    #[test]
    fn a_single_tampering_is_found_where_it_is(
        signed in vec(any::<bool>(), 1..40),
        at: prop::sample::Index,
        tamper in prop::sample::select(Tamper::ALL.to_vec()),
    ) {
        let mut chain = good(&signed);
        let expected = tamper.apply(&mut chain, at.index(signed.len()));
        let (summary, findings) = verify(&chain);
        let found = codes(&findings);
        if let Some(expected) = expected {
            prop_assert!(found.contains(&expected), "{:?}: {:?}", tamper, found);
        }
        // Nothing before the place has a finding, except epochs that the break leaves unproven.
        let place = expected.map_or(u64::MAX, |(_, epoch)| epoch.unwrap());
        for (code, epoch) in found {
            let of_many = matches!(code, Code::EpochUnproven | Code::EpochTip);
            prop_assert!(of_many || epoch.unwrap() >= place, "{:?} at {:?}", code, epoch);
        }
        prop_assert_eq!(counts(&summary), naive(&chain));
    }

    #[test]
    fn classes_are_those_of_the_naive_count(
        signed in vec(any::<bool>(), 1..30),
        tampers in vec((any::<prop::sample::Index>(), prop::sample::select(Tamper::ALL.to_vec())), 0..6),
    ) {
        let mut chain = good(&signed);
        for (at, tamper) in tampers {
            if !chain.is_empty() {
                let at = at.index(chain.len());
                tamper.apply(&mut chain, at);
            }
        }
        let (summary, _) = verify(&chain);
        prop_assert_eq!(counts(&summary), naive(&chain));
        let classes = summary.signed + summary.covered + summary.tip + summary.unproven;
        prop_assert_eq!((classes, summary.records), (chain.len() as u64, chain.len() as u64));
    }

    #[test]
    fn without_keys_nothing_counts_as_proven(signed in vec(any::<bool>(), 1..30)) {
        let mut chain = good(&signed);
        for facts in &mut chain {
            if facts.signature == SignatureState::Valid {
                facts.signature = SignatureState::Unchecked;
            }
        }
        let (summary, _) = verify(&chain);
        prop_assert_eq!((summary.signed, summary.covered, summary.last_signed), (0, 0, None));
        prop_assert_eq!(summary.unchecked, signed.iter().filter(|signed| **signed).count() as u64);
    }

    #[test]
    fn an_undecodable_record_is_found_and_covers_nothing(
        signed in vec(any::<bool>(), 1..30), at: prop::sample::Index,
    ) {
        let chain = good(&signed);
        let at = at.index(chain.len());
        let mut verifier = ChainVerifier::new();
        let mut findings = Vec::new();
        for facts in &chain {
            findings.extend(if facts.key == at as u64 {
                verifier.on_undecodable(facts.key, "cut short")
            } else {
                verifier.on_epoch(facts)
            });
        }
        let (summary, _) = verifier.finish();
        prop_assert_eq!(codes(&findings)[0], (Code::EpochUndecodable, Some(at as u64)));
        // The parts before and after the record are independent; the record itself is unproven.
        let before = naive(&chain[..at]);
        let behind = naive(&chain[at + 1..]);
        let expected =
            (before.0 + behind.0, before.1 + behind.1, behind.2, before.2 + before.3 + behind.3 + 1);
        prop_assert_eq!(counts(&summary), expected);
    }
}

#[test]
fn a_valid_signature_over_a_false_hash_signs_nothing() {
    // The signature covers the stored hash: it does not sign content with another hash.
    let mut chain = good(&[true, false, true, true]);
    chain[2].computed_hash = Hash([9; 32]);
    let (summary, findings) = verify(&chain);
    assert_eq!(
        codes(&findings),
        [
            (Code::EpochHashMismatch, Some(2)),
            (Code::EpochLinkBroken, Some(3)),
            (Code::EpochUnproven, Some(1)),
        ]
    );
    assert_eq!(counts(&summary), (2, 0, 0, 2));
}

#[test]
fn a_chain_that_does_not_start_at_0_says_so() {
    let chain = good(&[true; 5]);
    let (summary, findings) = verify(&chain[3..]);
    assert_eq!(codes(&findings), [(Code::EpochMissing, Some(0))]);
    assert_eq!((summary.first, summary.last, summary.signed), (Some(3), Some(4), 2));
}

#[test]
fn an_epoch_0_that_names_a_predecessor_is_a_broken_link() {
    let mut chain = good(&[true]);
    chain[0].last_hash = Some(Hash([1; 32]));
    assert_eq!(codes(&verify(&chain).1), [(Code::EpochLinkBroken, Some(0))]);
}
