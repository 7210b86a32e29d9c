//! The endpoint of this process: one socket for all guardians, on a thread of its own, so that it outlives the
//! runtimes that programs make for a request.
//!
//! Invariants: nothing is opened before the first guardian is dialled. The endpoint publishes nothing about
//! itself, and registers at no relay. What guardians send and nobody has read yet takes bounded memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fm_client::{API_PROTOCOL, Iroh, IrohConnection, IrohFailure, IrohStream};
use futures::future::BoxFuture;
use iroh::discovery::dns::DnsDiscovery;
use iroh::discovery::pkarr::PkarrResolver;
use iroh::endpoint::{Connection, TransportConfig, VarInt};
use iroh::{NodeAddr, NodeId, RelayMode};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::settings::{Key, Settings};

/// Bytes of one answer that may be on their way.
const STREAM_BYTES: u32 = 256 << 10;
/// The same for all answers of a connection: twice as many as guardians are asked for at a time, so that
/// answers that nobody reads yet hold back none that is read.
const CONNECTION_BYTES: u32 = 32 * STREAM_BYTES;
/// Guardians close connections that are silent for 5 seconds. Source: fedimint-core 0.13.0, src/net/iroh.rs.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// After this time without a sign of life a connection is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the end of the program waits until guardians know that it ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// How this process reaches guardians.
#[derive(Clone)]
pub(crate) struct Endpoint(Arc<Inner>);

struct Inner {
    settings: Settings,
    runtime: Runtime,
    /// The socket, once a guardian was dialled.
    open: OnceCell<iroh::Endpoint>,
}

impl Endpoint {
    pub(crate) fn new(settings: Settings) -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads(1).thread_name("iroh").enable_all().build()?;
        Ok(Self(Arc::new(Inner { settings, runtime, open: OnceCell::new() })))
    }

    /// Closes every connection.
    pub(crate) fn close(&self) {
        let Some(endpoint) = self.0.open.get() else { return };
        // Guardians that do not hear it notice it seconds later.
        let _ = self.0.runtime.block_on(async { timeout(FAREWELL, endpoint.close()).await });
    }
}

impl Inner {
    /// Runs something on the endpoint's own threads; it ends when nobody waits for it any more.
    async fn here<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, IrohFailure>> + Send + 'static,
    ) -> Result<T, IrohFailure> {
        let mut tasks = JoinSet::new();
        tasks.spawn_on(work, self.runtime.handle());
        tasks.join_next().await.ok_or("the program ends")??
    }

    async fn connect(&self, key: Key) -> Result<Connection, IrohFailure> {
        let open = self.open.get_or_try_init(|| self.here(bind(builder(&self.settings))));
        let endpoint = open.await?.clone();
        let known = self.settings.addresses.get(&key).cloned().unwrap_or_default();
        let node = NodeAddr::new(NodeId::from_bytes(&key)?).with_direct_addresses(known);
        self.here(async move { Ok(endpoint.connect(node, API_PROTOCOL).await?) }).await
    }
}

/// Returns an endpoint that finds others as the user says. A client need not register at a relay to be reached
/// through those that guardians name.
fn builder(settings: &Settings) -> iroh::endpoint::Builder {
    let mut builder = iroh::Endpoint::builder().relay_mode(RelayMode::Disabled).transport_config(transport());
    if let Some(directory) = settings.directory.clone() {
        builder = builder.add_discovery(|_| Some(PkarrResolver::new(directory)));
    }
    if settings.by_https {
        builder = builder.add_discovery(|_| Some(PkarrResolver::n0_dns()));
    }
    if settings.by_dns {
        builder = builder.add_discovery(|_| Some(DnsDiscovery::n0_dns()));
    }
    builder
}

async fn bind(builder: iroh::endpoint::Builder) -> Result<iroh::Endpoint, IrohFailure> {
    Ok(builder.bind().await?)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    let silence = SILENCE.try_into().ok();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(silence)
        .stream_receive_window(VarInt::from_u32(STREAM_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_BYTES))
        // Guardians ask nothing.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None);
    transport
}

impl Iroh for Endpoint {
    fn connect(&self, key: Key) -> BoxFuture<'_, Result<Box<dyn IrohConnection>, IrohFailure>> {
        Box::pin(async move {
            let connection = self.0.connect(key).await?;
            Ok(Box::new(Reached(connection)) as Box<dyn IrohConnection>)
        })
    }
}

/// A guardian that was reached.
struct Reached(Connection);

impl IrohConnection for Reached {
    fn open(&self) -> BoxFuture<'_, Result<IrohStream, IrohFailure>> {
        Box::pin(async {
            let (to, from) = self.0.open_bi().await?;
            Ok(IrohStream { to: Box::new(to), from: Box::new(from) })
        })
    }

    fn is_closed(&self) -> bool {
        self.0.close_reason().is_some()
    }
}
