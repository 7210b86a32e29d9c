//! The part of a history that an audit looks at, and the signatures that it checks: the options, and what
//! they mean for one source.

use std::path::{Path, PathBuf};

use clap::Args;
use fm_audit::{Control, Extent, HistoryAudit, HistoryKeys, Origin, Sample, Scope, TrustFile, extent};
use fm_cli::{Exit, Failure, check_target, group_digits, number};
use serde::Serialize;

fn some(text: &str) -> Result<u64, String> {
    match number(text)? {
        0 => Err("a sample has 1 at least".to_owned()),
        count => Ok(count),
    }
}

#[derive(Args)]
pub(crate) struct ScopeArgs {
    /// Look at nothing before this epoch, block or session.
    #[arg(long, value_name = "NUMBER", env = "FM_VERIFY_FROM", value_parser = number)]
    from: Option<u64>,
    /// Look at nothing after this epoch, block or session.
    #[arg(long, value_name = "NUMBER", env = "FM_VERIFY_TO", value_parser = number)]
    to: Option<u64>,
    /// Check the signatures of this many epochs or sessions, chosen at random; everything else is checked as without it.
    #[arg(long, value_name = "COUNT", env = "FM_SAMPLE", value_parser = some)]
    sample: Option<u64>,
    /// Choose the same sample as a run that showed this seed.
    #[arg(long, value_name = "NUMBER", env = "FM_SEED", requires = "sample", value_parser = number)]
    seed: Option<u64>,
    /// Continue from what this file remembers of an earlier audit, and remember this one in it.
    #[arg(long, value_name = "FILE", env = "FM_TRUST_FILE", conflicts_with_all = ["from", "to", "sample"])]
    trust_file: Option<PathBuf>,
    /// How many threads decode and verify; one for each core if not given.
    #[arg(long, value_name = "COUNT", env = "FM_JOBS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

/// What the options mean for one source.
#[derive(Default)]
pub(crate) struct AuditPlan {
    range: Option<(u64, u64)>,
    sample: Option<Sample>,
    trust: Option<TrustFile>,
}

/// The parts of a full audit that were left out, for the verdict.
#[derive(Default)]
pub(crate) struct Limits {
    pub(crate) range: Option<Range>,
    pub(crate) sample: Option<SampleFacts>,
    pub(crate) trust: Option<TrustFacts>,
}

/// The part that was looked at.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The sample whose signatures were checked.
#[derive(Serialize)]
pub(crate) struct SampleFacts {
    pub(crate) count: u64,
    pub(crate) of: u64,
    pub(crate) seed: u64,
    pub(crate) missed: Vec<Missed>,
}

/// The chance that this many bad ones go unnoticed.
#[derive(Serialize)]
pub(crate) struct Missed {
    pub(crate) bad: u64,
    pub(crate) chance: f64,
}

/// How a trust file was used in an audit.
#[derive(Serialize)]
pub(crate) struct TrustFacts {
    pub(crate) path: String,
    pub(crate) trusted: u64,
    pub(crate) remembered: u64,
}

impl ScopeArgs {
    /// Sets the number of threads.
    pub(crate) fn use_jobs(&self) -> Result<(), Failure> {
        let Some(jobs) = self.jobs else { return Ok(()) };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.into()).build_global();
        pool.map_err(|error| Failure::from_error(Exit::CannotLook, &error))
    }

    /// Returns the first epoch or session that is looked at.
    pub(crate) fn first(&self) -> u64 {
        self.from.unwrap_or(0)
    }

    /// Returns whether the whole history is looked at, with all of its signatures.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_part() && self.sample.is_none() && self.trust_file.is_none()
    }

    fn is_part(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Works out what the options mean for a history.
    pub(crate) fn plan(
        &self,
        path: &Path,
        history: Origin<'_>,
        is_migrated: bool,
        keys: Option<HistoryKeys<'_>>,
        control: Control<'_>,
    ) -> Result<AuditPlan, Failure> {
        let Some(keys) = keys else {
            let option = [(self.sample.is_some(), "--sample"), (self.trust_file.is_some(), "--trust-file")];
            if let Some((_, option)) = option.into_iter().find(|(is_given, _)| *is_given) {
                let message =
                    format!("{option} is about signatures, and no keys were given to check them with");
                return Err(Failure::new(Exit::Usage, message).hint("give --config or --keys"));
            }
            let range = self.range(history, is_migrated, control)?.0;
            return Ok(AuditPlan { range, ..AuditPlan::default() });
        };
        let (range, extent) = self.range(history, is_migrated, control)?;
        let sample = self.sample.map(|count| choose(count, extent.inside, self.seed)).transpose()?;
        // A sample of everything is not a sample.
        let sample = sample.filter(|sample| sample.count() < sample.of());
        let trust = self.trust_file.as_deref().map(|file| {
            check_target(file, path)?;
            TrustFile::open(file, history.layout, keys).map_err(Failure::from)
        });
        Ok(AuditPlan { range, sample, trust: trust.transpose()? })
    }

    /// Returns the part that is looked at, if it is not all; it must exist.
    fn range(
        &self,
        history: Origin<'_>,
        is_migrated: bool,
        control: Control<'_>,
    ) -> Result<(Option<(u64, u64)>, Extent), Failure> {
        if !self.is_part() && self.sample.is_none() {
            return Ok((None, Extent::default()));
        }
        if self.is_part() && is_migrated {
            let message = "a migrated directory is proven whole, not in part";
            return Err(Failure::new(Exit::Usage, message)
                .hint("give its provenance.fmar to look at a part of the old history"));
        }
        let from = self.from.unwrap_or(0);
        if self.to.is_some_and(|to| to < from) {
            return Err(Failure::new(Exit::Usage, "--to is before --from"));
        }
        let scope = Scope { from, to: self.to, ..Scope::default() };
        let extent = extent(history, scope, control)?;
        let Some(last) = extent.last else { return Ok((None, extent)) };
        let outside = [("--from", self.from), ("--to", self.to)];
        if let Some((option, bound)) =
            outside.into_iter().find_map(|(o, b)| Some((o, b.filter(|b| *b > last)?)))
        {
            let message = format!("{option} {bound} is past the end of the history, which is {last}");
            return Err(Failure::new(Exit::Usage, message));
        }
        let to = self.to.unwrap_or(last);
        Ok(((from > 0 || to < last).then_some((from, to)), extent))
    }
}

fn choose(count: u64, of: u64, seed: Option<u64>) -> Result<Sample, Failure> {
    let seed = match seed {
        Some(seed) => seed,
        // 32 bits are enough that nobody chooses the seed, and few enough to copy by hand.
        None => getrandom::u32().map(u64::from).map_err(|error| {
            Failure::new(Exit::CannotLook, format!("no randomness from the operating system: {error}"))
        })?,
    };
    Ok(Sample::choose(count, of, seed))
}

impl AuditPlan {
    /// Returns the scope for the audit.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            from: self.range.map_or(0, |(from, _)| from),
            to: self.range.map(|(_, to)| to),
            sample: self.sample.as_ref(),
            trust: self.trust.as_ref().map(TrustFile::prefix),
        }
    }

    /// Remembers what was proven, if nothing was wrong, and returns the limits for the verdict.
    pub(crate) fn conclude(self, audit: &HistoryAudit, errors: u64) -> Result<Limits, Failure> {
        let trust = self.trust.map(|trust| {
            let mut remembered = trust.prefix().sessions();
            if let Some(prefix) = audit.prefix.as_ref().filter(|prefix| errors == 0 && prefix.sessions() > 0)
            {
                trust.replace(prefix)?;
                remembered = prefix.sessions();
            }
            let path = trust.path().display().to_string();
            Ok::<_, Failure>(TrustFacts { path, trusted: audit.trusted, remembered })
        });
        let missed = |sample: &Sample, bad: u64| Missed { bad, chance: sample.missed(bad) };
        let facts = |sample: &Sample| SampleFacts {
            count: sample.count(),
            of: sample.of(),
            seed: sample.seed(),
            missed: [1, 10, 100]
                .into_iter()
                .filter(|bad| *bad <= sample.of())
                .map(|bad| missed(sample, bad))
                .collect(),
        };
        Ok(Limits {
            range: self.range.map(|(from, to)| Range { from, to }),
            sample: self.sample.as_ref().map(facts),
            trust: trust.transpose()?,
        })
    }
}

impl SampleFacts {
    /// Says what the sample shows and what it does not show.
    pub(crate) fn words(&self, what: &str) -> String {
        let chance = |missed: &Missed| {
            format!("{} bad with a chance of {:.1} %", group_digits(missed.bad), 100.0 * missed.chance)
        };
        let chances: Vec<String> = self.missed.iter().map(chance).collect();
        format!(
            "signatures of {} of {} {what}s checked (seed {}); this misses {}",
            group_digits(self.count),
            group_digits(self.of),
            self.seed,
            chances.join(", ")
        )
    }
}
