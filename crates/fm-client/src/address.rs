//! Addresses of guardians.

/// Returns host and port of a URL with one of these schemes; `None` if it is not one.
pub fn authority(url: &str, schemes: &[&str], default_port: u16) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default_port),
    };
    (schemes.contains(&scheme) && !host.is_empty() && !host.contains('@')).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_strictly() {
        let read = |url| authority(url, &["ws", "wss"], 443);
        assert_eq!(read("wss://a.b/"), Some("a.b:443".to_owned()));
        assert_eq!(read("ws://[::1]:7/x"), Some("[::1]:7".to_owned()));
        assert_eq!(read("ws://[::1]"), Some("[::1]:443".to_owned()));
        for url in [
            "",
            "a.b:1",
            "http://a.b",
            "ws://",
            "ws:///x",
            "ws://a:b",
            "ws://a:99999",
            "ws://u@a:1",
            "ws://:1",
        ] {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
