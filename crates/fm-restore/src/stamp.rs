//! Times as text: the same form in file names and in files, in Coordinated Universal Time.

use std::time::SystemTime;

use fm_datadir::{is_moment, utc};

/// A time to the second, such as `20261121T093000Z`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// Returns a time as text; the beginning of 1970 for an earlier clock.
    pub(crate) fn of(time: SystemTime) -> Self {
        Self(utc(time))
    }

    /// Returns the text if it is exactly a time: it becomes part of file names.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        is_moment(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the day of a time, such as `2026-11-21`; the first day of 1970 for an earlier clock.
pub fn day(time: SystemTime) -> String {
    let text = utc(time);
    format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..8])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

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
