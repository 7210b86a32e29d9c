//! `create` while the guardian runs: `fm-node` makes the checkpoint, and this program opens and audits it.
//!
//! Invariant: the program looks for the checkpoint that the node names only where that node's checkpoints
//! are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fm_audit::Control;
use fm_backup::{Created, State, survey};
use fm_cli::{Exit, Failure, PinnedKeys};
use fm_client::{ClientError, Guardian, RpcError, own_address, wait_for};
use fm_datadir::CHECKPOINTS_NAME;
use fm_history::Finding;
use serde_json::Value;

use crate::args::CreateArgs;

/// Long enough to flush a large database to the disk first.
const PATIENCE: Duration = Duration::from_secs(300);
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// Lets the running guardian make a checkpoint. Returns `locked` if no `fm-node` answers.
pub(crate) fn ask_node(
    arguments: &CreateArgs,
    keys: Option<&PinnedKeys>,
    locked: Failure,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Created, Failure> {
    let directory = &arguments.data_dir;
    let Ok(url) = own_address(directory) else { return Err(locked) };
    let guardian = Guardian::new(&url);
    if !is_node(&guardian)? {
        return Err(locked);
    }
    if arguments.to.is_some() || arguments.link {
        let message = format!("{}: a running guardian makes its checkpoints itself", directory.display());
        return Err(Failure { message, ..locked }.hint("leave --to and --link out, or stop it"));
    }
    let asked = arguments.password.open(directory, is_wrong_password, |password| {
        wait_for(guardian.ask("checkpoint", Some(password), &Value::Null, PATIENCE))
            .map_err(Asking::Waiting)?
            .map_err(Asking::Client)
    })?;
    let answer = asked.map_err(|error| match error {
        Asking::Waiting(error) => cannot_wait(error),
        Asking::Client(error) => not_made(&error),
    })?;
    let path = checkpoint_in(directory, &answer).ok_or_else(|| {
        let message = format!("{url} says that it made {answer}, which is not in {}", directory.display());
        Failure::new(Exit::CannotLook, message).hint("is another guardian running there?")
    })?;
    let state = State::open(&path, None, None, control)?;
    let keys = keys.map(|keys| keys.usable_for(&state.layout())).transpose()?.flatten();
    let survey = survey(&state, keys, control, on_finding)?;
    Ok(Created { path, survey, owner_lacking: None })
}

/// The reason why the guardian gave no answer.
enum Asking {
    Waiting(std::io::Error),
    Client(ClientError),
}

fn is_wrong_password(error: &Asking) -> bool {
    matches!(error, Asking::Client(error) if is_not_authenticated(error))
}

fn is_not_authenticated(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { source, .. } if source.code == RpcError::NOT_AUTHENTICATED)
}

/// Finds the checkpoint by its name: a node in a container may see its directory under another path.
fn checkpoint_in(directory: &Path, answer: &Value) -> Option<PathBuf> {
    let name = Path::new(answer["path"].as_str()?).file_name()?;
    let path = directory.join(CHECKPOINTS_NAME).join(name);
    path.is_dir().then_some(path)
}

/// Checks whether an `fm-node` answers: other servers make no checkpoints on demand.
fn is_node(guardian: &Guardian) -> Result<bool, Failure> {
    let asked = wait_for(guardian.ask("fedimintd_version", None, &Value::Null, PROBE_PATIENCE));
    let version = asked.map_err(cannot_wait)?;
    Ok(version.is_ok_and(|version| version.as_str().is_some_and(|version| version.starts_with("fm-node "))))
}

fn cannot_wait(error: std::io::Error) -> Failure {
    Failure::from_error(Exit::CannotLook, &error)
}

fn not_made(error: &ClientError) -> Failure {
    match error {
        error if is_not_authenticated(error) => Failure::from_error(Exit::WrongKey, error),
        ClientError::Refused { source, .. } if source.code == RpcError::REFUSED => {
            Failure::from_error(Exit::OutOfSpace, error)
        }
        _ => {
            Failure::from_error(Exit::CannotLook, error).hint("fm-checkpoint list shows whether it was made")
        }
    }
}
