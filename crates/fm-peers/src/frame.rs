//! Frames: a length (8 bytes, big endian) and a kind (4 bytes, little endian). In a message, its own length
//! (8 bytes, little endian) and its bytes follow the kind.
//!
//! A keep-alive frame has three forms: servers of upstream break a link over a form that they do not know.
//!
//! Source: src/net/framed.rs (lengths) and src/net/peers.rs (kinds) of fedimint-server 0.5.0. Later kinds are
//! in src/config.rs of fedimint-core 0.7.0 (3) and 0.10.0 (2).
//!
//! Invariant: a length is checked before it is used, and memory is allocated only for bytes that have
//! arrived.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest message that is sent or read. The longest honest message contains the parents of a unit: fewer
/// units than there are guardians, of 50,000 bytes each.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The memory for the first bytes of a message; it doubles each time it is full.
const FIRST_BYTES: usize = 4 << 10;

const MESSAGE: u32 = 0;
const PING: u32 = 1;
/// A request for a signed session (8 bytes, little endian); it is not sent for its answer.
const QUESTION: u32 = 2;
/// A byte string with its length (8 bytes, little endian); only key generation uses it.
const BYTES: u32 = 3;
/// A session that never exists.
const NO_SESSION: u64 = u64::MAX;
const KIND_BYTES: u64 = 4;
const LENGTH_BYTES: u64 = 8;

/// The keep-alive message that a link sends when there is nothing else to send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignOfLife {
    /// A kind of its own. Servers before v0.7 read it, and nodes always do.
    #[default]
    Ping,
    /// An empty byte string of a kind that a running session does not use. Servers from v0.7 to v0.9 ignore
    /// it.
    NoBytes,
    /// A request for a session that never exists. Servers from v0.10 on do not answer it.
    Question,
}

/// The announcement in a frame's head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A keep-alive message.
    Alive,
    /// A message of this many bytes.
    Message(u32),
}

/// Writes a frame around a message and sends it off.
pub(crate) async fn write_message(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> Result<(), Error> {
    let length = message.len() as u64;
    let mut head = Vec::with_capacity(20);
    head.extend((KIND_BYTES + LENGTH_BYTES + length).to_be_bytes());
    head.extend(MESSAGE.to_le_bytes());
    head.extend(length.to_le_bytes());
    to.write_all(&head).await?;
    to.write_all(message).await
}

/// Writes the keep-alive frame.
pub(crate) async fn write_sign_of_life(
    to: &mut (impl AsyncWrite + Unpin),
    sign: SignOfLife,
) -> Result<(), Error> {
    let (kind, rest) = match sign {
        SignOfLife::Ping => (PING, None),
        SignOfLife::NoBytes => (BYTES, Some(0)),
        SignOfLife::Question => (QUESTION, Some(NO_SESSION)),
    };
    let mut frame = Vec::with_capacity(20);
    frame.extend((KIND_BYTES + rest.map_or(0, |_| LENGTH_BYTES)).to_be_bytes());
    frame.extend(kind.to_le_bytes());
    frame.extend(rest.map(u64::to_le_bytes).into_iter().flatten());
    to.write_all(&frame).await
}

/// Reads a frame up to the message in it.
pub(crate) async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> Result<Head, Error> {
    let frame = from.read_u64().await?;
    let bad = |what| Error::new(ErrorKind::InvalidData, what);
    if frame < KIND_BYTES {
        return Err(bad("a frame without a kind"));
    }
    match (from.read_u32_le().await?, frame - KIND_BYTES) {
        (PING, 0) => Ok(Head::Alive),
        (QUESTION, LENGTH_BYTES) => from.read_u64_le().await.map(|_| Head::Alive),
        (BYTES, LENGTH_BYTES) => match from.read_u64_le().await? {
            0 => Ok(Head::Alive),
            _ => Err(bad("a frame without the bytes that it announces")),
        },
        (MESSAGE, rest @ LENGTH_BYTES..) => {
            let length = from.read_u64_le().await?;
            let allowed = u32::try_from(length).ok().filter(|length| *length as usize <= MAX_MESSAGE_BYTES);
            let length = allowed.ok_or_else(|| bad("a message that is too long"))?;
            if rest - LENGTH_BYTES == u64::from(length) {
                Ok(Head::Message(length))
            } else {
                Err(bad("a frame and a message of different lengths"))
            }
        }
        _ => Err(bad("a frame of an unknown kind")),
    }
}

/// Reads the message that a head announced. Once it is complete, it takes no more memory than its bytes.
pub(crate) async fn read_message(from: &mut (impl AsyncRead + Unpin), length: u32) -> Result<Vec<u8>, Error> {
    let length = length as usize;
    let mut message = Vec::new();
    while message.len() < length {
        if message.len() == message.capacity() {
            let more = message.len().max(FIRST_BYTES).min(length - message.len());
            message.reserve_exact(more);
        }
        let room = (message.capacity() - message.len()).min(length - message.len());
        if from.take(room as u64).read_buf(&mut message).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head(bytes: &[u8]) -> Result<Head, ErrorKind> {
        read_head(&mut &bytes[..]).await.map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let mut wire = Vec::new();
        write_sign_of_life(&mut wire, SignOfLife::Ping).await.unwrap();
        write_message(&mut wire, b"unit").await.unwrap();
        assert_eq!(wire[12..], *b"\0\0\0\0\0\0\0\x10\0\0\0\0\x04\0\0\0\0\0\0\0unit");
        let mut rest = wire.as_slice();
        assert_eq!(read_head(&mut rest).await.unwrap(), Head::Alive);
        assert_eq!(read_head(&mut rest).await.unwrap(), Head::Message(4));
        assert_eq!(read_message(&mut rest, 4).await.unwrap(), b"unit");
        assert!(rest.is_empty());
    }

    #[tokio::test]
    async fn every_sign_of_life_is_read_as_one() {
        let forms = [
            (SignOfLife::Ping, &b"\0\0\0\0\0\0\0\x04\x01\0\0\0"[..]),
            (SignOfLife::NoBytes, b"\0\0\0\0\0\0\0\x0c\x03\0\0\0\0\0\0\0\0\0\0\0"),
            (SignOfLife::Question, b"\0\0\0\0\0\0\0\x0c\x02\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
        ];
        let mut all = Vec::new();
        for (sign, bytes) in forms {
            let mut wire = Vec::new();
            write_sign_of_life(&mut wire, sign).await.unwrap();
            assert_eq!(wire, bytes, "{sign:?}");
            for cut in 0..wire.len() {
                assert_eq!(head(&wire[..cut]).await, Err(ErrorKind::UnexpectedEof), "{sign:?}");
            }
            all.extend(wire);
        }
        write_message(&mut all, b"unit").await.unwrap();
        let mut rest = all.as_slice();
        for _ in forms {
            assert_eq!(read_head(&mut rest).await.unwrap(), Head::Alive);
        }
        assert_eq!(read_head(&mut rest).await.unwrap(), Head::Message(4));
    }

    #[tokio::test]
    async fn a_message_takes_the_room_of_its_bytes() {
        for length in [0, 1, 4095, 4096, 4097, 9000, MAX_MESSAGE_BYTES] {
            let bytes = vec![7; length];
            let announced = u32::try_from(length).unwrap();
            let read = read_message(&mut &bytes[..], announced).await.unwrap();
            assert!(read == bytes && read.capacity() <= length + 4096, "{length}: {}", read.capacity());
            // Bytes that did not arrive take no memory.
            let cut = &bytes[..length / 3];
            assert!(length == 0 || read_message(&mut &cut[..], announced).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused() {
        let frame = |frame: u64, kind: u32, length: u64| {
            [&frame.to_be_bytes()[..], &kind.to_le_bytes(), &length.to_le_bytes()].concat()
        };
        let too_long = MAX_MESSAGE_BYTES as u64 + 1;
        let bad = [
            frame(3, PING, 0),
            frame(0, PING, 0),
            frame(5, PING, 0),
            frame(12, 4, 0),
            frame(4, QUESTION, 0),
            frame(13, QUESTION, 0),
            frame(4, BYTES, 0),
            frame(12, BYTES, 1),
            frame(13, BYTES, 1),
            frame(12, PING, 0),
            frame(11, MESSAGE, 0),
            frame(12, MESSAGE, 1),
            frame(13, MESSAGE, 0),
            frame(12 + too_long, MESSAGE, too_long),
            frame(u64::MAX, MESSAGE, u64::MAX - 12),
            frame(u64::MAX, u32::MAX, u64::MAX),
            b"GET / HTTP/1.1\r\n\r\n  ".to_vec(),
        ];
        for bytes in bad {
            assert_eq!(head(&bytes).await, Err(ErrorKind::InvalidData), "{bytes:?}");
        }
        let whole = frame(16, MESSAGE, 4);
        for cut in 0..whole.len() {
            assert_eq!(head(&whole[..cut]).await, Err(ErrorKind::UnexpectedEof));
        }
        assert!(read_message(&mut &b"uni"[..], 4).await.is_err());
    }
}
