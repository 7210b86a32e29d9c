//! Proves a guardian's identity to another guardian's interface: a signature over both numbers and the time.
//!
//! A pass grants its holder a place and a budget of its own at that interface, and nothing else. Anyone who
//! intercepts a pass can take that guardian's places for a while, but no other guardian's.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fm_client::MakePass;
use fm_crypto::{SessionKeys, SigningKey, is_signed_by};
use fm_history::{PeerId, sha256};

const TAG: &[u8] = b"fm-node-interface-pass";
/// The largest difference between clocks, and the time for which a pass is valid, in seconds.
const GOOD_FOR: u64 = 600;

/// Returns a maker of passes of `me` for the interface of `to`.
pub(crate) fn maker(key: &Arc<SigningKey>, me: PeerId, to: PeerId) -> Arc<MakePass> {
    let key = key.clone();
    Arc::new(move || {
        let now = now();
        format!("{me}.{now}.{}", hex::encode(key.sign(&message(me, to, now))))
    })
}

/// Returns the guardian of a valid pass for the interface of `me`.
pub(crate) fn check(keys: &SessionKeys, me: PeerId, pass: &str) -> Option<PeerId> {
    check_at(keys, me, pass, now())
}

fn check_at(keys: &SessionKeys, me: PeerId, pass: &str, now: u64) -> Option<PeerId> {
    let mut parts = pass.splitn(3, '.');
    let (from, time) = (parts.next()?.parse().ok()?, parts.next()?.parse::<u64>().ok()?);
    let mut signature = [0; 64];
    hex::decode_to_slice(parts.next()?, &mut signature).ok()?;
    let key = keys.compressed().get(&from).copied()?;
    let is_good = time.abs_diff(now) <= GOOD_FOR && is_signed_by(&key, &message(from, me, time), &signature);
    is_good.then_some(from)
}

fn message(from: PeerId, to: PeerId, time: u64) -> [u8; 32] {
    sha256(&[TAG, &from.to_be_bytes(), &to.to_be_bytes(), &time.to_be_bytes()]).0
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_pass_is_of_one_guardian_for_one_other_and_for_a_while() {
        let key = |peer: u8| Arc::new(SigningKey::from_bytes([peer + 1; 32]).unwrap());
        let keys: BTreeMap<PeerId, _> =
            (0..4_u8).map(|peer| (PeerId::from(peer), key(peer).public_key())).collect();
        let keys = SessionKeys::new(&keys).unwrap();
        let pass = maker(&key(2), 2, 1)();
        assert_eq!(check(&keys, 1, &pass), Some(2));
        assert_eq!(check(&keys, 3, &pass), None, "it is for another one");
        assert_eq!(check(&keys, 1, &pass.replacen('2', "0", 1)), None);
        assert_eq!(check(&keys, 1, &maker(&key(3), 2, 1)()), None);
        for late in [now() + 700, now() - 700, 0, u64::MAX] {
            assert_eq!(check_at(&keys, 1, &pass, late), None);
        }
        for other in ["", ".", "..", "2", "2.1.00", "9.1.", &"2".repeat(5000), &format!("{pass}0")] {
            assert_eq!(check(&keys, 1, other), None, "{other}");
        }
    }
}
