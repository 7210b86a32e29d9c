//! The session in progress: its units as one graph, and its accepted items checked against them.
//!
//! Nobody signed a session in progress: this check finds damage and forged units, and proves no outcome.

use std::collections::BTreeMap;

use fm_audit::{AuditError, Origin, StoredUnits};
use fm_crypto::SessionKeys;
use fm_eras::Layout;
use fm_eras::block::BlockLayout;
use fm_history::{Code, Finding, Place};
use fm_units::{Backup, Dag, Expected, ItemEncoding, PastEnd, read_in_form};

use fm_cli::Failure;

/// The units of the session in progress.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CheckedUnits {
    /// The number of units that were checked.
    pub(crate) units: u64,
    /// Units past the end of the session; none if the number of its rounds is not known.
    pub(crate) past_end: Option<PastEnd>,
}

/// Checks the units of the session in progress, of `rounds` rounds if that is known.
pub(crate) fn check(
    origin: Origin<'_>,
    layout: &'static BlockLayout,
    keys: Option<&SessionKeys>,
    rounds: Option<u16>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<CheckedUnits, Failure> {
    let past_end = rounds.map(|rounds| PastEnd { rounds, ..PastEnd::default() });
    let mut checked = CheckedUnits { units: 0, past_end };
    let stored = match StoredUnits::read(Origin { layout: Layout::Blocks(layout), ..origin }) {
        Err(AuditError::Units { source, .. }) => {
            on_finding(unchecked(&source.to_string()));
            return Ok(checked);
        }
        stored => stored?,
    };
    // The bytes are the same with a tag and without; the history's signatures showed the layout.
    let untagged = keys.map(SessionKeys::without_tag);
    let keys = if layout.tagged { keys } else { untagged.as_ref() };
    for (session, backup) in &stored.backups {
        let Some(dag) = check_backup(&stored, *session, backup, keys, on_finding) else { continue };
        not_proposed(&stored, &dag, rounds).into_iter().for_each(&mut *on_finding);
        checked.units += dag.nodes.len() as u64;
        if let Some(past_end) = &mut checked.past_end {
            let found = dag.past_end(past_end.rounds, stored.encoding());
            past_end.units += found.units;
            past_end.items += found.items;
        }
    }
    Ok(checked)
}

fn unchecked(why: &str) -> Finding {
    let message = format!("the units of the session in progress were not checked: {why}");
    Finding::new(Code::UnitsUnchecked, Place::everywhere(), message)
}

fn check_backup<'a>(
    stored: &StoredUnits,
    session: u64,
    backup: &'a Backup,
    keys: Option<&SessionKeys>,
    on_finding: &mut dyn FnMut(Finding),
) -> Option<Dag<'a>> {
    let expected = Expected { session, guardians: keys.map(SessionKeys::guardians) };
    let records = match read_in_form(backup, expected, stored.forms()) {
        Ok(records) => records,
        Err(error) => {
            on_finding(unchecked(&error.to_string()));
            return None;
        }
    };
    let dag = Dag::new(&[records], keys, stored.layout.dialect)?;
    // Missing keys have their own verdict.
    let findings = dag.findings.iter().filter(|finding| finding.code != Code::UnitSignaturesUnchecked);
    findings.cloned().chain(dag.undecodable_batches(stored.encoding())).for_each(&mut *on_finding);
    Some(dag)
}

/// Returns findings for accepted items that no unit of a round that counts holds. Checks this only if all
/// units are there and their items can be distinguished.
fn not_proposed(stored: &StoredUnits, dag: &Dag<'_>, rounds: Option<u16>) -> Option<Finding> {
    if dag.form.own_only || !dag.is_closed() || stored.encoding() == ItemEncoding::Older {
        return None;
    }
    let accepted = stored.accepted_items()?;
    let mut proposed: BTreeMap<(Vec<u8>, u64), u64> = BTreeMap::new();
    let counts = |round: u16| rounds.is_none_or(|rounds| round < rounds);
    for proposal in dag.proposals(stored.encoding()).filter(|proposal| counts(proposal.round)) {
        *proposed.entry((proposal.item.bytes.to_vec(), proposal.peer)).or_default() += 1;
    }
    let is_missing = |item: &(Vec<u8>, u64)| match proposed.get_mut(item) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    let first = accepted.iter().position(is_missing)?;
    let place = Place { item: Some(first as u64), ..Place::session(dag.session) };
    let message = "the item was accepted, and no unit of the session in progress that counts holds it";
    Some(Finding::new(Code::AcceptedItemNotOrdered, place, message))
}
