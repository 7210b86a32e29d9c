//! JSON-RPC 2.0 over WebSocket as guardians speak it, both sides.
//!
//! A request's `params` is a list with one object: `auth` (the guardian's password, or null) and `params`. A
//! client that requests a page instead of a WebSocket gets the page, so that a browser and a metrics
//! collector need no port of their own. A guardian identifies itself to another one in a header of the
//! handshake, and gets a place of its own.
//!
//! Invariants: the cost of every remote party is bounded by the [named limits](Limits), in memory that is
//! counted before it is allocated. A request that cannot be read is answered with an error; a connection that
//! breaks the rules is closed. Nothing that a client or a server sends makes the other side panic.
//!
//! # Example
//!
//! ```
//! use fm_rpc::{RpcError, encode_params};
//! use serde_json::json;
//!
//! // The parameters of a request as guardians expect them: a list with one object.
//! let params = encode_params(None, &json!(7));
//! assert_eq!(params, json!([{ "auth": null, "params": 7 }]));
//!
//! let error = RpcError::new(404, "there is no such session");
//! assert_eq!(error.code, 404);
//! ```

mod aside;
mod budget;
mod certificate;
mod client;
mod http;
mod message;
mod metered;
mod places;
mod scan;
mod server;
mod talk;

pub use aside::aside;
pub use client::{Answer, Client, ClientError, Dial};
pub use http::Page;
pub use message::{RpcError, encode_params, read_result};
pub use server::{Limits, Request, Service, serve};
pub use talk::Turn;
