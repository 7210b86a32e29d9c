//! Seven guardians under load, one of which is killed at a random moment, again and again.
//!
//! `FM_ENDURANCE_KILLS=200 cargo test --release --workspace --test federation endurance -- --nocapture` is
//! the long run; it prints the result.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use fm_tests::{Nodes, Random, binary, command};

const GUARDIANS: usize = 7;
/// Kills in an ordinary run.
const KILLS: usize = 6;

#[test]
fn guardians_that_are_killed_at_any_moment_catch_up() {
    let kills = std::env::var("FM_ENDURANCE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut nodes = Nodes::of(GUARDIANS, 12);
    nodes.start_all();
    (0..GUARDIANS).for_each(|peer| nodes.wait_for(peer, 0));
    let mut load = command(binary("fm-node"));
    load.args(["load", "--workers", "30", "--seconds", "86400", "--dir"]).arg(nodes.home());
    let mut load = load.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut random = Random::new(7);
    let (begin, mut caught_up) = (Instant::now(), Vec::new());
    for _ in 0..kills {
        let victim = random.below(GUARDIANS);
        thread::sleep(Duration::from_millis(random.below(900) as u64));
        nodes.kill(victim);
        thread::sleep(Duration::from_millis(random.below(1500) as u64));
        let finished = nodes.finished((victim + 1) % GUARDIANS).unwrap();
        let start = Instant::now();
        nodes.start(victim);
        nodes.wait_for(victim, finished);
        caught_up.push(start.elapsed());
    }
    let time = begin.elapsed();
    load.kill().unwrap();
    load.wait().unwrap();
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    for peer in 0..GUARDIANS {
        let log = nodes.log(peer);
        assert!(!log.contains("panicked") && !log.contains("consensus failure"), "{log}");
    }
    let verdict = fm_tests::verify!(nodes.directory(0), "--config", nodes.directory(0)).exits(0);
    let items = verdict.stdout.lines().find(|line| line.starts_with("sessions")).unwrap().to_owned();
    caught_up.sort_unstable();
    let (middle, most) = (caught_up[kills / 2], caught_up[kills - 1]);
    writeln!(
        std::io::stderr(),
        "{kills} kills in {time:.0?}; {items}; caught up after {middle:.1?} (median), {most:.1?} (most); one root"
    )
    .unwrap();
}
