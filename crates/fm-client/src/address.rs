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

/// The beginning of an address over iroh.
const IROH: &str = "iroh://";

/// Returns whether a URL is meant to be an address over iroh.
pub fn is_over_iroh(url: &str) -> bool {
    url.starts_with(IROH)
}

/// Returns the key in an address over iroh; `None` if it is not one. An address with a path is not one: it
/// leads to an endpoint of a later iroh.
///
/// Source: fedimint-connectors 0.13.0, src/lib.rs.
pub fn iroh_key(url: &str) -> Option<[u8; 32]> {
    let key = url.strip_prefix(IROH)?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(key.strip_suffix('/').unwrap_or(key), &mut bytes).ok()?;
    Some(bytes)
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

    #[test]
    fn keys_are_read_strictly() {
        let key = "0a".repeat(32);
        for url in [format!("iroh://{key}"), format!("iroh://{key}/")] {
            assert_eq!(iroh_key(&url), Some([10; 32]));
        }
        for url in ["iroh://", "iroh:///", "iroh://0a"] {
            assert!(is_over_iroh(url) && iroh_key(url).is_none(), "{url}");
        }
        for url in [format!("iroh://{key}/v1"), format!("iroh://{key}0"), format!("iroh://{key}//")] {
            assert!(is_over_iroh(&url) && iroh_key(&url).is_none(), "{url}");
        }
        assert!(!is_over_iroh(&key) && iroh_key(&format!("wss://{key}")).is_none());
    }
}
