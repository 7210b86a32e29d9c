//! Changes of single rows and epochs, for faulty copies of databases.

use fm_codec::ModuleValue;
use fm_history::{BlockContent, BlockItem, Contribution, Epoch, EpochItem};
use fm_rows::Row;

/// A function that returns the new row; none drops it.
pub type Change = Box<dyn FnMut(&[u8], &[u8]) -> Option<Row>>;

/// Returns a change that leaves every row as it is.
pub fn unchanged() -> Change {
    Box::new(|key, value| Some((key.to_vec(), value.to_vec())))
}

/// Returns a change that drops the rows with these keys.
pub fn dropping(dropped: Vec<Vec<u8>>) -> Change {
    Box::new(move |key, value| (!dropped.iter().any(|k| k == key)).then(|| (key.to_vec(), value.to_vec())))
}

/// Returns the contributions to an epoch of a framed layout.
pub fn contributions(epoch: &mut Epoch) -> &mut Vec<Contribution> {
    &mut epoch.content.as_mut().expect("a framed layout").contributions
}

/// Returns an item of module 0.
pub fn module_item(body: Vec<u8>) -> EpochItem {
    EpochItem::Module(ModuleValue { instance: 0, body })
}

/// Returns an item of module 0 that guardian 0 puts into a session, of a layout without positions.
pub fn module_item_of_block(body: Vec<u8>) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body });
    BlockItem { content, position: None, peer: 0 }
}
