//! fedimint-aleph-bft 0.36.0: v0.4 and later. It reports every unit, in order.

use aleph_bft_0_36 as aleph;
use aleph_bft_0_36::Terminator;
use fm_units::ALEPH_0_36;
use futures::io::{Cursor, Sink, sink};

use crate::Finalized;
use crate::payload::Payload;

crate::adapters::adapters!(aleph, ALEPH_0_36.hash);

impl aleph::FinalizationHandler<Payload> for Order {
    /// Does nothing: the library calls `unit_finalized` instead, which reports more.
    fn data_finalized(&mut self, _: Payload) {}

    fn unit_finalized(&mut self, creator: aleph::NodeIndex, round: aleph::Round, payload: Option<Payload>) {
        self.push(Finalized { creator: creator.0 as u64, round: Some(round), payload });
    }
}

fn local_io(order: Order, stream: Vec<u8>) -> aleph::LocalIO<Payload, NoData, Order, Sink, Cursor<Vec<u8>>> {
    aleph::LocalIO::new(NoData, order, sink(), Cursor::new(stream))
}
