//! Several sorted collections, side by side.

use std::iter::Peekable;

use crate::ending::to_the_first_error;

/// The values of several collections under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedAll<K, V> {
    /// The key.
    pub key: K,
    /// The value in each collection; `None` where the collection does not have the key.
    pub values: Vec<Option<V>>,
    /// Whether each collection had ended before this key.
    pub ended: Vec<bool>,
}

/// Joins any number of collections whose keys ascend; every key occurs once, in ascending order.
///
/// The first error of any collection is the last item. One entry of each collection is in memory at a time.
pub fn join_all<K: Ord + Clone, V, E>(
    collections: Vec<impl Iterator<Item = Result<(K, V), E>>>,
) -> impl Iterator<Item = Result<JoinedAll<K, V>, E>> {
    let mut join = JoinAll { sides: collections.into_iter().map(Iterator::peekable).collect() };
    to_the_first_error(move || join.step())
}

struct JoinAll<I: Iterator> {
    sides: Vec<Peekable<I>>,
}

impl<I, K: Ord + Clone, V, E> JoinAll<I>
where
    I: Iterator<Item = Result<(K, V), E>>,
{
    fn step(&mut self) -> Result<Option<JoinedAll<K, V>>, E> {
        let (mut least, mut ended): (Option<K>, Vec<bool>) = (None, Vec::with_capacity(self.sides.len()));
        for side in &mut self.sides {
            ended.push(side.peek().is_none());
            match side.peek() {
                Some(Ok((key, _))) if least.as_ref().is_none_or(|least| key < least) => {
                    least = Some(key.clone());
                }
                Some(Err(_)) => {
                    side.next().transpose()?;
                }
                Some(Ok(_)) | None => {}
            }
        }
        let Some(key) = least else { return Ok(None) };
        let is_here = |entry: &Result<(K, V), E>| matches!(entry, Ok((found, _)) if *found == key);
        let mut values = Vec::with_capacity(self.sides.len());
        for side in &mut self.sides {
            values.push(side.next_if(is_here).transpose()?.map(|(_, value)| value));
        }
        Ok(Some(JoinedAll { key, values, ended }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_comes_once_with_what_each_has(
            all in prop::collection::vec(prop::collection::btree_map(0..20_u64, 0..3_u8, 0..12), 0..5)
        ) {
            let entries = |map: &BTreeMap<u64, u8>| map.clone().into_iter().map(Ok::<_, Infallible>);
            let joined: Vec<_> =
                join_all(all.iter().map(entries).collect()).map(|joined| joined.unwrap()).collect();
            let keys: BTreeSet<u64> = all.iter().flat_map(BTreeMap::keys).copied().collect();
            prop_assert_eq!(joined.iter().map(|joined| joined.key).collect::<Vec<_>>(), Vec::from_iter(keys));
            for JoinedAll { key, values, ended } in joined {
                let expected: Vec<_> = all.iter().map(|map| map.get(&key).copied()).collect();
                prop_assert_eq!(values, expected);
                let is_over = |map: &BTreeMap<u64, u8>| map.keys().next_back().is_none_or(|last| *last < key);
                prop_assert_eq!(ended, all.iter().map(is_over).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_first_error_is_the_last_item() {
        let entry = |key: u8| Ok((key, ()));
        let sides = vec![vec![entry(1), entry(3), Err("left"), entry(9)], vec![entry(2)]];
        let joined: Vec<_> = join_all(sides.into_iter().map(Vec::into_iter).collect()).collect();
        assert_eq!((joined.len(), joined.last().unwrap().clone().unwrap_err()), (4, "left"));
    }
}
