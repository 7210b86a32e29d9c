//! Every payload in the histories of real federations decodes and encodes to the same bytes, and the money in
//! them is what upstream's programs counted.

use std::collections::BTreeMap;

use fm_codec::{Dialect, ModuleValue, decode_exact};
use fm_crypto::ConsensusConfig;
use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE, decode_epoch};
use fm_history::{AcceptedItem, ConsensusItem, EpochItem, SignedSession};
use fm_modules::{Generation, Kind, Msat, Registry};
use fm_tests::fixture;
use serde_json::Value;

fn modules(guardian: &str) -> Registry {
    let config = std::fs::read_to_string(fixture(guardian).join("consensus.json")).unwrap();
    Registry::of_config(&ConsensusConfig::parse(&config).unwrap())
}

/// Returns the values of all rows with this prefix.
fn values(guardian: &str, prefix: u8) -> Vec<Vec<u8>> {
    let store = crate::open(&fixture(guardian).join("database"));
    store.scan_prefix(&[prefix]).map(|row| row.unwrap().1.to_vec()).collect()
}

fn signed_items(guardian: &str) -> Vec<ConsensusItem> {
    let session = |value: Vec<u8>| decode_exact::<SignedSession>(&value, Dialect::V0_2).unwrap();
    let sessions = values(guardian, 0x04).into_iter().map(session);
    sessions.flat_map(|session| session.outcome.items).map(|accepted| accepted.item).collect()
}

fn pending_items(guardian: &str) -> Vec<ConsensusItem> {
    let item = |value: Vec<u8>| decode_exact::<AcceptedItem>(&value, Dialect::V0_2).unwrap().item;
    values(guardian, 0x01).into_iter().map(item).collect()
}

type Denominations = BTreeMap<String, BTreeMap<String, u64>>;

/// What a history contains, under the names that `truth.json` uses.
#[derive(Default)]
struct Counted {
    kinds: BTreeMap<String, u64>,
    issued: Denominations,
    spent: Denominations,
}

impl Counted {
    fn take(&mut self, modules: &Registry, item: &ConsensusItem) {
        match item {
            ConsensusItem::Module(value) => self.item(modules, value),
            ConsensusItem::Transaction(transaction) => {
                self.transaction(modules, &transaction.inputs, &transaction.outputs);
            }
            ConsensusItem::Default { .. } => panic!("an unknown item"),
        }
    }

    fn item(&mut self, modules: &Registry, value: &ModuleValue) {
        let item = modules.item(value).unwrap();
        assert_eq!(item.to_bytes(), value.body);
        assert_eq!(item.unknown_variant(), None);
        self.count("module item", modules, value);
    }

    fn transaction(&mut self, modules: &Registry, inputs: &[ModuleValue], outputs: &[ModuleValue]) {
        *self.kinds.entry("transaction".to_owned()).or_default() += 1;
        for value in inputs {
            let input = modules.input(value).unwrap();
            assert_eq!(input.to_bytes(), value.body);
            assert_eq!(input.unknown_variant(), None);
            let kind = self.count("input", modules, value);
            input.spent_notes().iter().for_each(|note| add(&mut self.spent, &kind, note.amount));
        }
        for value in outputs {
            let output = modules.output(value).unwrap();
            assert_eq!(output.to_bytes(), value.body);
            assert_eq!(output.unknown_variant(), None);
            let kind = self.count("output", modules, value);
            output.issued_notes().iter().for_each(|note| add(&mut self.issued, &kind, note.amount));
        }
    }

    fn count(&mut self, what: &str, modules: &Registry, value: &ModuleValue) -> Kind {
        let kind = modules.kind(value.instance).unwrap();
        *self.kinds.entry(format!("{what} {kind}")).or_default() += 1;
        kind.clone()
    }

    fn assert_is(&self, truth: &Value) {
        assert_eq!(serde_json::to_value(&self.kinds).unwrap(), truth["kinds"]);
        assert_eq!(serde_json::to_value(&self.issued).unwrap(), truth["notes_issued"]);
        assert_eq!(serde_json::to_value(&self.spent).unwrap(), truth["notes_spent"]);
    }
}

fn add(denominations: &mut Denominations, kind: &Kind, amount: Option<Msat>) {
    let of_kind = denominations.entry(kind.to_string()).or_default();
    *of_kind.entry(amount.unwrap().0.to_string()).or_default() += 1;
}

#[test]
fn every_payload_of_0_13_decodes_to_what_upstream_counted() {
    for (federation, peer) in [
        ("session-v0.13.0", "peer-0"),
        ("session-v0.13.0", "peer-3"),
        ("session-v0.13.0-iroh", "peer-0"),
        ("session-v0.13.0-iroh", "peer-3"),
        ("session-v0.13.0-single", "peer-0"),
    ] {
        let guardian = format!("{federation}/{peer}");
        let modules = modules(&guardian);
        assert_eq!(modules.generation(), Generation::Current);
        let truth = std::fs::read_to_string(fixture(federation).join("truth.json")).unwrap();
        let truth: Value = serde_json::from_str(&truth).unwrap();
        let truth = &truth["peers"][peer]["database"];
        let mut counted = Counted::default();
        signed_items(&guardian).iter().for_each(|item| counted.take(&modules, item));
        counted.assert_is(&truth["in_signed_sessions"]);
        pending_items(&guardian).iter().for_each(|item| counted.take(&modules, item));
        counted.assert_is(&truth["with_pending_items"]);
    }
}

#[test]
fn every_payload_of_other_sessions_decodes() {
    for guardian in ["session-v0.2.0-rc1/peer-0", "session-v0.5.0/peer-0", "meta-v0.13.0/peer-0"] {
        let modules = modules(guardian);
        let mut counted = Counted::default();
        signed_items(guardian).iter().for_each(|item| counted.take(&modules, item));
        pending_items(guardian).iter().for_each(|item| counted.take(&modules, item));
        assert!(counted.kinds.values().sum::<u64>() > 10, "{guardian}: {:?}", counted.kinds);
    }
}

#[test]
fn every_payload_of_v0_1_decodes() {
    let modules = modules("hbbft-v0.1.5/peer-0");
    assert_eq!(modules.generation(), Generation::V0_1);
    let layout = EpochLayout::by_name("bigsize").unwrap();
    let mut counted = Counted::default();
    for value in values("hbbft-v0.1.5/peer-0", HISTORY_TABLE) {
        let epoch = decode_epoch(&value, &layout).unwrap();
        for (_, _, item) in epoch.content.unwrap().items_in_order() {
            match item {
                EpochItem::Transaction(transaction) => {
                    counted.transaction(&modules, &transaction.inputs, &transaction.outputs);
                }
                EpochItem::Module(value) => counted.item(&modules, value),
                _ => {}
            }
        }
    }
    let found: Vec<&str> = counted.kinds.keys().map(String::as_str).collect();
    assert_eq!(found, ["input dummy", "module item dummy", "output dummy", "transaction"]);
}
