//! A directory of pkarr records on this machine: what is put under a key is returned to anybody. Nothing is
//! checked; who reads a record checks its signature.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

type Records = Arc<Mutex<HashMap<String, Bytes>>>;

pub(crate) async fn serve(port: u16) -> Result<()> {
    let app = Router::new().route("/{key}", get(read).put(write)).with_state(Records::default());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn read(State(records): State<Records>, Path(key): Path<String>) -> Result<Bytes, StatusCode> {
    records.lock().ok().and_then(|records| records.get(&key).cloned()).ok_or(StatusCode::NOT_FOUND)
}

async fn write(State(records): State<Records>, Path(key): Path<String>, record: Bytes) -> StatusCode {
    match records.lock() {
        Ok(mut records) => {
            records.insert(key, record);
            StatusCode::NO_CONTENT
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
