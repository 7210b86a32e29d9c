//! Real databases with damage are still detected as what they are.

use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE};
use fm_eras::{Layout, detect};
use fm_rows::MemoryRows;
use fm_tests::fixture;

use crate::{open, rows};

#[test]
fn damaged_real_databases_are_still_what_they_are() {
    let good = rows(&open(&fixture("hbbft-v0.1.5/peer-0/database")));
    for step in [2, 3] {
        let mut memory = MemoryRows::from_iter(good.clone());
        for (place, (key, value)) in memory.0.iter_mut().enumerate() {
            if key[0] == HISTORY_TABLE && place % step == 0 {
                value.truncate(value.len() / 2);
            }
        }
        assert_eq!(detect(&memory).unwrap(), Layout::Hbbft(EpochLayout::by_name("bigsize").unwrap()));
    }
    // The history alone, without any other table.
    let only: Vec<_> = good.into_iter().filter(|(key, _)| key[0] == HISTORY_TABLE).collect();
    assert_eq!(
        detect(&MemoryRows::from_iter(only)).unwrap(),
        Layout::Hbbft(EpochLayout::by_name("bigsize").unwrap())
    );
}
