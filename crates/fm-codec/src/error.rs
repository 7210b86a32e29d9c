//! The one error of this crate: what was wrong, and at which byte.

use thiserror::Error;

/// Why bytes are not the encoding of a value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// The offset from the start of the input.
    pub offset: usize,
    /// What was found there.
    pub kind: DecodeErrorKind,
}

/// What was found at the offset of a [`DecodeError`].
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The input ends inside a value.
    #[error("input ends: {needed} bytes needed, {left} left")]
    UnexpectedEnd {
        /// Bytes that the value still needs.
        needed: usize,
        left: usize,
    },
    /// The value is whole and bytes follow it.
    #[error("{left} bytes follow the end of the value")]
    TrailingBytes { left: usize },
    /// A BigSize integer in a form longer than it needs.
    #[error("integer {value} is not in its shortest form")]
    NonMinimalInteger { value: u64 },
    /// An integer that its type cannot hold.
    #[error("integer {value} does not fit {bits} bits")]
    IntegerOutOfRange { value: u64, bits: u32 },
    /// A byte that must be 0 or 1 and is neither.
    #[error("flag byte {value} is neither 0 nor 1")]
    BadFlag { value: u8 },
    /// An enum variant that the format does not have.
    #[error("unknown variant {variant} of {of}")]
    UnknownVariant { of: &'static str, variant: u64 },
    /// A key that is not a point of its curve.
    #[error("not a public key")]
    NotAPublicKey,
    /// Bytes that are not what their place requires, such as a point of a curve.
    #[error("not {what}")]
    Not {
        /// What was required, with its article.
        what: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A length or count that exceeds the rest of the input.
    #[error("length {length} is beyond the {left} bytes that are left")]
    LengthBeyondInput {
        /// Declared length or count.
        length: u64,
        left: usize,
    },
    /// A value larger than its reader allows.
    #[error("a value of {length} bytes, and at most {most} are decoded")]
    ValueTooLarge { length: usize, most: usize },
    /// More elements of lists, maps and sets than the caller allows.
    #[error("a list of {count} elements, and only {left} more are read in one record")]
    TooManyElements {
        /// Declared count.
        count: usize,
        left: usize,
    },
    /// A key that occurs twice in a map or set.
    #[error("duplicate key in a map or set")]
    DuplicateKey,
    /// A key that is smaller than the one before it.
    #[error("keys of a map or set are not ascending")]
    UnsortedKey,
    /// A length-prefixed body with bytes left after its last field.
    #[error("{left} bytes follow the last field of the body")]
    BodyNotConsumed { left: usize },
    /// A module value in a dialect that does not record where it ends.
    #[error("module value without a length: its end cannot be found without the module's own decoder")]
    UnframedModuleValue,
    /// The value does not encode to the bytes that it was decoded from.
    #[error("encoding the value again results in other bytes from here on")]
    NotReproducible,
}
