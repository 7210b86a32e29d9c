//! A bad line: passes connections on, slowly, and drops some of them at random places.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::Random;

/// The number of bytes passed on at a time.
const PIECE: usize = 16 << 10;

/// The faults of a line.
#[derive(Clone, Copy, Default)]
pub struct Mishaps {
    /// All but the last of this many connections in a row are dropped; none if 0.
    pub keeps_one_of: usize,
    /// A connection is dropped before it has carried this many bytes, either way.
    pub within: usize,
    /// The pause before each piece.
    pub pause: Duration,
}

#[derive(Default)]
struct Counts {
    to_client: AtomicU64,
    to_server: AtomicU64,
    dropped: AtomicU64,
    cut: AtomicBool,
    over: AtomicBool,
}

/// A line to a server.
pub struct Unsteady {
    address: SocketAddr,
    counts: Arc<Counts>,
}

impl Unsteady {
    /// Opens a line to `server`.
    pub fn new(server: SocketAddr, mishaps: Mishaps, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the line");
        let address = listener.local_addr().expect("it has an address");
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let random = Mutex::new(Random::new(seed));
        thread::spawn(move || {
            for (number, client) in (1..).zip(listener.incoming().map_while(Result::ok)) {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let left = {
                    let mut random = random.lock().expect("chance does not panic");
                    let is_dropped = mishaps.keeps_one_of > 0 && number % mishaps.keeps_one_of != 0;
                    if is_dropped { random.below(mishaps.within) as u64 } else { u64::MAX }
                };
                if shared.cut.load(Ordering::Relaxed) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                pass(client, server, left, mishaps.pause, &shared);
            }
        });
        Self { address, counts }
    }

    /// Returns the address at which it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the bytes that came from the server so far.
    pub fn received(&self) -> u64 {
        self.counts.to_client.load(Ordering::Relaxed)
    }

    /// Returns the bytes that went to the server so far.
    pub fn sent(&self) -> u64 {
        self.counts.to_server.load(Ordering::Relaxed)
    }

    /// Stops passing anything on.
    pub fn cut(&self) {
        self.counts.cut.store(true, Ordering::Relaxed);
    }

    /// Returns the connections that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Unsteady {
    fn drop(&mut self) {
        self.counts.over.store(true, Ordering::Relaxed);
        // The thread waits for a connection; this is the last one.
        let _ = TcpStream::connect(self.address);
    }
}

/// Passes bytes on both ways until `left` of them have passed.
fn pass(client: TcpStream, server: TcpStream, left: u64, pause: Duration, counts: &Arc<Counts>) {
    let left = Arc::new(AtomicU64::new(left));
    for to_client in [true, false] {
        let both = (client.try_clone(), server.try_clone());
        let (Ok(client), Ok(server)) = both else { return };
        let (left, counts) = (Arc::clone(&left), Arc::clone(counts));
        thread::spawn(move || {
            let (mut from, mut to) = if to_client { (&server, &client) } else { (&client, &server) };
            let mut piece = vec![0; PIECE];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                thread::sleep(pause);
                if counts.cut.load(Ordering::Relaxed) {
                    break;
                }
                let before = left.fetch_sub(count as u64, Ordering::Relaxed);
                if before <= count as u64 {
                    left.store(0, Ordering::Relaxed);
                    counts.dropped.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                let passed = if to_client { &counts.to_client } else { &counts.to_server };
                passed.fetch_add(count as u64, Ordering::Relaxed);
                if to.write_all(&piece[..count]).is_err() {
                    break;
                }
            }
            let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
        });
    }
}
