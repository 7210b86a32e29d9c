//! Values that a threshold of guardians votes for, with the encodings of upstream's `meta` module.
//!
//! | row | key | value |
//! | --- | --- | --- |
//! | the value that this guardian wants (not part of the consensus) | `00`, key 1 | salt, value |
//! | the agreed value | `01`, key 1 | revision, value |
//! | a guardian's vote | `02`, key 1, guardian | salt, value |
//!
//! A vote replaces the guardian's earlier one. A value with a threshold of votes becomes the agreed one, and
//! its votes are removed. A vote for the agreed value only removes the guardian's earlier one.
//!
//! Source of the rows: fedimint-meta-server 0.5.0, src/db.rs.

use fm_codec::{Decode, DecodeError, Dialect, Encode, Reader, Writer, decode_exact};
use fm_history::{PeerId, sha256};
use fm_modules::meta::{Input, Item, Output};
use serde_json::{Map, Value, json};

use crate::error::{EngineError, ItemError};
use crate::module::{Amounts, ApiError, InputMeta, Module, ModuleState, OutPoint, decode};

/// The first byte of the keys of wanted values.
const DESIRED: u8 = 0x00;
/// The first byte of the keys of agreed values.
const CONSENSUS: u8 = 0x01;
/// The first byte of the keys of votes.
const SUBMISSION: u8 = 0x02;

/// The meta module.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The number of guardians' votes that decide.
    pub threshold: usize,
}

/// A value with a number: its salt, or its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbered {
    number: u64,
    value: Vec<u8>,
}

impl Numbered {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: reader.u64()?, value: reader.bytes()?.to_vec() })
    }

    fn write(&self) -> Vec<u8> {
        let mut writer = Writer::new(Dialect::MODERN);
        writer.u64(self.number);
        writer.bytes(&self.value);
        writer.into_bytes()
    }
}

impl Meta {
    fn consensus(state: &ModuleState<'_, '_>, key: u8) -> Result<Option<Numbered>, EngineError> {
        state.read(&[CONSENSUS, key], Numbered::read)
    }

    /// Returns all votes on a key, by their rows' keys.
    fn votes(state: &ModuleState<'_, '_>, key: u8) -> Result<Vec<(Vec<u8>, Numbered)>, EngineError> {
        let vote = |(row, value): (Vec<u8>, Vec<u8>)| match decode(&value, Numbered::read) {
            Ok(vote) => Ok((row, vote)),
            Err(source) => Err(state.unreadable(&row, source)),
        };
        state.scan_prefix(&[SUBMISSION, key])?.into_iter().map(vote).collect()
    }
}

impl Module for Meta {
    fn kind(&self) -> &'static str {
        "meta"
    }

    fn client_config(&self) -> Map<String, Value> {
        Map::new()
    }

    fn table_version(&self) -> u64 {
        0
    }

    fn check_input(&self, body: &[u8]) -> Result<(), DecodeError> {
        read::<Input>(body).map(drop)
    }

    fn check_output(&self, body: &[u8]) -> Result<(), DecodeError> {
        read::<Output>(body).map(drop)
    }

    fn check_item(&self, body: &[u8]) -> Result<(), DecodeError> {
        read::<Item>(body).map(drop)
    }

    fn process_input(&self, _: &mut ModuleState<'_, '_>, _: &[u8]) -> Result<InputMeta, ItemError> {
        Err(ItemError::module("the meta module takes no inputs"))
    }

    fn process_output(
        &self,
        _: &mut ModuleState<'_, '_>,
        _: &[u8],
        _: OutPoint,
    ) -> Result<Amounts, ItemError> {
        Err(ItemError::module("the meta module makes no outputs"))
    }

    fn process_item(
        &self,
        state: &mut ModuleState<'_, '_>,
        body: &[u8],
        peer: PeerId,
    ) -> Result<(), ItemError> {
        let Item { salt, key, value } = read(body).map_err(|error| ItemError::module(error.to_string()))?;
        let agreed = Self::consensus(state, key)?;
        let row = submission_key(key, peer);
        let vote = Numbered { number: salt, value };
        if agreed.as_ref().is_some_and(|agreed| agreed.value == vote.value) {
            if state.read(&row, Numbered::read)?.is_some_and(|earlier| earlier != vote) {
                state.remove(&row);
            }
            return Ok(());
        }
        state.put(&row, vote.write());
        let mut equal = Self::votes(state, key)?;
        equal.retain(|(_, other)| other.value == vote.value);
        if equal.len() >= self.threshold {
            equal.iter().for_each(|(row, _)| state.remove(row));
            let number = agreed.map_or(0, |agreed| agreed.number.wrapping_add(1));
            state.put(&[CONSENSUS, key], Numbered { number, value: vote.value }.write());
        }
        Ok(())
    }

    fn proposals(&self, state: &ModuleState<'_, '_>, own: PeerId) -> Result<Vec<Vec<u8>>, EngineError> {
        let mut proposals = Vec::new();
        for (row, value) in state.scan_prefix(&[DESIRED])? {
            let unreadable = |source| state.unreadable(&row, source);
            let key = decode(&row[1..], Reader::u8).map_err(unreadable)?;
            let wanted = decode(&value, Numbered::read).map_err(unreadable)?;
            let vote = state.read(&submission_key(key, own), Numbered::read)?;
            let agreed = Self::consensus(state, key)?.is_some_and(|agreed| agreed.value == wanted.value);
            // A vote for the agreed value is useful only if it clears an earlier vote.
            let needed = if agreed { vote.is_some() } else { true };
            if needed && vote.as_ref() != Some(&wanted) {
                let vote = Item { salt: wanted.number, key, value: wanted.value };
                proposals.push(vote.to_bytes(Dialect::MODERN));
            }
        }
        Ok(proposals)
    }

    fn is_audited(&self, _: &[u8]) -> bool {
        false
    }

    fn balance(&self, _: &[u8], _: &[u8]) -> Result<i128, DecodeError> {
        Ok(0)
    }

    fn output_outcome(&self, _: &ModuleState<'_, '_>, _: OutPoint) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(None)
    }

    fn request(
        &self,
        state: &mut ModuleState<'_, '_>,
        method: &str,
        parameters: &Value,
        authenticated: bool,
    ) -> Result<Value, ApiError> {
        match method {
            "get_consensus" => Ok(Self::consensus(state, key_of(parameters)?)?.map_or(
                Value::Null,
                |agreed| json!({ "revision": agreed.number, "value": hex::encode(agreed.value) }),
            )),
            "get_consensus_rev" => Ok(Self::consensus(state, key_of(parameters)?)?
                .map_or(Value::Null, |agreed| agreed.number.into())),
            "submit" | "get_submission" if !authenticated => Err(ApiError::NotAuthenticated),
            "submit" => submit(state, parameters),
            "get_submission" => submissions(state, key_of(parameters)?),
            _ => Err(ApiError::UnknownMethod(method.to_owned())),
        }
    }
}

fn read<T: Decode + Encode>(body: &[u8]) -> Result<T, DecodeError> {
    decode_exact(body, Dialect::MODERN)
}

/// Sets what this guardian wants from now on.
fn submit(state: &mut ModuleState<'_, '_>, parameters: &Value) -> Result<Value, ApiError> {
    let expected = "an object with key (a number below 256) and value (hex)";
    let key = key_of(&parameters["key"]).map_err(|_| ApiError::BadParameters { expected })?;
    let value = parameters["value"].as_str().and_then(|text| hex::decode(text).ok());
    let value = value.ok_or(ApiError::BadParameters { expected })?;
    let earlier = state.read(&[DESIRED, key], Numbered::read)?.map_or(0, |earlier| earlier.number);
    // The salt makes a vote for an earlier value a different item; like everything here, it is computed from
    // known data.
    let digest = sha256(&[b"meta salt", &earlier.to_be_bytes(), &[key], &value]).0;
    let mut salt = [0; 8];
    salt.copy_from_slice(&digest[..8]);
    state.put(&[DESIRED, key], Numbered { number: u64::from_be_bytes(salt), value }.write());
    Ok(Value::Null)
}

/// Returns the undecided votes on a key, by guardian.
fn submissions(state: &ModuleState<'_, '_>, key: u8) -> Result<Value, ApiError> {
    let mut votes = Map::new();
    for (row, vote) in Meta::votes(state, key)? {
        let peer = decode(&row[2..], Reader::u16).map_err(|source| state.unreadable(&row, source))?;
        votes.insert(peer.to_string(), hex::encode(vote.value).into());
    }
    Ok(Value::Object(votes))
}

fn key_of(parameter: &Value) -> Result<u8, ApiError> {
    let key = parameter.as_u64().and_then(|key| u8::try_from(key).ok());
    key.ok_or(ApiError::BadParameters { expected: "a key, which is a number below 256" })
}

fn submission_key(key: u8, peer: PeerId) -> Vec<u8> {
    let mut row = Writer::new(Dialect::MODERN);
    row.raw(&[SUBMISSION, key]);
    row.u16(peer);
    row.into_bytes()
}
