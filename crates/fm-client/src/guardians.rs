//! All other guardians: how many sessions they have finished, and the record of a session from the first that
//! returns it.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fm_crypto::SessionKeys;
use fm_history::{Hash, PeerId, SessionLeaf, SessionParts};
use fm_peers::jittered;
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::AT_A_TIME;
use crate::catch_up::CatchUp;
use crate::guardian::Guardian;
use crate::latency::Latency;
use crate::source::{Ambiguous, AskError, Proven, Source};

/// The time within which guardians finish a session if all goes well.
const GRACE: Duration = Duration::from_millis(500);
/// The longest time without an answer after which the next guardian is also asked.
pub const HEDGE: Duration = Duration::from_secs(1);

/// The pauses before a guardian that is compared is asked again.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// A proven record from a guardian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The guardian.
    pub peer: PeerId,
    /// The session.
    pub session: u64,
    /// The signed outcome of the session, as it is stored.
    pub record: Vec<u8>,
}

/// A record that a guardian returned, and that its signatures do not prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The guardian.
    pub peer: PeerId,
    /// The requested session.
    pub session: u64,
    /// What is wrong with the record.
    pub reason: String,
}

/// The items of a session that this guardian ordered to its end.
#[derive(Clone)]
struct Own {
    session: u64,
    list: Arc<[Hash]>,
}

/// The other guardians as sources; they are polled until this value is dropped.
pub struct Guardians {
    /// Any set of this many guardians contains at least one honest guardian (f + 1).
    honest: usize,
    /// The number of guardians that must return the same list of items.
    needed: usize,
    own: Mutex<Option<Own>>,
    ambiguous: Ambiguous,
    sources: BTreeMap<PeerId, Arc<Source>>,
    latency: Arc<Latency>,
    changed: watch::Receiver<()>,
    /// Stops its tasks when it is dropped.
    _tasks: JoinSet<()>,
}

impl Guardians {
    /// Polls these guardians for how many sessions they have finished. Records are proven by `keys`;
    /// `refused` counts those that are not valid.
    pub fn watch(
        guardians: BTreeMap<PeerId, Guardian>,
        keys: &SessionKeys,
        ambiguous: Ambiguous,
        refused: Arc<AtomicU64>,
    ) -> Self {
        let honest = keys.guardians() - keys.threshold() + 1;
        let needed = if ambiguous == Ambiguous::Vouched { honest } else { 1 };
        let (change, changed) = watch::channel(());
        let (change, keys) = (Arc::new(change), Arc::new(keys.clone()));
        let latency = Arc::<Latency>::default();
        let mut tasks = JoinSet::new();
        let mut sources = BTreeMap::new();
        for (peer, guardian) in guardians {
            let source =
                Source::new((peer, guardian), keys.clone(), ambiguous, (refused.clone(), latency.clone()));
            let source = Arc::new(source);
            tasks.spawn(source.clone().watch(change.clone()));
            sources.insert(peer, source);
        }
        Self { honest, needed, own: Mutex::default(), ambiguous, sources, latency, changed, _tasks: tasks }
    }

    /// Returns the guardians that claim to have finished the session, the one with the most sessions first.
    pub(crate) fn ahead(&self, session: u64) -> Vec<PeerId> {
        let asked = self.sources.iter().filter(|(_, source)| source.is_asked());
        let counts = asked.map(|(peer, source)| (source.count(), *peer));
        let mut ahead: Vec<_> = counts.filter(|(count, _)| *count > session).collect();
        ahead.sort_unstable_by_key(|(count, _)| std::cmp::Reverse(*count));
        ahead.into_iter().map(|(_, peer)| peer).collect()
    }

    pub(crate) fn question(&self, session: u64, own: Option<Arc<[Hash]>>) -> Question {
        let vouchers = if self.ambiguous == Ambiguous::Accepted { self.honest } else { 0 };
        Question { session, needed: self.needed, vouchers, own, latency: self.latency() }
    }

    fn latency(&self) -> Arc<Latency> {
        self.latency.clone()
    }

    pub(crate) fn honest(&self) -> usize {
        self.honest
    }

    /// Records the items of a session that this guardian ordered to its end. An outcome with the same list is
    /// then accepted from a single guardian: the others may never have the outcome, because a guardian that
    /// has finished a session no longer orders it.
    pub fn ordered(&self, session: u64, list: &[Hash]) {
        *self.own() = Some(Own { session, list: list.into() });
    }

    /// Returns whether this guardian ordered the session to its end.
    pub fn is_ordered(&self, session: u64) -> bool {
        self.list_of(session).is_some()
    }

    /// Returns how many guardians must have finished a session before they are asked for its record.
    fn enough(&self, session: u64) -> usize {
        if self.is_ordered(session) { 1 } else { self.needed }
    }

    fn list_of(&self, session: u64) -> Option<Arc<[Hash]>> {
        self.own().as_ref().filter(|own| own.session == session).map(|own| own.list.clone())
    }

    fn own(&self) -> MutexGuard<'_, Option<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the sources of these guardians, in their order.
    pub(crate) fn sources(&self, peers: &[PeerId]) -> Vec<(PeerId, Arc<Source>)> {
        peers.iter().filter_map(|peer| Some((*peer, self.sources.get(peer)?.clone()))).collect()
    }

    /// Returns how many sessions each guardian claims to have finished; `None` if it did not answer the last
    /// time.
    pub fn counts(&self) -> BTreeMap<PeerId, Option<u64>> {
        let answer = |source: &Source| (source.was_asked() && source.answers()).then(|| source.count());
        self.sources.iter().map(|(peer, source)| (*peer, answer(source))).collect()
    }

    /// Returns the records that were refused; of each guardian, no more than the first hundred.
    pub fn refusals(&self) -> Vec<Refusal> {
        let of = |(peer, source): (&PeerId, &Arc<Source>)| {
            let refusal = |(session, reason)| Refusal { peer: *peer, session, reason };
            source.refusals().into_iter().map(refusal).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of).collect()
    }

    /// Returns the guardian, if it is the only one.
    pub(crate) fn only(&self) -> Option<&Guardian> {
        let mut sources = self.sources.values();
        sources.next().filter(|_| sources.next().is_none()).map(|source| source.guardian())
    }

    /// Says of each guardian why it does not return a session.
    pub(crate) fn reasons(&self, session: u64) -> String {
        let reason = |(peer, source): (&PeerId, &Arc<Source>)| {
            let reason = match (source.last_failure(), source.count()) {
                (Some(reason), _) => reason,
                (None, count) if !source.answers() => format!("it does not answer; it had {count} sessions"),
                (None, count) if count <= session => format!("it has {count} sessions"),
                (None, _) => "it was not asked".to_owned(),
            };
            format!("guardian {peer}: {reason}")
        };
        self.sources.iter().map(reason).collect::<Vec<_>>().join("; ")
    }

    /// Waits until every guardian was asked how many sessions it has finished, for at most `patience`.
    pub async fn first_look(&self, patience: Duration) {
        let mut changed = self.changed.clone();
        let looked = async {
            while !self.sources.values().all(|source| source.was_asked()) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // It does not matter whether all answered.
        let _ = timeout(patience, looked).await;
    }

    /// Returns the record of a session that others finished a while ago; until then, ordering would finish it
    /// sooner.
    pub async fn late_outcome(&self, session: u64) -> Fetched {
        let mut changed = self.changed.clone();
        while self.ahead(session).len() < self.enough(session) {
            wait(&mut changed).await;
        }
        sleep(jittered(GRACE)).await;
        self.outcome(session).await
    }

    /// Returns the record of a session, once a guardian has it.
    pub async fn outcome(&self, session: u64) -> Fetched {
        let mut changed = self.changed.clone();
        loop {
            if let Some(fetched) = self.first_of(session).await {
                return fetched;
            }
            wait(&mut changed).await;
        }
    }

    /// Asks the guardians that have finished the session.
    async fn first_of(&self, session: u64) -> Option<Fetched> {
        let question = self.question(session, self.list_of(session));
        ask(question, self.sources(&self.ahead(session))).await.fetched
    }

    /// Waits until every guardian that answers claims to have finished this many sessions.
    pub async fn all_have(&self, sessions: u64) {
        let mut changed = self.changed.clone();
        while !self.sources.values().all(|source| source.count() >= sessions || !source.answers()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops asking a guardian that misled, for a while.
    pub fn distrust(&self, peer: PeerId) {
        self.sources.get(&peer).into_iter().for_each(|source| source.distrust());
    }

    /// Returns the sessions before `end` that one guardian serves. Those that are not proven are left out, and
    /// refused; the end is where the guardian returns nothing.
    pub(crate) fn records_of(&self, peer: PeerId, end: u64) -> impl Stream<Item = (u64, SessionLeaf)> + '_ {
        let source = self.sources.get(&peer).cloned();
        let end = source.as_ref().map_or(0, |source| source.count().min(end));
        let ask = move |session| {
            let source = source.clone();
            async move {
                let leaf = match patient_record(source?, session).await {
                    Ok(proven) => SessionParts::read(&proven.record).ok().map(|parts| parts.leaf(session)),
                    Err(AskError::Proof(_)) => None,
                    Err(_) => return None,
                };
                Some((session, leaf))
            }
        };
        let answers = stream::iter(0..end).map(ask).buffered(AT_A_TIME);
        let served = answers.take_while(|answer| ready(answer.is_some()));
        served.filter_map(|answer| ready(answer.and_then(|(session, leaf)| Some((session, leaf?)))))
    }

    /// Returns the records from a session on, in order, as far as enough other guardians claim to have them
    /// that the claim must be true.
    pub fn catch_up(&self, from: u64) -> CatchUp<'_> {
        CatchUp::new(self, from)
    }
}

/// The result of asking guardians for a record.
pub(crate) struct Asked {
    /// The record, if enough guardians returned it.
    pub(crate) fetched: Option<Fetched>,
    /// Whether a guardian returned nothing useful: then asking again may help.
    pub(crate) has_failures: bool,
}

/// A request for a record.
pub(crate) struct Question {
    pub(crate) session: u64,
    /// The number of guardians that must return the same list, unless it is the own one.
    pub(crate) needed: usize,
    /// The number of guardians that must return a list whose header also fits a shorter one; if fewer answer,
    /// what most of them return. 0 if the number above decides alone.
    pub(crate) vouchers: usize,
    /// The list that this guardian ordered.
    pub(crate) own: Option<Arc<[Hash]>>,
    /// How long the guardians take to answer.
    pub(crate) latency: Arc<Latency>,
}

/// Asks as many guardians as must return the same list, and a further one if one of them returns another
/// list, fails, or is slow.
pub(crate) async fn ask(question: Question, sources: Vec<(PeerId, Arc<Source>)>) -> Asked {
    let Question { session, needed, vouchers, own, latency } = question;
    // One guardian alone could lengthen a list without a change of its header.
    let vouchers = vouchers.min(sources.len());
    let mut left = sources.into_iter();
    let mut asked = JoinSet::new();
    let mut given: Vec<(PeerId, Proven)> = Vec::new();
    let mut has_failures = false;
    let mut more = needed;
    loop {
        for (peer, source) in left.by_ref().take(more) {
            asked.spawn(async move { (peer, source.record(session).await) });
        }
        more = 1;
        tokio::select! {
            answer = asked.join_next() => match answer {
                Some(Ok((peer, Ok(proven)))) => {
                    let is_own = own.as_deref() == Some(&proven.leaves[..]);
                    let needed = if proven.is_ambiguous { needed.max(vouchers) } else { needed };
                    let alike = 1 + given.iter().filter(|(_, other)| other.leaves == proven.leaves).count();
                    if is_own || alike >= needed {
                        let fetched = Fetched { peer, session, record: proven.record };
                        return Asked { fetched: Some(fetched), has_failures };
                    }
                    given.push((peer, proven));
                    more = usize::from(alike + asked.len() < needed);
                }
                Some(Ok((_, Err(_)))) => has_failures = true,
                Some(Err(error)) => debug!(session, %error, "a question ended"),
                None => {
                    let fetched = most_given(given).filter(|_| vouchers > 0);
                    let fetched = fetched.map(|(peer, record)| Fetched { peer, session, record });
                    return Asked { fetched, has_failures };
                }
            },
            () = sleep(latency.slow(HEDGE)) => (),
        }
    }
}

/// Returns the record with the list that most guardians returned.
fn most_given(given: Vec<(PeerId, Proven)>) -> Option<(PeerId, Vec<u8>)> {
    let alike = |list: &[Hash]| given.iter().filter(|(_, proven)| proven.leaves == list).count();
    let counts: Vec<usize> = given.iter().map(|(_, proven)| alike(&proven.leaves)).collect();
    let most = counts.iter().max().copied()?;
    let (_, (peer, proven)) = counts.into_iter().zip(given).find(|(count, _)| *count == most)?;
    Some((peer, proven.record))
}

/// Asks one guardian, again if it was busy or just restarted.
async fn patient_record(source: Arc<Source>, session: u64) -> Result<Proven, AskError> {
    for pause in PAUSES {
        match source.clone().record(session).await {
            Err(AskError::Client(_)) => sleep(jittered(pause)).await,
            answer => return answer,
        }
    }
    source.record(session).await
}

/// Waits until a guardian was asked; forever if there are no guardians.
async fn wait(changed: &mut watch::Receiver<()>) {
    if changed.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
