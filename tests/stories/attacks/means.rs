//! What attackers do while they are allowed to, and what must hold meanwhile.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fm_codec::{Dialect, Encode, ModuleValue, Writer};
use fm_crypto::SigningKey;
use fm_history::{Transaction, TransactionSignature};
use fm_tests::{Attacker, Nodes};
use serde_json::Value;

/// The memory that a guardian may take, in MiB.
const MOST_MEMORY: u64 = 200;
/// An address of this machine that the guardians do not use.
pub(crate) const ELSEWHERE: [u8; 4] = [127, 0, 0, 99];
pub(crate) const AT_HOME: [u8; 4] = [127, 0, 0, 1];
/// The number of client connections of a guardian, in a story that takes all of them.
const FEW_CONNECTIONS: u64 = 40;

/// The number of connections of one attacker that read nothing.
const MOST_DEAF: u64 = 50;
/// Guesses on a connection: 200 a second.
const GUESSES: u32 = 20;
/// The number of connections of one attacker that say nothing.
const MOST_IDLE: usize = 200;

/// Whether an attack is over, and how many times it did what it does.
#[derive(Default)]
pub(crate) struct Order {
    over: AtomicBool,
    done: AtomicU64,
}

impl Order {
    fn goes_on(&self) -> bool {
        !self.over.load(Relaxed)
    }

    fn did(&self) {
        self.done.fetch_add(1, Relaxed);
    }
}

/// Attackers, one for each interface; they end when this value is dropped.
pub(crate) struct Attacking {
    order: Arc<Order>,
    attackers: Vec<JoinHandle<()>>,
}

impl Attacking {
    pub(crate) fn begin(
        interfaces: impl IntoIterator<Item = String>,
        attack: impl Fn(&str, &Order) + Clone + Send + 'static,
    ) -> Self {
        let order = Arc::<Order>::default();
        let begin = |interface: String| {
            let (order, attack) = (order.clone(), attack.clone());
            thread::spawn(move || attack(&interface, &order))
        };
        let attackers = interfaces.into_iter().map(begin).collect();
        Self { order, attackers }
    }

    /// Returns how many times they did what they do.
    pub(crate) fn done(&self) -> u64 {
        self.order.done.load(Relaxed)
    }
}

impl Drop for Attacking {
    fn drop(&mut self) {
        self.order.over.store(true, Relaxed);
        for attacker in self.attackers.drain(..) {
            let ended = attacker.join();
            assert!(ended.is_ok() || thread::panicking(), "an attacker gave up");
        }
    }
}

#[track_caller]
pub(crate) fn nobody_is_large(nodes: &Nodes, peers: impl IntoIterator<Item = usize>) {
    for peer in peers {
        let peak = nodes.peak(peer);
        assert!(peak < MOST_MEMORY, "guardian {peer} took {peak} MiB");
        assert!(!nodes.log(peer).contains("panicked"), "{}", nodes.log(peer));
    }
}

/// Limits the client connections of guardians to a few, before they start.
pub(crate) fn few_connections(nodes: &Nodes) {
    for peer in 0..nodes.guardians() {
        let path = nodes.directory(peer).join("local.json");
        let mut local: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        local["max_connections"] = FEW_CONNECTIONS.into();
        fs::write(&path, local.to_string()).unwrap();
    }
}

/// Makes sessions finish with some transactions of 36 KB, submitted to these guardians; returns the first
/// session with one and the session after the last.
pub(crate) fn large_sessions(nodes: &Nodes, guardians: Range<usize>, transactions: u64) -> (u64, u64) {
    let first = guardians.start;
    let begin = nodes.finished(first).unwrap();
    for (nonce, peer) in (0..transactions).zip(guardians.cycle()) {
        nodes.ask(peer, &["submit", "--no-wait", &large_transaction(nonce)]).exits(0);
    }
    nodes.wait_for(first, begin + 4);
    (begin, nodes.finished(first).unwrap())
}

/// Returns a transaction of about 36 KB.
fn large_transaction(nonce: u64) -> String {
    let key = SigningKey::from_bytes(*b"Money printer go brrr...........").unwrap();
    let posting = |amount: u64, account: &[u8]| {
        let mut body = Writer::new(Dialect::MODERN);
        body.u64(amount);
        body.raw(account);
        ModuleValue { instance: 0, body: body.into_bytes() }
    };
    let account = [&[2_u8][..], &[1; 32]].concat();
    let mut transaction = Transaction {
        inputs: vec![posting(1000, &key.public_key())],
        outputs: (0..1000).map(|_| posting(1, &account)).collect(),
        nonce: nonce.to_be_bytes(),
        signature: TransactionSignature::Schnorr(Vec::new()),
    };
    transaction.signature = TransactionSignature::Schnorr(vec![key.sign(&transaction.txid().0)]);
    hex::encode(transaction.to_bytes(Dialect::MODERN))
}

fn objects(bytes: usize) -> String {
    format!("[{}0]", r#"{"":0},"#.repeat(bytes / 7))
}

/// Sends requests that are never answered, with large ids and parameters, on up to 20 connections at a time.
pub(crate) fn wait_with_large_ids(interface: &str, order: &Order) {
    let (far, many) = (u64::MAX, objects(1_000_000));
    let forever = format!(r#"[{{"auth":null,"params":{far}}}]"#);
    let padded = format!(r#"[{{"auth":"{}","params":{far}}}]"#, "x".repeat(1_000_000));
    let mut held = VecDeque::new();
    while order.goes_on() {
        let Ok(mut attacker) = Attacker::connect(interface, ELSEWHERE) else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        for turn in 0..70 {
            let id = if turn % 10 == 0 { many.as_str() } else { "1" };
            let params = if turn % 10 == 1 { &padded } else { &forever };
            // The guardian may close the connection for this request.
            if attacker.ask(id, "await_signed_session_outcome", params).is_err() {
                break;
            }
        }
        order.did();
        held.push_front(attacker);
        held.truncate(20);
        thread::sleep(Duration::from_millis(500));
    }
}

/// Requests these sessions again and again, and reads no answer.
pub(crate) fn read_nothing(interface: &str, (begin, end): (u64, u64), order: &Order) {
    let mut deaf = VecDeque::new();
    while order.goes_on() {
        let place = u8::try_from(order.done.load(Relaxed) % MOST_DEAF).unwrap();
        if let Ok(mut attacker) = Attacker::connect(interface, [127, 0, 1, place]) {
            let asks = (0..60).take_while(|turn| {
                let params = format!(r#"[{{"auth":null,"params":{}}}]"#, begin + turn % (end - begin));
                attacker.ask("1", "await_signed_session_outcome", &params).is_ok()
            });
            asks.for_each(drop);
            order.did();
            deaf.push_front(attacker);
        }
        // All at first; then replacements for those that were closed.
        deaf.retain_mut(|attacker| attacker.ask("2", "version", "[]").is_ok());
        let is_full = deaf.len() as u64 >= MOST_DEAF / 2;
        thread::sleep(Duration::from_millis(if is_full { 500 } else { 100 }));
        deaf.truncate(usize::try_from(MOST_DEAF).unwrap());
    }
}

/// Keeps more connections open than the guardian accepts, from the guardians' own address, and says nothing.
pub(crate) fn say_nothing(interface: &str, order: &Order) {
    let mut idle: VecDeque<Attacker> = VecDeque::new();
    while order.goes_on() {
        for _ in idle.len()..MOST_IDLE.min(idle.len() + 10) {
            if let Ok(attacker) = Attacker::connect(interface, AT_HOME) {
                order.did();
                idle.push_back(attacker);
            }
        }
        idle.retain_mut(|attacker| !attacker.is_closed());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Guesses passwords, and hangs up without an answer.
pub(crate) fn guess(interface: &str, order: &Order) {
    while order.goes_on() {
        thread::sleep(Duration::from_millis(100));
        let Ok(mut guesser) = Attacker::connect(interface, ELSEWHERE) else { continue };
        for number in 0..GUESSES {
            let params = format!(r#"[{{"auth":"guess {number}","params":null}}]"#);
            // The guardian may close the connection for this guess.
            if guesser.ask("1", "auth", &params).is_ok() {
                order.did();
            }
        }
    }
}
