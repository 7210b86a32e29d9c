//! The modules of one federation: which kind each instance is.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, ModuleValue};
use fm_crypto::ConsensusConfig;

use crate::Kind;
use crate::payload::{Input, Item, Outcome, Output, Part, PayloadError};

/// The release that wrote a history decides in which form the payloads are.
///
/// A federation that was converted from v0.1 has the old form in its old sessions, and the new one in those
/// that it made afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// v0.1.0-rc1 to v0.1.5.
    V0_1,
    /// 0.2 and later.
    Current,
}

/// Decodes all of a body of a kind.
type Decoder<T> = fn(&Kind, &[u8]) -> Result<T, DecodeError>;

/// The kinds of a federation's module instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    generation: Generation,
    kinds: BTreeMap<u16, Kind>,
}

impl Registry {
    /// Takes the names of the kinds, by instance.
    pub fn new(generation: Generation, kinds: &BTreeMap<u16, String>) -> Self {
        let kinds = kinds.iter().map(|(instance, name)| (*instance, Kind::of(name))).collect();
        Self { generation, kinds }
    }

    /// Takes the modules of a `consensus.json` or of the configuration that clients get. A configuration with
    /// keys of epochs is one of v0.1.
    pub fn of_config(config: &ConsensusConfig) -> Self {
        let is_v0_1 = config.epoch_keys.is_some();
        Self::new(if is_v0_1 { Generation::V0_1 } else { Generation::Current }, &config.modules)
    }

    /// Returns the generation whose payloads it decodes.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Returns the kind of an instance; `None` if the configuration does not name it.
    pub fn kind(&self, instance: u16) -> Option<&Kind> {
        self.kinds.get(&instance)
    }

    /// Returns the instances and their kinds.
    pub fn kinds(&self) -> impl Iterator<Item = (u16, &Kind)> {
        self.kinds.iter().map(|(instance, kind)| (*instance, kind))
    }

    /// Decodes an input of a transaction. One of an instance that the configuration does not name is kept as
    /// bytes, as is one of an unknown kind.
    ///
    /// # Errors
    /// If the kind is known, and the bytes are not exactly one of its inputs.
    pub fn input(&self, value: &ModuleValue) -> Result<Input, PayloadError> {
        self.decode(value, Part::Input, [Input::decode, Input::decode_v0_1], Input::Unknown)
    }

    /// Decodes an output of a transaction, as [`Registry::input`] does.
    ///
    /// # Errors
    /// If the kind is known, and the bytes are not exactly one of its outputs.
    pub fn output(&self, value: &ModuleValue) -> Result<Output, PayloadError> {
        self.decode(value, Part::Output, [Output::decode, Output::decode_v0_1], Output::Unknown)
    }

    /// Decodes an item of a guardian, as [`Registry::input`] does.
    ///
    /// # Errors
    /// If the kind is known, and the bytes are not exactly one of its items.
    pub fn item(&self, value: &ModuleValue) -> Result<Item, PayloadError> {
        self.decode(value, Part::Item, [Item::decode, Item::decode_v0_1], Item::Unknown)
    }

    /// Decodes the outcome of an output, as [`Registry::input`] does.
    ///
    /// # Errors
    /// If the kind is known, and the bytes are not exactly one of its outcomes.
    pub fn outcome(&self, value: &ModuleValue) -> Result<Outcome, PayloadError> {
        self.decode(value, Part::Outcome, [Outcome::decode, Outcome::decode_v0_1], Outcome::Unknown)
    }

    fn decode<T>(
        &self,
        value: &ModuleValue,
        part: Part,
        [current, v0_1]: [Decoder<T>; 2],
        keep: impl FnOnce(Vec<u8>) -> T,
    ) -> Result<T, PayloadError> {
        let Some(kind) = self.kind(value.instance) else { return Ok(keep(value.body.clone())) };
        let decode = match self.generation {
            Generation::Current => current,
            Generation::V0_1 => v0_1,
        };
        decode(kind, &value.body).map_err(|source| PayloadError {
            instance: value.instance,
            kind: kind.clone(),
            part,
            source,
        })
    }
}
