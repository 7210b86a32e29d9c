//! What the machine asks of a module, and the part of the database that a module sees.
//!
//! Invariants: a module sees and changes rows of its own instance only; what it answers follows from its rows and the
//! value it is given, so that every guardian comes to the same answer.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, Dialect, Reader};
use fm_crypto::VerifiedSignatures;
use fm_eras::session::module_key;
use fm_history::{Hash, PeerId};
use fm_rows::{Row, SourceError};
use serde_json::{Map, Value};

use crate::dbtx::DbTransaction;
use crate::error::{EngineError, ItemError};

/// What an input or an output is worth, in millisatoshi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// What it moves.
    pub amount: u64,
    /// What the federation keeps of it.
    pub fee: u64,
}

/// What an input is worth and who must sign for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputMeta {
    /// The amounts.
    pub amounts: Amounts,
    /// The key whose signature over the transaction's id it needs.
    pub key: [u8; 33],
}

/// An output of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutPoint {
    /// The transaction.
    pub txid: Hash,
    /// The output's place.
    pub index: u64,
}

/// Why a module does not answer a request.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The module has no such method.
    #[error("the module has no method {0}")]
    UnknownMethod(String),
    /// Only for who knows the guardian's password.
    #[error("the method needs the guardian's password")]
    NotAuthenticated,
    /// The parameters are not what the method takes.
    #[error("the parameters are not {expected}")]
    BadParameters {
        /// What they should be.
        expected: &'static str,
    },
    /// The database cannot be used, or has a row that cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One kind of module.
pub trait Module: Send + Sync {
    /// Its name in configurations.
    fn kind(&self) -> &'static str;

    /// What clients are told of it, beside its kind.
    fn client_config(&self) -> Map<String, Value>;

    /// The version of its tables.
    fn table_version(&self) -> u64;

    /// Brings rows that a server up to v0.2 wrote into today's form; called once, before all else.
    ///
    /// # Errors
    /// If the database cannot be used, or a row is none of this module.
    fn adopt(&self, _state: &mut ModuleState<'_, '_>) -> Result<(), EngineError> {
        Ok(())
    }

    /// Checks that the body is an input of this module, all of it.
    ///
    /// # Errors
    /// If it is none.
    fn check_input(&self, body: &[u8]) -> Result<(), DecodeError>;

    /// Checks that the body is an output of this module, all of it.
    ///
    /// # Errors
    /// If it is none.
    fn check_output(&self, body: &[u8]) -> Result<(), DecodeError>;

    /// Checks that the body is an item of this module, all of it.
    ///
    /// # Errors
    /// If it is none.
    fn check_item(&self, body: &[u8]) -> Result<(), DecodeError>;

    /// Takes an input of a transaction, whose signatures are checked afterwards.
    ///
    /// # Errors
    /// If the input is not accepted, or the database cannot be used.
    fn process_input(&self, state: &mut ModuleState<'_, '_>, body: &[u8]) -> Result<InputMeta, ItemError>;

    /// Makes an output of a transaction.
    ///
    /// # Errors
    /// If the output is not accepted, or the database cannot be used.
    fn process_output(
        &self,
        state: &mut ModuleState<'_, '_>,
        body: &[u8],
        point: OutPoint,
    ) -> Result<Amounts, ItemError>;

    /// Takes an item that a guardian proposed.
    ///
    /// # Errors
    /// If the item is not accepted, or the database cannot be used.
    fn process_item(
        &self,
        state: &mut ModuleState<'_, '_>,
        body: &[u8],
        peer: PeerId,
    ) -> Result<(), ItemError>;

    /// The bodies of the items that guardian `own` should propose now.
    ///
    /// # Errors
    /// If the database cannot be used.
    fn proposals(&self, state: &ModuleState<'_, '_>, own: PeerId) -> Result<Vec<Vec<u8>>, EngineError>;

    /// Whether rows with that key count in the balance.
    fn is_audited(&self, key: &[u8]) -> bool;

    /// What a row that counts adds to the federation's balance, in millisatoshi: what it owns is positive, what it
    /// owes negative.
    ///
    /// # Errors
    /// If the row is none of this module.
    fn balance(&self, key: &[u8], value: &[u8]) -> Result<i128, DecodeError>;

    /// What came of an output, encoded; none if it was never made.
    ///
    /// # Errors
    /// If the database cannot be used.
    fn output_outcome(
        &self,
        state: &ModuleState<'_, '_>,
        point: OutPoint,
    ) -> Result<Option<Vec<u8>>, EngineError>;

    /// Answers a request; what it changes is written by the caller.
    ///
    /// # Errors
    /// See [`ApiError`].
    fn request(
        &self,
        state: &mut ModuleState<'_, '_>,
        method: &str,
        parameters: &Value,
        authenticated: bool,
    ) -> Result<Value, ApiError>;
}

/// The modules of a federation, by instance, and the signatures of transactions that were checked for them.
#[derive(Default)]
pub struct Modules {
    by_instance: BTreeMap<u16, Box<dyn Module>>,
    verified: VerifiedSignatures,
    may_overfund: bool,
}

impl Modules {
    /// Adds a module; it replaces one of the same instance.
    #[must_use]
    pub fn with(mut self, instance: u16, module: impl Module + 'static) -> Self {
        self.by_instance.insert(instance, Box::new(module));
        self
    }

    /// Says whether the inputs of a transaction may be more than its outputs and fees: so from core consensus 2.1 on.
    #[must_use]
    pub fn overfunded(mut self, may_overfund: bool) -> Self {
        self.may_overfund = may_overfund;
        self
    }

    pub(crate) fn may_overfund(&self) -> bool {
        self.may_overfund
    }

    /// The module of that instance.
    pub fn get(&self, instance: u16) -> Option<&(dyn Module + 'static)> {
        self.by_instance.get(&instance).map(Box::as_ref)
    }

    /// All of them, by instance.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &dyn Module)> {
        self.by_instance.iter().map(|(instance, module)| (*instance, module.as_ref()))
    }
}

impl Modules {
    /// Signatures of transactions that were valid.
    pub(crate) fn verified(&self) -> &VerifiedSignatures {
        &self.verified
    }
}

/// The rows of one module instance; keys are without the instance's prefix.
pub struct ModuleState<'t, 'a> {
    instance: u16,
    tx: &'t mut DbTransaction<'a>,
    prefix: Vec<u8>,
}

impl<'t, 'a> ModuleState<'t, 'a> {
    /// The rows of that instance.
    pub fn new(tx: &'t mut DbTransaction<'a>, instance: u16) -> Self {
        Self { instance, tx, prefix: module_key(instance, &[]) }
    }

    /// The module's instance.
    pub fn instance(&self) -> u16 {
        self.instance
    }

    /// The value of a key.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.tx.get(&self.key(key))
    }

    /// The value of a key, read by `read`, all of it.
    ///
    /// # Errors
    /// If the database cannot be read, or the value is not what `read` reads.
    pub fn read<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, EngineError> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        decode(&value, read).map(Some).map_err(|source| self.unreadable(key, source))
    }

    /// The rows whose keys start with `prefix`, in order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Result<Vec<Row>, SourceError> {
        let mut rows = self.tx.scan_prefix(&self.key(prefix))?;
        for (key, _) in &mut rows {
            key.drain(..self.prefix.len());
        }
        Ok(rows)
    }

    /// Gives a key a value.
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) {
        let key = self.key(key);
        self.tx.put(key, value);
    }

    /// Removes a key, if it is there.
    pub fn remove(&mut self, key: &[u8]) {
        let key = self.key(key);
        self.tx.remove(key);
    }

    /// The error of a row that its module cannot read.
    pub fn unreadable(&self, key: &[u8], source: DecodeError) -> EngineError {
        EngineError::Row { key: hex::encode(self.key(key)), source }
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [self.prefix.as_slice(), key].concat()
    }
}

/// Reads all of `bytes` in today's encoding.
pub(crate) fn decode<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(&mut Reader<'b>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes, Dialect::MODERN);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
