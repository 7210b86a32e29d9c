//! Guardians that lie, stall and answer nonsense, together with honest ones, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fm_client::{Ambiguous, Guardian, Guardians, LiveHistory, wrap_bytes};
use fm_codec::{Dialect, Encode, ModuleValue, Writer};
use fm_crypto::{SessionKeys, SigningKey};
use fm_eras::session::session_key;
use fm_history::{
    AcceptedItem, ConsensusItem, Hash, SessionHeader, Signatures, merkle_root, sha256, signed_record,
};
use fm_rows::RowSource;
use fm_rpc::{Limits, Request, RpcError, Service, Turn, aside, serve};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const FINISHED: u64 = 40;
/// Two lists with one root.
const SHORT: &[&[u8]] = &[b"a", b"b", b"c"];
const LONG: &[&[u8]] = &[b"a", b"b", b"c", b"c"];

/// The process reads large records one at a time: tests with such records take turns as well.
static LARGE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Clone, Copy, Debug)]
enum Manner {
    Honest,
    /// Returns text that is not a record.
    Nonsense,
    /// Returns a record of very small items, which take a hundred times its bytes.
    Crumbs,
    /// Returns a record that is too long to be read in parallel with others.
    Mountain,
    /// Returns the record of another session.
    OtherSession,
    /// Returns a record with one changed bit, anywhere in it.
    Changed,
    /// Returns a record with fewer signatures than the threshold.
    Unsigned,
    /// Claims to have the record, and never returns it.
    Silent,
    /// Is busy at the first request.
    BusyOnce,
    /// Returns a record of three items.
    Short,
    /// Returns a record of four items, the last of which is repeated: the same header and signatures.
    Long,
}

struct Fake {
    manner: Manner,
    secrets: Arc<Vec<SigningKey>>,
    /// How many records were requested.
    asked: Arc<AtomicU64>,
}

impl Fake {
    /// Serves on a port of its own; returns its address, and the count of requested records.
    async fn serve(manner: Manner) -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let asked = Arc::<AtomicU64>::default();
        let fake = Self { manner, secrets: keys().0, asked: asked.clone() };
        tokio::spawn(serve(listener, Arc::new(fake), Limits::default()));
        (url, asked)
    }
}

fn keys() -> (Arc<Vec<SigningKey>>, SessionKeys) {
    let secrets: Vec<_> = (1..=4_u8).map(|byte| SigningKey::from_bytes([byte; 32]).unwrap()).collect();
    let public: BTreeMap<u16, _> = (0..).zip(secrets.iter().map(SigningKey::public_key)).collect();
    (Arc::new(secrets), SessionKeys::new(&public).unwrap())
}

/// Makes a session without items, with this many signatures.
fn record(secrets: &[SigningKey], session: u64, signers: usize) -> Vec<u8> {
    record_of(secrets, session, signers, &[])
}

fn item(vote: &&[u8]) -> Vec<u8> {
    let item = ConsensusItem::Module(ModuleValue { instance: 1, body: vote.to_vec() });
    AcceptedItem { item, peer: 0 }.to_bytes(Dialect::MODERN)
}

fn leaf(vote: &&[u8]) -> Hash {
    sha256(&[&item(vote)])
}

/// Makes a session with these votes and this many signatures.
fn record_of(secrets: &[SigningKey], session: u64, signers: usize, votes: &[&[u8]]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = votes.iter().map(item).collect();
    let public: BTreeMap<u16, _> = (0..).zip(secrets.iter().map(SigningKey::public_key)).collect();
    let header = SessionHeader {
        index: session,
        root: merkle_root(items.iter().map(|item| sha256(&[item])).collect()).root,
    };
    let message = SessionKeys::new(&public).unwrap().message(&header.to_bytes());
    let signatures: Signatures =
        (0..).zip(secrets.iter().take(signers).map(|key| key.sign(&message))).collect();
    let mut outcome = Writer::new(Dialect::MODERN);
    outcome.count(items.len());
    items.iter().for_each(|item| outcome.raw(item));
    signed_record(outcome.as_bytes(), &signatures)
}

/// Makes items of three bytes.
fn crumbs(count: usize) -> Vec<u8> {
    let mut record = Writer::new(Dialect::MODERN);
    record.count(count);
    for _ in 0..count {
        record.raw(&[9, 0, 0]);
    }
    record.count(0);
    record.into_bytes()
}

impl Service for Fake {
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        _: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            if request.method == "session_count" {
                return Ok(json!(FINISHED));
            }
            if request.method != "await_signed_session_outcome" {
                return Err(RpcError::new(RpcError::NO_METHOD, "no such method"));
            }
            let session = request.params.as_u64().unwrap();
            let good = record(&self.secrets, session, 3);
            let is_first = self.asked.fetch_add(1, Relaxed) == 0;
            Ok(match self.manner {
                Manner::BusyOnce if is_first => {
                    return Err(RpcError::new(RpcError::BUSY, "busy"));
                }
                Manner::Honest | Manner::BusyOnce => wrap_bytes(&good),
                Manner::Nonsense => json!(["zz"]),
                Manner::Crumbs => wrap_bytes(&crumbs(300_000)),
                Manner::Mountain => wrap_bytes(&crumbs(1_000_000)),
                Manner::OtherSession => wrap_bytes(&record(&self.secrets, session + 1, 3)),
                Manner::Changed => {
                    let (mut bad, place) = (good, usize::try_from(session).unwrap());
                    let place = place * 5 % bad.len();
                    bad[place] ^= 1;
                    wrap_bytes(&bad)
                }
                Manner::Unsigned => wrap_bytes(&record(&self.secrets, session, 2)),
                Manner::Silent => std::future::pending().await,
                Manner::Short => wrap_bytes(&record_of(&self.secrets, session, 3, SHORT)),
                Manner::Long => wrap_bytes(&record_of(&self.secrets, session, 3, LONG)),
            })
        })
    }
}

async fn guardians(manners: &[Manner]) -> Guardians {
    guardians_where(manners, Ambiguous::Refused).await
}

async fn guardians_where(manners: &[Manner], ambiguous: Ambiguous) -> Guardians {
    let keys = keys().1;
    let mut urls = BTreeMap::new();
    for (peer, manner) in (0..).zip(manners) {
        // No guardian is at the address that it announced.
        let guardian = Guardian::new("ws://127.0.0.1:1/");
        urls.insert(peer, guardian.or_at(Fake::serve(*manner).await.0));
    }
    let guardians = Guardians::watch(urls, &keys, ambiguous, Arc::default());
    guardians.first_look(Duration::from_secs(10)).await;
    guardians
}

#[tokio::test(flavor = "multi_thread")]
async fn the_honest_one_is_found_whatever_the_others_do() {
    let _alone = LARGE.lock().await;
    let liars = [
        Manner::Nonsense,
        Manner::Crumbs,
        Manner::Mountain,
        Manner::OtherSession,
        Manner::Changed,
        Manner::Unsigned,
        Manner::Silent,
    ];
    let mut cases = JoinSet::new();
    for first in liars {
        for second in [first, Manner::Silent] {
            cases.spawn(honest_is_found(first, second));
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

async fn honest_is_found(first: Manner, second: Manner) {
    let guardians = guardians(&[first, second, Manner::Honest]).await;
    for session in [0, 7, FINISHED - 1] {
        let start = Instant::now();
        let fetched = guardians.outcome(session).await;
        assert_eq!((fetched.peer, fetched.session), (2, session));
        assert_eq!(fetched.record, record(&keys().0, session, 3));
        assert!(start.elapsed() < Duration::from_secs(8), "a silent guardian delayed it");
    }
}

/// It may be the only one that has the session, so waiting a minute for it is too long.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_busy_once_is_asked_again_soon() {
    let guardians = guardians(&[Manner::Nonsense, Manner::BusyOnce]).await;
    let start = Instant::now();
    assert_eq!(guardians.outcome(7).await.peer, 1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_fetched_in_order_from_those_that_give_it() {
    let guardians = guardians(&[Manner::Honest, Manner::Changed, Manner::Honest]).await;
    let mut records = guardians.catch_up(3);
    for session in 3..FINISHED {
        let fetched = records.next().await.unwrap();
        assert_eq!((fetched.session, &fetched.record), (session, &record(&keys().0, session, 3)));
        assert_ne!(fetched.peer, 1);
    }
    assert!(records.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alone_that_claims_to_be_ahead_is_not_waited_for() {
    assert!(guardians(&[Manner::Honest]).await.catch_up(7).next().await.is_none());
    // Two of them must be believed, return nothing, and are then no longer asked.
    let liars = guardians(&[Manner::Nonsense, Manner::Unsigned, Manner::OtherSession]).await;
    assert!(liars.catch_up(7).next().await.is_none());
    assert!(liars.catch_up(7).next().await.is_none());
    assert_eq!(liars.counts().len(), 3);
}

/// The signatures cover either list: what two of the three others return is what an honest one has.
#[tokio::test(flavor = "multi_thread")]
async fn beside_servers_a_list_counts_once_two_guardians_gave_it() {
    let mut cases = JoinSet::new();
    for (honest, lie, votes) in [(Manner::Long, Manner::Short, LONG), (Manner::Short, Manner::Long, SHORT)] {
        for liar in 0..3 {
            let mut manners = [honest; 3];
            manners[liar] = lie;
            cases.spawn(two_are_believed(manners, votes));
            manners[(liar + 1) % 3] = Manner::Silent;
            cases.spawn(one_is_not(manners));
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

async fn two_are_believed(manners: [Manner; 3], votes: &[&[u8]]) {
    let guardians = guardians_where(&manners, Ambiguous::Vouched).await;
    let secrets = keys().0;
    assert_eq!(guardians.outcome(5).await.record, record_of(&secrets, 5, 3, votes), "{manners:?}");
    let mut records = guardians.catch_up(0);
    for session in 0..FINISHED {
        let fetched = records.next().await.unwrap();
        assert_eq!(fetched.session, session);
        assert_eq!(fetched.record, record_of(&secrets, session, 3, votes), "{manners:?}");
    }
    assert!(records.next().await.is_none());
}

async fn one_is_not(manners: [Manner; 3]) {
    let guardians = guardians_where(&manners, Ambiguous::Vouched).await;
    let waited = timeout(Duration::from_secs(4), guardians.outcome(5)).await;
    assert!(waited.is_err(), "{manners:?}");
}

/// A list that this guardian ordered itself needs no second guardian to confirm it; a list that it did not
/// order still does.
#[tokio::test(flavor = "multi_thread")]
async fn beside_servers_one_guardian_is_enough_for_what_was_ordered_here() {
    let (secrets, leaves) = (keys().0, |votes: &[&[u8]]| votes.iter().map(leaf).collect::<Vec<_>>());
    for (honest, lie, votes) in [(Manner::Long, Manner::Short, LONG), (Manner::Short, Manner::Long, SHORT)] {
        let guardians = guardians_where(&[honest, lie, Manner::Silent], Ambiguous::Vouched).await;
        guardians.ordered(4, &leaves(votes));
        let waited = timeout(Duration::from_secs(4), guardians.late_outcome(5)).await;
        assert!(waited.is_err(), "another session was ordered here");
        guardians.ordered(5, &leaves(votes));
        let fetched = timeout(Duration::from_secs(8), guardians.late_outcome(5)).await.unwrap();
        assert_eq!((fetched.peer, fetched.record), (0, record_of(&secrets, 5, 3, votes)));
        let liars = guardians_where(&[Manner::Silent, lie, Manner::Silent], Ambiguous::Vouched).await;
        liars.ordered(5, &leaves(votes));
        assert!(timeout(Duration::from_secs(4), liars.late_outcome(5)).await.is_err());
    }
    // It is the only one that claims to have the session.
    let alone = guardians_where(&[Manner::Long], Ambiguous::Vouched).await;
    assert!(timeout(Duration::from_secs(4), alone.late_outcome(5)).await.is_err());
    alone.ordered(5, &leaves(LONG));
    assert_eq!(timeout(Duration::from_secs(4), alone.late_outcome(5)).await.unwrap().peer, 0);
}

/// If only nodes order, none of them signs the long one.
#[tokio::test(flavor = "multi_thread")]
async fn among_nodes_alone_a_repeated_end_is_refused() {
    for manners in [[Manner::Long, Manner::Short, Manner::Long], [Manner::Short, Manner::Long, Manner::Long]]
    {
        let fetched = guardians(&manners).await.outcome(5).await;
        assert_eq!(fetched.record, record_of(&keys().0, 5, 3, SHORT));
    }
}

/// A session may end while a record of it is checked: then the caller is gone, but the record still takes its
/// memory.
#[tokio::test(flavor = "multi_thread")]
async fn one_large_record_is_in_memory_at_a_time_and_is_looked_at_to_the_end() {
    let _alone = LARGE.lock().await;
    // No record is checked before this value is dropped.
    let (looking, wait) = mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    for _ in 0..2 {
        let wait = wait.clone();
        tokio::spawn(aside(move || wait.lock().unwrap().recv()));
    }
    let (url, asked) = Fake::serve(Manner::Mountain).await;
    let refused = Arc::<AtomicU64>::default();
    let urls = BTreeMap::from([(0, Guardian::new(url))]);
    let guardians = Guardians::watch(urls, &keys().1, Ambiguous::Refused, refused.clone());
    guardians.first_look(Duration::from_secs(10)).await;
    // Requested once in parallel with others and once alone; the record arrives well before the caller is
    // gone.
    assert!(timeout(Duration::from_secs(6), guardians.outcome(3)).await.is_err());
    assert_eq!(asked.load(Relaxed), 2);
    let (url, asked) = Fake::serve(Manner::Mountain).await;
    let patience = Duration::from_secs(10);
    let other =
        tokio::spawn(async move { Guardian::new(url).record(3, patience).await.map(|(record, _)| record) });
    sleep(Duration::from_secs(2)).await;
    assert_eq!((asked.load(Relaxed), refused.load(Relaxed)), (1, 0), "it waits for the first one's room");
    drop(looking);
    assert_eq!(other.await.unwrap().unwrap(), crumbs(1_000_000));
    assert_eq!((asked.load(Relaxed), refused.load(Relaxed)), (2, 1), "nobody waited for it any more");
}

/// The rows of a running federation are those of the history alone, whatever number another key holds.
#[test]
fn a_key_of_another_table_has_no_row() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(Fake::serve(Manner::Honest)).0;
    let keys = keys().1;
    let live = LiveHistory::open(BTreeMap::from([(0, Guardian::new(url))]), &keys).unwrap();
    assert_eq!(live.sessions(), FINISHED);
    let mut key = session_key(7);
    assert_eq!(live.get(&key).unwrap(), Some(record(&self::keys().0, 7, 3)));
    assert_eq!(live.get(&session_key(FINISHED)).unwrap(), None);
    key[0] += 1;
    assert_eq!(live.get(&key).unwrap(), None);
    assert_eq!(live.scan_range(&key, None).count(), 0);
    assert_eq!(live.keys(&[], None).count() as u64, FINISHED);
}
