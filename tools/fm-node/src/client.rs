//! `fm-node status`, `submit` and `shutdown`: what is asked of a running guardian.

use std::path::Path;
use std::time::Duration;

use fm_cli::{Exit, Failure, Output, guardian_password, print_json_line};
use fm_codec::{Dialect, Encode, Writer, decode_exact};
use fm_guardian::issue;
use fm_history::Transaction;
use fm_rpc::Client;
use serde_json::{Value, json};

use crate::args::{ServerArgs, ShutdownArgs, StatusArgs, SubmitArgs};
use crate::failure::of_client;
use crate::run::runtime;

const PATIENCE: Duration = Duration::from_secs(10);
/// A transaction may have to wait for the next session.
const ACCEPTED_PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn status(arguments: &StatusArgs) -> Result<Exit, Failure> {
    let status = ask(&arguments.server, None, &[("status", Value::Null, PATIENCE)])?;
    if arguments.json {
        print_json_line(&status)?;
        return Ok(Exit::Done);
    }
    let mut output = Output::default();
    let (federation, session) = (&status["federation"], &status["session"]);
    output.line(&format!("sessions   {} finished", federation["session_count"]))?;
    let progress = format!("round {} of {}, {} items", session["round"], session["rounds"], session["items"]);
    output.line(&format!("open       {progress}"))?;
    if let Some(missing) = session["missing_signatures"].as_array() {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        output.line(&format!("signing    signatures missing of {}", missing.join(", ")))?;
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
    Ok(Exit::Done)
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
    let mut requests = vec![("submit_transaction", wrap(&transaction), PATIENCE)];
    if !arguments.no_wait {
        requests.push(("await_transaction", json!(txid), ACCEPTED_PATIENCE));
    }
    ask(&arguments.server, None, &requests)?;
    let what = if arguments.no_wait { "submitted" } else { "accepted" };
    Output::default().line(&format!("{what}   {txid}"))?;
    Ok(Exit::Done)
}

pub(crate) fn shutdown(arguments: &ShutdownArgs) -> Result<Exit, Failure> {
    let directory = arguments.server.data_dir.as_deref().unwrap_or(Path::new("."));
    let password = guardian_password(directory)?;
    let session = arguments.at_session.map_or(Value::Null, |session| json!(session));
    ask(&arguments.server, Some(&password), &[("shutdown", session, PATIENCE)])?;
    let when = match arguments.at_session {
        Some(session) => format!("when {session} sessions are finished"),
        None => "when the open session is finished".to_owned(),
    };
    Output::default().line(&format!("shutdown   {when}"))?;
    Ok(Exit::Done)
}

fn read_transaction(text: &str) -> Result<Transaction, Failure> {
    let bytes = hex::decode(text.trim()).ok();
    bytes
        .and_then(|bytes| decode_exact(&bytes, Dialect::MODERN).ok())
        .ok_or_else(|| Failure::new(Exit::Usage, "not an encoded transaction in hex"))
}

fn wrap(transaction: &Transaction) -> Value {
    let mut writer = Writer::new(Dialect::MODERN);
    writer.bytes(&transaction.to_bytes(Dialect::MODERN));
    json!([hex::encode(writer.as_bytes())])
}

/// Sends requests, one after the other; the last one's answer.
fn ask(
    server: &ServerArgs,
    auth: Option<&str>,
    requests: &[(&str, Value, Duration)],
) -> Result<Value, Failure> {
    let url = address(server)?;
    runtime()?.block_on(async {
        let client = Client::connect(&url).await.map_err(|error| of_client(&error))?;
        let mut answer = Value::Null;
        for (method, params, patience) in requests {
            let asked = client.request(method, auth, params, *patience).await;
            answer = asked.map_err(|error| of_client(&error))?;
        }
        Ok(answer)
    })
}

fn address(server: &ServerArgs) -> Result<String, Failure> {
    match (&server.api, &server.data_dir) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(directory)) => {
            let me = read_json(&directory.join("local.json"))?["identity"].to_string();
            own_url(directory, &me)
        }
        (None, None) => Err(Failure::new(Exit::Usage, "which guardian?").hint("give --data-dir or --api")),
    }
}

/// The address of a guardian's interface, from a `consensus.json`.
pub(crate) fn own_url(directory: &Path, peer: &str) -> Result<String, Failure> {
    let path = directory.join("consensus.json");
    let url = read_json(&path)?["api_endpoints"][peer]["url"].as_str().map(str::to_owned);
    let missing =
        || Failure::new(Exit::CannotLook, format!("{} does not name guardian {peer}", path.display()));
    url.ok_or_else(missing)
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let failed = |reason: String| Failure::new(Exit::CannotLook, format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}
