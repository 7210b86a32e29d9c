//! Verifies one set of signatures by four keys in several ways, in turns, on one core, and prints the processor time
//! of each: libsecp256k1 one by one, and batches (random linear combination) over several multi-scalar multiplications.
//!
//! `cargo run --release [-- SIGNATURES]`; the default is 24,576, in batches of 96 to 6,144.

mod batch;
mod buckets;
mod libraries;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rustix::time::{ClockId, clock_gettime};
use secp256k1::{Keypair, schnorr};

use batch::{Job, Msm, verify};

const GUARDIANS: usize = 4;
const TURNS: usize = 5;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(24_576);
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let jobs = jobs(count, &mut random);
    let ways: [(&str, &Msm); 6] = [
        ("libsecp256k1, 4 bits", &buckets::four_bits),
        ("libsecp256k1, fitted", &buckets::fitted),
        ("ark-ec", &libraries::ark),
        ("halo2curves", &libraries::halo2),
        ("multiexp over k256", &libraries::multiexp),
        ("k256 lincomb", &libraries::lincomb),
    ];
    for (name, msm) in ways {
        check(&jobs[..300], msm, &mut random, name);
    }
    println!("{count} signatures by {GUARDIANS} keys, one core, microseconds of processor time a signature");
    for batch in [96, 192, 384, 768, 1536, 3072, 6144] {
        let mut best = [f64::MAX; 7];
        for _ in 0..TURNS {
            best[0] = best[0].min(timed(count, || jobs.iter().all(|job| job.verify())));
            for ((_, msm), best) in ways.iter().zip(&mut best[1..]) {
                let all =
                    || jobs.chunks(batch).all(|jobs| verify(jobs, msm, &mut ChaCha20Rng::seed_from_u64(2)));
                *best = best.min(timed(count, all));
            }
        }
        println!("batches of {batch}: one by one {:.1}", best[0]);
        for ((name, _), time) in ways.iter().zip(&best[1..]) {
            println!("  {name:<22} {time:>5.1}  ratio {:.2}", best[0] / time);
        }
    }
}

/// Returns the processor time of this thread for each of `count` signatures, in microseconds.
fn timed(count: usize, verify: impl Fn() -> bool) -> f64 {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let start = now();
    assert!(verify(), "every signature holds");
    let end = now();
    let nanoseconds = (end.tv_sec - start.tv_sec) as f64 * 1e9 + (end.tv_nsec - start.tv_nsec) as f64;
    nanoseconds / 1e3 / count as f64
}

fn jobs(count: usize, random: &mut ChaCha20Rng) -> Vec<Job> {
    let mut bytes = || {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        bytes
    };
    let pairs: Vec<Keypair> =
        (0..GUARDIANS).map(|_| Keypair::from_secret_bytes(bytes()).expect("a secret key")).collect();
    let sign = |at: usize| {
        let (pair, message) = (&pairs[at % GUARDIANS], bytes());
        let signature = schnorr::sign_no_aux_rand(&message, pair);
        Job { key: pair.x_only_public_key().0, message, signature: signature.to_byte_array() }
    };
    (0..count).map(sign).collect()
}

/// Checks that a batch holds, and that it fails with one bit changed anywhere in one of its signatures.
fn check(jobs: &[Job], msm: &Msm, random: &mut ChaCha20Rng, name: &str) {
    assert!(verify(jobs, msm, random), "{name}: good signatures");
    for bit in [0, 77, 255, 256, 300, 511] {
        let mut jobs = jobs.to_vec();
        jobs[bit / 2].signature[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(!verify(&jobs, msm, random), "{name}: a bad signature");
    }
}
