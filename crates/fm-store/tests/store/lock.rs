//! A database that another process has open.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use fm_store::{ReadStore, StoreError};

use crate::copies::{Copy, IN_LOG};

/// Names the database that the child process holds.
const HOLD: &str = "FM_STORE_TEST_HOLD";

/// Works only in a child process: there it is the server that holds the lock.
#[test]
fn server_in_another_process() {
    let Some(path) = std::env::var_os(HOLD) else {
        return;
    };
    let held = rocksdb::DB::open(&rocksdb::Options::default(), path).unwrap();
    println!("\nheld");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    drop(held);
}

/// A process that has the database open, and its output.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// Starts a process that opens the database read-write, and waits until the database is open.
fn server(path: &Path) -> Server {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lock::server_in_another_process", "--nocapture"])
        .env(HOLD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let is_held = output.by_ref().lines().any(|line| line.unwrap() == "held");
    assert!(is_held, "the server did not start");
    Server { child, output }
}

#[test]
fn a_running_server_is_noticed_and_named() {
    let copy = Copy::of(IN_LOG);
    let mut server = server(&copy.path);
    let found = ReadStore::open(&copy.path).map(drop);
    match found {
        Err(StoreError::Locked { path, pid }) => {
            assert_eq!((path, pid), (copy.path.clone(), Some(server.child.id())));
        }
        other => panic!("{other:?}"),
    }
    drop(server.child.stdin.take());
    std::io::copy(&mut server.output, &mut std::io::sink()).unwrap();
    assert!(server.child.wait().unwrap().success());
    assert!(copy.read().unwrap().0.len() > 1000);
}

#[test]
fn a_killed_server_leaves_no_lock() {
    let copy = Copy::of(IN_LOG);
    let mut server = server(&copy.path);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(copy.path.join("LOCK").exists());
    assert!(copy.read().unwrap().0.len() > 1000);
}
