//! 12,288 session signatures by four guardians on one core: libsecp256k1's own loop compared with
//! `verify_batch`, in turns.
//!
//! `cargo bench --workspace --bench schnorr_batch`. Prints microseconds per signature and ratios, for several
//! sizes of batches, for a batch with one bad signature, and for a batch of only bad ones.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Instant;

use fm_crypto::{SchnorrItem, SchnorrSignature, SessionKeys, SigningKey};

const SIGNATURES: usize = 12_288;
const TURNS: usize = 5;

fn microseconds(signatures: usize, check: impl Fn()) -> f64 {
    let start = Instant::now();
    check();
    start.elapsed().as_secs_f64() * 1e6 / signatures as f64
}

/// Takes the better of several runs of both sides: one signature at a time, and in batches.
fn compare(name: &str, keys: &SessionKeys, items: &[SchnorrItem<'_>], batch: usize, good: usize) {
    let (mut alone, mut together) = (f64::MAX, f64::MAX);
    for _ in 0..TURNS {
        alone = alone.min(microseconds(items.len(), || {
            let verify =
                |item: &&SchnorrItem<'_>| keys.verify(item.peer, &item.message, item.signature).is_ok();
            assert_eq!(items.iter().filter(verify).count(), good);
        }));
        together = together.min(microseconds(items.len(), || {
            let verdicts = items.chunks(batch).flat_map(|items| keys.verify_batch(items));
            assert_eq!(verdicts.filter(Result::is_ok).count(), good);
        }));
    }
    println!("{name:<28} {alone:>6.1} {together:>6.1}  ratio {:.2}", alone / together);
}

fn main() {
    let signers: Vec<SigningKey> =
        (1..=4u8).map(|last| SigningKey::from_bytes([last; 32]).unwrap()).collect();
    let keys = SessionKeys::new(&(0..4).zip(signers.iter().map(SigningKey::public_key)).collect()).unwrap();
    let signed: Vec<(u16, [u8; 32], SchnorrSignature)> = (0..SIGNATURES)
        .map(|at| {
            let (message, peer) = (keys.message(&at.to_be_bytes()), u16::try_from(at % 4).unwrap());
            (peer, message, signers[at % 4].sign(&message))
        })
        .collect();
    let items: Vec<SchnorrItem<'_>> = signed
        .iter()
        .map(|(peer, message, signature)| SchnorrItem { peer: *peer, message: *message, signature })
        .collect();
    println!("{SIGNATURES} signatures, microseconds each: one by one, in batches");
    for batch in [64, 96, 192, 384, 768, 1536, SIGNATURES] {
        compare(&format!("batches of {batch}"), &keys, &items, batch, SIGNATURES);
    }
    let mut bad = items[..1536].to_vec();
    bad[700].message[0] ^= 1;
    compare("1,536, one of them bad", &keys, &bad, 1536, 1535);
    bad.iter_mut().for_each(|item| item.message = [7; 32]);
    compare("1,536, all of them bad", &keys, &bad, 1536, 0);
}
