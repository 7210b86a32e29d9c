//! Accounts of keys, with the encodings of upstream's `dummy` module.
//!
//! An input takes an amount from a key's account, an output adds one to it. One key, the issuer's, creates
//! money: what it takes is added to its account, which counts as an asset of the federation; all other
//! accounts are liabilities.
//!
//! | row | key | value |
//! | --- | --- | --- |
//! | account | `01`, key 33 | amount |
//! | output | `02`, txid 32, index | amount in the account afterwards, key 33 |
//!
//! Source: fedimint-dummy-server 0.5.0, src/db.rs.

use fm_codec::{DecodeError, Dialect, Encode, Reader, Writer, decode_exact};
use fm_history::PeerId;
use fm_modules::dummy::{self, Posting};
use fm_modules::{Msat, PublicKey};
use serde_json::{Map, Value};

use crate::error::{EngineError, ItemError, Rejection};
use crate::module::{Amounts, ApiError, InputMeta, Module, ModuleState, OutPoint, decode};

/// The first byte of the accounts' keys.
pub(super) const ACCOUNT: u8 = 0x01;
/// The version of the tables. Source: fedimint-dummy-server 0.5.0, src/lib.rs.
pub(super) const TABLE_VERSION: u64 = 1;
/// The first byte of the outputs' keys.
const OUTPUT: u8 = 0x02;
/// The first byte of a compressed key whose y coordinate is even.
const EVEN: u8 = 0x02;
/// The issuer of upstream's `dummy` module. Its secret key is public: for trials only.
/// Source: fedimint-dummy-common 0.5.0, src/lib.rs.
pub const DUMMY_ISSUER: [u8; 33] = [
    0x02, 0xd4, 0xd8, 0xcd, 0x66, 0x6f, 0x3b, 0x0a, 0xd1, 0x9f, 0x9d, 0x75, 0x34, 0xa8, 0x55, 0xa1, 0xcb,
    0xfb, 0x95, 0x66, 0xac, 0x2f, 0x30, 0x05, 0x64, 0x63, 0xb6, 0xdd, 0xad, 0x52, 0x9d, 0x7c, 0x49,
];

/// The ledger module.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    /// The key that creates money.
    pub issuer: [u8; 33],
    /// The fee that the federation keeps of every input and every output, in millisatoshi.
    pub fee: u64,
}

impl Ledger {
    /// Makes the module of a `consensus.json`, whose `config` (decoded from hex) is only the fee.
    ///
    /// # Errors
    /// If the bytes are not exactly an amount.
    pub fn from_config(config: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { issuer: DUMMY_ISSUER, fee: decode(config, Reader::u64)? })
    }

    fn account(state: &ModuleState<'_, '_>, account: &[u8; 33]) -> Result<u64, EngineError> {
        Ok(state.read(&account_key(account), |reader| reader.u64())?.unwrap_or(0))
    }
}

/// Reads an input or an output: the amount in millisatoshi, and the account's key.
///
/// # Errors
/// If the bytes are not exactly that.
pub fn read_posting(body: &[u8]) -> Result<(u64, [u8; 33]), DecodeError> {
    posting(body).map(|posting| (posting.amount.0, posting.account.0))
}

/// An input, an output and the outcome of an output have the same form here.
fn posting(body: &[u8]) -> Result<Posting, DecodeError> {
    decode_exact(body, Dialect::MODERN)
}

impl Module for Ledger {
    fn kind(&self) -> &'static str {
        "dummy"
    }

    fn client_config(&self) -> Map<String, Value> {
        Map::from_iter([("tx_fee".to_owned(), self.fee.into())])
    }

    fn table_version(&self) -> u64 {
        TABLE_VERSION
    }

    /// Converts the accounts of v0.1, whose keys lack the parity: such a key means the one with parity `02`.
    fn adopt(&self, state: &mut ModuleState<'_, '_>) -> Result<(), EngineError> {
        for (key, value) in state.scan_prefix(&[ACCOUNT])? {
            if let Ok(x_only) = <&[u8; 32]>::try_from(&key[1..]) {
                state.remove(&key);
                state.put(&account_key(&even(x_only)), value);
            }
        }
        for (key, value) in state.scan_prefix(&[OUTPUT])? {
            let outcome = decode(&value, |reader| {
                let amount = reader.u64()?;
                let x_only = if reader.left() == 32 { Some(reader.array()?) } else { None };
                reader.take(reader.left())?;
                let account = |x_only| PublicKey(even(&x_only));
                Ok(x_only.map(|x_only| Posting { amount: Msat(amount), account: account(x_only) }))
            });
            if let Some(outcome) = outcome.map_err(|source| state.unreadable(&key, source))? {
                state.put(&key, outcome.to_bytes(Dialect::MODERN));
            }
        }
        Ok(())
    }

    fn check_input(&self, body: &[u8]) -> Result<(), DecodeError> {
        posting(body).map(drop)
    }

    fn check_output(&self, body: &[u8]) -> Result<(), DecodeError> {
        posting(body).map(drop)
    }

    fn check_item(&self, body: &[u8]) -> Result<(), DecodeError> {
        decode_exact::<dummy::Item>(body, Dialect::MODERN).map(drop)
    }

    fn process_input(&self, state: &mut ModuleState<'_, '_>, body: &[u8]) -> Result<InputMeta, ItemError> {
        let (amount, account) = read(body)?;
        let funds = Self::account(state, &account)?;
        let funds = if account == self.issuer {
            funds.checked_add(amount).ok_or(Rejection::Overflow)?
        } else {
            funds.checked_sub(amount).ok_or(Rejection::NotEnoughFunds { instance: state.instance() })?
        };
        state.put(&account_key(&account), number(funds));
        Ok(InputMeta { amounts: Amounts { amount, fee: self.fee }, key: account })
    }

    fn process_output(
        &self,
        state: &mut ModuleState<'_, '_>,
        body: &[u8],
        point: OutPoint,
    ) -> Result<Amounts, ItemError> {
        let (amount, account) = read(body)?;
        let funds = Self::account(state, &account)?.checked_add(amount).ok_or(Rejection::Overflow)?;
        state.put(&account_key(&account), number(funds));
        let outcome = Posting { amount: Msat(funds), account: PublicKey(account) };
        state.put(&output_key(point), outcome.to_bytes(Dialect::MODERN));
        Ok(Amounts { amount, fee: self.fee })
    }

    fn process_item(&self, _: &mut ModuleState<'_, '_>, _: &[u8], _: PeerId) -> Result<(), ItemError> {
        Err(ItemError::module("the ledger takes no items"))
    }

    fn proposals(&self, _: &ModuleState<'_, '_>, _: PeerId) -> Result<Vec<Vec<u8>>, EngineError> {
        Ok(Vec::new())
    }

    fn is_audited(&self, key: &[u8]) -> bool {
        key.first() == Some(&ACCOUNT)
    }

    fn balance(&self, key: &[u8], value: &[u8]) -> Result<i128, DecodeError> {
        let funds = i128::from(decode(value, Reader::u64)?);
        Ok(if key[1..] == self.issuer { funds } else { -funds })
    }

    fn output_outcome(
        &self,
        state: &ModuleState<'_, '_>,
        point: OutPoint,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(state.get(&output_key(point))?)
    }

    fn request(
        &self,
        _: &mut ModuleState<'_, '_>,
        method: &str,
        _: &Value,
        _: bool,
    ) -> Result<Value, ApiError> {
        Err(ApiError::UnknownMethod(method.to_owned()))
    }
}

/// Decodes a body that was checked before; an invalid body is not a reason to stop.
fn read(body: &[u8]) -> Result<(u64, [u8; 33]), ItemError> {
    read_posting(body).map_err(|error| ItemError::module(error.to_string()))
}

pub(super) fn account_key(account: &[u8; 33]) -> Vec<u8> {
    [&[ACCOUNT], account.as_slice()].concat()
}

/// Returns the key with this x coordinate and an even y coordinate.
pub(super) fn even(x_only: &[u8; 32]) -> [u8; 33] {
    let mut key = [EVEN; 33];
    key[1..].copy_from_slice(x_only);
    key
}

fn output_key(point: OutPoint) -> Vec<u8> {
    let mut key = Writer::new(Dialect::MODERN);
    key.u8(OUTPUT);
    key.value(&point);
    key.into_bytes()
}

fn number(number: u64) -> Vec<u8> {
    fm_eras::session::number_value(number)
}
