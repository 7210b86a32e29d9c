//! The guardians' signed announcements of new addresses of their interfaces.
//!
//! Invariant: a stored announcement is signed by the guardian that it names, and is newer than the one it
//! replaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use fm_client::{Announcement, Guardian};
use fm_codec::{Dialect, Writer};
use fm_crypto::SigningKey;
use fm_history::PeerId;
use fm_rpc::RpcError;
use fm_store::{Durability, LiveStore, StoreError};
use serde_json::{Map, Value};

use super::{Answer, Api, bad, internal, refused};
use crate::config::NodeConfig;
use crate::pass::maker;

/// First byte of the rows. Source: fedimint-server 0.5.0, src/consensus/db.rs.
const API_ANNOUNCEMENT: u8 = 0x06;
fn row_key(peer: PeerId) -> Vec<u8> {
    let mut key = Writer::new(Dialect::MODERN);
    key.u8(API_ANNOUNCEMENT);
    key.u16(peer);
    key.into_bytes()
}

fn stored(store: &LiveStore, peer: PeerId) -> Result<Option<Announcement>, RpcError> {
    let row = store.get(&row_key(peer)).map_err(internal)?;
    row.map(|row| Announcement::read(&row).map_err(internal)).transpose()
}

impl Api {
    pub(super) fn announcements(&self) -> Answer {
        let mut all = Map::new();
        for peer in self.shared.config.keys.peers() {
            if let Some(announcement) = stored(&self.shared.store, peer)? {
                all.insert(peer.to_string(), announcement.to_json());
            }
        }
        Ok(all.into())
    }

    pub(super) fn submit_announcement(&self, params: &Value) -> Answer {
        let expected = || bad("a signed announcement with the number of its guardian");
        let announcement = Announcement::from_json(params).ok_or_else(expected)?;
        let peer =
            params["peer_id"].as_u64().and_then(|peer| PeerId::try_from(peer).ok()).ok_or_else(expected)?;
        let key = self.shared.config.keys.compressed().get(&peer).copied();
        let key = key.ok_or_else(|| refused("there is no such guardian"))?;
        if !announcement.is_an_address() {
            return Err(refused("the address is not one of an interface"));
        }
        if !announcement.is_signed_by(&key) {
            return Err(refused("the announcement is not signed by that guardian"));
        }
        let _one_at_a_time = self.shared.announcing();
        if let Some(known) = stored(&self.shared.store, peer)? {
            if (&known.url, known.nonce) == (&announcement.url, announcement.nonce) {
                return Ok(Value::Null);
            }
            if known.nonce >= announcement.nonce {
                return Err(refused("there is a newer announcement of that guardian"));
            }
        }
        self.store(peer, &announcement)?;
        Ok(Value::Null)
    }

    /// Signs and stores this guardian's new address.
    pub(super) fn sign_announcement(&self, params: &Value) -> Answer {
        let url = params.as_str().ok_or_else(|| bad("an address"))?.to_owned();
        let me = self.shared.config.me();
        let _one_at_a_time = self.shared.announcing();
        let nonce = match stored(&self.shared.store, me)? {
            Some(known) => known.nonce.checked_add(1).ok_or_else(|| refused("no number is left"))?,
            None => 0,
        };
        let announcement = Announcement::sign(url, nonce, &self.shared.config.signing_key());
        if !announcement.is_an_address() {
            return Err(refused("the address is not one of an interface"));
        }
        self.store(me, &announcement)?;
        Ok(announcement.to_json())
    }

    fn store(&self, peer: PeerId, announcement: &Announcement) -> Result<(), RpcError> {
        let (key, row) = (row_key(peer), announcement.to_row());
        let row = (key.as_slice(), Some(row.as_slice()));
        self.shared.store.write([row], Durability::Synced).map_err(internal)
    }
}

/// Returns the guardians' interfaces: the last announced address, or the configured one. A row that cannot be
/// read, or is not signed, is ignored.
pub(crate) fn interfaces(
    config: &NodeConfig,
    signing_key: &Arc<SigningKey>,
    store: &LiveStore,
) -> Result<BTreeMap<PeerId, Guardian>, StoreError> {
    let mut interfaces = BTreeMap::new();
    for (peer, key) in config.keys.compressed() {
        let Some(configured) = config.consensus.api_endpoints.get(&peer) else { continue };
        let announced = store.get(&row_key(peer))?.and_then(|row| Announcement::read(&row).ok());
        let signed = announced.filter(|announced| announced.is_an_address() && announced.is_signed_by(&key));
        let guardian = match signed {
            Some(signed) => Guardian::new(signed.url).or_at(&configured.url),
            None => Guardian::new(&configured.url),
        };
        interfaces.insert(peer, guardian.with_pass(maker(signing_key, config.me(), peer)));
    }
    Ok(interfaces)
}
