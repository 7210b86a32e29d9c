//! Golden vectors: each file states the value or error that its bytes must yield, and the offset of the
//! error.

#![allow(clippy::unwrap_used, reason = "a vector that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use fm_codec::{
    Decode, DecodeError, DecodeErrorKind, Dialect, Encode, ModuleValue, Reader, Writer, decode_exact,
};

fn dialect(name: &str) -> Dialect {
    match name {
        "A0" => Dialect::A0,
        "A1" => Dialect::A1,
        "A1_LENGTH32" => Dialect::A1_LENGTH32,
        "A2" => Dialect::A2,
        "V0_2" => Dialect::V0_2,
        "MODERN" => Dialect::MODERN,
        other => panic!("unknown dialect {other}"),
    }
}

/// Defines a wrapper that reads one value by a pair of functions and shows it as text.
macro_rules! shown {
    ($name:ident, $type:ty, $read:expr, $write:expr, $show:expr) => {
        struct $name($type);
        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let read: fn(&mut Reader<'_>) -> Result<$type, DecodeError> = $read;
                read(reader).map($name)
            }
        }
        impl Encode for $name {
            fn encode(&self, writer: &mut Writer) {
                let write: fn(&mut Writer, &$type) = $write;
                write(writer, &self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&$type) -> String = $show;
                f.write_str(&show(&self.0))
            }
        }
    };
}

shown!(U16, u16, |r| r.u16(), |w, v| w.u16(*v), u16::to_string);
shown!(U32, u32, |r| r.u32(), |w, v| w.u32(*v), u32::to_string);
shown!(U64, u64, |r| r.u64(), |w, v| w.u64(*v), u64::to_string);
shown!(Flag, bool, |r| r.flag(), |w, v| w.flag(*v), bool::to_string);
shown!(Bytes, Vec<u8>, |r| r.bytes().map(<[u8]>::to_vec), |w, v| w.bytes(v), |v| hex::encode(v));
shown!(Text, String, |r| r.text(), |w, v| w.text(v), String::clone);
shown!(Module, ModuleValue, |r| r.value(), |w, v| w.value(v), |v| format!(
    "{}:{}",
    v.instance,
    hex::encode(&v.body)
));
shown!(
    SetU16,
    std::collections::BTreeSet<u16>,
    |r| r.set(1, |r| r.u16()),
    |w, v| w.list(v.iter(), |w, v| w.u16(*v)),
    |v| v.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
);
shown!(
    EnumU16,
    u16,
    |r| r.variant(|r, variant| match variant {
        0 => r.u16(),
        variant => Err(r.error(DecodeErrorKind::UnknownVariant { of: "test", variant })),
    }),
    |w, v| w.variant(0, |w| w.u16(*v)),
    u16::to_string
);

fn outcome<T: Decode + Encode + fmt::Display>(bytes: &[u8], dialect: Dialect) -> Result<String, String> {
    decode_exact::<T>(bytes, dialect).map(|value| value.to_string()).map_err(|error| {
        let what = match error.kind {
            DecodeErrorKind::UnexpectedEnd { .. } => "ends",
            DecodeErrorKind::TrailingBytes { .. } => "trailing",
            DecodeErrorKind::NonMinimalInteger { .. } => "not minimal",
            DecodeErrorKind::IntegerOutOfRange { .. } => "out of range",
            DecodeErrorKind::BadFlag { .. } => "flag",
            DecodeErrorKind::UnknownVariant { .. } => "variant",
            DecodeErrorKind::NotAPublicKey => "key",
            DecodeErrorKind::Not { what } => what,
            DecodeErrorKind::NotUtf8 => "utf8",
            DecodeErrorKind::LengthBeyondInput { .. } => "beyond",
            DecodeErrorKind::TooManyElements { .. } => "too many",
            DecodeErrorKind::ValueTooLarge { .. } => "too large",
            DecodeErrorKind::DuplicateKey => "duplicate",
            DecodeErrorKind::UnsortedKey => "unsorted",
            DecodeErrorKind::BodyNotConsumed { .. } => "body",
            DecodeErrorKind::UnframedModuleValue => "unframed",
            DecodeErrorKind::NotReproducible => "not reproducible",
        };
        format!("{what} at {}", error.offset)
    })
}

fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let head: BTreeMap<&str, &str> = head
        .lines()
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let bytes = hex::decode(body.trim()).unwrap();
    let dialect = dialect(head["dialect"]);
    let got = match head["type"] {
        "u16" => outcome::<U16>(&bytes, dialect),
        "u32" => outcome::<U32>(&bytes, dialect),
        "u64" => outcome::<U64>(&bytes, dialect),
        "flag" => outcome::<Flag>(&bytes, dialect),
        "bytes" => outcome::<Bytes>(&bytes, dialect),
        "text" => outcome::<Text>(&bytes, dialect),
        "module" => outcome::<Module>(&bytes, dialect),
        "set-u16" => outcome::<SetU16>(&bytes, dialect),
        "enum-u16" => outcome::<EnumU16>(&bytes, dialect),
        other => panic!("{}: unknown type {other}", path.display()),
    };
    let expected = match head["expect"] {
        "ok" => Ok(head["value"].to_owned()),
        error => Err(error.to_owned()),
    };
    assert_eq!(got, expected, "{}", path.display());
}

fn check_folder(folder: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(folder);
    let files: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "no vectors in {folder}");
    files.iter().for_each(|path| check(path));
}

#[test]
fn integers() {
    check_folder("integers");
}

#[test]
fn values() {
    check_folder("values");
}
