//! A remote party at a guardian's interface without a password or restraint: it sends what it likes and reads
//! nothing.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;

/// A WebSocket from which nothing is read unless the test asks for it.
pub struct Attacker(TcpStream);

impl Attacker {
    /// Connects to a host and port of this machine from one of its addresses (any of 127.0.0.0/8).
    ///
    /// # Errors
    /// If the connection is refused.
    pub fn connect(to: &str, from: [u8; 4]) -> io::Result<Self> {
        let to: SocketAddr = to.parse().map_err(io::Error::other)?;
        let dial = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(IpAddr::from(from), 0))?;
            socket.connect(to).await?.into_std()
        };
        let mut stream = fm_client::wait_for(dial)??;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other("no WebSocket"));
        }
        Ok(Self(stream))
    }

    /// Sends a text as one frame with a mask of zeros.
    ///
    /// # Errors
    /// If the other side is gone, or accepts nothing.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        let mut frame = vec![0x81];
        match text.len() {
            short @ ..126 => frame.push(0x80 | u8::try_from(short).map_err(io::Error::other)?),
            long => {
                frame.push(0xFF);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame)
    }

    /// Sends a request with that id and those parameters as JSON.
    ///
    /// # Errors
    /// If the other side is gone, or accepts nothing.
    pub fn ask(&mut self, id: &str, method: &str, params: &str) -> io::Result<()> {
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#))
    }

    /// Checks whether the other side has closed the connection, and discards what it sent meanwhile.
    pub fn is_closed(&mut self) -> bool {
        if self.0.set_nonblocking(true).is_err() {
            return true;
        }
        let mut piece = [0; 4096];
        let closed = loop {
            match self.0.read(&mut piece) {
                Ok(0) => break true,
                Ok(_) => (),
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        closed || self.0.set_nonblocking(false).is_err()
    }
}
