//! Remote parties without a password at the interfaces of running guardians, and a guardian's interface that lies to the
//! others: sessions continue, and what it costs in memory stays below the limit that docs/node.md names.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use fm_codec::{Dialect, Encode, ModuleValue, Writer};
use fm_crypto::SigningKey;
use fm_history::{Transaction, TransactionSignature};
use fm_tests::{Attack, Attacker, Nodes, Rogue, Swollen};
use serde_json::Value;

/// What a guardian may take, in MiB.
const MOST_MEMORY: u64 = 200;
/// An address of this machine that is not the guardians'.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 99];
const AT_HOME: [u8; 4] = [127, 0, 0, 1];

fn objects(bytes: usize) -> String {
    format!("[{}0]", r#"{"":0},"#.repeat(bytes / 7))
}

/// Sessions that are finished within a time.
fn sessions_in(nodes: &Nodes, time: Duration) -> u64 {
    let begin = nodes.finished(1).unwrap();
    thread::sleep(time);
    nodes.finished(1).unwrap() - begin
}

const WINDOW: Duration = Duration::from_secs(10);
/// What a guardian costs a session whose answers are lost in its own flood: the library waits for it at its start.
const SILENCE: Duration = Duration::from_secs(6);

/// Sessions are finished at no less than 0.8 of the rate before. The machine may be busy with something else now and then.
#[track_caller]
fn sessions_continue(nodes: &Nodes, before: u64) {
    let windows: Vec<u64> = (0..3).map(|_| sessions_in(nodes, WINDOW)).collect();
    let best = windows.iter().max().copied().unwrap();
    assert!(best * 10 >= before * 8, "{before} sessions before, then {windows:?}");
}

#[track_caller]
fn nobody_is_large(nodes: &Nodes, peers: impl IntoIterator<Item = usize>) {
    for peer in peers {
        let peak = nodes.peak(peer);
        assert!(peak < MOST_MEMORY, "guardian {peer} took {peak} MiB");
        assert!(!nodes.log(peer).contains("panicked"), "{}", nodes.log(peer));
    }
}

/// Asks for what never comes, with ids and parameters that are large, on up to 20 connections at a time.
fn wait_with_large_ids(interface: &str, over: &AtomicBool) {
    let (far, many) = (u64::MAX, objects(1_000_000));
    let forever = format!(r#"[{{"auth":null,"params":{far}}}]"#);
    let padded = format!(r#"[{{"auth":"{}","params":{far}}}]"#, "x".repeat(1_000_000));
    let mut held = VecDeque::new();
    while !over.load(Relaxed) {
        let Ok(mut attacker) = Attacker::connect(interface, ELSEWHERE) else { continue };
        for turn in 0..70 {
            let id = if turn % 10 == 0 { many.as_str() } else { "1" };
            let params = if turn % 10 == 1 { &padded } else { &forever };
            // It may be closed for what it says.
            if attacker.ask(id, "await_signed_session_outcome", params).is_err() {
                break;
            }
        }
        held.push_front(attacker);
        held.truncate(20);
        thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn ids_and_requests_that_wait_take_no_memory() {
    let mut nodes = Nodes::new(15);
    nodes.start_all();
    nodes.wait_for(1, 2);
    let before = sessions_in(&nodes, WINDOW);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| wait_with_large_ids(&nodes.interface(0), &over));
        sessions_continue(&nodes, before);
        over.store(true, Relaxed);
    });
    nobody_is_large(&nodes, 0..4);
    // Whoever says nothing wrong is served all the while.
    nodes.ask(0, &["status"]).exits(0);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

/// A transaction of about 36 KB.
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

#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut nodes = Nodes::new(40);
    nodes.start_all();
    (0..4).for_each(|peer| nodes.wait_for(peer, 1));
    let begin = nodes.finished(0).unwrap();
    for nonce in 0..60 {
        nodes
            .ask(usize::try_from(nonce % 4).unwrap(), &["submit", "--no-wait", &large_transaction(nonce)])
            .exits(0);
    }
    nodes.wait_for(0, begin + 4);
    let end = nodes.finished(0).unwrap();
    let mut deaf = Vec::new();
    for place in 0..50 {
        let mut attacker = Attacker::connect(&nodes.interface(0), [127, 0, 1, place]).unwrap();
        for turn in 0..60 {
            let params = format!(r#"[{{"auth":null,"params":{}}}]"#, begin + turn % (end - begin));
            if attacker.ask("1", "await_signed_session_outcome", &params).is_err() {
                break;
            }
        }
        deaf.push(attacker);
    }
    thread::sleep(Duration::from_secs(3));
    nobody_is_large(&nodes, 0..4);
    // A guardian that lost everything gets its sessions all the same.
    nodes.kill(3);
    fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    nodes.start_new(3);
    nodes.wait_for(3, end);
    // Whoever takes nothing is closed, one after the other as their turns come.
    let start = Instant::now();
    let mut left = || -> usize {
        deaf.iter_mut().map(|attacker| usize::from(attacker.ask("2", "version", "[]").is_ok())).sum()
    };
    while left() > 40 {
        assert!(start.elapsed() < Duration::from_secs(90), "slow readers stay");
        thread::sleep(Duration::from_secs(1));
    }
    nobody_is_large(&nodes, 0..4);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

#[test]
fn idle_connections_shut_out_no_guardian() {
    let mut nodes = Nodes::new(15);
    for peer in 0..4 {
        let path = nodes.directory(peer).join("local.json");
        let mut local: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        local["max_connections"] = 40.into();
        fs::write(&path, local.to_string()).unwrap();
    }
    (0..3).for_each(|peer| nodes.start(peer));
    nodes.wait_for(1, 3);
    // From the guardians' own address: only what they show tells them apart.
    let occupy = |nodes: &Nodes| -> Vec<Attacker> {
        let interfaces = (0..3).flat_map(|peer| std::iter::repeat_n(nodes.interface(peer), 60));
        interfaces.filter_map(|interface| Attacker::connect(&interface, AT_HOME).ok()).collect()
    };
    let mut idle = occupy(&nodes);
    let finished = nodes.finished(1).unwrap();
    fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    nodes.start_new(3);
    let start = Instant::now();
    while nodes.finished(3).is_none_or(|own| own < finished) {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not catch up:\n{}", nodes.log(3));
        idle.retain_mut(|attacker| !attacker.is_closed());
        idle.extend(occupy(&nodes));
    }
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    assert!(!idle.is_empty());
}

#[test]
fn a_guardian_whose_interface_swells_harms_nobody() {
    let mut nodes = Nodes::new(15);
    // Guardian 0 does not run; somebody with its address answers in its name.
    let swollen = Swollen::at(&nodes.interface(0));
    (1..4).for_each(|peer| nodes.start(peer));
    nodes.wait_for(1, 3);
    let start = Instant::now();
    while swollen.records.load(Relaxed) < 3 || swollen.answers.load(Relaxed) < 20 {
        assert!(start.elapsed() < Duration::from_secs(100), "nobody asks it");
        thread::sleep(Duration::from_millis(100));
    }
    nodes.wait_for(1, nodes.finished(1).unwrap() + 5);
    nobody_is_large(&nodes, 1..4);
    // One that lost everything takes it from the other two.
    let finished = nodes.finished(1).unwrap();
    nodes.kill(3);
    fs::remove_dir_all(nodes.directory(3).join("database")).unwrap();
    nodes.start_new(3);
    nodes.wait_for(3, finished);
    nobody_is_large(&nodes, 1..4);
    let sessions = nodes.shut_down();
    nodes.root_of(1..4, sessions);
}

#[test]
fn a_guesser_who_hangs_up_guesses_no_faster() {
    let mut nodes = Nodes::new(15);
    nodes.start(0);
    nodes.wait_for(0, 0);
    let address = nodes.interface(0);
    let (start, time) = (Instant::now(), Duration::from_secs(6));
    let guessers: Vec<_> = (0..6)
        .map(|guesser| {
            let address = address.clone();
            thread::spawn(move || {
                let mut tries = 0;
                while start.elapsed() < time {
                    let Ok(mut attacker) = Attacker::connect(&address, ELSEWHERE) else { continue };
                    for guess in 0..50 {
                        let params = format!(r#"[{{"auth":"guess {guesser} {guess}","params":null}}]"#);
                        tries += u32::from(attacker.ask("1", "auth", &params).is_ok());
                    }
                    thread::sleep(Duration::from_millis(40));
                }
                tries
            })
        })
        .collect();
    let tries: u32 = guessers.into_iter().map(|guesser| guesser.join().unwrap()).sum();
    let metrics = nodes.page(0, "/metrics");
    let wrong = metrics.lines().find_map(|line| line.strip_prefix("fm_node_wrong_passwords_total ")).unwrap();
    let wrong: u64 = wrong.parse().unwrap();
    let most = 5 + start.elapsed().as_secs() / 2 + 1;
    assert!(
        tries > 500 && wrong <= most && wrong >= 5,
        "{wrong} of {tries} were checked, at most {most} may be"
    );
    // The operator, elsewhere, is let in at once.
    nodes.ask(0, &["checkpoint"]).exits(0);
}

/// Asks for sessions again and again, and reads no answer.
fn read_nothing(interface: &str, over: &AtomicBool) {
    let mut deaf = VecDeque::new();
    while !over.load(Relaxed) {
        if let Ok(mut attacker) = Attacker::connect(interface, ELSEWHERE) {
            let asks = (0..60).take_while(|session| {
                let params = format!(r#"[{{"auth":null,"params":{session}}}]"#);
                attacker.ask("1", "await_signed_session_outcome", &params).is_ok()
            });
            asks.for_each(drop);
            deaf.push_front(attacker);
            deaf.truncate(20);
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// Keeps connections open that say nothing, and guesses passwords on others.
fn idle_and_guess(interface: &str, over: &AtomicBool) {
    let mut idle = VecDeque::new();
    while !over.load(Relaxed) {
        idle.extend(Attacker::connect(interface, ELSEWHERE));
        if idle.len() > 100 {
            idle.pop_front();
        }
        if let Ok(mut guesser) = Attacker::connect(interface, ELSEWHERE) {
            for guess in 0..20 {
                // It may be closed for what it says.
                let _ = guesser.ask("1", "auth", &format!(r#"[{{"auth":"guess {guess}","params":null}}]"#));
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// How long a session takes at the most, over some time.
fn longest_session(nodes: &Nodes, time: Duration) -> Duration {
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    let (mut finished, mut since) = (nodes.finished(1).unwrap(), Instant::now());
    while start.elapsed() < time || longest.is_zero() {
        assert!(since.elapsed() < Duration::from_secs(120), "no session:\n{}", nodes.log(1));
        thread::sleep(Duration::from_millis(20));
        let now = nodes.finished(1).unwrap();
        if now > finished {
            longest = longest.max(since.elapsed() / u32::try_from(now - finished).unwrap());
            (finished, since) = (now, Instant::now());
        }
    }
    longest
}

/// One guardian attacks over its links and by what its interface answers; others without a password attack the interfaces of the
/// honest ones: all at the same time, for `FM_ATTACK_SECONDS`.
#[test]
fn all_attacks_at_once_change_nothing() {
    let seconds = std::env::var("FM_ATTACK_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    let half = Duration::from_secs(seconds) / 2;
    let mut nodes = Nodes::new(15);
    (1..4).for_each(|peer| nodes.start(peer));
    let rogue = Rogue::start(&nodes.directory(0), "dev");
    nodes.wait_for(1, 3);
    let calm = longest_session(&nodes, Duration::from_secs(10));
    let swollen = Swollen::at(&nodes.interface(0));
    let over = AtomicBool::new(false);
    let (longest, open, held) = thread::scope(|scope| {
        scope.spawn(|| wait_with_large_ids(&nodes.interface(1), &over));
        scope.spawn(|| read_nothing(&nodes.interface(2), &over));
        scope.spawn(|| idle_and_guess(&nodes.interface(3), &over));
        rogue.attack(Attack::EmptyPlaces);
        let first = longest_session(&nodes, half);
        let open: Vec<usize> = (1..4).map(|peer| nodes.descriptors(peer)).collect();
        let held: Vec<u64> = (1..4).map(|peer| nodes.peak(peer)).collect();
        rogue.attack(Attack::OtherNames);
        let second = longest_session(&nodes, half);
        rogue.attack(Attack::None);
        let grown = (1..4).zip(&open).all(|(peer, open)| nodes.descriptors(peer) < open + 60);
        assert!(grown, "descriptors grow from {open:?}");
        over.store(true, Relaxed);
        (first.max(second), open, held)
    });
    let peaks: Vec<u64> = (1..4).map(|peer| nodes.peak(peer)).collect();
    let _ = writeln!(
        std::io::stderr(),
        "{seconds} s of all attacks: longest session {longest:.1?}, {calm:.1?} without; MiB {held:?}, then {peaks:?}; open \
         files {open:?}; {} messages over links, {} answers",
        rogue.sent.load(Relaxed),
        swollen.answers.load(Relaxed)
    );
    nobody_is_large(&nodes, 1..4);
    let sessions = nodes.shut_down();
    nodes.root_of(1..4, sessions);
    // In a short run beside other tests a session may be late for many reasons.
    if seconds >= 60 {
        assert!(longest < 2 * calm + SILENCE, "a session took {longest:?}, {calm:?} without the attacks");
        assert!(
            held.iter().zip(&peaks).all(|(held, peak)| *peak < held + held / 4 + 8),
            "{held:?}, then {peaks:?}"
        );
    }
}
