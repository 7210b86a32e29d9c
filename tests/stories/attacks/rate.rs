//! Each attack by itself: guardians finish sessions at no less than 0.8 of their rate without it.
//!
//! Calm and attacked periods alternate in one federation, and each attacked period is compared with those
//! before and after it: anything else that the machine does meanwhile slows both. An attack that looks too
//! strong at first is tried again, so that chance does not fail the story; an attack that stops or halves a
//! federation cannot pass.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Attack, Nodes, Rogue, Swollen};

use crate::means::{
    Attacking, few_connections, guess, large_sessions, nobody_is_large, read_nothing, say_nothing,
    wait_with_large_ids,
};

/// The guardians that are not guardian 0.
const HONEST: std::ops::Range<usize> = 1..4;
/// The number of sessions of a period; periods of each attack, at least and at most.
const SESSIONS: u64 = 4;
const LEAST_TIMES: usize = 2;
const MOST_TIMES: usize = 8;
const LEAST_RATE: f64 = 0.8;
const LOOK_AFTER: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(120);

/// The means of an attack.
#[derive(Clone, Copy, Debug)]
enum Means {
    /// Messages of guardian 0 over its links.
    Links(Attack),
    /// Requests that wait, with large ids.
    Ids,
    /// What the interface of guardian 0 answers.
    Interface,
    /// Clients that read no answer.
    Unread,
    /// Clients that say nothing.
    Idle,
    /// Guesses of passwords.
    Guesses,
}

const ALL: [Means; 7] = [
    Means::Links(Attack::EmptyPlaces),
    Means::Ids,
    Means::Interface,
    Means::Unread,
    Means::Idle,
    Means::Links(Attack::OtherNames),
    Means::Guesses,
];

/// The measurements of an attack.
struct Measured {
    means: Means,
    /// Seconds per session, with the attack and, around it, without.
    attacked: Vec<f64>,
    calm: Vec<f64>,
    /// The number of times that the attackers did what they do.
    done: u64,
}

impl Measured {
    /// Returns the rate under the attack, as a fraction of the rate without.
    fn rate(&self) -> f64 {
        self.calm.iter().sum::<f64>() / self.attacked.iter().sum::<f64>()
    }

    fn is_decided(&self) -> bool {
        self.attacked.len() >= LEAST_TIMES && self.rate() >= LEAST_RATE
    }
}

struct Siege {
    nodes: Nodes,
    rogue: Rogue,
    /// The range of sessions that are large.
    large: (u64, u64),
}

impl Siege {
    fn new() -> Self {
        let mut nodes = Nodes::new(15).with_least_memory();
        few_connections(&nodes);
        HONEST.for_each(|peer| nodes.start(peer));
        let rogue = Rogue::start(&nodes.directory(0), "dev");
        nodes.wait_for(1, 3);
        let large = large_sessions(&nodes, HONEST, 12);
        Self { nodes, rogue, large }
    }

    /// Waits until guardian 1 has finished this many sessions; returns how many it has then, and when that
    /// was seen.
    fn until(&self, sessions: u64) -> (u64, Instant) {
        let start = Instant::now();
        loop {
            // If it does not answer, it is asked again.
            if let Some(finished) = self.nodes.finished(1).filter(|finished| *finished >= sessions) {
                return (finished, Instant::now());
            }
            assert!(start.elapsed() < PATIENCE, "not at session {sessions}:\n{}", self.nodes.log(1));
            thread::sleep(LOOK_AFTER);
        }
    }

    /// Measures the current time per session, in seconds. The open session belongs to the period before.
    fn pace(&self) -> f64 {
        let (begin, start) = self.until(self.until(0).0 + 1);
        let (end, over) = self.until(begin + SESSIONS);
        (over - start).as_secs_f64() / f64::from(u32::try_from(end - begin).unwrap())
    }

    /// Measures the pace under an attack, and how many times the attackers did what they do.
    fn attacked(&self, means: Means) -> (f64, u64) {
        let interfaces = || HONEST.map(|peer| self.nodes.interface(peer));
        let by = |attacking: Attacking| (self.pace(), attacking.done());
        match means {
            Means::Links(attack) => {
                let before = self.rogue.sent.load(Relaxed);
                self.rogue.attack(attack);
                let pace = self.pace();
                self.rogue.attack(Attack::None);
                (pace, self.rogue.sent.load(Relaxed) - before)
            }
            Means::Interface => {
                let swollen = Swollen::at(&self.nodes.interface(0));
                (self.pace(), swollen.answers.load(Relaxed) + swollen.records.load(Relaxed))
            }
            Means::Ids => by(Attacking::begin(interfaces(), wait_with_large_ids)),
            Means::Unread => {
                let large = self.large;
                let attack = move |interface: &str, order: &_| read_nothing(interface, large, order);
                by(Attacking::begin(interfaces(), attack))
            }
            Means::Idle => by(Attacking::begin(interfaces(), say_nothing)),
            Means::Guesses => by(Attacking::begin(interfaces(), guess)),
        }
    }

    /// Returns the number of messages of guardian 0 that a guardian left out.
    fn left_out(&self, peer: usize) -> u64 {
        let metrics = self.nodes.page(peer, "/metrics");
        let counted =
            metrics.lines().find_map(|line| line.strip_prefix("fm_node_link_garbage_total{guardian=\"0\"} "));
        counted.unwrap_or_else(|| panic!("no counter:\n{metrics}")).parse().unwrap()
    }
}

#[test]
fn each_attack_leaves_the_rate() {
    let siege = Siege::new();
    let fresh = |means| Measured { means, attacked: Vec::new(), calm: Vec::new(), done: 0 };
    let mut measured: Vec<Measured> = ALL.into_iter().map(fresh).collect();
    let mut calm = siege.pace();
    for _ in 0..MOST_TIMES {
        for attack in measured.iter_mut().filter(|attack| !attack.is_decided()) {
            let (attacked, done) = siege.attacked(attack.means);
            let after = siege.pace();
            println!(
                "{:?}: {attacked:.2} s for a session; without it {calm:.2} s before, {after:.2} s after",
                attack.means
            );
            attack.attacked.push(attacked);
            attack.calm.push(f64::midpoint(calm, after));
            attack.done += done;
            calm = after;
        }
    }
    for Measured { means, attacked, calm, done } in &measured {
        println!("{means:?}: {done} times; seconds for a session {attacked:.2?}, without it {calm:.2?}");
    }
    nobody_is_large(&siege.nodes, HONEST);
    for peer in HONEST {
        assert!(siege.left_out(peer) >= 100, "guardian {peer} left out {} messages", siege.left_out(peer));
    }
    for attack in &measured {
        let (means, rate, done) = (attack.means, attack.rate(), attack.done);
        assert!(done >= 5, "{means:?} was tried {done} times only");
        assert!(rate >= LEAST_RATE, "{means:?}: sessions at {rate:.2} of the rate without");
    }
    let Siege { mut nodes, rogue, .. } = siege;
    // A client that says nothing wrong is served all the while.
    nodes.ask(1, &["status"]).exits(0);
    let sessions = nodes.shut_down();
    nodes.root_of(HONEST, sessions);
    drop(rogue);
}
