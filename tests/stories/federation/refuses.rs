//! What `fm-node` refuses: wrong passwords, foreign files, a database in use, codes that were damaged.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::fs;
use std::path::Path;

use fm_tests::{Nodes, Run, binary, command, fixture};

fn node(password: &str, arguments: &[&str], directory: &Path) -> Run {
    let mut node = command(binary("fm-node"));
    let output = node.env("FM_PASSWORD", password).args(arguments).arg("--data-dir").arg(directory).output();
    Run::from_output(format!("fm-node {}", arguments.join(" ")), output.unwrap())
}

fn setup(step: &str, directory: &Path, rest: &[&str]) -> Run {
    let mut node = command(binary("fm-node"));
    let setup = node.env("FM_PASSWORD", "p").args(["setup", step, "--data-dir"]).arg(directory).args(rest);
    Run::from_output(format!("fm-node setup {step}"), setup.output().unwrap())
}

#[test]
fn a_node_does_not_start_on_what_is_not_its_own() {
    let mut nodes = Nodes::real();
    let directory = nodes.directory(0);
    node("wrong", &["run"], &directory).exits(12).sentence();
    node("fixture", &["run"], &directory.join("nowhere")).exits(3).sentence();
    nodes.start(0);
    nodes.wait_for(0, 0);
    let busy =
        node("fixture", &["run", "--bind-p2p", "127.0.0.1:0", "--bind-api", "127.0.0.1:0"], &directory);
    busy.exits(11).sentence();
    node("wrong", &["shutdown"], &directory).exits(12).sentence();
    let refused = nodes.ask(0, &["submit", "00"]).exits(2);
    refused.sentence();
    nodes.kill(0);
    // Another guardian's secrets.
    let other = nodes.directory(1);
    fs::copy(directory.join("private.encrypt"), other.join("private.encrypt")).unwrap();
    fs::copy(directory.join("private.salt"), other.join("private.salt")).unwrap();
    let foreign = node("fixture", &["run"], &other).exits(3);
    assert!(foreign.sentence().contains("key of guardian 1"), "{}", foreign.stderr);
    for name in ["consensus.json", "local.json"] {
        let third = nodes.directory(2).join(name);
        let text = fs::read_to_string(&third).unwrap();
        for damaged in ["", "[]", "{}", &text[..text.len() / 2], &text.replace("127.0.0.1", "@")] {
            fs::write(&third, damaged).unwrap();
            node("fixture", &["run"], &nodes.directory(2)).exits(3).sentence();
        }
        fs::write(&third, text).unwrap();
    }
    fs::write(nodes.directory(2).join("equivocation-guard.json"), "{}").unwrap();
    let guarded = node("fixture", &["run"], &nodes.directory(2)).exits(3);
    assert!(guarded.sentence().contains("equivocation-guard.json"), "{}", guarded.stderr);
    // A file that exists and cannot be read is not taken for absent: a link that leads nowhere, and a pipe
    // that nobody writes to.
    let guard = nodes.directory(2).join("equivocation-guard.json");
    fs::remove_file(&guard).unwrap();
    std::os::unix::fs::symlink("nowhere", &guard).unwrap();
    let dangling = node("fixture", &["run"], &nodes.directory(2)).exits(3);
    assert!(dangling.sentence().contains("equivocation-guard.json"), "{}", dangling.stderr);
    fs::remove_file(&guard).unwrap();
    assert!(command("mkfifo").arg(&guard).status().unwrap().success());
    let piped = node("fixture", &["run"], &nodes.directory(2)).exits(3);
    assert!(piped.sentence().contains("it is not a regular file"), "{}", piped.stderr);
    fs::remove_file(&guard).unwrap();
    let other = format!(
        "{{\"format\": \"fm-equivocation-guard\", \"version\": 1, \"until_session\": 0, \"federation\": \"{}\"}}",
        "00".repeat(32)
    );
    fs::write(&guard, other).unwrap();
    let foreign = node("fixture", &["run"], &nodes.directory(2)).exits(3);
    assert!(foreign.sentence().contains("of the federation 0000"), "{}", foreign.stderr);
}

#[test]
fn guardians_make_a_federation_by_exchanging_codes() {
    let home = tempfile::tempdir().unwrap();
    let directory = |peer: usize| home.path().join(peer.to_string());
    let code = |peer: usize| {
        let p2p = format!("fedimint://127.0.0.{}:8173", peer + 1);
        let api = format!("ws://127.0.0.{}:8174/", peer + 1);
        let run =
            setup("begin", &directory(peer), &["--name", &format!("g{peer}"), "--p2p", &p2p, "--api", &api]);
        run.exits(0).stdout.trim().to_owned()
    };
    let codes: Vec<String> = (0..4).map(code).collect();
    let mut rest: Vec<&str> = vec!["--federation-name", "story"];
    rest.extend(codes.iter().map(String::as_str));
    let hash =
        |run: Run| run.exits(0).stdout.lines().next().unwrap().split_whitespace().last().unwrap().to_owned();
    let hashes: Vec<String> = (0..4).map(|peer| hash(setup("finish", &directory(peer), &rest))).collect();
    assert!(hashes.iter().all(|other| *other == hashes[0]), "{hashes:?}");
    assert!(!directory(0).join("consensus.json").exists());
    let confirmed = [&rest[..], &["--confirm", &hashes[0]]].concat();
    setup("finish", &directory(0), &[&rest[..], &["--confirm", &"0".repeat(64)]].concat())
        .exits(1)
        .sentence();
    for peer in 0..4 {
        assert_eq!(hash(setup("finish", &directory(peer), &confirmed)), hashes[0]);
        assert!(directory(peer).join("private.encrypt").exists());
    }
    setup("begin", &directory(0), &["--name", "x", "--p2p", "fedimint://a:1", "--api", "ws://a:2/"])
        .exits(3)
        .sentence();
    setup("begin", &directory(7), &["--name", "x", "--p2p", "tcp://a:1", "--api", "ws://a:2/"])
        .exits(2)
        .sentence();
    let five = directory(5);
    setup("begin", &five, &["--name", "x", "--p2p", "fedimint://a:1", "--api", "ws://a:2/"]).exits(0);
    setup("finish", &five, &rest).exits(2).sentence();
    let damaged = codes[0].replace(&codes[0][20..24], "0000");
    setup("finish", &five, &["--federation-name", "story", &damaged]).exits(2).sentence();
}

#[test]
fn a_federation_of_one_needs_nobody() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("only");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let api = format!("ws://127.0.0.1:{port}/");
    let code =
        setup("begin", &directory, &["--name", "only", "--p2p", "fedimint://127.0.0.1:1", "--api", &api]);
    let code = code.exits(0).stdout.trim().to_owned();
    let rest = ["--federation-name", "one", "--rounds", "30", &code];
    let hash = setup("finish", &directory, &rest).exits(0).stdout.lines().next().unwrap()[11..].to_owned();
    setup("finish", &directory, &[&rest[..], &["--confirm", &hash]].concat()).exits(0);
    for sessions in ["1", "3"] {
        let new = if sessions == "1" { "--new" } else { "--checkpoints=2" };
        let mut only = command(binary("fm-node"));
        let only = only.env("FM_PASSWORD", "p").args(["run", new, "--sessions", sessions, "--data-dir"]);
        let child = only.arg(&directory).spawn().unwrap();
        let submitted = (0..50).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            node("p", &["submit"], &directory).exit == 0
        });
        assert!(submitted);
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let verdict = fm_tests::verify!(directory, "--config", directory, "--json").exits(0).verdict();
    assert_eq!((&verdict["sessions"], &verdict["signed"]), (&3.into(), &3.into()));
}

#[test]
fn a_ledger_does_not_run_beside_servers_that_know_another() {
    let mut nodes = Nodes::new(10);
    for servers in ["v0.10", "v0.11", "v0.12", "v0.13"] {
        let refused = nodes.ask(0, &["run", "--beside-servers", servers]).exits(2);
        let sentence = refused.sentence();
        assert!(sentence.contains("kind dummy") && sentence.contains(servers), "{}", refused.stderr);
    }
    for unknown in ["v0.3", "v0.14", "v1", "0.5", "v0.5.0", "V0.5", "nodes", ""] {
        nodes.ask(0, &["run", "--beside-servers", unknown]).exits(2);
    }
    // With older versions it starts.
    (0..4).for_each(|peer| nodes.start_with(peer, &["--beside-servers", "v0.9"], &[]));
    nodes.wait_for(1, 1);
    nodes.ask(1, &["submit"]).exits(0);
    nodes.wait_for(0, 3);
    let sessions = nodes.shut_down();
    nodes.root(sessions);
}

/// What the public files show is reported before a password is asked for, and before anything else is looked
/// at.
#[test]
fn a_federation_that_only_servers_can_run_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    for (name, reasons) in [
        ("session-v0.13.0", &["ln (module 0), lnv2 (module 1), mint (module 3)", "wallet (module 5)"][..]),
        ("session-v0.13.0-single", &["ln (module 0), lnv2 (module 1), mint (module 3), wallet (module 4)"]),
        ("session-v0.13.0-iroh", &["over iroh"]),
    ] {
        let directory = home.path().join(name);
        fs::create_dir(&directory).unwrap();
        for file in ["consensus.json", "local.json"] {
            fs::copy(fixture(&format!("{name}/peer-0")).join(file), directory.join(file)).unwrap();
        }
        for options in [&[][..], &["--new"], &["--beside-servers", "v0.13"]] {
            let mut run = command(binary("fm-node"));
            run.env_remove("FM_PASSWORD").arg("run").args(options).arg("--data-dir").arg(&directory);
            let refused = Run::from_output(format!("fm-node run on {name}"), run.output().unwrap()).exits(3);
            for reason in reasons {
                assert!(refused.sentence().contains(reason), "{}", refused.stderr);
            }
        }
        let files = fs::read_dir(&directory).unwrap().count();
        assert_eq!(files, 2, "something was written to {name}");
    }
    let asked = node("fixture", &["status"], &home.path().join("session-v0.13.0-iroh")).exits(3);
    assert!(asked.sentence().contains("reached over iroh alone"), "{}", asked.stderr);
}
