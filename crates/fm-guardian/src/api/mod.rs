//! The guardian's interface: upstream's methods, over what is in the database.
//!
//! Invariant: what changes the node, or costs it much, is only for who knows the guardian's password.

mod admin;
mod announcements;
mod sessions;
mod transactions;

pub(crate) use announcements::interfaces;

use std::sync::Arc;
use std::time::Duration;

use fm_client::wrap_bytes;
use fm_codec::{Dialect, Encode};
use fm_consensus::{ApiError, DbTransaction, ModuleState};
use fm_rpc::{Page, Request, RpcError, Service};
use fm_store::Durability;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::metrics::{self, Metrics};
use crate::page;
use crate::shared::Shared;
use crate::status::status;
use sessions::{base64, outcome_of, with_length};

/// A wrong password is answered after this: guessing takes its time.
const WRONG_PASSWORD_DELAY: Duration = Duration::from_secs(1);

type Answer = Result<Value, RpcError>;

/// Answers for a node.
pub(crate) struct Api(pub(crate) Arc<Shared>);

impl Service for Api {
    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Answer> {
        Metrics::count(&self.0.metrics.requests);
        Box::pin(async move {
            let open = self.0.metrics.open_request();
            let answer = self.call_method(&request).await;
            let refused = |error: &RpcError| error.code == RpcError::NOT_AUTHENTICATED;
            if request.auth.is_some() && answer.as_ref().is_err_and(refused) {
                Metrics::count(&self.0.metrics.wrong_passwords);
                sleep(WRONG_PASSWORD_DELAY).await;
            }
            drop(open);
            answer
        })
    }

    fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/" => Some(page::render(&self.0)),
            "/metrics" => Some(Page { kind: "text/plain; version=0.0.4", text: metrics::render(&self.0) }),
            _ => None,
        }
    }
}

impl Api {
    async fn call_method(&self, request: &Request) -> Answer {
        let Request { method, auth, params } = request;
        match method.as_str() {
            "await_signed_session_outcome" => {
                self.await_record(params).await.map(|record| wrap_bytes(&record))
            }
            "await_session_outcome" => {
                let record = self.await_record(params).await?;
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
                Ok(json!([base64(&with_length(&status))]))
            }
            "submit_transaction" => self.submit_transaction(params),
            "await_transaction" => self.await_transaction(params).await,
            "submit_api_announcement" => self.submit_announcement(params),
            "audit" | "auth" | "shutdown" | "checkpoint" | "sign_api_announcement" => {
                self.authenticated(auth.as_deref())?;
                self.administer(method, params)
            }
            _ => self.describe(method).unwrap_or_else(|| self.module(method, auth.as_deref(), params)),
        }
    }

    /// What is asked without parameters, and of everybody.
    fn describe(&self, method: &str) -> Option<Answer> {
        let config = &self.0.config;
        Some(match method {
            "session_count" => Ok(json!(*self.0.finished.borrow())),
            "version" => Ok(self.version()),
            "api_announcements" => self.announcements(),
            "server_config_consensus_hash" => {
                config.consensus_hash().map(|hash| json!(hex::encode(hash))).map_err(internal)
            }
            "client_config" => config.client_config().map_err(internal),
            "client_config_json" => Ok(config.client_config_json(&self.0.modules)),
            "federation_id" => Ok(json!(hex::encode(config.federation_id()))),
            "invite_code" => self.invite_code(),
            "fedimintd_version" => Ok(json!(concat!("fm-node ", env!("CARGO_PKG_VERSION")))),
            "status" => Ok(status(&self.0)),
            _ => return None,
        })
    }

    fn administer(&self, method: &str, params: &Value) -> Answer {
        match method {
            "audit" => Ok(self.audit()),
            "shutdown" => self.shutdown(params),
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

    /// Compares hashes, so that the time it takes tells nothing of the password.
    fn is_authenticated(&self, auth: Option<&str>) -> bool {
        let hash = |text: &str| fm_history::sha256(&[text.as_bytes()]);
        auth.is_some_and(|auth| hash(auth) == hash(&self.0.config.api_auth))
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
