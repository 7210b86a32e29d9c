//! What may occur only once in a history: found again by sorting, on disk if there is much of it.
//!
//! Invariant: memory is bounded by [`IN_MEMORY`] entries, however long the history is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use fm_history::sha256;

use crate::Spot;

/// The number of entries that are kept in memory.
const IN_MEMORY: usize = 1 << 20;
/// The number of bytes of an entry in a file.
const ENTRY_BYTES: usize = 32 + 1 + 8 + 4 + 1 + 4;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Once {
    /// A note that is spent.
    Note,
    /// A blind nonce that is signed.
    BlindNonce,
    /// An output of Bitcoin that is claimed.
    Deposit,
}

impl Once {
    const ALL: [Self; 3] = [Self::Note, Self::BlindNonce, Self::Deposit];

    fn number(self) -> u8 {
        match self {
            Self::Note => 0,
            Self::BlindNonce => 1,
            Self::Deposit => 2,
        }
    }
}

/// An entry: entries about the same thing are next to each other in order, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The hash of the thing and its module.
    hash: [u8; 32],
    once: Once,
    spot: Spot,
}

/// An entry that repeats an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub(crate) once: Once,
    pub(crate) first: Spot,
    pub(crate) again: Spot,
}

/// Everything that may occur only once.
pub(crate) struct Seen {
    entries: Vec<Entry>,
    /// Sorted entries, in files that have no name.
    runs: Vec<File>,
    in_memory: usize,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self::with_room(IN_MEMORY)
    }

    fn with_room(in_memory: usize) -> Self {
        Self { entries: Vec::new(), runs: Vec::new(), in_memory }
    }

    /// Notes a thing of a module.
    ///
    /// # Errors
    /// If a temporary file cannot be written.
    pub(crate) fn note(&mut self, once: Once, module: u16, thing: &[u8], spot: Spot) -> io::Result<()> {
        let hash = sha256(&[&[once.number()], &module.to_be_bytes(), thing]).0;
        self.entries.push(Entry { hash, once, spot });
        if self.entries.len() < self.in_memory {
            return Ok(());
        }
        self.entries.sort_unstable();
        let mut run = BufWriter::new(tempfile::tempfile()?);
        self.entries.drain(..).try_for_each(|entry| run.write_all(&entry.to_bytes()))?;
        let mut file = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Reports everything that occurs again.
    ///
    /// # Errors
    /// If a temporary file cannot be read.
    pub(crate) fn repeated(mut self, mut report: impl FnMut(Repeated)) -> io::Result<()> {
        self.entries.sort_unstable();
        let last = self.entries.into_iter().map(Ok);
        let mut runs: Vec<Box<dyn Iterator<Item = io::Result<Entry>>>> = vec![Box::new(last)];
        for file in self.runs {
            let mut reader = BufReader::new(file);
            runs.push(Box::new(std::iter::from_fn(move || Entry::read(&mut reader).transpose())));
        }
        let mut next = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            next.extend(run.next().transpose()?.map(|entry| Reverse((entry, number))));
        }
        let mut before: Option<Entry> = None;
        while let Some(Reverse((entry, number))) = next.pop() {
            next.extend(runs[number].next().transpose()?.map(|entry| Reverse((entry, number))));
            match before {
                Some(first) if first.hash == entry.hash => {
                    report(Repeated { once: entry.once, first: first.spot, again: entry.spot });
                }
                _ => before = Some(entry),
            }
        }
        Ok(())
    }
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..32].copy_from_slice(&self.hash);
        bytes[32] = self.once.number();
        bytes[33..41].copy_from_slice(&self.spot.session.to_be_bytes());
        bytes[41..45].copy_from_slice(&self.spot.item.to_be_bytes());
        bytes[45] = self.spot.is_output.into();
        bytes[46..].copy_from_slice(&self.spot.index.to_be_bytes());
        bytes
    }

    /// Reads the next entry; `None` at the end.
    fn read(file: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; ENTRY_BYTES];
        match file.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let (hash, rest) = bytes.split_at(32);
        let once = Once::ALL.into_iter().find(|once| once.number() == rest[0]);
        let number =
            |at: usize| rest[at..at + 4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let session = u64::from(number(1)) << 32 | u64::from(number(5));
        let spot = Spot { session, item: number(9), is_output: rest[13] == 1, index: number(14) };
        let mut entry = Self { hash: [0; 32], once: once.ok_or(io::ErrorKind::InvalidData)?, spot };
        entry.hash.copy_from_slice(hash);
        Ok(Some(entry))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn spot(number: u32) -> Spot {
        Spot { session: u64::from(number / 7), item: number % 7, is_output: number % 2 == 1, index: number }
    }

    proptest! {
        #[test]
        fn what_occurs_again_is_found_wherever_it_is(things in vec(0..40u8, 0..200), room in 1..50usize) {
            let mut seen = Seen::with_room(room);
            let mut expected = Vec::new();
            for (number, thing) in (0..).zip(&things) {
                seen.note(Once::Note, 3, &[*thing], spot(number)).unwrap();
                // The same in another module, or of another kind, is something else.
                seen.note(Once::Note, 4, &[*thing, *thing, u8::try_from(number).unwrap()], spot(number)).unwrap();
                let first = things.iter().position(|other| other == thing).unwrap();
                let first = u32::try_from(first).unwrap();
                if first < number {
                    expected.push((spot(first), spot(number)));
                }
            }
            let mut found = Vec::new();
            seen.repeated(|repeated| found.push((repeated.first, repeated.again))).unwrap();
            found.sort_unstable_by_key(|(_, again)| *again);
            expected.sort_unstable_by_key(|(_, again)| *again);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_same_bytes_of_another_module_or_kind_are_something_else() {
        let mut seen = Seen::with_room(2);
        seen.note(Once::Note, 3, b"x", spot(0)).unwrap();
        seen.note(Once::BlindNonce, 3, b"x", spot(1)).unwrap();
        seen.note(Once::Deposit, 3, b"x", spot(2)).unwrap();
        seen.note(Once::Note, 4, b"x", spot(3)).unwrap();
        seen.repeated(|repeated| panic!("{repeated:?}")).unwrap();
    }
}
