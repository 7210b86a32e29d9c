//! A small page for a browser: the open session, the other guardians, the latency of transactions, what to
//! do.
//!
//! Invariants: text that others may have chosen, such as names, is shown only as text. The page is complete
//! in itself and runs no script.

use std::fmt::Write as _;
use std::time::Duration;

use fm_rpc::Page;
use serde_json::Value;

use crate::latency::CLASSES;
use crate::shared::Shared;
use crate::status::status;
use crate::watchdog::stuck;

/// Every colour comes with words.
const STYLE: &str = include_str!("page.css");

/// Returns the page of a node.
pub(crate) fn render(shared: &Shared) -> Page {
    let (config, status) = (&shared.config, status(shared));
    let name = config.consensus.meta.get("federation_name").map(|name| name.trim_matches('"'));
    let name = escape(name.filter(|name| !name.is_empty()).unwrap_or("federation"));
    let own = config.consensus.api_endpoints.get(&config.me()).map_or("", |endpoint| &endpoint.name);
    let title = format!("{name}: guardian {}", config.me());
    let text = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta http-equiv=refresh content=5><title>{title}</title><style>{STYLE}</style></head><body>\
         <header><h1>{title}</h1><p>{own}</p>{state}</header><main>{session}{guardians}{latency}{checkpoints}</main>\
         <footer><a href=/metrics>metrics</a> &middot; fm-node {version} &middot; this page looks again every 5 seconds</footer>\
         </body></html>",
        own = escape(own),
        state = state(shared, &status),
        session = session(&status),
        guardians = guardians(shared, &status),
        latency = latency(shared),
        checkpoints = checkpoints(shared),
        version = env!("CARGO_PKG_VERSION"),
    );
    Page { kind: "text/html; charset=utf-8", text }
}

/// Returns one line that says whether all is well.
fn state(shared: &Shared, status: &Value) -> String {
    let offline = status["federation"]["peers_offline"].as_u64().unwrap_or(0);
    let shutdown = status["federation"]["scheduled_shutdown"].as_u64();
    let (class, text) = match (stuck(shared), shutdown) {
        (Some(stuck), _) => {
            ("bad", format!("The session has made no progress for {} s: {}", stuck.seconds, stuck.reason()))
        }
        (None, _) if offline > 0 => {
            ("odd", format!("Sessions make progress; {offline} guardian(s) have no link"))
        }
        (None, Some(last)) => ("odd", format!("Stops when {last} sessions are finished")),
        (None, None) => ("good", "Sessions make progress".to_owned()),
    };
    format!("<p class=\"state {class}\">{}</p>", escape(&text))
}

fn session(status: &Value) -> String {
    let (count, session) = (&status["federation"]["session_count"], &status["session"]);
    let (round, rounds) = (session["round"].as_u64().unwrap_or(0), session["rounds"].as_u64().unwrap_or(0));
    let mut text = format!(
        "<section><h2>Open session: {count}</h2><dl><div><dt>sessions finished</dt><dd>{count}</dd></div>\
         <div><dt>round</dt><dd>{round} of {rounds}</dd></div>\
         <div><dt>items accepted</dt><dd>{}</dd></div></dl>\
         <progress max={rounds} value={round} aria-label=\"rounds of the session\"></progress>",
        session["items"]
    );
    if let Some(missing) = session["missing_signatures"].as_array() {
        let missing: Vec<String> = missing.iter().map(Value::to_string).collect();
        let _ = write!(text, "<p>The rounds are over; signatures are missing of {}.</p>", missing.join(", "));
    }
    text + "</section>"
}

fn guardians(shared: &Shared, status: &Value) -> String {
    let links = shared.peers.as_ref().map(|peers| peers.states()).unwrap_or_default();
    let mut rows = String::new();
    for (peer, endpoint) in &shared.config.consensus.api_endpoints {
        let last = &status["federation"]["status_by_peer"][peer.to_string()]["last_contribution"];
        let last = last.as_u64().map_or("none yet".to_owned(), |last| format!("session {last}"));
        let (class, link, last, queued) = match links.get(peer) {
            None => ("own", "this one", "-".to_owned(), "-".to_owned()),
            Some(link) if link.connected => ("good", "linked", last, link.queued.to_string()),
            Some(link) => ("bad", "no link", last, link.queued.to_string()),
        };
        let name = escape(&endpoint.name);
        // Writing into a String cannot fail.
        let _ = write!(
            rows,
            "<tr><td>{peer}</td><td class=name>{name}</td><td><span class={class}>{link}</span></td><td>{last}</td>\
             <td class=wide>{queued}</td></tr>"
        );
    }
    format!(
        "<section><h2>Guardians</h2><table><thead><tr><th>No</th><th>Name</th><th>Link</th>\
         <th>Last heard in</th><th class=wide>Waiting</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )
}

fn latency(shared: &Shared) -> String {
    let (counts, _) = shared.telemetry.latency.classes();
    let total: u64 = counts.iter().sum();
    let mut text = "<section><h2>Transactions submitted here</h2>".to_owned();
    if total == 0 {
        return text + "<p>None was accepted since the start.</p></section>";
    }
    let within = |percent| match shared.telemetry.latency.percentile(percent) {
        Some(end) => format!("within {}", time(Duration::from_millis(end))),
        None => "later than a minute".to_owned(),
    };
    let _ = write!(
        text,
        "<p>{total} accepted: half of them {}, 99 of 100 {}.</p><table class=bars><tbody>",
        within(50),
        within(99)
    );
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    let used = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    for (class, count) in counts.iter().enumerate().take(used + 1) {
        let label = match CLASSES.get(class) {
            Some(end) => format!("&le; {}", time(Duration::from_millis(*end))),
            None => "later".to_owned(),
        };
        let bar = match count * 100 / most {
            _ if *count == 0 => String::new(),
            width => format!("<span class=bar style=\"width:{width}%\"></span>"),
        };
        let _ = write!(text, "<tr><th>{label}</th><td>{bar}</td><td>{count}</td></tr>");
    }
    text + "</tbody></table></section>"
}

fn checkpoints(shared: &Shared) -> String {
    let ages = shared.checkpoint_ages();
    let list: Vec<String> = ages
        .iter()
        .rev()
        .map(|(session, age)| format!("<li>session {session}, {} old</li>", time(*age)))
        .collect();
    let list = match list.is_empty() {
        true => "<p>None.</p>".to_owned(),
        false => format!("<ul>{}</ul>", list.concat()),
    };
    format!("<section><h2>Checkpoints</h2>{list}</section>")
}

/// Formats a time for people.
fn time(time: Duration) -> String {
    match (time.as_millis(), time.as_secs()) {
        (ms, _) if ms < 1000 => format!("{ms} ms"),
        (_, seconds) if seconds < 120 => format!("{seconds} s"),
        (_, seconds) if seconds < 7200 => format!("{} min", seconds / 60),
        (_, seconds) => format!("{} h", seconds / 3600),
    }
}

fn escape(text: &str) -> String {
    fm_history::printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
