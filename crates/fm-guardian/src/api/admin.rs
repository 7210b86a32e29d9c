//! The methods for the guardian itself, and facts about the node.

use std::collections::BTreeMap;

use fm_crypto::InviteCode;
use fm_datadir::{CheckpointError, INVITE_CODE};
use fm_rpc::RpcError;
use serde_json::{Map, Value, json};

use super::{Answer, Api, internal, number, refused};
use crate::actions::checkpoint_now;

/// The version of the interface, as servers count it: version 5 added `signed_session_status`, the last of
/// its methods. Source: fedimint-server 0.6.0, src/config/mod.rs.
const API_VERSION: (u32, u32) = (0, 5);
/// The version of the modules' interfaces. Source: src/lib.rs of fedimint-dummy-server 0.5.0 and
/// fedimint-meta-server 0.5.0.
const MODULE_API_VERSION: (u32, u32) = (0, 0);

impl Api {
    pub(super) fn invite_code(&self) -> Answer {
        let config = &self.shared.config;
        match std::fs::read_to_string(config.directory.join(INVITE_CODE)) {
            Ok(text) => Ok(json!(text.trim())),
            // Nodes do not write the file that servers write.
            Err(_) => {
                let missing = || RpcError::new(RpcError::NOT_FOUND, "this guardian has no invite code");
                let endpoint = config.consensus.api_endpoints.get(&config.me()).ok_or_else(missing)?;
                let addresses = BTreeMap::from([(config.me(), endpoint.url.clone())]);
                let federation = config.federation_id().to_vec();
                Ok(json!(InviteCode { addresses, federation, api_secret: None }.encode()))
            }
        }
    }

    pub(super) fn audit(&self) -> Value {
        let shared = &self.shared;
        let balance = shared.telemetry.progress().balance.clone();
        let modules: Map<String, Value> = shared
            .modules
            .iter()
            .map(|(instance, module)| {
                let net = balance.modules().get(&instance).copied().unwrap_or_default();
                (instance.to_string(), json!({ "net_assets": amount(net), "kind": module.kind() }))
            })
            .collect();
        json!({ "net_assets": amount(balance.net()), "module_summaries": modules })
    }

    /// Schedules the end of this node after this many sessions; without a number, when the open session is
    /// finished.
    pub(super) fn shutdown(&self, params: &Value) -> Answer {
        let finished = *self.shared.finished.borrow();
        let last = match params {
            Value::Null => finished + 1,
            params => number(params)?,
        };
        if last <= finished {
            let next = finished + 1;
            let reason = format!(
                "session {last} has begun already, as {finished} sessions are finished; the next one to stop at is {next}"
            );
            return Err(refused(reason));
        }
        self.shared.last.send_replace(Some(last));
        Ok(Value::Null)
    }

    /// Cancels the scheduled end of this node; returns the cancelled one.
    pub(super) fn cancel_shutdown(&self) -> Answer {
        let finished = *self.shared.finished.borrow();
        let mut was = None;
        self.shared.last.send_if_modified(|last| {
            was = *last;
            let is_ahead = last.is_some_and(|last| last > finished);
            if is_ahead {
                *last = None;
            }
            is_ahead
        });
        match was {
            Some(last) if last <= finished => Err(refused("the guardian is stopping already")),
            was => Ok(json!(was)),
        }
    }

    /// Returns the supported versions of the consensus and of the interface.
    pub(super) fn version(&self) -> Value {
        let consensus = &self.shared.config.consensus;
        let api = |(major, minor): (u32, u32)| json!([{ "major": major, "minor": minor }]);
        let modules: Map<String, Value> = consensus
            .modules
            .iter()
            .map(|(instance, module)| {
                let versions = json!({
                    "core_consensus": consensus.version,
                    "module_consensus": module.version,
                    "api": api(MODULE_API_VERSION),
                });
                (instance.to_string(), versions)
            })
            .collect();
        let core = json!({ "core_consensus": consensus.version, "api": api(API_VERSION) });
        json!({ "core": core, "modules": modules })
    }

    /// Makes a checkpoint of the current database, with the accepted items of the open session.
    pub(super) fn checkpoint(&self) -> Answer {
        let made = checkpoint_now(&self.shared).map_err(|error| match error {
            error @ CheckpointError::NoSpace { .. } => RpcError::new(RpcError::REFUSED, error.to_string()),
            CheckpointError::Store(error) => internal(error),
        })?;
        Ok(json!({ "path": made.path, "session_count": made.sessions }))
    }
}

/// Returns a sum; as a text if it is beyond the numbers of JSON readers.
fn amount(sum: i128) -> Value {
    i64::try_from(sum).map_or_else(|_| json!(sum.to_string()), |sum| json!(sum))
}
