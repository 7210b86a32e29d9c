//! A guardian's configuration files, as v0.4 to v0.6 write and read them.
//!
//! Invariants: before a node starts, the files are checked to belong together: own number, keys, certificates
//! and addresses of all guardians. A secret is not part of any message.

mod addresses;
mod error;
mod files;
mod runnable;
mod shared;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fm_config::{FoundPrivate, GuardianFiles, belongs};
use fm_consensus::{Ledger, Meta, Modules};
use fm_crypto::{PrivateConfig, SessionKeys, SigningKey};
use fm_datadir::{CONSENSUS, LOCAL};
use fm_history::PeerId;
use zeroize::Zeroizing;

pub use error::NodeConfigError;
pub use files::{Consensus, Endpoint, IrohEndpoint, Local};
pub(crate) use files::{ConsensusVersion, ModuleConfig, Private, parsed};
pub(crate) use shared::consensus_hash;
use shared::module_bytes;

/// The whole configuration of a guardian.
pub struct NodeConfig {
    /// The directory of the files.
    pub directory: PathBuf,
    /// The configuration that all guardians share.
    pub consensus: Consensus,
    /// The configuration of this guardian alone.
    pub local: Local,
    /// The guardians' keys.
    pub keys: SessionKeys,
    /// This guardian's password for its interface; without a password, methods that require it are refused.
    pub api_auth: Option<Zeroizing<String>>,
    /// The key of its certificate, in DER; `None` if it has no links.
    pub tls_key: Option<Zeroizing<Vec<u8>>>,
    /// Observations about the files that the operator should know, in sentences.
    pub notes: Vec<String>,
    private: PrivateConfig,
}

impl NodeConfig {
    /// Refuses a federation that a node cannot run, by its public configuration.
    ///
    /// # Errors
    /// Fails if a node cannot run it, or the configuration cannot be read.
    pub fn check_runnable(files: &GuardianFiles) -> Result<(), NodeConfigError> {
        parsed::<Consensus>(files, CONSENSUS)?.check_runnable()
    }

    /// Reads and checks the files of a data directory. The password opens encrypted files; if they are not
    /// encrypted, it is only the password of the interface.
    ///
    /// # Errors
    /// Fails if a file is missing or not usable, or if the files do not belong together.
    pub fn read<'a>(directory: &Path, password: impl Into<Option<&'a str>>) -> Result<Self, NodeConfigError> {
        let (files, password) = (GuardianFiles::open(directory)?, password.into());
        if files.is_backup() {
            return Err(NodeConfigError::mismatch(format!(
                "{} is a guardian's backup, which holds no database; `fm-checkpoint restore --backup` makes a whole guardian of it",
                directory.display()
            )));
        }
        let checked = files.consensus()?;
        let consensus: Consensus = parsed(&files, CONSENSUS)?;
        consensus.check_runnable()?;
        let local: Local = parsed(&files, LOCAL)?;
        let keys = SessionKeys::new(&checked.broadcast_public_keys)?;
        let FoundPrivate { mut config, file, mut notes, .. } = files.private(password)?;
        belongs(&checked, local.own_peer, &config, file)?;
        notes.extend(files.exposed()?);
        let (tls_key, own) = (config.tls_key.take(), config.api_auth.take());
        // An empty password, as from a variable without a value, would open the interface to everybody.
        let given = password.filter(|password| !password.is_empty());
        let api_auth = own.or_else(|| given.map(|password| Zeroizing::new(password.to_owned())));
        let directory = directory.to_owned();
        let config = Self { directory, consensus, local, keys, api_auth, tls_key, notes, private: config };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), NodeConfigError> {
        let numbers: Vec<PeerId> = self.keys.peers().collect();
        let expected: Vec<PeerId> = (0..).take(numbers.len()).collect();
        if numbers != expected {
            return Err(NodeConfigError::mismatch("the guardians are not numbered from 0 without gaps"));
        }
        let maps = [
            ("api_endpoints", self.consensus.api_endpoints.keys().copied().collect::<Vec<_>>()),
            ("tls_certs", self.consensus.tls_certs.keys().copied().collect()),
            ("p2p_endpoints", self.local.p2p_endpoints.keys().copied().collect()),
        ];
        for (name, peers) in maps {
            if peers != numbers && (numbers.len() > 1 || name == "api_endpoints") {
                return Err(NodeConfigError::mismatch(format!("{name} does not name every guardian once")));
            }
        }
        self.modules().map(drop)
    }

    /// Returns this guardian's signing key.
    pub fn signing_key(&self) -> SigningKey {
        self.private.signing_key()
    }

    /// Returns this guardian's number.
    pub fn me(&self) -> PeerId {
        self.local.own_peer
    }

    /// Returns the delay between two rounds.
    pub fn round_delay(&self) -> Duration {
        Duration::from_millis(self.local.broadcast_round_delay_ms)
    }

    /// Returns the modules that process items.
    ///
    /// # Errors
    /// Fails if a module is of an unknown kind, or its configuration cannot be read.
    pub fn modules(&self) -> Result<Modules, NodeConfigError> {
        let mut modules = Modules::default().overfunded(self.consensus.version.minor >= 1);
        for (instance, module) in &self.consensus.modules {
            let config = module_bytes(*instance, module)?;
            modules = match module.kind.as_str() {
                "dummy" => {
                    let unreadable = |_| {
                        let what =
                            format!("consensus.json: the configuration of module {instance} cannot be read");
                        NodeConfigError::mismatch(what)
                    };
                    modules.with(*instance, Ledger::from_config(&config).map_err(unreadable)?)
                }
                "meta" => modules.with(*instance, Meta { threshold: self.keys.threshold() }),
                kind => {
                    let what = format!("module {instance} is of kind {kind}, which this program cannot run");
                    return Err(NodeConfigError::mismatch(what));
                }
            };
        }
        Ok(modules)
    }
}

#[cfg(test)]
mod tests {
    use fm_crypto::ConsensusConfig;
    use serde_json::Value;

    use super::*;

    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/session-v0.5.0/peer-0")
    }

    #[test]
    fn a_real_guardians_files_are_read() {
        let config = NodeConfig::read(&fixture(), "fixture").unwrap();
        assert_eq!((config.me(), config.keys.guardians()), (0, 4));
        assert_eq!(config.consensus.broadcast_rounds_per_session, 40);
        assert_eq!(config.round_delay(), Duration::from_millis(50));
        assert_eq!(config.p2p_address(3).unwrap(), "127.0.0.1:28206");
        assert_eq!(config.api_address().unwrap(), "127.0.0.1:28201");
        let read = |name: &str| std::fs::read_to_string(fixture().join(name)).unwrap();
        let client: Value = serde_json::from_str(&read("client.json")).unwrap();
        assert_eq!(config.client_config().unwrap(), client);
        let checked = ConsensusConfig::parse(&read("consensus.json")).unwrap();
        assert_eq!(checked.federation().unwrap(), config.federation_id());
    }

    #[test]
    fn what_a_newer_server_processes_otherwise_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for name in ["local.json", "private.encrypt", "private.salt"] {
            std::fs::copy(fixture().join(name), home.path().join(name)).unwrap();
        }
        let text = std::fs::read_to_string(fixture().join("consensus.json")).unwrap();
        let with = |place: &str, version: (u32, u32)| {
            let mut file: Value = serde_json::from_str(&text).unwrap();
            let (major, minor) = version;
            *file.pointer_mut(place).unwrap() = serde_json::json!({ "major": major, "minor": minor });
            std::fs::write(home.path().join("consensus.json"), file.to_string()).unwrap();
            NodeConfig::read(home.path(), "fixture").map(drop).map_err(|error| error.to_string())
        };
        for known in [(2, 0), (2, 1)] {
            with("/version", known).unwrap();
        }
        for (place, version) in [
            ("/version", (2, 2)),
            ("/version", (99, 0)),
            ("/version", (1, 0)),
            ("/modules/0/version", (2, 1)),
            ("/modules/0/version", (99, 0)),
            ("/modules/300/version", (0, 1)),
        ] {
            let refused = with(place, version).unwrap_err();
            let said = format!("version {}.{}", version.0, version.1);
            assert!(refused.contains(&said), "{place}: {refused}");
        }
    }

    #[test]
    fn a_federation_over_iroh_is_refused_with_the_reason() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/session-v0.13.0-iroh/peer-0");
        let refused = NodeConfig::read(&home, "fixture").err().unwrap().to_string();
        assert!(refused.contains("over iroh") && refused.contains("iroh_endpoints"), "{refused}");
    }

    fn runnable(home: &Path) -> Result<(), NodeConfigError> {
        NodeConfig::check_runnable(&GuardianFiles::open(home)?)
    }

    #[test]
    fn modules_that_cannot_be_run_are_all_named() {
        for (name, modules) in [
            (
                "session-v0.13.0/peer-0",
                &["ln (module 0)", "lnv2 (module 1)", "mint (module 3)", "unknown (module 4)"][..],
            ),
            ("session-v0.13.0-single/peer-0", &["ln (module 0)", "mint (module 3)", "wallet (module 4)"]),
        ] {
            let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
            let refused = runnable(&home).err().unwrap().to_string();
            for module in modules {
                assert!(refused.contains(module), "{refused}");
            }
            assert!(!refused.contains("meta ("), "{refused}");
        }
        runnable(&fixture()).unwrap();
    }

    #[test]
    fn a_wrong_password_is_told() {
        let error = NodeConfig::read(&fixture(), "fixtur").err().unwrap();
        assert!(matches!(error, NodeConfigError::Files(error) if error.is_wrong_password()));
    }
}
