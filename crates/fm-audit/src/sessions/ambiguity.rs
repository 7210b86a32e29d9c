//! Sessions whose list of items shares its header with another list, and which of these sessions honest
//! servers can produce.
//!
//! Invariant: only a repeated module item has the severity "info". Servers up to v0.13 accept a vote that a
//! guardian repeats, and processing it again changes nothing; no server accepts a transaction twice.

use fm_history::{Block, BlockContent, BlockItem, Code, Depth, Finding, Place, Severity};

/// Returns the finding about another list of items that has, or may have, the same header.
pub(crate) fn ambiguity(session: u64, block: &Block) -> Option<Finding> {
    let merkle = block.merkle;
    let (severity, twin) = match merkle.depth {
        _ if merkle.ambiguous => {
            let tail = &block.items[block.items.len().saturating_sub(merkle.repeated)..];
            let (severity, what) = of_tail(tail);
            let repeat = match tail.len() {
                1 => "the last item repeats the one before it".to_owned(),
                count => format!("the last {count} items repeat those before them"),
            };
            (severity, format!("{repeat} ({what}), and the list without this has the same header"))
        }
        Depth::Settled => return None,
        Depth::MaybeDeeper => (
            Severity::Error,
            "every item of this session has 64 bytes, as two hashes have, and a longer list whose hashes they are may \
             share its header"
                .to_owned(),
        ),
        Depth::Shallower => (
            Severity::Error,
            "the header of this session is shared by a shorter list of items, which are the hashes of these".to_owned(),
        ),
    };
    let message = format!("{twin}: its signatures do not say which of the two was agreed on");
    Some(Finding::new(Code::ItemListAmbiguous, Place::session(session), message).with_severity(severity))
}

/// Returns the severity of a list that repeats these items at its end, and the reason.
fn of_tail(tail: &[BlockItem]) -> (Severity, &'static str) {
    let has = |matches: fn(&BlockContent) -> bool| tail.iter().any(|item| matches(&item.content));
    if has(|content| matches!(content, BlockContent::Transaction(_))) {
        return (Severity::Error, "no server accepts a transaction twice");
    }
    if has(|content| !matches!(content, BlockContent::Module(_))) {
        return (Severity::Warning, "whether a server accepts such an item twice is not known");
    }
    (Severity::Info, "a module item that is accepted twice changes nothing")
}
