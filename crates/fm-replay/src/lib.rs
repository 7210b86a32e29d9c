//! Orders units again with the AlephBFT library of their format, without network and clock.
//!
//! The whole member of the library runs. It loads the backup like a server after a restart, checks every unit
//! and orders all units that can be ordered. It never makes a unit: it would first ask the others for its
//! newest unit, and gets no answer. Everything that it does follows from the backup, so it is done when no
//! task can continue.
//!
//! Invariants: nothing is sent. No guardian's secret key is needed. A backup with a fork, an alert or an
//! error is refused, because a member would raise an alert over it. A panic of the library is an error.
//!
//! # Example
//!
//! ```
//! use fm_codec::Dialect;
//! use fm_replay::{ReplayError, replay};
//! use fm_units::{Dag, Records};
//!
//! // Units come from a backup (see `fm-units`); a graph needs at least the records of one.
//! let none: [Records<'_>; 0] = [];
//! assert!(Dag::new(&none, None, Dialect::MODERN).is_none());
//! // With a graph, the library that made the units orders them again.
//! let ordered: fn(&Dag<'_>, Option<&fm_crypto::SessionKeys>) -> Result<fm_replay::Replay, ReplayError> = replay;
//! # let _ = ordered;
//! ```

mod adapters;
mod compare;
mod executor;
mod payload;
mod v0_30;
mod v0_36;

use fm_crypto::SessionKeys;
use fm_history::Severity;
use fm_units::{Dag, HashRule};
use thiserror::Error;

pub use compare::{Comparison, Ordered, compare};
pub use payload::Payload;

/// The reason that units were not ordered.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReplayError {
    /// The form holds one guardian's own units, or belongs to a library that is not linked.
    #[error("backups in the form {form} are not ordered again: no library here reads them")]
    NoLibrary { form: &'static str },
    /// The units have an error.
    #[error("the units are not ordered again: {reason}")]
    Refused { reason: String },
    /// The library stopped.
    #[error("the library {library} stopped while it ordered the units")]
    Stopped {
        /// Its name and version.
        library: &'static str,
    },
    /// The result does not contain exactly the given units.
    #[error("the library {library} ordered something else than the units: {reason}")]
    Mismatch {
        /// Its name and version.
        library: &'static str,
        reason: String,
    },
}

/// The order in which the library finalised units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The library's name and version.
    pub library: &'static str,
    /// Positions in [`Dag::nodes`], in order; for 0.30 without the units that carry nothing.
    pub order: Vec<usize>,
}

/// A unit as a library finalises it.
struct Finalized {
    creator: u64,
    round: Option<u16>,
    payload: Option<Payload>,
}

/// Runs a member on its backup.
type Run = fn(Member) -> Option<Vec<Finalized>>;

/// The input for a member.
struct Member {
    guardians: usize,
    session: u64,
    /// The backup.
    stream: Vec<u8>,
    /// Its first unit.
    first: Vec<u8>,
    keys: Option<SessionKeys>,
}

/// Orders the units of a graph again; with keys, the library checks every signature.
///
/// # Errors
/// Fails if a healthy server would not load the graph, or if the library stops or returns other units.
pub fn replay(dag: &Dag<'_>, keys: Option<&SessionKeys>) -> Result<Replay, ReplayError> {
    let (library, run): (_, Run) = match (dag.form.own_only, dag.form.hash) {
        (true, _) => return Err(ReplayError::NoLibrary { form: dag.form.name }),
        (false, HashRule::Plain) => ("aleph-bft 0.30.0", v0_30::run),
        (false, HashRule::Sized) => ("fedimint-aleph-bft 0.36.0", v0_36::run),
    };
    refuse(dag)?;
    let stream = dag.nodes.iter().flat_map(|node| [dag.form.tag(), node.unit.bytes].concat()).collect();
    let Some(first) = dag.nodes.first().map(|node| node.unit.bytes.to_vec()) else {
        return Ok(Replay { library, order: Vec::new() });
    };
    let (guardians, session) = (dag.guardians, dag.session);
    let member = Member { guardians, session, stream, first, keys: keys.cloned() };
    let finalized = std::panic::catch_unwind(|| run(member)).ok().flatten();
    let finalized = finalized.ok_or(ReplayError::Stopped { library })?;
    let order = positions(dag, finalized).map_err(|reason| ReplayError::Mismatch { library, reason })?;
    Ok(Replay { library, order })
}

fn refuse(dag: &Dag<'_>) -> Result<(), ReplayError> {
    let refused = |reason: String| Err(ReplayError::Refused { reason });
    if let Some(finding) = dag.findings.iter().find(|finding| finding.severity == Severity::Error) {
        return refused(finding.to_string());
    }
    if !dag.alerts.is_empty() {
        return refused("the backup holds a fork alert".to_owned());
    }
    if dag.guardians < 4 {
        return refused(format!("AlephBFT needs four guardians or more, these are {}", dag.guardians));
    }
    if !dag.is_closed() {
        return refused("some units' parents are not there".to_owned());
    }
    Ok(())
}

/// Returns the finalised units of the graph; values that a library does not report follow from the creator's
/// order.
fn positions(dag: &Dag<'_>, finalized: Vec<Finalized>) -> Result<Vec<usize>, String> {
    let mut by_creator = vec![Vec::new().into_iter(); dag.guardians];
    for (creator, units) in by_creator.iter_mut().enumerate() {
        let all = dag.places.iter().filter(|((_, of), _)| *of == creator as u64);
        let all: Vec<usize> = all.flat_map(|(_, units)| units.iter().copied()).collect();
        *units = all.into_iter();
    }
    let position = |unit: Finalized| {
        let units = usize::try_from(unit.creator).ok().and_then(|creator| by_creator.get_mut(creator));
        let next = units.and_then(|units| match unit.round {
            Some(_) => units.next(),
            // Only units with data are reported without their round.
            None => units.find(|node| dag.nodes[*node].unit.fields.data.is_some()),
        });
        let node = next.ok_or_else(|| format!("guardian {} has no such unit", unit.creator))?;
        let fields = &dag.nodes[node].unit.fields;
        let same = unit.round.is_none_or(|round| round == fields.round)
            && unit.payload == fields.data.as_ref().map(Payload::of);
        if same {
            Ok(node)
        } else {
            Err(format!("guardian {}'s unit of round {}", fields.creator, fields.round))
        }
    };
    finalized.into_iter().map(position).collect()
}
