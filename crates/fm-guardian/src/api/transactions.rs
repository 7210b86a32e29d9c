//! The methods to submit a transaction and to wait for it.

use fm_client::{unwrap_bytes, wrap_bytes};
use fm_codec::{Dialect, Encode, Writer, decode_exact};
use fm_consensus::{DbTransaction, ItemError, ModuleState, QueueError, Rejection, check_transaction};
use fm_history::{ConsensusItem, Hash, Transaction, TransactionSignature};
use fm_rpc::RpcError;
use serde_json::Value;

use super::{Answer, Api, bad, internal, refused};
use crate::counters::Metrics;

impl Api {
    pub(super) fn submit_transaction(&self, params: &Value) -> Answer {
        let transaction = unwrap_bytes(params)
            .and_then(|bytes| decode_exact::<Transaction>(&bytes, Dialect::MODERN).ok())
            .ok_or_else(|| bad("an encoded transaction"))?;
        let shared = &self.shared;
        let txid = match check_transaction(shared.store.as_ref(), &shared.modules, &transaction) {
            Ok(txid) => {
                let queued = shared.mempool.queue().push(&ConsensusItem::Transaction(transaction));
                match queued {
                    Ok(()) => {
                        Metrics::count(&shared.telemetry.metrics.submitted);
                        shared.telemetry.latency.begin(txid);
                    }
                    Err(QueueError::Known) => (),
                    Err(error @ QueueError::Full) => {
                        return Err(RpcError::new(RpcError::BUSY, error.to_string()));
                    }
                    Err(error @ QueueError::TooLarge { .. }) => return Err(refused(error)),
                }
                txid
            }
            Err(ItemError::Rejected(Rejection::AlreadyAccepted { txid })) => txid,
            Err(ItemError::Rejected(reason)) => {
                let error = self.transaction_error(&transaction, &reason).ok_or_else(|| refused(reason))?;
                return Ok(submission(0, &error));
            }
            Err(ItemError::Fatal(error)) => return Err(internal(error)),
        };
        Ok(submission(1, &txid.0))
    }

    /// Waits until a transaction is accepted.
    pub(super) async fn when_accepted(&self, params: &Value) -> Result<(), RpcError> {
        let mut txid = [0; 32];
        let text = params.as_str().unwrap_or_default();
        hex::decode_to_slice(text, &mut txid).map_err(|_| bad("a transaction's id in hex"))?;
        self.shared.mempool.when_accepted(Hash(txid)).await.map_err(internal)
    }

    /// Returns a rejection as servers encode it; `None` if servers have no form for it.
    fn transaction_error(&self, transaction: &Transaction, reason: &Rejection) -> Option<Vec<u8>> {
        let mut error = Writer::new(Dialect::MODERN);
        match reason {
            Rejection::Unbalanced { inputs, outputs, fees } => error.variant(0, |error| {
                [*inputs, *outputs, *fees].into_iter().for_each(|amount| error.u64(amount));
            }),
            // Servers report it with amounts of zero.
            Rejection::Overflow => error.variant(0, |error| (0..3).for_each(|_| error.u64(0))),
            Rejection::BadSignature { input } => {
                let TransactionSignature::Schnorr(signatures) = &transaction.signature else { return None };
                let (signature, key) = (signatures.get(*input)?, self.input_key(transaction, *input)?);
                let txid = transaction.txid();
                let parts = [&transaction.to_bytes(Dialect::MODERN)[..], &txid.0, signature, &key];
                error.variant(1, |error| parts.into_iter().for_each(|part| error.text(&hex::encode(part))));
            }
            Rejection::UnknownSignature { variant } => error.variant(2, |error| error.u64(*variant)),
            Rejection::SignatureCount { .. } => error.variant(3, |_| ()),
            Rejection::NotEnoughFunds { instance } => error.variant(4, |error| {
                error.u16(*instance);
                // The module's only error.
                let mut body = Writer::new(Dialect::MODERN);
                body.variant(0, |_| ());
                error.bytes(body.as_bytes());
            }),
            _ => return None,
        }
        Some(error.into_bytes())
    }

    /// Returns the key that must sign for an input, by processing the inputs up to it without effect.
    fn input_key(&self, transaction: &Transaction, input: usize) -> Option<[u8; 33]> {
        let mut tx = DbTransaction::new(self.shared.store.as_ref());
        let mut key = None;
        for value in transaction.inputs.get(..=input)? {
            let module = self.shared.modules.get(value.instance)?;
            let mut state = ModuleState::new(&mut tx, value.instance);
            key = Some(module.process_input(&mut state, &value.body).ok()?.key);
        }
        key
    }
}

/// Returns the result of a submission: 1 and the id, or 0 and the error.
fn submission(kind: u8, value: &[u8]) -> Value {
    let mut result = Writer::new(Dialect::MODERN);
    result.u8(kind);
    result.raw(value);
    wrap_bytes(result.as_bytes())
}
