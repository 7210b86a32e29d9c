//! The guardian's interface: upstream's methods, over what is in the database.

use std::sync::Arc;

use fm_client::{unwrap_bytes, wrap_bytes};
use fm_codec::{Dialect, Encode, Writer, decode_exact};
use fm_consensus::{
    ACCEPTED_ITEM, ApiError, DbTransaction, ItemError, ModuleState, QueueError, Rejection, check_transaction,
};
use fm_eras::session::session_key;
use fm_history::{ConsensusItem, Hash, SignedSession, Transaction};
use fm_rpc::{Page, Request, RpcError, Service};
use fm_store::Durability;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::metrics::{self, Metrics};
use crate::page;
use crate::shared::Shared;

type Answer = Result<Value, RpcError>;

/// Answers for a node.
pub(crate) struct Api(pub(crate) Arc<Shared>);

impl Service for Api {
    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Answer> {
        Metrics::count(&self.0.metrics.requests);
        Box::pin(async move {
            let Request { method, auth, params } = request;
            match method.as_str() {
                "await_signed_session_outcome" => {
                    self.await_record(&params).await.map(|record| wrap_bytes(&record))
                }
                "await_session_outcome" => {
                    let record = self.await_record(&params).await?;
                    Ok(wrap_bytes(&outcome_of(&record)?.outcome.to_bytes(Dialect::MODERN)))
                }
                "await_transaction" => self.await_transaction(&params).await,
                _ => self.answer(&method, auth.as_deref(), &params),
            }
        })
    }

    fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/" => Some(page::render(&self.0.config, &self.status())),
            "/metrics" => Some(Page { kind: "text/plain; version=0.0.4", text: metrics::render(&self.0) }),
            _ => None,
        }
    }
}

impl Api {
    fn answer(&self, method: &str, auth: Option<&str>, params: &Value) -> Answer {
        let shared = &self.0;
        match method {
            "session_count" => Ok(json!(*shared.finished.borrow())),
            "session_status" => {
                let status = self.session_status(number(params)?, |record| {
                    Ok(outcome_of(record)?.outcome.to_bytes(Dialect::MODERN))
                })?;
                Ok(wrap_bytes(&status))
            }
            "signed_session_status" => {
                let status = self.session_status(number(params)?, |record| Ok(record.to_vec()))?;
                Ok(json!([base64(&with_length(&status))]))
            }
            "server_config_consensus_hash" => {
                Ok(json!(hex::encode(shared.config.consensus_hash().map_err(internal)?)))
            }
            "client_config" => shared.config.client_config().map_err(internal),
            "federation_id" => Ok(json!(hex::encode(shared.config.federation_id()))),
            "invite_code" => self.invite_code(),
            "fedimintd_version" => Ok(json!(concat!("fm-node ", env!("CARGO_PKG_VERSION")))),
            "status" => Ok(self.status()),
            "submit_transaction" => self.submit_transaction(params),
            "audit" => self.authenticated(auth).map(|()| self.audit()),
            "auth" => self.authenticated(auth).map(|()| Value::Null),
            "shutdown" => {
                self.authenticated(auth)?;
                self.shutdown(params)
            }
            _ => self.module(method, auth, params),
        }
    }

    fn authenticated(&self, auth: Option<&str>) -> Result<(), RpcError> {
        if self.is_authenticated(auth) {
            return Ok(());
        }
        Err(RpcError::new(RpcError::NOT_AUTHENTICATED, "the method needs the guardian's password"))
    }

    /// Compares hashes, so that the time it takes tells nothing of the password.
    fn is_authenticated(&self, auth: Option<&str>) -> bool {
        let hash = |text: &str| fm_history::sha256(&[text.as_bytes()]);
        auth.is_some_and(|auth| hash(auth) == hash(&self.0.config.api_auth))
    }

    fn record(&self, session: u64) -> Result<Option<Vec<u8>>, RpcError> {
        self.0.store.get(&session_key(session)).map_err(internal)
    }

    async fn await_record(&self, params: &Value) -> Result<Vec<u8>, RpcError> {
        let session = number(params)?;
        let mut finished = self.0.finished.subscribe();
        finished.wait_for(|finished| *finished > session).await.map_err(internal)?;
        self.record(session)?.ok_or_else(|| RpcError::new(RpcError::NOT_FOUND, "the session is not stored"))
    }

    /// The status of a session, encoded; a finished one is what `complete` makes of its record.
    fn session_status(
        &self,
        session: u64,
        complete: impl Fn(&[u8]) -> Result<Vec<u8>, RpcError>,
    ) -> Result<Vec<u8>, RpcError> {
        let mut status = Writer::new(Dialect::MODERN);
        if let Some(record) = self.record(session)? {
            let record = complete(&record)?;
            status.variant(2, |status| status.raw(&record));
        } else if session == *self.0.finished.borrow() {
            let rows = self.0.store.scan_prefix(&[ACCEPTED_ITEM]);
            let items = rows.map(|row| row.map(|(_, item)| item)).collect::<Result<Vec<_>, _>>();
            let items = items.map_err(internal)?;
            status.variant(1, |status| status.list(items.iter(), |status, item| status.raw(item)));
        } else {
            status.variant(0, |_| ());
        }
        Ok(status.into_bytes())
    }

    fn invite_code(&self) -> Answer {
        let path = self.0.config.directory.join("invite-code");
        let text = std::fs::read_to_string(path);
        let missing = |_| RpcError::new(RpcError::NOT_FOUND, "this guardian has no invite code");
        Ok(json!(text.map_err(missing)?.trim()))
    }

    fn status(&self) -> Value {
        let shared = &self.0;
        let progress = shared.progress().clone();
        let states = shared.peers.as_ref().map(|peers| peers.states()).unwrap_or_default();
        let online = states.values().filter(|state| state.connected).count();
        let by_peer: Map<String, Value> = states
            .iter()
            .map(|(peer, state)| {
                let status = if state.connected { "connected" } else { "disconnected" };
                // A guardian of whom nothing was ordered in the last finished session and since.
                let last = progress.contributed.get(peer);
                let flagged = last.is_none_or(|last| last + 1 < progress.session);
                let value =
                    json!({ "last_contribution": last, "connection_status": status, "flagged": flagged });
                (peer.to_string(), value)
            })
            .collect();
        let flagged = by_peer.values().filter(|status| status["flagged"] == true).count();
        json!({
            "server": "consensus_running",
            "federation": {
                "session_count": progress.session,
                "status_by_peer": by_peer,
                "peers_online": online,
                "peers_offline": states.len() - online,
                "peers_flagged": flagged,
                "scheduled_shutdown": *shared.last.borrow(),
            },
            "session": {
                "items": progress.items,
                "round": progress.round,
                "rounds": shared.config.consensus.broadcast_rounds_per_session,
                "missing_signatures": progress.missing,
            },
        })
    }

    fn submit_transaction(&self, params: &Value) -> Answer {
        let transaction = unwrap_bytes(params)
            .and_then(|bytes| decode_exact::<Transaction>(&bytes, Dialect::MODERN).ok())
            .ok_or_else(|| bad("an encoded transaction"))?;
        let shared = &self.0;
        let txid = match check_transaction(shared.store.as_ref(), &shared.modules, &transaction) {
            Ok(txid) => {
                let queued = shared.queue().push(&ConsensusItem::Transaction(transaction));
                match queued {
                    Ok(()) => Metrics::count(&shared.metrics.submitted),
                    Err(QueueError::Known) => (),
                    Err(error @ QueueError::Full) => {
                        return Err(RpcError::new(RpcError::BUSY, error.to_string()));
                    }
                    Err(error @ QueueError::TooLarge { .. }) => return Err(refused(error)),
                }
                txid
            }
            Err(ItemError::Rejected(Rejection::AlreadyAccepted { txid })) => txid,
            Err(ItemError::Rejected(reason)) => return Err(refused(reason)),
            Err(ItemError::Fatal(error)) => return Err(internal(error)),
        };
        // The result that says it was taken, and which one: as servers encode it.
        let mut result = Writer::new(Dialect::MODERN);
        result.u8(1);
        result.raw(&txid.0);
        Ok(wrap_bytes(result.as_bytes()))
    }

    async fn await_transaction(&self, params: &Value) -> Answer {
        let mut txid = [0; 32];
        let text = params.as_str().unwrap_or_default();
        hex::decode_to_slice(text, &mut txid).map_err(|_| bad("a transaction's id in hex"))?;
        let accepted = self.0.when_accepted(Hash(txid)).map_err(internal)?;
        accepted.await.map_err(internal)?;
        Ok(json!(text))
    }

    fn audit(&self) -> Value {
        let shared = &self.0;
        let balance = shared.progress().balance.clone();
        let modules: Map<String, Value> = shared
            .modules
            .iter()
            .map(|(instance, module)| {
                let net = balance.modules().get(&instance).copied().unwrap_or_default();
                (instance.to_string(), json!({ "net_assets": amount(net), "kind": module.kind() }))
            })
            .collect();
        json!({ "net_assets": amount(balance.net()), "module_summaries": modules })
    }

    fn shutdown(&self, params: &Value) -> Answer {
        let last = match params {
            Value::Null => None,
            params => Some(number(params)?),
        };
        // Without a number: when the open session is finished.
        let last = last.unwrap_or_else(|| *self.0.finished.borrow() + 1);
        self.0.last.send_replace(Some(last));
        Ok(Value::Null)
    }

    fn module(&self, method: &str, auth: Option<&str>, params: &Value) -> Answer {
        let unknown = || RpcError::new(RpcError::NO_METHOD, format!("no method {method:?}"));
        let (instance, name) =
            method.strip_prefix("module_").and_then(|rest| rest.split_once('_')).ok_or_else(unknown)?;
        let instance: u16 = instance.parse().map_err(|_| unknown())?;
        let module = self.0.modules.get(instance).ok_or_else(unknown)?;
        let mut tx = DbTransaction::new(self.0.store.as_ref());
        let authenticated = self.is_authenticated(auth);
        let answer = module
            .request(&mut ModuleState::new(&mut tx, instance), name, params, authenticated)
            .map_err(|error| match error {
                ApiError::UnknownMethod(_) => unknown(),
                ApiError::NotAuthenticated => RpcError::new(RpcError::NOT_AUTHENTICATED, error.to_string()),
                ApiError::BadParameters { .. } => RpcError::new(RpcError::BAD_PARAMETERS, error.to_string()),
                ApiError::Engine(error) => internal(error),
            })?;
        tx.commit(Durability::Synced).map_err(internal)?;
        Ok(answer)
    }
}

fn outcome_of(record: &[u8]) -> Result<SignedSession, RpcError> {
    decode_exact(record, Dialect::MODERN).map_err(internal)
}

/// Sums beyond what JSON readers take as a number are texts.
fn amount(sum: i128) -> Value {
    i64::try_from(sum).map_or_else(|_| json!(sum.to_string()), |sum| json!(sum))
}

fn number(params: &Value) -> Result<u64, RpcError> {
    params.as_u64().ok_or_else(|| bad("a session's number"))
}

fn bad(expected: &str) -> RpcError {
    RpcError::new(RpcError::BAD_PARAMETERS, format!("the parameter is not {expected}"))
}

fn refused(reason: impl std::fmt::Display) -> RpcError {
    RpcError::new(RpcError::REFUSED, reason.to_string())
}

fn internal(error: impl std::fmt::Display) -> RpcError {
    tracing::error!(%error, "a request cannot be answered");
    RpcError::new(RpcError::INTERNAL, "the guardian cannot answer; its log says why")
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.bytes(bytes);
    writer.into_bytes()
}

/// Base64 for URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0_u32, |group, (place, byte)| group | u32::from(*byte) << (16 - 8 * place));
        let count = chunk.len() + 1;
        (0..count)
            .map(move |place| char::from(DIGITS[(group >> (18 - 6 * place) & 63) as usize]))
            .collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_urls() {
        let cases = [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")];
        for (text, encoded) in cases {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "-__-");
    }
}
