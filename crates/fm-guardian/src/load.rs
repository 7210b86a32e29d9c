//! Load for tests: transactions of the `dummy` ledger, submitted and waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fm_client::{ClientError, Guardian, SubmitError};
use fm_codec::{Dialect, ModuleValue, Writer};
use fm_consensus::DUMMY_ISSUER;
use fm_crypto::SigningKey;
use fm_history::{Transaction, TransactionSignature};

use futures::future::{join, join_all};
use tokio::sync::watch;
use tokio::time::sleep;

/// The publicly known secret key of the ledger. Source: fedimint-dummy-common 0.5.0, src/lib.rs.
const ISSUER_SECRET: [u8; 32] = *b"Money printer go brrr...........";
/// A transaction that is not accepted in this time counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause after a guardian did not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// The result of a load.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Times from submission to acceptance, ascending.
    pub latencies: Vec<Duration>,
    /// Transactions that were refused, or not accepted in time.
    pub lost: u64,
    /// Whether a guardian was reached at all.
    pub reached: bool,
    /// The duration of the load.
    pub time: Duration,
}

impl LoadReport {
    /// Returns this percentile of the latencies.
    pub fn percentile(&self, percent: usize) -> Duration {
        let place = self.latencies.len() * percent / 100;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(place.min(last)).copied().unwrap_or_default()
    }

    /// Returns the number of accepted transactions per second.
    pub fn rate(&self) -> f64 {
        let count = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.time.as_secs_f64().max(0.001)
    }
}

/// Returns a transaction in which the issuer issues money to an account; any two differ.
///
/// # Errors
/// Fails if the system provides no randomness.
pub fn issue(module: u16, amount: u64, account: &[u8; 33]) -> Result<Transaction, getrandom::Error> {
    let posting = |account: &[u8; 33]| {
        let mut body = Writer::new(Dialect::MODERN);
        body.u64(amount);
        body.raw(account);
        ModuleValue { instance: module, body: body.into_bytes() }
    };
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce)?;
    let unsigned = TransactionSignature::Schnorr(Vec::new());
    let (inputs, outputs) = (vec![posting(&DUMMY_ISSUER)], vec![posting(account)]);
    let mut transaction = Transaction { inputs, outputs, nonce, signature: unsigned };
    let key = SigningKey::from_bytes(ISSUER_SECRET).expect("a constant key");
    transaction.signature = TransactionSignature::Schnorr(vec![key.sign(&transaction.txid().0)]);
    Ok(transaction)
}

/// Runs workers that submit transactions to the guardians at these addresses until stopped; each worker
/// submits one transaction at a time.
///
/// Each transaction goes to `copies` guardians, at least one. With a rate, all workers together submit no
/// more than this many transactions per second.
pub async fn generate_load(
    urls: &[String],
    module: u16,
    workers: usize,
    copies: usize,
    rate: Option<u32>,
    mut stop: watch::Receiver<bool>,
) -> LoadReport {
    let start = Instant::now();
    let turn = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for worker in 0..workers {
        let pace = rate.map(|rate| (turn.clone(), rate, start));
        tasks.push(tokio::spawn(work(chosen(urls, worker, copies), module, pace, stop.clone())));
    }
    // A value stops the load, and so does the end of the last sender.
    let _ = stop.wait_for(|stop| *stop).await;
    let mut report = LoadReport { time: start.elapsed(), ..LoadReport::default() };
    for task in tasks {
        if let Ok(worked) = task.await {
            report.latencies.extend(worked.latencies);
            report.lost += worked.lost;
            report.reached |= worked.reached;
        }
    }
    report.latencies.sort_unstable();
    report
}

/// Returns the guardians of a worker, as far apart as possible: guardians make their units in turn.
fn chosen(urls: &[String], worker: usize, copies: usize) -> Vec<Guardian> {
    let copies = copies.clamp(1, urls.len().max(1));
    let place = |copy: usize| (worker + copy * urls.len() / copies) % urls.len().max(1);
    (0..copies).filter_map(|copy| urls.get(place(copy))).map(|url| Guardian::new(url.clone())).collect()
}

/// The result of a worker's transactions.
#[derive(Default)]
struct Worked {
    latencies: Vec<Duration>,
    lost: u64,
    reached: bool,
}

async fn work(
    guardians: Vec<Guardian>,
    module: u16,
    pace: Option<(Arc<AtomicU64>, u32, Instant)>,
    mut stop: watch::Receiver<bool>,
) -> Worked {
    let mut worked = Worked::default();
    let submit = async {
        loop {
            if let Some((turn, rate, start)) = &pace {
                let turn = u32::try_from(turn.fetch_add(1, Relaxed)).unwrap_or(u32::MAX);
                let due = Duration::from_secs(1) * turn / *rate;
                sleep(due.saturating_sub(start.elapsed())).await;
            }
            match one(&guardians, module, &mut worked.reached).await {
                Ok(latency) => worked.latencies.push(latency),
                Err(SubmitError::Client(ClientError::Connect { .. })) => sleep(PAUSE).await,
                Err(_) => worked.lost += 1,
            }
        }
    };
    tokio::select! {
        () = submit => (),
        _ = stop.wait_for(|stop| *stop) => (),
    }
    worked
}

/// Submits a transaction to guardians and waits until the first guardian accepted it; returns whether it was
/// accepted.
async fn one(guardians: &[Guardian], module: u16, reached: &mut bool) -> Result<Duration, SubmitError> {
    let [first, others @ ..] = guardians else { return Err(SubmitError::Unclear { url: String::new() }) };
    let unclear = |_| SubmitError::Unclear { url: first.url().to_owned() };
    let transaction = issue(module, 1000, &DUMMY_ISSUER).map_err(unclear)?;
    let start = Instant::now();
    let accepted = async {
        first.submit(&transaction, PATIENCE).await?;
        *reached = true;
        match first.accepts(&transaction, PATIENCE).await? {
            true => Ok(start.elapsed()),
            false => Err(SubmitError::Unclear { url: first.url().to_owned() }),
        }
    };
    // The other guardians' answers decide nothing.
    let copies = join_all(others.iter().map(|other| other.submit(&transaction, PATIENCE)));
    join(accepted, copies).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guardians_of_a_worker_are_apart() {
        let urls: Vec<String> = (0..4).map(|peer| peer.to_string()).collect();
        let chosen = |worker, copies| -> Vec<String> {
            chosen(&urls, worker, copies).iter().map(|guardian| guardian.url().to_owned()).collect()
        };
        assert_eq!(chosen(5, 1), ["1"]);
        assert_eq!(chosen(3, 2), ["3", "1"]);
        assert_eq!(chosen(2, 9), ["2", "3", "0", "1"]);
        assert_eq!(chosen(2, 0), ["2"]);
        assert!(super::chosen(&[], 2, 3).is_empty());
    }

    #[test]
    fn the_issuers_key_is_the_known_one() {
        assert_eq!(SigningKey::from_bytes(ISSUER_SECRET).unwrap().public_key(), DUMMY_ISSUER);
    }
}
