//! One guardian: a connection that is made when it is needed, and again when it broke.

use std::sync::Arc;
use std::time::Duration;

use fm_rpc::{Client, ClientError};
use serde_json::Value;
use tokio::sync::Mutex;

/// A guardian's interface.
#[derive(Debug)]
pub struct Guardian {
    url: String,
    /// Where else it may be.
    others: Vec<String>,
    client: Mutex<Option<Arc<Client>>>,
}

impl Guardian {
    /// The guardian at a `ws://` or `wss://` address. Nothing is connected before something is asked.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), others: Vec::new(), client: Mutex::default() }
    }

    /// The same guardian, which may also be at that address.
    #[must_use]
    pub fn or_at(mut self, url: impl Into<String>) -> Self {
        self.others.push(url.into());
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
        let client = self.client().await?;
        client.request(method, auth, params, patience).await
    }

    /// Those who ask while it is dialled wait for that one connection.
    async fn client(&self) -> Result<Arc<Client>, ClientError> {
        let mut known = self.client.lock().await;
        if let Some(client) = known.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.connect().await?);
        *known = Some(client.clone());
        Ok(client)
    }

    /// Connects to the first address where somebody answers; the error is that of the first.
    async fn connect(&self) -> Result<Client, ClientError> {
        let error = match Client::connect(&self.url).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        for url in &self.others {
            if let Ok(client) = Client::connect(url).await {
                return Ok(client);
            }
        }
        Err(error)
    }
}
