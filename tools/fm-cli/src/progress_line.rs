//! The text of a line of progress: as much as fits the terminal.

use std::time::Duration;

use crate::group_digits;

/// The largest and the smallest number of columns of a bar.
const BAR: (usize, usize) = (30, 10);
/// Columns of a stage's name, if there is room.
const NAME: usize = 22;
/// The shortest time from which a rate is computed; a rate over less is chance.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// The position of a stage.
pub(crate) struct Numbers {
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
    pub(crate) time: Duration,
}

impl Numbers {
    /// Returns the units per second, unless they are less than one or the time is too short.
    fn rate(&self) -> Option<u64> {
        let millis = u64::try_from(self.time.as_millis()).ok().filter(|_| self.time >= LEAST_TIME)?;
        let rate = u128::from(self.done) * 1000 / u128::from(millis);
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    /// Returns the seconds until the end, if the end is known.
    fn seconds_left(&self) -> Option<u64> {
        let (total, rate) = (self.total?, self.rate()?);
        Some(total.saturating_sub(self.done).div_ceil(rate).max(1))
    }

    /// Describes what a stage took.
    pub(crate) fn in_retrospect(&self, name: &str, unit: &str) -> String {
        let tenths = self.time.as_millis() / 100;
        format!("{name}: {} {unit} in {}.{} s", group_digits(self.done), tenths / 10, tenths % 10)
    }
}

/// Formats the line in at most this many columns; the least important parts are left out first.
pub(crate) fn fitted(name: &str, unit: &str, numbers: &Numbers, columns: usize) -> String {
    // At the very start, there is nothing to count yet.
    if numbers.total.is_none() && numbers.done == 0 && numbers.time < Duration::from_secs(1) {
        return name.chars().take(columns).collect();
    }
    let count = match numbers.total {
        Some(total) => format!("{}/{} {unit}", group_digits(numbers.done), group_digits(total)),
        None => format!("{} {unit}", group_digits(numbers.done)),
    };
    let rate = numbers.rate().map(|rate| format!(", {}/s", group_digits(rate))).unwrap_or_default();
    let time = match numbers.total {
        Some(_) => {
            numbers.seconds_left().map(|left| format!(", {} left", duration(left))).unwrap_or_default()
        }
        None => format!(", {}", duration(numbers.time.as_secs())),
    };
    let all = format!("{count}{rate}{time}");
    let padded = format!("{name:<NAME$}");
    if let Some(total) = numbers.total {
        // Name, bar and text, with a space between each and brackets around the bar.
        let room = columns.saturating_sub(padded.chars().count() + all.chars().count() + 4);
        if room >= BAR.1 {
            let bar = bar(numbers.done, total, room.min(BAR.0));
            return format!("{padded} [{bar}] {all}");
        }
    }
    let choices = [
        format!("{padded} {all}"),
        format!("{name} {all}"),
        format!("{name} {count}{time}"),
        format!("{name} {count}"),
        count.clone(),
    ];
    let fits = |text: &String| text.chars().count() <= columns;
    choices.into_iter().find(fits).unwrap_or_else(|| count.chars().take(columns).collect())
}

fn bar(done: u64, total: u64, columns: usize) -> String {
    let share = u128::from(done.min(total)) * columns as u128 / u128::from(total.max(1));
    let full = usize::try_from(share).unwrap_or(columns);
    let head = if full < columns { ">" } else { "" };
    format!("{:<columns$}", format!("{}{head}", "=".repeat(full)))
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: u64, total: Option<u64>, millis: u64) -> Numbers {
        Numbers { done, total, time: Duration::from_millis(millis) }
    }

    #[test]
    fn a_line_has_no_more_columns_than_it_may() {
        let all = [
            at(0, Some(2500), 0),
            at(1234, Some(2500), 2000),
            at(u64::MAX, Some(u64::MAX), 1),
            at(u64::MAX, Some(3), u64::MAX),
            at(7, None, 90_000),
            at(0, None, 0),
            at(0, Some(0), 500),
        ];
        for numbers in &all {
            for columns in 0..250 {
                let line = fitted("transaction index", "epochs", numbers, columns);
                assert!(line.chars().count() <= columns, "{columns}: {line:?}");
                assert!(!line.contains(" 0/s") && !line.contains('.'), "{line:?}");
            }
        }
    }

    #[test]
    fn at_the_very_start_no_count_is_shown() {
        assert_eq!(fitted("sessions", "sessions", &at(0, None, 0), 80), "sessions");
    }

    #[test]
    fn what_matters_least_is_left_out_first() {
        let numbers = at(1234, Some(2500), 2000);
        let line = |columns| fitted("epochs", "epochs", &numbers, columns);
        assert_eq!(
            line(199),
            "epochs                 [==============>               ] 1,234/2,500 epochs, 617/s, 3 s left"
        );
        assert_eq!(
            line(79),
            "epochs                 [========>         ] 1,234/2,500 epochs, 617/s, 3 s left"
        );
        assert_eq!(line(60), "epochs                 1,234/2,500 epochs, 617/s, 3 s left");
        assert_eq!(line(43), "epochs 1,234/2,500 epochs, 617/s, 3 s left");
        assert_eq!(line(39), "epochs 1,234/2,500 epochs, 3 s left");
        assert_eq!(line(30), "epochs 1,234/2,500 epochs");
        assert_eq!(line(5), "1,234");
    }

    #[test]
    fn a_rate_is_a_whole_number_or_none() {
        assert_eq!(at(0, None, 1000).rate(), None);
        assert_eq!(at(3, None, 10_000).rate(), None);
        assert_eq!(at(81_263, None, 10_000).rate(), Some(8126));
        assert_eq!(at(1_000_000, None, 1).rate(), None);
        assert_eq!(
            fitted("headers", "sessions", &at(0, None, 4000), 79),
            "headers                0 sessions, 4 s"
        );
    }
}
