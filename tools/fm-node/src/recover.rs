//! `recover-account`: what the history says of an account of a `dummy` ledger.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_audit::{AuditError, Control, Origin, Source, open_source};
use fm_cli::{
    Exit, Failure, LiveGuardians, LiveSource, Output, PinnedKeys, TerminalProgress, group_digits,
    interrupt_flag, is_federation,
};
use fm_client::LiveHistory;
use fm_codec::ModuleValue;
use fm_consensus::{DUMMY_ISSUER, read_posting};
use fm_recovery::{ModuleRecovery, Options, Place, Recovered, Sessions, StateFile, StoredSessions, recover};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::RecoverArgs;

/// The interval at which it is looked whether the open session was finished.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    sessions: u64,
    account: String,
    #[serde(flatten)]
    result: &'a Account,
}

/// What the history says of an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    /// In millisatoshi.
    balance_msat: i128,
    postings: Vec<Posting>,
}

/// An input or output of the account.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Posting {
    session: u64,
    item: u64,
    txid: String,
    /// In millisatoshi; negative for an input.
    amount_msat: i128,
}

struct AccountRecovery {
    instance: u16,
    key: [u8; 33],
    account: Account,
}

impl AccountRecovery {
    fn post(&mut self, place: Place, value: &ModuleValue, sign: i128) -> Result<(), String> {
        if value.instance != self.instance {
            return Ok(());
        }
        let (amount, key) = read_posting(&value.body).map_err(|error| error.to_string())?;
        if key != self.key {
            return Ok(());
        }
        // What the issuer takes is newly created.
        let sign = if key == DUMMY_ISSUER { 1 } else { sign };
        let amount_msat = sign * i128::from(amount);
        self.account.balance_msat += amount_msat;
        let Place { session, item, txid, .. } = place;
        self.account.postings.push(Posting { session, item, txid: txid.to_string(), amount_msat });
        Ok(())
    }
}

impl ModuleRecovery for AccountRecovery {
    fn name(&self) -> &str {
        "account"
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let (instance, key, account): (u16, String, Account) =
            serde_json::from_slice(state).map_err(|error| error.to_string())?;
        if (instance, &key) != (self.instance, &hex::encode(self.key)) {
            return Err(format!("it is of account {key} in module {instance}"));
        }
        self.account = account;
        Ok(())
    }

    fn store(&self) -> Vec<u8> {
        serde_json::to_vec(&(self.instance, hex::encode(self.key), &self.account)).unwrap_or_default()
    }

    fn on_input(&mut self, place: Place, input: &ModuleValue) -> Result<(), String> {
        self.post(place, input, -1)
    }

    fn on_output(&mut self, place: Place, output: &ModuleValue) -> Result<(), String> {
        self.post(place, output, 1)
    }

    fn finalise(&self) -> Value {
        let key = hex::encode(self.key);
        json!({ "module": self.instance, "account": key, "found": self.account })
    }
}

/// The sessions of a running federation.
struct LiveSessions<'a> {
    origin: Origin<'a>,
    history: Arc<LiveHistory>,
}

impl Sessions for LiveSessions<'_> {
    fn origin(&self) -> Origin<'_> {
        self.origin
    }

    fn finished(&self) -> Result<u64, AuditError> {
        Ok(self.history.refresh())
    }

    fn wait_for(&self, sessions: u64, patience: Duration, control: Control<'_>) -> Result<bool, AuditError> {
        let start = Instant::now();
        while self.history.refresh() < sessions {
            control.check()?;
            if start.elapsed() >= patience {
                return Ok(false);
            }
            sleep(LOOK_AGAIN);
        }
        Ok(true)
    }
}

pub(crate) fn run(arguments: &RecoverArgs) -> Result<Exit, Failure> {
    let mut key = [0; 33];
    hex::decode_to_slice(&arguments.account, &mut key)
        .map_err(|_| Failure::new(Exit::Usage, "--account is not the 66 hex digits of a key"))?;
    let mut module = AccountRecovery { instance: arguments.module, key, account: Account::default() };
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let (recovered, keys) = recovered(arguments, &mut module, control)?;
    drop(progress);
    let result = result_of(arguments, &recovered, &hex::encode(key))?;
    print(arguments, &recovered, &result, &keys)?;
    Ok(if keys.is_found { Exit::Partial } else { Exit::Done })
}

/// Returns what was recovered, if it is of this account: the file may hold the result of another one.
fn result_of(arguments: &RecoverArgs, recovered: &Recovered, key: &str) -> Result<Account, Failure> {
    let result = recovered.results.get("account").cloned().unwrap_or_default();
    let is_own = result["module"] == arguments.module && result["account"] == key;
    let found = if is_own { serde_json::from_value(result["found"].clone()).ok() } else { None };
    found.ok_or_else(|| {
        let message = format!("{} holds the results of another recovery", arguments.state.display());
        Failure::new(Exit::Usage, message).hint("name another file with --state")
    })
}

/// Recovers from whatever the user named.
fn recovered(
    arguments: &RecoverArgs,
    module: &mut AccountRecovery,
    control: Control<'_>,
) -> Result<(Recovered, PinnedKeys), Failure> {
    let path = arguments.from.as_path();
    if is_federation(path) {
        let LiveSource { source, guardians, keys } =
            arguments.federation.open(path, arguments.keys.load()?)?;
        let LiveGuardians { history, .. } = guardians
            .ok_or_else(|| Failure::new(Exit::Usage, "a guardian of v0.1 has no ledger of this kind"))?;
        let threshold = keys.of_sessions()?.threshold();
        let counts = history.counts();
        let (answering, asked) = (counts.values().flatten().count(), counts.len());
        // Fewer could be those that have the fewest sessions, and the end is fixed for ever.
        if answering < threshold.min(asked) {
            let message = format!(
                "{answering} of {asked} guardians answer, and {threshold} are needed for the end of a recovery"
            );
            return Err(Failure::new(Exit::CannotLook, message).hint("run the same command again later"));
        }
        let sessions = LiveSessions { origin: source.original(), history };
        let recovered = over(&sessions, &keys, arguments, module, true, control)?;
        return Ok((recovered, keys));
    }
    let keys = arguments.keys.load_beside(path)?.ok_or_else(|| no_keys(path))?;
    let source: Source = open_source(path, None, control)?;
    let sessions = StoredSessions::new(source.history(), control)?;
    // No session of a source that nobody writes to will be finished.
    let recovered = over(&sessions, &keys, arguments, module, false, control)?;
    Ok((recovered, keys))
}

fn no_keys(path: &Path) -> Failure {
    Failure::new(Exit::Usage, format!("no keys to prove the sessions of {} with", path.display()))
        .hint("give --config or --keys")
}

fn over(
    sessions: &dyn Sessions,
    keys: &PinnedKeys,
    arguments: &RecoverArgs,
    module: &mut AccountRecovery,
    with_open_session: bool,
    control: Control<'_>,
) -> Result<Recovered, Failure> {
    let options = Options {
        with_open_session,
        patience: Duration::from_secs(arguments.timeout),
        save_after: Duration::from_secs(arguments.save_after),
        ..Options::default()
    };
    let file = StateFile::at(&arguments.state);
    let mut done = None;
    let mut on_progress = |progress: fm_recovery::Progress| {
        if done.is_none() {
            control.progress.begin("recovering", "sessions", Some(progress.end));
        }
        control.progress.advance(progress.done - done.unwrap_or(0));
        done = Some(progress.done);
    };
    let quiet = Control { progress: &fm_audit::Silent, ..control };
    let recovered =
        recover(sessions, keys.of_sessions()?, &mut [module], &file, options, quiet, &mut on_progress);
    control.progress.end();
    recovered.map_err(|error| {
        let again = "run the same command again: it continues where the state file says";
        Failure::from_error(error.kind().into(), &error).or_hint(Some(again))
    })
}

fn print(
    arguments: &RecoverArgs,
    recovered: &Recovered,
    result: &Account,
    keys: &PinnedKeys,
) -> Result<(), Failure> {
    let mut output = Output::default();
    if arguments.json {
        let account = arguments.account.clone();
        let (r#type, verdict, sessions) = ("verdict", "recovered", recovered.sessions);
        return output.json(&Verdict { r#type, verdict, sessions, account, result });
    }
    output.line(&format!("keys       {}{}", keys.path.display(), keys.origin_words()))?;
    for posting in &result.postings {
        output.line(&format!(
            "session    {}  item {}  {} msat  transaction {}",
            group_digits(posting.session),
            posting.item,
            posting.amount_msat,
            posting.txid
        ))?;
    }
    output.line(&format!("balance    {} msat", result.balance_msat))?;
    output.line(&format!("verdict    RECOVERED from {} sessions", group_digits(recovered.sessions)))
}
