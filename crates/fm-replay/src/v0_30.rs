//! aleph-bft 0.30.0: era C from 2023-10-07, v0.2, v0.3.
//!
//! It reports the data and the creators of units, in order; it leaves out units without data.

use std::io::{Cursor, Sink, sink};

use aleph_bft_0_30 as aleph;
use aleph_bft_types_0_10::Terminator;
use fm_units::ALEPH_0_30;

use crate::Finalized;
use crate::payload::Payload;

crate::adapters::adapters!(aleph, ALEPH_0_30.hash);

impl aleph::FinalizationHandler<Payload> for Order {
    fn data_finalized(&mut self, payload: Payload, creator: aleph::NodeIndex) {
        self.push(Finalized { creator: creator.0 as u64, round: None, payload: Some(payload) });
    }
}

fn local_io(order: Order, stream: Vec<u8>) -> aleph::LocalIO<Payload, NoData, Order, Sink, Cursor<Vec<u8>>> {
    aleph::LocalIO::new(NoData, order, sink(), Cursor::new(stream))
}
