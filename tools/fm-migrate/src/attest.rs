//! `attest`.

use std::path::Path;

use fm_audit::{Control, MigratedDir};
use fm_cli::{
    Exit, Failure, FindingPrinter, GuardianKey, Output, TerminalProgress, check_target, group_digits,
    guardian_key, interrupt_flag, or_refused, root_line, warn,
};
use fm_history::PeerId;
use fm_migration::{Attest, Attested, Signer};
use serde::Serialize;

use crate::args::AttestArgs;

#[derive(Serialize)]
struct AttestVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    file: &'a Path,
    federation: &'a str,
    peer: PeerId,
    first: u64,
    last: u64,
    sessions: u64,
    history_root: String,
    key_set_tag: String,
    identity: String,
}

pub(crate) fn run(arguments: &AttestArgs) -> Result<Exit, Failure> {
    check_target(&arguments.out, &arguments.dir)?;
    let pinned = arguments.keys.load()?.ok_or_else(no_keys)?;
    let keys = pinned.of_sessions()?;
    let federation = pinned.federation();
    let (config, key_file) = (arguments.keys.config.as_deref(), arguments.key_file.as_deref());
    let GuardianKey { key, notes } = guardian_key(config, key_file, &arguments.password)?;
    let signer = Signer::new(&key, keys)?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let dir = MigratedDir::open(&arguments.dir, control)?;
    let job = Attest {
        dir: &dir,
        keys: pinned.of_history(&dir.layout)?,
        federation: federation.as_deref(),
        signer: &signer,
        out: &arguments.out,
    };
    let mut printer = FindingPrinter::new(arguments.json);
    let result = fm_migration::attest(job, control, &mut |finding| printer.print(&finding));
    drop(progress);
    let mut output = printer.finish()?;
    let attested = or_refused(result, arguments.json, &mut output)?;
    for note in &notes {
        warn("fm-migrate", note);
    }
    if arguments.json {
        print_json(&mut output, arguments, &attested)
    } else {
        print(&mut output, arguments, &attested)
    }
}

fn no_keys() -> Failure {
    Failure::new(Exit::Usage, "no keys: what cannot be proven is not signed")
        .hint("give the guardian's data directory with --config")
}

fn print_json(output: &mut Output, arguments: &AttestArgs, attested: &Attested) -> Result<Exit, Failure> {
    let facts = &attested.facts;
    output.json(&AttestVerdict {
        r#type: "verdict",
        verdict: if attested.existed { "exists" } else { "attested" },
        file: &arguments.out,
        federation: &facts.federation,
        peer: facts.peer,
        first: 0,
        last: facts.sessions.saturating_sub(1),
        sessions: facts.sessions,
        history_root: facts.history_root.to_string(),
        key_set_tag: facts.key_set_tag.to_string(),
        identity: attested.identity.to_string(),
    })?;
    Ok(Exit::Done)
}

fn print(output: &mut Output, arguments: &AttestArgs, attested: &Attested) -> Result<Exit, Failure> {
    let facts = &attested.facts;
    output.line(&format!(
        "sessions   {} (0 to {}), each proven and signed",
        group_digits(facts.sessions),
        group_digits(facts.sessions.saturating_sub(1))
    ))?;
    output.line(&root_line(facts.history_root, facts.sessions.saturating_sub(1)))?;
    output.line(&format!("guardian   {}", facts.peer))?;
    let done = if attested.existed { "was there already, unchanged:" } else { "written:" };
    output.line(&format!("{done} {}", arguments.out.display()))?;
    output.line("next: read the root to the other guardians; give this file to the guardian who seals")?;
    Ok(Exit::Done)
}
