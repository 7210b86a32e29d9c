//! The interface of a module, and the part of the database that a module sees.
//!
//! Invariants: a module sees and changes only rows of its own instance; its answers depend only on its rows
//! and the given value, so that every guardian reaches the same answer.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, Dialect, Reader};
use fm_crypto::VerifiedSignatures;
use fm_eras::session::module_key;
use fm_history::PeerId;
use fm_rows::{Row, SourceError};
use serde_json::{Map, Value};

pub use fm_modules::OutPoint;

use crate::dbtx::DbTransaction;
use crate::error::{EngineError, ItemError};

/// The value of an input or an output, in millisatoshi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// The amount that it moves.
    pub amount: u64,
    /// The fee that the federation keeps.
    pub fee: u64,
}

/// The value of an input, and who must sign for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputMeta {
    /// The amounts.
    pub amounts: Amounts,
    /// The key that must sign the transaction's id.
    pub key: [u8; 33],
}

/// Why a module does not answer a request.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The module has no such method.
    #[error("the module has no method {0}")]
    UnknownMethod(String),
    /// The method requires the guardian's password.
    #[error("the method needs the guardian's password")]
    NotAuthenticated,
    /// The parameters are not those of the method.
    #[error("the parameters are not {expected}")]
    BadParameters { expected: &'static str },
    /// The database cannot be used, or has a row that cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A kind of module.
pub trait Module: Send + Sync {
    /// Returns its name in configurations.
    fn kind(&self) -> &'static str;

    /// Returns the configuration that clients get, apart from the module's kind.
    fn client_config(&self) -> Map<String, Value>;

    /// Returns the version of its tables.
    fn table_version(&self) -> u64;

    /// Converts rows that a server up to v0.2 wrote to the current form; called once, before everything else.
    ///
    /// # Errors
    /// If the database cannot be used, or a row is not one of this module.
    fn adopt(&self, _state: &mut ModuleState<'_, '_>) -> Result<(), EngineError> {
        Ok(())
    }

    /// Checks that the whole body is an input of this module.
    ///
    /// # Errors
    /// If it is not.
    fn check_input(&self, body: &[u8]) -> Result<(), DecodeError>;

    /// Checks that the whole body is an output of this module.
    ///
    /// # Errors
    /// If it is not.
    fn check_output(&self, body: &[u8]) -> Result<(), DecodeError>;

    /// Checks that the whole body is an item of this module.
    ///
    /// # Errors
    /// If it is not.
    fn check_item(&self, body: &[u8]) -> Result<(), DecodeError>;

    /// Processes an input of a transaction; the signatures are checked afterwards.
    ///
    /// # Errors
    /// If the input is not accepted, or the database cannot be used.
    fn process_input(&self, state: &mut ModuleState<'_, '_>, body: &[u8]) -> Result<InputMeta, ItemError>;

    /// Processes an output of a transaction.
    ///
    /// # Errors
    /// If the output is not accepted, or the database cannot be used.
    fn process_output(
        &self,
        state: &mut ModuleState<'_, '_>,
        body: &[u8],
        point: OutPoint,
    ) -> Result<Amounts, ItemError>;

    /// Processes an item that a guardian proposed.
    ///
    /// # Errors
    /// If the item is not accepted, or the database cannot be used.
    fn process_item(
        &self,
        state: &mut ModuleState<'_, '_>,
        body: &[u8],
        peer: PeerId,
    ) -> Result<(), ItemError>;

    /// Returns the bodies of the items that guardian `own` should propose now.
    ///
    /// # Errors
    /// If the database cannot be used.
    fn proposals(&self, state: &ModuleState<'_, '_>, own: PeerId) -> Result<Vec<Vec<u8>>, EngineError>;

    /// Returns whether rows with this key count in the balance.
    fn is_audited(&self, key: &[u8]) -> bool;

    /// Returns what a counted row adds to the federation's balance, in millisatoshi: assets are positive,
    /// liabilities negative.
    ///
    /// # Errors
    /// If the row is not one of this module.
    fn balance(&self, key: &[u8], value: &[u8]) -> Result<i128, DecodeError>;

    /// Returns the encoded outcome of an output; `None` if the output was never made.
    ///
    /// # Errors
    /// If the database cannot be used.
    fn output_outcome(
        &self,
        state: &ModuleState<'_, '_>,
        point: OutPoint,
    ) -> Result<Option<Vec<u8>>, EngineError>;

    /// Answers a request; the caller writes what it changes.
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

/// The modules of a federation, by instance, and the transaction signatures that were verified for them.
#[derive(Default)]
pub struct Modules {
    by_instance: BTreeMap<u16, Box<dyn Module>>,
    verified: VerifiedSignatures,
    may_overfund: bool,
}

impl Modules {
    /// Adds a module, replacing one of the same instance.
    #[must_use]
    pub fn with(mut self, instance: u16, module: impl Module + 'static) -> Self {
        self.by_instance.insert(instance, Box::new(module));
        self
    }

    /// Sets whether the inputs of a transaction may exceed its outputs and fees, as from core consensus 2.1
    /// on.
    #[must_use]
    pub fn overfunded(mut self, may_overfund: bool) -> Self {
        self.may_overfund = may_overfund;
        self
    }

    pub(crate) fn may_overfund(&self) -> bool {
        self.may_overfund
    }

    /// Returns the module of this instance.
    pub fn get(&self, instance: u16) -> Option<&(dyn Module + 'static)> {
        self.by_instance.get(&instance).map(Box::as_ref)
    }

    /// Returns all modules, by instance.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &dyn Module)> {
        self.by_instance.iter().map(|(instance, module)| (*instance, module.as_ref()))
    }
}

impl Modules {
    /// Returns the transaction signatures that were valid.
    pub(crate) fn verified(&self) -> &VerifiedSignatures {
        &self.verified
    }
}

/// The rows of one module instance; keys lack the instance's prefix.
pub struct ModuleState<'t, 'a> {
    instance: u16,
    tx: &'t mut DbTransaction<'a>,
    prefix: Vec<u8>,
}

impl<'t, 'a> ModuleState<'t, 'a> {
    /// Creates the view of the rows of this instance.
    pub fn new(tx: &'t mut DbTransaction<'a>, instance: u16) -> Self {
        Self { instance, tx, prefix: module_key(instance, &[]) }
    }

    /// Returns the module's instance.
    pub fn instance(&self) -> u16 {
        self.instance
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.tx.get(&self.key(key))
    }

    /// Returns the value of a key, decoded completely by `read`.
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

    /// Returns the rows whose keys start with `prefix`, in order.
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

    /// Sets the value of a key.
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) {
        let key = self.key(key);
        self.tx.put(key, value);
    }

    /// Removes a key, if it exists.
    pub fn remove(&mut self, key: &[u8]) {
        let key = self.key(key);
        self.tx.remove(key);
    }

    /// Makes the error for a row that its module cannot read.
    pub fn unreadable(&self, key: &[u8], source: DecodeError) -> EngineError {
        EngineError::Row { key: hex::encode(self.key(key)), source }
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [self.prefix.as_slice(), key].concat()
    }
}

/// Decodes all of `bytes` in the current encoding.
pub(crate) fn decode<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(&mut Reader<'b>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes, Dialect::MODERN);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
