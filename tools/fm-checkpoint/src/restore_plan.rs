//! The plan of a restore, for people and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use fm_cli::{Failure, Output, PinnedKeys, group_digits, root_line};
use fm_history::PeerId;
use fm_restore::{Chosen, Condition, Content, Reach, RestorePlan};
use serde::Serialize;

/// The plan as one line of JSON.
#[derive(Serialize)]
pub(crate) struct PlanLine<'a> {
    r#type: &'static str,
    pub(crate) source: String,
    path: &'a Path,
    pub(crate) last: u64,
    pub(crate) items: u64,
    pub(crate) identity: &'a str,
    pub(crate) history_root: &'a str,
    warnings: Vec<String>,
    compared: Vec<WitnessLine<'a>>,
    old: OldLine<'a>,
    lost: LostLine<'a>,
    pending: ContentLine,
    alone: bool,
    pub(crate) permanent_loss: Option<String>,
    pub(crate) guard_until: Option<u64>,
    guard_at_least: Option<u64>,
    /// Whether the guard that the user named is not enough; the reason is printed after the plan.
    #[serde(skip)]
    guard_refused: bool,
    evidence: &'a str,
    bytes: u64,
    free: u64,
}

/// Sessions a day at three minutes each. Source: fedimint-server 0.5.0, src/config/mod.rs.
const SESSIONS_A_DAY: u64 = 480;

#[derive(Serialize)]
struct WitnessLine<'a> {
    path: &'a Path,
    last: u64,
    common: u64,
    history_root: String,
    agrees: bool,
    other_modules: Option<&'a [u16]>,
    unclear_modules: Option<&'a [u16]>,
}

#[derive(Serialize)]
struct OldLine<'a> {
    condition: &'static str,
    reason: Option<&'a str>,
    last: Option<u64>,
    client_backups: u64,
    client_backups_lost: u64,
    units: Option<u64>,
    own_units: Option<u64>,
    units_past_end: Option<u64>,
    unreadable_unit_rows: Option<u64>,
}

impl OldLine<'_> {
    /// Checks whether nothing of the old database could be compared with the restored state.
    fn says_nothing(&self) -> bool {
        matches!(self.condition, "missing" | "unreadable")
    }
}

#[derive(Serialize)]
struct LostLine<'a> {
    sessions: u64,
    first: Option<u64>,
    last: Option<u64>,
    signed: u64,
    signers: &'a BTreeMap<PeerId, u64>,
    #[serde(flatten)]
    content: ContentLine,
}

#[derive(Serialize)]
struct ContentLine {
    items: u64,
    transactions: u64,
    modules: Vec<ModuleLine>,
}

#[derive(Serialize)]
struct ModuleLine {
    id: u16,
    kind: Option<String>,
    inputs: u64,
    outputs: u64,
    items: u64,
}

impl<'a> PlanLine<'a> {
    pub(crate) fn new(plan: &'a RestorePlan, source: &Chosen, keys: &PinnedKeys) -> Self {
        let (outgoing, proof) = (&plan.outgoing, &plan.proof);
        let kinds = keys.config.as_ref().map(|config| config.modules.clone()).unwrap_or_default();
        let (condition, reason) = named(&outgoing.condition);
        let units = outgoing.units.as_ref();
        Self {
            r#type: "plan",
            source: source.to_string(),
            path: &plan.path,
            last: proof.last,
            items: proof.items,
            identity: &proof.identity,
            history_root: &proof.history_root,
            warnings: plan.warnings.iter().map(ToString::to_string).collect(),
            compared: plan.witnesses.iter().map(WitnessLine::new).collect(),
            old: OldLine {
                condition,
                reason,
                last: outgoing.last,
                client_backups: outgoing.client_backups,
                client_backups_lost: outgoing.client_backups_lost,
                units: units.map(|units| units.all),
                own_units: units.and_then(|units| units.own),
                units_past_end: units.and_then(|units| units.past_end),
                unreadable_unit_rows: units.map(|units| units.damaged),
            },
            lost: LostLine {
                sessions: outgoing.lost.sessions,
                first: outgoing.lost.range.map(|(first, _)| first),
                last: outgoing.lost.range.map(|(_, last)| last),
                signed: outgoing.lost.signed,
                signers: &outgoing.lost.signers,
                content: ContentLine::new(&outgoing.lost.content, &kinds),
            },
            pending: ContentLine::new(&outgoing.pending, &kinds),
            alone: plan.alone,
            permanent_loss: plan.permanent_loss(),
            guard_until: plan.guard.as_ref().ok().and_then(Option::as_ref).map(|guard| guard.until_session),
            guard_at_least: if let Reach::Unknown(least) = outgoing.reach { Some(least) } else { None },
            guard_refused: plan.guard.is_err(),
            evidence: &outgoing.evidence,
            bytes: plan.bytes,
            free: plan.free,
        }
    }
}

impl<'a> WitnessLine<'a> {
    fn new(witness: &'a fm_restore::Witness) -> Self {
        Self {
            path: &witness.path,
            last: witness.last,
            common: witness.common,
            history_root: witness.history_root.to_string(),
            agrees: witness.agrees,
            other_modules: witness.other_modules.as_ref().map(|modules| modules.shared.as_slice()),
            unclear_modules: witness.other_modules.as_ref().map(|modules| modules.unclear.as_slice()),
        }
    }
}

impl ContentLine {
    fn new(content: &Content, kinds: &BTreeMap<u16, String>) -> Self {
        let module = |(id, module): (&u16, &fm_restore::ModuleContent)| ModuleLine {
            id: *id,
            kind: kinds.get(id).cloned(),
            inputs: module.inputs,
            outputs: module.outputs,
            items: module.items,
        };
        Self {
            items: content.items,
            transactions: content.transactions,
            modules: content.modules.iter().map(module).collect(),
        }
    }

    fn shown(&self) -> String {
        format!("{}, {} of them transactions", counted(self.items, "item"), group_digits(self.transactions))
    }
}

fn named(condition: &Condition) -> (&'static str, Option<&str>) {
    match condition {
        Condition::Readable => ("readable", None),
        Condition::TornEnd(what) => ("torn-end", Some(what)),
        Condition::Partly(what) => ("partly-readable", Some(what)),
        Condition::Unreadable(what) => ("unreadable", Some(what)),
        Condition::Missing => ("missing", None),
    }
}

/// Prints the plan for people.
pub(crate) fn print_plan(output: &mut Output, plan: &PlanLine<'_>) -> Result<(), Failure> {
    output.line(&format!("restore    {}", plan.source))?;
    output.line(&format!(
        "proven     sessions 0 to {}, {} items, each session signed by a threshold of guardians",
        group_digits(plan.last),
        group_digits(plan.items)
    ))?;
    output.line(&root_line(plan.history_root, plan.last))?;
    output.line(&format!("identity   {}", plan.identity))?;
    plan.warnings.iter().try_for_each(|warning| output.line(&format!("warning    {warning}")))?;
    plan.compared.iter().try_for_each(|witness| print_witness(output, witness))?;
    print_old(output, &plan.old)?;
    print_lost(output, plan)?;
    print_equivocation(output, plan)?;
    if let Some(loss) = &plan.permanent_loss {
        output.line(&format!("FOR EVER   this federation has one guardian, so nobody else has {loss}"))?;
    } else if plan.alone && plan.old.condition == "missing" {
        output.line(
            "FOR EVER   this federation has one guardian, and there is no old database: whatever came after the restored \
             session is lost, and what it spent can be spent again",
        )?;
    }
    if plan.free > plan.bytes {
        return Ok(());
    }
    output.line(&format!(
        "space      about {} bytes to write, and only {} free",
        group_digits(plan.bytes),
        group_digits(plan.free)
    ))
}

fn print_witness(output: &mut Output, witness: &WitnessLine<'_>) -> Result<(), Failure> {
    let verdict = if witness.agrees { "agrees" } else { "DIFFERS" };
    let modules = match witness.other_modules {
        None => "module state is of another moment".to_owned(),
        Some([]) => match witness.unclear_modules {
            None | Some([]) => "module state that guardians share is equal".to_owned(),
            Some(ids) => {
                format!("whether guardians share the rows that differ in {} is not known", list(ids))
            }
        },
        Some(ids) => format!("MODULE STATE DIFFERS in {}", list(ids)),
    };
    output.line(&format!(
        "compared   {}: {verdict} up to session {}; {modules}",
        witness.path.display(),
        group_digits(witness.common)
    ))
}

fn list(ids: &[u16]) -> String {
    ids.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn print_old(output: &mut Output, old: &OldLine<'_>) -> Result<(), Failure> {
    let last =
        old.last.map_or("no session".to_owned(), |last| format!("sessions up to {}", group_digits(last)));
    let text = match (old.condition, old.reason) {
        ("missing", _) => "there is no old database".to_owned(),
        ("readable", _) => format!("{last}, readable; it is kept as database.broken-…"),
        (condition, reason) => {
            format!("{condition}, {last}: {}; it is kept as database.broken-…", reason.unwrap_or_default())
        }
    };
    output.line(&format!("old        {text}"))
}

fn print_lost(output: &mut Output, plan: &PlanLine<'_>) -> Result<(), Failure> {
    let lost = &plan.lost;
    match (lost.first, lost.last) {
        (Some(first), Some(last)) => {
            let signers: Vec<String> =
                lost.signers.iter().map(|(peer, count)| format!("guardian {peer}: {count}")).collect();
            let range = if first == last { group_digits(first) } else { span(first, last) };
            let (sessions, content) = (counted(lost.sessions, "session"), lost.content.shown());
            output.line(&format!("lost       {sessions}, {range}: {content}"))?;
            let (it, what) = if lost.signed == 1 { ("it", "it") } else { ("they", "these") };
            let again = match plan.alone {
                true => format!(
                    "LOST FOR EVER: nobody else has {what}, and {it} will be signed again with other items"
                ),
                false => format!("the node downloads {what} again from its peers"),
            };
            output.line(&format!(
                "           {} signed by a threshold ({}); {again}",
                group_digits(lost.signed),
                signers.join(", ")
            ))?;
        }
        _ if plan.old.condition == "readable" => output.line("lost       no finished session")?,
        _ if plan.old.says_nothing() => {
            output.line(&format!(
                "lost       not known, as no old database can be read: whatever came after session {}",
                group_digits(plan.last)
            ))?;
            return output.line(
                "spends     not known: what was spent since then can be spent again, unless the other guardians have it",
            );
        }
        _ => output.line("lost       no finished session that can be read")?,
    }
    print_pending(output, plan)?;
    if plan.old.client_backups_lost > 0 {
        output.line(&format!(
            "           {} of the {} in the old database: stored or changed since",
            counted(plan.old.client_backups_lost, "client backup"),
            group_digits(plan.old.client_backups)
        ))?;
    }
    print_double_spends(output, plan)
}

/// Prints the old database's open session: items accepted in it are in no session that anybody signed.
fn print_pending(output: &mut Output, plan: &PlanLine<'_>) -> Result<(), Failure> {
    let open = group_digits(plan.old.last.map_or(0, |last| last.saturating_add(1)));
    let pending = &plan.pending;
    output.line(&match (plan.old.units, pending.items) {
        (None, _) => "           what was accepted in the open session cannot be read".to_owned(),
        (Some(_), 0) => format!("           nothing that was accepted in session {open}, which was open"),
        (Some(_), _) => {
            format!("           of session {open}, which was open and is not signed yet: {}", pending.shown())
        }
    })?;
    match (plan.old.units_past_end, plan.old.units) {
        (Some(past @ 1..), Some(units)) => output.line(&format!(
            "           its rounds were over: {} of its {} are past its end, and their items do not count",
            group_digits(past),
            counted(units, "unit")
        )),
        _ => Ok(()),
    }
}

fn span(first: u64, last: u64) -> String {
    format!("{} to {}", group_digits(first), group_digits(last))
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", group_digits(count), if count == 1 { "" } else { "s" })
}

fn print_double_spends(output: &mut Output, plan: &PlanLine<'_>) -> Result<(), Failure> {
    let transactions = plan.lost.content.transactions + plan.pending.transactions;
    if transactions == 0 {
        return output.line(match plan.old.condition {
            "readable" => "spends     no transaction is forgotten",
            _ => "spends     no transaction is forgotten, as far as the old database can be read",
        });
    }
    let transactions = counted(transactions, "transaction");
    output.line(&match plan.alone {
        true => format!(
            "spends     {transactions} FORGOTTEN FOR EVER: no other guardian has them, and what these spent CAN BE SPENT \
             AGAIN:"
        ),
        false => format!(
            "spends     {transactions} forgotten until the other guardians send them again; if they cannot, what these \
             spent can be spent again:"
        ),
    })?;
    let of = |content: &'static str| move |module| (content, module);
    let finished = plan.lost.content.modules.iter().map(of("in lost sessions"));
    for (content, module) in finished.chain(plan.pending.modules.iter().map(of("in the open session"))) {
        let kind = module.kind.as_deref().unwrap_or("unknown kind");
        output.line(&format!(
            "           {content}, module {} ({kind}): {}, {}, {}",
            module.id,
            counted(module.inputs, "input"),
            counted(module.outputs, "output"),
            counted(module.items, "item")
        ))?;
    }
    Ok(())
}

fn print_equivocation(output: &mut Output, plan: &PlanLine<'_>) -> Result<(), Failure> {
    let text = match (plan.guard_until, plan.guard_at_least) {
        (Some(until), _) => {
            format!("this guardian makes no units up to and including session {}", group_digits(until))
        }
        (None, Some(least)) => {
            format!(
                "it is not known up to which session this guardian made units: at least {}",
                group_digits(least)
            )
        }
        (None, None) if plan.guard_refused => "not the one that was given".to_owned(),
        (None, None) => "not needed: no units of this guardian are forgotten".to_owned(),
    };
    output.line(&format!("guard      {text}"))?;
    output.line(&format!("           {}", plan.evidence))?;
    far_guard(plan).into_iter().try_for_each(|far| output.line(&format!("           {far}")))
}

/// Explains a guard that ends far beyond all known sessions: a number with one digit too many keeps a
/// guardian silent for years.
fn far_guard(plan: &PlanLine<'_>) -> Option<String> {
    let known = plan.old.last.unwrap_or(0).max(plan.last);
    let beyond = plan.guard_until?.checked_sub(known).filter(|beyond| *beyond >= SESSIONS_A_DAY)?;
    let (sessions, days) = (group_digits(beyond), group_digits(beyond / SESSIONS_A_DAY));
    Some(format!(
        "that is {sessions} sessions beyond session {}, the newest one known here: at three minutes a session this guardian \
         stays silent for {days} day(s)",
        group_digits(known)
    ))
}
