//! Writes primitive values in one dialect. Writing cannot fail.

use crate::{Dialect, Encode, EnumBody, Integers};

/// A growing encoding.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
    dialect: Dialect,
}

impl Writer {
    /// Creates an empty encoding.
    pub fn new(dialect: Dialect) -> Self {
        Self { out: Vec::new(), dialect }
    }

    /// Creates an empty encoding with room for this many bytes.
    pub fn with_capacity(dialect: Dialect, capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), dialect }
    }

    /// Returns the dialect of this writer.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the bytes written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Discards what was written, and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// Ends the writing and returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Writes bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Writes a 16-bit integer.
    pub fn u16(&mut self, value: u16) {
        match self.dialect.integers {
            Integers::FixedLe => self.raw(&value.to_le_bytes()),
            Integers::FixedBe => self.raw(&value.to_be_bytes()),
            Integers::BigSize => self.big_size(value.into()),
        }
    }

    /// Writes a 32-bit integer.
    pub fn u32(&mut self, value: u32) {
        match self.dialect.integers {
            Integers::FixedLe => self.raw(&value.to_le_bytes()),
            Integers::FixedBe => self.raw(&value.to_be_bytes()),
            Integers::BigSize => self.big_size(value.into()),
        }
    }

    /// Writes a 64-bit integer.
    pub fn u64(&mut self, value: u64) {
        match self.dialect.integers {
            Integers::FixedLe => self.raw(&value.to_le_bytes()),
            Integers::FixedBe => self.raw(&value.to_be_bytes()),
            Integers::BigSize => self.big_size(value),
        }
    }

    fn big_size(&mut self, value: u64) {
        let wide = value.to_be_bytes();
        match value {
            0..=0xFC => self.u8(wide[7]),
            0xFD..=0xFFFF => {
                self.u8(0xFD);
                self.raw(&wide[6..]);
            }
            0x1_0000..=0xFFFF_FFFF => {
                self.u8(0xFE);
                self.raw(&wide[4..]);
            }
            _ => {
                self.u8(0xFF);
                self.raw(&wide);
            }
        }
    }

    /// Writes a count of elements or a length in bytes.
    pub fn count(&mut self, count: usize) {
        self.u64(u64::try_from(count).expect("a length in memory fits 64 bits"));
    }

    /// Writes a boolean, or the flag of an optional value.
    pub fn flag(&mut self, flag: bool) {
        self.u8(flag.into());
    }

    /// Writes an optional value.
    pub fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Writes a byte string with its length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// Writes UTF-8 text with its length.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes a list of values.
    pub fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.count(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// Writes an enum: the variant index, and what `body` writes, framed as the dialect requires.
    pub fn variant(&mut self, variant: u64, body: impl FnOnce(&mut Self)) {
        self.u64(variant);
        match self.dialect.enum_body {
            EnumBody::Bare => body(self),
            EnumBody::Prefixed => self.framed(self.dialect, body),
        }
    }

    /// Writes what `body` writes, in another dialect, as a byte string with its length.
    pub fn framed(&mut self, dialect: Dialect, body: impl FnOnce(&mut Self)) {
        let (start, outer) = (self.out.len(), self.dialect);
        self.dialect = dialect;
        body(self);
        self.dialect = outer;
        let end = self.out.len();
        self.count(end - start);
        // The length is known only now: swap it with the bytes that it counts.
        let width = self.out.len() - end;
        self.out[start..].rotate_right(width);
    }

    /// Writes a value of a type that implements [`Encode`].
    pub fn value(&mut self, value: &impl Encode) {
        value.encode(self);
    }
}
