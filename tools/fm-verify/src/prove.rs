//! `prove` and `check-proof`: a proof that one item is in the history, checked by the keys alone.

use fm_audit::{AuditError, Control, Original, Source, TrustedKeys, read_entry};
use fm_cli::{
    Exit, Failure, NamedKeys, Output, PinnedKeys, TerminalProgress, group_digits, interrupt_flag, note,
    read_file, trust_root_line, trusted,
};
use fm_eras::Layout;
use fm_evidence::{ProofError, ProvenItem, check_proof, prove};
use fm_history::{EntryItem, Hash, PeerId};
use serde::Serialize;

use crate::args::{CheckArgs, CheckProofArgs, ProveArgs};
use crate::decoded::{PartLine, decoded, registry};
use crate::diff::{check_file, write_file};
use crate::opened::Opening;
use crate::show::{Found, find};
use crate::view::{ItemLine, item_json, item_text, modules, signers_text};

/// The largest file that is read: records of epochs take twice their bytes in hex.
const MAX_BYTES: u64 = 160 << 20;

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    session: Option<u64>,
    epoch: Option<u64>,
    items: Option<u64>,
    /// The hash that the signatures are over.
    hash: Option<Hash>,
    /// The epoch that is signed, in a history of epochs.
    signed_epoch: Option<u64>,
    signed_by: Option<&'a [PeerId]>,
    item: Option<ItemLine<'a>>,
    keys: Option<NamedKeys>,
    file: String,
    reason: Option<String>,
}

pub(crate) fn run(arguments: &ProveArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let opening = Opening::begin(&arguments.source, &arguments.keys, &arguments.federation)?;
    if let Some(target) = &arguments.out {
        check_file(target, &[&arguments.source])?;
    }
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let (source, keys) = opening.source(&arguments.source, layout, control)?;
    let named = find(&source, &arguments.place, control)?;
    let item = named.item.ok_or_else(|| {
        Failure::new(Exit::Usage, "a proof is of one item: name it with --item, or with --txid")
    })?;
    let signed = if arguments.place.txid.is_some() { before_sealing(&source, &named, item)? } else { None };
    let instead = signed.as_ref().map(|signed| instead(&named, signed));
    let history = if arguments.place.epoch.is_some() || signed.is_some() {
        source.original()
    } else {
        source.history()
    };
    let found = signed.unwrap_or(named);
    let item = found.item.unwrap_or(item);
    let keys = match keys {
        Some(keys) => keys.usable_for(&history.layout)?.is_some().then_some(keys),
        None => None,
    };
    let proof = prove(&history, found.index, item, &found.record, trusted(keys.as_ref()));
    drop(progress);
    let (text, proven) = proof.map_err(|error| not_proven(&arguments.source.display().to_string(), error))?;
    if let Some(repeated) = repeated(&found, &proven) {
        note("fm-verify", &repeated);
    }
    match &arguments.out {
        Some(target) => {
            write_file(target, &text)?;
            let mut output = Output::default();
            output.line(&format!("proof      {}", target.display()))?;
            instead.iter().try_for_each(|text| output.line(&format!("of         {text}")))?;
            keys.iter().try_for_each(|keys| keys.say_found(&mut output))?;
        }
        None => {
            Output::default().text(text.trim_end())?;
            instead.iter().for_each(|text| note("fm-verify", &format!("the proof is of {text}")));
            let found = keys.iter().filter(|keys| keys.is_found);
            found.for_each(|keys| {
                note("fm-verify", &format!("keys {}{}", keys.path.display(), keys.origin_words()))
            });
        }
    }
    // Keys that lie beside the history prove no more than no keys.
    Ok(if keys.is_some_and(|keys| !keys.is_found) { Exit::Done } else { Exit::Partial })
}

/// Finds a transaction of a session that is not sealed yet in the record that the session was made from,
/// which is signed.
fn before_sealing(source: &Source, named: &Found, item: usize) -> Result<Option<Found>, Failure> {
    let unchecked = TrustedKeys::default().signers(named.index, &named.record, &named.layout);
    let txid = named.entry.known_items().get(item).and_then(|item| item.kind.txid());
    let (true, Some(txid)) = (unchecked.stored.is_empty(), txid) else { return Ok(None) };
    let Some(Original { index, record, layout, transactions, .. }) = source.original_of(named.index)? else {
        return Ok(None);
    };
    let carried = transactions.iter().find(|carried| carried.txid == txid);
    let (Some(carried), Ok(entry)) = (carried, read_entry(index, &record, &layout)) else { return Ok(None) };
    let matches = |item: &EntryItem| !item.rejected && item.kind.txid() == Some(carried.old_txid);
    let item = entry.known_items().iter().position(matches);
    Ok(item.map(|item| Found { index, record, layout, entry, item: Some(item) }))
}

/// Says what is proven in place of the session that was found.
fn instead(named: &Found, signed: &Found) -> String {
    let (what, item) = (signed.what(), signed.item.unwrap_or_default());
    let (index, session) = (group_digits(signed.index), group_digits(named.index));
    let item = group_digits(item as u64);
    format!(
        "item {item} of {what} {index}, which session {session} was made from: nobody has sealed that session"
    )
}

/// Says what the source holds of a session beyond the items that its header commits to.
fn repeated(found: &Found, proven: &ProvenItem) -> Option<String> {
    let stored = found.entry.known_items().len() as u64;
    let more = stored.checked_sub(proven.count).filter(|more| *more > 0)?;
    Some(format!(
        "{} {} is stored with {} items, the last {} of which repeat those before them: its header is the same without \
         them, so that the proof counts {} items",
        found.what(),
        group_digits(found.index),
        group_digits(stored),
        group_digits(more),
        group_digits(proven.count)
    ))
}

fn not_proven(source: &str, error: ProofError) -> Failure {
    match error {
        ProofError::Audit(AuditError::Interrupted) => AuditError::Interrupted.into(),
        ProofError::Audit(error) => error.into(),
        error => Failure::new(Exit::Findings, format!("{source}: no proof can be made: {error}"))
            .hint("`fm-verify` says what of the history is signed"),
    }
}

pub(crate) fn check(arguments: &CheckProofArgs) -> Result<Exit, Failure> {
    let known = arguments.layout.get()?;
    let arguments = &arguments.check;
    let keys = arguments.keys.load()?;
    let text = read_file(&arguments.file, MAX_BYTES, "a proof")?;
    let mut output = Output::default();
    let file = arguments.file.display().to_string();
    match check_proof(&text, trusted(keys.as_ref()), known.as_ref()) {
        Ok(proven) => accept(output, arguments, &proven, keys.as_ref(), file),
        Err(error) if arguments.json => {
            output.json(&Verdict {
                r#type: "verdict",
                verdict: "refused",
                session: None,
                epoch: None,
                items: None,
                hash: None,
                signed_epoch: None,
                signed_by: None,
                item: None,
                keys: None,
                file,
                reason: Some(error.to_string()),
            })?;
            Ok(Exit::Findings)
        }
        Err(error) => {
            output.line(&format!("refused    {file}: {error}"))?;
            output.line("verdict    REFUSED: the file proves nothing")?;
            Ok(Exit::Findings)
        }
    }
}

fn accept(
    mut output: Output,
    arguments: &CheckArgs,
    proven: &ProvenItem,
    keys: Option<&PinnedKeys>,
    file: String,
) -> Result<Exit, Failure> {
    let is_epoch = matches!(proven.layout, Layout::Hbbft(_));
    // Enough guardians signed, or the number needed is not known.
    let (name, exit) = match proven.signers.threshold_met {
        Some(_) => ("proven", Exit::Done),
        None => ("unpinned", Exit::Partial),
    };
    let number = usize::try_from(proven.item).unwrap_or(usize::MAX);
    if arguments.json {
        let mut item = item_json(number, &proven.facts, arguments.hex);
        item.decoded = parts(proven, keys);
        output.json(&Verdict {
            r#type: "verdict",
            verdict: name,
            session: (!is_epoch).then_some(proven.index),
            epoch: is_epoch.then_some(proven.index),
            items: Some(proven.count),
            hash: Some(proven.hash),
            signed_epoch: is_epoch.then_some(proven.signed_index),
            signed_by: proven.signers.valid.as_deref(),
            item: Some(item),
            keys: NamedKeys::of(keys, [&proven.layout, &proven.layout]),
            file,
            reason: None,
        })?;
        return Ok(exit);
    }
    print(&mut output, proven, keys, arguments.hex)?;
    Ok(exit)
}

fn parts(proven: &ProvenItem, keys: Option<&PinnedKeys>) -> Vec<PartLine> {
    decoded(&proven.facts, &proven.layout, registry(keys, false).as_ref())
}

fn print(
    output: &mut Output,
    proven: &ProvenItem,
    keys: Option<&PinnedKeys>,
    hex: bool,
) -> Result<(), Failure> {
    let is_epoch = matches!(proven.layout, Layout::Hbbft(_));
    let what = if is_epoch { "epoch" } else { "session" };
    let (index, item, count) =
        (group_digits(proven.index), group_digits(proven.item), group_digits(proven.count));
    output.line(&trust_root_line(keys, [&proven.layout, &proven.layout]))?;
    let (era, layout) = (proven.layout.era(), proven.layout.name());
    let place = format!("{item} of {count} in {what} {index}, counted from 0, of era {era} ({layout})");
    output.line(&format!("item       {place}"))?;
    output.line(&format!("           {}", item_text(&proven.facts, &modules(keys, false))))?;
    for part in parts(proven, keys) {
        output.line(&format!("           {}", part.text()))?;
    }
    if hex {
        output.line(&format!("           {}", hex::encode(&proven.facts.bytes)))?;
    }
    let behind = if is_epoch && proven.signed_index != proven.index {
        format!(" of epoch {}, whose chain of hashes covers it", group_digits(proven.signed_index))
    } else {
        String::new()
    };
    output.line(&format!("signed     {}{behind}", proven.hash))?;
    output.line(&format!("signed by  {}", signers_text(&proven.signers)))?;
    let summary = match (proven.signers.threshold_met, proven.facts.rejected) {
        (None, _) => match keys {
            None => "UNPINNED: consistent in itself; signatures not checked, no keys were given".to_owned(),
            Some(keys) => format!(
                "UNPINNED: consistent in itself; signatures not checked, {} has no keys of the kind that signs {what}s",
                keys.path.display()
            ),
        },
        (Some(_), true) => {
            format!("PROVEN: the federation agreed on {what} {index}, which REJECTS this transaction")
        }
        (Some(_), false) => format!("PROVEN: the federation agreed on this item in {what} {index}"),
    };
    output.line(&format!("verdict    {summary}"))
}
