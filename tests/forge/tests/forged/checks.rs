//! Reads a forged history back, and counts it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fm_crypto::{Combiner, ConsensusConfig, EpochKeys};
use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE, Table, check_record, decode_epoch, epoch_of_key};
use fm_forge::Forged;
use fm_history::{
    ChainVerifier, Code, Epoch, EpochFacts, SignatureState, accepted_transactions, convert_epoch,
};
use fm_rows::Row;
use fm_store::ReadStore;

pub(crate) fn rows(dir: &Path) -> Vec<Row> {
    let store = ReadStore::open(&dir.join("database")).unwrap();
    store.scan().collect::<Result<_, _>>().unwrap()
}

pub(crate) fn epochs(rows: &[Row], layout: &EpochLayout) -> Vec<Epoch> {
    let mut epochs: Vec<Epoch> = rows
        .iter()
        .filter(|(key, _)| key[0] == HISTORY_TABLE)
        .map(|(key, value)| {
            let epoch = decode_epoch(value, layout).unwrap();
            assert_eq!(epoch_of_key(key, layout.dialect), Ok(epoch.number));
            epoch
        })
        .collect();
    epochs.sort_by_key(|epoch| epoch.number);
    epochs
}

pub(crate) fn keys(dir: &Path, forged: &Forged) -> EpochKeys {
    let config = ConsensusConfig::parse(&fs::read_to_string(dir.join("consensus.json")).unwrap()).unwrap();
    let keys = config.epoch_keys.unwrap();
    assert_eq!(keys.coefficients(), forged.coefficients);
    assert!(config.federation_id.is_some());
    keys
}

/// Checks the classes, by the chain verifier and by the reference's own check of every signature.
pub(crate) fn check_chain(epochs: &[Epoch], keys: &EpochKeys, forged: &Forged) {
    let mut verifier = ChainVerifier::new();
    for epoch in epochs {
        let signature = match &epoch.signature {
            None => SignatureState::Absent,
            Some(signature) => {
                keys.verify(&epoch.stored_hash.0, signature).unwrap();
                SignatureState::Valid
            }
        };
        let findings = verifier.on_epoch(&EpochFacts {
            key: epoch.number,
            number: epoch.number,
            last_hash: epoch.last_hash,
            computed_hash: epoch.computed_hash,
            stored_hash: epoch.stored_hash,
            signature,
        });
        assert_eq!(findings, []);
    }
    let (summary, findings) = verifier.finish();
    assert!(findings.iter().all(|finding| finding.code == Code::EpochTip), "{findings:?}");
    assert_eq!(
        (
            summary.records,
            summary.signed,
            summary.covered,
            summary.tip,
            summary.unproven,
            summary.last_signed
        ),
        (forged.epochs, forged.signed, forged.covered, forged.tip, 0, forged.last_signed)
    );
    assert_eq!(epochs.last().unwrap().computed_hash, forged.last_hash);
}

/// Checks that the shares inside an epoch combine to the signature of the one before, or are too few.
pub(crate) fn check_shares(epochs: &[Epoch], keys: &EpochKeys) {
    let needed = keys.degree() + 1;
    let mut combiner = Combiner::new(keys);
    let mut invalid = 0;
    for pair in epochs.windows(2) {
        let mut shares = pair[1].content.as_ref().unwrap().shares();
        let all = shares.len();
        shares.retain(|peer, share| keys.verify_share(*peer, &pair[0].stored_hash.0, share).is_ok());
        invalid += all - shares.len();
        match pair[0].signature {
            Some(signature) => assert_eq!(combiner.combine(&shares), Ok(signature)),
            None => assert!(shares.len() < needed, "epoch {} could be signed", pair[0].number),
        }
    }
    assert!(invalid > 0, "no bad share anywhere");
}

pub(crate) fn check_counts(epochs: &[Epoch], rows: &[Row], layout: &EpochLayout, forged: &Forged) {
    let mut dropped: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut kept, mut items, mut rejected, mut transactions) = (0, 0, 0, 0);
    for epoch in epochs {
        let content = epoch.content.as_ref().unwrap();
        let converted = convert_epoch(epoch.number, content);
        kept += converted.outcome.items.len();
        items += content.contributions.iter().map(|contribution| contribution.items.len()).sum::<usize>();
        rejected += content.rejected.len();
        transactions += accepted_transactions(content).len();
        assert!(content.is_ordered());
        for drop in converted.dropped {
            *dropped.entry(drop.reason.as_str()).or_default() += 1;
        }
    }
    assert_eq!(dropped, forged.dropped);
    let counts = [kept, items, rejected, transactions].map(|count| count as u64);
    assert_eq!(counts, [forged.kept, forged.items, forged.rejected_ids, forged.transactions]);
    let index = rows.iter().filter(|(key, _)| key[0] == Table::AcceptedTransaction.prefix()).count();
    assert_eq!(index, transactions);
    for (key, value) in rows {
        check_record(key, value, layout).unwrap();
    }
}
