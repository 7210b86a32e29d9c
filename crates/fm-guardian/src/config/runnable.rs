//! Checks whether a node can run a federation at all, from its public files, before any secret is opened.

use super::NodeConfigError;
use super::files::{Consensus, ConsensusVersion};

/// The supported versions of the consensus. Since 2.1 a transaction may be overfunded.
/// Source: fedimint-core 0.5.0 and 0.6.0, src/module/version.rs.
const CORE_VERSIONS: [ConsensusVersion; 2] =
    [ConsensusVersion { major: 2, minor: 0 }, ConsensusVersion { major: 2, minor: 1 }];
/// The supported version of each kind of module.
/// Source: src/lib.rs of fedimint-dummy-common 0.5.0 and fedimint-meta-common 0.5.0.
const MODULE_VERSIONS: [(&str, ConsensusVersion); 2] =
    [("dummy", ConsensusVersion { major: 2, minor: 0 }), ("meta", ConsensusVersion { major: 0, minor: 0 })];

impl Consensus {
    /// Refuses a federation with guardians that a node cannot reach, or with items that it cannot process.
    pub(super) fn check_runnable(&self) -> Result<(), NodeConfigError> {
        if !self.iroh_endpoints.is_empty() {
            return Err(NodeConfigError::mismatch(
                "the guardians of this federation reach each other over iroh (iroh_endpoints in consensus.json), which \
                 this program does not speak: their own servers run it on, and all commands on files work",
            ));
        }
        let ConsensusVersion { major, minor } = self.version;
        if !CORE_VERSIONS.contains(&self.version) {
            return Err(NodeConfigError::mismatch(format!(
                "consensus.json: the consensus has version {major}.{minor}, and this program processes 2.0 and 2.1"
            )));
        }
        self.check_kinds()?;
        self.check_module_versions()
    }

    /// Refuses modules that a node cannot run; the message names all of them.
    fn check_kinds(&self) -> Result<(), NodeConfigError> {
        let is_foreign = |kind: &str| MODULE_VERSIONS.iter().all(|(known, _)| *known != kind);
        let foreign = self.modules.iter().filter(|(_, module)| is_foreign(&module.kind));
        let foreign: Vec<String> =
            foreign.map(|(instance, module)| format!("{} (module {instance})", module.kind)).collect();
        if foreign.is_empty() {
            return Ok(());
        }
        Err(NodeConfigError::mismatch(format!(
            "consensus.json: this program runs the modules dummy and meta, and cannot process the items of {}: servers of \
             upstream run this federation on, and all commands on files work",
            foreign.join(", ")
        )))
    }

    fn check_module_versions(&self) -> Result<(), NodeConfigError> {
        for (instance, module) in &self.modules {
            let known = MODULE_VERSIONS.iter().find(|(kind, _)| *kind == module.kind);
            let Some((kind, ConsensusVersion { major: ours, minor: least })) = known else { continue };
            let ConsensusVersion { major, minor } = module.version;
            if (major, minor) != (*ours, *least) {
                return Err(NodeConfigError::mismatch(format!(
                    "consensus.json: module {instance} ({kind}) has version {major}.{minor}, and this program processes \
                     {ours}.{least}"
                )));
            }
        }
        Ok(())
    }
}
