//! A node, built from its files and run until it stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fm_aleph::Member;
use fm_client::{Ambiguous, Guardians};
use fm_consensus::{Orderers, Rules, Schedule};
use fm_datadir::Retention;
use fm_peers::{Other, Peers, Setup, TlsKeyPair};
use fm_rpc::{Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tracing::info;

use crate::actions::publish;
use crate::ahead::Ahead;
use crate::api::{Api, interfaces};
use crate::beside::Servers;
use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::opening::{GuardUntil, Opened, open};
use crate::sessions::Sessions;
use crate::shared::Shared;

/// The options of a node.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The address to which other guardians connect, as host and port, if not the configured one.
    pub listen: Option<String>,
    /// The address to which clients connect, likewise.
    pub api: Option<String>,
    /// Whether an empty database may be created.
    pub new: bool,
    /// The last session in which the guardian can have signed units, if the user states it.
    pub guard_until: Option<GuardUntil>,
    /// Servers that take part in ordering, if there are any; if they have several versions, the oldest.
    pub beside: Option<Servers>,
    /// The checkpoints to keep.
    pub checkpoints: Retention,
    /// A session without progress for this long is reported as stuck.
    pub stuck_after: Duration,
    /// The number of finished sessions after which the node stops.
    pub sessions: Option<u64>,
}

/// Stops a node.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Makes the node finish its current work and stop.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

/// A node that is ready to run.
pub struct Node {
    sessions: Sessions,
    engine: fm_consensus::Engine,
    api: TcpListener,
    stop: watch::Sender<bool>,
}

impl Node {
    /// Opens the database, links to the other guardians, listens for clients.
    ///
    /// # Errors
    /// Fails if files, database or addresses are not usable.
    pub async fn start(config: NodeConfig, options: &NodeOptions) -> Result<Self, NodeError> {
        let rules = rules(&config, options.beside)?;
        let Opened { store, guard, recorder } = open(&config, options.new, options.guard_until)?;
        let schedule = rules.schedule;
        let modules = Arc::new(config.modules()?);
        let (me, key, keys) = (config.me(), Arc::new(config.signing_key()), Arc::new(config.keys.clone()));
        let address = match &options.api {
            Some(address) => address.clone(),
            None => config.api_address()?,
        };
        let io = |source| NodeError::Io { what: format!("cannot listen for clients at {address}"), source };
        let api = TcpListener::bind(&address).await.map_err(io)?;
        let links = match config.keys.guardians() {
            1 => None,
            _ => Some(Peers::start(links(&config, options)?).await?),
        };
        let mut others = interfaces(&config, &key, &store)?;
        others.remove(&me);
        let round_delay = config.round_delay();
        let links = links.map(|(peers, incoming)| (Arc::new(peers), Arc::new(Mutex::new(incoming))));
        let peers = links.as_ref().map(|(peers, _)| peers.clone());
        let shared =
            Arc::new(Shared::new(config, store, modules, peers, options.checkpoints, options.stuck_after));
        shared.last.send_replace(options.sessions);
        let engine = Sessions::engine(&shared, rules, guard)?;
        publish(&shared, &engine);
        let member =
            links.map(|(peers, incoming)| Member { me, keys, key, peers, incoming, schedule, round_delay });
        let (stop, stopped) = watch::channel(false);
        let keys = &shared.config.keys;
        let ambiguous = match rules.orderers {
            Orderers::Nodes => Ambiguous::Refused,
            Orderers::Servers { .. } => Ambiguous::Vouched,
        };
        let guardians =
            Guardians::watch(others, keys, ambiguous, shared.telemetry.metrics.refused_outcomes.clone());
        let ahead = Arc::new(Ahead::start(shared.store.clone(), shared.modules.clone()));
        let (stop_at, broken) = (stopped, 0);
        let sessions =
            Sessions { shared, member, guardians, guard, recorder, rules, stop: stop_at, ahead, broken };
        info!(guardian = me, session = engine.session(), %address, "started");
        Ok(Self { sessions, engine, api, stop })
    }

    /// Returns a handle that stops the node.
    pub fn stopper(&self) -> Stop {
        Stop(self.stop.clone())
    }

    /// Runs until the node is stopped, or cannot continue.
    ///
    /// # Errors
    /// Fails if the node cannot continue.
    pub async fn run(self) -> Result<(), NodeError> {
        let shared = self.sessions.shared.clone();
        let limits = Limits { connections: shared.config.local.max_connections, ..Limits::default() };
        let api = tokio::spawn(serve(self.api, Arc::new(Api::new(shared)), limits));
        let result = self.sessions.run(self.engine).await;
        api.abort();
        result
    }
}

fn rules(config: &NodeConfig, beside: Option<Servers>) -> Result<Rules, NodeError> {
    let rounds = config.consensus.broadcast_rounds_per_session;
    let schedule = Schedule::rounds(rounds).ok_or(NodeError::Rounds { rounds })?;
    let Some(servers) = beside else { return Ok(Rules { schedule, orderers: Orderers::Nodes }) };
    let mut modules = config.consensus.modules.iter();
    if let Some((instance, module)) = modules.find(|(_, module)| !servers.run(&module.kind)) {
        let kind = module.kind.clone();
        return Err(NodeError::OtherModule { instance: *instance, kind, servers: servers.name() });
    }
    Ok(Rules { schedule: schedule.unbounded(), orderers: servers.orderers() })
}

fn links(config: &NodeConfig, options: &NodeOptions) -> Result<Setup, NodeError> {
    let me = config.me();
    let mut others = BTreeMap::new();
    for peer in config.keys.peers().filter(|peer| *peer != me) {
        let (certificate, address) = (config.certificate(peer)?, config.p2p_address(peer)?);
        others.insert(peer, Other { certificate, address });
    }
    let listen = match &options.listen {
        Some(address) => address.clone(),
        None => config.p2p_address(me)?,
    };
    let key = config.tls_key.as_deref().cloned().unwrap_or_default();
    let tls_key_pair = TlsKeyPair { certificate: config.certificate(me)?, key };
    let sign_of_life = options.beside.map(Servers::sign_of_life).unwrap_or_default();
    Ok(Setup { me, tls_key_pair, listen, others, sign_of_life })
}
