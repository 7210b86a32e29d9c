//! Moments as text: the same in file names and in files, in Coordinated Universal Time.

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment to the second, such as `20261121T093000Z`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// A moment as text; the beginning of 1970 for a clock before it.
    pub(crate) fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Self(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
    }

    /// The text, if it is that of a moment and of nothing else: it becomes part of file names.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let shape = |(byte, place): (u8, u8)| match place {
            b'0' => byte.is_ascii_digit(),
            place => byte == place,
        };
        let pattern = b"00000000T000000Z";
        let fits = text.len() == pattern.len() && text.bytes().zip(*pattern).all(shape);
        fits.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The day of a moment, such as `2026-11-21`; the first of 1970 for a clock before it.
pub fn day(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a day since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, days);
    loop {
        let of_year = if is_leap(year) { 366 } else { 365 };
        if left < of_year {
            break;
        }
        left -= of_year;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for of_month in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < of_month {
            break;
        }
        left -= of_month;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_799, "20000229T235959Z"),
            (1_709_164_800, "20240229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (1_767_225_600, "20260101T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            let stamp = Stamp::of(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(stamp.as_str(), text);
            assert_eq!(Stamp::parse(text), Some(stamp));
        }
        for text in ["", "20260101T000000", "2026010/T000000Z", "20260101T000000Z/", "../../../etc/abc"] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
