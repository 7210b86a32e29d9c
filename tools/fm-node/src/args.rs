//! The command line.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fm_cli::{Manual, bytes};

/// Run a guardian, or a whole federation for trying.
///
/// Results go to standard output, the log to standard error (`FM_LOG` filters it, as in `FM_LOG=debug`). A guardian's
/// password comes from `FM_PASSWORD`, or is asked for.
///
/// Exit status: 0 done, 1 the federation agreed on something else than this node, 2 bad usage, 3 files or addresses are
/// not usable, 11 the database is in use, 12 wrong password, 13 out of space, 130 interrupted.
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
    /// Tell a running guardian to make a checkpoint of its database now, mid-session.
    ///
    /// Its name is `db_checkpoints/`, the last session, `-` and the time, and it is never removed by itself.
    Checkpoint(ServerArgs),
    Shutdown(ShutdownArgs),
    Load(LoadArgs),
    #[command(flatten)]
    Manual(Manual),
}

/// Run a guardian from its data directory, until Ctrl-C or a scheduled shutdown.
///
/// The directory holds consensus.json, local.json, private.encrypt and private.salt as v0.4 to v0.6 write them, and
/// `database`.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// The guardian's data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Start with an empty database if there is none. For a guardian that never ran before.
    #[arg(long, env = "FM_NEW", value_parser = FalseyValueParser::new())]
    pub(crate) new: bool,
    /// Listen here for the other guardians, instead of at the address in local.json.
    #[arg(long, value_name = "HOST:PORT", env = "FM_BIND_P2P")]
    pub(crate) bind_p2p: Option<String>,
    /// Listen here for clients, instead of at the address in consensus.json. Speaks ws, not wss.
    #[arg(long, value_name = "HOST:PORT", env = "FM_BIND_API")]
    pub(crate) bind_api: Option<String>,
    /// Order as servers of this version do, while one of them still takes part. All nodes need the same.
    ///
    /// Such servers process what nodes alone refuse: an item that a guardian repeats within a session, one of 64 bytes, a
    /// session of more than 15 MB, and those before v0.6 bytes after the items of a unit.
    #[arg(long, value_name = "VERSION", env = "FM_BESIDE_SERVERS")]
    pub(crate) beside_servers: Option<Servers>,
    /// Keep this many checkpoints of the database; one is made after every session. 0: none is made.
    #[arg(long, value_name = "N", default_value_t = 1, env = "FM_DB_CHECKPOINT_RETENTION")]
    pub(crate) checkpoints: usize,
    /// Keep fewer checkpoints, but always the newest, and make none, while less than this is free: 500M, 10G.
    #[arg(long, value_name = "BYTES", default_value = "1G", env = "FM_MIN_FREE", value_parser = bytes)]
    pub(crate) min_free: u64,
    /// Report a session as stuck, and why, after this many seconds without progress.
    #[arg(long, value_name = "S", default_value_t = 60, env = "FM_STUCK_AFTER")]
    pub(crate) stuck_after: u64,
    /// Stop when this many sessions are finished.
    #[arg(long, value_name = "N", env = "FM_SESSIONS")]
    pub(crate) sessions: Option<u64>,
}

/// Versions of servers whose configuration is that of nodes.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Servers {
    #[value(name = "v0.4")]
    V04,
    #[value(name = "v0.5")]
    V05,
    #[value(name = "v0.6")]
    V06,
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
    #[arg(long, value_name = "N", default_value_t = 3600, env = "FM_ROUNDS")]
    pub(crate) rounds: u16,
    /// The hash on which all guardians agreed.
    #[arg(long, value_name = "HASH", env = "FM_CONFIRM")]
    pub(crate) confirm: Option<String>,
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
    /// Rounds in a session.
    #[arg(long, value_name = "N", default_value_t = 3600, env = "FM_ROUNDS")]
    pub(crate) rounds: u16,
    /// The hash on which all guardians agreed.
    #[arg(long, value_name = "HASH", env = "FM_CONFIRM")]
    pub(crate) confirm: Option<String>,
}

/// Start a federation of guardians on this machine, one process each, for trying.
///
/// Makes their keys and files in DIR/0, DIR/1, …; if they are there already it continues with them. Prints a line for
/// every session. Everybody knows the password (`dev`) and the ledger's issuer: no money.
#[derive(Args)]
pub(crate) struct DevArgs {
    /// Number of guardians: 4 or more.
    #[arg(long, value_name = "N", default_value_t = 4, env = "FM_GUARDIANS")]
    pub(crate) guardians: u16,
    /// Where their data directories are, or are made.
    #[arg(long, value_name = "DIR", env = "FM_FEDERATION")]
    pub(crate) dir: PathBuf,
    /// Stop when this many sessions are finished.
    #[arg(long, value_name = "N", env = "FM_SESSIONS")]
    pub(crate) sessions: Option<u64>,
    /// Submit this many transactions a second.
    #[arg(long, value_name = "TPS", env = "FM_LOAD")]
    pub(crate) load: Option<u32>,
    /// Milliseconds between rounds, of a new federation.
    #[arg(long, value_name = "MS", default_value_t = 50, env = "FM_ROUND_DELAY")]
    pub(crate) round_delay: u64,
    /// Rounds in a session, of a new federation.
    #[arg(long, value_name = "N", default_value_t = 60, env = "FM_ROUNDS")]
    pub(crate) rounds: u16,
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

/// Ask a running guardian how it is.
#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
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
    #[arg(long, value_name = "ID", default_value_t = 0, env = "FM_MODULE")]
    pub(crate) module: u16,
    /// Do not wait until it is accepted.
    #[arg(long, env = "FM_NO_WAIT", value_parser = FalseyValueParser::new())]
    pub(crate) no_wait: bool,
}

/// Tell a running guardian to stop when a session is finished.
#[derive(Args)]
pub(crate) struct ShutdownArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Stop when this many sessions are finished: the one with this number is not begun. Without it: after the open one.
    #[arg(long, value_name = "N", env = "FM_AT_SESSION")]
    pub(crate) at_session: Option<u64>,
}

/// Submit transactions of a `dummy` ledger to a running federation and measure how long they take.
#[derive(Args)]
pub(crate) struct LoadArgs {
    /// The directory of a federation that `fm-node dev` started.
    #[arg(long, value_name = "DIR", env = "FM_FEDERATION")]
    pub(crate) dir: PathBuf,
    /// Workers, each of which submits a transaction, waits for it, and submits the next.
    #[arg(long, value_name = "N", default_value_t = 200, env = "FM_WORKERS")]
    pub(crate) workers: usize,
    /// How many guardians each transaction is submitted to; it is waited for at the first of them.
    #[arg(long, value_name = "N", default_value_t = 1, env = "FM_COPIES")]
    pub(crate) copies: usize,
    /// For how long, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30, env = "FM_SECONDS")]
    pub(crate) seconds: u64,
    /// Print the result as one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}
