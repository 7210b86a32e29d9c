//! One guardian: its connections are made when they are needed, and made again after they broke.
//!
//! Invariants: an answer is no longer than the answer to its request can be; records, which are long, have a
//! connection of their own; the process reads large records one at a time, and the next only after the last
//! was checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fm_rpc::{ClientError, Dial};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::link::{Held, Link};
use crate::method::{RecordMethod, record_by};

/// The longest answer to any request but that for a record; the largest honest one describes all guardians.
const SMALL_ANSWER_BYTES: usize = 1 << 20;
/// The longest answer with a record that is read in parallel with others; a longer one is requested again,
/// alone.
const RECORD_ANSWER_BYTES: usize = 2 << 20;
/// The longest answer with a record: a session of the greatest size that servers read, in hex, and its
/// wrapper.
const LARGE_ANSWER_BYTES: usize = 33 << 20;
/// The permit to read a longer one; limited because any guardian can claim to have such a record.
static LONG: Semaphore = Semaphore::const_new(1);

/// Makes the pass that this guardian shows to the other one.
pub type MakePass = dyn Fn() -> String + Send + Sync;

/// A guardian's interface.
pub struct Guardian {
    url: String,
    /// Other addresses of the guardian.
    others: Vec<String>,
    pass: Option<Arc<MakePass>>,
    api_secret: Option<Arc<Zeroizing<String>>>,
    /// How it is asked for a record, once it said which methods it has.
    method: OnceCell<RecordMethod>,
    /// The connection for everything but records.
    questions: Connection,
    records: Connection,
}

type Connection = Mutex<Option<Arc<Link>>>;

/// The memory that a record takes, until this value is dropped: before that, no other record is read through
/// the same connection, and no other large record at all.
pub struct Room {
    _answer: Held,
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
    /// Creates the guardian at a `ws://`, `wss://` or `iroh://` address. Connects only when a request is made.
    pub fn new(url: impl Into<String>) -> Self {
        let (questions, records) = Default::default();
        let (others, method) = (Vec::new(), OnceCell::new());
        Self { url: url.into(), others, pass: None, api_secret: None, method, questions, records }
    }

    /// Makes it a guardian of v0.1, whose records are those of epochs.
    #[must_use]
    pub fn of_epochs(mut self) -> Self {
        self.method = OnceCell::new_with(Some(RecordMethod::Epoch));
        self
    }

    /// Adds another address at which the guardian may be.
    #[must_use]
    pub fn or_at(mut self, url: impl Into<String>) -> Self {
        self.others.push(url.into());
        self
    }

    /// Sets the pass that is shown to the guardian.
    #[must_use]
    pub fn with_pass(mut self, pass: Arc<MakePass>) -> Self {
        self.pass = Some(pass);
        self
    }

    /// Sets the API secret of its federation.
    #[must_use]
    pub fn with_api_secret(mut self, secret: Option<Arc<Zeroizing<String>>>) -> Self {
        self.api_secret = secret;
        self
    }

    /// Returns its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request, and waits for the answer for at most `patience`.
    ///
    /// # Errors
    /// If the guardian cannot be reached, does not answer in time, or answers with an error.
    pub async fn ask(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<Value, ClientError> {
        self.ask_for(method, auth, params, patience).await
    }

    /// Sends a request like [`ask`](Self::ask), and decodes the answer.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask), or if the answer is of another type.
    pub async fn ask_for<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<T, ClientError> {
        let client = self.in_time(patience, self.client(&self.questions, SMALL_ANSWER_BYTES)).await?;
        client.request(method, auth, params, patience).await
    }

    /// Returns the record of a session as it is stored, once the session is finished, and the memory that it
    /// takes.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub async fn record(&self, session: u64, patience: Duration) -> Result<(Vec<u8>, Room), ClientError> {
        let method = self.record_method(patience).await?;
        let mut again = true;
        loop {
            let client = self.in_time(patience, self.client(&self.records, RECORD_ANSWER_BYTES)).await?;
            match record_by(&client, method, session, patience).await {
                Ok((record, answer)) => return Ok((record, Room { _answer: answer, _large: None })),
                // The connection was idle for long and was just closed.
                Err(ClientError::Closed { .. }) if again => again = false,
                Err(ClientError::TooLong { .. }) => {
                    return self.large_record(method, session, patience).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the record of a session, whatever its length.
    async fn large_record(
        &self,
        method: RecordMethod,
        session: u64,
        patience: Duration,
    ) -> Result<(Vec<u8>, Room), ClientError> {
        let client = self.in_time(patience, self.connect(&self.dial(LARGE_ANSWER_BYTES))).await?;
        // The semaphore is never closed.
        let permit = LONG.acquire().await.ok();
        let (record, answer) = record_by(&client, method, session, patience).await?;
        Ok((record, Room { _answer: answer, _large: permit }))
    }

    /// Returns how the guardian is asked for a record: by the newest method that it has.
    async fn record_method(&self, patience: Duration) -> Result<RecordMethod, ClientError> {
        let ask = || async {
            match self.ask("version", None, &Value::Null, patience).await {
                Ok(versions) => Ok(RecordMethod::of(&versions)),
                // The oldest servers may not have the method.
                Err(ClientError::Refused { .. }) => Ok(RecordMethod::Await),
                Err(error) => Err(error),
            }
        };
        self.method.get_or_try_init(ask).await.copied()
    }

    /// Drops the connection for records, with the memory that the last record took; callers that wait for a
    /// record still get it.
    pub(crate) fn hang_up(&self) {
        // While it is being dialled, no record has come through it yet.
        if let Ok(mut records) = self.records.try_lock() {
            *records = None;
        }
    }

    /// Waits for a connection: a guardian with many addresses at which nobody answers delays nobody for long.
    async fn in_time<T>(
        &self,
        patience: Duration,
        dial: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let late = |_| ClientError::TimedOut { url: self.url.clone() };
        timeout(patience, dial).await.map_err(late)?
    }

    /// Returns the client of a connection; all callers wait for the same dial.
    async fn client(&self, connection: &Connection, longest_answer: usize) -> Result<Arc<Link>, ClientError> {
        let mut known = connection.lock().await;
        if let Some(client) = known.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.connect(&self.dial(longest_answer)).await?);
        *known = Some(client.clone());
        Ok(client)
    }

    fn dial(&self, longest_answer: usize) -> Dial {
        let pass = self.pass.as_ref().map(|pass| pass());
        Dial { longest_answer, pass, api_secret: self.api_secret.clone() }
    }

    /// Connects to the first address that answers; the error is that of the first address.
    async fn connect(&self, dial: &Dial) -> Result<Link, ClientError> {
        let error = match Link::connect(&self.url, dial).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        for url in &self.others {
            if let Ok(client) = Link::connect(url, dial).await {
                return Ok(client);
            }
        }
        Err(error)
    }
}
