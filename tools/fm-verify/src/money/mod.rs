//! `money`: what a federation owns and owes, derived from its accepted items.

mod print;

use std::cell::RefCell;

use fm_audit::{Audited, OldSession};
use fm_cli::{Exit, Failure, FindingPrinter, PinnedKeys};
use fm_crypto::ConsensusConfig;
use fm_history::{Code, ConsensusItem, Finding, Place, Tally};
use fm_modules::{Kind, Registry};
use fm_money::{ConfigForm, Ledger, ModuleRules, Problem, Rules, Trouble};

use crate::args::MoneyArgs;
use crate::standing::summary;
use crate::verdict::{continued_sessions, judge};
use crate::verify::{Watch, look};

/// The version of the consensus since which transactions may pay more than they need.
/// Source: fedimint-server 0.13.0, src/consensus/transaction.rs.
const OVERPAYING_SINCE: [u32; 2] = [2, 1];

pub(crate) fn run(arguments: &MoneyArgs) -> Result<Exit, Failure> {
    let audit = &arguments.audit;
    if !audit.scope.is_whole() {
        let message =
            "money is derived from a whole history: a part of one does not say what was spent before";
        return Err(
            Failure::new(Exit::Usage, message).hint("leave out --from, --to, --sample and --trust-file")
        );
    }
    let opening = audit.begin()?;
    let keys = opening.keys.clone();
    let (registry, rules) = federation(keys.as_ref())?;
    let printer = RefCell::new(FindingPrinter::new(audit.json));
    let ledger = Ledger::new(registry, rules);
    let mut books = Books { ledger, tally: Tally::default(), next: 0, is_epochs: false, failure: None };
    let watch = Watch {
        on_finding: &mut |finding| printer.borrow_mut().print(finding),
        on_session: &mut |session| books.add(session, &mut |finding| printer.borrow_mut().print(finding)),
    };
    let mut outcome = look(audit, opening, watch)?;
    let Books { ledger, mut tally, is_epochs, failure, .. } = books;
    let is_continued = continued_sessions(&outcome).is_some_and(|sessions| sessions > 0);
    if let Some(failure) = failure.or_else(|| is_continued.then(of_two_generations)) {
        printer.into_inner().finish()?;
        return Err(failure);
    }
    let finished = ledger.finish(&mut |problem| {
        let finding = finding_of(problem, is_epochs);
        tally.add(&finding);
        printer.borrow_mut().print(&finding);
    });
    let statement = finished.map_err(|error| spill(&error))?;
    outcome.tally.join(&tally);
    let mut output = printer.into_inner().finish()?;
    let judgement = judge(&outcome, keys.as_ref());
    let is_empty = outcome.audit.chain.records == 0;
    if judgement.verdict.history_root.is_none() && !is_empty {
        return Err(not_whole("a part of it is missing or cannot be read"));
    }
    let words = summary(&judgement, &outcome);
    print::statement(&mut output, &statement, &judgement, (!audit.json).then_some(&words))?;
    Ok(judgement.exit)
}

/// What the sessions so far say.
struct Books {
    ledger: Ledger,
    /// What was found in them.
    tally: Tally,
    /// The number of the next session.
    next: u64,
    /// Whether these are epochs of v0.1.
    is_epochs: bool,
    /// Why the rest is not looked at.
    failure: Option<Failure>,
}

impl Books {
    fn add(&mut self, session: &OldSession<'_>, report: &mut dyn FnMut(&Finding)) {
        if self.failure.is_some() {
            return;
        }
        self.is_epochs = matches!(session.audited, Audited::Epoch(_));
        let what = if self.is_epochs { "epoch" } else { "session" };
        if session.index != self.next {
            self.failure = Some(not_whole(&format!("{what} {} is missing", self.next)));
            return;
        }
        self.next += 1;
        let Some(outcome) = session.outcome() else {
            self.failure = Some(not_whole(&format!("the items of {what} {} cannot be read", session.index)));
            return;
        };
        for (item, accepted) in (0..).zip(&outcome.items) {
            let ConsensusItem::Transaction(transaction) = &accepted.item else { continue };
            let added = self.ledger.add((session.index, item), transaction, &mut |problem| {
                let finding = finding_of(problem, self.is_epochs);
                self.tally.add(&finding);
                report(&finding);
            });
            if let Err(error) = added {
                self.failure = Some(spill(&error));
                return;
            }
        }
    }
}

fn of_two_generations() -> Failure {
    let message = "the directory has sessions since its conversion: money does not reckon with both generations of \
                   modules in one history yet";
    Failure::new(Exit::Usage, message).hint("its provenance.fmar alone has books up to the conversion")
}

fn not_whole(reason: &str) -> Failure {
    Failure::new(Exit::Findings, format!("money is derived from a whole history: {reason}"))
        .hint("repair it first, or name another source")
}

fn spill(error: &std::io::Error) -> Failure {
    Failure::new(Exit::CannotLook, format!("a temporary file cannot be written or read: {error}"))
        .hint("set TMPDIR to a directory with room")
}

/// Returns the modules and rules of the federation whose configuration was given.
fn federation(keys: Option<&PinnedKeys>) -> Result<(Registry, Rules), Failure> {
    let no_config = || {
        Failure::new(
            Exit::Usage,
            "money needs the federation's configuration, which says what its modules are",
        )
        .hint("give a guardian's consensus.json, or the directory that holds it, with --config")
    };
    let keys = keys.ok_or_else(no_config)?;
    let config = keys.config.as_ref().ok_or_else(no_config)?;
    let registry = Registry::of_config(config);
    let form = if keys.stated.is_some() { ConfigForm::Client } else { ConfigForm::Consensus };
    let may_overpay = config.consensus_version.is_some_and(|version| version >= OVERPAYING_SINCE);
    let mut rules = Rules { may_overpay, ..Rules::default() };
    for (instance, kind) in registry.kinds() {
        let Some(bytes) = config.module_configs.get(&instance) else { continue };
        let found = ModuleRules::of_config(kind, form, bytes).map_err(|error| {
            let message = format!("the configuration of module {instance} ({kind}) cannot be read: {error}");
            Failure::new(Exit::Usage, message)
        })?;
        // Servers before 0.5 wrote other fees of `mint` in the same place; without fees, both say the same.
        let is_other = *kind == Kind::Mint && is_before_0_5(config) && !found.has_no_fees();
        rules.fees.extend(found.fees.filter(|_| !is_other).map(|fees| (instance, fees)));
        rules.note_keys.extend(found.note_keys.map(|keys| (instance, keys)));
    }
    Ok((registry, rules))
}

/// Returns whether a server before 0.5 made the configuration; that of clients does not say it.
fn is_before_0_5(config: &ConsensusConfig) -> bool {
    let version = config.code_version.as_deref().unwrap_or_default();
    let minor =
        version.strip_prefix("0.").and_then(|rest| rest.split(['.', '-']).next()?.parse::<u64>().ok());
    minor.is_some_and(|minor| minor < 5)
}

fn finding_of(problem: Problem, is_epochs: bool) -> Finding {
    let Problem { spot, module, trouble } = problem;
    let code = match &trouble {
        Trouble::Undecodable(_) => Code::PayloadUndecodable,
        Trouble::UnknownInstance => Code::ModuleUnknown,
        Trouble::NoteUnsigned => Code::NoteUnsigned,
        Trouble::NoSuchDenomination { .. } => Code::DenominationUnknown,
        Trouble::NoteSpentTwice { .. } => Code::NoteSpentTwice,
        Trouble::BlindNonceRepeated { .. } => Code::BlindNonceRepeated,
        Trouble::DepositClaimedTwice { .. } => Code::DepositClaimedTwice,
        Trouble::RedeemedAboveIssued { .. } => Code::RedeemedAboveIssued,
        Trouble::ContractOverdrawn { .. } => Code::ContractOverdrawn,
        Trouble::Unbalanced { .. } => Code::TransactionUnbalanced,
        Trouble::AmountTooLarge => Code::AmountTooLarge,
    };
    let module = module.map_or_else(String::new, |module| format!("module {module}, "));
    let message = match code {
        Code::TransactionUnbalanced => trouble.to_string(),
        _ => format!("{module}{} {}: {trouble}", spot.part(), spot.index),
    };
    let place = if is_epochs { Place::epoch(spot.session) } else { Place::session(spot.session) };
    // The items of an epoch are counted in its contributions, and not in the session that is made of it.
    let item = (!is_epochs).then_some(spot.item.into());
    let place = Place { item, ..place };
    Finding::new(code, place, message)
}
