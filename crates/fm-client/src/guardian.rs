//! One guardian: connections that are made when they are needed, and again when they broke.
//!
//! Invariants: an answer is no longer than what was asked for can be; records, which are long, come by a connection of
//! their own; of large ones the process reads one at a time, until it was looked at.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fm_rpc::{Answer, Client, ClientError, Dial};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::encoding::Wrapped;

/// The longest answer to anything but a question for a record; the largest honest one describes all guardians.
const SMALL_ANSWER_BYTES: usize = 1 << 20;
/// The longest answer with a record that is read beside others; a longer one is asked for again, alone.
const RECORD_ANSWER_BYTES: usize = 2 << 20;
/// The longest answer with a record: a session of the greatest size that servers read, in hex, and what is around it.
const LARGE_ANSWER_BYTES: usize = 33 << 20;
/// Who reads a longer one: any guardian can say that its record is one.
static LONG: Semaphore = Semaphore::const_new(1);

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

/// The room that a record takes, until this goes: no other record is read by the same connection, and no other large one at
/// all.
pub struct Room {
    _answer: Answer,
    _large: Option<SemaphorePermit<'static>>,
}

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

    /// The record of a session, as it is stored, once it is finished, and the room that it takes.
    ///
    /// # Errors
    /// As above.
    pub async fn record(&self, session: u64, patience: Duration) -> Result<(Vec<u8>, Room), ClientError> {
        let mut again = true;
        loop {
            let client = self.client(&self.records, RECORD_ANSWER_BYTES).await?;
            match record_by(&client, session, patience).await {
                Ok((record, answer)) => return Ok((record, Room { _answer: answer, _large: None })),
                // It was idle for long, and closed just now.
                Err(ClientError::Closed { .. }) if again => again = false,
                Err(ClientError::TooLong { .. }) => return self.large_record(session, patience).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The same, of whatever length.
    async fn large_record(&self, session: u64, patience: Duration) -> Result<(Vec<u8>, Room), ClientError> {
        // The semaphore is never closed.
        let permit = LONG.acquire().await.ok();
        let client = self.connect(&self.dial(LARGE_ANSWER_BYTES)).await?;
        let (record, answer) = record_by(&client, session, patience).await?;
        Ok((record, Room { _answer: answer, _large: permit }))
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
        let client = Arc::new(self.connect(&self.dial(longest_answer)).await?);
        *known = Some(client.clone());
        Ok(client)
    }

    fn dial(&self, longest_answer: usize) -> Dial {
        Dial { longest_answer, pass: self.pass.as_ref().map(|pass| pass()) }
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

async fn record_by(
    client: &Client,
    session: u64,
    patience: Duration,
) -> Result<(Vec<u8>, Answer), ClientError> {
    let asked =
        client.request_and_hold("await_signed_session_outcome", None, &json!(session), patience).await;
    asked.map(|(Wrapped(record), answer)| (record, answer))
}
