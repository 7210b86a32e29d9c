//! A guardian of v0.1 that serves the epochs of its database over its interface.

use std::path::Path;
use std::sync::Arc;

use fm_client::wrap_bytes;
use fm_eras::hbbft::HISTORY_TABLE;
use fm_rows::RowSource;
use fm_rpc::{Limits, Request, RpcError, Service, Turn, serve};
use fm_store::ReadStore;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The guardian; it serves until this value is dropped.
pub struct ServedEpochs {
    /// Its address.
    pub url: String,
    _runtime: Runtime,
}

struct Guardian {
    records: Vec<Vec<u8>>,
    /// Whether it writes bytes as a list of numbers, as the first servers did.
    as_numbers: bool,
}

impl ServedEpochs {
    /// Serves the epochs of a database.
    pub fn start(database: &Path, as_numbers: bool) -> Self {
        let store = ReadStore::open(database).expect("the database opens");
        let rows = RowSource::scan_prefix(&store, HISTORY_TABLE);
        let records = rows.map(|row| row.expect("a row").1).collect();
        let runtime = Runtime::new().expect("there are threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a port");
        let url = format!("ws://{}/", listener.local_addr().expect("it listens"));
        runtime.spawn(serve(listener, Arc::new(Guardian { records, as_numbers }), Limits::default()));
        Self { url, _runtime: runtime }
    }
}

impl Service for Guardian {
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        _: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            match request.method.as_str() {
                "fetch_epoch_count" => Ok(json!(self.records.len())),
                "fetch_epoch_history" => {
                    let number = request.params.as_u64().and_then(|number| usize::try_from(number).ok());
                    let record = number.and_then(|number| self.records.get(number));
                    let missing = || RpcError::new(RpcError::NOT_FOUND, "epoch not found");
                    let record = record.ok_or_else(missing)?;
                    Ok(if self.as_numbers { json!([record]) } else { wrap_bytes(record) })
                }
                _ => Err(RpcError::new(RpcError::NO_METHOD, "no such method")),
            }
        })
    }
}
