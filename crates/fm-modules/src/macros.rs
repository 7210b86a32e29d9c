//! Encodings said once: the fields of a record and the variants of an enum, in the order of their bytes.

/// Reads and writes a struct as its fields, in this order.
macro_rules! record {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl fm_codec::Decode for $name {
            fn decode(reader: &mut fm_codec::Reader<'_>) -> Result<Self, fm_codec::DecodeError> {
                Ok(Self { $($field: reader.value()?),+ })
            }
        }

        impl fm_codec::Encode for $name {
            fn encode(&self, writer: &mut fm_codec::Writer) {
                $(writer.value(&self.$field);)+
            }
        }
    };
}

/// Reads and writes a struct without fields, which takes no bytes.
macro_rules! empty {
    ($name:ident) => {
        impl fm_codec::Decode for $name {
            fn decode(_: &mut fm_codec::Reader<'_>) -> Result<Self, fm_codec::DecodeError> {
                Ok(Self)
            }
        }

        impl fm_codec::Encode for $name {
            fn encode(&self, _: &mut fm_codec::Writer) {}
        }
    };
}

/// Reads and writes an enum by the numbers of its variants, each with one value or none.
///
/// With `else Unknown`, a variant that is not in the list is kept as bytes in the variant `Unknown`; without
/// it, such a variant is an error.
macro_rules! variants {
    ($name:ident: $of:literal { $($number:literal => $variant:ident $(($value:ident))?),* $(,)? } $(else $unknown:ident)?) => {
        impl fm_codec::Decode for $name {
            fn decode(reader: &mut fm_codec::Reader<'_>) -> Result<Self, fm_codec::DecodeError> {
                let offset = reader.position();
                reader.variant(|reader, variant| match variant {
                    $($number => Ok(Self::$variant $(({ let $value = reader.value()?; $value }))?),)*
                    variant => {
                        $(return Ok(Self::$unknown($crate::UnknownVariant::read(variant, reader)?));)?
                        #[allow(unreachable_code, reason = "not reached in an enum that keeps unknown variants")]
                        {
                            let kind = fm_codec::DecodeErrorKind::UnknownVariant { of: $of, variant };
                            Err(fm_codec::DecodeError { offset, kind })
                        }
                    }
                })
            }
        }

        impl fm_codec::Encode for $name {
            fn encode(&self, writer: &mut fm_codec::Writer) {
                match self {
                    $(Self::$variant $(($value))? => writer.variant($number, |_writer| { $(_writer.value($value);)? }),)*
                    $(Self::$unknown(unknown) => unknown.write(writer),)?
                }
            }
        }
    };
}

pub(crate) use empty;
pub(crate) use record;
pub(crate) use variants;
