//! The hash chain of HoneyBadger epochs, as a sans-I/O state machine: it takes one epoch at a time, in
//! ascending order.
//!
//! Invariants: an epoch counts as signed only if its signature holds over the hash of its own content. It
//! counts as covered only if every link from it to a later signed epoch holds. Memory is constant.

use crate::{Cause, Code, Finding, Hash, Place, Severity};

/// The state of an epoch's threshold signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureState {
    /// The record has no signature.
    Absent,
    /// It verifies over the stored hash.
    Valid,
    /// It does not verify over the stored hash.
    Invalid,
    /// It is not a point of the signature group.
    Malformed(String),
    /// There are no keys to check it with.
    Unchecked,
}

/// The facts about an epoch that the chain needs.
#[derive(Clone, Debug)]
pub struct EpochFacts {
    /// The number in the record's key.
    pub key: u64,
    /// The number in the record.
    pub number: u64,
    /// The hash of the previous epoch, as the record claims.
    pub last_hash: Option<Hash>,
    /// Hash of the stored content.
    pub computed_hash: Hash,
    /// Hash field of the record.
    pub stored_hash: Hash,
    /// Its signature.
    pub signature: SignatureState,
}

/// How an epoch is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochClass {
    /// Its own signature holds.
    Signed,
    /// A later signed epoch's hash chain commits to it.
    Covered,
    /// Nothing signs it yet.
    Tip,
    /// Nothing signs it, and the chain breaks after it.
    Unproven,
}

/// Counts over a whole chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainSummary {
    /// Epochs seen.
    pub records: u64,
    /// Epochs whose own signature holds.
    pub signed: u64,
    /// Unsigned epochs that a later signed one covers.
    pub covered: u64,
    /// Unsigned epochs at the end.
    pub tip: u64,
    /// Unsigned epochs before a break of the chain.
    pub unproven: u64,
    /// Epochs with a signature that was not checked, because there are no keys.
    pub unchecked: u64,
    /// First epoch seen.
    pub first: Option<u64>,
    /// Last epoch seen.
    pub last: Option<u64>,
    /// Last epoch whose own signature holds.
    pub last_signed: Option<u64>,
    /// The first epoch that nothing signs or covers, before a break of the chain.
    pub first_unproven: Option<u64>,
}

/// Follows the chain.
#[derive(Clone, Debug, Default)]
pub struct ChainVerifier {
    summary: ChainSummary,
    /// Hash of the content of the previous epoch; `None` before epoch 0.
    previous: Option<Hash>,
    /// Whether the previous epoch is present but does not decode: its hash is unknown.
    previous_unknown: bool,
    /// The evidence that the previous epoch was changed: its hash is then not the one that the next record
    /// names.
    previous_changed: Option<Cause>,
    /// Unsigned epochs that nothing covers so far: the first, and their number.
    open: Option<(u64, u64)>,
    /// The first expected epoch.
    from: u64,
}

impl ChainVerifier {
    /// Returns a verifier that expects epoch 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a verifier of the part of a history that begins with this epoch; it does not look at what is
    /// before.
    pub fn starting_at(from: u64) -> Self {
        Self { from, previous_unknown: from > 0, ..Self::default() }
    }

    /// Takes the next epoch; returns its findings.
    pub fn on_epoch(&mut self, facts: &EpochFacts) -> Vec<Finding> {
        let mut findings = Vec::new();
        let linked = self.check_position(facts, &mut findings)
            && !self.previous_unknown
            && self.check_link(facts, &mut findings);
        if !linked {
            self.abandon_open(&mut findings);
        }
        let own = findings.len();
        let intact = check_hash(facts, &mut findings);
        self.check_signature(facts, intact, &mut findings);
        self.previous_changed = findings.get(own).map(Finding::cause);
        self.summary.first.get_or_insert(facts.key);
        self.summary.last = Some(facts.key);
        self.summary.records += 1;
        self.previous = Some(facts.computed_hash);
        self.previous_unknown = false;
        findings
    }

    /// Takes a record under an epoch's key that does not decode: the chain breaks here.
    pub fn on_undecodable(&mut self, key: u64, reason: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.check_hole(key, &mut findings);
        findings.push(Finding::new(Code::EpochUndecodable, Place::epoch(key), reason));
        self.abandon_open(&mut findings);
        self.summary.first.get_or_insert(key);
        self.summary.last = Some(key);
        self.summary.records += 1;
        self.summary.unproven += 1;
        self.summary.first_unproven.get_or_insert(key);
        self.previous_unknown = true;
        self.previous_changed = None;
        findings
    }

    /// Ends the chain: the epochs that are still open are the tip.
    pub fn finish(mut self) -> (ChainSummary, Vec<Finding>) {
        let mut findings = Vec::new();
        if let Some((first, count)) = self.open {
            self.summary.tip = count;
            if self.summary.unchecked == 0 {
                findings.push(tip(first, count));
            }
        }
        (self.summary, findings)
    }

    fn expected(&self) -> u64 {
        self.summary.last.map_or(self.from, |last| last.saturating_add(1))
    }

    fn check_position(&self, facts: &EpochFacts, findings: &mut Vec<Finding>) -> bool {
        if facts.number != facts.key {
            let message = format!("the record says epoch {}", facts.number);
            findings.push(Finding::new(Code::EpochKeyMismatch, Place::epoch(facts.key), message));
        }
        self.check_hole(facts.key, findings)
    }

    fn check_hole(&self, key: u64, findings: &mut Vec<Finding>) -> bool {
        let expected = self.expected();
        if key == expected {
            return true;
        }
        let message = match key.checked_sub(1) {
            Some(before) if before > expected => format!("epochs {expected} to {before} are missing"),
            _ => format!("epoch {expected} is missing"),
        };
        findings.push(Finding::new(Code::EpochMissing, Place::epoch(expected), message));
        false
    }

    fn check_link(&self, facts: &EpochFacts, findings: &mut Vec<Finding>) -> bool {
        if facts.last_hash == self.previous {
            return true;
        }
        let show = |hash: Option<Hash>| hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
        let message = format!(
            "the record names {} as the hash of the epoch before, which is {}",
            show(facts.last_hash),
            show(self.previous)
        );
        let broken = Finding::new(Code::EpochLinkBroken, Place::epoch(facts.key), message);
        let changed = self.previous_changed.clone();
        findings.push(changed.map_or(broken.clone(), |cause| broken.following(cause)));
        false
    }

    fn check_signature(&mut self, facts: &EpochFacts, intact: bool, findings: &mut Vec<Finding>) {
        let place = Place::epoch(facts.key);
        match &facts.signature {
            SignatureState::Valid if intact => {
                self.summary.signed += 1;
                self.summary.last_signed = Some(facts.key);
                self.summary.covered += self.open.take().map_or(0, |(_, count)| count);
                return;
            }
            SignatureState::Invalid => {
                let message = "the threshold signature does not verify over the stored hash";
                findings.push(Finding::new(Code::EpochSignatureInvalid, place, message));
            }
            SignatureState::Malformed(reason) => {
                let message = format!("the threshold signature is not a signature: {reason}");
                findings.push(Finding::new(Code::EpochSignatureMalformed, place, message));
            }
            SignatureState::Unchecked => self.summary.unchecked += 1,
            SignatureState::Valid | SignatureState::Absent => {}
        }
        let (first, count) = self.open.unwrap_or((facts.key, 0));
        self.open = Some((first, count + 1));
    }

    /// Abandons the open epochs: the chain is broken, so that they can no longer be covered.
    fn abandon_open(&mut self, findings: &mut Vec<Finding>) {
        let Some((first, count)) = self.open.take() else { return };
        self.summary.unproven += count;
        self.summary.first_unproven.get_or_insert(first);
        if self.summary.unchecked > 0 {
            // Without keys nothing is proven, broken chain or not: one finding per break would say nothing.
            return;
        }
        let message =
            format!("{count} epoch(s) from {first} on are unsigned, and the chain breaks after them");
        let unproven = Finding::new(Code::EpochUnproven, Place::epoch(first), message);
        // About the changed epoch itself this says nothing new; about those before it, it does.
        let changed = self.previous_changed.as_ref().filter(|cause| cause.place.index() == Some(first));
        findings.push(changed.cloned().map_or(unproven.clone(), |cause| unproven.following(cause)));
    }
}

/// Returns the finding for the unsigned epochs at the end. The next epoch signs the newest one, so every
/// database ends with an unsigned epoch. More than one is rare, and anybody can add them.
fn tip(first: u64, count: u64) -> Finding {
    let message = format!("{count} newest epoch(s) from {first} on are not signed yet");
    let finding = Finding::new(Code::EpochTip, Place::epoch(first), message);
    if count == 1 { finding } else { finding.with_severity(Severity::Warning) }
}

fn check_hash(facts: &EpochFacts, findings: &mut Vec<Finding>) -> bool {
    if facts.computed_hash == facts.stored_hash {
        return true;
    }
    let message =
        format!("the content hashes to {}, the record claims {}", facts.computed_hash, facts.stored_hash);
    findings.push(Finding::new(Code::EpochHashMismatch, Place::epoch(facts.key), message));
    false
}
