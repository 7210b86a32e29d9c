//! One guardian loses power while it makes units: the units that others have of it are on its disk when it
//! comes back. Otherwise it would sign something else in place of what it forgot.
//!
//! Its disk is an ext4 file system of its own, which only root can mount.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use fm_codec::{Dialect, Reader};
use fm_consensus::ALEPH_UNITS;
use fm_tests::{Nodes, PowerDisk, Random, binary, command, rows_under, with_own_mounts};

const VICTIM: usize = 3;
const CUTS: usize = 6;
/// The table of finished sessions.
const SESSIONS: u8 = 0x04;

/// Returns the victim's units in a guardian's database, and how many sessions are finished there.
fn units_of_the_victim(nodes: &Nodes, peer: usize) -> (BTreeSet<Vec<u8>>, usize) {
    let database = nodes.directory(peer).join("database");
    let units = rows_under(&database, ALEPH_UNITS).into_iter().map(|(_, value)| {
        let mut reader = Reader::new(&value, Dialect::MODERN);
        reader.bytes().unwrap().to_vec()
    });
    // A unit begins with its round (2 bytes) and its creator (8 bytes).
    let creator = (VICTIM as u64).to_le_bytes();
    let of_the_victim = units.filter(|unit| unit[2..10] == creator).collect();
    (of_the_victim, rows_under(&database, SESSIONS).len())
}

/// Returns how many units of the victim others have; the victim must have all of these itself, unless it has
/// finished their session.
fn check_units(nodes: &Nodes) -> usize {
    let (own, finished) = units_of_the_victim(nodes, VICTIM);
    let mut known = 0;
    for peer in (0..nodes.guardians()).filter(|peer| *peer != VICTIM) {
        let (units, there) = units_of_the_victim(nodes, peer);
        if there >= finished {
            let lost = units.difference(&own).count();
            assert_eq!(lost, 0, "guardian {peer} has {lost} units that guardian {VICTIM} has forgotten");
            known += units.len();
        }
    }
    known
}

fn load(nodes: &Nodes) -> Child {
    let mut load = command(binary("fm-node"));
    load.args(["load", "--workers", "30", "--seconds", "86400", "--dir"]).arg(nodes.home());
    load.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_guardian_forgets_no_unit_that_others_have() {
    with_own_mounts("power_cut::a_guardian_forgets_no_unit_that_others_have", || {
        let mut nodes = Nodes::new(60);
        let mut disk = PowerDisk::over(&nodes.directory(VICTIM));
        let (mut random, mut known) = (Random::new(3), 0);
        for _ in 0..CUTS {
            nodes.start_all();
            (0..4).for_each(|peer| nodes.wait_for(peer, 0));
            let mut load = load(&nodes);
            thread::sleep(Duration::from_millis(400 + random.below(900) as u64));
            nodes.kill(VICTIM);
            let log = nodes.log(VICTIM);
            assert!(!log.contains("panicked") && !log.contains("consensus failure"), "{log}");
            disk.cut();
            (0..4).filter(|peer| *peer != VICTIM).for_each(|peer| nodes.kill(peer));
            load.kill().unwrap();
            load.wait().unwrap();
            known += check_units(&nodes);
        }
        assert!(known > 3 * CUTS * 3, "others had {known} units of it: too few to show anything");
        nodes.start_all();
        let sessions = nodes.shut_down();
        nodes.root(sessions);
    });
}
