//! Names in a directory of checkpoints: those that servers, `fm-node` and `fm-checkpoint` write there, and
//! those that they leave when they are killed.
//!
//! Invariant: a name of unfinished work is never the name of a checkpoint.

use std::path::{Component, Path};
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of the directory of checkpoints in a guardian's data directory.
/// Source: fedimint-server 0.5.0, src/consensus/engine.rs.
pub const CHECKPOINTS_NAME: &str = "db_checkpoints";
/// The beginning of a checkpoint's name while `fm-checkpoint` removes it.
const REMOVING: &str = ".removing-";
/// The end of a checkpoint's name while a node removes it.
const REMOVED: &str = ".removed";
/// The end of a checkpoint's name while RocksDB makes it.
const UNFINISHED: &str = ".tmp";
/// The end of a checkpoint's name while `fm-checkpoint` makes it.
const PARTIAL: &str = ".partial";
/// The placeholder for the last session if there is no session.
const EMPTY: &str = "empty";

/// Formats a time to the second, such as `20261121T093000Z`; the beginning of 1970 for a clock before it.
pub fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Years of 365.2425 days that begin in March, so that leap days come last.
    let shifted = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Returns the last session of the newest checkpoint in a directory, according to the names: `25`, or `25-…`
/// for a checkpoint made on demand.
pub fn newest_checkpoint(checkpoints: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(checkpoints).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| session_in_name(&name)).max()
}

/// Returns the name of a checkpoint that an operator requested: `<last session>-<time>`, not in use in
/// `directory`. Servers name theirs by the session alone, and remove those.
pub fn new_checkpoint_name(directory: &Path, last: Option<u64>, now: SystemTime) -> String {
    let last = last.map_or_else(|| EMPTY.to_owned(), |last| last.to_string());
    let name = format!("{last}-{}", utc(now));
    let mut names = std::iter::once(name.clone()).chain((2u32..).map(|count| format!("{name}-{count}")));
    let endings = ["", UNFINISHED, PARTIAL];
    let is_free = |name: &String| {
        let taken = |end| directory.join(format!("{name}{end}")).symlink_metadata().is_ok();
        !endings.into_iter().any(taken)
    };
    names.find(is_free).unwrap_or(name)
}

/// Returns the session of a checkpoint that is named by the session alone, as servers do. Only the plain form
/// counts: `07` and `+7` are not such names.
pub fn session_alone(name: &str) -> Option<u64> {
    name.parse().ok().filter(|session: &u64| session.to_string() == name)
}

/// Returns the last session of a checkpoint according to its name: `25`, `25-20261129T193427Z`, or
/// `25-1795981901187` of earlier versions of `fm-node`.
pub fn session_in_name(name: &str) -> Option<u64> {
    let (session, rest) = name.split_once('-').map_or((name, None), |(session, rest)| (session, Some(rest)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = |text: &str| {
        let (time, count) = text.split_once('-').map_or((text, None), |(time, count)| (time, Some(count)));
        (is_number(time) || is_moment(time)) && count.is_none_or(is_number)
    };
    session_alone(session).filter(|_| rest.is_none_or(is_time))
}

/// Returns whether a text is a time as [`utc`] formats it.
pub fn is_moment(text: &str) -> bool {
    let pattern = b"00000000T000000Z";
    let fits = |(byte, place): (u8, u8)| if place == b'0' { byte.is_ascii_digit() } else { byte == place };
    text.len() == pattern.len() && text.bytes().zip(*pattern).all(fits)
}

/// Returns whether a name in a directory of checkpoints is that of unfinished work: a checkpoint that is
/// being made or removed, or that a killed program left in that state.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with(REMOVING) || [REMOVED, UNFINISHED, PARTIAL].iter().any(|end| name.ends_with(end))
}

/// Returns whether this is the name of a checkpoint that `fm-checkpoint` was removing.
pub fn is_removing(name: &str) -> bool {
    name.starts_with(REMOVING)
}

/// Returns the checkpoint whose unfinished work has this name, if a guardian or these tools wrote it: RocksDB
/// was making it, or a node was removing it.
pub fn unfinished_of(name: &str) -> Option<&str> {
    let stem = [REMOVED, UNFINISHED].iter().find_map(|end| name.strip_suffix(end))?;
    let is_empty = stem.strip_prefix(EMPTY).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_moment);
    (is_empty || session_in_name(stem).is_some()).then_some(stem)
}

/// Returns whether a killed node left this: a checkpoint after a session that it was making or removing.
pub fn is_left_by_node(name: &str) -> bool {
    let stem = name.strip_suffix(REMOVED).or_else(|| name.strip_suffix(UNFINISHED));
    stem.is_some_and(|stem| session_alone(stem).is_some())
}

/// Returns the name of a checkpoint while `fm-checkpoint` removes it.
pub fn removing_name(name: &str) -> String {
    format!("{REMOVING}{name}")
}

/// Returns the name of a checkpoint after this session while a node removes it.
pub fn removed_name(session: u64) -> String {
    format!("{session}{REMOVED}")
}

/// Returns whether a text is the name of an entry of a directory, and leads nowhere else.
pub fn is_entry_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    !name.contains('\0')
        && parts.next().is_none()
        && matches!(first, Some(Component::Normal(part)) if part == name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, wanted) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_709_210_096, "20240229T123456Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            let text = utc(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(text, wanted);
            assert!(is_moment(&text));
        }
        for text in ["", "20260101T000000", "2026010/T000000Z", "20260101T000000Z/", "../../../etc/abc"] {
            assert!(!is_moment(text), "{text}");
        }
    }

    #[test]
    fn names_say_their_session() {
        for (name, session, alone) in [
            ("25", Some(25), true),
            ("25-20261129T193427Z", Some(25), false),
            ("25-20261129T193427Z-2", Some(25), false),
            ("22-1795981901187", Some(22), false),
            ("07", None, false),
            ("+7", None, false),
            ("25-mine", None, false),
            ("25-", None, false),
            ("mine", None, false),
            ("empty-20261129T193427Z", None, false),
            ("25.tmp", None, false),
        ] {
            assert_eq!(session_in_name(name), session, "{name}");
            assert_eq!(session_alone(name).is_some(), alone, "{name}");
            assert_eq!(is_unfinished(name), name.ends_with(".tmp"), "{name}");
        }
        for name in ["24.removed", "24.tmp", ".removing-24", "24-20261129T193427Z.partial", "24-1.tmp"] {
            assert!(is_unfinished(name), "{name}");
        }
        assert_eq!(unfinished_of("25-20261129T193427Z.tmp"), Some("25-20261129T193427Z"));
        assert_eq!(unfinished_of("empty-20261129T193427Z.tmp"), Some("empty-20261129T193427Z"));
        assert!(unfinished_of("24.removed").is_some() && unfinished_of("mine.tmp").is_none());
        assert!(is_left_by_node("24.removed") && is_left_by_node("24.tmp"));
        assert!(!is_left_by_node("x.tmp") && !is_left_by_node("24.partial") && !is_left_by_node("24"));
    }

    #[test]
    fn a_new_name_is_free_and_an_entry() {
        let home = tempfile::tempdir().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(951_782_400);
        let first = new_checkpoint_name(home.path(), Some(7), now);
        assert_eq!(first, "7-20000229T000000Z");
        fs::create_dir(home.path().join(&first)).unwrap();
        let second = new_checkpoint_name(home.path(), Some(7), now);
        assert_eq!((second.as_str(), session_in_name(&second)), ("7-20000229T000000Z-2", Some(7)));
        // A checkpoint in progress occupies the name as well.
        fs::create_dir(home.path().join(format!("{second}.tmp"))).unwrap();
        assert_eq!(new_checkpoint_name(home.path(), Some(7), now), "7-20000229T000000Z-3");
        assert_eq!(new_checkpoint_name(home.path(), None, now), "empty-20000229T000000Z");
        assert!(is_entry_name("25") && is_entry_name("25-x") && is_entry_name(".removing-2"));
        for name in ["", ".", "..", "a/b", "/a", "a/", "../a", "a\0b"] {
            assert!(!is_entry_name(name), "{name:?}");
        }
    }
}
