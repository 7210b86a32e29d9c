//! One guardian: connections that are made when they are needed, and again when they broke.
//!
//! Invariant: an answer is no longer than what was asked for can be; records, which are long, come by a connection of
//! their own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fm_rpc::{Answer, Client, ClientError, Dial};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::encoding::Wrapped;

/// The longest answer to anything but a question for a record; the largest honest one describes all guardians.
const SMALL_ANSWER_BYTES: usize = 1 << 20;
/// The longest answer with a record: a session of the greatest size that servers read, in hex, and what is around it.
const RECORD_ANSWER_BYTES: usize = 33 << 20;

/// Makes the pass that a guardian shows to that other one.
pub type MakePass = dyn Fn() -> String + Send + Sync;

/// A guardian's interface.
pub struct Guardian {
    url: String,
    /// Where else it may be.
    others: Vec<String>,
    pass: Option<Arc<MakePass>>,
    /// For everything but records.
    questions: Connection,
    records: Connection,
}

type Connection = Mutex<Option<Arc<Client>>>;

impl fmt::Debug for Guardian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guardian")
            .field("url", &self.url)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}

impl Guardian {
    /// The guardian at a `ws://` or `wss://` address. Nothing is connected before something is asked.
    pub fn new(url: impl Into<String>) -> Self {
        let (questions, records) = Default::default();
        Self { url: url.into(), others: Vec::new(), pass: None, questions, records }
    }

    /// The same guardian, which may also be at that address.
    #[must_use]
    pub fn or_at(mut self, url: impl Into<String>) -> Self {
        self.others.push(url.into());
        self
    }

    /// The same guardian, to which whoever asks shows a pass.
    #[must_use]
    pub fn with_pass(mut self, pass: Arc<MakePass>) -> Self {
        self.pass = Some(pass);
        self
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks, and waits for the answer no longer than that.
    ///
    /// # Errors
    /// If it cannot be reached, there is no answer, or it is an error.
    pub async fn ask(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<Value, ClientError> {
        self.ask_for(method, auth, params, patience).await
    }

    /// The same, for an answer of that type.
    ///
    /// # Errors
    /// Likewise, or if it is of another type.
    pub async fn ask_for<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let client = self.client(&self.questions, SMALL_ANSWER_BYTES).await?;
        client.request(method, auth, params, patience).await
    }

    /// The record of a session, as it is stored, once it is finished. While what is given beside it is kept, no other
    /// record comes by the same connection.
    ///
    /// # Errors
    /// As above.
    pub async fn record(&self, session: u64, patience: Duration) -> Result<(Vec<u8>, Answer), ClientError> {
        let (method, params) = ("await_signed_session_outcome", json!(session));
        let mut again = true;
        loop {
            let client = self.client(&self.records, RECORD_ANSWER_BYTES).await?;
            match client.request_and_hold(method, None, &params, patience).await {
                Ok((Wrapped(record), held)) => return Ok((record, held)),
                // It was idle for long, and closed just now.
                Err(ClientError::Closed { .. }) if again => again = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives up the connection for records, with the room that the last one took; those who wait for one still get it.
    pub(crate) fn hang_up(&self) {
        // Where it is being dialled, nothing came by it yet.
        if let Ok(mut records) = self.records.try_lock() {
            *records = None;
        }
    }

    /// Those who ask while it is dialled wait for that one connection.
    async fn client(
        &self,
        connection: &Connection,
        longest_answer: usize,
    ) -> Result<Arc<Client>, ClientError> {
        let mut known = connection.lock().await;
        if let Some(client) = known.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let dial = Dial { longest_answer, pass: self.pass.as_ref().map(|pass| pass()) };
        let client = Arc::new(self.connect(&dial).await?);
        *known = Some(client.clone());
        Ok(client)
    }

    /// Connects to the first address where somebody answers; the error is that of the first.
    async fn connect(&self, dial: &Dial) -> Result<Client, ClientError> {
        let error = match Client::connect(&self.url, dial).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        for url in &self.others {
            if let Ok(client) = Client::connect(url, dial).await {
                return Ok(client);
            }
        }
        Err(error)
    }
}
