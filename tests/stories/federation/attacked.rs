//! One guardian of four attacks the others over its links, with its real keys: they order as before, within their memory.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use fm_tests::{Attack, Nodes, Rogue};

const HONEST: std::ops::Range<usize> = 1..4;
/// Sessions that are timed at once, and how often.
const SESSIONS: u64 = 5;
const TRIES: u32 = 3;
/// What each honest guardian may hold, in MiB.
const MOST_MEMORY: u64 = 200;

/// Sessions that guardian 1 finishes in a second.
fn rate(nodes: &Nodes) -> f64 {
    let (begin, start) = (nodes.finished(1).unwrap(), Instant::now());
    nodes.wait_for(1, begin + SESSIONS);
    f64::from(u32::try_from(nodes.finished(1).unwrap() - begin).unwrap()) / start.elapsed().as_secs_f64()
}

/// The rate under an attack, as a part of the rate without.
fn attacked_to_calm(nodes: &Nodes, rogue: &Rogue, attack: Attack) -> f64 {
    let calm = rate(nodes);
    rogue.attack(attack);
    let attacked = rate(nodes);
    rogue.attack(Attack::None);
    attacked / calm
}

/// Messages of guardian 0 that a guardian left out.
fn left_out(nodes: &Nodes, peer: usize) -> u64 {
    let metrics = nodes.page(peer, "/metrics");
    let counted =
        metrics.lines().find_map(|line| line.strip_prefix("fm_node_link_garbage_total{guardian=\"0\"} "));
    counted.unwrap_or_else(|| panic!("no counter:\n{metrics}")).parse().unwrap()
}

fn counts(nodes: &Nodes) -> Vec<u64> {
    HONEST.map(|peer| left_out(nodes, peer)).collect()
}

#[test]
fn a_guardian_that_attacks_over_its_links_harms_nobody() {
    let mut nodes = Nodes::new(15);
    HONEST.for_each(|peer| nodes.start(peer));
    let rogue = Rogue::start(&nodes.directory(0), "dev");
    nodes.wait_for(1, 3);
    for attack in [Attack::EmptyPlaces, Attack::OtherNames] {
        let (sent, before) = (rogue.sent.load(Relaxed), counts(&nodes));
        // Other tests beside this one make either side slower: it need not be seen at once.
        let ratios: Vec<f64> = (0..TRIES).map(|_| attacked_to_calm(&nodes, &rogue, attack)).collect();
        let sent = rogue.sent.load(Relaxed) - sent;
        println!("{attack:?}: {sent} messages to each, sessions at {ratios:.2?} of the rate without");
        assert!(sent >= 10, "{attack:?}: {sent}");
        assert!(ratios.iter().any(|ratio| *ratio >= 0.8), "{attack:?}: {ratios:?} of the rate without");
        for ((peer, before), after) in HONEST.zip(before).zip(counts(&nodes)) {
            assert!(after > before, "{attack:?}: guardian {peer} counts nothing");
            let memory = nodes.peak(peer);
            assert!(memory < MOST_MEMORY, "{attack:?}: guardian {peer} held {memory} MiB");
        }
    }
    let sessions = nodes.shut_down();
    nodes.root_of(HONEST, sessions);
}
