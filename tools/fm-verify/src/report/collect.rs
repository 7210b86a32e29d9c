//! What a report shows, gathered while the audit runs.
//!
//! Invariant: memory is bounded whatever the history holds: so many buckets, guardians, modules and findings, and a
//! count of the rest.

use std::collections::BTreeMap;

use fm_audit::{Attention, Audited, AuditedBlock, AuditedEpoch, DecodedBlock, DecodedEpoch, OldSession};
use fm_history::{BlockContent, Code, EpochItem, Finding, PeerId, Place, Severity, SignatureState};

use super::guardians::Presence;
use super::modules::ModuleCounts;

/// Most buckets of the timeline: they are joined in pairs before there are more.
const MOST_BUCKETS: usize = 400;
/// Guardians that are told apart; the rest is counted together.
const MOST_GUARDIANS: usize = 64;
/// Findings of each severity that are listed.
const MOST_FINDINGS: usize = 200;

/// What stands behind an epoch or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its own signatures were checked, and hold.
    Signed,
    /// They were checked by an earlier audit, and nothing changed since.
    Trusted,
    /// An epoch without a signature of its own: a later one may cover it.
    Unsigned,
    /// It has signatures, and nobody checked them.
    Unchecked,
    /// Its signatures do not hold, or are too few.
    Bad,
    /// It does not decode.
    Damaged,
}

impl State {
    pub(super) const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Signed, "signed", "signed, every signature checked"),
        (Self::Trusted, "trusted", "checked by an earlier audit, unchanged since"),
        (Self::Unsigned, "unsigned", "no signature of its own"),
        (Self::Unchecked, "unchecked", "signatures not checked"),
        (Self::Bad, "bad", "signatures do not hold, or too few"),
        (Self::Damaged, "damaged", "record does not decode"),
    ];
}

/// Some epochs or sessions that follow each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) records: u64,
    pub(super) items: u64,
    pub(super) states: [u64; State::ALL.len()],
    pub(super) errors: u64,
    pub(super) warnings: u64,
    /// By guardian: in how many records a signature, and in how many an item.
    pub(super) signers: BTreeMap<PeerId, u64>,
    pub(super) authors: BTreeMap<PeerId, u64>,
}

impl Bucket {
    fn join(&mut self, next: Self) {
        self.last = next.last;
        self.records += next.records;
        self.items += next.items;
        self.states.iter_mut().zip(next.states).for_each(|(sum, count)| *sum += count);
        self.errors += next.errors;
        self.warnings += next.warnings;
        for (sums, counts) in [(&mut self.signers, next.signers), (&mut self.authors, next.authors)] {
            counts.into_iter().for_each(|(peer, count)| *sums.entry(peer).or_default() += count);
        }
    }
}

/// Findings, the first of each severity, and how many there are.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) listed: [Vec<Finding>; 3],
    pub(super) counts: BTreeMap<(std::cmp::Reverse<Severity>, Code), u64>,
}

/// Follows an audit.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) buckets: Vec<Bucket>,
    /// Records that a bucket takes.
    width: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) signers: BTreeMap<PeerId, Presence>,
    pub(super) authors: BTreeMap<PeerId, Presence>,
    /// Signatures and items of guardians beyond those that are told apart.
    pub(super) strangers: u64,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) modules: BTreeMap<u16, ModuleCounts>,
    pub(super) findings: Findings,
    /// Findings told before the record that they are about.
    waiting: (u64, u64),
}

impl Collector {
    pub(super) fn on_finding(&mut self, finding: &Finding) {
        let findings = &mut self.findings;
        *findings.counts.entry((std::cmp::Reverse(finding.severity), finding.code)).or_default() += 1;
        let listed = &mut findings.listed[finding.severity as usize];
        if listed.len() < MOST_FINDINGS {
            listed.push(finding.clone());
        }
        let (errors, warnings) = match finding.severity {
            Severity::Error => (1, 0),
            Severity::Warning => (0, 1),
            Severity::Info => return,
        };
        let Some(index) = index_of(&finding.place) else { return };
        match self.bucket_of(index) {
            Some(bucket) => {
                bucket.errors += errors;
                bucket.warnings += warnings;
            }
            None => {
                self.waiting.0 += errors;
                self.waiting.1 += warnings;
            }
        }
    }

    /// The bucket with this epoch or session; none if it comes later.
    fn bucket_of(&mut self, index: u64) -> Option<&mut Bucket> {
        let place = self.buckets.partition_point(|bucket| bucket.last < index);
        self.buckets.get_mut(place)
    }

    pub(super) fn on_session(&mut self, session: &OldSession<'_>) {
        let record = match session.audited {
            Audited::Epoch(epoch) => self.of_epoch(epoch),
            Audited::Block(block) => self.of_block(block),
        };
        self.add(session.index, record);
    }

    fn add(&mut self, index: u64, record: Record) {
        self.width = self.width.max(1);
        if self.buckets.last().is_none_or(|bucket| bucket.records >= self.width) {
            if self.buckets.len() >= MOST_BUCKETS {
                self.halve();
            }
            // Halving leaves the last bucket half full.
            if self.buckets.last().is_none_or(|bucket| bucket.records >= self.width) {
                self.buckets.push(Bucket { first: index, ..Bucket::default() });
            }
        }
        let ordinal = self.records;
        self.records += 1;
        let Some(bucket) = self.buckets.last_mut() else { return };
        bucket.last = index;
        bucket.records += 1;
        bucket.items += record.items;
        bucket.states[record.state as usize] += 1;
        bucket.errors += std::mem::take(&mut self.waiting.0);
        bucket.warnings += std::mem::take(&mut self.waiting.1);
        let strangers = &mut self.strangers;
        for (peers, seen, counts) in [
            (record.signers, &mut self.signers, &mut bucket.signers),
            (record.authors, &mut self.authors, &mut bucket.authors),
        ] {
            for peer in peers {
                if !seen.contains_key(&peer) && seen.len() >= MOST_GUARDIANS {
                    *strangers += 1;
                    continue;
                }
                *counts.entry(peer).or_default() += 1;
                seen.entry(peer).or_default().see(ordinal, index);
            }
        }
    }

    /// Joins the buckets in pairs.
    fn halve(&mut self) {
        self.width *= 2;
        let mut joined: Vec<Bucket> = Vec::with_capacity(MOST_BUCKETS);
        for (place, bucket) in std::mem::take(&mut self.buckets).into_iter().enumerate() {
            match joined.last_mut().filter(|_| place % 2 == 1) {
                Some(before) => before.join(bucket),
                None => joined.push(bucket),
            }
        }
        self.buckets = joined;
    }

    fn of_epoch(&mut self, audited: &AuditedEpoch) -> Record {
        let Ok(decoded) = &audited.decoded else { return Record::damaged() };
        let mut record = Record { state: epoch_state(decoded), ..Record::damaged() };
        let Some(content) = &decoded.epoch.content else { return record };
        for contribution in &content.contributions {
            record.authors.push(contribution.peer);
            let is_share = |item: &EpochItem| matches!(item, EpochItem::EpochOutcomeSignatureShare(_));
            if contribution.items.iter().any(is_share) {
                record.signers.push(contribution.peer);
            }
            record.items += contribution.items.iter().filter(|item| !is_share(item)).count() as u64;
            contribution.items.iter().for_each(|item| self.count_epoch_item(item));
        }
        record.sorted()
    }

    fn count_epoch_item(&mut self, item: &EpochItem) {
        let kind = match item {
            EpochItem::ConsensusUpgrade => "vote to stop for an upgrade",
            EpochItem::ClientConfigSignatureShare(_) => "share of the client config's signature",
            EpochItem::EpochOutcomeSignatureShare(_) => "share of the signature on the epoch before",
            EpochItem::Transaction(transaction) => {
                transaction.inputs.iter().for_each(|part| self.module(part.instance).inputs += 1);
                transaction.outputs.iter().for_each(|part| self.module(part.instance).outputs += 1);
                "transaction"
            }
            EpochItem::Module(part) => {
                self.module(part.instance).items += 1;
                "module item"
            }
        };
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn of_block(&mut self, audited: &AuditedBlock) -> Record {
        self.bytes += audited.record.len() as u64;
        let Ok(decoded) = &audited.decoded else { return Record::damaged() };
        let block = &decoded.block;
        block.items.iter().for_each(|item| self.count_block_item(&item.content));
        Record {
            state: block_state(decoded),
            items: block.items.len() as u64,
            signers: block.signatures.keys().copied().collect(),
            authors: block.items.iter().map(|item| item.peer).collect(),
        }
        .sorted()
    }

    fn count_block_item(&mut self, content: &BlockContent) {
        let kind = match content {
            BlockContent::Opaque(_) => "opaque bytes",
            BlockContent::ClientConfigSignatureShare(_) => "share of the client config's signature",
            BlockContent::Transaction(transaction) => {
                transaction.inputs.iter().for_each(|part| self.module(part.instance).inputs += 1);
                transaction.outputs.iter().for_each(|part| self.module(part.instance).outputs += 1);
                "transaction"
            }
            BlockContent::Module(part) => {
                self.module(part.instance).items += 1;
                "module item"
            }
            BlockContent::Unknown { .. } => "item of an unknown kind",
        };
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn module(&mut self, instance: u16) -> &mut ModuleCounts {
        self.modules.entry(instance).or_default()
    }

    /// Findings that no record came after.
    pub(super) fn finish(&mut self) {
        if let Some(bucket) = self.buckets.last_mut() {
            bucket.errors += std::mem::take(&mut self.waiting.0);
            bucket.warnings += std::mem::take(&mut self.waiting.1);
        }
        let records = self.records;
        self.signers.values_mut().chain(self.authors.values_mut()).for_each(|seen| seen.end(records));
    }
}

/// What counts of one record.
struct Record {
    state: State,
    items: u64,
    signers: Vec<PeerId>,
    authors: Vec<PeerId>,
}

impl Record {
    fn damaged() -> Self {
        Self { state: State::Damaged, items: 0, signers: Vec::new(), authors: Vec::new() }
    }

    /// Each guardian once.
    fn sorted(mut self) -> Self {
        for peers in [&mut self.signers, &mut self.authors] {
            peers.sort_unstable();
            peers.dedup();
        }
        self
    }
}

fn index_of(place: &Place) -> Option<u64> {
    place.epoch.or(place.session)
}

fn epoch_state(decoded: &DecodedEpoch) -> State {
    match decoded.facts.signature {
        // The signature is over the hash that the record claims.
        SignatureState::Valid if decoded.facts.computed_hash != decoded.facts.stored_hash => State::Bad,
        SignatureState::Valid if decoded.attention == Attention::Trusted => State::Trusted,
        SignatureState::Valid => State::Signed,
        SignatureState::Absent => State::Unsigned,
        SignatureState::Unchecked => State::Unchecked,
        SignatureState::Invalid | SignatureState::Malformed(_) => State::Bad,
    }
}

fn block_state(decoded: &DecodedBlock) -> State {
    match decoded.is_signed {
        Some(true) if decoded.attention == Attention::Trusted => State::Trusted,
        Some(true) => State::Signed,
        None if !decoded.block.signatures.is_empty() => State::Unchecked,
        Some(false) | None => State::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(items: u64, signers: &[PeerId]) -> Record {
        Record { state: State::Signed, items, signers: signers.to_vec(), authors: Vec::new() }
    }

    #[test]
    fn buckets_stay_few_and_lose_nothing() {
        for count in [0, 1, 399, 400, 401, 100_000] {
            let mut collector = Collector::default();
            (0..count).for_each(|index| collector.add(index, record(2, &[1])));
            let buckets = &collector.buckets;
            assert!(buckets.len() <= MOST_BUCKETS);
            assert_eq!(buckets.iter().map(|bucket| bucket.items).sum::<u64>(), 2 * count);
            assert_eq!(buckets.iter().map(|bucket| bucket.states[0]).sum::<u64>(), count);
            assert!(buckets.windows(2).all(|pair| pair[0].last + 1 == pair[1].first));
            assert_eq!(buckets.iter().map(|bucket| bucket.signers[&1]).sum::<u64>(), count);
        }
    }

    #[test]
    fn numbers_far_apart_take_no_more_room() {
        let mut collector = Collector::default();
        for index in [0, 5, u64::MAX - 1, u64::MAX] {
            collector.add(index, record(1, &[]));
        }
        assert_eq!(collector.buckets.len(), 4);
    }

    #[test]
    fn a_million_findings_are_counted_and_few_are_kept() {
        let mut collector = Collector::default();
        collector.add(0, record(1, &[]));
        for index in 0..1_000_000 {
            collector.on_finding(&Finding::new(Code::UnknownPrefix, Place::session(index % 2), "x"));
        }
        let error = Finding::new(Code::SessionUnsigned, Place::session(0), "the one that counts");
        collector.on_finding(&error);
        collector.finish();
        assert_eq!(collector.findings.listed[Severity::Warning as usize].len(), MOST_FINDINGS);
        assert_eq!(collector.findings.listed[Severity::Error as usize], [error]);
        assert_eq!(collector.findings.counts.values().sum::<u64>(), 1_000_001);
        assert_eq!((collector.buckets[0].errors, collector.buckets[0].warnings), (1, 1_000_000));
    }

    #[test]
    fn strangers_by_the_thousand_are_one_number() {
        let mut collector = Collector::default();
        (0..1000).for_each(|index| collector.add(u64::from(index), record(0, &[index])));
        assert_eq!((collector.signers.len(), collector.strangers), (MOST_GUARDIANS, 936));
    }
}
