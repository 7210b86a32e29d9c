//! Submits a transaction to a guardian, and queries its result.

use std::time::{Duration, Instant};

use fm_codec::{DecodeError, Dialect, Encode, Reader};
use fm_history::{Hash, Transaction};
use fm_rpc::{ClientError, RpcError};
use serde_json::json;

use crate::encoding::{unwrap_bytes, wrap_bytes};
use crate::guardian::Guardian;

/// The longest wait that a guardian is asked for at a time.
const ONE_WAIT: Duration = Duration::from_secs(60);

/// Why a transaction was not accepted.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The guardian does not answer, or answers with an error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The guardian refuses the transaction.
    #[error("{url} refuses the transaction: {reason}")]
    Refused { url: String, reason: String },
    /// The answer cannot be read, or concerns another transaction.
    #[error("{url} does not say what became of the transaction")]
    Unclear { url: String },
}

impl Guardian {
    /// Submits a transaction and returns its id.
    ///
    /// # Errors
    /// If the guardian did not accept it for ordering.
    pub async fn submit(&self, transaction: &Transaction, patience: Duration) -> Result<Hash, SubmitError> {
        let url = || self.url().to_owned();
        let params = wrap_bytes(&transaction.to_bytes(Dialect::MODERN));
        let answer = self.ask("submit_transaction", None, &params, patience).await?;
        let txid = transaction.txid();
        match unwrap_bytes(&answer).as_deref() {
            Some([1, id @ ..]) if *id == txid.0 => Ok(txid),
            Some([0, error @ ..]) => Err(match read_refusal(error) {
                Ok(reason) => SubmitError::Refused { url: url(), reason },
                Err(_) => SubmitError::Unclear { url: url() },
            }),
            _ => Err(SubmitError::Unclear { url: url() }),
        }
    }

    /// Waits for at most `patience` until a transaction is accepted, and returns whether it is.
    ///
    /// # Errors
    /// If the guardian does not answer, or answers with an error.
    pub async fn accepts(&self, transaction: &Transaction, patience: Duration) -> Result<bool, SubmitError> {
        let (params, start) = (json!(hex::encode(transaction.txid().0)), Instant::now());
        loop {
            let left = patience.saturating_sub(start.elapsed());
            match self.ask("await_transaction", None, &params, left.min(ONE_WAIT)).await {
                Ok(_) => return Ok(true),
                // A guardian limits how long a request waits: ask again.
                Err(ClientError::Refused { source, .. }) if source.code == RpcError::NOT_YET => (),
                Err(ClientError::TimedOut { .. }) => (),
                Err(error) => return Err(error.into()),
            }
            if start.elapsed() >= patience {
                return Ok(false);
            }
        }
    }
}

/// Decodes the error of a submission as text.
fn read_refusal(error: &[u8]) -> Result<String, DecodeError> {
    let mut reader = Reader::new(error, Dialect::MODERN);
    let variant = reader.u64()?;
    let body = reader.bytes()?;
    reader.finish()?;
    let mut body = Reader::new(body, Dialect::MODERN);
    Ok(match variant {
        0 => {
            let (inputs, outputs, fees) = (body.u64()?, body.u64()?, body.u64()?);
            match (inputs, outputs, fees) {
                (0, 0, 0) => "the amounts are too large to be added".to_owned(),
                _ => format!("inputs of {inputs} msat for outputs of {outputs} msat and fees of {fees} msat"),
            }
        }
        1 => {
            let (_, _, _, key) = (body.text()?, body.text()?, body.text()?, body.text()?);
            format!("the signature of key {key} does not verify")
        }
        2 => format!("signatures of the unknown kind {}", body.u64()?),
        3 => "not as many signatures as inputs".to_owned(),
        4 => format!("module {} does not accept an input", body.u16()?),
        5 => format!("module {} does not accept an output", body.u16()?),
        other => format!("an error of the unknown kind {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_and_damage_is_not_guessed_at() {
        let read = |error: &[u8]| read_refusal(error).ok();
        assert_eq!(read(&[3, 0]).as_deref(), Some("not as many signatures as inputs"));
        assert_eq!(
            read(&[0, 3, 7, 5, 1]).as_deref(),
            Some("inputs of 7 msat for outputs of 5 msat and fees of 1 msat")
        );
        assert_eq!(read(&[4, 4, 0, 2, 0, 0]).as_deref(), Some("module 0 does not accept an input"));
        assert_eq!(read(&[2, 1, 9]).as_deref(), Some("signatures of the unknown kind 9"));
        for damaged in [&[][..], &[0], &[0, 3, 7, 5], &[0, 2, 7, 5], &[1, 1, 5], &[3, 0, 0], &[3, 1]] {
            assert_eq!(read(damaged), None, "{damaged:?}");
        }
    }
}
