//! Guardians' participation and absences: a row for each guardian.

use std::collections::{BTreeMap, BTreeSet};

use fm_cli::{PinnedKeys, group_digits};
use fm_history::PeerId;

use super::buckets::Bucket;
use super::collect::Collector;
use super::page::{Page, percent};

/// The number of columns of the matrix.
const COLUMNS: usize = 100;

/// The participation of a guardian, and its longest absence.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    pub(super) seen: u64,
    /// The number of records before the next one that counts.
    next: u64,
    /// The number of the last record with this guardian.
    last: Option<u64>,
    /// The longest stretch without this guardian: how many records, and the numbers that it lies between.
    pub(super) longest: (u64, Option<u64>, Option<u64>),
}

impl Presence {
    /// Notes that the guardian appears in the record with this ordinal and this number.
    pub(super) fn see(&mut self, ordinal: u64, index: u64) {
        self.absent(ordinal, Some(index));
        self.seen += 1;
        self.next = ordinal + 1;
        self.last = Some(index);
    }

    fn absent(&mut self, ordinal: u64, until: Option<u64>) {
        let missed = ordinal.saturating_sub(self.next);
        if missed > self.longest.0 {
            self.longest = (missed, self.last, until);
        }
    }

    /// Ends the history.
    pub(super) fn end(&mut self, records: u64) {
        self.absent(records, None);
    }

    fn absence(&self, what: &str) -> String {
        let (missed, after, before) = self.longest;
        let plural = if missed == 1 { "" } else { "s" };
        let missing = format!("missing for {} {what}{plural}", group_digits(missed));
        match (after.map(group_digits), before.map(group_digits)) {
            _ if missed == 0 => format!("in every {what}"),
            (None, None) => "never seen".to_owned(),
            (None, Some(before)) => format!("{missing}, until {before}"),
            (Some(after), None) => format!("{missing}, since {after}"),
            (Some(after), Some(before)) => format!("{missing}, between {after} and {before}"),
        }
    }
}

/// One matrix: its heading, its meaning, and what it counts.
struct Matrix<'a> {
    title: &'static str,
    note: &'static str,
    seen: &'a BTreeMap<PeerId, Presence>,
    counts: fn(&Bucket) -> &BTreeMap<PeerId, u64>,
}

/// Writes both matrices.
pub(super) fn section(page: &mut Page, collector: &Collector, keys: Option<&PinnedKeys>, is_epochs: bool) {
    if collector.records == 0 {
        return;
    }
    let (signers, authors) = if is_epochs {
        (
            "An epoch holds shares of the signature on the epoch before it; a few of them make that signature.",
            "Guardians whose contribution was agreed on.",
        )
    } else {
        (
            "Servers store the signatures that came first, as many as must sign: a guardian that is not among them may \
             have signed all the same.",
            "Guardians that put at least one item into the session.",
        )
    };
    let titles =
        if is_epochs { ["Signature shares", "Contributions"] } else { ["Signatures stored", "Items"] };
    let matrices = [
        Matrix {
            title: titles[0],
            note: signers,
            seen: &collector.signers,
            counts: |bucket| &bucket.signers,
        },
        Matrix {
            title: titles[1],
            note: authors,
            seen: &collector.authors,
            counts: |bucket| &bucket.authors,
        },
    ];
    page.open("section", "participation");
    page.tag("h2", "", "Who took part");
    page.tag(
        "p",
        "note",
        "Each row is a guardian, left to right from the first to the last; darker means more often. Beside it how often in \
         all, and the longest stretch without.",
    );
    let columns = columns(&collector.buckets.list);
    for matrix in matrices {
        matrix.write(page, &columns, collector.records, keys, is_epochs);
    }
    if collector.strangers > 0 {
        let count = group_digits(collector.strangers);
        page.tag("p", "note", &format!("{count} signatures and items of further numbers are not shown."));
    }
    page.close("section");
}

/// Joins the buckets until a person can distinguish them.
fn columns(buckets: &[Bucket]) -> Vec<&[Bucket]> {
    buckets.chunks(buckets.len().div_ceil(COLUMNS).max(1)).collect()
}

impl Matrix<'_> {
    fn write(
        &self,
        page: &mut Page,
        columns: &[&[Bucket]],
        records: u64,
        keys: Option<&PinnedKeys>,
        is_epochs: bool,
    ) {
        page.tag("h3", "", self.title);
        page.tag("p", "note", self.note);
        page.open("div", "matrix");
        let config = keys.and_then(|keys| keys.config.as_ref());
        let known = keys.and_then(|keys| keys.session.as_ref()).map(fm_crypto::SessionKeys::peers);
        let mut peers: BTreeSet<PeerId> = self.seen.keys().copied().collect();
        peers.extend(config.iter().flat_map(|config| config.guardians.keys().copied()));
        peers.extend(known.into_iter().flatten().take(64));
        let what = if is_epochs { "epoch" } else { "session" };
        for peer in peers {
            let name =
                config.and_then(|config| config.guardians.get(&peer)).map(|guardian| guardian.name.as_str());
            page.open("div", "row");
            page.open("div", "who");
            page.tag("strong", "", &format!("{peer}"));
            page.tag("span", "name", name.unwrap_or("no name given"));
            page.close("div");
            self.write_cells(page, columns, peer, what);
            let absent = Presence::default();
            let presence = self.seen.get(&peer).unwrap_or(&absent);
            page.open("div", "share");
            page.tag("strong", "", &percent(presence.seen, records));
            let absence = if presence.seen == 0 { "never seen".to_owned() } else { presence.absence(what) };
            page.tag("span", "", &absence);
            page.close("div");
            page.close("div");
        }
        page.close("div");
    }

    fn write_cells(&self, page: &mut Page, columns: &[&[Bucket]], peer: PeerId, what: &str) {
        let label = format!("guardian {peer} over time");
        page.svg("cells", columns.len() * 10, 10, &label);
        for (column, buckets) in columns.iter().enumerate() {
            let records: u64 = buckets.iter().map(|bucket| bucket.records).sum();
            let seen: u64 = buckets.iter().filter_map(|bucket| (self.counts)(bucket).get(&peer)).sum();
            let (first, last) = (buckets.first(), buckets.last());
            let (from, to) = (first.map_or(0, |bucket| bucket.first), last.map_or(0, |bucket| bucket.last));
            if records == 0 {
                page.rect(
                    "missing",
                    [column * 10, 0, 9, 10],
                    &format!("{what} {}: not there", span(from, to)),
                );
                continue;
            }
            let title =
                format!("{what} {}: in {} of {}", span(from, to), group_digits(seen), group_digits(records));
            // Ten shades only: a style for each value would fill the page.
            let shade = if seen == 0 { 0 } else { 1 + (seen * 9).div_euclid(records.max(1)).min(9) };
            page.rect(&format!("s{shade}"), [column * 10, 0, 9, 10], &title);
        }
        page.close("svg");
    }
}

/// Formats the numbers from one to another.
pub(super) fn span(from: u64, to: u64) -> String {
    if from == to { group_digits(from) } else { format!("{} to {}", group_digits(from), group_digits(to)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_absence_is_found_wherever_it_is() {
        let absence = |seen: &[u64], records: u64| {
            let mut presence = Presence::default();
            seen.iter().for_each(|ordinal| presence.see(*ordinal, ordinal + 100));
            presence.end(records);
            presence.longest
        };
        assert_eq!(absence(&[0, 1, 2], 3), (0, None, None));
        assert_eq!(absence(&[4, 5], 6), (4, None, Some(104)));
        assert_eq!(absence(&[0, 5], 6), (4, Some(100), Some(105)));
        assert_eq!(absence(&[0], 6), (5, Some(100), None));
        assert_eq!(absence(&[], 6), (6, None, None));
    }
}
