//! The network between guardians: all traffic between them passes through here, with the faults that a test
//! sets.
//!
//! It needs no administrator's rights: each guardian's files name an address of this program for every other
//! guardian. This program imitates TCP's handling of lost packets: bytes arrive late and in order, or wait
//! until the path works again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::nodes::{Nodes, address_of, readdress_one};

/// The effect of a lost packet: everything after it waits this long until it is sent again.
const RETRANSMISSION: Duration = Duration::from_millis(300);
/// The number of bytes that are carried at a time.
const PIECE: usize = 8192;
/// The number of pieces in flight.
const ON_THE_WAY: usize = 256;

/// The state of the path between two guardians.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Nothing comes through, and neither side learns of it.
    pub cut: bool,
    /// The delay of every piece.
    pub delay: Duration,
    /// The percentage of pieces that are lost at first.
    pub lost_percent: u8,
}

/// The paths between all guardians.
pub struct Network {
    ways: BTreeMap<(usize, usize), watch::Sender<Weather>>,
    runtime: Option<Runtime>,
}

impl Network {
    /// Inserts the network between guardians that do not run yet.
    pub fn between(nodes: &Nodes) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let mut ways = BTreeMap::new();
        let guardians = nodes.guardians();
        for one in 0..guardians {
            for other in (0..guardians).filter(|other| *other != one) {
                let way = (one.min(other), one.max(other));
                let weather = ways.entry(way).or_insert_with(|| watch::Sender::new(Weather::default()));
                for (file, field) in [("local.json", "p2p_endpoints"), ("consensus.json", "api_endpoints")] {
                    let target = address_of(&nodes.directory(other).join(file), field, other);
                    let here = runtime.block_on(open(target, weather.subscribe()));
                    readdress_one(&nodes.directory(one).join(file), field, other, here);
                }
            }
        }
        Self { ways, runtime: Some(runtime) }
    }

    /// Changes the path between two guardians.
    pub fn set(&self, one: usize, other: usize, weather: Weather) {
        self.ways[&(one.min(other), one.max(other))].send_replace(weather);
    }

    /// Changes all paths of a guardian.
    pub fn set_all_of(&self, guardian: usize, weather: Weather) {
        let ways = self.ways.iter().filter(|((one, other), _)| *one == guardian || *other == guardian);
        for (_, way) in ways {
            way.send_replace(weather);
        }
    }

    /// Changes all paths.
    pub fn set_all(&self, weather: Weather) {
        for way in self.ways.values() {
            way.send_replace(weather);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens a path to an address; returns where it begins.
async fn open(target: String, weather: watch::Receiver<Weather>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let here = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (target, mut weather) = (target.clone(), weather.clone());
            tokio::spawn(async move {
                // The dialler waits, or stops waiting.
                weather.wait_for(|weather| !weather.cut).await.ok()?;
                let onward = TcpStream::connect(target).await.ok()?;
                let ((near, to_near), (far, to_far)) = (stream.into_split(), onward.into_split());
                let (there, back) = (carry(near, to_far, weather.clone()), carry(far, to_near, weather));
                // When one side is gone, the other connection closes.
                tokio::select! { _ = there => (), _ = back => () }
                Some(())
            });
        }
    });
    here
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let now = weather.clone();
    let read = async {
        let mut dice = 0_u64;
        loop {
            let mut piece = vec![0; PIECE];
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return Ok::<_, io::Error>(());
            }
            piece.truncate(length);
            // Random enough for this purpose.
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let Weather { delay, lost_percent, .. } = *now.borrow();
            let lost = (dice >> 33) % 100 < u64::from(lost_percent);
            let late = if lost { RETRANSMISSION } else { Duration::ZERO };
            if pieces.send((Instant::now() + delay + late, piece)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((due, piece)) = arriving.recv().await {
            sleep_until(due).await;
            if weather.wait_for(|weather| !weather.cut).await.is_err() {
                break;
            }
            to.write_all(&piece).await?;
        }
        Ok::<_, io::Error>(())
    };
    tokio::select! { end = read => end, end = write => end }
}
