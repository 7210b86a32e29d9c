//! The guardian's interface: upstream's methods, over the content of the database.
//!
//! Invariants: methods that change the node, or are expensive for it, require the guardian's password. An
//! answer is made only when it has its turn and memory for it.

mod admin;
mod announcements;
mod passwords;
mod sessions;
mod transactions;

pub(crate) use announcements::interfaces;

use std::sync::Arc;
use std::time::Duration;

use fm_client::{wrap_base64, wrap_bytes};
use fm_codec::{Dialect, Encode};
use fm_consensus::{ApiError, DbTransaction, ModuleState};
use fm_history::PeerId;
use fm_rpc::{Page, Request, RpcError, Service, Turn};
use fm_store::Durability;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::counters::Metrics;
use crate::history_roots::HistoryRoots;
use crate::metrics;
use crate::page;
use crate::pass;
use crate::shared::Shared;
use crate::status::status;
use passwords::Guesses;
use sessions::outcome_of;

/// The delay before a wrong password is answered: it slows guessing down.
const WRONG_PASSWORD_DELAY: Duration = Duration::from_secs(1);

type Answer = Result<Value, RpcError>;

/// The memory for an answer that contains no session.
const SMALL_ANSWER_BYTES: usize = 64 << 10;
/// Methods that require the password, besides the methods of modules that do. `cancel_shutdown` and
/// `checkpoint` are our own. Source of the others: fedimint-core 0.5.0, src/endpoint_constants.rs.
const GUARDED: [&str; 6] =
    ["audit", "auth", "shutdown", "cancel_shutdown", "checkpoint", "sign_api_announcement"];

/// Answers requests for a node.
pub(crate) struct Api {
    shared: Arc<Shared>,
    guesses: Guesses,
    roots: HistoryRoots,
}

impl Api {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, guesses: Guesses::default(), roots: HistoryRoots::default() }
    }
}

impl Service for Api {
    fn call<'a>(self: Arc<Self>, request: Request, turn: &'a mut Turn) -> BoxFuture<'a, Answer> {
        Metrics::count(&self.shared.telemetry.metrics.requests);
        Box::pin(async move {
            let open = self.shared.telemetry.metrics.open_request();
            let answer = match self.check_password(&request).await {
                Ok(()) => self.call_method(request, turn).await,
                Err(error) => Err(error),
            };
            drop(open);
            answer
        })
    }

    fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/" => Some(page::render(&self.shared)),
            "/metrics" => {
                Some(Page { kind: "text/plain; version=0.0.4", text: metrics::render(&self.shared) })
            }
            _ => None,
        }
    }

    fn guardian(&self, pass: &str) -> Option<PeerId> {
        let config = &self.shared.config;
        pass::check(&config.keys, config.me(), pass)
    }
}

impl Api {
    /// Refuses a wrong password for methods that may require one.
    async fn check_password(&self, request: &Request) -> Result<(), RpcError> {
        let Request { method, auth: Some(auth), from, .. } = request else { return Ok(()) };
        if !GUARDED.contains(&method.as_str()) && !method.starts_with("module_") {
            return Ok(());
        }
        match self.guesses.check(*from, || self.is_authenticated(Some(auth))).await {
            Some(true) => Ok(()),
            Some(false) => {
                Metrics::count(&self.shared.telemetry.metrics.wrong_passwords);
                sleep(WRONG_PASSWORD_DELAY).await;
                Err(RpcError::new(RpcError::NOT_AUTHENTICATED, "the password is wrong"))
            }
            None => Err(RpcError::new(RpcError::BUSY, "too many wrong passwords; ask again later")),
        }
    }

    async fn call_method(self: &Arc<Self>, request: Request, turn: &mut Turn) -> Answer {
        let Request { method, auth, params, .. } = request;
        let api = self.clone();
        match method.as_str() {
            // Our own. It is computed in steps, each of which takes its turn.
            "history_root" => return self.history_root(number(&params)?).await,
            "await_signed_session_outcome" | "await_session_outcome" => {
                self.when_finished(number(&params)?).await?;
            }
            "await_transaction" => self.when_accepted(&params).await?,
            _ => (),
        }
        turn.take(self.answer_bytes(&method, &params)?).await?;
        let made = turn.make(move || api.answer(&method, auth.as_deref(), &params)).await;
        made.unwrap_or_else(|| Err(RpcError::new(RpcError::INTERNAL, "the answer cannot be made")))
    }

    /// Estimates the memory that an answer takes while it is made.
    fn answer_bytes(&self, method: &str, params: &Value) -> Result<usize, RpcError> {
        match method {
            "await_signed_session_outcome"
            | "await_session_outcome"
            | "session_status"
            | "signed_session_status" => self.session_bytes(number(params)?),
            _ => Ok(SMALL_ANSWER_BYTES),
        }
    }

    fn answer(&self, method: &str, auth: Option<&str>, params: &Value) -> Answer {
        match method {
            "await_signed_session_outcome" => self.finished(params).map(|record| wrap_bytes(&record)),
            "await_session_outcome" => {
                let record = self.finished(params)?;
                Ok(wrap_bytes(&outcome_of(&record)?.outcome.to_bytes(Dialect::MODERN)))
            }
            "session_status" => {
                let status = self.session_status(number(params)?, |record| {
                    Ok(outcome_of(record)?.outcome.to_bytes(Dialect::MODERN))
                })?;
                Ok(wrap_bytes(&status))
            }
            "signed_session_status" => {
                let status = self.session_status(number(params)?, |record| Ok(record.to_vec()))?;
                Ok(wrap_base64(&status))
            }
            "await_transaction" => Ok(params.clone()),
            "submit_transaction" => self.submit_transaction(params),
            "submit_api_announcement" => self.submit_announcement(params),
            method if GUARDED.contains(&method) => {
                self.authenticated(auth)?;
                self.administer(method, params)
            }
            _ => self.describe(method).unwrap_or_else(|| self.module(method, auth, params)),
        }
    }

    /// Answers methods without parameters that anyone may call.
    fn describe(&self, method: &str) -> Option<Answer> {
        let config = &self.shared.config;
        Some(match method {
            "session_count" => Ok(json!(*self.shared.finished.borrow())),
            "version" => Ok(self.version()),
            "api_announcements" => self.announcements(),
            "server_config_consensus_hash" => {
                config.consensus_hash().map(|hash| json!(hex::encode(hash))).map_err(internal)
            }
            "client_config" => config.client_config().map_err(internal),
            "client_config_json" => Ok(config.client_config_json(&self.shared.modules)),
            "federation_id" => Ok(json!(hex::encode(config.federation_id()))),
            "invite_code" => self.invite_code(),
            "fedimintd_version" => Ok(json!(concat!("fm-node ", env!("CARGO_PKG_VERSION")))),
            "status" => Ok(status(&self.shared)),
            _ => return None,
        })
    }

    fn administer(&self, method: &str, params: &Value) -> Answer {
        match method {
            "audit" => Ok(self.audit()),
            "shutdown" => self.shutdown(params),
            "cancel_shutdown" => self.cancel_shutdown(),
            "checkpoint" => self.checkpoint(),
            "sign_api_announcement" => self.sign_announcement(params),
            _ => Ok(Value::Null),
        }
    }

    fn authenticated(&self, auth: Option<&str>) -> Result<(), RpcError> {
        if self.is_authenticated(auth) {
            return Ok(());
        }
        Err(RpcError::new(RpcError::NOT_AUTHENTICATED, "the method needs the guardian's password"))
    }

    /// Compares hashes, so that the time of the comparison reveals nothing about the password.
    fn is_authenticated(&self, auth: Option<&str>) -> bool {
        let hash = |text: &str| fm_history::sha256(&[text.as_bytes()]);
        let own = self.shared.config.api_auth.as_deref();
        auth.zip(own).is_some_and(|(auth, own)| hash(auth) == hash(own))
    }

    fn module(&self, method: &str, auth: Option<&str>, params: &Value) -> Answer {
        let unknown = || RpcError::new(RpcError::NO_METHOD, format!("no method {method:?}"));
        let (instance, name) =
            method.strip_prefix("module_").and_then(|rest| rest.split_once('_')).ok_or_else(unknown)?;
        let instance: u16 = instance.parse().map_err(|_| unknown())?;
        let module = self.shared.modules.get(instance).ok_or_else(unknown)?;
        let mut tx = DbTransaction::new(self.shared.store.as_ref());
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
