//! A small page for a browser: sessions, the open one, the other guardians.
//!
//! Invariant: what others may have chosen, as names, is shown as text and nothing else.

use std::fmt::Write as _;

use fm_rpc::Page;
use serde_json::Value;

use crate::config::NodeConfig;

const STYLE: &str = "body{font:16px system-ui,sans-serif;margin:2rem auto;max-width:46rem;padding:0 1rem;color:#222}\
    h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;\
    border-bottom:1px solid #ddd}.down{color:#b00020;font-weight:600}.up{color:#00692b}progress{width:100%}";

/// The page of a node with that status.
pub(crate) fn render(config: &NodeConfig, status: &Value) -> Page {
    let (federation, session) = (&status["federation"], &status["session"]);
    let name = config
        .consensus
        .meta
        .get("federation_name")
        .map(|name| name.trim_matches('"'))
        .unwrap_or("federation");
    let name = escape(name);
    let (round, rounds) = (session["round"].as_u64().unwrap_or(0), session["rounds"].as_u64().unwrap_or(0));
    let mut rows = String::new();
    for (peer, endpoint) in &config.consensus.api_endpoints {
        let guardian = escape(&endpoint.name);
        let of = &federation["status_by_peer"][peer.to_string()];
        let (class, link, last) = match of["connection_status"].as_str() {
            None => ("up", "this one".to_owned(), "-".to_owned()),
            Some(link) => {
                let class = if link == "connected" { "up" } else { "down" };
                (
                    class,
                    link.to_owned(),
                    of["last_contribution"].as_u64().map_or("-".to_owned(), |last| last.to_string()),
                )
            }
        };
        // Writing into a String cannot fail.
        let _ = write!(
            rows,
            "<tr><td>{peer}</td><td>{guardian}</td><td class={class}>{link}</td><td>{last}</td></tr>"
        );
    }
    let missing = session["missing_signatures"].as_array().map_or(String::new(), |missing| {
        let missing: Vec<String> = missing.iter().map(Value::to_string).collect();
        format!("<p>The rounds are over; signatures are missing of {}.</p>", missing.join(", "))
    });
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=2><title>{name}: guardian {me}</title><style>{STYLE}</style>\
         <h1>{name}: guardian {me}</h1><p>{count} sessions finished. Session {count} is open: round {round} of {rounds}, \
         {items} items.</p><progress max={rounds} value={round}></progress>{missing}\
         <table><tr><th>No</th><th>Guardian</th><th>Link</th><th>Last contribution in session</th></tr>{rows}</table>\
         <p><a href=/metrics>metrics</a></p></html>",
        me = config.me(),
        count = federation["session_count"],
        items = session["items"],
    );
    Page { kind: "text/html; charset=utf-8", text }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
