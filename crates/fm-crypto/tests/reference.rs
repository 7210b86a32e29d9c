//! Compares the fast library with `threshold_crypto`, on random inputs and on inputs that an attacker would
//! choose.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use fm_crypto::{Combiner, EpochHash, EpochKeys, Signature, SignatureError, hash_g2};
use proptest::prelude::*;
use threshold_crypto::group::GroupEncoding;
use threshold_crypto::poly::Poly;
use threshold_crypto::{G2Affine, G2Projective, Scalar, SecretKey, SecretKeySet, SignatureShare};

/// The number of points of the twist curve divided by 13², the square of its smallest factor.
const ALL_BUT_169: &str = concat!(
    "04005449cda731a7136c440a0c65b728ba1c1fa6b6708356f3b9bdc84396cab33907d71557a7d33677f5d45f7c",
    "edb8cfdac10ff1fc5b48d6461e907737d78e96568f2d18c750b4b3ca5c33c3fd8ff8a70629888281914529f4e3",
    "380941cfdd",
);

fn secret(seed: u64) -> SecretKey {
    SecretKey(Scalar::from_bytes_wide(&hash_g2(&seed.to_be_bytes())[..64].try_into().unwrap()))
}

fn keys(secret: &SecretKey) -> EpochKeys {
    EpochKeys::from_coefficients(vec![secret.public_key().to_bytes()]).unwrap()
}

fn message(number: u64) -> EpochHash {
    hash_g2(&number.to_le_bytes())[..32].try_into().unwrap()
}

/// Returns a point of the curve that is almost certainly outside G2: some x that has a y.
fn outside_the_group(seed: u64) -> Signature {
    let tries = (0u64..).map(|step| {
        let mut bytes = hash_g2(&(seed ^ step << 32).to_be_bytes());
        bytes[48] &= 0x0f;
        bytes[0] = 0x80 | bytes[0] & 0x2f;
        bytes
    });
    let on_curve = |bytes: &Signature| bool::from(G2Affine::from_compressed_unchecked(bytes).is_some());
    tries.into_iter().find(on_curve).unwrap()
}

fn infinity() -> Signature {
    let mut bytes = [0; 96];
    bytes[0] = 0xc0;
    bytes
}

/// Returns an item of this kind, made from the good one; kind 0 and unknown kinds are good.
fn item(secret: &SecretKey, number: u64, kind: u8) -> (EpochHash, Signature) {
    let hash = message(number);
    let good = secret.sign(hash).to_bytes();
    let bit = usize::try_from(number % 768).unwrap();
    let flipped = |mut bytes: Signature| {
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    match kind {
        1 => (hash, secret.sign(message(number + 1)).to_bytes()),
        2 => (hash, flipped(good)),
        3 => (hash, outside_the_group(number)),
        4 => (hash, infinity()),
        5 => (message(number + 1), good),
        6 => (hash, flipped([0; 96])),
        7 => (hash, crate::secret(number).sign(hash).to_bytes()),
        _ => (hash, good),
    }
}

fn assert_as_reference(keys: &EpochKeys, items: &[(EpochHash, Signature)]) {
    let expected: Vec<_> = items.iter().map(|(hash, signature)| keys.verify(hash, signature)).collect();
    assert_eq!(keys.verify_batch(items), expected);
}

#[test]
fn batches_of_every_size_with_every_kind() {
    let secret = secret(1);
    let keys = keys(&secret);
    for size in [0, 1, 2, 3, 17, 100] {
        let good: Vec<_> = (0..size).map(|number| item(&secret, number, 0)).collect();
        assert!(keys.verify_batch(&good).iter().all(Result::is_ok));
        for kinds in [8u8, 10, 40] {
            let kind = |number: u64| u8::try_from((number * 7 + size) % u64::from(kinds)).unwrap();
            let items: Vec<_> = (0..size).map(|number| item(&secret, number, kind(number))).collect();
            assert_as_reference(&keys, &items);
        }
    }
}

#[test]
fn every_item_bad() {
    let secret = secret(2);
    let items: Vec<_> = (0..33).map(|number| item(&secret, number, 1)).collect();
    assert_eq!(keys(&secret).verify_batch(&items), vec![Err(SignatureError::DoesNotVerify); 33]);
}

#[test]
fn verdicts_keep_their_places_beyond_one_batch() {
    let secret = secret(3);
    let mut items = vec![item(&secret, 0, 0); fm_crypto::BATCH_SIZE + 5];
    items[fm_crypto::BATCH_SIZE - 1] = item(&secret, 1, 1);
    items[fm_crypto::BATCH_SIZE + 3] = item(&secret, 1, 4);
    let verdicts = keys(&secret).verify_batch(&items);
    let bad: Vec<_> = (0..items.len()).filter(|place| verdicts[*place].is_err()).collect();
    assert_eq!(bad, [fm_crypto::BATCH_SIZE - 1, fm_crypto::BATCH_SIZE + 3]);
}

#[test]
fn errors_that_cancel_are_found() {
    let secret = secret(4);
    let keys = keys(&secret);
    let mut items: Vec<_> = (0..6).map(|number| item(&secret, number, 0)).collect();
    let point = |bytes: &Signature| G2Projective::from(G2Affine::from_compressed(bytes).unwrap());
    let error = point(&hash_g2(b"error"));
    items[1].1 = (point(&items[1].1) + error).to_bytes().as_ref().try_into().unwrap();
    items[4].1 = (point(&items[4].1) - error).to_bytes().as_ref().try_into().unwrap();
    let verdicts = keys.verify_batch(&items);
    let bad: Vec<_> = (0..6).filter(|place| verdicts[*place] == Err(SignatureError::DoesNotVerify)).collect();
    assert_eq!(bad, [1, 4]);
    assert_as_reference(&keys, &items);
}

/// The same message and signature many times, and the same with one of them negated: sums that double or
/// vanish.
#[test]
fn equal_and_opposite_items() {
    let secret = secret(5);
    let keys = keys(&secret);
    let mut items = vec![item(&secret, 9, 0); 40];
    assert_as_reference(&keys, &items);
    items[7].1[0] ^= 0x20;
    items[8].1[0] ^= 0x20;
    assert_as_reference(&keys, &items);
}

/// Returns a point of order 13: a weight that is a multiple of 13 makes it vanish from a sum.
fn order_13() -> G2Projective {
    let point = G2Affine::from_compressed_unchecked(&outside_the_group(1)).unwrap().into();
    let times = |scalar: &str| {
        let bits = hex::decode(scalar).unwrap().into_iter();
        let bits = bits.flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        move |point: G2Projective| {
            let step = |sum: G2Projective, bit| {
                if bit == 1 { sum.double() + point } else { sum.double() }
            };
            bits.fold(G2Projective::identity(), step)
        }
    };
    let point = times(ALL_BUT_169)(point);
    let smaller = times("0d")(point);
    let order_13 = if bool::from(smaller.is_identity()) { point } else { smaller };
    assert!(!bool::from(order_13.is_identity()) && bool::from(times("0d")(order_13).is_identity()));
    order_13
}

/// Without a check of the group, one of 13 such signatures would pass, whatever the weights.
#[test]
fn points_of_small_order_do_not_hide() {
    let secret = secret(8);
    let keys = keys(&secret);
    let good = item(&secret, 0, 0);
    let off = G2Projective::from(G2Affine::from_compressed(&good.1).unwrap()) + order_13();
    let off = (good.0, off.to_bytes().as_ref().try_into().unwrap());
    for _ in 0..100 {
        assert_eq!(keys.verify_batch(&[off, good]), [Err(SignatureError::NotAPoint), Ok(())]);
    }
}

fn key_set(degree: u64, seed: u64) -> (SecretKeySet, EpochKeys) {
    let coefficients: Vec<_> = (0..=degree).map(|power| secret(seed + power).0).collect();
    let secrets = SecretKeySet::from(Poly::from(coefficients));
    let public = secrets.public_keys();
    let points = public.coefficients().map(|point| threshold_crypto::PublicKey::from(*point).to_bytes());
    let keys = EpochKeys::from_coefficients(points.collect()).unwrap();
    (secrets, keys)
}

fn assert_combines(combiner: &mut Combiner, secrets: &SecretKeySet, shares: &BTreeMap<u16, Signature>) {
    let decode = |share: &Signature| SignatureShare::from_bytes(share).unwrap();
    let decoded: BTreeMap<u64, _> =
        shares.iter().map(|(peer, share)| (u64::from(*peer), decode(share))).collect();
    let expected = secrets.public_keys().combine_signatures(&decoded).unwrap().to_bytes();
    assert_eq!(combiner.combine(shares).unwrap(), expected);
}

#[test]
fn shares_of_a_peer_under_its_own_key() {
    let (secrets, keys) = key_set(2, 70);
    for peer in [0u16, 3, u16::MAX] {
        let share = secrets.secret_key_share(u64::from(peer)).sign(message(1)).to_bytes();
        let own = keys.of_peer(peer).unwrap();
        assert_eq!(keys.verify_share(peer, &message(1), &share), Ok(()));
        assert_eq!(keys.verify_share(peer ^ 1, &message(1), &share), Err(SignatureError::DoesNotVerify));
        assert_eq!(keys.verify_share(peer, &message(1), &[0xff; 96]), Err(SignatureError::NotAPoint));
        assert_eq!(own.verify_batch(&[(message(1), share)]), [Ok(())]);
        assert_eq!(own.verify_batch(&[(message(2), share)]), [Err(SignatureError::DoesNotVerify)]);
    }
}

#[test]
fn combined_shares_that_are_equal_opposite_or_infinite() {
    let (secrets, keys) = key_set(3, 90);
    let good = secrets.secret_key_share(0u64).sign(message(1)).to_bytes();
    let mut opposite = good;
    opposite[0] ^= 0x20;
    let mut combiner = Combiner::new(&keys);
    for shares in [
        [good; 4],
        [good, opposite, good, opposite],
        [infinity(); 4],
        [good, infinity(), good, infinity()],
        [infinity(), opposite, opposite, good],
    ] {
        assert_combines(&mut combiner, &secrets, &(0..).zip(shares).collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_agree_with_the_reference(kinds in prop::collection::vec(0u8..30, 1..24), seed in any::<u32>()) {
        let secret = secret(u64::from(seed));
        let number = |place: usize| u64::from(seed) + u64::try_from(place).unwrap();
        let items: Vec<_> =
            kinds.iter().enumerate().map(|(place, kind)| item(&secret, number(place), *kind)).collect();
        assert_as_reference(&keys(&secret), &items);
    }

    #[test]
    fn combining_agrees_with_the_reference(
        degree in 0u64..8,
        sets in prop::collection::vec(prop::collection::btree_set(any::<u16>(), 8..12), 1..4),
        seed in any::<u32>(),
    ) {
        let (secrets, keys) = key_set(degree, u64::from(seed));
        let mut combiner = Combiner::new(&keys);
        for peers in sets.iter().chain(&sets) {
            let share = |peer: &u16| secrets.secret_key_share(u64::from(*peer)).sign(message(7)).to_bytes();
            let shares: BTreeMap<_, _> = peers.iter().map(|peer| (*peer, share(peer))).collect();
            assert_combines(&mut combiner, &secrets, &shares);
            prop_assert_eq!(keys.combine(&shares).unwrap(), combiner.combine(&shares).unwrap());
        }
    }

    /// Any bytes, with every value of the three flag bits and with few or many zero bytes.
    #[test]
    fn the_same_encodings_are_points(bytes in any::<[[u8; 32]; 3]>(), zeros in 0usize..97, flags in 0u8..8) {
        let secret = secret(6);
        let mut bytes: Signature = bytes.as_flattened().try_into().unwrap();
        bytes[..zeros].fill(0);
        bytes[0] = flags << 5 | bytes[0] & 0x1f;
        assert_as_reference(&keys(&secret), &[(message(1), bytes)]);
        let _ = EpochKeys::from_coefficients(vec![bytes[..48].try_into().unwrap()]);
        let mut valid = secret.sign(message(1)).to_bytes();
        valid[0] = flags << 5 | valid[0] & 0x1f;
        assert_as_reference(&keys(&secret), &[(message(1), valid)]);
    }

    #[test]
    fn hashes_agree_with_the_reference(message in prop::collection::vec(any::<u8>(), 0..80)) {
        let expected = threshold_crypto::hash_g2(&message).to_bytes();
        let got = hash_g2(&message);
        prop_assert_eq!(&got[..], expected.as_ref());
    }
}
