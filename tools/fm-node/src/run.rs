//! `fm-node run`: one guardian, until it is stopped.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use fm_cli::{Exit, Failure, interrupt_flag, of_files};
use fm_config::GuardianFiles;
use fm_datadir::{Retention, check_not_moved};
use fm_guardian::{Node, NodeConfig, NodeOptions, Stop};
use fm_store::owner_unlike_root;
use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

use crate::args::RunArgs;
use crate::failure::{is_wrong_password, of_config, of_node};

pub(crate) fn run(arguments: &RunArgs) -> Result<Exit, Failure> {
    crate::log::to_stderr()?;
    let interrupted = interrupt_flag()?;
    if arguments.stop_with_stdin {
        stop_with_stdin(interrupted.clone())?;
    }
    let files = GuardianFiles::open(&arguments.data_dir).map_err(|error| of_files(&error))?;
    // Both checks come before the password is asked for: a guardian that moved has no keys here.
    if !files.is_backup() {
        check_not_moved(&arguments.data_dir).map_err(|error| of_node(error.into()))?;
    }
    NodeConfig::check_runnable(&files).map_err(|error| of_config(&error))?;
    let read = |password: Option<&str>| NodeConfig::read(&arguments.data_dir, password);
    let config = arguments.password.open_files(&files, is_wrong_password, read)?;
    let config = config.map_err(|error| of_config(&error))?;
    let mut notes = config.notes.clone();
    if config.api_auth.is_none() {
        notes.push("no password: what needs the guardian's password is refused at its interface".to_owned());
    }
    if let Some((user, group)) = owner_unlike_root(&arguments.data_dir)? {
        notes.push(format!(
            "this runs as root, and {} belongs to user {user}: its new files are root's, and nothing that runs as that user can \
             use them; stop it, `chown -R {user}:{group}` the directory, and run it as user {user}",
            arguments.data_dir.display()
        ));
    }
    let options = NodeOptions {
        listen: arguments.bind_p2p.clone(),
        api: arguments.bind_api.clone(),
        new: arguments.new,
        guard_until: arguments.guard_until,
        beside: arguments.beside_servers,
        checkpoints: Retention { keep: arguments.checkpoints, min_free: arguments.min_free },
        stuck_after: Duration::from_secs(arguments.stuck_after.max(1)),
        sessions: arguments.sessions,
    };
    runtime()?.block_on(async {
        let node = Node::start(config, &options).await.map_err(of_node)?;
        for note in &notes {
            warn!("{note}");
        }
        tokio::spawn(stop_when(interrupted, node.stopper()));
        node.run().await.map_err(of_node)
    })?;
    info!("stopped");
    Ok(Exit::Done)
}

async fn stop_when(interrupted: Arc<AtomicBool>, stop: Stop) {
    while !interrupted.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.now();
}

/// Sets the flag when standard input ends: the program at the other end has ended too, even by SIGKILL.
fn stop_with_stdin(interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    let wait = move || {
        let (mut input, mut piece) = (std::io::stdin().lock(), [0; 64]);
        while input.read(&mut piece).is_ok_and(|length| length > 0) {}
        interrupted.store(true, Relaxed);
    };
    let started = std::thread::Builder::new().name("stdin".to_owned()).spawn(wait);
    started.map(drop).map_err(|error| Failure::from_error(Exit::CannotLook, &error))
}

/// Creates the runtime of a program that talks to guardians.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from_error(Exit::CannotLook, &error))
}
