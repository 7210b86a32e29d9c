//! The interface of a guardian that lies: outcomes that nobody signed, or not in this form.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use fm_client::{unwrap_base64, unwrap_bytes, wrap_base64, wrap_bytes};
use fm_codec::{Dialect, Encode, Reader, Writer, decode_exact};
use fm_history::SignedSession;
use fm_rpc::{Client, Dial, Request, RpcError, Service, Turn};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::byzantine::Crimes;

const PATIENCE: Duration = Duration::from_secs(5);

/// Returns the answers of an honest guardian, changed.
pub(crate) struct Mutator {
    honest: String,
    crimes: Arc<Crimes>,
}

impl Mutator {
    pub(crate) fn new(honest: String, crimes: Arc<Crimes>) -> Self {
        Self { honest, crimes }
    }

    async fn ask(&self, request: &Request) -> Result<Value, RpcError> {
        let gone = |_| RpcError::new(RpcError::INTERNAL, "gone");
        let client = Client::connect(&self.honest, &Dial { longest_answer: 33 << 20, ..Dial::default() })
            .await
            .map_err(gone)?;
        client.request(&request.method, None, &request.params, PATIENCE).await.map_err(gone)
    }
}

impl Service for Mutator {
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        _: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            let answer = self.ask(&request).await?;
            match request.method.as_str() {
                // Sometimes far ahead.
                "session_count" if self.crimes.mutated.load(Relaxed) % 4 == 3 => Ok(json!(u64::MAX)),
                "await_signed_session_outcome" | "signed_session_status" => {
                    let turn = self.crimes.mutated.fetch_add(1, Relaxed);
                    if turn % 8 == 7 {
                        // This request is never answered.
                        std::future::pending::<()>().await;
                    }
                    Ok(mutated(&request.method, &answer, turn).unwrap_or(json!(["zz"])))
                }
                _ => Ok(answer),
            }
        })
    }
}

/// Changes the outcome in an answer of either method.
fn mutated(method: &str, answer: &Value, turn: u64) -> Option<Value> {
    if method == "signed_session_status" {
        return Some(wrap_base64(&mutate_status(&unwrap_base64(answer)?, turn)?));
    }
    Some(wrap_bytes(&mutate(&unwrap_bytes(answer)?, turn)?))
}

/// Changes the outcome in the status of a finished session.
fn mutate_status(status: &[u8], turn: u64) -> Option<Vec<u8>> {
    let mut reader = Reader::new(status, Dialect::MODERN);
    let state = reader.u64().ok()?;
    let changed = mutate(reader.bytes().ok()?, turn)?;
    let mut status = Writer::new(Dialect::MODERN);
    status.variant(state, |status| status.raw(&changed));
    Some(status.into_bytes())
}

/// Changes an outcome in one of several ways.
fn mutate(record: &[u8], turn: u64) -> Option<Vec<u8>> {
    let mut session: SignedSession = decode_exact(record, Dialect::MODERN).ok()?;
    let first = *session.signatures.keys().next()?;
    match turn % 8 {
        // Repeats the end so that the root stays the same, which works for one item or an odd number of
        // items.
        0 => session.outcome.items.extend(session.outcome.items.last().cloned()),
        1 => drop(session.signatures.remove(&first)),
        2 => drop((0..4).find_map(|peer| session.signatures.insert(peer, [9; 64]))),
        3 => drop(session.outcome.items.pop()),
        4 => session.outcome.items.reverse(),
        5 => {
            let missing = (0..4).find(|peer| !session.signatures.contains_key(peer))?;
            let signature = session.signatures.get(&first).copied()?;
            session.signatures.insert(missing, signature);
        }
        _ => return None,
    }
    Some(session.to_bytes(Dialect::MODERN))
}
