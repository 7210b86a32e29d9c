//! A federation of one: there is no guardian to agree with, so items are accepted as they arrive.

use std::time::{Duration, Instant};

use fm_consensus::Engine;
use fm_store::Durability;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::actions::{carry_out, checkpoint, publish};
use crate::error::NodeError;
use crate::sessions::{Sessions, offer};

/// The interval at which submitted items are taken.
const TAKE_AFTER: Duration = Duration::from_millis(50);

impl Sessions {
    /// Runs until the node stops. A session lasts as long as its rounds would.
    pub(crate) async fn alone(self, mut engine: Engine) -> Result<(), NodeError> {
        let shared = self.shared.clone();
        let rounds = shared.config.consensus.broadcast_rounds_per_session;
        let length = shared.config.round_delay() * u32::from(rounds);
        // After a crash there is no order of units from which items could be taken again.
        engine.set_item_durability(Durability::Synced);
        while !self.is_over(&engine) {
            let begin = Instant::now();
            // A session that accepted items before a restart gets no others.
            while engine.progress().to_replay == 0 && begin.elapsed() < length && !*self.stop.borrow() {
                offer(&shared, &engine)?;
                let payload = shared
                    .mempool
                    .queue()
                    .next_payload(engine.session(), |txid| shared.mempool.is_accepted(txid).unwrap_or(false));
                if let Some(payload) = payload {
                    let me = shared.config.me();
                    let actions = block_in_place(|| engine.on_ordered_unit(0, me, Some(&payload)));
                    carry_out(&shared, &engine, actions)?;
                    continue;
                }
                sleep(TAKE_AFTER).await;
            }
            if *self.stop.borrow() {
                break;
            }
            let actions = block_in_place(|| engine.end_session_alone());
            carry_out(&shared, &engine, actions)?;
            publish(&shared, &engine);
            checkpoint(&shared, &engine);
        }
        Ok(())
    }
}
