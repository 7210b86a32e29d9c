//! Ages, sizes and keys on a command line.

use std::time::Duration;

pub(crate) use fm_cli::bytes;
use fm_cli::scaled;

/// A key of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) Vec<u8>);

/// Reads a key in hex.
pub(crate) fn key(text: &str) -> Result<Key, String> {
    hex::decode(text).map(Key).map_err(|error| format!("no key in hex: {error}"))
}

/// Reads an age: a number and s, m, h, d or w.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    scaled(text, &units).map(Duration::from_secs).ok_or_else(|| "no age like 12h, 7d or 4w".to_owned())
}

/// Formats a number of bytes for people.
pub(crate) fn shown_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = bytes.saturating_mul(10);
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, units[unit]),
    }
}

/// Formats an age for people: its two largest parts.
pub(crate) fn shown_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let shown: Vec<String> =
        parts.iter().skip(first).take(2).map(|(count, unit)| format!("{count} {unit}")).collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_shown() {
        assert_eq!(age("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(bytes("10G"), Ok(10 << 30));
        assert_eq!(bytes("12"), Ok(12));
        for bad in ["", "d", "7", "-1d", "7y", "99999999999999999999d", "18446744073709551615w"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        for bad in ["", "G", "1.5G", "10 G", "99999999T"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert!(key("0").is_err() && key("zz").is_err());
        assert_eq!(shown_bytes(1023), "1023 B");
        assert_eq!(shown_bytes(1536), "1.5 KiB");
        assert_eq!(shown_age(Duration::from_secs(90_061)), "1 d 1 h");
        assert_eq!(shown_age(Duration::ZERO), "0 s");
    }
}
