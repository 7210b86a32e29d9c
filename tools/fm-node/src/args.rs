//! The command line.

use std::path::PathBuf;

use clap::builder::{FalseyValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use fm_cli::{FederationArgs, KeyArgs, Manual, PasswordArgs, bytes, count, number, positive};
use fm_guardian::{GuardUntil, Servers};
use fm_history::PeerId;

/// Run a guardian, or a whole federation for trying.
///
/// Results go to standard output, the log to standard error (`FM_LOG` filters it, as in `FM_LOG=debug`). A guardian's
/// password comes from `FM_PASSWORD` or --password-file, or is asked for.
///
/// Exit status: 0 done, 1 the federation agreed on something else than this node, or refused what it was asked, 2 bad usage,
/// 3 files or addresses are not usable, 4 submitted but not accepted in time, 11 the database is in use, 12 wrong password,
/// 13 out of space, 130 interrupted.
#[derive(Parser)]
#[command(name = "fm-node")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    #[command(subcommand)]
    Setup(SetupCommand),
    Dev(DevArgs),
    Status(StatusArgs),
    Submit(SubmitArgs),
    /// Ask a running guardian to make a checkpoint of its database now, mid-session.
    ///
    /// Its name is `db_checkpoints/`, the last session, `-` and the time, and it is never removed
    /// automatically.
    Checkpoint(CheckpointArgs),
    Shutdown(ShutdownArgs),
    Announce(AnnounceArgs),
    Load(LoadArgs),
    RecoverAccount(RecoverArgs),
    #[command(flatten)]
    Manual(Manual),
}

/// Run a guardian from its data directory, until Ctrl-C or a scheduled shutdown.
///
/// The directory holds consensus.json, local.json, `database`, and private.json, or private.encrypt and private.salt, as
/// servers from v0.4 on write them. Where the keys are in clear, the password is that of the interface; without one what
/// needs it is refused there.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// The guardian's data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Start with an empty database if the directory has no database. For a guardian that never ran before, or
    /// lost its database.
    #[arg(long, env = "FM_NEW", value_parser = FalseyValueParser::new())]
    pub(crate) new: bool,
    /// Make no units up to this session, where the database may be older than what this guardian signed: the highest session
    /// count of the other guardians, and 1 more. `none` if it is the database that ran last.
    #[arg(long, value_name = "SESSION", value_parser = guard_until)]
    pub(crate) guard_until: Option<GuardUntil>,
    /// Listen here for the other guardians, instead of at the address in local.json.
    #[arg(long, value_name = "HOST:PORT", env = "FM_BIND_P2P")]
    pub(crate) bind_p2p: Option<String>,
    /// Listen here for clients, instead of at the address in consensus.json. Speaks ws, not wss.
    #[arg(long, value_name = "HOST:PORT", env = "FM_BIND_API")]
    pub(crate) bind_api: Option<String>,
    /// Order as servers of this version do, while one of them still takes part; of several versions the oldest. All nodes need
    /// the same.
    ///
    /// Such servers process what nodes alone refuse: an item that a guardian repeats within a session, one of 64 bytes, a
    /// session of more than 15 MB, and those before v0.6 bytes after the items of a unit. From v0.7 on they also break a
    /// link over the signs of life that nodes and older servers send.
    #[arg(long, value_name = "VERSION", env = "FM_BESIDE_SERVERS", value_parser = servers())]
    pub(crate) beside_servers: Option<Servers>,
    /// Keep this many checkpoints of the database; one is made after every session. 0: none is made.
    #[arg(long, value_name = "N", default_value_t = 1, env = "FM_DB_CHECKPOINT_RETENTION", value_parser = count::<usize>)]
    pub(crate) checkpoints: usize,
    /// Keep fewer checkpoints, but always the newest, and make none, while the free space is less than this:
    /// 500M, 10G.
    #[arg(long, value_name = "BYTES", default_value = "1G", env = "FM_MIN_FREE", value_parser = bytes)]
    pub(crate) min_free: u64,
    /// Report a session as stuck, and why, after this many seconds without progress.
    #[arg(long, value_name = "S", default_value_t = 60, env = "FM_STUCK_AFTER", value_parser = number)]
    pub(crate) stuck_after: u64,
    /// Stop when this many sessions are finished.
    #[arg(long, value_name = "N", env = "FM_SESSIONS", value_parser = number)]
    pub(crate) sessions: Option<u64>,
    /// Stop when standard input ends. Meant for a program that starts this one: however that program ends,
    /// this one stops too.
    #[arg(long, env = "FM_STOP_WITH_STDIN", value_parser = FalseyValueParser::new())]
    pub(crate) stop_with_stdin: bool,
}

/// Make a new federation: every guardian makes its own keys, and all exchange setup codes.
#[derive(Subcommand)]
pub(crate) enum SetupCommand {
    Begin(BeginArgs),
    Finish(FinishArgs),
    CarryOver(CarryOverArgs),
}

/// Make this guardian's keys and print its setup code, which holds nothing secret: give it to all other guardians.
#[derive(Args)]
pub(crate) struct BeginArgs {
    /// The new data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// What this guardian is called.
    #[arg(long, value_name = "NAME", env = "FM_NAME")]
    pub(crate) name: String,
    /// Where the other guardians reach it: fedimint://host:port.
    #[arg(long, value_name = "URL", env = "FM_P2P_URL")]
    pub(crate) p2p: String,
    /// Where clients reach it: wss://host/ or ws://host:port/.
    #[arg(long, value_name = "URL", env = "FM_API_URL")]
    pub(crate) api: String,
}

/// Write this guardian's configuration from the setup codes of all guardians.
///
/// All guardians give the same codes, in any order, and the same options. Without --confirm it prints the hash of the
/// configuration, for all to compare by voice; with the hash it writes the files.
#[derive(Args)]
pub(crate) struct FinishArgs {
    /// The data directory that `setup begin` made.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// What the federation is called.
    #[arg(long, value_name = "NAME", env = "FM_FEDERATION_NAME")]
    pub(crate) federation_name: String,
    /// Rounds in a session.
    #[arg(long, value_name = "N", default_value_t = 3600, env = "FM_ROUNDS", value_parser = positive::<u16>)]
    pub(crate) rounds: u16,
    /// The hash on which all guardians agreed.
    #[arg(long, value_name = "HASH", env = "FM_CONFIRM")]
    pub(crate) confirm: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// The setup codes of all guardians, this one's too.
    #[arg(value_name = "CODE", required = true)]
    pub(crate) codes: Vec<String>,
}

/// Continue a federation of v0.1 whose history was converted and sealed: make its directory a guardian's.
///
/// The configuration is made from the old one: keys, names, addresses, certificates. Without --confirm it prints the
/// configuration's hash, for all guardians to compare by voice; with the hash the whole history is proven, old and new
/// signatures, the ledger is made again from it, and the files are written.
#[derive(Args)]
pub(crate) struct CarryOverArgs {
    /// The directory that `fm-migrate convert` made and `fm-migrate seal` sealed; it becomes the data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// The old guardian's data directory, with `consensus.json`, `local.json`, `private.encrypt` and `private.salt`.
    #[arg(long, value_name = "DIR", env = "FM_FROM")]
    pub(crate) from: PathBuf,
    /// The guardian whose database was converted, where its database in --from does not show it: its number, as `local.json`
    /// has it.
    #[arg(long, value_name = "N", env = "FM_GUARDIAN", value_parser = count::<PeerId>)]
    pub(crate) guardian: Option<PeerId>,
    /// Rounds in a session.
    #[arg(long, value_name = "N", default_value_t = 3600, env = "FM_ROUNDS", value_parser = positive::<u16>)]
    pub(crate) rounds: u16,
    /// The hash on which all guardians agreed.
    #[arg(long, value_name = "HASH", env = "FM_CONFIRM")]
    pub(crate) confirm: Option<String>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// Start a federation of guardians on this machine, one process each, for trying.
///
/// Makes their keys and files in DIR/0, DIR/1, …; if they exist, the same federation continues. Prints where each guardian
/// listens and logs, then a line for every session. A guardian that ends is started again. Ctrl-C, SIGTERM and SIGHUP stop
/// all of them, and none of them outlives this program. Everybody knows the password (`dev`) and the ledger's issuer: no
/// money.
#[derive(Args)]
pub(crate) struct DevArgs {
    /// Number of guardians: 4 or more. A new federation has 4 if this is not given.
    #[arg(long, value_name = "N", env = "FM_GUARDIANS", value_parser = count::<u16>)]
    pub(crate) guardians: Option<u16>,
    /// Where their data directories are, or are made.
    #[arg(long, value_name = "DIR", env = "FM_FEDERATION")]
    pub(crate) dir: PathBuf,
    /// Stop when this many sessions are finished.
    #[arg(long, value_name = "N", env = "FM_SESSIONS", value_parser = number)]
    pub(crate) sessions: Option<u64>,
    /// Submit this many transactions a second.
    #[arg(long, value_name = "TPS", env = "FM_LOAD", value_parser = positive::<u32>)]
    pub(crate) load: Option<u32>,
    /// Milliseconds between rounds. A new federation has 50 if this is not given.
    #[arg(long, value_name = "MS", env = "FM_ROUND_DELAY", value_parser = number)]
    pub(crate) round_delay: Option<u64>,
    /// Rounds in a session. A new federation has 60 if this is not given.
    #[arg(long, value_name = "N", env = "FM_ROUNDS", value_parser = positive::<u16>)]
    pub(crate) rounds: Option<u16>,
}

/// Which guardian is asked.
#[derive(Args)]
pub(crate) struct ServerArgs {
    /// The address of its interface.
    #[arg(long, value_name = "URL", env = "FM_API", conflicts_with = "data_dir")]
    pub(crate) api: Option<String>,
    /// Its data directory, which names the address.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Which guardian makes a checkpoint.
#[derive(Args)]
pub(crate) struct CheckpointArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// Ask a running guardian how it is.
///
/// Exit status: 0 it answered, 1 with --check if its session is stuck, 3 it did not answer.
#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// End with exit status 1 if the open session is stuck. For health checks.
    #[arg(long, env = "FM_CHECK", value_parser = FalseyValueParser::new())]
    pub(crate) check: bool,
    /// Print the answer as one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

/// Submit a transaction to a running guardian and wait until it is accepted.
#[derive(Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// The encoded transaction in hex. Without it: one that makes 1,000 msat of a `dummy` ledger's money.
    #[arg(value_name = "HEX")]
    pub(crate) transaction: Option<String>,
    /// The instance of the `dummy` ledger.
    #[arg(long, value_name = "ID", default_value_t = 0, env = "FM_MODULE", value_parser = count::<u16>)]
    pub(crate) module: u16,
    /// Do not wait until it is accepted.
    #[arg(long, env = "FM_NO_WAIT", value_parser = FalseyValueParser::new())]
    pub(crate) no_wait: bool,
    /// Seconds to wait until it is accepted; then the exit status is 4. The transaction stays submitted.
    #[arg(long, value_name = "S", default_value_t = 600, env = "FM_TIMEOUT", value_parser = positive::<u64>)]
    pub(crate) timeout: u64,
}

/// Recover the balance and the transactions of an account of a `dummy` ledger, from the history alone.
///
/// Every session is proven by the guardians' signatures. Killed at any time, the same command continues, also from another
/// source of the same history.
#[derive(Args)]
pub(crate) struct RecoverArgs {
    /// A running federation (its invite code, or a guardian's address), an archive, a database, or a data directory.
    #[arg(long, value_name = "SOURCE", env = "FM_FROM")]
    pub(crate) from: PathBuf,
    /// The key of the account, in hex.
    #[arg(long, value_name = "HEX", env = "FM_ACCOUNT")]
    pub(crate) account: String,
    /// The instance of the `dummy` ledger.
    #[arg(long, value_name = "ID", default_value_t = 0, env = "FM_MODULE", value_parser = count::<u16>)]
    pub(crate) module: u16,
    /// The file with the state, and at the end with the results; it is made if it does not exist.
    #[arg(long, value_name = "FILE", env = "FM_STATE")]
    pub(crate) state: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) federation: FederationArgs,
    /// Seconds to wait for the end of the session that is open at the start: what was accepted before may be in it.
    #[arg(long, value_name = "S", default_value_t = 900, env = "FM_TIMEOUT", value_parser = positive::<u64>)]
    pub(crate) timeout: u64,
    /// Seconds after which the state is stored.
    #[arg(long, value_name = "S", default_value_t = 10, env = "FM_SAVE_AFTER", value_parser = count::<u64>)]
    pub(crate) save_after: u64,
    /// Print one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

/// Ask a running guardian to stop when a session is finished.
#[derive(Args)]
pub(crate) struct ShutdownArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Stop when this many sessions are finished: the one with this number is not begun. Without it: after the open one. A
    /// session that has begun already is refused.
    #[arg(long, value_name = "N", env = "FM_AT_SESSION", value_parser = number)]
    pub(crate) at_session: Option<u64>,
    /// Cancel the scheduled shutdown; the guardian keeps running.
    #[arg(long, conflicts_with = "at_session", env = "FM_CANCEL", value_parser = FalseyValueParser::new())]
    pub(crate) cancel: bool,
}

/// Sign the address at which clients reach a running guardian from now on; clients and the other guardians learn it.
///
/// For a guardian that was moved to another host. fedimintd (v0.4 and later) takes it as well. The address in
/// consensus.json stays as it is. An iroh federation needs no announcement.
#[derive(Args)]
pub(crate) struct AnnounceArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// The new address: wss://host/ or ws://host:port/.
    #[arg(long, value_name = "URL", env = "FM_NEW_ADDRESS")]
    pub(crate) address: String,
}

/// Submit transactions of a `dummy` ledger to a running federation and measure how long they take.
///
/// Exit status: 0 transactions were accepted, 1 guardians answered and accepted none, 3 no guardian answered.
#[derive(Args)]
pub(crate) struct LoadArgs {
    /// The directory of a federation that `fm-node dev` started.
    #[arg(long, value_name = "DIR", env = "FM_FEDERATION")]
    pub(crate) dir: PathBuf,
    /// Workers, each of which submits a transaction, waits for it, and submits the next.
    #[arg(long, value_name = "N", default_value_t = 200, env = "FM_WORKERS", value_parser = positive::<usize>)]
    pub(crate) workers: usize,
    /// How many guardians each transaction is submitted to; it is waited for at the first of them.
    #[arg(long, value_name = "N", default_value_t = 1, env = "FM_COPIES", value_parser = positive::<usize>)]
    pub(crate) copies: usize,
    /// For how long, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30, env = "FM_SECONDS", value_parser = positive::<u64>)]
    pub(crate) seconds: u64,
    /// Print the result as one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

fn servers() -> impl TypedValueParser<Value = Servers> {
    PossibleValuesParser::new(Servers::names())
        .try_map(|name| Servers::named(&name).ok_or("a version that is not listed"))
}

fn guard_until(text: &str) -> Result<GuardUntil, String> {
    match text {
        "none" => Ok(GuardUntil::None),
        text => text.parse().map(GuardUntil::Session).map_err(|_| "give a session, or `none`".to_owned()),
    }
}
