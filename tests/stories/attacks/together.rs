//! All attacks at the same time: how much they slow a federation, how much memory its guardians hold, and
//! whether that grows.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Attack, Nodes, Rogue, Swollen};

use crate::means::{
    Attacking, guess, large_sessions, nobody_is_large, read_nothing, say_nothing, wait_with_large_ids,
};

const HONEST: std::ops::Range<usize> = 1..4;
/// Rounds of a session in a long run: they take ten seconds; in production, a session takes three minutes. A
/// guardian whose answers are lost in its own flood is waited for five seconds at the start, however short
/// the session is.
const LONG_SESSION: u16 = 500;
const SHORT_SESSION: u16 = 15;
const LOOK_AFTER: Duration = Duration::from_millis(30);

/// Measurements over some time.
struct Seen {
    /// The longest time of a session.
    longest: Duration,
    /// The memory that each guardian held, in MiB, about once a second.
    held: Vec<Vec<u64>>,
}

impl Seen {
    /// Returns the mean memory of each guardian.
    fn average(&self) -> Vec<u64> {
        let count = self.held.len().max(1) as u64;
        (0..HONEST.len()).map(|place| self.held.iter().map(|held| held[place]).sum::<u64>() / count).collect()
    }
}

fn watch(nodes: &Nodes, time: Duration) -> Seen {
    let start = Instant::now();
    let mut seen = Seen { longest: Duration::ZERO, held: Vec::new() };
    let (mut finished, mut since) = (nodes.finished(1).unwrap(), Instant::now());
    while start.elapsed() < time || seen.longest.is_zero() {
        assert!(since.elapsed() < Duration::from_secs(120), "no session:\n{}", nodes.log(1));
        thread::sleep(LOOK_AFTER);
        if seen.held.len() as u64 <= start.elapsed().as_secs() {
            seen.held.push(HONEST.map(|peer| nodes.resident(peer)).collect());
        }
        let now = nodes.finished(1).unwrap_or(finished);
        if now > finished {
            seen.longest = seen.longest.max(since.elapsed() / u32::try_from(now - finished).unwrap());
            (finished, since) = (now, Instant::now());
        }
    }
    seen
}

/// One guardian attacks over its links and through its interface's answers; remote parties without a password
/// attack the interfaces of the honest guardians: all at the same time, for `FM_ATTACK_SECONDS`.
#[test]
fn all_attacks_at_once_change_nothing() {
    let seconds = std::env::var("FM_ATTACK_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    let half = Duration::from_secs(seconds) / 2;
    // In a short run beside other tests, a session may be late for many reasons.
    let is_long = seconds >= 60;
    let (rounds, calm_seconds) = if is_long { (LONG_SESSION, 40) } else { (SHORT_SESSION, 10) };
    let mut nodes = Nodes::new(rounds).with_least_memory();
    HONEST.for_each(|peer| nodes.start(peer));
    let rogue = Rogue::start(&nodes.directory(0), "dev");
    nodes.wait_for(1, 3);
    let large = large_sessions(&nodes, HONEST, 24);
    let calm = watch(&nodes, Duration::from_secs(calm_seconds)).longest;
    let swollen = Swollen::at(&nodes.interface(0));
    let unread = move |interface: &str, order: &_| read_nothing(interface, large, order);
    let attackers = [
        Attacking::begin([nodes.interface(1)], wait_with_large_ids),
        Attacking::begin([nodes.interface(2)], unread),
        Attacking::begin([nodes.interface(3)], say_nothing),
        Attacking::begin([nodes.interface(3)], guess),
    ];
    rogue.attack(Attack::EmptyPlaces);
    let first = watch(&nodes, half);
    let open: Vec<usize> = HONEST.map(|peer| nodes.descriptors(peer)).collect();
    rogue.attack(Attack::OtherNames);
    let second = watch(&nodes, half);
    rogue.attack(Attack::None);
    let grown = HONEST.zip(&open).all(|(peer, open)| nodes.descriptors(peer) < open + 60);
    assert!(grown, "descriptors grow from {open:?}");
    let (longest, peaks) = (first.longest.max(second.longest), HONEST.map(|peer| nodes.peak(peer)));
    let (peaks, held) = (peaks.collect::<Vec<_>>(), [first.average(), second.average()]);
    let _ = writeln!(
        std::io::stderr(),
        "{seconds} s of all attacks: longest session {longest:.1?}, {calm:.1?} without; MiB {held:?} on average of each half, \
         {peaks:?} at the most; open files {open:?}; {} messages over links, {} answers, {:?} times by others",
        rogue.sent.load(Relaxed),
        swollen.answers.load(Relaxed),
        attackers.each_ref().map(Attacking::done)
    );
    drop(attackers);
    nobody_is_large(&nodes, HONEST);
    let sessions = nodes.shut_down();
    nodes.root_of(HONEST, sessions);
    if is_long {
        assert!(longest < 2 * calm, "a session took {longest:?}, {calm:?} without the attacks");
        let [first, second] = held;
        assert!(
            first.iter().zip(&second).all(|(first, second)| *second < first + first / 4 + 8),
            "memory grows"
        );
    }
}
