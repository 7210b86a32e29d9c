//! Hashes a message to a point of G2, as the federations did: SHA3-256, ChaCha20, try and increment, one
//! specific root.
//!
//! This is not the hash of RFC 9380. Invariant: [`uncleared`] is the point *before* the cofactor is cleared,
//! so it is on the curve but not in G2; [`clear_cofactor`] is linear, so a sum of such points may be cleared
//! once.

use rand_chacha::ChaChaRng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha3::{Digest, Sha3_256};

use crate::Signature;
use crate::blst_ffi::{Fp, Fp2, Point, Sum};

/// The multiplier that moves every point of the curve into G2 (RFC 9380, 8.8.2, h_eff), little endian.
const COFACTOR: [u8; 80] = [
    0x51, 0x55, 0xa9, 0xaa, 0x05, 0x00, 0x02, 0xe8, 0xb4, 0xf6, 0xbb, 0xde, 0x0a, 0x4c, 0x89, 0x59, 0xa3,
    0xf6, 0x89, 0x66, 0xc0, 0xcb, 0x54, 0xe9, 0x1a, 0x7c, 0x47, 0xd7, 0x69, 0xec, 0xc0, 0x2e, 0xb0, 0x12,
    0x12, 0x5d, 0x01, 0xbf, 0x82, 0x6d, 0x95, 0xdb, 0x31, 0x87, 0x17, 0x2f, 0x9c, 0x32, 0xe1, 0xff, 0x08,
    0x15, 0x03, 0xff, 0x86, 0x99, 0x68, 0xd7, 0x5a, 0x14, 0xe9, 0xa8, 0xe2, 0x88, 0x28, 0x35, 0x1b, 0xa9,
    0x0e, 0x6a, 0x4c, 0x58, 0xb3, 0x75, 0xee, 0xf2, 0x08, 0x9f, 0xc6, 0x0b,
];

/// Returns the point of G2 of which a signature of `message` is a multiple, compressed.
#[must_use]
pub fn hash_g2(message: &[u8]) -> Signature {
    clear_cofactor(&uncleared(message).to_sum()).encode()
}

/// Returns the first point that the message's key stream hits, cofactor not cleared.
///
/// The reference would continue if clearing yielded infinity; a stream that hits such a point is as unlikely
/// as a broken hash.
pub(crate) fn uncleared(message: &[u8]) -> Point {
    let mut stream = ChaChaRng::from_seed(Sha3_256::digest(message).into());
    loop {
        if let Some(point) = candidate(&mut stream) {
            return point;
        }
    }
}

/// Moves any point of the curve into G2.
pub(crate) fn clear_cofactor(point: &Sum) -> Sum {
    point.times(&COFACTOR)
}

fn candidate(stream: &mut ChaChaRng) -> Option<Point> {
    let x = Fp2::new(coordinate(stream), coordinate(stream));
    // Drawn before it is known whether a root exists: the stream must stay in step with the reference.
    let flip = stream.next_u32() % 2 == 1;
    let y = root(&x.square().mul(&x).add(&curve_constant()))?;
    Some(Point::on_curve(x, if flip { y.negate() } else { y }))
}

/// Reads 96 bytes of the stream as a number modulo p; the first half is the lower one.
pub(crate) fn coordinate(stream: &mut ChaChaRng) -> Fp {
    let mut bytes = [0; 96];
    stream.fill_bytes(&mut bytes);
    let (lower, upper) = bytes.split_at_mut(48);
    lower.swap_with_slice(upper);
    Fp::reduce(&bytes)
}

/// Returns the twist's constant, 4 + 4u.
fn curve_constant() -> Fp2 {
    let mut four = [0; 96];
    four[95] = 4;
    let four = Fp::reduce(&four);
    Fp2::new(four, four)
}

/// Returns the root that algorithm 9 of eprint 2012/685 yields, without its two long powers in Fp2.
///
/// That root is y = y0 + y1·u where 2·y0 is a square of Fp or, for y0 = 0, where y1 is not a square; 2 itself
/// is not a square because p = 3 (mod 8). So in both cases the deciding part must not be a square, and of y
/// and -y exactly one fits because -1 is not a square either. (Tests compare with the algorithm itself.)
fn root(square: &Fp2) -> Option<Fp2> {
    if !square.is_square() {
        return None;
    }
    let y = square.any_root()?;
    let decides = if y.c0().is_zero() { y.c1() } else { y.c0() };
    Some(if decides.is_square() { y.negate() } else { y })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// (p - 3) / 4
    const QUARTER: &str =
        "0680447a8e5ff9a692c6e9ed90d2eb35d91dd2e13ce144afd9cc34a83dac3d8907aaffffac54ffffee7fbfffffffeaaa";
    /// (p - 1) / 2
    const HALF: &str =
        "0d0088f51cbff34d258dd3db21a5d66bb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555";

    fn number(number: u8) -> Fp {
        let mut bytes = [0; 96];
        bytes[95] = number;
        Fp::reduce(&bytes)
    }

    fn one() -> Fp2 {
        Fp2::new(number(1), number(0))
    }

    fn power(base: &Fp2, exponent: &str) -> Fp2 {
        let bits = hex::decode(exponent)
            .unwrap()
            .into_iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        bits.fold(one(), |power, bit| if bit == 1 { power.square().mul(base) } else { power.square() })
    }

    /// Computes algorithm 9 of eprint 2012/685, step by step.
    fn algorithm_9(a: &Fp2) -> Option<Fp2> {
        let a1 = power(a, QUARTER);
        let alpha = a1.square().mul(a);
        let x0 = a1.mul(a);
        let root = if alpha == one().negate() {
            // (-c1, c0), which is u · x0.
            x0.mul(&Fp2::new(number(0), number(1)))
        } else {
            power(&alpha.add(&one()), HALF).mul(&x0)
        };
        (root.square() == *a).then_some(root)
    }

    fn same(a: Fp2) {
        assert!(root(&a) == algorithm_9(&a));
    }

    #[test]
    fn roots_of_numbers_with_one_part() {
        // Roots without a first part, without a second part, and with both.
        for n in 1..=40 {
            same(Fp2::new(number(n), number(0)));
            same(Fp2::new(number(n), number(0)).negate());
            same(Fp2::new(number(0), number(n)));
            same(Fp2::new(number(0), number(n)).negate());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn roots_are_those_of_algorithm_9(a in any::<[[u8; 32]; 6]>()) {
            let part = |bytes: &[[u8; 32]]| Fp::reduce(bytes.as_flattened().try_into().unwrap());
            let a = Fp2::new(part(&a[..3]), part(&a[3..]));
            same(a);
            same(a.square());
        }
    }
}
