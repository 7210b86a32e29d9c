//! Round trips; and no input makes a reader panic or allocate more than its size warrants.

use fm_codec::{DecodeErrorKind, Dialect, Encode, ModuleValue, Reader, Writer, decode_exact};
use proptest::prelude::*;

fn dialects() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![
        Dialect::A0,
        Dialect::A1,
        Dialect::A1_LENGTH32,
        Dialect::A2,
        Dialect::V0_2,
        Dialect::MODERN,
    ])
}

fn integers() -> impl Strategy<Value = u64> {
    // Every size class of BigSize and its edges, not only the large numbers that a uniform choice yields.
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

proptest! {
    #[test]
    fn integers_round_trip(dialect in dialects(), value in integers(), narrow: u32, narrower: u16) {
        let mut writer = Writer::new(dialect);
        writer.u64(value);
        writer.u32(narrow);
        writer.u16(narrower);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes, dialect);
        prop_assert_eq!(reader.u64().unwrap(), value);
        prop_assert_eq!(reader.u32().unwrap(), narrow);
        prop_assert_eq!(reader.u16().unwrap(), narrower);
        reader.finish().unwrap();
    }

    #[test]
    fn big_size_orders_as_numbers(a in integers(), b in integers()) {
        let encode = |value| {
            let mut writer = Writer::new(Dialect::A2);
            writer.u64(value);
            writer.into_bytes()
        };
        prop_assert_eq!(a.cmp(&b), encode(a).cmp(&encode(b)));
    }

    #[test]
    fn module_values_round_trip(instance: u16, body: Vec<u8>) {
        let value = ModuleValue { instance, body };
        for dialect in [Dialect::A1_LENGTH32, Dialect::A2, Dialect::MODERN] {
            prop_assert_eq!(&decode_exact::<ModuleValue>(&value.to_bytes(dialect), dialect).unwrap(), &value);
        }
    }

    #[test]
    fn an_accepted_value_is_reproduced(dialect in dialects(), bytes: Vec<u8>) {
        if let Ok(value) = decode_exact::<ModuleValue>(&bytes, dialect) {
            prop_assert_eq!(value.to_bytes(dialect), bytes);
        }
    }

    #[test]
    fn a_limit_counts_nested_elements(dialect in dialects(), lengths in prop::collection::vec(0..9usize, 0..9)) {
        let mut writer = Writer::new(dialect);
        writer.list(lengths.iter(), |writer, length| writer.list(0..*length, |writer, _| writer.u8(7)));
        let elements = lengths.len() + lengths.iter().sum::<usize>();
        let read = |limit| {
            let mut reader = Reader::new(writer.as_bytes(), dialect).limited(limit);
            reader.list(1, |reader| reader.list(1, |reader| reader.u8())).map(|lists| lists.len())
        };
        prop_assert_eq!(read(elements), Ok(lengths.len()));
        if let Some(fewer) = elements.checked_sub(1) {
            let refused = matches!(read(fewer).unwrap_err().kind, DecodeErrorKind::TooManyElements { .. });
            prop_assert!(refused);
        }
    }

    #[test]
    fn framed_bytes_are_bytes(dialect in dialects(), inner in dialects(), before: u64, length in 0..70_000usize) {
        let (mut framed, mut plain) = (Writer::new(dialect), Writer::with_capacity(dialect, 9));
        for writer in [&mut framed, &mut plain] {
            writer.u64(before);
        }
        framed.framed(inner, |writer| {
            writer.u32(70_000);
            writer.raw(&vec![7; length]);
        });
        let mut body = Writer::new(inner);
        body.u32(70_000);
        body.raw(&vec![7; length]);
        plain.bytes(body.as_bytes());
        prop_assert_eq!(framed.dialect(), dialect);
        prop_assert_eq!(framed.into_bytes(), plain.into_bytes());
    }

    #[test]
    fn no_input_panics(dialect in dialects(), bytes: Vec<u8>) {
        let mut reader = Reader::new(&bytes, dialect);
        let _ = reader.clone().list(0, |reader| reader.bytes());
        let _ = reader.clone().text();
        let _ = reader.clone().map(2, |r| r.u64(), |r| r.flag());
        let _ = reader.clone().option(|reader| reader.u32());
        let _ = reader.variant(|reader, _| reader.list(1, |reader| reader.u16()));
    }
}
