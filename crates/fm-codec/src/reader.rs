//! Reads primitive values, and checks every length before it is used.
//!
//! Invariants: the position only moves forward, never past the end of the input; the error of a failed read
//! has the offset at which the failing value began.

use crate::{Decode, DecodeError, DecodeErrorKind, Dialect, EnumBody, Integers, MapOrder};

/// A cursor over the encoding of one value.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
    end: usize,
    dialect: Dialect,
    /// The number of elements of lists, maps and sets that may still be read.
    elements: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader at the start of `input`.
    pub fn new(input: &'a [u8], dialect: Dialect) -> Self {
        Self { input, position: 0, end: input.len(), dialect, elements: usize::MAX }
    }

    /// Limits the reader to `elements` elements of lists, maps and sets, including nested ones.
    ///
    /// An element may take a single byte of the input and a hundred in memory, so the bytes alone limit
    /// nothing.
    #[must_use]
    pub fn limited(self, elements: usize) -> Self {
        Self { elements, ..self }
    }

    /// Reads a value from all of `bytes`, which were taken from this input, in another dialect.
    ///
    /// Its elements count towards the limit of this reader. The offset of an error is relative to `bytes`.
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

    /// Returns the dialect of this reader.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the offset of the next byte from the start of the input.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the number of bytes that are left (inside the current body, if one is being read).
    pub fn left(&self) -> usize {
        self.end - self.position
    }

    /// Makes an error at the current position.
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset: self.position, kind }
    }

    /// Reads the next `count` bytes.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        if count > self.left() {
            return Err(self.error(DecodeErrorKind::UnexpectedEnd { needed: count, left: self.left() }));
        }
        let start = self.position;
        self.position += count;
        Ok(&self.input[start..self.position])
    }

    /// Returns the bytes from an earlier position to the current one.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.input[start..self.position]
    }

    /// Reads a fixed array of bytes; arrays have no length prefix.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads one byte; a byte is one byte in every dialect.
    ///
    /// # Errors
    /// If no byte is left.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads a 16-bit integer.
    ///
    /// # Errors
    /// If the input ends, or the integer is not in its shortest form or does not fit 16 bits.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.narrow(|reader| match reader.dialect.integers {
            Integers::FixedLe => Ok(u16::from_le_bytes(reader.array()?).into()),
            Integers::FixedBe => Ok(u16::from_be_bytes(reader.array()?).into()),
            Integers::BigSize => reader.big_size(),
        })
    }

    /// Reads a 32-bit integer.
    ///
    /// # Errors
    /// If the input ends, or the integer is not in its shortest form or does not fit 32 bits.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.narrow(|reader| match reader.dialect.integers {
            Integers::FixedLe => Ok(u32::from_le_bytes(reader.array()?).into()),
            Integers::FixedBe => Ok(u32::from_be_bytes(reader.array()?).into()),
            Integers::BigSize => reader.big_size(),
        })
    }

    /// Reads a 64-bit integer.
    ///
    /// # Errors
    /// If the input ends, or the integer is not in its shortest form.
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

    /// Reads a boolean, or the flag of an optional value.
    ///
    /// # Errors
    /// If no byte is left, or the byte is neither 0 nor 1.
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        let offset = self.position;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError { offset, kind: DecodeErrorKind::BadFlag { value } }),
        }
    }

    /// Reads an optional value.
    ///
    /// # Errors
    /// If the flag cannot be read, or `read` fails.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Reads a count of elements that take at least `least` bytes each (zero counts as one).
    ///
    /// # Errors
    /// If the count cannot be read, or the bytes that are left cannot hold this many elements.
    pub fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let offset = self.position;
        let length = self.u64()?;
        self.bounded(length, least, offset)
    }

    /// Reads a count of elements that take at least `least` bytes each, and subtracts it from the elements
    /// that may be read.
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

    /// Reads a byte string with its length.
    ///
    /// # Errors
    /// If the length cannot be read, or fewer bytes are left.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// Reads a byte string whose length is a 32-bit integer.
    ///
    /// # Errors
    /// If the length cannot be read, or fewer bytes are left.
    pub fn bytes_with_u32_length(&mut self) -> Result<&'a [u8], DecodeError> {
        let offset = self.position;
        let length = self.u32()?;
        let length = self.bounded(length.into(), 1, offset)?;
        self.take(length)
    }

    /// Reads UTF-8 text with its length.
    ///
    /// # Errors
    /// If the bytes cannot be read, or are not UTF-8.
    pub fn text(&mut self) -> Result<String, DecodeError> {
        let offset = self.position;
        let bytes = self.bytes()?;
        let text =
            str::from_utf8(bytes).map_err(|_| DecodeError { offset, kind: DecodeErrorKind::NotUtf8 })?;
        Ok(text.to_owned())
    }

    /// Reads a list of values that take at least `least` bytes each.
    ///
    /// # Errors
    /// If the count cannot be read or exceeds the input or the limit of elements, or `read` fails.
    pub fn list<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.elements(least)?;
        // The bytes that are left bound the count, but not the size of an element in memory: start small.
        let mut list = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    /// Reads the entries of a map, in the order and with the strictness of the dialect.
    ///
    /// # Errors
    /// If the count cannot be read or exceeds the input or the limit of elements, `key` or `value` fails, a
    /// key occurs twice, or keys are out of an order that the dialect requires.
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

    /// Reads the members of a set, with the strictness of the dialect.
    ///
    /// # Errors
    /// If the count cannot be read or exceeds the input or the limit of elements, `key` fails, a member
    /// occurs twice, or members are out of an order that the dialect requires.
    pub fn set<K: Ord + Clone>(
        &mut self,
        least: usize,
        key: impl FnMut(&mut Self) -> Result<K, DecodeError>,
    ) -> Result<std::collections::BTreeSet<K>, DecodeError> {
        Ok(self.map(least, key, |_| Ok(()))?.into_keys().collect())
    }

    /// Reads an enum: `read` gets the variant index and a reader that ends where the variant's body ends.
    ///
    /// In a dialect without enum lengths, the body ends where `read` stops.
    ///
    /// # Errors
    /// If the index or the length of the body cannot be read, `read` fails, or it leaves bytes of a body that
    /// has a length.
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
    ///
    /// # Errors
    /// If fewer bytes are left, `read` fails, or it leaves bytes.
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

    /// Reads a value of a type that implements [`Decode`].
    ///
    /// # Errors
    /// If the value cannot be decoded.
    pub fn value<T: Decode>(&mut self) -> Result<T, DecodeError> {
        T::decode(self)
    }

    /// Ends the reading; bytes that are left are an error.
    ///
    /// # Errors
    /// If bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error(DecodeErrorKind::TrailingBytes { left })),
        }
    }
}
