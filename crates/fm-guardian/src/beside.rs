//! Servers of upstream in the federation of a node, by version: their differences from nodes, as data.

use fm_consensus::Orderers;
use fm_peers::SignOfLife;

/// A version of servers that take part in the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Servers(&'static Version);

#[derive(Debug, PartialEq, Eq)]
struct Version {
    name: &'static str,
    /// Whether bytes after the items of a batch are ignored; if not, such a batch is skipped.
    ignore_rest: bool,
    /// The form of a keep-alive message that they read; they break a link over any other.
    sign_of_life: SignOfLife,
    /// Whether their module `dummy` is the ledger that nodes run. v0.10 gave amounts a unit, v0.11 removed
    /// the accounts; the module's version stayed 2.0.
    ledger: bool,
}

/// Every version, oldest first. Source: fedimint-server 0.5.0 and 0.6.0, src/consensus/engine.rs (batches);
/// fedimint-server 0.5.0, src/net/peers.rs, and fedimint-core 0.7.0 and 0.10.0, src/config.rs (messages);
/// fedimint-dummy-common 0.5.0, 0.10.0 and 0.11.0, src/lib.rs (ledger).
const VERSIONS: [Version; 10] = [
    version("v0.4", true, SignOfLife::Ping, true),
    version("v0.5", true, SignOfLife::Ping, true),
    version("v0.6", false, SignOfLife::Ping, true),
    version("v0.7", false, SignOfLife::NoBytes, true),
    version("v0.8", false, SignOfLife::NoBytes, true),
    version("v0.9", false, SignOfLife::NoBytes, true),
    version("v0.10", false, SignOfLife::Question, false),
    version("v0.11", false, SignOfLife::Question, false),
    version("v0.12", false, SignOfLife::Question, false),
    version("v0.13", false, SignOfLife::Question, false),
];

const fn version(name: &'static str, ignore_rest: bool, sign_of_life: SignOfLife, ledger: bool) -> Version {
    Version { name, ignore_rest, sign_of_life, ledger }
}

impl Servers {
    /// Returns the names of the versions, oldest first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        VERSIONS.iter().map(|version| version.name)
    }

    /// Returns the version of that name.
    pub fn named(name: &str) -> Option<Self> {
        VERSIONS.iter().find(|version| version.name == name).map(Self)
    }

    /// Returns the name of the version.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the rules by which they judge ordered units.
    pub(crate) fn orderers(self) -> Orderers {
        Orderers::Servers { ignore_rest: self.0.ignore_rest }
    }

    /// Returns the keep-alive message of a link to one of them.
    pub(crate) fn sign_of_life(self) -> SignOfLife {
        self.0.sign_of_life
    }

    /// Returns whether a module of that kind is the same on servers and nodes.
    pub(crate) fn run(self, kind: &str) -> bool {
        kind != "dummy" || self.0.ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_own_version() {
        let names: Vec<&str> = Servers::names().collect();
        assert_eq!(names.len(), 10);
        for name in names {
            assert_eq!(Servers::named(name).unwrap().name(), name);
        }
        for name in ["v0.3", "v0.14", "0.5", "v0.5.0", "V0.5", "", "v0.1"] {
            assert_eq!(Servers::named(name), None, "{name:?}");
        }
    }
}
