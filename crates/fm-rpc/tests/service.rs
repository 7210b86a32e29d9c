//! A server and its clients over loopback: answers, errors, limits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fm_rpc::{Client, ClientError, Limits, Page, Request, RpcError, Service, serve};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(10);

struct Echo;

impl Service for Echo {
    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Value, RpcError>> {
        Box::pin(async move {
            match request.method.as_str() {
                "echo" => Ok(json!([request.auth, request.params])),
                "never" => std::future::pending().await,
                _ => Err(RpcError::new(RpcError::NO_METHOD, "no such method")),
            }
        })
    }

    fn page(&self, path: &str) -> Option<Page> {
        (path == "/").then(|| Page { kind: "text/plain", text: "hello".to_owned() })
    }
}

async fn server(limits: Limits) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(Echo), limits));
    address.to_string()
}

async fn client(address: &str) -> Result<Client, ClientError> {
    Client::connect(&format!("ws://{address}/")).await
}

fn code(answer: Result<Value, ClientError>) -> i64 {
    match answer {
        Err(ClientError::Refused { source, .. }) => source.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_while_others_wait() {
    let address = server(Limits::default()).await;
    let client = client(&address).await.unwrap();
    let never = client.request("never", None, &Value::Null, Duration::from_millis(50));
    let params = json!({"a": 1});
    let echo = client.request("echo", Some("secret"), &params, PATIENCE);
    let (never, echo) = tokio::join!(never, echo);
    assert!(matches!(never, Err(ClientError::TimedOut { .. })));
    assert_eq!(echo.unwrap(), json!(["secret", {"a": 1}]));
    assert_eq!(code(client.request("other", None, &Value::Null, PATIENCE).await), RpcError::NO_METHOD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_a_page() {
    let address = server(Limits::default()).await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", "hello"),
        ("GET /x HTTP/1.1\r\n\r\n", "404"),
        ("POST / HTTP/1.1\r\n\r\n", ""),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A request that is not understood is cut off.
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.contains(expected) && answer.is_empty() == expected.is_empty(), "{request}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept() {
    let limits = Limits { connections: 2, in_flight: 3, per_second: 20, request_bytes: 1000 };
    let address = server(limits).await;
    let (first, second) = (client(&address).await.unwrap(), client(&address).await.unwrap());
    assert!(client(&address).await.is_err(), "a third connection");
    // Three that never end, and a fourth.
    for _ in 0..3 {
        let never = first.request("never", None, &Value::Null, Duration::from_millis(20)).await;
        assert!(matches!(never, Err(ClientError::TimedOut { .. })));
    }
    assert_eq!(code(first.request("echo", None, &Value::Null, PATIENCE).await), RpcError::BUSY);
    // Twenty are saved up, twenty more take a second.
    let start = Instant::now();
    for _ in 0..40 {
        second.request("echo", None, &Value::Null, PATIENCE).await.unwrap();
    }
    assert!(start.elapsed() > Duration::from_millis(700), "{:?}", start.elapsed());
    // Too long: the connection is closed, and its place is free.
    assert!(second.request("echo", None, &json!("x".repeat(2000)), PATIENCE).await.is_err());
    drop(second);
    tokio::time::sleep(Duration::from_millis(200)).await;
    client(&address).await.unwrap().request("echo", None, &Value::Null, PATIENCE).await.unwrap();
}
