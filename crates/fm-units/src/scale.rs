//! SCALE, as far as units use it: fixed little-endian integers, compact lengths, options, bit masks.
//!
//! Invariants: decoding is strict (a length only in its shortest form, no flag other than 0 and 1, no unused
//! bit set). A length is checked against the remaining bytes before it is used. Reading allocates nothing.

use thiserror::Error;

/// A decoding error, and the byte at which it occurred.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("at byte {offset}: {kind}")]
pub struct ScaleError {
    /// Offset from the start of the input.
    pub offset: usize,
    /// What was found there.
    pub kind: ScaleErrorKind,
}

/// What was found at the offset of a [`ScaleError`].
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScaleErrorKind {
    /// The input ends inside a value: more bytes could complete it.
    #[error("the bytes end: {needed} needed, {left} left")]
    UnexpectedEnd {
        /// Bytes that the value still needs.
        needed: usize,
        left: usize,
    },
    /// A compact length in a longer form than it needs, or above 32 bits.
    #[error("a length that is not in its shortest form")]
    BadLength,
    /// A flag that is neither 0 nor 1.
    #[error("flag {value} is neither 0 nor 1")]
    BadFlag { value: u8 },
    /// A variant that the value does not have.
    #[error("unknown variant {variant} of {of}")]
    UnknownVariant { of: &'static str, variant: u8 },
    /// A count above the limit.
    #[error("{count} {of}, at most {most} are read")]
    TooMany { of: &'static str, count: usize, most: usize },
    /// A mask whose length does not fit its number of nodes, or with an unused bit set.
    #[error("a mask whose bytes do not fit its {nodes} nodes")]
    BadMask { nodes: usize },
}

/// A cursor over SCALE bytes.
#[derive(Clone, Debug)]
pub struct ScaleReader<'a> {
    input: &'a [u8],
    position: usize,
}

impl<'a> ScaleReader<'a> {
    /// Returns a reader at the start of the input.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// Returns the offset of the next byte.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the number of bytes that are left.
    pub fn left(&self) -> usize {
        self.input.len() - self.position
    }

    /// Returns the bytes from an earlier position to this one.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.position]
    }

    /// Returns an error at this position.
    pub fn error(&self, kind: ScaleErrorKind) -> ScaleError {
        ScaleError { offset: self.position, kind }
    }

    /// Reads the next `count` bytes.
    ///
    /// # Errors
    /// Fails if fewer bytes are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], ScaleError> {
        if count > self.left() {
            return Err(self.error(ScaleErrorKind::UnexpectedEnd { needed: count, left: self.left() }));
        }
        let start = self.position;
        self.position += count;
        Ok(&self.input[start..self.position])
    }

    /// Reads a fixed array.
    ///
    /// # Errors
    /// Fails if fewer bytes are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ScaleError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// Fails if no byte is left.
    pub fn u8(&mut self) -> Result<u8, ScaleError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads a two-byte integer.
    ///
    /// # Errors
    /// Fails if fewer bytes are left.
    pub fn u16(&mut self) -> Result<u16, ScaleError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Reads a four-byte integer.
    ///
    /// # Errors
    /// Fails if fewer bytes are left.
    pub fn u32(&mut self) -> Result<u32, ScaleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads an eight-byte integer.
    ///
    /// # Errors
    /// Fails if fewer bytes are left.
    pub fn u64(&mut self) -> Result<u64, ScaleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads the flag of an option.
    ///
    /// # Errors
    /// Fails if no byte is left, or if the byte is neither 0 nor 1.
    pub fn flag(&mut self) -> Result<bool, ScaleError> {
        let start = self.position;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(ScaleError { offset: start, kind: ScaleErrorKind::BadFlag { value } }),
        }
    }

    /// Reads a compact length.
    ///
    /// # Errors
    /// Fails if the bytes end, or if the length is not in its shortest form or above 32 bits.
    pub fn compact(&mut self) -> Result<usize, ScaleError> {
        let start = self.position;
        let first = self.u8()?;
        self.position = start;
        let (value, least) = match first & 3 {
            0 => (u32::from(self.u8()? >> 2), 0),
            1 => (u32::from(self.u16()? >> 2), 1 << 6),
            2 => (self.u32()? >> 2, 1 << 14),
            _ => {
                self.u8()?;
                (self.u32()?, 1 << 30)
            }
        };
        // A first byte other than 3 with both low bits set begins a number above 32 bits.
        let wide = first & 3 == 3 && first != 3;
        match usize::try_from(value) {
            Ok(length) if value >= least && !wide => Ok(length),
            _ => Err(ScaleError { offset: start, kind: ScaleErrorKind::BadLength }),
        }
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// Fails if the length does not decode, or if fewer bytes are left.
    pub fn bytes(&mut self) -> Result<&'a [u8], ScaleError> {
        let length = self.compact()?;
        self.take(length)
    }

    /// Reads a count of elements, of which `most` is the limit.
    ///
    /// # Errors
    /// Fails if the count does not decode, or is above the limit.
    pub fn count(&mut self, of: &'static str, most: usize) -> Result<usize, ScaleError> {
        let offset = self.position;
        let count = self.compact()?;
        if count > most {
            return Err(ScaleError { offset, kind: ScaleErrorKind::TooMany { of, count, most } });
        }
        Ok(count)
    }

    /// Reads a set of nodes, of which `most` is the limit.
    ///
    /// # Errors
    /// Fails if the bytes end, there are more nodes than the limit, the mask's length does not fit the number
    /// of nodes, or an unused bit is set.
    pub fn subset(&mut self, most: usize) -> Result<Subset<'a>, ScaleError> {
        let offset = self.position;
        let nodes = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if nodes > most {
            let kind = ScaleErrorKind::TooMany { of: "nodes", count: nodes, most };
            return Err(ScaleError { offset, kind });
        }
        let bad = || ScaleError { offset, kind: ScaleErrorKind::BadMask { nodes } };
        if self.compact()? != nodes.div_ceil(8) {
            return Err(bad());
        }
        let subset = Subset { nodes, bits: self.take(nodes.div_ceil(8))? };
        let unused = (nodes..subset.bits.len() * 8).any(|node| subset.has_bit(node));
        if unused { Err(bad()) } else { Ok(subset) }
    }
}

/// A set of nodes, node 0 in the most significant bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset<'a> {
    /// The number of nodes, in the set or not.
    pub nodes: usize,
    /// One bit for each node.
    pub bits: &'a [u8],
}

impl Subset<'_> {
    fn has_bit(&self, node: usize) -> bool {
        self.bits.get(node / 8).is_some_and(|byte| byte & (0x80 >> (node % 8)) != 0)
    }

    /// Returns whether a node is in the set.
    pub fn contains(&self, node: usize) -> bool {
        node < self.nodes && self.has_bit(node)
    }

    /// Returns the nodes in the set, ascending.
    pub fn members(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes).filter(|node| self.has_bit(*node))
    }

    /// Returns the number of nodes in the set.
    pub fn len(&self) -> usize {
        self.members().count()
    }

    /// Returns whether no node is in the set.
    pub fn is_empty(&self) -> bool {
        self.members().next().is_none()
    }
}

/// Returns the bits of a set of nodes, as [`Subset`] holds them.
pub fn subset_bits(nodes: usize, members: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut bits = vec![0; nodes.div_ceil(8)];
    for member in members.into_iter().filter(|member| *member < nodes) {
        bits[member / 8] |= 0x80 >> (member % 8);
    }
    bits
}

/// Appends a compact length. A length above 32 bits would be cut; no caller has one.
pub fn write_compact(bytes: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    match length {
        ..0x40 => bytes.extend_from_slice(&(length << 2).to_le_bytes()[..1]),
        0x40..0x4000 => bytes.extend_from_slice(&(length << 2 | 1).to_le_bytes()[..2]),
        0x4000..0x4000_0000 => bytes.extend_from_slice(&(length << 2 | 2).to_le_bytes()),
        _ => {
            bytes.push(3);
            bytes.extend_from_slice(&length.to_le_bytes());
        }
    }
}

/// Appends a byte string.
pub fn write_bytes(bytes: &mut Vec<u8>, string: &[u8]) {
    write_compact(bytes, string.len());
    bytes.extend_from_slice(string);
}

/// Appends a set of nodes.
pub fn write_subset(bytes: &mut Vec<u8>, subset: Subset<'_>) {
    bytes.extend_from_slice(&u32::try_from(subset.nodes).unwrap_or(u32::MAX).to_le_bytes());
    write_bytes(bytes, subset.bits);
}
