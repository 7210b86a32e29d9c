//! How a guardian is asked for the record of a session: servers since v0.6 have a method that does not wait.

use std::time::Duration;

use fm_codec::{Dialect, Reader};
use fm_rpc::{ClientError, RpcError};
use serde_json::{Value, json};

use crate::encoding::{Wrapped, WrappedBase64, WrappedEpoch};
use crate::link::{Held, Link};

/// The interface since which there is `signed_session_status`. Source: fedimint-server 0.13.0,
/// src/consensus/api.rs.
const STATUS_SINCE: (u64, u64) = (0, 5);

/// The numbers of a session's states. Source: fedimint-core 0.13.0, src/session_outcome.rs.
const INITIAL: u64 = 0;
const PENDING: u64 = 1;
const COMPLETE: u64 = 2;

/// A method that returns the record of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordMethod {
    /// `signed_session_status`: says at once whether the session is finished.
    Status,
    /// `await_signed_session_outcome`: waits until the session is finished.
    Await,
    /// `fetch_epoch_history` of servers of v0.1: the record of an epoch.
    Epoch,
}

impl RecordMethod {
    /// Returns the newest method that a guardian has, by its answer to `version`.
    pub(crate) fn of(versions: &Value) -> Self {
        let number = |api: &Value, name: &str| api[name].as_u64();
        let has_status = versions["core"]["api"].as_array().into_iter().flatten().any(|api| {
            number(api, "major") == Some(STATUS_SINCE.0) && number(api, "minor") >= Some(STATUS_SINCE.1)
        });
        if has_status { Self::Status } else { Self::Await }
    }
}

/// Asks for the record of a session that the guardian claims to have finished.
pub(crate) async fn record_by(
    client: &Link,
    method: RecordMethod,
    session: u64,
    patience: Duration,
) -> Result<(Vec<u8>, Held), ClientError> {
    let params = json!(session);
    match method {
        RecordMethod::Epoch => {
            let asked = client.request_and_hold("fetch_epoch_history", None, &params, patience);
            asked.await.map(|(WrappedEpoch(record), answer)| (record, answer))
        }
        RecordMethod::Await => {
            let asked = client.request_and_hold("await_signed_session_outcome", None, &params, patience);
            asked.await.map(|(Wrapped(record), answer)| (record, answer))
        }
        RecordMethod::Status => {
            let asked = client.request_and_hold("signed_session_status", None, &params, patience);
            let (WrappedBase64(status), answer) = asked.await?;
            match of_status(&status) {
                Some(Ok(record)) => Ok((record, answer)),
                Some(Err(not_finished)) => {
                    let source = RpcError::new(RpcError::NOT_YET, not_finished);
                    Err(ClientError::Refused { url: client.url().to_owned(), source })
                }
                None => Err(ClientError::Unreadable {
                    url: client.url().to_owned(),
                    method: "signed_session_status".to_owned(),
                }),
            }
        }
    }
}

/// Returns the record in the status of a session, or why it has no record; `None` if it cannot be read.
fn of_status(status: &[u8]) -> Option<Result<Vec<u8>, &'static str>> {
    let mut reader = Reader::new(status, Dialect::MODERN);
    let state = reader.u64().ok()?;
    let body = reader.bytes().ok()?;
    reader.finish().ok()?;
    match state {
        COMPLETE => Some(Ok(body.to_vec())),
        // What an open session holds so far is not progress: it may change.
        PENDING => Some(Err("the session is not finished")),
        INITIAL if body.is_empty() => Some(Err("the session has not begun")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_chosen_by_what_the_guardian_says() {
        let of = |apis: Value| RecordMethod::of(&json!({ "core": { "core_consensus": {}, "api": apis } }));
        assert_eq!(of(json!([{ "major": 0, "minor": 5 }])), RecordMethod::Status);
        assert_eq!(of(json!([{ "major": 0, "minor": 9 }])), RecordMethod::Status);
        assert_eq!(of(json!([{ "major": 0, "minor": 4 }])), RecordMethod::Await);
        for other in
            [json!([]), json!([{ "major": 1, "minor": 9 }]), json!([{ "minor": 9 }]), json!(7), json!(null)]
        {
            assert_eq!(of(other.clone()), RecordMethod::Await, "{other}");
        }
        assert_eq!(RecordMethod::of(&json!("nonsense")), RecordMethod::Await);
    }

    #[test]
    fn only_a_finished_session_has_a_record() {
        assert_eq!(of_status(&[2, 3, 7, 8, 9]), Some(Ok(vec![7, 8, 9])));
        assert!(matches!(of_status(&[0, 0]), Some(Err(_))));
        assert!(matches!(of_status(&[1, 1, 0]), Some(Err(_))));
        for bad in [&[][..], &[2], &[2, 3, 7, 8], &[2, 1, 7, 8], &[0, 1, 0], &[3, 0]] {
            assert_eq!(of_status(bad), None, "{bad:?}");
        }
    }
}
