//! A server and its clients over loopback: answers, errors, limits.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fm_rpc::{Client, ClientError, Dial, Limits, Page, Request, RpcError, Service, Turn, serve};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, connect_async};

const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, and a large one.
const LONGEST: usize = 1 << 20;
const LARGE: usize = 300_000;
/// The length of an answer after which a connection is not kept.
const HUGE: usize = 2 << 20;

/// Counts the large answers that it makes.
#[derive(Default)]
struct Echo(AtomicUsize);

impl Service for Echo {
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        turn: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            match request.method.as_str() {
                "large" => {
                    turn.take(LARGE).await?;
                    self.0.fetch_add(1, Relaxed);
                    Ok(json!("x".repeat(LARGE)))
                }
                "huge" => Ok(json!("x".repeat(HUGE))),
                "echo" => Ok(json!([request.auth, request.params])),
                "never" => std::future::pending().await,
                _ => Err(RpcError::new(RpcError::NO_METHOD, "no such method")),
            }
        })
    }

    fn page(&self, path: &str) -> Option<Page> {
        (path == "/").then(|| Page { kind: "text/plain", text: "hello".to_owned() })
    }

    fn guardian(&self, pass: &str) -> Option<u16> {
        pass.parse().ok()
    }
}

async fn server(limits: Limits) -> String {
    server_of(limits).await.0
}

async fn server_of(limits: Limits) -> (String, Arc<Echo>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, echo) = (listener.local_addr().unwrap(), Arc::<Echo>::default());
    tokio::spawn(serve(listener, echo.clone(), limits));
    (address.to_string(), echo)
}

async fn client(address: &str) -> Result<Client, ClientError> {
    client_with(address, None).await
}

async fn client_with(address: &str, pass: Option<&str>) -> Result<Client, ClientError> {
    let dial = Dial { longest_answer: LONGEST, pass: pass.map(str::to_owned), ..Dial::default() };
    Client::connect(&format!("ws://{address}/"), &dial).await
}

/// Returns a client that reads nothing, with a receive buffer of its own size: the system lets one grow to
/// tens of megabytes.
async fn deaf(address: &str) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let stream = socket.connect(address.parse().unwrap()).await.unwrap();
    client_async(format!("ws://{address}/"), stream).await.unwrap().0
}

/// Waits until a connection is closed; the client notices this when it reads.
async fn closes(client: &Client) -> bool {
    let closed = async {
        while !client.is_closed() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, closed).await.is_ok()
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
    let never = client.request::<Value>("never", None, &Value::Null, Duration::from_millis(50));
    let params = json!({"a": 1});
    let echo = client.request::<Value>("echo", Some("secret"), &params, PATIENCE);
    let (never, echo) = tokio::join!(never, echo);
    assert!(matches!(never, Err(ClientError::TimedOut { .. })));
    assert_eq!(echo.unwrap(), json!(["secret", {"a": 1}]));
    assert_eq!(code(client.request("other", None, &Value::Null, PATIENCE).await), RpcError::NO_METHOD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_does_not_keep_the_room_of_a_huge_answer() {
    let address = server(Limits::default()).await;
    let dial = Dial { longest_answer: 2 * HUGE, ..Dial::default() };
    let client = Client::connect(&format!("ws://{address}/"), &dial).await.unwrap();
    let ask = |method| client.request::<Value>(method, None, &Value::Null, PATIENCE);
    // While a caller waits for another answer, the connection stays.
    let answers = tokio::join!(ask("huge"), ask("huge"), ask("huge"));
    assert!([answers.0, answers.1, answers.2].iter().all(Result::is_ok));
    assert!(closes(&client).await);
    assert!(matches!(ask("echo").await, Err(ClientError::Closed { .. })));
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
    let limits =
        Limits { connections: 2, in_flight: 3, per_second: 20, request_bytes: 1000, ..Limits::default() };
    let address = server(limits).await;
    let (first, second) = (client(&address).await.unwrap(), client(&address).await.unwrap());
    second.request::<Value>("echo", None, &Value::Null, PATIENCE).await.unwrap();
    // A third connection gets the place of the longest silent one, but not a guardian's.
    let guardian = client_with(&address, Some("7")).await.unwrap();
    let third = client(&address).await.unwrap();
    assert!(closes(&first).await && !second.is_closed() && !third.is_closed() && !guardian.is_closed());
    // Three requests that never end, and a fourth.
    for _ in 0..3 {
        let never = third.request::<Value>("never", None, &Value::Null, Duration::from_millis(20)).await;
        assert!(matches!(never, Err(ClientError::TimedOut { .. })));
    }
    assert_eq!(code(third.request("echo", None, &Value::Null, PATIENCE).await), RpcError::BUSY);
    // Twenty requests are saved up; twenty more take a second.
    let start = Instant::now();
    for _ in 0..40 {
        second.request::<Value>("echo", None, &Value::Null, PATIENCE).await.unwrap();
    }
    assert!(start.elapsed() > Duration::from_millis(700), "{:?}", start.elapsed());
    // Too long: the connection is closed, and its place is free.
    assert!(second.request::<Value>("echo", None, &json!("x".repeat(2000)), PATIENCE).await.is_err());
    drop(second);
    sleep(Duration::from_millis(200)).await;
    client(&address).await.unwrap().request::<Value>("echo", None, &Value::Null, PATIENCE).await.unwrap();
    assert!(!third.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_has_an_end_and_so_has_silence() {
    let limits =
        Limits { wait: Duration::from_millis(300), idle: Duration::from_millis(500), ..Limits::default() };
    let address = server(limits).await;
    let client = client(&address).await.unwrap();
    assert_eq!(code(client.request("never", None, &Value::Null, PATIENCE).await), RpcError::NOT_YET);
    let start = Instant::now();
    assert!(closes(&client).await && start.elapsed() >= Duration::from_millis(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_in_bytes() {
    let limits = Limits { requests_of_one: 100_000, ..Limits::default() };
    let address = server(limits).await;
    let (one, other) = (client(&address).await.unwrap(), client(&address).await.unwrap());
    let padding = json!("x".repeat(60_000));
    let brief = Duration::from_millis(200);
    let never = one.request::<Value>("never", None, &padding, brief).await;
    assert!(matches!(never, Err(ClientError::TimedOut { .. })));
    // Both are from one address; a guardian has its own budget.
    assert!(other.request::<Value>("echo", None, &padding, PATIENCE).await.is_err());
    assert!(closes(&other).await && !one.is_closed());
    let guardian = client_with(&address, Some("7")).await.unwrap();
    guardian.request::<Value>("echo", None, &padding, PATIENCE).await.unwrap();
    // Bytes of an incomplete request count too.
    drop(one);
    sleep(brief).await;
    let mut parts = Vec::new();
    for _ in 0..4 {
        let (socket, _) = connect_async(format!("ws://{address}/")).await.unwrap();
        let mut stream = socket.into_inner();
        // A masked text of 70,000 bytes, of which 40,000 arrive.
        let head = [0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 0, 0, 0, 0];
        stream.write_all(&head).await.unwrap();
        let _ = stream.write_all(&[b'x'; 40_000]).await;
        parts.push(stream);
    }
    sleep(brief).await;
    let mut closed = 0;
    for stream in &mut parts {
        closed += usize::from(timeout(brief, stream.read(&mut [0; 9])).await.is_ok());
    }
    assert_eq!(closed, 2, "two times 40,000 fit");
    // The heads of empty frames count like all other bytes.
    drop(parts);
    sleep(brief).await;
    let (socket, _) = connect_async(format!("ws://{address}/")).await.unwrap();
    let mut stream = socket.into_inner();
    stream.write_all(&[0x01, 0x81, 0, 0, 0, 0, b'x']).await.unwrap();
    let empty = [0x00, 0x80, 0, 0, 0, 0].repeat(1000);
    let endless = async { while stream.write_all(&empty).await.is_ok() {} };
    timeout(PATIENCE, endless).await.expect("it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_not_made() {
    let limits = Limits {
        answers_of_one: 2 * LARGE,
        answers_in_all: 3 * LARGE,
        stall: Duration::from_secs(2),
        ..Limits::default()
    };
    let (address, echo) = server_of(limits).await;
    let mut deaf = Vec::new();
    for _ in 0..5 {
        let mut socket = self::deaf(&address).await;
        for id in 0..60 {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"large","params":[]}}"#);
            socket.send(Message::text(text)).await.unwrap();
        }
        deaf.push(socket);
    }
    sleep(Duration::from_secs(1)).await;
    // The server's send buffers, of 4 MiB at most, take up to 14 answers each; beyond that at most two are
    // made.
    let made = echo.0.load(Relaxed);
    assert!(made < 100, "{made} of 300 answers were made");
    // A client that takes no answers is disconnected, and others get theirs, whole, in pieces.
    let client = client(&address).await.unwrap();
    let start = Instant::now();
    let answer = loop {
        match client.request::<String>("large", None, &Value::Null, 2 * PATIENCE).await {
            Ok(answer) => break answer,
            Err(error) => assert_eq!(code(Err(error)), RpcError::BUSY),
        }
        assert!(start.elapsed() < 4 * PATIENCE, "those who take nothing keep others out");
    };
    assert_eq!(answer, "x".repeat(LARGE));
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_answer_is_closed() {
    let address = server(Limits { stall: Duration::from_millis(500), ..Limits::default() }).await;
    let mut deaf = deaf(&address).await;
    for id in 0..60 {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"large","params":[]}}"#);
        deaf.send(Message::text(text)).await.unwrap();
    }
    sleep(Duration::from_secs(3)).await;
    // The answers that the system already holds arrive; then the connection ends, long before the 60th
    // answer.
    let mut answers = 0;
    let read = async {
        while let Some(Ok(_)) = deaf.next().await {
            answers += 1;
        }
    };
    timeout(PATIENCE, read).await.expect("it is closed");
    assert!(answers < 60, "{answers} answers");
}

/// Returns a client of a server that answers every request with this function of the id.
async fn liar(answer: impl Fn(&Value) -> Vec<String> + Send + 'static) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let request: Value = serde_json::from_str(&text).unwrap();
            for answer in answer(&request["id"]) {
                // The client may have closed the connection because of the answer.
                let _ = socket.send(Message::text(answer)).await;
            }
        }
    });
    client(&address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_as_long_as_the_client_takes_and_of_the_type_that_was_asked_for() {
    let result = |result: String| move |id: &Value| vec![format!(r#"{{"id":{id},"result":{result}}}"#)];
    let count = |client: Client| async move {
        client.request::<u64>("session_count", None, &Value::Null, PATIENCE).await
    };
    assert_eq!(count(liar(result("7".into())).await).await.unwrap(), 7);
    let values = format!("[{}0]", r#"{"":0},"#.repeat(100_000));
    for other in [values, "[7]".to_owned(), "null".to_owned(), format!("{:?}", "7".repeat(100_000))] {
        let answer = count(liar(result(other)).await).await;
        assert!(matches!(answer, Err(ClientError::Unreadable { .. })), "{answer:?}");
    }
    let long = count(liar(result(format!("{:?}", "x".repeat(LONGEST)))).await).await;
    assert!(matches!(long, Err(ClientError::TooLong { .. })), "{long:?}");
    // An answer that was not requested, and one answer twice.
    let unasked = liar(|_| vec![r#"{"id":99,"result":1}"#.to_owned()]).await;
    assert!(unasked.request::<u64>("a", None, &Value::Null, PATIENCE).await.is_err());
    assert!(closes(&unasked).await);
    let twice = liar(|id| vec![format!(r#"{{"id":{id},"result":1}}"#); 2]).await;
    twice.request::<u64>("a", None, &Value::Null, PATIENCE).await.unwrap();
    assert!(closes(&twice).await);
}
