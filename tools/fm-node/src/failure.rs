//! Failures of the program for the errors of a node.

use fm_cli::{Exit, Failure, MOVED_AWAY, of_files};
use fm_client::{ClientError, RpcError, SubmitError};
use fm_guardian::{NodeConfigError, NodeError};

/// Returns the failure for a node's error, with what to do about it.
pub(crate) fn of_node(error: NodeError) -> Failure {
    match error {
        NodeError::Store(error) => error.into(),
        NodeError::Config(error) => of_config(&error),
        NodeError::MovedAway(_) => Failure::from_error(error.kind().into(), &error).hint(MOVED_AWAY),
        NodeError::NoDatabase { .. } => Failure::from_error(error.kind().into(), &error)
            .hint("check --data-dir; a guardian that never ran before starts with --new"),
        NodeError::NotWhole { .. } => Failure::from_error(error.kind().into(), &error).hint(
            "a guardian that starts on it signs other units than it signed before; put the lost files back, or restore a \
             checkpoint: fm-checkpoint restore",
        ),
        NodeError::GuardUnknown { .. } => Failure::from_error(error.kind().into(), &error).hint(
            "ask every other guardian for its session count, take the highest, add 1, and give it with --guard-until; \
             --guard-until none if you know that this database ran last",
        ),
        NodeError::GuardTooLow { .. } => {
            Failure::from_error(error.kind().into(), &error).hint("nothing was changed; give a higher one")
        }
        NodeError::ConsensusFailure { .. } => Failure::from_error(error.kind().into(), &error)
            .hint("the file names the commands for recovery; run them before you start this node again"),
        NodeError::OtherModule { .. } => Failure::from_error(error.kind().into(), &error)
            .hint("--beside-servers names servers that take part now; with such a module they are older than v0.10"),
        error => Failure::from_error(error.kind().into(), &error),
    }
}

/// Returns the failure for an error in a guardian's files.
pub(crate) fn of_config(error: &NodeConfigError) -> Failure {
    let exit = if is_wrong_password(error) { Exit::WrongKey } else { Exit::CannotLook };
    match error {
        NodeConfigError::Files(error) => Failure { exit, ..of_files(error) },
        _ => Failure::from_error(exit, error),
    }
}

/// Checks whether another password could open the files.
pub(crate) fn is_wrong_password(error: &NodeConfigError) -> bool {
    matches!(error, NodeConfigError::Files(error) if error.is_wrong_password())
}

/// Returns the failure for a request to a guardian that failed.
pub(crate) fn of_client(error: &ClientError) -> Failure {
    let exit = match error {
        ClientError::Refused { source, .. } if source.code == RpcError::NOT_AUTHENTICATED => {
            return Failure::new(Exit::WrongKey, format!("the password is wrong: {error}"))
                .hint("FM_PASSWORD holds the password that this guardian's private.encrypt was made with, or that `fm-node run` was given");
        }
        ClientError::Refused { .. } => Exit::Findings,
        _ => Exit::CannotLook,
    };
    Failure::from_error(exit, error)
}

/// Returns the failure for a transaction that could not be submitted.
pub(crate) fn of_submission(error: &SubmitError) -> Failure {
    match error {
        SubmitError::Client(error) => of_client(error),
        SubmitError::Refused { .. } => Failure::from_error(Exit::Findings, error),
        SubmitError::Unclear { .. } => Failure::from_error(Exit::CannotLook, error),
    }
}
