//! `fm-node load`: transactions per second, and the latency of each.

use std::path::Path;
use std::time::Duration;

use fm_cli::{Exit, Failure, Output, print_json_line, quoted};
use fm_client::address_of;
use fm_config::GuardianFiles;
use fm_datadir::CONSENSUS;
use fm_guardian::{LoadReport, generate_load};
use fm_history::{PeerId, printable};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::args::LoadArgs;
use crate::run::runtime;

/// The ledger of a federation that `fm-node dev` makes.
pub(crate) const LEDGER: u16 = 0;
/// Its kind. Source: fedimint-dummy-common 0.5.0, src/lib.rs.
const LEDGER_KIND: &str = "dummy";

pub(crate) fn run(arguments: &LoadArgs) -> Result<Exit, Failure> {
    let urls = addresses(&arguments.dir)?;
    let (stop, stopped) = watch::channel(false);
    let time = Duration::from_secs(arguments.seconds);
    let report = runtime()?.block_on(async {
        tokio::spawn(async move {
            sleep(time).await;
            stop.send_replace(true);
        });
        generate_load(&urls, LEDGER, arguments.workers, arguments.copies, None, stopped).await
    });
    // Without an accepted transaction there is no latency.
    let any = (!report.latencies.is_empty()).then_some(());
    let millis = |percent| u64::try_from(report.percentile(percent).as_millis()).unwrap_or(u64::MAX);
    let percentiles = any.map(|()| (millis(50), millis(99)));
    if arguments.json {
        print_json_line(&json!({
            "accepted": report.latencies.len(),
            "lost": report.lost,
            "per_second": report.rate(),
            "p50_ms": percentiles.map(|(p50, _)| p50),
            "p99_ms": percentiles.map(|(_, p99)| p99),
        }))?;
    } else if let Some((p50, p99)) = percentiles {
        let mut output = Output::default();
        output.line(&format!("accepted   {} in {} s", report.latencies.len(), arguments.seconds))?;
        output.line(&format!("lost       {}", report.lost))?;
        output.line(&format!("rate       {:.1} per second", report.rate()))?;
        output.line(&format!("latency    p50 {p50} ms, p99 {p99} ms"))?;
    }
    verdict(&report, &arguments.dir)
}

/// If nothing was accepted, nothing was measured.
fn verdict(report: &LoadReport, directory: &Path) -> Result<Exit, Failure> {
    if !report.latencies.is_empty() {
        return Ok(Exit::Done);
    }
    if report.reached {
        let guardian = quoted(&directory.join("0"));
        let hint = format!("`fm-node status --data-dir {guardian}` says whether sessions are finished");
        return Err(Failure::new(Exit::Findings, "no transaction was accepted").hint(hint));
    }
    let message = format!("no guardian of {} answers", directory.display());
    let hint = format!("`fm-node dev --dir {}` starts them", quoted(directory));
    Err(Failure::new(Exit::CannotLook, message).hint(hint))
}

/// Returns the addresses of all guardians in a directory.
pub(crate) fn addresses(directory: &Path) -> Result<Vec<String>, Failure> {
    if let Some(failure) = other_federation(directory) {
        return Err(failure);
    }
    let guardians =
        (0..).map(|peer: PeerId| directory.join(peer.to_string())).take_while(|guardian| guardian.is_dir());
    let urls: Vec<String> = (0..)
        .zip(guardians)
        .map(|(peer, guardian)| address_of(&guardian, peer))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
    if urls.is_empty() {
        let message = format!("{} holds no guardians", directory.display());
        return Err(Failure::new(Exit::CannotLook, message).hint("`fm-node dev --dir` makes them"));
    }
    Ok(urls)
}

/// Returns the failure for a directory whose guardians have no ledger to load: they belong to a federation of
/// servers.
fn other_federation(directory: &Path) -> Option<Failure> {
    let inner =
        std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut guardians: Vec<_> = inner.filter(|path| path.join(CONSENSUS).is_file()).collect();
    guardians.sort();
    let own = directory.join(CONSENSUS).is_file().then(|| directory.to_owned());
    let guardian = own.or_else(|| guardians.into_iter().next())?;
    let config = GuardianFiles::open(&guardian).ok()?.consensus().ok()?;
    if config.modules.get(&LEDGER).is_some_and(|kind| kind == LEDGER_KIND) {
        return None;
    }
    let mut kinds: Vec<_> = config.modules.values().map(|kind| printable(kind)).collect();
    kinds.dedup();
    let message = format!(
        "{} is a guardian of a federation of servers (modules {}), and load consists of transactions of the ledger that \
         the federations of `fm-node dev` have as module {LEDGER}",
        guardian.display(),
        kinds.join(", ")
    );
    Some(Failure::new(Exit::Usage, message).hint("`fm-node dev --dir NEW` makes a federation to try it on"))
}
