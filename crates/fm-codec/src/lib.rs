//! Converts bytes to values and back: Fedimint's consensus encoding in every dialect that it ever had.
//!
//! Invariants:
//! - Decoding is strict: [`decode_exact`] accepts a value only if every byte is consumed and encoding the
//!   value again yields the same bytes.
//! - A length is used only after it was checked against the bytes that remain, so a decoder allocates at most
//!   a small multiple of its input.
//! - Every error has the offset at which the input stopped making sense.
//!
//! # Example
//!
//! ```
//! use fm_codec::{Dialect, Reader, Writer};
//!
//! let mut writer = Writer::new(Dialect::MODERN);
//! writer.u64(300);
//! writer.text("a module");
//! let bytes = writer.into_bytes();
//!
//! let mut reader = Reader::new(&bytes, Dialect::MODERN);
//! assert_eq!(reader.u64()?, 300);
//! assert_eq!(reader.text()?, "a module");
//! reader.finish()?;
//! # Ok::<(), fm_codec::DecodeError>(())
//! ```

mod dialect;
mod error;
mod exact;
mod module_value;
mod primitives;
mod reader;
mod writer;

pub use dialect::{Dialect, EnumBody, Integers, MapOrder, ModuleFraming};
pub use error::{DecodeError, DecodeErrorKind};
pub use exact::decode_exact;
pub use module_value::ModuleValue;
pub use reader::Reader;
pub use writer::Writer;

/// The largest single value that upstream's decoders read from an unbounded source since v0.3, in bytes.
///
/// A session outcome above this size cannot be decoded by any server from v0.3 on.
/// Source: fedimint-core 0.4.0, src/encoding/mod.rs.
pub const MAX_DECODE_SIZE: usize = 16_000_000;

/// The number of a guardian in its federation, starting at 0.
pub type PeerId = u16;

/// A value that reads itself from the consensus encoding.
pub trait Decode: Sized {
    /// Reads one value, leaving the reader after its last byte.
    ///
    /// # Errors
    /// If the bytes are not the encoding of such a value in the reader's dialect.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// A value that writes itself in the consensus encoding.
pub trait Encode {
    /// Appends the value to the writer, in the writer's dialect.
    fn encode(&self, writer: &mut Writer);

    /// Returns the encoding of this value alone.
    fn to_bytes(&self, dialect: Dialect) -> Vec<u8> {
        let mut writer = Writer::new(dialect);
        self.encode(&mut writer);
        writer.into_bytes()
    }
}
