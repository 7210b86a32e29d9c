//! Continues a federation of v0.1: makes the new configuration from the old one, and turns the sealed history
//! of a conversion into a guardian's data directory.
//!
//! Invariants: nothing is written before the whole history is proven, with old and new signatures. The keys
//! that sealed it are the keys of the configuration. Module data is computed again from the signed history,
//! never taken on a guardian's word. The conversion is this guardian's own. `consensus.json` is written last,
//! and no node starts without it.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use fm_audit::{
    AuditError, Control, HistoryKeys, MigratedDir, Observer, Scope, SourceRequest, audit_migrated,
};
use fm_codec::{Dialect, Reader, decode_exact};
use fm_config::{GuardianFiles, belongs};
use fm_consensus::LedgerReplay;
use fm_crypto::{ConsensusConfig, PrivateConfig, SessionKeys};
use fm_datadir::{CONSENSUS, DATABASE_NAME, ENCRYPTED, LOCAL, SALT};
use fm_eras::session::{MODULE_DATA, session_key};
use fm_history::{Code, Finding, PeerId, Severity, SignedSession};
use fm_rows::RowSource;
use fm_store::{Durability, Inheritance, LiveStore, check_writable};
use serde_json::Value;

use crate::bound::{begin_record, check_guardian};
use crate::carry_over_error::CarryOverError;
use crate::config::{
    Consensus, ConsensusVersion, Endpoint, Local, ModuleConfig, NodeConfigError, consensus_hash, parsed,
};
use crate::setup::{FILES, new_version, partial_of, remove_if_there, write_private, write_whole};

/// Bytes of a coefficient of a threshold key. Source: fedimint-threshold-crypto 0.2.1, src/lib.rs.
const COEFFICIENT_BYTES: usize = 48;

/// The input for a carry-over.
#[derive(Clone, Copy, Debug)]
pub struct CarryOver<'a> {
    /// The sealed directory of the conversion; it becomes the data directory.
    pub directory: &'a Path,
    /// The old guardian's data directory, with its configuration files.
    pub from: &'a Path,
    /// Rounds in a session.
    pub rounds_per_session: u16,
    /// The guardian whose conversion it is, if the user names it.
    pub guardian: Option<PeerId>,
}

/// The result of a carry-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedOver {
    /// Sessions that are proven and signed: the guardian continues with the next one.
    pub sessions: u64,
    /// Accounts of the ledger.
    pub accounts: usize,
    /// Rows of modules in the conversion that the ledger does not need.
    pub rows_left_out: usize,
    /// Epochs that nobody signed: their content is not in the new history.
    pub epochs_left_out: u64,
    /// A description of a wrong owner, group or mode of the database.
    pub owner_lacking: Option<String>,
}

/// Returns the hash of the configuration that results from the old one: the same for all guardians.
///
/// # Errors
/// Fails if the old files are not usable, or name a module that cannot be carried over.
pub fn carry_over_hash(job: CarryOver<'_>) -> Result<String, CarryOverError> {
    Ok(hex::encode(consensus_hash(&consensus(job)?)?))
}

/// Checks, before the history is proven, whether [`carry_over`] would refuse the directory.
///
/// # Errors
/// Fails if the directory is not a conversion, is not this guardian's, or is not writable. Nothing is
/// written.
pub fn carry_over_look(job: CarryOver<'_>, control: Control<'_>) -> Result<(), CarryOverError> {
    let local = local(job, &consensus(job)?)?;
    // An earlier run finished: the directory belongs to a guardian.
    if job.directory.join(CONSENSUS).exists() {
        return Ok(());
    }
    let dir = MigratedDir::open(job.directory, control)?;
    check_guardian(&dir, job.from, local.own_peer, job.guardian, control)?;
    for written in [job.directory, &job.directory.join(DATABASE_NAME)] {
        check_writable(written)?;
    }
    Ok(())
}

/// Proves the directory and makes it a data directory.
///
/// # Errors
/// See [`CarryOverError`]; nothing is written unless everything is proven. After a crash, calling it again
/// completes the work.
pub fn carry_over(
    job: CarryOver<'_>,
    confirmed: &str,
    password: &str,
    control: Control<'_>,
) -> Result<CarriedOver, CarryOverError> {
    let consensus = consensus(job)?;
    let hash = hex::encode(consensus_hash(&consensus)?);
    if confirmed.trim().to_ascii_lowercase() != hash {
        return Err(CarryOverError::NotConfirmed { hash });
    }
    let local = local(job, &consensus)?;
    let done = job.directory.join(CONSENSUS);
    if done.exists() {
        let has = |name: &str, text: &str| {
            fs::read_to_string(job.directory.join(name)).is_ok_and(|found| found == text)
        };
        let is_same = has(CONSENSUS, &text(&consensus)?) && has(LOCAL, &text(&local)?);
        return Err(CarryOverError::Done { path: done, is_same });
    }
    let private = private(job, &local, password)?;
    let tls_key = private.tls_key.as_ref().map(hex::encode).unwrap_or_default();
    for name in FILES {
        remove(&partial_of(&job.directory.join(name)))?;
    }
    let (mut result, ledgers, old_rows) = prove(job, &consensus, &local, control)?;
    let write = |name: &str, text: &str| {
        let path = job.directory.join(name);
        write_whole(&path, text).map_err(file(&path))
    };
    // From here on the directory belongs to a guardian: `local.json` identifies what a crash leaves.
    write(LOCAL, &text(&local)?)?;
    for name in [ENCRYPTED, SALT] {
        remove(&job.directory.join(name))?;
    }
    write_private(job.directory, &consensus, &tls_key, &private.secret, password)
        .map_err(file(job.directory))?;
    result.owner_lacking = write_modules(job, &ledgers, &old_rows)?;
    begin_record(job.directory, &keys_of(job)?.1, local.own_peer)?;
    write(CONSENSUS, &text(&consensus)?)?;
    Ok(result)
}

/// Returns the new `consensus.json`.
fn consensus(job: CarryOver<'_>) -> Result<Consensus, CarryOverError> {
    let (path, old) = (job.from.join(CONSENSUS), old_file(job, CONSENSUS)?);
    let field = |name: &str| member::<_>(&path, &old, name);
    let modules: BTreeMap<u16, Value> = field("modules")?;
    let mut carried = BTreeMap::new();
    for (instance, module) in modules {
        let kind = module["kind"].as_str().unwrap_or_default();
        let fee = module["config"].as_str().and_then(fee_of).filter(|_| kind == "dummy");
        let fee = fee.ok_or_else(|| {
            mismatch(format!("module {instance} is of kind {kind:?}: its money cannot be carried over"))
        })?;
        let version = ConsensusVersion { major: 2, minor: 0 };
        let config = hex::encode(fm_eras::session::number_value(fee));
        carried.insert(instance, ModuleConfig { kind: kind.to_owned(), version, config });
    }
    Ok(Consensus {
        code_version: "0.5.0".to_owned(),
        version: new_version(),
        broadcast_public_keys: member(&path, &old, "broadcast_public_keys")?,
        broadcast_rounds_per_session: job.rounds_per_session,
        api_endpoints: member::<BTreeMap<PeerId, Endpoint>>(&path, &old, "api_endpoints")?,
        iroh_endpoints: BTreeMap::new(),
        tls_certs: member(&path, &old, "tls_certs")?,
        modules: carried,
        meta: member(&path, &old, "meta")?,
    })
}

/// Returns the fee in the configuration of v0.1's `dummy`: it follows the coefficients of a threshold key.
fn fee_of(config: &str) -> Option<u64> {
    let bytes = hex::decode(config).ok()?;
    let mut reader = Reader::new(&bytes, Dialect::MODERN);
    reader.list(COEFFICIENT_BYTES, |reader| reader.take(COEFFICIENT_BYTES).map(drop)).ok()?;
    let fee = reader.u64().ok()?;
    reader.finish().ok().map(|()| fee)
}

fn local(job: CarryOver<'_>, consensus: &Consensus) -> Result<Local, CarryOverError> {
    let (path, old) = (job.from.join(LOCAL), old_file(job, LOCAL)?);
    Ok(Local {
        p2p_endpoints: member(&path, &old, "p2p_endpoints")?,
        own_peer: member(&path, &old, "identity")?,
        max_connections: member(&path, &old, "max_connections")?,
        broadcast_round_delay_ms: 50,
        modules: consensus.module_kinds(),
    })
}

/// Returns the old secrets, after checking that they are this guardian's.
fn private(job: CarryOver<'_>, local: &Local, password: &str) -> Result<PrivateConfig, CarryOverError> {
    let files = GuardianFiles::open(job.from)?;
    let found = files.private(Some(password))?;
    belongs(&files.consensus()?, local.own_peer, &found.config, found.file)?;
    Ok(found.config)
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Proves the sealed history, and computes the ledgers that follow from it.
fn prove(
    job: CarryOver<'_>,
    consensus: &Consensus,
    local: &Local,
    control: Control<'_>,
) -> Result<(CarriedOver, Rows, Rows), CarryOverError> {
    let (old, keys) = keys_of(job)?;
    let dir = MigratedDir::open(job.directory, control)?;
    check_guardian(&dir, job.from, local.own_peer, job.guardian, control)?;
    let federation = old.federation().map(hex::encode);
    let request = SourceRequest {
        keys: old.epoch_keys.as_ref().map(HistoryKeys::Epoch),
        session_keys: Some(&keys),
        federation: federation.as_deref(),
        shares: true,
        scope: Scope::default(),
    };
    let mut first = None;
    let mut take = |finding: Finding| {
        // Traces of honest servers and crashes are only warnings, and do not prevent the carry-over. An
        // unexpected file does, because the directory becomes a guardian's.
        if finding.severity == Severity::Error || finding.code == Code::UnexpectedFile {
            first.get_or_insert_with(|| finding.to_string());
        }
    };
    let audit = audit_migrated(&dir, request, control, Observer::of_findings(&mut take))?;
    if let Some(first) = first {
        return Err(CarryOverError::NotProven { first });
    }
    let (sessions, sealed) = (dir.manifest.sessions, audit.seal.sealed.unwrap_or_default());
    if sealed < sessions || old.epoch_keys.is_none() {
        return Err(CarryOverError::NotSealed { sealed, sessions });
    }
    let old_rows = module_rows(&dir)?;
    let (mut ledgers, mut accounts) = (Rows::new(), 0);
    for instance in consensus.modules.keys() {
        let ledger = replay(&dir, *instance, sessions, control)?;
        let rows = old_rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        if dir.manifest.epochs_beyond == 0 && !ledger.agrees_with(rows) {
            return Err(CarryOverError::OtherLedger);
        }
        accounts += ledger.accounts();
        ledgers.extend(ledger.rows());
    }
    let rows_left_out = old_rows.len().saturating_sub(accounts);
    let epochs_left_out = dir.manifest.epochs_beyond;
    let carried = CarriedOver { sessions, accounts, rows_left_out, epochs_left_out, owner_lacking: None };
    Ok((carried, ledgers, old_rows))
}

/// Returns the old configuration's keys.
fn keys_of(job: CarryOver<'_>) -> Result<(ConsensusConfig, SessionKeys), CarryOverError> {
    let old = GuardianFiles::open(job.from)?.consensus()?;
    let keys = SessionKeys::new(&old.broadcast_public_keys).map_err(NodeConfigError::from)?;
    Ok((old, keys))
}

fn module_rows(dir: &MigratedDir) -> Result<Rows, CarryOverError> {
    let failed = |source| AuditError::rows(dir.database.path(), source);
    Ok(RowSource::scan_prefix(&dir.database, MODULE_DATA).collect::<Result<_, _>>().map_err(failed)?)
}

fn replay(
    dir: &MigratedDir,
    instance: u16,
    sessions: u64,
    control: Control<'_>,
) -> Result<LedgerReplay, CarryOverError> {
    let mut ledger = LedgerReplay::new(instance);
    for session in 0..sessions {
        control.check()?;
        let record = RowSource::get(&dir.database, &session_key(session))
            .map_err(|source| AuditError::rows(dir.database.path(), source))?
            .unwrap_or_default();
        let record: SignedSession = decode_exact(&record, Dialect::MODERN)
            .map_err(|error| CarryOverError::NotProven { first: format!("session {session}: {error}") })?;
        ledger.take(&record.outcome)?;
    }
    Ok(ledger)
}

/// Replaces all module data by the ledgers, in one write.
fn write_modules(job: CarryOver<'_>, ledgers: &Rows, old: &Rows) -> Result<Option<String>, CarryOverError> {
    let database = job.directory.join(DATABASE_NAME);
    let inheritance = Inheritance::replacing(&database)?;
    let store = LiveStore::open(&database)?;
    let removed = old.keys().filter(|key| !ledgers.contains_key(*key)).map(|key| (key.as_slice(), None));
    let changes = ledgers.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice())));
    store.write(removed.chain(changes), Durability::Synced)?;
    drop(store);
    // The node's user opens it, whichever user carries it over.
    inheritance.give(&database)?;
    // RocksDB replaced this file.
    Ok(inheritance.lacking(&database.join("CURRENT")))
}

fn mismatch(what: String) -> CarryOverError {
    NodeConfigError::Mismatch { what }.into()
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> CarryOverError + use<> {
    let path = path.to_owned();
    move |source| CarryOverError::File { path, source }
}

/// Returns a file of the old guardian.
fn old_file(job: CarryOver<'_>, name: &str) -> Result<Value, CarryOverError> {
    Ok(parsed(&GuardianFiles::open(job.from)?, name)?)
}

fn member<T: serde::de::DeserializeOwned>(
    path: &Path,
    file: &Value,
    name: &str,
) -> Result<T, CarryOverError> {
    let failed = |source| NodeConfigError::Json { path: path.to_owned(), source };
    Ok(serde_json::from_value(file.get(name).cloned().unwrap_or_default()).map_err(failed)?)
}

fn text(value: &impl serde::Serialize) -> Result<String, CarryOverError> {
    serde_json::to_string_pretty(value).map_err(|error| mismatch(error.to_string()))
}

fn remove(path: &Path) -> Result<(), CarryOverError> {
    remove_if_there(path).map_err(file(path))
}
