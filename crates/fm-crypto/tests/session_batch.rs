//! Batches of Schnorr signatures: the verdicts are those of single checks, whatever the batch holds.

#![allow(clippy::unwrap_used)]

use fm_crypto::{SchnorrError, SchnorrItem, SchnorrSignature, SessionKeys, SigningKey};
use proptest::prelude::*;

/// The order of the curve, and the prime of its field.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const PRIME: &str = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";

const NONE: [usize; 0] = [];

/// Signer, message, signature.
type Signed = (u16, [u8; 32], SchnorrSignature);

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

struct Federation {
    signers: Vec<SigningKey>,
    keys: SessionKeys,
}

impl Federation {
    fn new(guardians: u8) -> Self {
        let signers: Vec<SigningKey> =
            (1..=guardians).map(|last| SigningKey::from_bytes([last; 32]).unwrap()).collect();
        let keys = (0..).zip(signers.iter().map(SigningKey::public_key)).collect();
        Self { signers, keys: SessionKeys::new(&keys).unwrap() }
    }

    fn signed(&self, count: usize) -> Vec<Signed> {
        let one = |at: usize| {
            let (peer, message) = (at % self.signers.len(), self.keys.message(&at.to_be_bytes()));
            (u16::try_from(peer).unwrap(), message, self.signers[peer].sign(&message))
        };
        (0..count).map(one).collect()
    }

    /// Returns the verdicts of a batch, after comparing them with those of single checks.
    fn verdicts(&self, signed: &[Signed]) -> Vec<Result<(), SchnorrError>> {
        let items: Vec<SchnorrItem<'_>> = signed
            .iter()
            .map(|(peer, message, signature)| SchnorrItem { peer: *peer, message: *message, signature })
            .collect();
        let verdicts = self.keys.verify_batch(&items);
        let alone =
            signed.iter().map(|(peer, message, signature)| self.keys.verify(*peer, message, signature));
        assert_eq!(verdicts, alone.collect::<Vec<_>>());
        verdicts
    }

    fn bad(&self, signed: &[Signed]) -> Vec<usize> {
        let verdicts = self.verdicts(signed).into_iter().enumerate();
        verdicts.filter(|(_, verdict)| verdict.is_err()).map(|(at, _)| at).collect()
    }
}

#[test]
fn good_signatures_hold_in_batches_of_every_size() {
    for guardians in [1, 2, 4, 7] {
        let federation = Federation::new(guardians);
        for count in [0, 1, 2, 95, 96, 97, 300, 1535, 1536, 1537, 3100] {
            assert_eq!(federation.bad(&federation.signed(count)), NONE, "{count} by {guardians}");
        }
    }
}

/// Every kind of bad signature, alone among good ones: even if the batch's own arithmetic refuses it, the
/// verdict is the same.
#[test]
fn one_bad_signature_is_found_and_nothing_else() {
    let federation = Federation::new(4);
    let good = federation.signed(200);
    let with = |change: &dyn Fn(&mut Signed)| {
        let mut signed = good.clone();
        change(&mut signed[77]);
        federation.bad(&signed)
    };
    let halves =
        |at: usize, half: [u8; 32]| with(&|signed| signed.2[32 * at..32 * at + 32].copy_from_slice(&half));
    for bit in (0..512).step_by(5) {
        assert_eq!(with(&|signed| signed.2[bit / 8] ^= 1 << (bit % 8)), [77], "bit {bit}");
    }
    for half in [[0; 32], [0xFF; 32], bytes(ORDER), bytes(PRIME), [1; 32], [5; 32]] {
        assert_eq!(halves(0, half), [77]);
        assert_eq!(halves(1, half), [77]);
    }
    assert_eq!(with(&|signed| signed.1[31] ^= 1), [77]);
    assert_eq!(with(&|signed| signed.0 = 2), [77]);
    assert_eq!(with(&|signed| signed.0 = 4), [77]);
    assert_eq!(with(&|signed| signed.2 = good[78].2), [77]);
}

/// Errors that cancel in a plain sum, which is why each signature has its own weight.
#[test]
fn errors_that_cancel_each_other_are_found() {
    let federation = Federation::new(4);
    let mut signed = federation.signed(400);
    let step = |half: &mut [u8], up: bool| {
        let last = half.last_mut().unwrap();
        *last = if up { last.checked_add(1).unwrap() } else { last.checked_sub(1).unwrap() };
    };
    let (up, down) = (4..399)
        .filter(|at| at % 4 == 0)
        .map(|at| (at, at + 1))
        .find(|(up, down)| signed[*up].2[63] < 255 && signed[*down].2[63] > 0)
        .unwrap();
    step(&mut signed[up].2[32..], true);
    step(&mut signed[down].2[32..], false);
    assert_eq!(federation.bad(&signed), [up, down]);
    // Two signatures of one guardian, swapped.
    let mut signed = federation.signed(400);
    let other = signed[8].2;
    signed[8].2 = signed[4].2;
    signed[4].2 = other;
    assert_eq!(federation.bad(&signed), [4, 8]);
}

/// The same signature many times is as good as once; equal points meet in the sums.
#[test]
fn repeated_signatures_hold() {
    let federation = Federation::new(4);
    let signed = federation.signed(1);
    assert_eq!(federation.bad(&signed.repeat(1000)), NONE);
    let mut signed = federation.signed(2).repeat(300);
    signed[599].2[0] ^= 1;
    assert_eq!(federation.bad(&signed), [599]);
}

#[test]
fn nothing_but_bad_signatures() {
    let federation = Federation::new(4);
    let signed: Vec<Signed> = (0..200u8).map(|at| (u16::from(at), [at; 32], [at; 64])).collect();
    assert_eq!(federation.bad(&signed).len(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Good signatures with any number of damaged ones among them, over more than one batch.
    #[test]
    fn verdicts_are_those_of_single_checks(
        count in 90..2000usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..64usize, 1..=255u8, 0..5u16), 0..6),
    ) {
        let federation = Federation::new(4);
        let mut signed = federation.signed(count);
        for (at, byte, flip, peer) in damage {
            let one = at.get_mut(&mut signed);
            one.2[byte] ^= flip;
            one.0 = peer;
        }
        federation.verdicts(&signed);
    }
}
