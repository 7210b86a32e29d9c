//! The interface of a guardian that answers every request with something large, of its own making.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fm_codec::{Dialect, Writer};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// A server at an address; it ends when this value is dropped.
pub struct Swollen {
    /// The number of sessions that it was asked for.
    pub records: Arc<AtomicU64>,
    /// The number of other answers that it sent.
    pub answers: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

impl Swollen {
    /// Serves at a host and port. Every second answer says that it is far ahead, and it returns records of
    /// the smallest possible items; every other answer is a list of objects.
    pub fn at(address: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (records, answers) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let listener = runtime.block_on(TcpListener::bind(address)).expect("its port is free");
        let (record, list): (Arc<str>, Arc<str>) = (crumbs().into(), objects().into());
        let counters = (records.clone(), answers.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, record.clone(), list.clone(), counters.clone()));
            }
        });
        Self { records, answers, runtime: Some(runtime) }
    }
}

impl Drop for Swollen {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(
    stream: TcpStream,
    record: Arc<str>,
    list: Arc<str>,
    (records, answers): (Arc<AtomicU64>, Arc<AtomicU64>),
) -> Option<()> {
    let mut socket = accept_async(stream).await.ok()?;
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let request: Value = serde_json::from_str(&text).ok()?;
        let id = &request["id"];
        let result = if request["method"] == "await_signed_session_outcome" {
            records.fetch_add(1, Relaxed);
            record.as_ref()
        } else if answers.fetch_add(1, Relaxed) % 2 == 0 {
            "18446744073709551615"
        } else {
            list.as_ref()
        };
        let response = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        socket.send(Message::text(response)).await.ok()?;
    }
    None
}

/// Returns a record of the greatest size, in items of three bytes.
fn crumbs() -> String {
    let mut record = Writer::new(Dialect::MODERN);
    record.count(5_000_000);
    (0..5_000_000).for_each(|_| record.raw(&[9, 0, 0]));
    record.count(0);
    let mut wrapped = Writer::new(Dialect::MODERN);
    wrapped.bytes(record.as_bytes());
    format!("[\"{}\"]", hex::encode(wrapped.as_bytes()))
}

/// Returns 4 MB that take 390 MiB as JSON values.
fn objects() -> String {
    format!("[{}0]", r#"{"":0},"#.repeat(570_000))
}
