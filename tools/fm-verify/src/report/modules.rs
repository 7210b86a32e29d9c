//! The content of the history: items by kind, and by module.

use fm_cli::group_digits;

use super::collect::Collector;
use super::page::{Page, percent};
use crate::view::Modules;

/// The number of modules that are listed.
const MOST_MODULES: usize = 40;

/// The counts of a module in a history.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ModuleCounts {
    pub(super) inputs: u64,
    pub(super) outputs: u64,
    pub(super) items: u64,
}

impl ModuleCounts {
    fn total(self) -> u64 {
        self.inputs + self.outputs + self.items
    }
}

/// Writes both tables.
pub(super) fn section(page: &mut Page, collector: &Collector, names: &Modules) {
    if collector.kinds.is_empty() {
        return;
    }
    page.open("section", "contents");
    page.tag("h2", "", "What was agreed on");
    page.open("div", "columns");
    kinds(page, collector);
    modules(page, collector, names);
    page.close("div");
    page.close("section");
}

fn kinds(page: &mut Page, collector: &Collector) {
    let mut kinds: Vec<_> = collector.kinds.iter().collect();
    kinds.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), **name));
    let all: u64 = kinds.iter().map(|(_, count)| **count).sum();
    page.open("table", "");
    page.tag("caption", "", "By kind");
    page.heads(&[("Item", false), ("Count", true), ("Share", true)]);
    for (name, count) in kinds {
        page.open("tr", "");
        page.tag("td", "", name);
        page.tag("td", "number", &group_digits(*count));
        page.tag("td", "number", &percent(*count, all));
        page.close("tr");
    }
    page.close("table");
}

fn modules(page: &mut Page, collector: &Collector, names: &Modules) {
    let mut modules: Vec<_> = collector.modules.iter().collect();
    modules.sort_by_key(|(instance, counts)| (std::cmp::Reverse(counts.total()), **instance));
    let rest = modules.len().saturating_sub(MOST_MODULES);
    page.open("table", "");
    page.tag("caption", "", "By module");
    page.heads(&[("Module", false), ("Items", true), ("Inputs", true), ("Outputs", true)]);
    for (instance, counts) in modules.into_iter().take(MOST_MODULES) {
        page.open("tr", "");
        page.open("td", "");
        page.tag("strong", "", names.get(instance).map_or("module", String::as_str));
        page.text(&format!(" {instance}"));
        page.close("td");
        for count in [counts.items, counts.inputs, counts.outputs] {
            page.tag("td", if count == 0 { "number zero" } else { "number" }, &group_digits(count));
        }
        page.close("tr");
    }
    page.close("table");
    if rest > 0 {
        page.tag("p", "note", &format!("… and {rest} more modules, with fewer"));
    }
}
