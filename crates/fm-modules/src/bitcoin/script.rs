//! Scripts that lock outputs, and which of them have an address.

use fm_codec::{Decode, DecodeError, Encode, Reader, Writer};

use super::{bytes, write_bytes};

/// A script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Script(pub Vec<u8>);

/// The form of a script that has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptKind<'a> {
    /// Pays to the hash of a key.
    PublicKeyHash(&'a [u8]),
    /// Pays to the hash of a script.
    ScriptHash(&'a [u8]),
    /// Pays to a witness program.
    Witness {
        /// The program's version, from 0 to 16.
        version: u8,
        /// The program: of version 0, 20 or 32 bytes; of others, 2 to 40.
        program: &'a [u8],
    },
}

/// Operations. Source: Bitcoin Core, src/script/script.h.
const DUP: u8 = 0x76;
const HASH160: u8 = 0xA9;
const EQUAL: u8 = 0x87;
const EQUALVERIFY: u8 = 0x88;
const CHECKSIG: u8 = 0xAC;
/// The operation that pushes the number 1; those for 2 to 16 follow.
const ONE: u8 = 0x51;
const SIXTEEN: u8 = 0x60;

impl Script {
    /// Returns the script's form; `None` if it has no address.
    pub fn kind(&self) -> Option<ScriptKind<'_>> {
        match self.0.as_slice() {
            [DUP, HASH160, 20, hash @ .., EQUALVERIFY, CHECKSIG] if hash.len() == 20 => {
                Some(ScriptKind::PublicKeyHash(hash))
            }
            [HASH160, 20, hash @ .., EQUAL] if hash.len() == 20 => Some(ScriptKind::ScriptHash(hash)),
            [0, length, program @ ..]
                if usize::from(*length) == program.len() && matches!(length, 20 | 32) =>
            {
                Some(ScriptKind::Witness { version: 0, program })
            }
            [number @ ONE..=SIXTEEN, length, program @ ..]
                if usize::from(*length) == program.len() && (2..=40).contains(length) =>
            {
                Some(ScriptKind::Witness { version: number - ONE + 1, program })
            }
            _ => None,
        }
    }

    /// Returns the script that pays to the hash of a key.
    pub fn of_public_key_hash(hash: &[u8; 20]) -> Self {
        Self([&[DUP, HASH160, 20], hash.as_slice(), &[EQUALVERIFY, CHECKSIG]].concat())
    }

    /// Returns the script that pays to the hash of a script.
    pub fn of_script_hash(hash: &[u8; 20]) -> Self {
        Self([&[HASH160, 20], hash.as_slice(), &[EQUAL]].concat())
    }

    /// Returns the script that pays to a witness program of version 0.
    pub(crate) fn of_witness_0(program: &[u8]) -> Self {
        Self::of_witness(0, program)
    }

    /// Returns the script that pays to a taproot key.
    pub fn of_taproot(key: &[u8; 32]) -> Self {
        Self::of_witness(ONE, key)
    }

    fn of_witness(version: u8, program: &[u8]) -> Self {
        let length = u8::try_from(program.len()).expect("a program of at most 40 bytes");
        Self([&[version, length], program].concat())
    }
}

impl Decode for Script {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(bytes(reader)?.to_vec()))
    }
}

impl Encode for Script {
    fn encode(&self, writer: &mut Writer) {
        write_bytes(writer, &self.0);
    }
}
