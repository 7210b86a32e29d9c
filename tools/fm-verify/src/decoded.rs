//! What the inputs, outputs and items of modules say, for people and for programs.

use fm_cli::{PinnedKeys, group_digits};
use fm_codec::{Dialect, ModuleValue, decode_exact};
use fm_eras::Layout;
use fm_history::{AcceptedItem, ConsensusItem, EntryItem};
use fm_modules::{Description, Fact, Kind, PayloadError, Registry};
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest text that is shown whole to people: the hex of two hashes.
const MOST_SHOWN: usize = 128;

/// A part of an item, described.
#[derive(Serialize)]
pub(crate) struct PartLine {
    /// `input`, `output` or `item`.
    part: &'static str,
    /// Its number among the inputs or outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    module: u16,
    kind: String,
    what: String,
    #[serde(flatten)]
    facts: Map<String, Value>,
    /// The facts for people.
    #[serde(skip)]
    words: Vec<String>,
}

/// Returns the kinds of the modules that the given configuration names; `None` if it is another federation's, or was
/// not given.
pub(crate) fn registry(keys: Option<&PinnedKeys>, is_of_others: bool) -> Option<Registry> {
    let config = keys.filter(|_| !is_of_others)?.config.as_ref()?;
    Some(Registry::of_config(config))
}

/// Describes the parts of an item of a session; nothing of other layouts, and of modules that are not known.
pub(crate) fn decoded(item: &EntryItem, layout: &Layout, registry: Option<&Registry>) -> Vec<PartLine> {
    let is_session = matches!(layout, Layout::Blocks(layout) if layout.is_modern());
    let Some(registry) = registry.filter(|_| is_session) else { return Vec::new() };
    let Ok(accepted) = decode_exact::<AcceptedItem>(&item.bytes, Dialect::MODERN) else { return Vec::new() };
    match accepted.item {
        ConsensusItem::Transaction(transaction) => {
            let inputs = transaction.inputs.iter().enumerate().filter_map(|(index, value)| {
                let described = registry.input(value).map(|input| input.describe());
                line(("input", Some(index)), value, registry, described)
            });
            let outputs = transaction.outputs.iter().enumerate().filter_map(|(index, value)| {
                let described = registry.output(value).map(|output| output.describe(None));
                line(("output", Some(index)), value, registry, described)
            });
            inputs.chain(outputs).collect()
        }
        ConsensusItem::Module(value) => {
            let described = registry.item(&value).map(|item| item.describe());
            line(("item", None), &value, registry, described).into_iter().collect()
        }
        ConsensusItem::Default { .. } => Vec::new(),
    }
}

fn line(
    (part, index): (&'static str, Option<usize>),
    value: &ModuleValue,
    registry: &Registry,
    described: Result<Description, PayloadError>,
) -> Option<PartLine> {
    let kind = registry.kind(value.instance).filter(|kind| !matches!(kind, Kind::Unknown(_)))?;
    let (what, facts) = match described {
        Ok(Description { what, facts }) => (what.to_owned(), facts),
        Err(error) => (format!("NOT DECODED: {error}: {}", error.source), Vec::new()),
    };
    let (mut map, mut words) = (Map::new(), Vec::new());
    for (name, fact) in facts {
        let (name, value, word) = match fact {
            Fact::Amount(amount) => {
                (format!("{name}_msat"), amount.0.into(), format!("{} msat", group_digits(amount.0)))
            }
            Fact::Number(number) => (name.to_owned(), number.into(), group_digits(number)),
            Fact::Text(text) => {
                let word = shortened(&text);
                (name.to_owned(), text.into(), word)
            }
        };
        words.push(format!("{} {word}", name.trim_end_matches("_msat").replace('_', " ")));
        map.insert(name, value);
    }
    let kind = kind.name().to_owned();
    Some(PartLine { part, index, module: value.instance, kind, what, facts: map, words })
}

/// Shortens a text that fills lines, for people.
fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= MOST_SHOWN {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(MOST_SHOWN / 4).collect();
    format!("{beginning}… ({count} characters)")
}

impl PartLine {
    /// Returns the line for people.
    pub(crate) fn text(&self) -> String {
        let number = self.index.map(|index| format!(" {index}")).unwrap_or_default();
        let facts =
            if self.words.is_empty() { String::new() } else { format!(": {}", self.words.join(", ")) };
        format!("{}{number} of module {} ({}) {}{facts}", self.part, self.module, self.kind, self.what)
    }
}
