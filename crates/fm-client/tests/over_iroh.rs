//! Guardians over iroh that are honest, lie, stall and end in the middle of an answer, over streams in memory:
//! what is above the streams is the same for all.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use fm_client::{
    ClientError, Guardian, Iroh, IrohConnection, IrohFailure, IrohStream, speak_iroh, speaks_iroh,
    wrap_base64,
};
use fm_codec::{Dialect, Writer};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);
/// What a guardian answers to a session, times the session's number.
const RECORD_BYTES: usize = 100_000;
/// The number of bytes that a stream takes in before somebody reads them.
const WINDOW: usize = 64 << 10;

/// The first byte of a guardian's key says how it behaves.
#[derive(Clone, Copy)]
enum Manner {
    Honest = 1,
    /// Ends each stream without an answer, as a guardian does that stops.
    Ends,
    /// Sends text without an end.
    Endless,
    /// Answers something that is no answer.
    Nonsense,
    /// Answers nothing to the first request, and the others as ever.
    Forgetful,
    /// Stops in the middle of every answer.
    Halting,
    /// Cannot be connected to, and does not say so.
    Absent,
    /// Has closed the connection when something is asked for.
    Closed,
}

const MANNERS: [Manner; 8] = [
    Manner::Honest,
    Manner::Ends,
    Manner::Endless,
    Manner::Nonsense,
    Manner::Forgetful,
    Manner::Halting,
    Manner::Absent,
    Manner::Closed,
];

struct Fake;

impl Iroh for Fake {
    fn connect(&self, key: [u8; 32]) -> BoxFuture<'_, Result<Box<dyn IrohConnection>, IrohFailure>> {
        Box::pin(async move {
            let manner = MANNERS.into_iter().find(|manner| *manner as u8 == key[0]);
            let manner = manner.ok_or("there is no such guardian")?;
            if matches!(manner, Manner::Absent) {
                std::future::pending::<()>().await;
            }
            let connection = FakeConnection { manner, requests: Arc::default() };
            Ok(Box::new(connection) as Box<dyn IrohConnection>)
        })
    }
}

struct FakeConnection {
    manner: Manner,
    requests: Arc<AtomicUsize>,
}

impl IrohConnection for FakeConnection {
    fn open(&self) -> BoxFuture<'_, Result<IrohStream, IrohFailure>> {
        Box::pin(async {
            if matches!(self.manner, Manner::Closed) {
                return Err("the connection is closed".into());
            }
            let (to, request) = tokio::io::duplex(WINDOW);
            let (answer, from) = tokio::io::duplex(WINDOW);
            let number = self.requests.fetch_add(1, Relaxed);
            // A client that no longer reads ends it.
            tokio::spawn(serve(self.manner, number, request, answer));
            Ok(IrohStream { to: Box::new(to), from: Box::new(from) })
        })
    }

    fn is_closed(&self) -> bool {
        matches!(self.manner, Manner::Closed)
    }
}

async fn serve(manner: Manner, number: usize, mut from: DuplexStream, mut to: DuplexStream) {
    let mut request = String::new();
    from.read_to_string(&mut request).await.unwrap();
    let answer = answer(&serde_json::from_str(&request).unwrap()).to_string();
    let sent = match manner {
        Manner::Ends => return,
        Manner::Endless => loop {
            if to.write_all(b"{\"Ok\":1},").await.is_err() {
                return;
            }
        },
        Manner::Nonsense => to.write_all(b"{\"result\":7}").await,
        Manner::Forgetful if number == 0 => std::future::pending().await,
        Manner::Halting => {
            to.write_all(&answer.as_bytes()[..answer.len() / 2]).await.unwrap();
            std::future::pending().await
        }
        _ => to.write_all(answer.as_bytes()).await,
    };
    let _ = sent;
}

fn answer(request: &Value) -> Value {
    let params = &request["request"]["params"];
    match request["method"]["Core"].as_str() {
        Some("version") => json!({ "Ok": { "core": { "api": [{ "major": 0, "minor": 9 }] } } }),
        Some("session_count") => json!({ "Ok": 5 }),
        Some("signed_session_status") => {
            let mut status = Writer::new(Dialect::MODERN);
            status.u64(2);
            status.bytes(&record(params.as_u64().unwrap()));
            json!({ "Ok": wrap_base64(status.as_bytes()) })
        }
        _ => json!({ "Err": { "code": 404, "message": request["method"] .to_string() } }),
    }
}

fn record(session: u64) -> Vec<u8> {
    vec![7; RECORD_BYTES * usize::try_from(session).unwrap()]
}

fn guardian(manner: Manner) -> Guardian {
    static SPEAK: Once = Once::new();
    SPEAK.call_once(|| speak_iroh(Box::new(Fake)));
    assert!(speaks_iroh());
    Guardian::new(format!("iroh://{:02x}{}", manner as u8, "00".repeat(31)))
}

async fn count(guardian: &Guardian, patience: Duration) -> Result<u64, ClientError> {
    guardian.ask_for("session_count", None, &Value::Null, patience).await
}

#[tokio::test]
async fn a_guardian_over_iroh_answers() {
    let guardian = guardian(Manner::Honest);
    assert_eq!(count(&guardian, PATIENCE).await.unwrap(), 5);
    for session in [1, 3] {
        let (found, _room) = guardian.record(session, PATIENCE).await.unwrap();
        assert!(found == record(session), "another record of session {session}");
    }
    let refused = guardian.ask("module_3_other", None, &Value::Null, PATIENCE).await.unwrap_err();
    let ClientError::Refused { source, .. } = refused else { panic!("{refused}") };
    assert_eq!((source.code, source.message.as_str()), (404, r#"{"Module":[3,"other"]}"#));
}

/// A record that is longer than those that are read in parallel is read alone.
#[tokio::test]
async fn a_large_record_is_asked_for_again() {
    let guardian = guardian(Manner::Honest);
    let (found, _room) = guardian.record(40, PATIENCE).await.unwrap();
    assert!(found == record(40));
}

/// Only one answer of a connection is in memory: the next comes after the last was looked at.
#[tokio::test]
async fn the_next_record_waits_for_the_last() {
    let guardian = guardian(Manner::Honest);
    let (_, room) = guardian.record(1, PATIENCE).await.unwrap();
    let next = guardian.record(2, PATIENCE);
    tokio::pin!(next);
    assert!(timeout(SHORT, &mut next).await.is_err(), "two records are in memory");
    drop(room);
    assert!(next.await.unwrap().0 == record(2));
}

#[tokio::test]
async fn a_request_without_an_answer_holds_no_other_back() {
    let guardian = Arc::new(guardian(Manner::Forgetful));
    let first = {
        let guardian = guardian.clone();
        tokio::spawn(async move { count(&guardian, PATIENCE).await })
    };
    sleep(SHORT).await;
    assert_eq!(count(&guardian, PATIENCE).await.unwrap(), 5);
    first.abort();
}

#[tokio::test]
async fn a_guardian_that_stalls_costs_no_more_than_the_patience() {
    for manner in [Manner::Halting, Manner::Absent] {
        let start = Instant::now();
        let answer = count(&guardian(manner), SHORT).await;
        assert!(matches!(answer, Err(ClientError::TimedOut { .. })), "{answer:?}");
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

#[tokio::test]
async fn other_answers_are_refused() {
    let answer = count(&guardian(Manner::Nonsense), PATIENCE).await;
    assert!(matches!(answer, Err(ClientError::Unreadable { .. })), "{answer:?}");
    let answer = count(&guardian(Manner::Endless), PATIENCE).await;
    assert!(matches!(answer, Err(ClientError::TooLong { .. })), "{answer:?}");
    for manner in [Manner::Ends, Manner::Closed] {
        let answer = count(&guardian(manner), PATIENCE).await;
        assert!(matches!(answer, Err(ClientError::Closed { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_named() {
    let honest = guardian(Manner::Honest);
    let nobody = format!("iroh://ff{}", "00".repeat(31));
    let later = format!("{}/v1", honest.url());
    for (url, reason) in [(&nobody, "no such guardian"), (&later, "64 hex digits")] {
        let error = count(&Guardian::new(url), PATIENCE).await.unwrap_err();
        let ClientError::Reach { url: named, source } = &error else { panic!("{error}") };
        assert!(named == url && source.to_string().contains(reason), "{source}");
    }
    // The next address counts.
    assert_eq!(count(&Guardian::new(nobody).or_at(honest.url()), PATIENCE).await.unwrap(), 5);
}

/// A secret that the transport would drop is not shown to anybody, and not ignored either.
#[tokio::test]
async fn no_secret_goes_over_iroh() {
    let secret = Some(Arc::new(Zeroizing::new("hunter2".to_owned())));
    let error = count(&guardian(Manner::Honest).with_api_secret(secret), PATIENCE).await.unwrap_err();
    let ClientError::Reach { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().contains("no place for it"), "{source}");
}
