//! Consensus items of every layout.

use fm_codec::{DecodeError, DecodeErrorKind, EnumBody, ModuleValue, Reader, Writer};
use fm_history::{BlockContent, BlockSignature, BlockTransaction, sha256};

use super::layout::{ItemLayout, SignatureForm};

/// Reads one consensus item.
///
/// # Errors
/// Fails if the bytes do not decode, or if the layout has no such variant and cannot skip it.
pub fn decode_item(reader: &mut Reader<'_>, layout: &ItemLayout) -> Result<BlockContent, DecodeError> {
    debug_assert_eq!(reader.dialect(), layout.dialect);
    let start = reader.position();
    reader.variant(|reader, variant| match (layout.config_shares, variant) {
        (true, 0) => Ok(BlockContent::ClientConfigSignatureShare(Box::new(reader.array()?))),
        (true, 1) | (false, 0) => Ok(BlockContent::Transaction(Box::new(read_transaction(reader, layout)?))),
        (true, 2) | (false, 1) => Ok(BlockContent::Module(reader.value()?)),
        (_, variant) if layout.dialect.enum_body == EnumBody::Prefixed => {
            Ok(BlockContent::Unknown { variant, bytes: reader.take(reader.left())?.to_vec() })
        }
        (_, variant) => Err(DecodeError {
            offset: start,
            kind: DecodeErrorKind::UnknownVariant { of: "consensus item", variant },
        }),
    })
}

fn read_transaction(reader: &mut Reader<'_>, layout: &ItemLayout) -> Result<BlockTransaction, DecodeError> {
    let start = reader.position();
    let inputs = reader.list(ModuleValue::LEAST_BYTES, Reader::value)?;
    let outputs = reader.list(ModuleValue::LEAST_BYTES, Reader::value)?;
    let nonce = if layout.nonce { Some(reader.array()?) } else { None };
    let txid = sha256(&[reader.since(start)]);
    let signature = match layout.signature {
        SignatureForm::Aggregate => BlockSignature::Aggregate(reader.option(Reader::array)?),
        SignatureForm::List => BlockSignature::List(reader.list(64, Reader::array)?),
        SignatureForm::Open => reader.variant(|reader, variant| match variant {
            0 => Ok(BlockSignature::List(reader.list(64, Reader::array)?)),
            variant => Ok(BlockSignature::Unknown { variant, bytes: reader.take(reader.left())?.to_vec() }),
        })?,
    };
    Ok(BlockTransaction { txid, inputs, outputs, nonce, signature })
}

/// Writes one consensus item; opaque bytes are written as they are.
pub fn encode_item(item: &BlockContent, layout: &ItemLayout, writer: &mut Writer) {
    let shift = u64::from(layout.config_shares);
    match item {
        BlockContent::Opaque(bytes) => writer.raw(bytes),
        BlockContent::ClientConfigSignatureShare(share) => {
            writer.variant(0, |writer| writer.raw(share.as_slice()));
        }
        BlockContent::Transaction(transaction) => {
            writer.variant(shift, |writer| write_transaction(transaction, layout, writer));
        }
        BlockContent::Module(value) => writer.variant(shift + 1, |writer| writer.value(value)),
        BlockContent::Unknown { variant, bytes } => writer.variant(*variant, |writer| writer.raw(bytes)),
    }
}

fn write_transaction(transaction: &BlockTransaction, layout: &ItemLayout, writer: &mut Writer) {
    writer.list(transaction.inputs.iter(), Writer::value);
    writer.list(transaction.outputs.iter(), Writer::value);
    if let Some(nonce) = transaction.nonce {
        writer.raw(&nonce);
    }
    match &transaction.signature {
        BlockSignature::Aggregate(signature) => {
            writer.option(signature.as_ref(), |writer, signature| writer.raw(signature));
        }
        BlockSignature::List(list) => {
            let write = |writer: &mut Writer| writer.list(list.iter(), |writer, one| writer.raw(one));
            if layout.signature == SignatureForm::Open { writer.variant(0, write) } else { write(writer) }
        }
        BlockSignature::Unknown { variant, bytes } => writer.variant(*variant, |writer| writer.raw(bytes)),
    }
}
