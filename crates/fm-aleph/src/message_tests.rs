//! Messages of every kind, from honest guardians and from others.

use fm_consensus::BATCH_BYTES;
use fm_history::PeerId;
use parity_scale_codec::{Compact, Encode};

use super::*;
use crate::message::{Cost, Refusal, check};

const ME: PeerId = 0;
const SENDER: PeerId = 1;
const BOUNDS: Bounds = Bounds { guardians: 4, rounds: 20, me: ME };

/// Makes a unit of round 0 by a guardian of some federation, with a batch of this many bytes.
fn unit_of(creator: u64, guardians: u32, batch: usize) -> Vec<u8> {
    let mask = [&guardians.to_le_bytes()[..], &vec![0_u8; guardians.div_ceil(8) as usize].encode()].concat();
    let data = Some(Payload::Batch(vec![0; batch]));
    let (round, session) = (0_u16, 7_u64);
    let head = [round.encode(), creator.encode(), mask, [0_u8; 32].encode()].concat();
    [head, data.encode(), session.encode(), [0_u8; 64].encode()].concat()
}

fn unit() -> Vec<u8> {
    unit_of(1, 4, 3)
}

fn units(count: u32) -> Vec<u8> {
    [Compact(count).encode(), unit().repeat(count as usize)].concat()
}

fn message(kind: [u8; 2], parts: &[&[u8]]) -> Vec<u8> {
    [&kind[..], &parts.concat()].concat()
}

/// Returns every kind of message that names its sender, as that guardian would send it.
fn naming(sender: u64) -> Vec<Vec<u8>> {
    let (sender, hash, signature) = (&sender.encode()[..], &[9; 32][..], &[5; 64][..]);
    let places = [vec![16], Some([5_u8; 64]).encode(), vec![0; 3]].concat();
    vec![
        message([0, 1], &[sender, &[0; 10]]),
        message([0, 3], &[sender, hash]),
        message([0, 5], &[sender, &[0; 8]]),
        message([0, 6], &[&u64::from(ME).encode(), sender, &[1], &unit(), &[0; 8], signature]),
        message([0, 6], &[&u64::from(ME).encode(), sender, &[0], &[0; 8], signature]),
        message([1, 1], &[sender, &[0], hash, &2_u64.encode(), signature]),
        message([1, 1], &[sender, &[1], hash, &places]),
        message([1, 2], &[sender, hash]),
    ]
}

/// Returns every kind of message that does not name its sender.
fn nameless() -> Vec<Vec<u8>> {
    vec![
        message([0, 0], &[&unit()]),
        message([0, 2], &[&unit()]),
        message([0, 4], &[&[9; 32], &units(4)]),
        message([1, 0], &[&3_u64.encode(), &unit(), &unit(), &units(20), &[5; 64]]),
    ]
}

fn honest() -> Vec<Vec<u8>> {
    [naming(SENDER.into()), nameless()].concat()
}

fn decode(bytes: &[u8]) -> Option<Message> {
    Message::decode_all(&mut &bytes[..]).ok()
}

#[test]
fn honest_messages_pass_and_are_what_the_library_reads() {
    for bytes in honest() {
        assert!(check(&bytes, SENDER, &BOUNDS).is_ok(), "{bytes:?}");
        assert_eq!(decode(&bytes).unwrap().encode(), bytes);
    }
}

#[test]
fn a_message_in_the_name_of_another_is_left_out() {
    for sender in [0, 2, 3, 4, u64::MAX] {
        for bytes in naming(sender) {
            assert_eq!(check(&bytes, SENDER, &BOUNDS), Err(Refusal::Misnamed), "{sender}: {bytes:?}");
        }
    }
    let to_another = message([0, 6], &[&2_u64.encode(), &1_u64.encode(), &[0], &[0; 8], &[5; 64]]);
    assert_eq!(check(&to_another, SENDER, &BOUNDS), Err(Refusal::Misnamed));
    for bytes in nameless() {
        assert!(check(&bytes, 3, &BOUNDS).is_ok(), "anyone who has a unit or an alert may pass it on");
    }
}

#[test]
fn lists_longer_than_the_federation_are_left_out_before_they_are_decoded() {
    let absent = |places: u32| {
        let list = [Compact(places).encode(), vec![0_u8; places as usize]].concat();
        message([1, 1], &[&1_u64.encode(), &[1], &[9; 32], &list])
    };
    assert!(check(&absent(4), SENDER, &BOUNDS).is_ok());
    for places in [0, 3, 5, 4_194_000] {
        assert!(check(&absent(places), SENDER, &BOUNDS).is_err(), "{places}");
    }
    let parents = |count| message([0, 4], &[&[9; 32], &units(count)]);
    let alert = |count| message([1, 0], &[&3_u64.encode(), &unit(), &unit(), &units(count), &[5; 64]]);
    assert!(check(&parents(5), SENDER, &BOUNDS).is_err());
    assert!(check(&alert(21), SENDER, &BOUNDS).is_err());
    for (creator, guardians) in [(1, 3), (1, 5), (1, 1_000_000), (4, 4), (u64::MAX, 4)] {
        let bytes = message([0, 0], &[&unit_of(creator, guardians, 3)]);
        assert!(check(&bytes, SENDER, &BOUNDS).is_err(), "{creator} of {guardians}");
    }
}

#[test]
fn messages_that_carry_too_much_are_left_out() {
    let fits = message([0, 0], &[&unit_of(1, 4, BATCH_BYTES)]);
    assert!(check(&fits, SENDER, &BOUNDS).is_ok());
    let too_large = unit_of(1, 4, BATCH_BYTES + 1);
    assert_eq!(check(&message([0, 0], &[&too_large]), SENDER, &BOUNDS), Err(Refusal::BatchTooLarge));
    let parents = message([0, 4], &[&[9; 32], &[4], &too_large]);
    assert_eq!(check(&parents, SENDER, &BOUNDS), Err(Refusal::BatchTooLarge));
}

#[test]
fn what_is_cut_extended_or_changed_never_passes_unread() {
    for whole in honest() {
        for cut in 0..whole.len() {
            assert!(check(&whole[..cut], SENDER, &BOUNDS).is_err(), "{cut} of {whole:?}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert_eq!(check(&longer, SENDER, &BOUNDS), Err(Refusal::TrailingBytes));
        // The library decodes every message that passes, and encodes it to the same bytes.
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[place] ^= 1 << bit;
                if check(&changed, SENDER, &BOUNDS).is_ok() {
                    assert_eq!(decode(&changed).unwrap().encode(), changed);
                }
            }
        }
    }
    assert!(check(&[0xFF; 100], SENDER, &BOUNDS).is_err());
    assert!(check(&[], SENDER, &BOUNDS).is_err());
}

#[test]
fn a_message_costs_what_it_makes_the_library_do() {
    let checks = |bytes: &[u8]| check(bytes, SENDER, &BOUNDS).unwrap().checks;
    assert_eq!(checks(&message([0, 0], &[&unit()])), 1);
    assert_eq!(checks(&message([0, 4], &[&[9; 32], &units(4)])), 4);
    let alert = message([1, 0], &[&3_u64.encode(), &unit(), &unit(), &units(20), &[5; 64]]);
    let cost = check(&alert, SENDER, &BOUNDS).unwrap();
    assert!(matches!(cost, Cost { checks: 23, is_kept: true, .. }) && cost.bytes > alert.len());
}
