//! A guardian that orders like an honest one, and sends harmful messages to the others over the same links:
//! for stories, never shipped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use fm_aleph::Session;
use fm_guardian::NodeConfig;
use fm_peers::Peers;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::byzantine::{Memory, follow, member, setup};

/// The pause between two messages to each of the others: 500 a second, a quarter of the rate at which a link
/// is read.
const PAUSE: Duration = Duration::from_millis(20);
const MESSAGES_AT_ONCE: u64 = 10;
/// The pause between two messages of 4 MiB.
const BETWEEN_LARGE: Duration = Duration::from_millis(400);

/// What it sends in addition to its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Nothing.
    None,
    /// Multi-signatures of fork alerts with a place for each of millions of guardians, all empty: each place
    /// takes one byte in the message and 65 in memory.
    EmptyPlaces,
    /// Requests that name another guardian as the sender, so that the answers go there.
    OtherNames,
}

/// Guardian 0; it ends when this value is dropped.
pub struct Rogue {
    /// The number of messages that it sent in addition to its units, to all others.
    pub sent: Arc<AtomicU64>,
    attack: watch::Sender<Attack>,
    runtime: Option<Runtime>,
}

impl Rogue {
    /// Starts guardian 0 of a federation with the files in that directory.
    pub fn start(directory: &Path, password: &str) -> Self {
        let config = Arc::new(NodeConfig::read(directory, password).expect("a guardian's files"));
        let (sent, runtime) = (Arc::<AtomicU64>::default(), Runtime::new().expect("a runtime"));
        let (attack, attacks) = watch::channel(Attack::None);
        runtime.block_on(async {
            let (tell, finished) = watch::channel(0);
            tokio::spawn(follow(config.consensus.api_endpoints[&1].url.clone(), tell));
            let others: Vec<u16> = config.keys.peers().filter(|peer| *peer != 0).collect();
            let (peers, incoming) = Peers::start(setup(&config, &others)).await.expect("links");
            let member = member(&config, Arc::new(peers), incoming);
            tokio::spawn(send(member.peers.clone(), attacks, sent.clone()));
            tokio::spawn(order(member, finished));
        });
        Self { sent, attack, runtime: Some(runtime) }
    }

    /// Switches to another attack.
    pub fn attack(&self, attack: Attack) {
        self.attack.send_replace(attack);
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Orders sessions one at a time, like an honest guardian that has nothing to propose.
async fn order(member: fm_aleph::Member, mut finished: watch::Receiver<u64>) {
    loop {
        let session = *finished.borrow_and_update();
        let log = Arc::new(Memory::default());
        let mut aleph = Session::start(&member, session, log, Box::new(|| None)).expect("a session");
        let is_over = async {
            // An error ends this guardian.
            let _ = finished.wait_for(|count| *count > session).await;
        };
        tokio::pin!(is_over);
        tokio::select! {
            () = async { while aleph.next().await.is_some() {} } => is_over.await,
            () = &mut is_over => (),
        }
        aleph.stop().await;
    }
}

async fn send(peers: Arc<Peers>, attacks: watch::Receiver<Attack>, sent: Arc<AtomicU64>) {
    let places = empty_places();
    loop {
        let attack = *attacks.borrow();
        match attack {
            Attack::None => (),
            Attack::EmptyPlaces => {
                peers.broadcast(&places);
                sent.fetch_add(1, Relaxed);
                sleep(BETWEEN_LARGE).await;
            }
            Attack::OtherNames => {
                for _ in 0..MESSAGES_AT_ONCE {
                    let turn = sent.fetch_add(1, Relaxed);
                    peers.broadcast(&request(1 + turn % 3, turn).into());
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// Returns a multi-signature under some hash, with 4,194,000 places.
fn empty_places() -> Arc<[u8]> {
    const PLACES: u32 = 4_194_000;
    let head = [&[1, 1][..], &0_u64.to_le_bytes(), &[1], &[9; 32], &(PLACES << 2 | 2).to_le_bytes()].concat();
    [head, vec![0; PLACES as usize]].concat().into()
}

/// Returns a request in the name of a guardian: for its newest unit, a unit by its coordinates, the parents
/// of a unit, an alert, or a message that makes the other side ask for one.
fn request(name: u64, turn: u64) -> Vec<u8> {
    let (name, salt) = (name.to_le_bytes(), turn.to_le_bytes());
    match turn % 5 {
        0 => [&[0, 5][..], &name, &salt].concat(),
        1 => [&[0, 1][..], &name, &[1, 0], &[turn.to_le_bytes()[0] % 4, 0, 0, 0, 0, 0, 0, 0]].concat(),
        2 => [&[0, 3][..], &name, &[7; 32]].concat(),
        3 => [&[1, 2][..], &name, &[7; 32]].concat(),
        _ => [&[1, 1][..], &name, &[0], &salt, &[7; 24], &name, &[5; 64]].concat(),
    }
}
