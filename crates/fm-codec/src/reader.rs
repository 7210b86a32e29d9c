//! Reading primitive values, with every length checked before it is believed.
//!
//! Invariants: the position only moves forward, never beyond the input, and a failed read leaves an error
//! with the offset at which the failing value began.

use crate::{Decode, DecodeError, DecodeErrorKind, Dialect, EnumBody, Integers, MapOrder};

/// A cursor over the encoding of one value.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
    end: usize,
    dialect: Dialect,
    /// Elements of lists, maps and sets that may still be read.
    elements: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    pub fn new(input: &'a [u8], dialect: Dialect) -> Self {
        Self { input, position: 0, end: input.len(), dialect, elements: usize::MAX }
    }

    /// The same reader, for at most `elements` elements of lists, maps and sets, nested ones included.
    ///
    /// An element may take a single byte of the input and a hundred in memory: the bytes alone bound nothing.
    #[must_use]
    pub fn limited(self, elements: usize) -> Self {
        Self { elements, ..self }
    }

    /// Reads a value from bytes that were taken from this input, all of them, in a dialect of their own.
    ///
    /// Its elements count with those of this reader. The offset of an error is one in the bytes.
    ///
    /// # Errors
    /// If the value does not decode, or does not end with the bytes.
    pub fn inside<T>(
        &mut self,
        bytes: &'a [u8],
        dialect: Dialect,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut inner = Self::new(bytes, dialect).limited(self.elements);
        let value = read(&mut inner)?;
        self.elements = inner.elements;
        inner.finish()?;
        Ok(value)
    }

    /// The dialect that this reader reads.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Offset of the next byte from the start of the input.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes that are left (inside the current body, if one is being read).
    pub fn left(&self) -> usize {
        self.end - self.position
    }

    /// An error at the current position.
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset: self.position, kind }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.left() {
            return Err(self.error(DecodeErrorKind::UnexpectedEnd { needed: count, left: self.left() }));
        }
        let start = self.position;
        self.position += count;
        Ok(&self.input[start..self.position])
    }

    /// The bytes from an earlier position to the current one.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.position]
    }

    /// A fixed array of bytes; arrays carry no length.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte; a byte is one byte in every dialect.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// A 16-bit integer.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.narrow(|reader| match reader.dialect.integers {
            Integers::FixedLe => Ok(u16::from_le_bytes(reader.array()?).into()),
            Integers::FixedBe => Ok(u16::from_be_bytes(reader.array()?).into()),
            Integers::BigSize => reader.big_size(),
        })
    }

    /// A 32-bit integer.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.narrow(|reader| match reader.dialect.integers {
            Integers::FixedLe => Ok(u32::from_le_bytes(reader.array()?).into()),
            Integers::FixedBe => Ok(u32::from_be_bytes(reader.array()?).into()),
            Integers::BigSize => reader.big_size(),
        })
    }

    /// A 64-bit integer.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        match self.dialect.integers {
            Integers::FixedLe => Ok(u64::from_le_bytes(self.array()?)),
            Integers::FixedBe => Ok(u64::from_be_bytes(self.array()?)),
            Integers::BigSize => self.big_size(),
        }
    }

    fn narrow<T: TryFrom<u64>>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<u64, DecodeError>,
    ) -> Result<T, DecodeError> {
        let offset = self.position;
        let value = read(self)?;
        let bits = 8 * u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
        T::try_from(value)
            .map_err(|_| DecodeError { offset, kind: DecodeErrorKind::IntegerOutOfRange { value, bits } })
    }

    fn big_size(&mut self) -> Result<u64, DecodeError> {
        let offset = self.position;
        let (value, least) = match self.u8()? {
            0xFD => (u16::from_be_bytes(self.array()?).into(), 0xFD),
            0xFE => (u32::from_be_bytes(self.array()?).into(), 0x1_0000),
            0xFF => (u64::from_be_bytes(self.array()?), 0x1_0000_0000),
            small => (small.into(), 0),
        };
        if value < least {
            return Err(DecodeError { offset, kind: DecodeErrorKind::NonMinimalInteger { value } });
        }
        Ok(value)
    }

    /// A boolean, or the flag of an optional value.
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        let offset = self.position;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError { offset, kind: DecodeErrorKind::BadFlag { value } }),
        }
    }

    /// An optional value.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A count of elements that take at least `least` bytes each (zero counts as one).
    pub fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let offset = self.position;
        let length = self.u64()?;
        self.bounded(length, least, offset)
    }

    /// A count of elements that take at least `least` bytes each, taken off the elements that may be read.
    fn elements(&mut self, least: usize) -> Result<usize, DecodeError> {
        let offset = self.position;
        let count = self.count(least)?;
        let Some(left) = self.elements.checked_sub(count) else {
            let kind = DecodeErrorKind::TooManyElements { count, left: self.elements };
            return Err(DecodeError { offset, kind });
        };
        self.elements = left;
        Ok(count)
    }

    fn bounded(&self, length: u64, least: usize, offset: usize) -> Result<usize, DecodeError> {
        let left = self.left();
        usize::try_from(length)
            .ok()
            .filter(|count| *count <= left / least.max(1))
            .ok_or(DecodeError { offset, kind: DecodeErrorKind::LengthBeyondInput { length, left } })
    }

    /// A byte string with its length.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// A byte string whose length is a 32-bit integer.
    pub fn bytes_with_u32_length(&mut self) -> Result<&'a [u8], DecodeError> {
        let offset = self.position;
        let length = self.u32()?;
        let length = self.bounded(length.into(), 1, offset)?;
        self.take(length)
    }

    /// UTF-8 text with its length.
    pub fn text(&mut self) -> Result<String, DecodeError> {
        let offset = self.position;
        let bytes = self.bytes()?;
        let text =
            str::from_utf8(bytes).map_err(|_| DecodeError { offset, kind: DecodeErrorKind::NotUtf8 })?;
        Ok(text.to_owned())
    }

    /// A list of values that take at least `least` bytes each.
    pub fn list<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.elements(least)?;
        // A count is bounded by the bytes that are left, an element in memory is not: start small.
        let mut list = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    /// The entries of a map, in the order and with the strictness of the dialect.
    pub fn map<K: Ord + Clone, V>(
        &mut self,
        least: usize,
        mut key: impl FnMut(&mut Self) -> Result<K, DecodeError>,
        mut value: impl FnMut(&mut Self) -> Result<V, DecodeError>,
    ) -> Result<std::collections::BTreeMap<K, V>, DecodeError> {
        let count = self.elements(least)?;
        let mut map = std::collections::BTreeMap::new();
        let mut previous: Option<K> = None;
        for _ in 0..count {
            let offset = self.position;
            let next = key(self)?;
            let unsorted = previous.as_ref().is_some_and(|previous| *previous > next);
            if unsorted && self.dialect.map_order == MapOrder::Ascending {
                return Err(DecodeError { offset, kind: DecodeErrorKind::UnsortedKey });
            }
            previous = Some(next.clone());
            if map.insert(next, value(self)?).is_some() {
                return Err(DecodeError { offset, kind: DecodeErrorKind::DuplicateKey });
            }
        }
        Ok(map)
    }

    /// The members of a set, with the strictness of the dialect.
    pub fn set<K: Ord + Clone>(
        &mut self,
        least: usize,
        key: impl FnMut(&mut Self) -> Result<K, DecodeError>,
    ) -> Result<std::collections::BTreeSet<K>, DecodeError> {
        Ok(self.map(least, key, |_| Ok(()))?.into_keys().collect())
    }

    /// An enum: `read` gets the variant index and a reader that ends where the variant's body ends.
    ///
    /// In a dialect without enum lengths the body ends where `read` stops.
    pub fn variant<T>(
        &mut self,
        read: impl FnOnce(&mut Self, u64) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let variant = self.u64()?;
        match self.dialect.enum_body {
            EnumBody::Bare => read(self, variant),
            EnumBody::Prefixed => {
                let length = self.count(1)?;
                self.within(length, |reader| read(reader, variant))
            }
        }
    }

    /// Runs `read` on the next `length` bytes, all of which it must consume.
    pub fn within<T>(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if length > self.left() {
            return Err(self.error(DecodeErrorKind::UnexpectedEnd { needed: length, left: self.left() }));
        }
        let outer = std::mem::replace(&mut self.end, self.position + length);
        let value = read(self);
        let left = self.left();
        self.end = outer;
        let value = value?;
        if left > 0 {
            return Err(self.error(DecodeErrorKind::BodyNotConsumed { left }));
        }
        Ok(value)
    }

    /// A value of a type that knows how to read itself.
    pub fn value<T: Decode>(&mut self) -> Result<T, DecodeError> {
        T::decode(self)
    }

    /// Ends the reading: bytes that are left are an error.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error(DecodeErrorKind::TrailingBytes { left })),
        }
    }
}
