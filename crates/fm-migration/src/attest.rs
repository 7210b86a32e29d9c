//! The attestation: one guardian signs the sessions of a migrated history.
//!
//! Invariants: nothing is signed before the whole directory is proven; the file gets its name only if the
//! root over the signed sessions is that of the manifest.

use std::path::Path;

use fm_archive::{ArchiveWriter, Options};
use fm_audit::{Control, HistoryKeys, MigratedDir, Observer, SourceRequest, audit_migrated};
use fm_crypto::{SessionKeys, SigningKey};
use fm_history::{Finding, Hash, HistoryRoot, PeerId, RULE_VERSION, Severity};
use fm_store::{PartialFile, sync_name};

use crate::attestation::{Attestation, AttestationFacts, begins_like_one, session_record_key};
use crate::convert::archive_error;
use crate::sessions::{check_federation, check_root, check_sealable, each_session};
use crate::{MigrationError, SealError};

/// The key that signs, and the guardian that it belongs to.
#[derive(Debug)]
pub struct Signer<'a> {
    key: &'a SigningKey,
    keys: &'a SessionKeys,
    peer: PeerId,
}

impl<'a> Signer<'a> {
    /// Finds the guardian that the key belongs to.
    ///
    /// # Errors
    /// If the key does not belong to any guardian.
    pub fn new(key: &'a SigningKey, keys: &'a SessionKeys) -> Result<Self, SealError> {
        let public_key = key.public_key();
        let (_, x_only) = public_key.split_at(1);
        let peer = keys.peers().find(|peer| keys.x_only(*peer).is_some_and(|known| known == x_only));
        let peer = peer.ok_or_else(|| SealError::ForeignKey { public_key: hex::encode(public_key) })?;
        Ok(Self { key, keys, peer })
    }

    /// Returns the guardian's number.
    pub fn peer(&self) -> PeerId {
        self.peer
    }
}

/// The input and the output of an attestation.
#[derive(Clone, Copy)]
pub struct Attest<'a> {
    /// The migrated directory.
    pub dir: &'a MigratedDir,
    /// The keys of the old signatures.
    pub keys: HistoryKeys<'a>,
    /// Federation id, in hex, if the guardian's config states it.
    pub federation: Option<&'a str>,
    /// The signer.
    pub signer: &'a Signer<'a>,
    /// The file to create.
    pub out: &'a Path,
}

/// The result of an attestation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// What it covers.
    pub facts: AttestationFacts,
    /// SHA-256 of its record stream.
    pub identity: Hash,
    /// Whether the file already existed.
    pub existed: bool,
}

/// Proves a migrated directory and signs its sessions; `on_finding` receives the findings of the proof.
///
/// # Errors
/// If the directory is not proven, another file has the name of the output, the output cannot be written, or
/// the job was interrupted.
pub fn attest(
    job: Attest<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Attested, MigrationError> {
    check_sealable(job.dir)?;
    if let Some(known) = job.federation {
        check_federation(job.dir, known)?;
    }
    check_free(&job)?;
    prove(&job, control, on_finding)?;
    sign(job, control)
}

/// Returns the facts that will be signed.
fn facts(job: &Attest<'_>) -> AttestationFacts {
    let manifest = &job.dir.manifest;
    AttestationFacts {
        rule: RULE_VERSION,
        federation: manifest.federation.clone(),
        history_root: manifest.history_root,
        peer: job.signer.peer,
        key_set_tag: Hash(job.signer.keys.tag().unwrap_or_default()),
        sessions: manifest.sessions,
    }
}

fn in_the_way(job: &Attest<'_>, difference: impl Into<String>) -> MigrationError {
    MigrationError::OtherTarget { path: job.out.to_owned(), difference: difference.into() }
}

/// Refuses early if the file exists and is certainly another attestation or no attestation.
fn check_free(job: &Attest<'_>) -> Result<(), MigrationError> {
    if !job.out.exists() {
        return Ok(());
    }
    match Attestation::peek(job.out) {
        Ok(found) if found == facts(job) => Ok(()),
        Ok(_) => Err(in_the_way(job, "it is an attestation of something else")),
        Err(error) => Err(in_the_way(job, error.to_string())),
    }
}

fn prove(
    job: &Attest<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(), MigrationError> {
    let mut first = None;
    let mut errors = 0;
    let mut take = |finding: Finding| {
        if finding.severity == Severity::Error {
            errors += 1;
            first.get_or_insert_with(|| finding.to_string());
        }
        on_finding(finding);
    };
    let request = SourceRequest {
        keys: Some(job.keys),
        session_keys: Some(job.signer.keys),
        federation: job.federation,
        shares: true,
        ..SourceRequest::default()
    };
    audit_migrated(job.dir, request, control, Observer::of_findings(&mut take))?;
    match first {
        Some(first) => Err(MigrationError::NotProven { errors, first }),
        None => Ok(()),
    }
}

/// Signs without proving: the second half of [`attest`], for benchmarks.
///
/// # Errors
/// As for [`attest`], except for the proof.
pub fn sign(job: Attest<'_>, control: Control<'_>) -> Result<Attested, MigrationError> {
    let facts = facts(&job);
    let partial = PartialFile::create(job.out, begins_like_one)?;
    let identity = write(&job, &facts, &partial, control)?;
    if job.out.exists() {
        let existing =
            Attestation::open(job.out, control).map_err(|error| in_the_way(&job, error.to_string()))?;
        if (&existing.facts, existing.identity) != (&facts, identity) {
            return Err(in_the_way(&job, "its signatures are others"));
        }
        sync_name(job.out)?;
        return Ok(Attested { facts, identity, existed: true });
    }
    partial.publish()?;
    Ok(Attested { facts, identity, existed: false })
}

fn write(
    job: &Attest<'_>,
    facts: &AttestationFacts,
    partial: &PartialFile,
    control: Control<'_>,
) -> Result<Hash, MigrationError> {
    let failed = |source| archive_error(partial.path(), source);
    // Signatures cannot be compressed: higher levels have no benefit.
    let options = Options { level: 1, ..Options::default() };
    let mut writer = ArchiveWriter::new(partial.handle()?, &facts.metadata(), options).map_err(failed)?;
    let mut root = HistoryRoot::new();
    let signer = job.signer;
    control.progress.begin("signatures", "sessions", Some(facts.sessions));
    each_session(
        job.dir,
        control,
        |_| Ok(()),
        |sessions| {
            let leaves = sessions.iter().map(|(stored, parts)| parts.leaf(stored.index));
            leaves
                .map(|leaf| (leaf, signer.key.sign(&signer.keys.message(&leaf.header.to_bytes()))))
                .collect()
        },
        |(leaf, signature)| {
            root.push(leaf);
            writer.push(&session_record_key(leaf.header.index), &signature).map_err(failed)
        },
    )?;
    control.progress.end();
    check_root(&root, &job.dir.manifest)?;
    let (_, summary) = writer.finish().map_err(failed)?;
    Ok(Hash(summary.identity))
}
