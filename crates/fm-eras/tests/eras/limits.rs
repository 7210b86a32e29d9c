//! Records that are made to take memory: elements are counted over a whole record, wherever they are in it.

use fm_codec::{DecodeErrorKind, Writer};
use fm_eras::block::{BlockLayout, decode_block};
use fm_eras::broadcast;
use fm_history::BlockContent;

fn first_of_server() -> &'static BlockLayout {
    broadcast::LAYOUTS.iter().find(|layout| layout.name == "a4177cea3").unwrap()
}

/// Returns a transaction with this many empty outputs, as a byte string.
fn transaction(outputs: usize) -> Vec<u8> {
    let mut item = Writer::new(first_of_server().dialect);
    item.u8(1);
    item.count(0);
    item.count(outputs);
    item.raw(&vec![0; 2 * outputs]);
    item.u8(0);
    item.into_bytes()
}

fn record(items: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(first_of_server().dialect);
    writer.u64(0);
    writer.count(items.len());
    for (item, position) in items.iter().zip(0..) {
        writer.bytes(item);
        writer.u64(position);
        writer.u16(0);
    }
    writer.count(0);
    writer.into_bytes()
}

#[test]
fn elements_inside_byte_strings_count_with_the_others() {
    let one = decode_block(&record(&[transaction(300_000)]), first_of_server()).unwrap();
    assert!(matches!(one.items[0].content, BlockContent::Transaction(_)));
    let two = decode_block(&record(&[transaction(300_000), transaction(300_000)]), first_of_server());
    assert!(matches!(two.unwrap_err().kind, DecodeErrorKind::TooManyElements { .. }));
}

/// A value that is too large to be decoded is not called opaque: it might be a transaction.
#[test]
fn a_transaction_beyond_the_limit_is_an_error_and_not_opaque() {
    let error = decode_block(&record(&[transaction(600_000)]), first_of_server()).unwrap_err();
    assert!(matches!(error.kind, DecodeErrorKind::TooManyElements { .. }), "{error}");
    let opaque = decode_block(&record(&[vec![0xEE; 600_000]]), first_of_server()).unwrap();
    assert!(matches!(opaque.items[0].content, BlockContent::Opaque(_)));
}
