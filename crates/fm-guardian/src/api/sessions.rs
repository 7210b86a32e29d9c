//! The methods about sessions.

use fm_codec::{Dialect, MAX_DECODE_SIZE, Writer, decode_exact};
use fm_consensus::ACCEPTED_ITEM;
use fm_eras::session::session_key;
use fm_history::SignedSession;
use fm_rpc::RpcError;
use serde_json::{Value, json};

use super::{Api, SMALL_ANSWER_BYTES, internal, number};

/// Bytes of memory for each byte of a record while an answer is made from it.
const COPIES: usize = 8;

impl Api {
    fn record(&self, session: u64) -> Result<Option<Vec<u8>>, RpcError> {
        self.shared.store.get(&session_key(session)).map_err(internal)
    }

    /// Waits until a session is finished.
    pub(super) async fn when_finished(&self, session: u64) -> Result<(), RpcError> {
        let mut finished = self.shared.finished.subscribe();
        finished.wait_for(|finished| *finished > session).await.map(drop).map_err(internal)
    }

    /// Returns the history root after a number of finished sessions, and what is needed to continue it.
    pub(super) async fn history_root(&self, sessions: u64) -> Result<Value, RpcError> {
        let finished = *self.shared.finished.borrow();
        if sessions > finished {
            let message = format!("only {finished} sessions are finished");
            return Err(RpcError::new(RpcError::NOT_FOUND, message));
        }
        let root = self.roots.after(&self.shared.store, sessions).await.map_err(internal)?;
        Ok(json!({ "sessions": sessions, "root": root.root(), "peaks": root.peaks() }))
    }

    /// Estimates the memory of an answer with a session while it is made: its bytes, their hex, and that as
    /// JSON.
    pub(super) fn session_bytes(&self, session: u64) -> Result<usize, RpcError> {
        let stored = self.shared.store.value_bytes(&session_key(session)).map_err(internal)?;
        let bytes = match stored {
            Some(bytes) => bytes,
            None if session == *self.shared.finished.borrow() => MAX_DECODE_SIZE,
            None => 0,
        };
        Ok(SMALL_ANSWER_BYTES + bytes.saturating_mul(COPIES))
    }

    /// Returns the record of a finished session.
    pub(super) fn finished(&self, params: &Value) -> Result<Vec<u8>, RpcError> {
        self.record(number(params)?)?
            .ok_or_else(|| RpcError::new(RpcError::NOT_FOUND, "the session is not stored"))
    }

    /// Returns the encoded status of a session; `complete` converts the record of a finished session.
    pub(super) fn session_status(
        &self,
        session: u64,
        complete: impl Fn(&[u8]) -> Result<Vec<u8>, RpcError>,
    ) -> Result<Vec<u8>, RpcError> {
        let mut status = Writer::new(Dialect::MODERN);
        if let Some(record) = self.record(session)? {
            let record = complete(&record)?;
            status.variant(2, |status| status.raw(&record));
        } else if session == *self.shared.finished.borrow() {
            let rows = self.shared.store.scan_prefix(&[ACCEPTED_ITEM]);
            let items = rows.map(|row| row.map(|(_, item)| item)).collect::<Result<Vec<_>, _>>();
            let items = items.map_err(internal)?;
            status.variant(1, |status| status.list(items.iter(), |status, item| status.raw(item)));
        } else {
            status.variant(0, |_| ());
        }
        Ok(status.into_bytes())
    }
}

pub(super) fn outcome_of(record: &[u8]) -> Result<SignedSession, RpcError> {
    decode_exact(record, Dialect::MODERN).map_err(internal)
}
