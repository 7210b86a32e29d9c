//! Plain pages on the same port: the head of a connection is read before the connection is assigned.

use std::io::Error;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The longest head that is read.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// The header with a guardian's pass.
pub(crate) const PASS_HEADER: &str = "fm-guardian";
/// The interval at which an incomplete head is read again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// An answer to a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its kind, as in `text/html; charset=utf-8`.
    pub kind: &'static str,
    /// Its text.
    pub text: String,
}

/// The purpose of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A WebSocket; with a guardian's pass, if there is one.
    Upgrade { pass: Option<String> },
    /// The page at that path.
    Page(String),
    /// An unknown purpose.
    Nothing,
}

/// Reads the head of a connection; consumes the head of a page's request, but leaves that of a WebSocket.
pub(crate) async fn wish(stream: &mut TcpStream) -> Result<Wish, Error> {
    let mut head = vec![0; MAX_HEAD_BYTES];
    loop {
        let seen = stream.peek(&mut head).await?;
        let end = head[..seen].windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else {
            if seen == 0 || seen == MAX_HEAD_BYTES {
                return Ok(Wish::Nothing);
            }
            sleep(LOOK_AGAIN).await;
            continue;
        };
        let wish = read_head(&String::from_utf8_lossy(&head[..end]));
        if !matches!(wish, Wish::Upgrade { .. }) {
            stream.read_exact(&mut head[..end + 4]).await?;
        }
        return Ok(wish);
    }
}

fn read_head(head: &str) -> Wish {
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some("GET"), Some(path)) = (words.next(), words.next()) else { return Wish::Nothing };
    let (mut is_upgrade, mut pass) = (false, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        is_upgrade |= name.eq_ignore_ascii_case("upgrade") && value.eq_ignore_ascii_case("websocket");
        if name.eq_ignore_ascii_case(PASS_HEADER) {
            pass = Some(value.to_owned());
        }
    }
    if is_upgrade { Wish::Upgrade { pass } } else { Wish::Page(path.to_owned()) }
}

/// Answers with a page, or that there is no such page.
pub(crate) async fn answer(stream: &mut TcpStream, page: Option<Page>) -> Result<(), Error> {
    let missing = Page { kind: "text/plain; charset=utf-8", text: "nothing here\n".to_owned() };
    let status = if page.is_some() { "200 OK" } else { "404 Not Found" };
    let Page { kind, text } = page.unwrap_or(missing);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_apart() {
        let page = |path: &str| Wish::Page(path.to_owned());
        assert_eq!(read_head("GET /metrics HTTP/1.1\r\nHost: x"), page("/metrics"));
        let upgrade = |pass: Option<&str>| Wish::Upgrade { pass: pass.map(str::to_owned) };
        assert_eq!(read_head("GET / HTTP/1.1\r\nUPGRADE: WebSocket"), upgrade(None));
        let guardian = "GET / HTTP/1.1\r\nFM-Guardian: 3.7.ab \r\nUpgrade: websocket";
        assert_eq!(read_head(guardian), upgrade(Some("3.7.ab")));
        assert_eq!(read_head("GET / HTTP/1.1\r\nfm-guardian: 3"), page("/"));
        assert_eq!(read_head("GET / HTTP/1.1\r\nX-Upgrade: websocket"), page("/"));
        for head in ["", "GET", "POST / HTTP/1.1\r\nUpgrade: websocket", "\0\0\0\0", "\r\n"] {
            assert_eq!(read_head(head), Wish::Nothing, "{head:?}");
        }
    }
}
