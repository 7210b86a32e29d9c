//! Pippenger's buckets with nothing but libsecp256k1's sum of points.

use secp256k1::PublicKey;

/// Returns the bits of a window with the lowest cost for this many points.
fn window(points: usize) -> u32 {
    match points {
        0..300 => 4,
        300..1000 => 5,
        1000..3000 => 6,
        3000..6000 => 7,
        _ => 8,
    }
}

pub fn fitted(points: &[PublicKey], weights: &[u128]) -> Option<PublicKey> {
    multiply(points, weights, window(points.len()))
}

pub fn four_bits(points: &[PublicKey], weights: &[u128]) -> Option<PublicKey> {
    multiply(points, weights, 4)
}

fn multiply(points: &[PublicKey], weights: &[u128], bits: u32) -> Option<PublicKey> {
    let windows = 128u32.div_ceil(bits);
    let mut sum: Option<PublicKey> = None;
    for window in (0..windows).rev() {
        let mut buckets: Vec<Vec<&PublicKey>> = vec![Vec::new(); 1 << bits];
        for (point, weight) in points.iter().zip(weights) {
            let digit = (weight >> (window * bits)) as usize & ((1 << bits) - 1);
            buckets[digit].push(point);
        }
        let sums: Vec<(usize, PublicKey)> = (1..buckets.len())
            .filter(|&digit| !buckets[digit].is_empty())
            .map(|digit| PublicKey::combine_keys(&buckets[digit]).ok().map(|sum| (digit, sum)))
            .collect::<Option<_>>()?;
        for bit in (0..bits).rev() {
            let before = sum;
            let mut terms: Vec<&PublicKey> = before.iter().chain(&before).collect();
            terms.extend(sums.iter().filter(|(digit, _)| digit >> bit & 1 == 1).map(|(_, sum)| sum));
            sum = if terms.is_empty() { None } else { Some(PublicKey::combine_keys(&terms).ok()?) };
        }
    }
    sum
}
