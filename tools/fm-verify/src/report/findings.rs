//! Findings with their places: the first of each severity, and how many more there are.

use fm_cli::group_digits;
use fm_history::{Code, Finding, Place, Severity};

use super::collect::Collector;
use super::page::Page;

/// The number of digits of a key that is shown whole; a longer key is shown by its first and last digits.
const SHOWN_DIGITS: usize = 24;
const KEY_HEAD: usize = 10;
const KEY_TAIL: usize = 6;

/// From the worst to the mildest.
const SEVERITIES: [(Severity, &str, &str); 3] = [
    (Severity::Error, "error", "Errors"),
    (Severity::Warning, "warning", "Warnings"),
    (Severity::Info, "info", "Notes"),
];

/// Writes the list.
pub(super) fn section(page: &mut Page, collector: &Collector) {
    page.open("section", "findings");
    page.tag("h2", "", "Findings");
    if collector.findings.counts.is_empty() {
        page.tag("p", "", "None.");
    }
    for (severity, class, heading) in SEVERITIES {
        let listed = &collector.findings.listed[severity as usize];
        let of_severity = collector.findings.counts.iter().filter(|((of, _), _)| of.0 == severity);
        let all: u64 = of_severity.clone().map(|(_, count)| count).sum();
        if all == 0 {
            continue;
        }
        page.tag("h3", class, &format!("{heading}: {}", group_digits(all)));
        page.open("ul", "codes");
        for ((_, code), count) in of_severity {
            page.open("li", "");
            page.tag("code", "", code.as_str());
            page.tag("strong", "", &group_digits(*count));
            page.tag("span", "note", code.meaning());
            follow(page, collector, *code);
            page.close("li");
        }
        page.close("ul");
        table(page, listed, class);
        let rest = all - listed.len() as u64;
        if rest > 0 {
            let rest = group_digits(rest);
            page.tag("p", "note", &format!("… and {rest} more of them, which fm-verify --json lists"));
        }
    }
    page.close("section");
}

/// Writes the findings that follow from findings of a kind.
fn follow(page: &mut Page, collector: &Collector, cause: Code) {
    let mut folds = collector.findings.folds.of(cause).peekable();
    if folds.peek().is_none() {
        return;
    }
    page.open("ul", "follow");
    for fold in folds {
        page.open("li", "");
        page.tag("code", "", fold.first.code.as_str());
        page.tag("strong", "", &group_digits(fold.count));
        let words = match fold.count {
            1 => "follows from this, and is not known to be wrong by itself",
            _ => "follow from this, and are not known to be wrong by themselves",
        };
        page.tag("span", "note", words);
        page.close("li");
    }
    page.close("ul");
}

/// Formats a place with the middle of a long key left out.
fn place_text(place: &Place) -> String {
    let key = place.key.as_ref().map(|key| match key.len() {
        0..=SHOWN_DIGITS => key.clone(),
        length => format!("{}…{} ({} bytes)", &key[..KEY_HEAD], &key[length - KEY_TAIL..], length / 2),
    });
    Place { key, ..place.clone() }.to_string()
}

fn table(page: &mut Page, listed: &[Finding], class: &str) {
    page.open("table", "list");
    page.heads(&[("Where", false), ("What", false)]);
    for finding in listed {
        page.open("tr", class);
        let place = place_text(&finding.place);
        page.tag("td", "where", if place.is_empty() { "everywhere" } else { &place });
        page.open("td", "");
        page.tag("code", "", finding.code.as_str());
        page.text(" ");
        page.text(&finding.message);
        page.close("td");
        page.close("tr");
    }
    page.close("table");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_takes_one_line() {
        let short = Place::key(&[0x05, 1, 2, 3]);
        assert_eq!(place_text(&short), short.to_string());
        let long = Place { session: Some(7), ..Place::key(&[0xAB; 33]) };
        assert_eq!(place_text(&long), "session 7, key ababababab…ababab (33 bytes)");
        assert!(place_text(&Place::key(&[7; 60_000])).len() < 60);
    }
}
