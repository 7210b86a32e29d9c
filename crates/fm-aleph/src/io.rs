//! The contents of units, and the destination of ordered units.

use aleph_bft_0_36 as aleph;
use fm_consensus::UnitPayload;
use fm_history::PeerId;
use fm_replay::Payload;
use tokio::sync::mpsc::UnboundedSender;

use crate::{OrderedUnit, Proposals};

pub(crate) struct Provider(pub(crate) Proposals);

#[async_trait::async_trait]
impl aleph::DataProvider<Payload> for Provider {
    async fn get_data(&mut self) -> Option<Payload> {
        (self.0)().map(|payload| match payload {
            UnitPayload::Batch(batch) => Payload::Batch(batch),
            UnitPayload::Signature(signature) => Payload::HeaderSignature(signature),
        })
    }
}

pub(crate) struct Order(pub(crate) UnboundedSender<OrderedUnit>);

impl aleph::FinalizationHandler<Payload> for Order {
    /// Never called: `unit_finalized` has more information.
    fn data_finalized(&mut self, _: Payload) {}

    fn unit_finalized(&mut self, creator: aleph::NodeIndex, round: aleph::Round, payload: Option<Payload>) {
        let Ok(creator) = PeerId::try_from(creator.0) else { return };
        let payload = payload.map(|payload| match payload {
            Payload::Batch(batch) => UnitPayload::Batch(batch),
            Payload::HeaderSignature(signature) => UnitPayload::Signature(signature),
        });
        // If the session is being stopped, nothing receives this.
        let _ = self.0.send(OrderedUnit { creator, round, payload });
    }
}
