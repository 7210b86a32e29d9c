//! Quantities as they are written on a command line.

/// Reads a number of bytes, with K, M, G or T for powers of 1024.
///
/// # Errors
/// If it is none.
pub fn bytes(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];
    let plain = text.parse().ok();
    plain.or_else(|| scaled(text, &units)).ok_or_else(|| "no size like 500M or 10G".to_owned())
}

/// Reads a number with one of these units behind it.
pub fn scaled(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(*unit))?;
    text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*factor)
}
