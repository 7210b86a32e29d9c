//! Sessions: decoding is the inverse of encoding, and strict.

use std::collections::BTreeMap;

use fm_codec::{Dialect, Encode, decode_exact};
use fm_history::{AcceptedItem, SessionOutcome, SignedSession, sha256};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::given::{bytes, outcome};

fn signed() -> impl Strategy<Value = SignedSession> {
    let signatures: BTreeMap<u16, [u8; 64]> = BTreeMap::new();
    let signatures = prop_oneof![Just(signatures), btree_map(any::<u16>(), bytes(), 1..5)];
    (outcome(), signatures).prop_map(|(outcome, signatures)| SignedSession { outcome, signatures })
}

proptest! {
    #[test]
    fn decoding_is_the_inverse_of_encoding(session in signed()) {
        for dialect in [Dialect::V0_2, Dialect::MODERN] {
            let bytes = session.to_bytes(dialect);
            let (decoded, leaves) = SignedSession::decode_with_leaves(&bytes, dialect).unwrap();
            let expected: Vec<_> =
                session.outcome.items.iter().map(|item| sha256(&[&item.to_bytes(dialect)])).collect();
            prop_assert_eq!(leaves, expected);
            prop_assert_eq!(&decoded, &session);
        }
    }

    #[test]
    fn no_byte_can_be_missing_or_added(session in signed(), cut: prop::sample::Index, more: u8) {
        let bytes = session.to_bytes(Dialect::MODERN);
        let cut = &bytes[..cut.index(bytes.len())];
        prop_assert!(SignedSession::decode_with_leaves(cut, Dialect::MODERN).is_err());
        let longer = [bytes.as_slice(), &[more]].concat();
        prop_assert!(SignedSession::decode_with_leaves(&longer, Dialect::MODERN).is_err());
    }

    #[test]
    fn random_bytes_decode_to_themselves_or_not_at_all(bytes in vec(any::<u8>(), 0..200), count in 0u8..3) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = count;
        }
        if let Ok(session) = decode_exact::<SignedSession>(&bytes, Dialect::MODERN) {
            prop_assert_eq!(session.to_bytes(Dialect::MODERN), bytes.clone());
        }
        if let Ok(item) = decode_exact::<AcceptedItem>(&bytes, Dialect::MODERN) {
            prop_assert_eq!(item.to_bytes(Dialect::MODERN), bytes.clone());
        }
        if let Ok(outcome) = decode_exact::<SessionOutcome>(&bytes, Dialect::MODERN) {
            prop_assert_eq!(outcome.to_bytes(Dialect::MODERN), bytes);
        }
    }
}
