//! Two sorted collections of rows, side by side.

use std::cmp::Ordering;
use std::iter::Peekable;

use crate::Row;
use crate::ending::to_the_first_error;

/// The rows of two collections under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Only the left collection has the key.
    Left(Row),
    /// Only the right collection has the key.
    Right(Row),
    /// Both collections have the key.
    Both {
        /// The key.
        key: Vec<u8>,
        /// The value on the left.
        left: Vec<u8>,
        /// The value on the right.
        right: Vec<u8>,
    },
}

/// Joins two collections of rows; every key occurs once, in ascending order.
///
/// The first error of either side is the last item. One row of each side is in memory at a time.
pub fn merge_join<L, R, E>(left: L, right: R) -> impl Iterator<Item = Result<Joined, E>>
where
    L: Iterator<Item = Result<Row, E>>,
    R: Iterator<Item = Result<Row, E>>,
{
    let mut join = MergeJoin { left: left.peekable(), right: right.peekable() };
    to_the_first_error(move || join.step())
}

struct MergeJoin<L: Iterator, R: Iterator> {
    left: Peekable<L>,
    right: Peekable<R>,
}

impl<L, R, E> MergeJoin<L, R>
where
    L: Iterator<Item = Result<Row, E>>,
    R: Iterator<Item = Result<Row, E>>,
{
    fn step(&mut self) -> Result<Option<Joined>, E> {
        let order = match (self.left.peek(), self.right.peek()) {
            (Some(Ok((left, _))), Some(Ok((right, _)))) => left.cmp(right),
            (None, Some(_)) | (_, Some(Err(_))) => Ordering::Greater,
            _ => Ordering::Less,
        };
        let left = if order.is_le() { self.left.next().transpose()? } else { None };
        let right = if order.is_ge() { self.right.next().transpose()? } else { None };
        Ok(match (left, right) {
            (Some((key, left)), Some((_, right))) => Some(Joined::Both { key, left, right }),
            (Some(row), None) => Some(Joined::Left(row)),
            (None, Some(row)) => Some(Joined::Right(row)),
            (None, None) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    fn rows() -> impl Strategy<Value = Rows> {
        prop::collection::btree_map(
            prop::collection::vec(0..3_u8, 0..4),
            prop::collection::vec(0..2_u8, 0..2),
            0..30,
        )
    }

    fn ordered(rows: &Rows) -> impl Iterator<Item = Result<Row, Infallible>> {
        rows.clone().into_iter().map(Ok)
    }

    proptest! {
        #[test]
        fn every_key_comes_once_with_what_either_side_has(left in rows(), right in rows()) {
            let keys: Vec<_> = left.keys().chain(right.keys()).collect::<std::collections::BTreeSet<_>>()
                .into_iter().cloned().collect();
            let joined: Vec<_> = merge_join(ordered(&left), ordered(&right)).map(|row| row.unwrap()).collect();
            let found: Vec<_> = joined.iter().map(|row| match row {
                Joined::Left((key, value)) => (key.clone(), Some(value.clone()), None),
                Joined::Right((key, value)) => (key.clone(), None, Some(value.clone())),
                Joined::Both { key, left, right } => (key.clone(), Some(left.clone()), Some(right.clone())),
            }).collect();
            let expected: Vec<_> =
                keys.into_iter().map(|key| { let (l, r) = (left.get(&key).cloned(), right.get(&key).cloned()); (key, l, r) }).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_first_error_is_the_last_item() {
        let row = |key: u8| Ok((vec![key], vec![]));
        let left = || [row(1), row(3), Err("left"), row(9)].into_iter();
        let right = || [row(2), Err("right")].into_iter();
        let none = std::iter::empty;
        let last = |rows: Vec<Result<Joined, &'static str>>| (rows.len(), rows.last().cloned().unwrap());
        assert_eq!(last(merge_join(left(), none()).collect()), (3, Err("left")));
        assert_eq!(last(merge_join(none(), left()).collect()), (3, Err("left")));
        // The right side has no next row to report once its error is known.
        assert_eq!(last(merge_join(left(), right()).collect()), (3, Err("right")));
    }
}
