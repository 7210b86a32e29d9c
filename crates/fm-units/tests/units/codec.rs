//! SCALE: vectors, and values that decode from their own encoding.

use fm_units::{
    ALEPH_0_30, Alert, Authored, DataShape, FORMS, ScaleErrorKind, ScaleReader, Subset, Unit, UnitData,
    UnitFields, subset_bits, write_bytes, write_compact, write_subset,
};
use proptest::prelude::*;

#[test]
fn compact_lengths() {
    let vectors: [(usize, &[u8]); 9] = [
        (0, &[0x00]),
        (1, &[0x04]),
        (63, &[0xfc]),
        (64, &[0x01, 0x01]),
        (16_383, &[0xfd, 0xff]),
        (16_384, &[0x02, 0x00, 0x01, 0x00]),
        (1_073_741_823, &[0xfe, 0xff, 0xff, 0xff]),
        (1_073_741_824, &[0x03, 0x00, 0x00, 0x00, 0x40]),
        (4_294_967_295, &[0x03, 0xff, 0xff, 0xff, 0xff]),
    ];
    for (length, bytes) in vectors {
        let mut written = Vec::new();
        write_compact(&mut written, length);
        assert_eq!(written, bytes);
        let mut reader = ScaleReader::new(bytes);
        assert_eq!((reader.compact(), reader.left()), (Ok(length), 0));
        for cut in 0..bytes.len() {
            let kind = ScaleReader::new(&bytes[..cut]).compact().unwrap_err().kind;
            assert!(matches!(kind, ScaleErrorKind::UnexpectedEnd { .. }), "{kind}");
        }
    }
    let longer_than_needed: [&[u8]; 6] = [
        &[0x01, 0x00],
        &[0xfd, 0x00],
        &[0x02, 0x00, 0x00, 0x00],
        &[0xfe, 0xff, 0x00, 0x00],
        &[0x03, 0xff, 0xff, 0xff, 0x3f],
        &[0x07, 0x00, 0x00, 0x00, 0x00, 0x01],
    ];
    for bytes in longer_than_needed {
        let kind = ScaleReader::new(bytes).compact().unwrap_err().kind;
        assert_eq!(kind, ScaleErrorKind::BadLength, "{bytes:?}");
    }
}

#[test]
fn masks() {
    // Four nodes; nodes 0 and 2 are in the set.
    let bytes = [4, 0, 0, 0, 4, 0xa0];
    let subset = ScaleReader::new(&bytes).subset(16).unwrap();
    assert_eq!(subset.members().collect::<Vec<_>>(), [0, 2]);
    assert_eq!((subset.len(), subset.contains(2), subset.contains(3)), (2, true, false));
    let bad: [&[u8]; 4] = [
        &[4, 0, 0, 0, 4, 0xa8],    // a bit after the last node
        &[4, 0, 0, 0, 8, 0xa0, 0], // a byte too many
        &[9, 0, 0, 0, 4, 0xa0],    // a byte too few
        &[0xff, 0xff, 0xff, 0xff, 4, 0xa0],
    ];
    for bytes in bad {
        assert!(ScaleReader::new(bytes).subset(16).is_err(), "{bytes:?}");
    }
    let none = ScaleReader::new(&[0, 0, 0, 0, 0]).subset(16).unwrap();
    assert!(none.is_empty() && none.nodes == 0);
}

#[test]
fn flags_and_variants() {
    assert_eq!(ScaleReader::new(&[2]).flag().unwrap_err().kind, ScaleErrorKind::BadFlag { value: 2 });
    // Round 0, creator 0, no nodes, hash, data of variant 2.
    let mut bytes = vec![0; 2 + 8];
    bytes.extend([0, 0, 0, 0, 0]);
    bytes.extend([0; 32]);
    bytes.extend([1, 2]);
    for form in FORMS {
        let error = Unit::read(&mut ScaleReader::new(&bytes), form).unwrap_err();
        assert_eq!((error.offset, error.kind.to_string()), (48, "unknown variant 2 of unit data".to_owned()));
    }
    assert!(Alert::read(&mut ScaleReader::new(&[3]), &ALEPH_0_30).is_err());
}

#[test]
fn an_alert() {
    let mut unit = Vec::new();
    fields(1, 2, &[0xf0], None).write(&mut unit);
    let mut bytes = vec![1];
    bytes.extend(3u64.to_le_bytes());
    bytes.extend([unit.clone(), unit.clone()].concat());
    write_compact(&mut bytes, 3);
    bytes.extend([unit.clone(), unit.clone(), unit].concat());
    let mut reader = ScaleReader::new(&bytes);
    let alert = Alert::read(&mut reader, &ALEPH_0_30).unwrap();
    assert!(matches!(alert, Alert::Fork { own: false, sender: 3, legit_units: 3, .. }), "{alert:?}");
    assert_eq!(reader.left(), 0);
    // A count that fits no memory.
    let mut absurd = bytes[..9 + (bytes.len() - 10) / 5 * 2].to_vec();
    absurd.extend([3, 0xff, 0xff, 0xff, 0xff]);
    let error = Alert::read(&mut ScaleReader::new(&absurd), &ALEPH_0_30).unwrap_err();
    assert!(matches!(error.kind, ScaleErrorKind::TooMany { .. }), "{error}");
    let mut multisigned = vec![2];
    multisigned.extend([7; 32]);
    multisigned.extend([12, 1]);
    multisigned.extend([9; 64]);
    multisigned.extend([0, 1]);
    multisigned.extend([9; 64]);
    let alert = Alert::read(&mut ScaleReader::new(&multisigned), &ALEPH_0_30).unwrap();
    assert_eq!(alert, Alert::Multisigned { hash: [7; 32], signers: vec![0, 2] });
}

fn fields<'a>(round: u16, creator: u64, bits: &'a [u8], data: Option<UnitData<'a>>) -> UnitFields<'a> {
    UnitFields {
        round,
        creator,
        parents: Subset { nodes: 4, bits },
        parents_hash: [3; 32],
        data,
        session: 9,
        signature: [5; 64],
    }
}

fn data<'a>(
    shape: DataShape,
    kind: u8,
    count: usize,
    bytes: &'a [u8],
    list: &'a [u8],
    author: u64,
) -> Option<UnitData<'a>> {
    let by = Authored { signature: [8; 64], author };
    let signed = shape != DataShape::Bytes;
    match (kind, shape) {
        (0, _) => None,
        (1, _) => Some(UnitData::HeaderSignature { signature: [1; 64], author: signed.then_some(author) }),
        (_, DataShape::ItemsSigned) => Some(UnitData::Items { count, list, by }),
        _ => Some(UnitData::Bytes { bytes, by: signed.then_some(by) }),
    }
}

proptest! {
    #[test]
    fn a_unit_comes_back(
        form in 0usize..4, round: u16, creator: u64, nodes in 0usize..40, members: u64, kind in 0u8..3,
        items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..5), author: u64,
    ) {
        let form = FORMS[form];
        let bits = subset_bits(nodes, (0..nodes).filter(|node| members >> node & 1 == 1));
        let (bytes, mut list) = (items.concat(), Vec::new());
        items.iter().for_each(|item| write_bytes(&mut list, item));
        let data = data(form.data, kind, items.len(), &bytes, &list, author);
        let fields = UnitFields { parents: Subset { nodes, bits: &bits }, ..fields(round, creator, &bits, data) };
        let mut written = Vec::new();
        fields.write(&mut written);
        let mut reader = ScaleReader::new(&written);
        let unit = Unit::read(&mut reader, form).unwrap();
        prop_assert_eq!(reader.left(), 0);
        prop_assert_eq!(unit.fields, fields);
        prop_assert_eq!(unit.bytes, &written[..]);
        if let Some(data @ UnitData::Items { .. }) = unit.fields.data {
            let strings: Vec<Vec<u8>> = data.strings().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(strings, items);
        }
        // A shorter input is not a unit, and the error says so.
        for cut in 0..written.len() {
            prop_assert!(Unit::read(&mut ScaleReader::new(&written[..cut]), form).is_err());
        }
    }

    #[test]
    fn a_mask_comes_back(nodes in 0usize..80, members: u128) {
        let bits = subset_bits(nodes, (0..nodes).filter(|node| members >> node & 1 == 1));
        let mut bytes = Vec::new();
        write_subset(&mut bytes, Subset { nodes, bits: &bits });
        let subset = ScaleReader::new(&bytes).subset(80).unwrap();
        prop_assert!((0..nodes).all(|node| subset.contains(node) == (members >> node & 1 == 1)));
    }

    #[test]
    fn no_bytes_make_it_panic(form in 0usize..4, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Unit::read(&mut ScaleReader::new(&bytes), FORMS[form]);
        let _ = Alert::read(&mut ScaleReader::new(&bytes), FORMS[form]);
    }
}
