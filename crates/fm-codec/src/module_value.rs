//! Values of modules: an instance id and opaque bytes, which are not interpreted.

use crate::{Decode, DecodeError, DecodeErrorKind, Encode, ModuleFraming, Reader, Writer};

/// An input, output or item of a module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModuleValue {
    /// The module instance that the value belongs to.
    pub instance: u16,
    /// The module's own encoding, as it was stored.
    pub body: Vec<u8>,
}

impl ModuleValue {
    /// The least number of bytes of a module value in any dialect: its instance, and the length of its body.
    /// Source: fedimint-core 0.5.0, src/encoding/mod.rs.
    pub const LEAST_BYTES: usize = 2;
}

impl Decode for ModuleValue {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let instance = reader.u16()?;
        let body = match reader.dialect().module_framing {
            ModuleFraming::Unframed => return Err(reader.error(DecodeErrorKind::UnframedModuleValue)),
            ModuleFraming::Length32 => reader.bytes_with_u32_length()?,
            ModuleFraming::Length64 => reader.bytes()?,
        };
        Ok(Self { instance, body: body.to_vec() })
    }
}

impl Encode for ModuleValue {
    fn encode(&self, writer: &mut Writer) {
        writer.u16(self.instance);
        match writer.dialect().module_framing {
            ModuleFraming::Unframed => writer.raw(&self.body),
            ModuleFraming::Length32 => {
                writer.u32(u32::try_from(self.body.len()).expect("a module value is shorter than 4 GiB"));
                writer.raw(&self.body);
            }
            ModuleFraming::Length64 => writer.bytes(&self.body),
        }
    }
}
