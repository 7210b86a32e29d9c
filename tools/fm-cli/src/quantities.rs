//! Quantities as they are written on a command line.

/// Reads a number as the user writes it or as the programs show it, with its digits in groups of three:
/// 1234567 or 1,234,567.
///
/// # Errors
/// If it is not a number, or its groups are not of three digits.
pub fn number(text: &str) -> Result<u64, String> {
    let groups: Vec<&str> = text.split(',').collect();
    let is_grouped = groups.len() > 1
        && matches!(groups[0].len(), 1..=3)
        && groups[1..].iter().all(|group| group.len() == 3);
    let digits = if is_grouped { groups.concat() } else { text.to_owned() };
    digits.parse().map_err(|_| "not a number like 1234567 or 1,234,567".to_owned())
}

/// Reads a number as [`number`] does, for a smaller type.
///
/// # Errors
/// If it is not a number, or is too large.
pub fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    T::try_from(number(text)?).map_err(|_| "too large".to_owned())
}

/// Reads a number as [`count`] does, but at least 1.
///
/// # Errors
/// If it is not a number, is 0, or is too large.
pub fn positive<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    if number(text)? == 0 { Err("give 1 or more".to_owned()) } else { count(text) }
}

/// Reads a number of bytes, with K, M, G or T for powers of 1024.
///
/// # Errors
/// If it is not such a number.
pub fn bytes(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];
    let plain = number(text).ok();
    plain.or_else(|| scaled(text, &units)).ok_or_else(|| "no size like 500M or 10G".to_owned())
}

/// Reads a number that is followed by one of these units.
pub fn scaled(text: &str, units: &[(char, u64)]) -> Option<u64> {
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(*unit))?;
    number(text.strip_suffix(*unit)?).ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group_digits;

    #[test]
    fn numbers_are_read_as_they_are_shown() {
        for value in [0, 7, 999, 1000, 123_456, 1_234_567, u64::MAX] {
            assert_eq!(number(&value.to_string()), Ok(value));
            assert_eq!(number(&group_digits(value)), Ok(value));
            assert_eq!(bytes(&group_digits(value)), Ok(value));
        }
        for text in ["", ",", "1,23", "12,34,567", "1234,567", ",123", "1,234,", "1.234", "-1", "1 234", "x"]
        {
            assert!(number(text).is_err(), "{text}");
            assert!(count::<u16>(text).is_err() && bytes(text).is_err(), "{text}");
        }
        assert_eq!((count("65,535"), bytes("1,024K")), (Ok(u16::MAX), Ok(1 << 20)));
        assert_eq!(count::<u16>("65,536"), Err("too large".to_owned()));
        assert_eq!((positive::<u16>("0"), positive::<u16>("1")), (Err("give 1 or more".to_owned()), Ok(1)));
        assert!(positive::<u16>("65,536").is_err() && positive::<u64>("00").is_err());
    }
}
