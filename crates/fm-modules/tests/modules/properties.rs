//! Properties of every payload: what is encoded decodes to the same value, and whatever decodes encodes to
//! the same bytes.

use fm_modules::{Input, Item, Kind, Outcome, Output};
use proptest::prelude::*;

use crate::made::Made;

/// Returns numbers that follow from one (SplitMix64).
pub(crate) fn numbers(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = state;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }
}

/// Decodes as every part of a kind; what decodes must encode to the same bytes.
pub(crate) fn assert_reproducible(kind: &Kind, bytes: &[u8]) -> [bool; 4] {
    let again = [
        Input::decode(kind, bytes).ok().map(|payload| payload.to_bytes()),
        Output::decode(kind, bytes).ok().map(|payload| payload.to_bytes()),
        Item::decode(kind, bytes).ok().map(|payload| payload.to_bytes()),
        Outcome::decode(kind, bytes).ok().map(|payload| payload.to_bytes()),
    ];
    again.map(|again| {
        assert!(again.as_ref().is_none_or(|again| again == bytes), "{kind}: {}", hex::encode(bytes));
        again.is_some()
    })
}

/// Returns the encoding of a payload of each part, and checks that each decodes to itself.
fn encoded(kind: &Kind, seed: u64) -> [Vec<u8>; 4] {
    let mut next = numbers(seed);
    let mut made = Made { next: &mut next };
    let (input, output) = (made.input(kind), made.output(kind));
    let (item, outcome) = (made.item(kind), made.outcome(kind));
    let bytes = [input.to_bytes(), output.to_bytes(), item.to_bytes(), outcome.to_bytes()];
    assert_eq!(Input::decode(kind, &bytes[0]), Ok(input));
    assert_eq!(Output::decode(kind, &bytes[1]), Ok(output));
    assert_eq!(Item::decode(kind, &bytes[2]), Ok(item));
    assert_eq!(Outcome::decode(kind, &bytes[3]), Ok(outcome));
    bytes
}

proptest! {
    #[test]
    fn every_payload_decodes_to_itself(seed: u64) {
        for kind in Kind::KNOWN {
            encoded(&kind, seed);
        }
    }

    #[test]
    fn a_payload_that_was_cut_or_continued_is_refused(seed: u64, cut: prop::sample::Index) {
        for kind in Kind::KNOWN {
            for (part, bytes) in encoded(&kind, seed).into_iter().enumerate() {
                // The outcomes of these may be empty; what an account's beginning is, is an amount with a
                // unit, too.
                let may_be_empty = part == 3 && [Kind::LnV2, Kind::Dummy].contains(&kind);
                let may_be_cut = part == 1 && kind == Kind::Dummy;
                if !bytes.is_empty() {
                    let short = &bytes[..cut.index(bytes.len())];
                    let accepted = assert_reproducible(&kind, short)[part];
                    prop_assert!(!accepted || may_be_cut || may_be_empty && short.is_empty(), "{kind} {part} {}", hex::encode(short));
                }
                let long = [bytes.as_slice(), &[0]].concat();
                prop_assert!(!assert_reproducible(&kind, &long)[part], "{kind} {part} {}", hex::encode(long));
            }
        }
    }

    #[test]
    fn a_changed_payload_is_refused_or_another_one(seed: u64, at: prop::sample::Index, with in 1u8..) {
        for kind in Kind::KNOWN {
            for mut bytes in encoded(&kind, seed) {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] ^= with;
                    assert_reproducible(&kind, &bytes);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_reproduced(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in Kind::KNOWN {
            assert_reproducible(&kind, &bytes);
        }
    }

    #[test]
    fn an_unknown_kind_keeps_every_byte(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let kind = Kind::of("stability_pool");
        prop_assert_eq!(assert_reproducible(&kind, &bytes), [true; 4]);
    }
}
