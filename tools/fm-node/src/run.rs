//! `fm-node run`: one guardian, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use fm_cli::{Exit, Failure, guardian_password, interrupt_flag};
use fm_consensus::{Orderers, Retention};
use fm_guardian::{Node, NodeConfig, NodeOptions, Stop};
use tokio::runtime::{Builder, Runtime};
use tracing::info;

use crate::args::{RunArgs, Servers};
use crate::failure::{of_config, of_node};

pub(crate) fn run(arguments: &RunArgs) -> Result<Exit, Failure> {
    crate::log::to_stderr()?;
    let interrupted = interrupt_flag()?;
    let password = guardian_password(&arguments.data_dir)?;
    let config = NodeConfig::read(&arguments.data_dir, &password).map_err(|error| of_config(&error))?;
    let options = NodeOptions {
        listen: arguments.bind_p2p.clone(),
        api: arguments.bind_api.clone(),
        new: arguments.new,
        orderers: orderers(arguments.beside_servers),
        checkpoints: Retention { keep: arguments.checkpoints, min_free: arguments.min_free },
        stuck_after: Duration::from_secs(arguments.stuck_after.max(1)),
        sessions: arguments.sessions,
    };
    runtime()?.block_on(async {
        let node = Node::start(config, &options).await.map_err(of_node)?;
        tokio::spawn(stop_when(interrupted, node.stopper()));
        node.run().await.map_err(of_node)
    })?;
    info!("stopped");
    Ok(Exit::Done)
}

fn orderers(servers: Option<Servers>) -> Orderers {
    match servers {
        None => Orderers::Nodes,
        Some(Servers::V04 | Servers::V05) => Orderers::Servers { ignore_rest: true },
        Some(Servers::V06) => Orderers::Servers { ignore_rest: false },
    }
}

async fn stop_when(interrupted: Arc<AtomicBool>, stop: Stop) {
    while !interrupted.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.now();
}

/// The runtime of a program that talks to guardians.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from_error(Exit::CannotLook, &error))
}
