//! Ports for test guardians on one machine.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::TcpListener;

/// Systems assign no port of this range to a connection that a program opens: Linux assigns ports from 32768
/// on, other systems from 49152 on. A guardian that is stopped therefore finds its port free when it starts
/// again.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Returns ports of 127.0.0.1 on which no program listens now. The search starts at a random port, so that
/// two programs that search at the same time find different ports.
///
/// # Errors
/// Fails if fewer ports are free.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let random = RandomState::new().build_hasher().finish();
    let start = u16::try_from(random % u64::from(COUNT)).unwrap_or_default();
    // Held until all are found, so that no port is found twice.
    let mut listeners = Vec::new();
    for offset in 0..COUNT {
        if listeners.len() == count {
            break;
        }
        let port = FIRST + (start + offset) % COUNT;
        listeners.extend(TcpListener::bind(("127.0.0.1", port)).map(|listener| (port, listener)));
    }
    if listeners.len() < count {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "too few ports are free"));
    }
    Ok(listeners.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_given_to_no_connection() {
        let mut ports = free_ports(40).unwrap();
        let _listeners: Vec<_> =
            ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 40);
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)));
        // A port on which a program listens is not free.
        assert!(free_ports(40).unwrap().iter().all(|port| !ports.contains(port)));
    }
}
