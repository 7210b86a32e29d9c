//! 2,000 epochs under one key on one core: the reference's own loop compared with `verify_batch`.
//!
//! Prints seconds, microseconds per epoch and the ratio. Both sides get the same bytes and check all of them.
//! Also measures smaller batches, batches with bad items, and the combining of shares.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use fm_crypto::{BATCH_SIZE, Combiner, EpochHash, EpochKeys, Signature};
use threshold_crypto::poly::Poly;
use threshold_crypto::{PublicKey, Scalar, SecretKey, SecretKeySet, SignatureShare};

const EPOCHS: usize = 2000;

fn epochs(key: &SecretKey) -> Vec<(EpochHash, Signature)> {
    (0..EPOCHS)
        .map(|epoch| {
            let mut hash = [0x5a; 32];
            hash[..8].copy_from_slice(&epoch.to_le_bytes());
            (hash, key.sign(hash).to_bytes())
        })
        .collect()
}

fn report(name: &str, seconds: f64) {
    println!("{name:<24} {seconds:>8.3} s {:>9.1} us per epoch", seconds * 1e6 / EPOCHS as f64);
}

fn main() {
    let key = SecretKey(Scalar::from_bytes_wide(&[7; 64]));
    let public = key.public_key().to_bytes();
    let items = epochs(&key);
    let keys = EpochKeys::from_coefficients(vec![public]).unwrap();
    println!("{EPOCHS} epochs, one core, batches of {BATCH_SIZE}");

    let start = Instant::now();
    let reference = PublicKey::from_bytes(public).unwrap();
    let good = items.iter().filter(|(hash, signature)| {
        let signature = threshold_crypto::Signature::from_bytes(signature).unwrap();
        reference.verify(&signature, hash)
    });
    assert_eq!(good.count(), EPOCHS);
    let slow = start.elapsed().as_secs_f64();
    report("threshold_crypto loop", slow);

    let start = Instant::now();
    assert!(keys.verify_batch(&items).iter().all(Result::is_ok));
    let fast = start.elapsed().as_secs_f64();
    report("verify_batch", fast);
    println!("ratio {:.1}", slow / fast);

    for size in [1, 16, 64, 128, 256] {
        let start = Instant::now();
        assert!(items.chunks(size).flat_map(|items| keys.verify_batch(items)).all(|verdict| verdict.is_ok()));
        report(&format!("in batches of {size}"), start.elapsed().as_secs_f64());
    }

    for step in [100, 1] {
        let mut bad = items[..BATCH_SIZE].to_vec();
        bad.iter_mut().step_by(step).for_each(|item| item.0[31] ^= 1);
        let start = Instant::now();
        let refused = keys.verify_batch(&bad).iter().filter(|verdict| verdict.is_err()).count();
        let us = start.elapsed().as_secs_f64() * 1e6 / BATCH_SIZE as f64;
        println!("one batch with {refused} bad ones {us:.1} us per epoch");
    }
    combining();
}

/// Combines three shares into a signature, by the reference and by a [`Combiner`] that has met the peers
/// before.
fn combining() {
    let coefficients = (1..=3).map(|seed| Scalar::from_bytes_wide(&[seed; 64])).collect::<Vec<_>>();
    let secrets = SecretKeySet::from(Poly::from(coefficients));
    let public = secrets.public_keys();
    let points = public.coefficients().map(|point| PublicKey::from(*point).to_bytes());
    let keys = EpochKeys::from_coefficients(points.collect()).unwrap();
    let shares: BTreeMap<u16, Signature> =
        (0..3).map(|peer| (peer, secrets.secret_key_share(u64::from(peer)).sign("x").to_bytes())).collect();
    let rounds = 200;

    let start = Instant::now();
    for _ in 0..rounds {
        let shares: BTreeMap<u64, _> = shares
            .iter()
            .map(|(peer, share)| (u64::from(*peer), SignatureShare::from_bytes(share).unwrap()))
            .collect();
        black_box(public.combine_signatures(&shares).unwrap().to_bytes());
    }
    let slow = start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
    let mut combiner = Combiner::new(&keys);
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(combiner.combine(&shares).unwrap());
    }
    let fast = start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds);
    println!("combining 3 shares: reference {slow:.1} us, combiner {fast:.1} us, ratio {:.1}", slow / fast);
}
