//! `show --unit`: a unit of the session in progress.

use fm_audit::StoredUnits;
use fm_audit::{KeyStanding, Source};
use fm_cli::{Exit, Failure, NamedKeys, Output, PinnedKeys, group_digits, trust_root_line};
use fm_crypto::SessionKeys;
use fm_eras::Layout;
use fm_history::{Code, ConsensusItem, Hash, sha256};
use fm_units::{Dag, Expected, Node, Parents, ProposedItem, UnitData, items, read_in_form};
use serde::Serialize;

use crate::args::UnitName;
use crate::view::Modules;

#[derive(Serialize)]
struct UnitLine<'a> {
    r#type: &'static str,
    session: u64,
    round: u16,
    peer: u64,
    form: &'static str,
    hash: Hash,
    /// Whether the unit is signed; null without keys, and with those of another federation.
    signed: Option<bool>,
    keys: Option<NamedKeys>,
    key_standing: KeyStanding,
    parents: Vec<usize>,
    parents_known: &'static str,
    carries: &'static str,
    bytes: usize,
    modules: &'a Modules,
    list: Vec<UnitItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

#[derive(Serialize)]
struct UnitItem {
    item: usize,
    kind: &'static str,
    txid: Option<Hash>,
    module: Option<u16>,
    bytes: usize,
    sha256: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// How a unit is shown.
pub(crate) struct Shown<'a> {
    pub(crate) modules: &'a Modules,
    pub(crate) hex: bool,
    pub(crate) json: bool,
    pub(crate) keys: Option<&'a PinnedKeys>,
    /// Whether the keys are another federation's.
    pub(crate) has_other_keys: bool,
}

/// Shows every unit of that name: a guardian that forks makes several.
pub(crate) fn run(source: &Source, name: UnitName, shown: &Shown<'_>) -> Result<Exit, Failure> {
    let history = source.original();
    let stored = StoredUnits::read(history)?;
    let keys = shown.keys.map(|keys| session_keys(keys, &stored)).transpose()?;
    let mut output = Output::default();
    if !shown.json {
        output.line(&trust_root_line(shown.keys, [&history.layout, &history.layout]))?;
    }
    let mut found = 0;
    for (session, backup) in &stored.backups {
        let expected = Expected { session: *session, guardians: keys.as_ref().map(SessionKeys::guardians) };
        let records = read_in_form(backup, expected, stored.forms())
            .map_err(|error| Failure::new(Exit::CannotLook, format!("{}: {error}", stored.path.display())))?;
        let Some(dag) = Dag::new(&[records], keys.as_ref(), stored.layout.dialect) else { continue };
        let standing = match &keys {
            None => KeyStanding::None,
            Some(_)
                if shown.has_other_keys || dag.findings.iter().any(|found| found.code == Code::WrongKeys) =>
            {
                KeyStanding::Other
            }
            Some(_) => KeyStanding::Given,
        };
        let matches = |node: &&Node<'_>| {
            (node.unit.fields.creator, node.unit.fields.round) == (name.creator, name.round)
        };
        for node in dag.nodes.iter().filter(matches) {
            found += 1;
            let line = unit_line(&dag, node, &stored, shown, standing);
            if shown.json { output.json(&line)? } else { print(&mut output, &line, shown)? }
        }
    }
    if found == 0 {
        let UnitName { creator, round } = name;
        let path = stored.path.display();
        let message =
            format!("{path} has no unit of guardian {creator} in round {round} of the session in progress");
        return Err(Failure::new(Exit::Findings, message).hint("`fm-migrate units` lists what it has"));
    }
    Ok(Exit::Done)
}

fn session_keys(keys: &PinnedKeys, stored: &StoredUnits) -> Result<SessionKeys, Failure> {
    match keys.of_history(&Layout::Blocks(stored.layout))? {
        fm_audit::HistoryKeys::Session(keys) if stored.layout.tagged => Ok(keys.clone()),
        fm_audit::HistoryKeys::Session(keys) => Ok(keys.without_tag()),
        fm_audit::HistoryKeys::Epoch(_) => {
            Err(Failure::new(Exit::Usage, "units are not signed with epoch keys"))
        }
    }
}

fn unit_line<'a>(
    dag: &Dag<'_>,
    node: &Node<'_>,
    stored: &StoredUnits,
    shown: &'a Shown<'_>,
    key_standing: KeyStanding,
) -> UnitLine<'a> {
    let fields = node.unit.fields;
    // Servers skip a batch that does not decode, and `fm-migrate units` reports it.
    let batch = fields.data.as_ref().map(|data| items(data, stored.encoding()));
    let list = batch.and_then(Result::ok).unwrap_or_default();
    UnitLine {
        r#type: "unit",
        session: fields.session,
        round: fields.round,
        peer: fields.creator,
        form: dag.form.name,
        hash: node.hash,
        signed: node.signed.filter(|_| key_standing == KeyStanding::Given),
        keys: NamedKeys::of(shown.keys, [&Layout::Blocks(stored.layout), &Layout::Blocks(stored.layout)]),
        key_standing,
        parents: fields.parents.members().collect(),
        parents_known: match node.parents {
            Parents::Proven => "proven",
            Parents::Missing(_) => "missing",
            Parents::Differ => "differ",
        },
        carries: match fields.data {
            None => "nothing",
            Some(UnitData::HeaderSignature { .. }) => "header_signature",
            Some(_) => "items",
        },
        bytes: node.unit.bytes.len(),
        modules: shown.modules,
        list: list.iter().enumerate().map(|(place, item)| unit_item(place, item, shown.hex)).collect(),
        hex: shown.hex.then(|| hex::encode(node.unit.bytes)),
    }
}

fn unit_item(place: usize, item: &ProposedItem<'_>, hex: bool) -> UnitItem {
    let (kind, txid, module) = match &item.item {
        None => ("bytes", None, None),
        Some(ConsensusItem::Transaction(transaction)) => ("transaction", Some(transaction.txid()), None),
        Some(ConsensusItem::Module(value)) => ("module_item", None, Some(value.instance)),
        Some(ConsensusItem::Default { .. }) => ("unknown", None, None),
    };
    let bytes = item.bytes;
    let hex = hex.then(|| hex::encode(bytes));
    UnitItem { item: place, kind, txid, module, bytes: bytes.len(), sha256: sha256(&[bytes]), hex }
}

fn print(output: &mut Output, line: &UnitLine<'_>, shown: &Shown<'_>) -> Result<(), Failure> {
    let (session, round) = (group_digits(line.session), group_digits(u64::from(line.round)));
    output.line(&format!(
        "unit       of guardian {}, round {round} of session {session} ({})",
        line.peer, line.form
    ))?;
    output.line(&format!("hash       {}", line.hash))?;
    let signed = match line.signed {
        Some(true) => "by its guardian",
        Some(false) => "NOT by its guardian",
        None if line.key_standing == KeyStanding::Other => {
            "UNCHECKED: the keys given are another federation's, and verify none of the signatures here"
        }
        None => "UNCHECKED: no keys were given",
    };
    output.line(&format!("signed     {signed}"))?;
    let parents: Vec<String> = line.parents.iter().map(usize::to_string).collect();
    let parents =
        if parents.is_empty() { "none".to_owned() } else { format!("of guardians {}", parents.join(", ")) };
    output.line(&format!("parents    {parents} ({})", line.parents_known))?;
    output.line(&format!("carries    {}", line.carries.replace('_', " ")))?;
    for item in &line.list {
        let module = item.module.map(|module| {
            let kind = shown.modules.get(&module).map(|kind| format!(" ({kind})")).unwrap_or_default();
            format!(" item of module {module}{kind}")
        });
        let what = item.txid.map(|txid| format!(" {txid}")).or(module).unwrap_or_default();
        let kind = if item.module.is_some() { "" } else { item.kind };
        output.line(&format!(
            "item       {}, {} bytes: {}",
            item.item,
            item.bytes,
            format!("{kind}{what}").trim()
        ))?;
        if let Some(hex) = &item.hex {
            output.line(&format!("           {hex}"))?;
        }
    }
    match &line.hex {
        Some(hex) => output.line(&format!("bytes      {hex}")),
        None => Ok(()),
    }
}
