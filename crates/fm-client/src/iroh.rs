//! Guardians over iroh: each request goes over a QUIC stream of its own, which ends with the answer.
//!
//! A request is `{"method": {"Core": NAME}, "request": {"auth": …, "params": …}}`, and for a method of a module
//! `{"Module": [NUMBER, NAME]}`; an answer is `{"Ok": …}` or `{"Err": …}`. Source: fedimint-server 0.13.0,
//! src/consensus/iroh_api.rs; fedimint-core 0.13.0, src/module/mod.rs.
//!
//! This crate does not link iroh (`docs/decisions/0014-iroh-outside-the-workspace.md`). A program that does
//! says with [`speak_iroh`] how it connects; everything above the streams is here.
//!
//! Invariants: an answer above the length in [`Dial`] is not read. One answer of a connection is in memory at
//! a time, until the caller has read it. No API secret goes over iroh: there is no place for it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fm_rpc::{ClientError, Dial, read_result};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::address::iroh_key;

/// The protocol that a connection is for. Source: fedimint-core 0.13.0, src/module/mod.rs.
pub const API_PROTOCOL: &[u8] = b"FEDIMINT_API_ALPN";

/// How long it may take to find and reach a guardian: its address is looked up by its key, and the way may lead
/// through a relay.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The part of an answer that is read before the turn of this answer.
const FIRST_BYTES: usize = 1 << 10;

/// How a program reaches guardians over iroh.
pub trait Iroh: Send + Sync {
    /// Connects to the endpoint with a public key, and makes sure that it has this key.
    fn connect(&self, key: [u8; 32]) -> BoxFuture<'_, Result<Box<dyn IrohConnection>, IrohFailure>>;
}

/// A connection over iroh; it is closed when this value is dropped.
pub trait IrohConnection: Send + Sync {
    /// Opens a stream in both directions. The part that is written ends when it is shut down.
    fn open(&self) -> BoxFuture<'_, Result<IrohStream, IrohFailure>>;

    /// Returns whether the connection is closed.
    fn is_closed(&self) -> bool;
}

/// Why iroh does not connect.
pub type IrohFailure = Box<dyn Error + Send + Sync>;

/// Both directions of a stream.
pub struct IrohStream {
    /// What is written to the guardian.
    pub to: Box<dyn AsyncWrite + Send + Unpin>,
    /// What the guardian writes.
    pub from: Box<dyn AsyncRead + Send + Unpin>,
}

/// Why a guardian over iroh is not dialled.
#[derive(Debug, thiserror::Error)]
pub enum IrohError {
    /// The program was built without iroh.
    #[error("this program does not speak iroh")]
    NotSpoken,
    /// An API secret cannot be shown to a guardian over iroh.
    #[error("an API secret was given, and iroh has no place for it")]
    Secret,
    /// The address has another form.
    #[error("an address over iroh is iroh:// and the 64 hex digits of a key")]
    Malformed,
}

static SPOKEN: OnceLock<Box<dyn Iroh>> = OnceLock::new();

/// Lets every guardian of this process be dialled over iroh. The first call counts.
pub fn speak_iroh(iroh: Box<dyn Iroh>) {
    let _ = SPOKEN.set(iroh);
}

/// Returns whether this process dials guardians over iroh.
pub fn speaks_iroh() -> bool {
    SPOKEN.get().is_some()
}

/// A connection to the interface of a guardian over iroh.
pub(crate) struct IrohClient {
    url: String,
    connection: Box<dyn IrohConnection>,
    longest_answer: usize,
    /// The permit to have an answer in memory.
    answers: Arc<Semaphore>,
}

impl fmt::Debug for IrohClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrohClient").field("url", &self.url).finish_non_exhaustive()
    }
}

impl IrohClient {
    /// Connects to the guardian at an `iroh://` address.
    pub(crate) async fn connect(url: &str, dial: &Dial) -> Result<Self, ClientError> {
        let failed = |source: IrohFailure| ClientError::Reach { url: url.to_owned(), source };
        let iroh = SPOKEN.get().ok_or_else(|| failed(IrohError::NotSpoken.into()))?;
        if dial.api_secret.is_some() {
            return Err(failed(IrohError::Secret.into()));
        }
        let key = iroh_key(url).ok_or_else(|| failed(IrohError::Malformed.into()))?;
        let connection = timeout(CONNECT_TIME, iroh.connect(key))
            .await
            .map_err(|_| ClientError::TimedOut { url: url.to_owned() })?
            .map_err(failed)?;
        let answers = Arc::new(Semaphore::new(1));
        Ok(Self { url: url.to_owned(), connection, longest_answer: dial.longest_answer, answers })
    }

    /// Sends a request, and waits for the answer for at most this time. Also returns a value that holds the
    /// next answer back.
    pub(crate) async fn request_and_hold<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<(T, OwnedSemaphorePermit), ClientError> {
        let url = || self.url.clone();
        let exchange = timeout(patience, self.exchange(write_request(method, auth, params)));
        let (answer, held) = exchange.await.map_err(|_| ClientError::TimedOut { url: url() })??;
        let unreadable = || ClientError::Unreadable { url: url(), method: method.to_owned() };
        let text = std::str::from_utf8(&answer).map_err(|_| unreadable())?;
        let result = read_result(text).ok_or_else(unreadable)?;
        let result = result.map_err(|source| ClientError::Refused { url: url(), source })?;
        Ok((result, held))
    }

    async fn exchange(&self, request: String) -> Result<(Vec<u8>, OwnedSemaphorePermit), ClientError> {
        let closed = || ClientError::Closed { url: self.url.clone() };
        let IrohStream { mut to, from } = self.connection.open().await.map_err(|_| closed())?;
        let sent = async {
            to.write_all(request.as_bytes()).await?;
            to.shutdown().await
        };
        sent.await.map_err(|_| closed())?;
        let (answer, held) = self.read(from).await.map_err(|_| closed())?;
        if answer.len() > self.longest_answer {
            return Err(ClientError::TooLong { url: self.url.clone() });
        }
        // A guardian that stops ends the streams that it no longer answers.
        if answer.is_empty() { Err(closed()) } else { Ok((answer, held)) }
    }

    /// Reads an answer when it is its turn, up to the first byte that is too many.
    async fn read(
        &self,
        from: Box<dyn AsyncRead + Send + Unpin>,
    ) -> io::Result<(Vec<u8>, OwnedSemaphorePermit)> {
        let mut from = from.take(self.longest_answer as u64 + 1);
        // Its turn begins when the guardian answers: a request that waits there holds no other one back.
        let mut answer = Vec::with_capacity(FIRST_BYTES);
        from.read_buf(&mut answer).await?;
        let held = self.answers.clone().acquire_owned().await.map_err(io::Error::other)?;
        from.read_to_end(&mut answer).await?;
        Ok((answer, held))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }
}

/// Returns the text of a request. Over WebSocket the method of a module has one name, `module_NUMBER_NAME`.
fn write_request(method: &str, auth: Option<&str>, params: &Value) -> String {
    let of_module = method.strip_prefix("module_").and_then(|rest| {
        let (number, name) = rest.split_once('_')?;
        Some(json!({ "Module": [number.parse::<u16>().ok()?, name] }))
    });
    let method = of_module.unwrap_or_else(|| json!({ "Core": method }));
    json!({ "method": method, "request": { "auth": auth, "params": params } }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_guardians_read() {
        let text = write_request("session_count", None, &Value::Null);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read,
            json!({ "method": { "Core": "session_count" }, "request": { "auth": null, "params": null } })
        );
        let text = write_request("module_12_get_consensus", Some("secret"), &json!(0));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["method"], json!({ "Module": [12, "get_consensus"] }));
        assert_eq!(read["request"], json!({ "auth": "secret", "params": 0 }));
        for name in ["module_", "module_x_y", "module_99999_y"] {
            let read: Value = serde_json::from_str(&write_request(name, None, &Value::Null)).unwrap();
            assert_eq!(read["method"], json!({ "Core": name }));
        }
    }
}
