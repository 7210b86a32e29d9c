//! `report`: an audit as one self-contained page.

mod buckets;
mod collect;
mod findings;
mod guardians;
mod head;
mod modules;
mod page;
mod timeline;

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;

use fm_cli::{Exit, Failure, FindingPrinter, PinnedKeys, check_target};
use fm_store::{PartialFile, StoreError};
use serde::Serialize;

use crate::args::ReportArgs;
use crate::verdict::{Judgement, conclude, judge, own_keys};
use crate::verify::{Outcome, Watch, look};
use crate::view::modules;
use collect::Collector;
use page::Page;

/// The first bytes of every page.
const START: &[u8] = b"<!doctype html>";

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'static str,
    path: &'a str,
}

pub(crate) fn run(arguments: &ReportArgs) -> Result<Exit, Failure> {
    let (target, source) = (arguments.html.as_path(), arguments.audit.source()?);
    check_target(target, source)?;
    // Checked before hours of work, not after them.
    if target.symlink_metadata().is_ok() {
        return Err(StoreError::AlreadyExists { path: target.to_owned() }.into());
    }
    let partial = PartialFile::create(target, |start| start.starts_with(START))?;
    let opening = arguments.audit.begin()?;
    let keys = opening.keys.clone();
    let mut printer = FindingPrinter::new(arguments.audit.json);
    let collector = RefCell::new(Collector::starting_at(arguments.audit.scope.first()));
    let watch = Watch {
        on_finding: &mut |finding| {
            printer.print(finding);
            collector.borrow_mut().on_finding(finding);
        },
        on_session: &mut |session| collector.borrow_mut().on_session(session),
    };
    let outcome = look(&arguments.audit, opening, watch);
    let mut output = printer.finish()?;
    let outcome = outcome?;
    let mut collector = collector.into_inner();
    collector.finish();
    let html = render(&judge(&outcome, keys.as_ref()), &outcome, &collector, keys.as_ref(), source);
    write(partial, html.as_bytes(), target)?;
    let path = target.display().to_string();
    if arguments.audit.json {
        output.json(&Written { r#type: "written", path: &path })?;
    } else {
        output.line(&format!("written    {path}"))?;
    }
    conclude(&outcome, keys.as_ref(), arguments.audit.json, output)
}

fn write(partial: PartialFile, html: &[u8], target: &Path) -> Result<(), Failure> {
    partial.handle()?.write_all(html).map_err(|source| StoreError::io(target, source))?;
    Ok(partial.publish()?)
}

fn render(
    judgement: &Judgement<'_>,
    outcome: &Outcome,
    collector: &Collector,
    keys: Option<&PinnedKeys>,
    source: &Path,
) -> String {
    let path = source.display().to_string();
    let mut page = Page::new(&format!("{}: {path}", judgement.verdict.verdict));
    head::verdict(&mut page, judgement, outcome, &path);
    page.open("main", "");
    head::trust(&mut page, judgement, keys);
    head::facts(&mut page, judgement, collector);
    head::migration(&mut page, judgement, outcome);
    timeline::section(&mut page, collector, judgement.is_epochs);
    // Problems come before what is only interesting.
    if judgement.verdict.errors + judgement.verdict.warnings > 0 {
        findings::section(&mut page, collector);
    }
    let own = own_keys(outcome, keys);
    guardians::section(&mut page, collector, own, judgement.is_epochs);
    modules::section(&mut page, collector, &modules(own, false));
    if judgement.verdict.errors + judgement.verdict.warnings == 0 {
        findings::section(&mut page, collector);
    }
    head::limits(&mut page, judgement);
    page.close("main");
    page.open("footer", "");
    page.tag(
        "p",
        "",
        &format!(
            "Made by fm-verify {}. The same source, keys and options give the same page.",
            env!("CARGO_PKG_VERSION")
        ),
    );
    page.close("footer");
    page.finish()
}
