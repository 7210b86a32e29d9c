//! A guardian that misbehaves with its real keys: for stories, never shipped.
//!
//! It orders with two copies of itself, each linked to another part of the federation, so it makes two units
//! of a round (forks). Both sign wrong headers and propose garbage; in every fourth session only one of them
//! does, so that its units are ordered. In every fourth session it floods instead: with what it heard before,
//! with meaningless bytes, and with messages that are too long. In every fourth it holds its links and reads
//! nothing. Its interface says what it likes, and returns mutated outcomes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fm_aleph::{Member, Proposals, Session, UnitLog};
use fm_codec::{Dialect, Encode, Writer};
use fm_consensus::{DUMMY_ISSUER, Schedule, UnitPayload};
use fm_guardian::{NodeConfig, issue};
use fm_history::{ConsensusItem, SessionHeader, sha256};
use fm_peers::{Incoming, MAX_MESSAGE_BYTES, Other, Peers, Setup, SignOfLife, TlsKeyPair};
use fm_rpc::{Client, Dial, Limits, serve};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::mutated::Mutator;

/// The number of ways in which it misbehaves, in turn by session.
const CRIMES: u64 = 4;
const LOOK_AFTER: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of messages that are kept to be sent again.
const MOST_HEARD: usize = 3000;

/// Counts of what it did.
#[derive(Debug, Default)]
pub struct Crimes {
    /// Units that its copies requested.
    pub units: AtomicU64,
    /// Messages of a flood.
    pub flood: AtomicU64,
    /// Sessions in which it read nothing.
    pub stalled: AtomicU64,
    /// Mutated outcomes that it returned.
    pub mutated: AtomicU64,
}

/// The guardian; it ends when this value is dropped.
pub struct Byzantine {
    /// What it did so far.
    pub crimes: Arc<Crimes>,
    runtime: Option<Runtime>,
}

impl Byzantine {
    /// Starts guardian 0 of a federation with the files in that directory; `near` hears one copy, all others
    /// the other.
    pub fn start(directory: &Path, password: &str, near: &[u16]) -> Self {
        let config = Arc::new(NodeConfig::read(directory, password).expect("a guardian's files"));
        assert_eq!(
            config.me(),
            0,
            "the guardian that dials all others: it alone decides who hears which copy"
        );
        let crimes = Arc::<Crimes>::default();
        let runtime = Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let (tell, finished) = watch::channel(0);
            let honest = config.consensus.api_endpoints[&1].url.clone();
            tokio::spawn(follow(honest.clone(), tell));
            let address = config.api_address().expect("an address");
            let listener = tokio::net::TcpListener::bind(address).await.expect("its port is free");
            let mutator = Arc::new(Mutator::new(honest, crimes.clone()));
            tokio::spawn(serve(listener, mutator, Limits::default()));
            let (near, far): (Vec<u16>, Vec<u16>) =
                config.keys.peers().filter(|peer| *peer != 0).partition(|peer| near.contains(peer));
            for (copy, hears) in [near, far].into_iter().enumerate() {
                let copy = Copy { number: copy, config: config.clone(), crimes: crimes.clone() };
                tokio::spawn(copy.run(hears, finished.clone()));
            }
        });
        Self { crimes, runtime: Some(runtime) }
    }
}

impl Drop for Byzantine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Publishes how many sessions an honest guardian has finished.
pub(crate) async fn follow(url: String, tell: watch::Sender<u64>) {
    let mut client = None;
    loop {
        if client.as_ref().is_none_or(Client::is_closed) {
            client = Client::connect(&url, &Dial { longest_answer: 1 << 20, ..Dial::default() }).await.ok();
        }
        if let Some(client) = &client
            && let Ok(count) = client.request("session_count", None, &Value::Null, PATIENCE).await
        {
            tell.send_replace(count);
        }
        sleep(LOOK_AFTER).await;
    }
}

/// Units in memory only: it forgets what it signed whenever it likes.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Vec<u8>>);

impl UnitLog for Memory {
    fn read(&self) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().expect("nobody panics with it").clone())
    }

    fn append(&self, unit: &[u8], _: bool) -> io::Result<()> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(unit);
        Ok(())
    }
}

/// Returns the setup of guardian 0's links to some of the others.
pub(crate) fn setup(config: &NodeConfig, hears: &[u16]) -> Setup {
    let certificate = |peer| config.certificate(peer).expect("a certificate");
    let others: BTreeMap<u16, Other> = hears
        .iter()
        .map(|peer| {
            let address = config.p2p_address(*peer).expect("an address");
            (*peer, Other { certificate: certificate(*peer), address })
        })
        .collect();
    let key = config.tls_key.as_deref().cloned().expect("a key of the certificate");
    let tls_key_pair = TlsKeyPair { certificate: certificate(0), key };
    let sign_of_life = SignOfLife::default();
    Setup { me: 0, tls_key_pair, listen: "127.0.0.1:0".to_owned(), others, sign_of_life }
}

/// Creates guardian 0 over those links.
pub(crate) fn member(config: &NodeConfig, peers: Arc<Peers>, incoming: Incoming) -> Member {
    Member {
        me: 0,
        keys: Arc::new(config.keys.clone()),
        key: Arc::new(config.signing_key()),
        peers,
        incoming: Arc::new(tokio::sync::Mutex::new(incoming)),
        schedule: Schedule::rounds(config.consensus.broadcast_rounds_per_session).expect("a schedule"),
        round_delay: config.round_delay(),
    }
}

/// One of the two copies.
struct Copy {
    number: usize,
    config: Arc<NodeConfig>,
    crimes: Arc<Crimes>,
}

impl Copy {
    async fn run(self, hears: Vec<u16>, mut finished: watch::Receiver<u64>) {
        let (peers, incoming) = Peers::start(setup(&self.config, &hears)).await.expect("links");
        let peers = Arc::new(peers);
        let member = member(&self.config, peers.clone(), incoming);
        let mut heard = Vec::new();
        loop {
            let session = *finished.borrow_and_update();
            let orders_alone = session % CRIMES == 3 && self.number == 0;
            if session.is_multiple_of(CRIMES) || orders_alone {
                self.fork(&member, session, &mut finished).await;
                continue;
            }
            let work = async {
                match session % CRIMES {
                    1 => self.flood(&member, &mut heard).await,
                    _ => self.stall().await,
                }
            };
            tokio::select! {
                () = work => (),
                _ = finished.wait_for(|count| *count > session) => (),
            }
        }
    }

    /// Orders like an honest guardian, as one of the two copies.
    async fn fork(&self, member: &Member, session: u64, finished: &mut watch::Receiver<u64>) {
        let log = Arc::new(Memory::default());
        let mut aleph = Session::start(member, session, log, self.proposals(session)).expect("a session");
        let is_over = async {
            // An error ends this guardian.
            let _ = finished.wait_for(|count| *count > session).await;
        };
        tokio::select! {
            () = async { while aleph.next().await.is_some() {} } => (),
            () = is_over => (),
        }
        aleph.stop().await;
        sleep(LOOK_AFTER).await;
    }

    /// Proposes, in turn: a transaction that only this copy has, bytes that are not a batch, a batch of an
    /// unknown module, a signature over a header that is nobody's, and bytes that are not a signature.
    fn proposals(&self, session: u64) -> Proposals {
        let (config, crimes, number) = (self.config.clone(), self.crimes.clone(), self.number);
        Box::new(move || {
            let turn = crimes.units.fetch_add(1, Relaxed);
            let batch = |items: &[ConsensusItem]| {
                let mut batch = Writer::new(Dialect::MODERN);
                batch.list(items.iter(), |batch, item| item.encode(batch));
                Some(UnitPayload::Batch(batch.into_bytes()))
            };
            match turn % 5 {
                0 => batch(&[ConsensusItem::Transaction(issue(0, 1 + number as u64, &DUMMY_ISSUER).ok()?)]),
                1 => Some(UnitPayload::Batch(vec![0xFF; 200])),
                2 => batch(&[ConsensusItem::Default { variant: 9, bytes: vec![0; 40] }]),
                3 => {
                    let root = sha256(&[&turn.to_be_bytes()]);
                    let message = config.keys.message(&SessionHeader { index: session, root }.to_bytes());
                    Some(UnitPayload::Signature(config.signing_key().sign(&message)))
                }
                _ => Some(UnitPayload::Signature([7; 64])),
            }
        })
    }

    /// Sends what it heard again and again, with and without a changed byte, and worse, as fast as the links
    /// accept it.
    async fn flood(&self, member: &Member, heard: &mut Vec<Vec<u8>>) {
        let mut incoming = member.incoming.lock().await;
        let mut turn = 0;
        loop {
            while let Ok(Some((_, message))) = timeout(Duration::from_millis(1), incoming.next()).await {
                if heard.len() < MOST_HEARD {
                    heard.push(message);
                }
            }
            for _ in 0..200 {
                turn += 1;
                let mut message = heard.get(turn % heard.len().max(1)).cloned().unwrap_or_default();
                match turn % 4 {
                    0 => message.truncate(turn % 90),
                    1 if !message.is_empty() => {
                        let place = turn.wrapping_mul(31) % message.len();
                        message[place] ^= 1 << (turn % 8);
                    }
                    2 => message.extend([0xFF; 9]),
                    _ => (),
                }
                if turn % 5000 == 4999 {
                    message = vec![0; MAX_MESSAGE_BYTES + 1];
                }
                member.peers.broadcast(&message.into());
                self.crimes.flood.fetch_add(1, Relaxed);
            }
        }
    }

    /// Keeps its links, reads nothing and sends nothing.
    async fn stall(&self) {
        self.crimes.stalled.fetch_add(1, Relaxed);
        std::future::pending::<()>().await;
    }
}
