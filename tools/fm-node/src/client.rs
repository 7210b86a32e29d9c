//! `fm-node status`, `submit`, `checkpoint` and `shutdown`: requests to a running guardian.

use std::path::Path;
use std::time::Duration;

use fm_cli::{Exit, Failure, Output, PasswordArgs, moved_from, print_json_line};
use fm_client::{AddressError, ClientError, Guardian, own_address, wait_for};
use fm_codec::{Dialect, decode_exact};
use fm_guardian::issue;
use fm_history::{PeerId, Transaction};
use serde_json::{Value, json};

use crate::args::{AnnounceArgs, CheckpointArgs, ServerArgs, ShutdownArgs, StatusArgs, SubmitArgs};
use crate::failure::{of_client, of_submission};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn status(arguments: &StatusArgs) -> Result<Exit, Failure> {
    let status = ask(&arguments.server, None, "status", &Value::Null)?;
    // Servers do not report whether their session is stuck; only whether they answer can be checked.
    let is_stuck = !status["session"]["stuck"].is_null();
    let exit = if arguments.check && is_stuck { Exit::Findings } else { Exit::Done };
    if arguments.json {
        print_json_line(&status)?;
        return Ok(exit);
    }
    print_status(&status)?;
    Ok(exit)
}

fn print_status(status: &Value) -> Result<(), Failure> {
    let mut output = Output::default();
    let (federation, session) = (&status["federation"], &status["session"]);
    output.line(&format!("sessions   {} finished", federation["session_count"]))?;
    // Servers do not report it.
    if session.is_object() {
        let (round, rounds, items) = (&session["round"], &session["rounds"], &session["items"]);
        // Rounds continue until the session is signed.
        let at = match (round.as_u64(), rounds.as_u64()) {
            (Some(at), Some(last)) if at >= last => format!("all {last} rounds are over"),
            _ => format!("round {round} of {rounds}"),
        };
        output.line(&format!("open       {at}, {items} items"))?;
    }
    if let Some(missing) = session["missing_signatures"].as_array() {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        output.line(&format!("signing    signatures missing of {}", missing.join(", ")))?;
    }
    if let Some(seconds) = session["stuck"]["seconds"].as_u64() {
        output.line(&format!("stuck      for {seconds} s: {}", stuck_because(&session["stuck"])))?;
    }
    for (peer, of) in federation["status_by_peer"].as_object().into_iter().flatten() {
        let connection = of["connection_status"].as_str().unwrap_or("unknown");
        let last = of["last_contribution"]
            .as_u64()
            .map_or("none since the start".to_owned(), |last| last.to_string());
        output.line(&format!("guardian {peer} {connection}, last contribution in session {last}"))?;
    }
    if let Some(last) = federation["scheduled_shutdown"].as_u64() {
        output.line(&format!("shutdown   when {last} sessions are finished"))?;
    }
    Ok(())
}

/// Says who is missing, as the status names them.
fn stuck_because(stuck: &Value) -> String {
    let causes = [("not_linked", "no link to"), ("silent", "nothing of"), ("unsigned", "no signature of")];
    let mut reasons: Vec<String> = causes
        .into_iter()
        .filter_map(|(field, words)| {
            let peers: Vec<String> = stuck[field].as_array()?.iter().map(Value::to_string).collect();
            (!peers.is_empty()).then(|| format!("{words} guardian {}", peers.join(", ")))
        })
        .collect();
    if let Some(session) = stuck["guarded"].as_u64() {
        reasons.push(format!("this guardian makes no units up to session {session}"));
    }
    if reasons.is_empty() { "no reason is known".to_owned() } else { reasons.join("; ") }
}

pub(crate) fn checkpoint(arguments: &CheckpointArgs) -> Result<Exit, Failure> {
    let made = ask_as_admin(&arguments.server, &arguments.password, "checkpoint", &Value::Null)?;
    let (path, sessions) = (made["path"].as_str().unwrap_or_default(), &made["session_count"]);
    Output::default().line(&format!("checkpoint {path}, with {sessions} finished sessions"))?;
    Ok(Exit::Done)
}

pub(crate) fn announce(arguments: &AnnounceArgs) -> Result<Exit, Failure> {
    let url = json!(arguments.address);
    let signed = ask_as_admin(&arguments.server, &arguments.password, "sign_api_announcement", &url)?;
    let announcement = &signed["api_announcement"];
    let (address, number) = (announcement["api_url"].as_str().unwrap_or_default(), &announcement["nonce"]);
    let mut output = Output::default();
    output.line(&format!("announced  {address}, signed with the number {number}"))?;
    for (peer, reported) in pass_on(&arguments.server, &signed)? {
        let text =
            reported.err().map_or("knows it".to_owned(), |error| format!("does not know it yet: {error}"));
        output.line(&format!("guardian {peer} {text}"))?;
    }
    Ok(Exit::Done)
}

/// A guardian that was asked, and the result.
type Reported = (String, Result<(), ClientError>);

/// Passes a signed address to the other guardians; clients may ask any of them.
fn pass_on(server: &ServerArgs, signed: &Value) -> Result<Vec<Reported>, Failure> {
    let config = ask(server, None, "client_config", &Value::Null)?;
    let status = ask(server, None, "status", &Value::Null)?;
    let others = &status["federation"]["status_by_peer"];
    let urls = config["api_endpoints"].as_object().cloned().unwrap_or_default();
    // A guardian's status lists all guardians except itself.
    let (others, own): (Vec<_>, Vec<_>) = urls.into_iter().partition(|(peer, _)| others.get(peer).is_some());
    let [(own, _)] = own.as_slice() else { return Ok(Vec::new()) };
    let mut submission = signed.clone();
    submission["peer_id"] = json!(own.parse::<PeerId>().unwrap_or_default());
    let tell = |(peer, endpoint): (String, Value)| {
        let guardian = Guardian::new(endpoint["url"].as_str().unwrap_or_default());
        let reported = wait_for(guardian.ask("submit_api_announcement", None, &submission, PATIENCE));
        Ok((peer, reported.map_err(cannot_wait)?.map(drop)))
    };
    others.into_iter().map(tell).collect()
}

pub(crate) fn submit(arguments: &SubmitArgs) -> Result<Exit, Failure> {
    let transaction = match &arguments.transaction {
        Some(text) => read_transaction(text)?,
        None => {
            let account = [&[2_u8][..], &[1; 32]].concat();
            let account = account.try_into().map_err(|_| Failure::new(Exit::Usage, "no account"))?;
            issue(arguments.module, 1000, &account)
                .map_err(|error| Failure::new(Exit::CannotLook, error.to_string()))?
        }
    };
    let txid = hex::encode(transaction.txid().0);
    let guardian = Guardian::new(address(&arguments.server)?);
    let patience = Duration::from_secs(arguments.timeout);
    let accepted = wait_for(async {
        guardian.submit(&transaction, PATIENCE.min(patience)).await?;
        if arguments.no_wait { Ok(true) } else { guardian.accepts(&transaction, patience).await }
    })
    .map_err(cannot_wait)?
    .map_err(|error| of_submission(&error))?;
    if !accepted {
        let message =
            format!("transaction {txid} was submitted and is not accepted after {} s", arguments.timeout);
        return Err(Failure::new(Exit::Partial, message).hint(
            "`fm-node status` says whether sessions are finished; the guardian proposes the transaction until it is accepted",
        ));
    }
    let what = if arguments.no_wait { "submitted" } else { "accepted" };
    Output::default().line(&format!("{what}   {txid}"))?;
    Ok(Exit::Done)
}

pub(crate) fn shutdown(arguments: &ShutdownArgs) -> Result<Exit, Failure> {
    if arguments.cancel {
        return cancel_shutdown(arguments);
    }
    let session = arguments.at_session.map_or(Value::Null, |session| json!(session));
    ask_as_admin(&arguments.server, &arguments.password, "shutdown", &session)?;
    let when = match arguments.at_session {
        Some(session) => format!("when {session} sessions are finished"),
        None => "when the open session is finished".to_owned(),
    };
    Output::default().line(&format!("shutdown   {when}"))?;
    Ok(Exit::Done)
}

fn cancel_shutdown(arguments: &ShutdownArgs) -> Result<Exit, Failure> {
    let was = ask_as_admin(&arguments.server, &arguments.password, "cancel_shutdown", &Value::Null)?;
    Output::default().line(&match was.as_u64() {
        Some(session) => format!("cancelled  the shutdown when {session} sessions are finished"),
        None => "cancelled  nothing: no shutdown was scheduled".to_owned(),
    })?;
    Ok(Exit::Done)
}

fn read_transaction(text: &str) -> Result<Transaction, Failure> {
    let bytes = hex::decode(text.trim()).ok();
    bytes
        .and_then(|bytes| decode_exact(&bytes, Dialect::MODERN).ok())
        .ok_or_else(|| Failure::new(Exit::Usage, "not an encoded transaction in hex"))
}

/// Asks a guardian as its own operator, who has the password.
fn ask_as_admin(
    server: &ServerArgs,
    password: &PasswordArgs,
    method: &str,
    params: &Value,
) -> Result<Value, Failure> {
    let directory = server.data_dir.as_deref().unwrap_or(Path::new("."));
    let is_wrong = |failure: &Failure| failure.exit == Exit::WrongKey;
    password.open(directory, is_wrong, |password| ask(server, Some(password), method, params))?
}

/// Asks a guardian.
fn ask(server: &ServerArgs, auth: Option<&str>, method: &str, params: &Value) -> Result<Value, Failure> {
    let guardian = Guardian::new(address(server)?);
    let answer = wait_for(guardian.ask(method, auth, params, PATIENCE)).map_err(cannot_wait)?;
    answer.map_err(|error| unless_moved(server, of_client(&error)))
}

/// Replaces the failure if the guardian was moved away and does not answer at its old place. It may still
/// answer at an address that it kept.
fn unless_moved(server: &ServerArgs, failure: Failure) -> Failure {
    let directory = server.data_dir.as_deref().filter(|_| server.api.is_none());
    let asked = directory.filter(|_| failure.exit == Exit::CannotLook);
    asked.and_then(moved_from).unwrap_or(failure)
}

fn cannot_wait(error: std::io::Error) -> Failure {
    Failure::from_error(Exit::CannotLook, &error)
}

fn address(server: &ServerArgs) -> Result<String, Failure> {
    match (&server.api, &server.data_dir) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(directory)) => own_address(directory).map_err(|error| {
            let hint = match error {
                AddressError::OverIroh { .. } => Some(
                    "name an interface over WebSocket with --api, if it has one, or build the program in \
                     tools/fm-iroh",
                ),
                _ => None,
            };
            Failure::from_error(Exit::CannotLook, &error).or_hint(hint)
        }),
        (None, None) => Err(Failure::new(Exit::Usage, "which guardian?").hint("give --data-dir or --api")),
    }
}
