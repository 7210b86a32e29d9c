//! A connection to a guardian's interface, whatever carries it: a WebSocket, or iroh.

use std::time::Duration;

use fm_rpc::{Answer, Client, ClientError, Dial};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::address::is_over_iroh;
use crate::iroh::IrohClient;

/// A connection to a guardian.
#[derive(Debug)]
pub(crate) enum Link {
    Web(Client),
    Iroh(IrohClient),
}

/// Holds the next answer of a connection back until it is dropped.
pub(crate) enum Held {
    Web { _answer: Answer },
    Iroh { _permit: OwnedSemaphorePermit },
}

impl Link {
    /// Connects to the guardian at a `ws://`, `wss://` or `iroh://` address.
    pub(crate) async fn connect(url: &str, dial: &Dial) -> Result<Self, ClientError> {
        if is_over_iroh(url) {
            return IrohClient::connect(url, dial).await.map(Self::Iroh);
        }
        Client::connect(url, dial).await.map(Self::Web)
    }

    /// Sends a request, and waits for the answer for at most this time.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<T, ClientError> {
        self.request_and_hold(method, auth, params, patience).await.map(|(result, _)| result)
    }

    /// Does the same, and also returns a value that holds the next answer back: for large answers.
    pub(crate) async fn request_and_hold<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<(T, Held), ClientError> {
        match self {
            Self::Web(client) => {
                let (result, answer) = client.request_and_hold(method, auth, params, patience).await?;
                Ok((result, Held::Web { _answer: answer }))
            }
            Self::Iroh(client) => {
                let (result, permit) = client.request_and_hold(method, auth, params, patience).await?;
                Ok((result, Held::Iroh { _permit: permit }))
            }
        }
    }

    /// Returns the guardian's address.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Web(client) => client.url(),
            Self::Iroh(client) => client.url(),
        }
    }

    /// Returns whether the connection is closed.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Web(client) => client.is_closed(),
            Self::Iroh(client) => client.is_closed(),
        }
    }
}
