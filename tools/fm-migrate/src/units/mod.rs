//! `units`.

mod keys;
mod outcome;
mod print;
mod replayed;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use fm_audit::StoredUnits;
use fm_audit::{Control, Silent, Source, open_source};
use fm_cli::{Exit, Failure, FindingPrinter, PinnedKeys, check_target, interrupt_flag};
use fm_crypto::SessionKeys;
use fm_eras::block::BlockLayout;
use fm_eras::{Era, Layout};
use fm_history::{Code, Finding, Severity};
use fm_units::{Dag, Expected, ItemEncoding, Records, UnitForm, read_in_form};

use crate::args::UnitsArgs;

/// A graph, and the databases that it was made from, by their position on the command line.
struct Session<'a> {
    dag: Dag<'a>,
    keys: Option<SessionKeys>,
    /// Whether the user named the keys; keys found beside the units do not prove who made these.
    is_pinned: bool,
    /// The rounds of the session, if a configuration says it; units of later rounds do not count.
    rounds: Option<u16>,
    encoding: ItemEncoding,
    databases: Vec<usize>,
}

pub(crate) fn run(arguments: &UnitsArgs) -> Result<Exit, Failure> {
    let keys = keys::load(arguments)?;
    let form = arguments.form.as_deref().map(form_by_name).transpose()?;
    check_targets(arguments)?;
    let mut printer = Findings { printer: FindingPrinter::new(arguments.json), counts: BTreeMap::new() };
    let mut databases = Vec::new();
    for path in &arguments.databases {
        let (stored, omissions) = open(path, arguments)?;
        omissions.iter().for_each(|finding| printer.print(finding));
        databases.push(stored);
    }
    let keys = keys::usable(keys, &databases);
    let sessions = sessions(&databases, keys.as_ref(), form)?;
    for session in &sessions {
        session.dag.findings.iter().for_each(|finding| printer.print(finding));
        session.dag.undecodable_batches(session.encoding).iter().for_each(|finding| printer.print(finding));
    }
    for stored in databases.iter().filter(|_| arguments.replay) {
        replayed::without_units(stored, keys.as_ref()).iter().for_each(|finding| printer.print(finding));
    }
    let mut replays = Vec::new();
    for session in sessions.iter().filter(|_| arguments.replay) {
        let replayed = replayed::replay(session, &databases)?;
        replayed.findings.iter().for_each(|finding| printer.print(finding));
        replays.push(replayed);
    }
    let Findings { printer, counts } = printer;
    let mut output = printer.finish()?;
    let found = keys.as_ref().filter(|keys| keys.is_found);
    if !arguments.json {
        found.iter().try_for_each(|keys| keys.say_found(&mut output))?;
    }
    for (place, session) in sessions.iter().enumerate() {
        print::session(&mut output, session, &databases, arguments.json)?;
        if let Some(replayed) = replays.get(place) {
            replayed::print(&mut output, session, replayed, arguments.json)?;
        }
    }
    if let Some(path) = &arguments.dot {
        write_dot(path, &sessions)?;
    }
    if let Some(path) = &arguments.out {
        outcome::write(path, &sessions, &replays, &databases)?;
        print::written(&mut output, path, arguments.json)?;
    }
    let without_units = databases.iter().filter(|stored| is_open_without_units(stored));
    print::without_units(&mut output, without_units, keys.as_ref(), arguments.json)?;
    print::verdict(&mut output, &sessions, &databases, &counts, found, arguments)
}

/// Checks whether a session is in progress of which the database holds accepted items and no unit.
fn is_open_without_units(stored: &StoredUnits) -> bool {
    !stored.accepted.is_empty() && stored.backups.iter().all(|(_, backup)| backup.rows.is_empty())
}

/// Counts findings as it prints them.
struct Findings {
    printer: FindingPrinter,
    counts: BTreeMap<Severity, u64>,
}

impl Findings {
    fn print(&mut self, finding: &Finding) {
        // Missing keys have their own verdict.
        if finding.code != Code::UnitSignaturesUnchecked {
            *self.counts.entry(finding.severity).or_default() += 1;
        }
        self.printer.print(finding);
    }
}

/// Refuses, before any work, targets that exist.
fn check_targets(arguments: &UnitsArgs) -> Result<(), Failure> {
    for target in [&arguments.dot, &arguments.out].into_iter().flatten() {
        arguments.databases.iter().try_for_each(|source| check_target(target, source))?;
        if target.symlink_metadata().is_ok() {
            let message = format!("{} exists already", target.display());
            return Err(Failure::new(Exit::Usage, message).hint("choose a target that does not exist"));
        }
    }
    Ok(())
}

fn form_by_name(name: &str) -> Result<&'static UnitForm, Failure> {
    UnitForm::by_name(name).ok_or_else(|| {
        let names: Vec<_> = fm_units::FORMS.iter().map(|form| form.name).collect();
        Failure::new(Exit::Usage, format!("there is no form {name:?}"))
            .hint(format!("the forms are {}", names.join(", ")))
    })
}

/// Reads what a database or an archive holds of the session in progress, and what it lacks.
fn open(path: &Path, arguments: &UnitsArgs) -> Result<(StoredUnits, Vec<Finding>), Failure> {
    let flag = interrupt_flag()?;
    let control = Control { progress: &Silent, interrupted: &flag };
    match open_source(path, arguments.layout.get()?, control)? {
        Source::Migrated(_) => {
            let message = format!("{} is migrated: what was in progress is in its archive", path.display());
            Err(Failure::new(Exit::Usage, message).hint("give its provenance.fmar"))
        }
        source => Ok((StoredUnits::read(source.original())?, source.lacks())),
    }
}

/// Makes one graph for every session that the databases are in.
fn sessions<'a>(
    databases: &'a [StoredUnits],
    keys: Option<&PinnedKeys>,
    form: Option<&'static UnitForm>,
) -> Result<Vec<Session<'a>>, Failure> {
    let mut groups = BTreeMap::<_, Vec<(usize, Records<'a>)>>::new();
    for (place, stored) in databases.iter().enumerate() {
        let guardians = match keys {
            None => None,
            Some(keys) => Some(session_keys(keys, stored.layout)?.guardians()),
        };
        let forced = form.as_slice();
        let candidates = if forced.is_empty() { stored.forms() } else { forced };
        for (session, backup) in &stored.backups {
            let expected = Expected { session: *session, guardians };
            let mut records = read_in_form(backup, expected, candidates).map_err(|error| {
                Failure::new(Exit::CannotLook, format!("{}: {error}", stored.path.display()))
            })?;
            if databases.len() > 1 {
                records.label = stored.path.display().to_string();
            }
            let group = (*session, records.form.name, records.guardians, stored.layout.name);
            groups.entry(group).or_default().push((place, records));
        }
    }
    groups.into_values().map(|group| graph(group, databases, keys)).collect()
}

fn graph<'a>(
    group: Vec<(usize, Records<'a>)>,
    databases: &[StoredUnits],
    keys: Option<&PinnedKeys>,
) -> Result<Session<'a>, Failure> {
    let (places, records): (Vec<usize>, Vec<Records<'a>>) = group.into_iter().unzip();
    let stored = &databases[places[0]];
    let is_pinned = keys.is_some_and(|keys| !keys.is_found);
    let none = || Failure::new(Exit::CannotLook, "no backup to make a graph of");
    let join = |keys: Option<&SessionKeys>| Dag::new(&records, keys, stored.layout.dialect).ok_or_else(none);
    let rounds = keys.and_then(PinnedKeys::rounds_per_session);
    let mut keys = keys.map(|keys| session_keys(keys, stored.layout)).transpose()?;
    let mut dag = join(keys.as_ref())?;
    // The layouts of the crate with and without a tag have the same bytes; only signatures distinguish them.
    let unsigned = |dag: &Dag<'_>| dag.findings.iter().any(|finding| finding.code == Code::WrongKeys);
    if stored.layout.era == Era::B && unsigned(&dag) {
        let untagged = keys.as_ref().map(SessionKeys::without_tag);
        let other = join(untagged.as_ref())?;
        if !unsigned(&other) {
            (dag, keys) = (other, untagged);
        }
    }
    Ok(Session { dag, keys, is_pinned, rounds, encoding: stored.encoding(), databases: places })
}

fn session_keys(keys: &PinnedKeys, layout: &'static BlockLayout) -> Result<SessionKeys, Failure> {
    match keys.of_history(&Layout::Blocks(layout))? {
        fm_audit::HistoryKeys::Session(keys) if layout.tagged => Ok(keys.clone()),
        fm_audit::HistoryKeys::Session(keys) => Ok(keys.without_tag()),
        fm_audit::HistoryKeys::Epoch(_) => {
            Err(Failure::new(Exit::Usage, "units are not signed with epoch keys"))
        }
    }
}

fn write_dot(path: &Path, sessions: &[Session<'_>]) -> Result<(), Failure> {
    let mut text = String::new();
    let dags: Vec<&Dag<'_>> = sessions.iter().map(|session| &session.dag).collect();
    // Writing into a string cannot fail.
    let _ = fm_units::write_dots(&dags, &mut text);
    let failed = |error| Failure::file("write", path, &error);
    File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}
