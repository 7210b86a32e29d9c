//! The digest of a collection of rows: only the rows and their numbers of occurrence matter.

use fm_history::{MultisetDigest, MultisetKey};
use proptest::collection::vec;
use proptest::prelude::*;

const KEY: MultisetKey = MultisetKey([7; 32]);

type Row = (Vec<u8>, Vec<u8>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec((vec(any::<u8>(), 0..4), vec(any::<u8>(), 0..4)), 0..30)
}

fn digest(key: &MultisetKey, rows: &[Row]) -> MultisetDigest {
    let mut digest = MultisetDigest::default();
    rows.iter().for_each(|(row_key, value)| digest.add(key, row_key, value));
    digest
}

fn sorted(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

proptest! {
    #[test]
    fn order_does_not_matter(rows in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))) {
        prop_assert_eq!(digest(&KEY, &rows.0), digest(&KEY, &rows.1));
    }

    #[test]
    fn equal_digests_are_equal_collections(a in rows(), b in rows()) {
        prop_assert_eq!(digest(&KEY, &a) == digest(&KEY, &b), sorted(&a) == sorted(&b));
    }

    #[test]
    fn keys_that_begin_alike_fall_into_all_parts_evenly(secret: [u8; 32], parts in 1..20u64) {
        let key = MultisetKey(secret);
        let mut counts = vec![0u64; usize::try_from(parts).unwrap()];
        for number in 0..parts * 1000 {
            let row_key = [&[2; 20], number.to_be_bytes().as_slice()].concat();
            counts[usize::try_from(key.part(&row_key, parts)).unwrap()] += 1;
        }
        prop_assert!(counts.iter().all(|count| (700..1300).contains(count)), "{:?}", counts);
    }

    #[test]
    fn a_digest_of_parts_is_that_of_the_whole(rows in rows(), place: prop::sample::Index) {
        let (left, right) = rows.split_at(place.index(rows.len() + 1));
        let mut merged = digest(&KEY, left);
        merged.merge(&digest(&KEY, right));
        prop_assert_eq!(merged, digest(&KEY, &rows));
        prop_assert_eq!(merged.rows, rows.len() as u64);
    }

    #[test]
    fn a_row_more_or_once_more_is_seen(rows in rows(), place: prop::sample::Index) {
        prop_assume!(!rows.is_empty());
        let again = rows[place.index(rows.len())].clone();
        let more = [rows.as_slice(), std::slice::from_ref(&again)].concat();
        let twice = [more.as_slice(), &[again]].concat();
        let [one, two, three] = [&rows, &more, &twice].map(|rows| digest(&KEY, rows));
        prop_assert!(one != two && two != three && one != three);
    }

    #[test]
    fn the_border_between_key_and_value_matters(bytes in vec(any::<u8>(), 1..9), cut: prop::sample::Index) {
        let at = |cut: usize| digest(&KEY, &[(bytes[..cut].to_vec(), bytes[cut..].to_vec())]);
        let cut = cut.index(bytes.len());
        prop_assert_ne!(at(cut), at(cut + 1));
    }

    #[test]
    fn another_secret_gives_another_digest(rows in rows(), secret: [u8; 32]) {
        prop_assume!(!rows.is_empty() && secret != KEY.0);
        prop_assert_ne!(digest(&KEY, &rows), digest(&MultisetKey(secret), &rows));
    }
}
