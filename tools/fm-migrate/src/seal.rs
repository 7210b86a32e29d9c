//! `seal`.

use std::path::Path;

use fm_audit::{Control, MigratedDir};
use fm_cli::{
    Exit, Failure, KeyArgs, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag, keep_private,
    or_refused, root_line, warn,
};
use fm_crypto::SessionKeys;
use fm_history::PeerId;
use fm_migration::{Seal, Sealed};
use serde::Serialize;

use crate::args::SealArgs;

#[derive(Serialize)]
struct SealVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    dir: &'a Path,
    sessions: u64,
    threshold: usize,
    guardians: usize,
    peers: &'a [PeerId],
    verified: &'a [PeerId],
    history_root: String,
    /// The file that the keys are from; none if they are those that the directory's own manifest names.
    keys: Option<String>,
}

pub(crate) fn run(arguments: &SealArgs) -> Result<Exit, Failure> {
    let keys = KeyArgs { config: arguments.config.clone(), keys: arguments.keys.clone() };
    let pinned = keys.load()?;
    keep_private();
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let keys = match &pinned {
        Some(pinned) => pinned.of_sessions()?.clone(),
        None => keys_of_manifest(&MigratedDir::open(&arguments.dir, control)?)?,
    };
    let federation = pinned.as_ref().and_then(PinnedKeys::federation);
    let job =
        Seal { dir: &arguments.dir, keys: &keys, federation: federation.as_deref(), files: &arguments.files };
    let result = fm_migration::seal(job, control);
    drop(progress);
    let mut output = Output::default();
    let sealed = or_refused(result, arguments.json, &mut output)?;
    if let Some(lacking) = &sealed.owner_lacking {
        warn("fm-migrate", lacking);
    }
    let (threshold, guardians) = (keys.threshold(), keys.guardians());
    if arguments.json {
        output.json(&SealVerdict {
            r#type: "verdict",
            verdict: if sealed.existed { "exists" } else { "sealed" },
            dir: &arguments.dir,
            sessions: sealed.sessions,
            threshold,
            guardians,
            peers: &sealed.peers,
            verified: &sealed.verified,
            history_root: sealed.history_root.to_string(),
            keys: pinned.map(|pinned| pinned.path.display().to_string()),
        })?;
        return Ok(Exit::Done);
    }
    output.line(&format!("keys       {}", keys_from(pinned.as_ref())))?;
    print(&mut output, &sealed, guardians)?;
    let done = if sealed.existed { "was sealed with these already, unchanged:" } else { "sealed:" };
    output.line(&format!("{done} {}", arguments.dir.display()))?;
    Ok(Exit::Done)
}

fn keys_from(pinned: Option<&PinnedKeys>) -> String {
    let unpinned = || {
        "of the directory's own manifest, NOT PINNED: `fm-verify --config` shows whose they are".to_owned()
    };
    pinned.map_or_else(unpinned, |pinned| format!("from {}", pinned.path.display()))
}

/// Returns the keys that the directory's own guardian had in its configuration when it converted.
fn keys_of_manifest(dir: &MigratedDir) -> Result<SessionKeys, Failure> {
    let named = dir.session_keys().map_err(|reason| {
        Failure::new(Exit::Findings, format!("session_keys in {}'s manifest: {reason}", dir.path.display()))
    })?;
    named.ok_or_else(|| {
        Failure::new(Exit::Usage, "no keys: signatures cannot be checked, and nothing unproven is sealed")
            .hint("the manifest names none; give the guardians' consensus.json with --config")
    })
}

fn print(output: &mut Output, sealed: &Sealed, guardians: usize) -> Result<(), Failure> {
    let list = |peers: &[PeerId]| peers.iter().map(PeerId::to_string).collect::<Vec<_>>().join(", ");
    output.line(&format!("verified   the attestations of guardians {}", list(&sealed.verified)))?;
    output.line(&format!(
        "sessions   {} (0 to {}), each with the signatures of guardians {} ({} of {guardians})",
        group_digits(sealed.sessions),
        group_digits(sealed.sessions.saturating_sub(1)),
        list(&sealed.peers),
        sealed.peers.len()
    ))?;
    output.line(&root_line(sealed.history_root, sealed.sessions.saturating_sub(1)))
}
