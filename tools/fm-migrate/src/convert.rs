//! `check` and `convert`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use fm_audit::{Control, Origin, ProvenPrefix, Silent, Source, omission_findings, open_source};
use fm_cli::{
    Exit, Failure, FindingPrinter, NamedKeys, Output, PinnedKeys, TerminalProgress, check_target,
    group_digits, interrupt_flag, or_refused, root_line, trust_root_line,
};
use fm_eras::modules::OnStart;
use fm_eras::{Era, Layout, session};
use fm_history::{Code, Finding, Manifest, Severity, printable};
use fm_migration::{Conversion, ModuleStart, PlanOptions, on_start};
use fm_store::ReadStore;
use serde::Serialize;

use crate::args::{CheckArgs, ConvertArgs};

/// Everything that a conversion reads.
struct Opened {
    store: ReadStore,
    /// Findings about what the database lacks.
    omissions: Vec<Finding>,
    layout: Layout,
    keys: PinnedKeys,
    /// The kinds of the modules, if the keys come with a configuration.
    kinds: BTreeMap<u16, String>,
    federation: String,
    flag: Arc<AtomicBool>,
    progress: TerminalProgress,
}

fn open(arguments: &CheckArgs) -> Result<Opened, Failure> {
    let flag = interrupt_flag()?;
    let from = arguments.source.path()?;
    let keys = arguments.keys.load_beside(from)?.ok_or_else(|| {
        Failure::new(Exit::Usage, "no keys: signatures cannot be checked, and nothing unproven is converted")
            .hint("give the guardian's consensus.json with --config")
    })?;
    let control = Control { progress: &Silent, interrupted: &flag };
    let (store, layout) = match open_source(from, arguments.layout.get()?, control)? {
        Source::Database { store, layout } => (store, layout),
        Source::Archive { .. } => {
            return Err(Failure::new(Exit::Usage, format!("{} is an archive", from.display()))
                .hint("`fm-migrate revert` makes a database of it again"));
        }
        Source::Migrated(_) => {
            return Err(Failure::new(Exit::Usage, format!("{} is migrated already", from.display()))
                .hint("`fm-verify` proves it"));
        }
        // Only a path was opened.
        Source::Federation(_) => {
            let message = format!("{} is a running federation", from.display());
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    Ok(Opened {
        omissions: omission_findings(store.omissions()),
        store,
        layout,
        federation: keys.federation().unwrap_or_default(),
        kinds: keys.config.as_ref().map(|config| config.modules.clone()).unwrap_or_default(),
        keys,
        flag,
        progress: TerminalProgress::new(),
    })
}

impl Opened {
    fn history(&self) -> Origin<'_> {
        Origin { rows: &self.store, path: self.store.path(), layout: self.layout }
    }

    fn options(&self, arguments: &CheckArgs) -> Result<PlanOptions<'_>, Failure> {
        Ok(PlanOptions {
            keys: self.keys.of_history(&self.layout)?,
            until: arguments.until,
            omissions: &self.omissions,
            accept_incomplete: arguments.accept_incomplete,
            target_version: arguments.target_version,
            kinds: &self.kinds,
        })
    }

    /// Returns the release that the result is for, and what it does with each module; nothing is known for a
    /// history of other records.
    fn starts(&self, arguments: &CheckArgs) -> Result<(String, Vec<StartLine>), Failure> {
        let release = arguments.target_version.unwrap_or(session::NEWEST);
        if !fm_audit::is_copied(&self.layout) {
            return Ok((release.to_string(), Vec::new()));
        }
        let starts = on_start(&self.store, self.layout, &self.kinds, release)
            .map_err(|error| Failure::from_error(Exit::CannotLook, error.as_ref()))?;
        Ok((release.to_string(), starts.into_iter().map(StartLine::from).collect()))
    }

    fn trust_root_line(&self) -> String {
        trust_root_line(Some(&self.keys), [&self.layout, &self.layout])
    }

    fn named_keys(&self) -> Option<NamedKeys> {
        NamedKeys::of(Some(&self.keys), [&self.layout, &self.layout])
    }

    fn control(&self) -> Control<'_> {
        Control { progress: &self.progress, interrupted: &self.flag }
    }
}

/// What the release does with a module at its start.
#[derive(Serialize)]
struct StartLine {
    module: u16,
    kind: Option<String>,
    database: Option<u64>,
    does: &'static str,
    to: Option<u64>,
    unread_rows: u64,
}

impl From<ModuleStart> for StartLine {
    fn from(start: ModuleStart) -> Self {
        let (does, to) = match start.does {
            Some(OnStart::Runs) => ("runs", None),
            Some(OnStart::Migrates { to }) => ("migrates", Some(to)),
            // A plan refuses both.
            Some(OnStart::TooNew { .. } | OnStart::NoSuchModule) => ("refuses", None),
            None => ("unknown", None),
        };
        let ModuleStart { module, kind, database, unread, .. } = start;
        Self { module, kind, database, does, to, unread_rows: unread }
    }
}

fn print_starts(output: &mut Output, release: &str, starts: &[StartLine]) -> Result<(), Failure> {
    for start in starts {
        let kind = start.kind.as_deref().map(|kind| format!(" ({})", printable(kind))).unwrap_or_default();
        let module = format!("module {}{kind}", start.module);
        if let Some(to) = start.to {
            let from = start.database.unwrap_or_default();
            output.line(&format!(
                "on start   {release} migrates {module} from database version {from} to {to}"
            ))?;
        }
        if start.unread_rows > 0 {
            let rows = group_digits(start.unread_rows);
            output.line(&format!(
                "on start   {release} does not read {rows} row(s) of {module}: older versions kept them under other prefixes"
            ))?;
        }
        if start.does == "unknown" {
            output.line(&format!("on start   whether {release} runs {module} is not known"))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct CheckVerdict {
    r#type: &'static str,
    verdict: &'static str,
    era: &'static str,
    layout: &'static str,
    epochs: u64,
    signed: u64,
    covered: u64,
    tip: u64,
    first: u64,
    last: u64,
    sessions: u64,
    items: u64,
    history_root: String,
    source_omissions: Vec<Code>,
    target_version: String,
    on_start: Vec<StartLine>,
    keys: Option<NamedKeys>,
}

pub(crate) fn check(arguments: &CheckArgs) -> Result<Exit, Failure> {
    let opened = open(arguments)?;
    let mut printer = FindingPrinter::new(arguments.json);
    let plan =
        fm_migration::plan(opened.history(), opened.options(arguments)?, opened.control(), &mut |finding| {
            printer.print(&finding)
        });
    let mut output = printer.finish()?;
    let plan = or_refused(plan, arguments.json, &mut output)?;
    let (chain, anchor) = (&plan.audit.chain, &plan.anchor);
    let (target_version, on_start) = opened.starts(arguments)?;
    if arguments.json {
        output.json(&CheckVerdict {
            r#type: "verdict",
            verdict: "convertible",
            era: opened.layout.era().as_str(),
            layout: opened.layout.name(),
            epochs: chain.records,
            signed: chain.signed,
            covered: chain.covered,
            tip: chain.tip,
            first: 0,
            last: anchor.last,
            sessions: anchor.sessions,
            items: anchor.items,
            history_root: anchor.history_root.to_string(),
            source_omissions: losses(&opened.omissions),
            target_version,
            on_start,
            keys: opened.named_keys(),
        })?;
        return Ok(Exit::Done);
    }
    output.line(&opened.trust_root_line())?;
    let proven = group_digits(chain.signed + chain.covered);
    opened.keys.say_found(&mut output)?;
    output.line(&match opened.layout {
        Layout::Hbbft(_) => format!(
            "proven     {proven} epochs: {} signed, {} covered by later signatures",
            group_digits(chain.signed),
            group_digits(chain.covered)
        ),
        Layout::Blocks(_) => format!("proven     {proven} sessions, each signed by enough guardians"),
    })?;
    if chain.tip > 0 {
        output
            .line(&format!("not proven {} newest epoch(s), which nothing signs", group_digits(chain.tip)))?;
    }
    print_anchor(&mut output, anchor)?;
    print_starts(&mut output, &target_version, &on_start)?;
    print_comparison(&mut output, anchor.last)?;
    output.line("written    nothing: this was a check")?;
    Ok(Exit::Done)
}

fn print_anchor(output: &mut Output, anchor: &ProvenPrefix) -> Result<(), Failure> {
    output.line(&format!(
        "sessions   {} (0 to {}), {} items, {} of them transactions",
        group_digits(anchor.sessions),
        group_digits(anchor.last),
        group_digits(anchor.items),
        group_digits(anchor.transactions)
    ))?;
    for (reason, count) in &anchor.dropped {
        output.line(&format!("  left out {} {reason}", group_digits(*count)))?;
    }
    output.line(&root_line(anchor.history_root, anchor.last))
}

/// Says up to where to compare: where a database ends is its guardian's word, and nothing in it shows that
/// the others do not have more, or less.
fn print_comparison(output: &mut Output, last: u64) -> Result<(), Failure> {
    let last = group_digits(last);
    output.line(&format!(
        "compare    roots with other guardians at the same last epoch ({last}); if theirs ends earlier, use --until"
    ))
}

#[derive(Serialize)]
struct ConvertVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    target: &'a Path,
    on_start: Vec<StartLine>,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

pub(crate) fn convert(arguments: &ConvertArgs) -> Result<Exit, Failure> {
    check_target(&arguments.to, arguments.check.source.path()?)?;
    let opened = open(&arguments.check)?;
    let json = arguments.check.json;
    let mut printer = FindingPrinter::new(json);
    let conversion = Conversion {
        origin: opened.history(),
        options: opened.options(&arguments.check)?,
        federation: &opened.federation,
        session_keys: &opened.keys.session_keys_in_hex(),
        target: &arguments.to,
        tool_version: env!("CARGO_PKG_VERSION"),
    };
    let result = fm_migration::convert(&conversion, opened.control(), &mut |finding| printer.print(&finding));
    let mut output = printer.finish()?;
    let (manifest, existed) = or_refused(result, json, &mut output)?;
    let verdict = if existed { "exists" } else { "converted" };
    let (release, on_start) = opened.starts(&arguments.check)?;
    if json {
        output.json(&ConvertVerdict {
            r#type: "verdict",
            verdict,
            target: &arguments.to,
            on_start,
            manifest: &manifest,
        })?;
        return Ok(Exit::Done);
    }
    output.line(&opened.trust_root_line())?;
    opened.keys.say_found(&mut output)?;
    print_manifest(&mut output, &manifest)?;
    print_starts(&mut output, &release, &on_start)?;
    print_comparison(&mut output, manifest.last)?;
    let is_signed = fm_audit::is_copied(&opened.layout);
    let done = if existed { "was there already, unchanged:" } else { "written:" };
    output.line(&format!("{done} {}", arguments.to.display()))?;
    let signatures = match (is_signed, existed) {
        (true, _) => " (with the signatures that it had)",
        (false, false) => " (sessions are not signed yet)",
        // A directory that was there may have been sealed since.
        (false, true) => "",
    };
    output.line(&format!("  database/        the new database{signatures}"))?;
    output.line("  provenance.fmar  every old record, byte for byte, with its signature")?;
    output.line("  manifest.json    what was done")?;
    Ok(Exit::Done)
}

fn losses(omissions: &[Finding]) -> Vec<Code> {
    omissions
        .iter()
        .filter(|finding| finding.severity != Severity::Info)
        .map(|finding| finding.code)
        .collect()
}

fn print_manifest(output: &mut Output, manifest: &Manifest) -> Result<(), Failure> {
    let signed = group_digits(manifest.signed);
    output.line(&if Era::by_name(&manifest.era).is_some_and(Era::has_epochs) {
        let covered = group_digits(manifest.covered);
        format!(
            "history    era {} ({}): {signed} epochs signed, {covered} covered",
            manifest.era, manifest.layout
        )
    } else {
        format!("history    era {} ({}): {signed} sessions signed", manifest.era, manifest.layout)
    })?;
    output.line(&format!(
        "sessions   {} ({} to {}), {} items, {} of them transactions",
        group_digits(manifest.sessions),
        manifest.first,
        group_digits(manifest.last),
        group_digits(manifest.items),
        group_digits(manifest.transactions)
    ))?;
    for (reason, count) in &manifest.dropped {
        output.line(&format!("  left out {} {reason}", group_digits(*count)))?;
    }
    for (table, rows) in &manifest.carried {
        output.line(&format!("carried    {} {table}", group_digits(*rows)))?;
    }
    for (table, rows) in &manifest.not_carried {
        output.line(&format!("archived   {} {table} (no modern place)", group_digits(*rows)))?;
    }
    if manifest.epochs_beyond > 0 {
        output.line(&format!(
            "note       {} newer epoch(s) are only archived; module data is this guardian's state after them",
            manifest.epochs_beyond
        ))?;
    }
    if !manifest.source_omissions.is_empty() {
        output.line(&format!(
            "incomplete the old database was not whole ({}), and the manifest says so",
            manifest.source_omissions.join(", ")
        ))?;
    }
    output.line(&root_line(manifest.history_root, manifest.last))
}
