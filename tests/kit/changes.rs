//! Changes of single rows and epochs, for copies of databases that have something wrong.

use fm_codec::ModuleValue;
use fm_history::{BlockContent, BlockItem, Contribution, Epoch, EpochItem};
use fm_rows::Row;

/// What becomes of a row; none drops it.
pub type Change = Box<dyn FnMut(&[u8], &[u8]) -> Option<Row>>;

/// Leaves every row as it is.
pub fn unchanged() -> Change {
    Box::new(|key, value| Some((key.to_vec(), value.to_vec())))
}

/// Drops the rows with these keys.
pub fn dropping(dropped: Vec<Vec<u8>>) -> Change {
    Box::new(move |key, value| (!dropped.iter().any(|k| k == key)).then(|| (key.to_vec(), value.to_vec())))
}

/// The contributions to an epoch of a framed layout.
pub fn contributions(epoch: &mut Epoch) -> &mut Vec<Contribution> {
    &mut epoch.content.as_mut().expect("a framed layout").contributions
}

/// An item of module 0.
pub fn module_item(body: Vec<u8>) -> EpochItem {
    EpochItem::Module(ModuleValue { instance: 0, body })
}

/// An item of module 0 that guardian 0 puts into a session, of a layout without positions.
pub fn module_item_of_block(body: Vec<u8>) -> BlockItem {
    let content = BlockContent::Module(ModuleValue { instance: 0, body });
    BlockItem { content, position: None, peer: 0 }
}
