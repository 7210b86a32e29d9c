//! The history from its first record to its last: how much was agreed on, what certifies it, and where
//! findings are.

use fm_cli::group_digits;

use super::buckets::{Bucket, State};
use super::collect::Collector;
use super::guardians::span;
use super::page::Page;

/// Units of a drawing for one bucket.
const BAR: usize = 10;
/// The height of the bars, and of the strip under them.
const HEIGHT: usize = 140;
const STRIP: usize = 40;
/// The height of the mark at the top of a bar with findings.
const FLAG: usize = 12;

/// Writes the timeline.
pub(super) fn section(page: &mut Page, collector: &Collector, is_epochs: bool) {
    let buckets = &collector.buckets.list;
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return };
    let what = if is_epochs { "epoch" } else { "session" };
    // The mean of a bucket, in tenths: buckets at the end have fewer records.
    let mean = |bucket: &Bucket| bucket.items * 10 / bucket.records.max(1);
    let highest = buckets.iter().map(mean).max().unwrap_or(0).max(1);
    page.open("section", "timeline");
    page.tag("h2", "", "From the first to the last");
    let each = buckets.iter().map(|bucket| bucket.records).max().unwrap_or(1);
    let mut note = format!("Items in each {what}. The highest bar is {}.", tenths(highest));
    if each > 1 {
        note = format!(
            "Items in each {what}, on average over {} {what}s a bar. The highest bar is {}.",
            group_digits(each),
            tenths(highest)
        );
    }
    page.tag("p", "note", &note);
    page.svg("bars", buckets.len() * BAR, HEIGHT, &format!("items in each {what}"));
    for (place, bucket) in buckets.iter().enumerate() {
        let title = title(bucket, what, mean(bucket));
        if let Some(class) = mark(bucket) {
            page.rect(class, [place * BAR, 0, BAR, HEIGHT], &title);
        }
        let height = scaled(mean(bucket), highest, HEIGHT - FLAG - 3);
        if bucket.records > 0 {
            page.rect("bar", [place * BAR, HEIGHT - height, BAR - 1, height], &title);
        }
        if let Some(class) = mark(bucket) {
            page.rect(&format!("flag {class}"), [place * BAR, 0, BAR, FLAG], &title);
        }
    }
    page.close("svg");
    page.svg("strip", buckets.len() * BAR, STRIP, &format!("what certifies each {what}"));
    for (place, bucket) in buckets.iter().enumerate() {
        strip(page, place, bucket, what);
    }
    page.close("svg");
    page.open("div", "axis");
    page.tag("span", "", &format!("{what} {}", group_digits(first.first)));
    page.tag("span", "", &format!("{what} {}", group_digits(last.last)));
    page.close("div");
    legend(page, collector);
    page.close("section");
}

/// Draws what certifies a bucket's records, each state by its share; a bad state is visible however rare it
/// is.
fn strip(page: &mut Page, place: usize, bucket: &Bucket, what: &str) {
    let mut top = 0;
    let all = bucket.records.saturating_add(bucket.missing());
    for (state, class, meaning) in State::ALL.into_iter().rev() {
        let count = bucket.states[state as usize];
        if count == 0 {
            continue;
        }
        let is_wrong = matches!(state, State::Bad | State::Damaged | State::Missing);
        let least = if is_wrong { STRIP / 3 } else { STRIP / 8 };
        let height = scaled(count, all, STRIP).max(least).min(STRIP - top);
        let title = format!(
            "{what} {}: {} of {}: {meaning}",
            span(bucket.first, bucket.last),
            group_digits(count),
            group_digits(all)
        );
        page.rect(class, [place * BAR, top, BAR, height], &title);
        top += height;
    }
}

fn scaled(part: u64, whole: u64, height: usize) -> usize {
    let scaled = u128::from(part) * height as u128 / u128::from(whole.max(1));
    usize::try_from(scaled).unwrap_or(height)
}

fn tenths(number: u64) -> String {
    if number.is_multiple_of(10) {
        group_digits(number / 10)
    } else {
        format!("{}.{}", group_digits(number / 10), number % 10)
    }
}

fn mark(bucket: &Bucket) -> Option<&'static str> {
    match (bucket.errors, bucket.warnings) {
        (0, 0) => None,
        (0, _) => Some("mark warning"),
        _ => Some("mark error"),
    }
}

fn title(bucket: &Bucket, what: &str, mean: u64) -> String {
    let mut title =
        format!("{what} {}: {} items", span(bucket.first, bucket.last), group_digits(bucket.items));
    if bucket.records == 0 {
        title = format!("{what} {}: not there", span(bucket.first, bucket.last));
    } else if bucket.records > 1 {
        title.push_str(&format!(" in {}, {} each", group_digits(bucket.records), tenths(mean)));
    }
    for (count, name) in [(bucket.errors, "error"), (bucket.warnings, "warning")] {
        if count > 0 {
            title.push_str(&format!(", {} {name}{}", group_digits(count), if count == 1 { "" } else { "s" }));
        }
    }
    title
}

fn legend(page: &mut Page, collector: &Collector) {
    page.open("ul", "legend");
    for (state, class, meaning) in State::ALL {
        let counts = collector.buckets.list.iter().map(|bucket| bucket.states[state as usize]);
        let count = counts.fold(0, u64::saturating_add);
        if count > 0 {
            entry(page, class, meaning, &group_digits(count));
        }
    }
    for (class, name, count) in [
        (
            "mark error",
            "errors here",
            collector.buckets.list.iter().filter(|bucket| bucket.errors > 0).count(),
        ),
        (
            "mark warning",
            "warnings here",
            collector.buckets.list.iter().filter(|bucket| bucket.warnings > 0).count(),
        ),
    ] {
        if count > 0 {
            entry(page, class, name, &format!("{count} of {} bars", collector.buckets.list.len()));
        }
    }
    page.close("ul");
}

fn entry(page: &mut Page, class: &str, meaning: &str, count: &str) {
    page.open("li", "");
    page.svg("key", 10, 10, meaning);
    page.rect(class, [0, 0, 10, 10], meaning);
    page.close("svg");
    page.text(meaning);
    page.tag("strong", "", count);
    page.close("li");
}
