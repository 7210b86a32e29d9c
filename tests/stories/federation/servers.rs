//! Guardians that servers of v0.13.0 ran until they were killed: nodes continue with what these wrote. The
//! other direction is in `tests/nightly/servers-0.13`.

use fm_eras::session::SIGNED_SESSION_OUTCOME;
use fm_tests::{Nodes, rows};

/// Returns the finished sessions in a guardian's database.
fn sessions(nodes: &Nodes, peer: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = rows(&nodes.directory(peer).join("database"));
    rows.into_iter().filter(|(key, _)| key[0] == SIGNED_SESSION_OUTCOME).collect()
}

#[test]
fn nodes_finish_the_open_session_of_servers_of_0_13_and_go_on() {
    let mut nodes = Nodes::of_servers();
    // Both forms of secrets exist: in clear, and under the guardian's password.
    for (peer, file) in [(0, "private.json"), (1, "private.encrypt")] {
        assert!(nodes.directory(peer).join(file).exists(), "guardian {peer} has no {file}");
    }
    let before: Vec<_> = (0..4).map(|peer| sessions(&nodes, peer)).collect();
    (0..4).for_each(|peer| nodes.start_with(peer, &["--beside-servers", "v0.13"], &[]));
    let finished = before.iter().map(Vec::len).max().expect("four guardians") as u64;
    nodes.wait_for(0, finished + 2);
    let last = nodes.shut_down();
    nodes.root(last);
    for (peer, before) in before.into_iter().enumerate() {
        let after = sessions(&nodes, peer);
        assert!(after.starts_with(&before), "guardian {peer} has other sessions than the server wrote");
    }
}
