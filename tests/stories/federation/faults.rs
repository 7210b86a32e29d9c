//! Networks and clocks that fail: a guardian that is cut off comes back to the same history.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::thread;
use std::time::Duration;

use fm_tests::{Clock, Network, Nodes, Weather};

const CUT: Weather = Weather { cut: true, delay: Duration::ZERO, lost_percent: 0 };

/// Returns how many sessions a guardian has finished once it has made no progress for three seconds.
fn standstill(nodes: &Nodes, peer: usize) -> u64 {
    let mut before = nodes.finished(peer).unwrap();
    for _ in 0..20 {
        thread::sleep(Duration::from_secs(3));
        let now = nodes.finished(peer).unwrap();
        if now == before {
            return now;
        }
        before = now;
    }
    panic!("guardian {peer} continues without a majority");
}

#[test]
fn who_is_cut_off_catches_up_and_two_halves_wait_for_each_other() {
    let mut nodes = Nodes::new(10);
    let network = Network::between(&nodes);
    nodes.start_all();
    nodes.wait_for(3, 2);
    network.set_all_of(3, CUT);
    let before = nodes.finished(0).unwrap();
    nodes.ask(1, &["submit", "--no-wait"]).exits(0);
    nodes.wait_for(0, before + 2);
    assert!(nodes.finished(3).unwrap() < before + 2, "it is cut off");
    network.set_all_of(3, Weather::default());
    nodes.wait_for(3, before + 2);
    for (one, other) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        network.set(one, other, CUT);
    }
    let (left, right) = (standstill(&nodes, 0), standstill(&nodes, 2));
    assert!(left.abs_diff(right) <= 1, "{left} {right}");
    nodes.ask(2, &["submit", "--no-wait"]).exits(0);
    network.set_all(Weather::default());
    nodes.wait_for(0, left.max(right) + 2);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

#[test]
fn slow_links_that_lose_packets_make_it_slow_and_nothing_else() {
    let mut nodes = Nodes::new(8);
    let network = Network::between(&nodes);
    network.set_all(Weather { cut: false, delay: Duration::from_millis(200), lost_percent: 2 });
    nodes.start_all();
    nodes.wait_for(2, 2);
    nodes.ask(0, &["submit"]).exits(0);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

#[test]
fn a_clock_that_jumps_by_hours_changes_nothing() {
    const HOUR: i64 = 3600;
    let mut nodes = Nodes::new(10);
    let clock = Clock::new();
    (0..3).for_each(|peer| nodes.start(peer));
    nodes.start_with_clock(3, &clock);
    // The time of day jumps forth and back; the monotonic clock only jumps forward, as after a machine was
    // asleep.
    for (time_of_day, steady) in
        [(5 * HOUR, 0), (-30 * HOUR, 0), (0, 3 * HOUR), (HOUR, 3 * HOUR), (0, 9 * HOUR)]
    {
        let finished = nodes.finished(0).unwrap_or(1);
        clock.set(time_of_day, steady);
        nodes.wait_for(3, finished + 2);
    }
    let log = nodes.log(3);
    let day = |line: &str| line.split('T').next().unwrap().to_owned();
    let days: std::collections::BTreeSet<String> =
        log.lines().filter(|line| line.contains("INFO")).map(day).collect();
    assert!(days.len() > 1, "its clock did not jump:\n{log}");
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}
