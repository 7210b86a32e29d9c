//! Generated epochs: decoding is the inverse of encoding in every framed layout, and never panics.

use fm_codec::{Dialect, ModuleValue, Writer};
use fm_eras::detect;
use fm_eras::hbbft::{
    EpochLayout, check_record, decode_epoch, decode_last_epoch, encode_content, encode_epoch, epoch_key,
    epoch_of_key, module_of_key, table_of,
};
use fm_history::{Contribution, Epoch, EpochContent, EpochItem, EpochTransaction, Hash, sha256};
use fm_rows::MemoryRows;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn framed() -> impl Strategy<Value = EpochLayout> {
    let layouts: Vec<EpochLayout> = EpochLayout::ALL.into_iter().filter(EpochLayout::is_framed).collect();
    prop::sample::select(layouts)
}

fn any_layout() -> impl Strategy<Value = EpochLayout> {
    prop::sample::select(EpochLayout::ALL.to_vec())
}

fn value() -> impl Strategy<Value = ModuleValue> {
    (any::<u16>(), vec(any::<u8>(), 0..300)).prop_map(|(instance, body)| ModuleValue { instance, body })
}

fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|bytes| bytes.try_into().unwrap())
}

/// Generates a transaction; [`with_ids`] fills in its id.
fn transaction() -> impl Strategy<Value = EpochTransaction> {
    (vec(value(), 0..3), vec(value(), 0..3), prop::option::of(bytes())).prop_map(
        |(inputs, outputs, signature)| EpochTransaction { txid: Hash::default(), inputs, outputs, signature },
    )
}

fn item() -> impl Strategy<Value = EpochItem> {
    prop_oneof![
        Just(EpochItem::ConsensusUpgrade),
        bytes().prop_map(|share| EpochItem::ClientConfigSignatureShare(Box::new(share))),
        bytes().prop_map(|share| EpochItem::EpochOutcomeSignatureShare(Box::new(share))),
        transaction().prop_map(|transaction| EpochItem::Transaction(Box::new(transaction))),
        value().prop_map(EpochItem::Module),
    ]
}

/// Generates contributions in any order, with peers that may occur twice: the format allows it.
fn content() -> impl Strategy<Value = EpochContent> {
    let contribution =
        (any::<u16>(), vec(item(), 0..4)).prop_map(|(peer, items)| Contribution { peer, items });
    (vec(contribution, 0..4), btree_set(bytes().prop_map(Hash), 0..4)).prop_map(
        |(contributions, rejected)| EpochContent { contributions, rejected: rejected.into_iter().collect() },
    )
}

fn epoch() -> impl Strategy<Value = Epoch> {
    let hash = || bytes().prop_map(Hash);
    (any::<u64>(), prop::option::of(hash()), content(), hash(), prop::option::of(bytes())).prop_map(
        |(number, last_hash, content, stored_hash, signature)| Epoch {
            number,
            last_hash,
            content: Some(content),
            computed_hash: Hash::default(),
            stored_hash,
            signature,
        },
    )
}

/// Fills in the ids and the hash, as the dialect computes them.
fn with_ids(mut epoch: Epoch, dialect: Dialect) -> Epoch {
    let content = epoch.content.as_mut().unwrap();
    for item in content.contributions.iter_mut().flat_map(|contribution| &mut contribution.items) {
        if let EpochItem::Transaction(transaction) = item {
            let mut writer = Writer::new(dialect);
            writer.list(transaction.inputs.iter(), |writer, input| writer.value(input));
            writer.list(transaction.outputs.iter(), |writer, output| writer.value(output));
            transaction.txid = sha256(&[writer.as_bytes()]);
        }
    }
    let mut outcome = Writer::new(dialect);
    outcome.u64(epoch.number);
    outcome.option(epoch.last_hash.as_ref(), |writer, hash| writer.raw(&hash.0));
    encode_content(content, &mut outcome);
    epoch.computed_hash = sha256(&[outcome.as_bytes()]);
    epoch
}

proptest! {
    #[test]
    fn decoding_is_the_inverse_of_encoding(layout in framed(), epoch in epoch()) {
        let epoch = with_ids(epoch, layout.dialect);
        let bytes = encode_epoch(&epoch, layout.dialect).unwrap();
        prop_assert_eq!(decode_epoch(&bytes, &layout), Ok(epoch));
    }

    #[test]
    fn no_byte_can_be_missing_or_added(layout in framed(), epoch in epoch(), byte: u8, cut: prop::sample::Index) {
        let bytes = encode_epoch(&with_ids(epoch, layout.dialect), layout.dialect).unwrap();
        prop_assert!(decode_epoch(&bytes[..cut.index(bytes.len())], &layout).is_err());
        prop_assert!(decode_epoch(&[bytes.as_slice(), &[byte]].concat(), &layout).is_err());
    }

    #[test]
    fn a_changed_byte_is_an_error_or_another_epoch(
        layout in framed(), epoch in epoch(), place: prop::sample::Index, flip in 1u8..,
    ) {
        let epoch = with_ids(epoch, layout.dialect);
        let mut bytes = encode_epoch(&epoch, layout.dialect).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(other) = decode_epoch(&bytes, &layout) {
            prop_assert_ne!(&other, &epoch);
            prop_assert_eq!(encode_epoch(&other, layout.dialect), Some(bytes));
        }
    }

    #[test]
    fn an_unframed_record_is_split_at_its_hash(epoch in epoch()) {
        for layout in EpochLayout::ALL.into_iter().filter(|layout| !layout.is_framed()) {
            let mut epoch = with_ids(epoch.clone(), layout.dialect);
            epoch.stored_hash = epoch.computed_hash;
            if let Some(signature) = &mut epoch.signature {
                // The mark of a compressed point.
                signature[0] |= 0x80;
            }
            let bytes = encode_epoch(&epoch, layout.dialect).unwrap();
            prop_assert_eq!(decode_epoch(&bytes, &layout), Ok(Epoch { content: None, ..epoch }));
        }
    }

    #[test]
    fn rejected_ids_out_of_order_or_twice_are_an_error(layout in framed(), epoch in epoch(), id in bytes()) {
        let mut epoch = with_ids(epoch, layout.dialect);
        let content = epoch.content.as_mut().unwrap();
        content.rejected = vec![Hash(id), Hash(id)];
        let twice = encode_epoch(&epoch, layout.dialect).unwrap();
        prop_assert!(decode_epoch(&twice, &layout).is_err());
        epoch.content.as_mut().unwrap().rejected = vec![Hash([1; 32]), Hash([0; 32])];
        let unordered = encode_epoch(&epoch, layout.dialect).unwrap();
        prop_assert!(decode_epoch(&unordered, &layout).is_err());
    }

    #[test]
    fn random_bytes_never_panic(layout in any_layout(), key in vec(any::<u8>(), 0..40), value in vec(any::<u8>(), 0..400)) {
        if let Ok(epoch) = decode_epoch(&value, &layout) {
            prop_assert!(!layout.is_framed() || encode_epoch(&epoch, layout.dialect) == Some(value.clone()));
        }
        if let Ok(table) = check_record(&key, &value, &layout) {
            prop_assert_eq!(table_of(&key, &layout), Some(table));
        }
        if let Ok((_, rest)) = module_of_key(&key, layout.dialect) {
            prop_assert!(rest.len() < key.len());
        }
        // Both read a number and nothing after it, in the dialect's only form.
        if let Ok(number) = decode_last_epoch(&value, layout.dialect) {
            prop_assert_eq!(&epoch_key(number, layout.dialect)[1..], value.as_slice());
        }
    }

    #[test]
    fn random_stores_never_panic(rows in vec((vec(any::<u8>(), 0..12), vec(any::<u8>(), 0..200)), 0..20), prefix in 0u8..10) {
        let mut rows = rows;
        for (place, (key, _)) in rows.iter_mut().enumerate() {
            if place % 2 == 0 && !key.is_empty() {
                key[0] = prefix;
            }
        }
        let is_empty = rows.iter().all(|(key, _)| key.is_empty());
        let found = detect(&rows.into_iter().collect::<MemoryRows>());
        prop_assert!(!is_empty || found.is_err());
    }

    #[test]
    fn keys_name_their_epoch(layout in any_layout(), number: u64, more: u8) {
        let key = epoch_key(number, layout.dialect);
        prop_assert_eq!(epoch_of_key(&key, layout.dialect), Ok(number));
        prop_assert!(epoch_of_key(&key[..key.len() - 1], layout.dialect).is_err());
        prop_assert!(epoch_of_key(&[key.as_slice(), &[more]].concat(), layout.dialect).is_err());
    }
}
