//! A node's reports of itself: its interface in upstream's form, metrics, the page, checkpoints on demand.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

use std::fs;
use std::time::{Duration, Instant};

use fm_client::{ClientError, Guardian, RpcError, unwrap_bytes, wait_for, wrap_bytes};
use fm_codec::{Dialect, Encode, ModuleValue};
use fm_crypto::is_signed_by;
use fm_history::{Transaction, TransactionSignature, sha256};
use fm_tests::{Nodes, browser, look, rows};
use serde_json::{Value, json};

fn call(
    nodes: &Nodes,
    peer: usize,
    method: &str,
    auth: Option<&str>,
    params: &Value,
) -> Result<Value, RpcError> {
    let guardian = Guardian::new(format!("ws://{}/", nodes.interface(peer)));
    let answer = wait_for(guardian.ask(method, auth, params, Duration::from_secs(20))).unwrap();
    answer.map_err(|error| match error {
        ClientError::Refused { source, .. } => source,
        other => panic!("{method}: {other}"),
    })
}

fn code(answer: Result<Value, RpcError>) -> i64 {
    answer.unwrap_err().code
}

fn config(nodes: &Nodes, peer: usize) -> Value {
    serde_json::from_str(&fs::read_to_string(nodes.directory(peer).join("consensus.json")).unwrap()).unwrap()
}

#[test]
fn every_method_answers_in_the_form_of_servers() {
    let mut nodes = Nodes::real();
    nodes.start_all();
    nodes.wait_for(0, 27);
    let ask = |method: &str, params: Value| call(&nodes, 0, method, None, &params).unwrap();
    assert_eq!(
        ask("version", Value::Null),
        json!({
            "core": { "core_consensus": { "major": 2, "minor": 0 }, "api": [{ "major": 0, "minor": 5 }] },
            "modules": {
                "0": { "core_consensus": { "major": 2, "minor": 0 }, "module_consensus": { "major": 2, "minor": 0 },
                       "api": [{ "major": 0, "minor": 0 }] },
                "300": { "core_consensus": { "major": 2, "minor": 0 }, "module_consensus": { "major": 0, "minor": 0 },
                         "api": [{ "major": 0, "minor": 0 }] },
            },
        })
    );
    // The bundled client.json is a real server's answer, except for the addresses.
    let client = fs::read_to_string(nodes.directory(0).join("client.json")).unwrap();
    let mut client: Value = serde_json::from_str(&client).unwrap();
    client["api_endpoints"] = config(&nodes, 0)["api_endpoints"].clone();
    assert_eq!(ask("client_config", Value::Null), client);
    let modules = json!({ "0": { "kind": "dummy", "tx_fee": 0 }, "300": { "kind": "meta" } });
    client.as_object_mut().unwrap().remove("modules");
    assert_eq!(ask("client_config_json", Value::Null), json!({ "global": client, "modules": modules }));
    for (method, digits) in [("federation_id", 64), ("server_config_consensus_hash", 64)] {
        assert_eq!(ask(method, Value::Null).as_str().unwrap().len(), digits, "{method}");
    }
    let invite = fs::read_to_string(nodes.directory(0).join("invite-code")).unwrap();
    assert_eq!(ask("invite_code", Value::Null), invite.trim());
    assert!(ask("fedimintd_version", Value::Null).as_str().unwrap().starts_with("fm-node "));
    assert!(ask("session_count", Value::Null).as_u64().unwrap() >= 27);
    let status = ask("status", Value::Null);
    assert_eq!((&status["server"], &status["session"]["stuck"]), (&json!("consensus_running"), &Value::Null));
    records_are_those_of_the_database(&nodes);
    assert_eq!(code(call(&nodes, 0, "guardian_metadata", None, &Value::Null)), RpcError::NO_METHOD);
    for params in [json!(-1), json!("x"), json!({}), Value::Null] {
        assert_eq!(code(call(&nodes, 0, "session_status", None, &params)), RpcError::BAD_PARAMETERS);
    }
    administration_needs_the_password(&nodes);
    refusals_are_wrapped(&nodes);
    announcements_are_signed_and_new(&nodes);
    nodes.shut_down();
}

fn records_are_those_of_the_database(nodes: &Nodes) {
    // The fixture's own database: the running one is in use.
    let stored = rows(&fm_tests::fixture("session-v0.5.0/peer-0/database"));
    for session in [0_u8, 7, 25] {
        let (_, record) = stored.iter().find(|(key, _)| *key == [4, session]).unwrap();
        let ask = |method: &str| call(nodes, 0, method, None, &json!(session)).unwrap();
        assert_eq!(unwrap_bytes(&ask("await_signed_session_outcome")).unwrap(), *record);
        let outcome = unwrap_bytes(&ask("await_session_outcome")).unwrap();
        assert!(record.starts_with(&outcome) && outcome.len() < record.len());
        // Variant 2, its length, the outcome.
        let status = unwrap_bytes(&ask("session_status")).unwrap();
        assert!(status[0] == 2 && status.ends_with(&outcome));
        let signed = ask("signed_session_status");
        assert!(signed[0].as_str().unwrap().len() > record.len() * 4 / 3, "base64 of all of it");
    }
    assert_eq!(call(nodes, 0, "session_status", None, &json!(9999)).unwrap(), json!(["020000"]));
}

fn administration_needs_the_password(nodes: &Nodes) {
    for method in ["audit", "auth", "shutdown", "checkpoint", "sign_api_announcement"] {
        assert_eq!(code(call(nodes, 0, method, None, &Value::Null)), RpcError::NOT_AUTHENTICATED, "{method}");
    }
    let start = Instant::now();
    assert_eq!(code(call(nodes, 0, "auth", Some("fixtur"), &Value::Null)), RpcError::NOT_AUTHENTICATED);
    assert!(start.elapsed() >= Duration::from_secs(1), "guessing is quick");
    assert_eq!(call(nodes, 0, "auth", Some("fixture"), &Value::Null), Ok(Value::Null));
    let audit = call(nodes, 0, "audit", Some("fixture"), &Value::Null).unwrap();
    assert_eq!(audit["module_summaries"]["300"], json!({ "net_assets": 0, "kind": "meta" }));
    assert!(nodes.page(0, "/metrics").contains("fm_node_wrong_passwords_total 1\n"));
}

fn refusals_are_wrapped(nodes: &Nodes) {
    let account = [&[2][..], &[1; 32]].concat();
    let spend = ModuleValue { instance: 0, body: [&[5][..], &account].concat() };
    let transaction = |inputs: Vec<ModuleValue>, outputs, signatures| Transaction {
        inputs,
        outputs,
        nonce: [7; 8],
        signature: TransactionSignature::Schnorr(signatures),
    };
    let submit = |transaction: &Transaction| {
        let params = wrap_bytes(&transaction.to_bytes(Dialect::MODERN));
        call(nodes, 0, "submit_transaction", None, &params).map(|answer| unwrap_bytes(&answer).unwrap())
    };
    // Error, its variant, the length of what follows: no funds in module 0.
    let poor = transaction(vec![spend.clone()], Vec::new(), vec![[9; 64]]);
    assert_eq!(submit(&poor), Ok(vec![0, 4, 4, 0, 2, 0, 0]));
    // Money from nothing: no inputs, outputs of 5, no fee.
    let unbalanced = transaction(Vec::new(), vec![spend.clone()], Vec::new());
    assert_eq!(submit(&unbalanced), Ok(vec![0, 0, 3, 0, 5, 0]));
    // The issuer has as much as it wants, but must sign for it.
    let issuer = issuer();
    let made = ModuleValue { instance: 0, body: [&[5][..], &issuer].concat() };
    assert_eq!(submit(&transaction(vec![made.clone()], vec![spend.clone()], Vec::new())), Ok(vec![0, 3, 0]));
    let forged = transaction(vec![made], vec![spend], vec![[9; 64]]);
    let error = submit(&forged).unwrap();
    let (text, key) = (String::from_utf8_lossy(&error).into_owned(), hex::encode(issuer));
    assert_eq!(error[..2], [0, 1]);
    for part in
        [hex::encode(forged.to_bytes(Dialect::MODERN)), hex::encode(forged.txid().0), "09".repeat(64), key]
    {
        assert!(text.contains(&part), "{part}");
    }
    assert_eq!(code(call(nodes, 0, "submit_transaction", None, &json!(["00"]))), RpcError::BAD_PARAMETERS);
    let refused = nodes.ask(0, &["submit", &hex::encode(poor.to_bytes(Dialect::MODERN))]).exits(1);
    assert!(refused.sentence().contains("module 0 does not accept an input"), "{}", refused.stderr);
}

/// Returns the public key of the ledger's issuer, whose secret everybody knows.
fn issuer() -> Vec<u8> {
    let secret = fm_crypto::SigningKey::from_bytes(*b"Money printer go brrr...........").unwrap();
    secret.public_key().to_vec()
}

/// Checks a signature according to the description: the tag, the address after its length, the number.
fn is_signed(nodes: &Nodes, peer: &str, signed: &Value) -> bool {
    let announcement = &signed["api_announcement"];
    let (url, nonce) = (announcement["api_url"].as_str().unwrap(), announcement["nonce"].as_u64().unwrap());
    let (length, nonce) = (u8::try_from(url.len()).unwrap(), u8::try_from(nonce).unwrap());
    let message = [b"fedimint-api-announcement".as_slice(), &[length], url.as_bytes(), &[nonce]].concat();
    let key = hex::decode(config(nodes, 0)["broadcast_public_keys"][peer].as_str().unwrap()).unwrap();
    let signature = hex::decode(signed["signature"].as_str().unwrap()).unwrap();
    is_signed_by(&key.try_into().unwrap(), &sha256(&[&message]).0, &signature.try_into().unwrap())
}

fn announcements_are_signed_and_new(nodes: &Nodes) {
    let announced = |peer| call(nodes, peer, "api_announcements", None, &Value::Null).unwrap();
    // Signatures that the servers made of their own addresses, which show whether the description is right.
    let servers = announced(0);
    assert_eq!(servers.as_object().unwrap().len(), 4);
    for peer in ["0", "1", "2", "3"] {
        assert!(is_signed(nodes, peer, &servers[peer]), "{servers}");
        assert_eq!(servers[peer]["api_announcement"]["nonce"], 0);
    }
    let url = "wss://elsewhere.example/";
    let sign = || call(nodes, 0, "sign_api_announcement", Some("fixture"), &json!(url)).unwrap();
    let (first, second) = (sign(), sign());
    assert_eq!(first["api_announcement"], json!({ "api_url": url, "nonce": 1 }));
    assert_eq!(second["api_announcement"]["nonce"], 2);
    assert!(is_signed(nodes, "0", &second) && !is_signed(nodes, "1", &second));
    let submit = |announcement: &Value, peer: Value| {
        let mut announcement = announcement.clone();
        announcement["peer_id"] = peer;
        call(nodes, 1, "submit_api_announcement", None, &announcement)
    };
    let mut forged = second.clone();
    forged["api_announcement"]["api_url"] = json!("wss://evil.example/");
    assert_eq!(code(submit(&forged, json!(0))), RpcError::REFUSED);
    assert_eq!(code(submit(&second, json!(2))), RpcError::REFUSED);
    assert_eq!(code(submit(&second, json!(9))), RpcError::REFUSED);
    assert_eq!(code(submit(&second, json!("0"))), RpcError::BAD_PARAMETERS);
    assert_eq!(announced(1), servers);
    for _ in 0..2 {
        assert_eq!(submit(&second, json!(0)), Ok(Value::Null));
    }
    assert_eq!(code(submit(&first, json!(0))), RpcError::REFUSED, "an older one");
    assert_eq!((&announced(1)["0"], &announced(1)["1"]), (&second, &servers["1"]));
    let bad = call(nodes, 0, "sign_api_announcement", Some("fixture"), &json!("http://x"));
    assert_eq!(code(bad), RpcError::REFUSED);
}

#[test]
fn a_checkpoint_is_made_while_the_guardian_runs() {
    let mut nodes = Nodes::new(30);
    nodes.start_all();
    nodes.wait_for(1, 2);
    nodes.ask(1, &["submit"]).exits(0);
    nodes.checkpoint_with("wrong", 1, &["create"]).exits(12).sentence();
    let elsewhere = nodes.home().join("elsewhere");
    let refused = nodes.checkpoint(1, &["create", "--to", elsewhere.to_str().unwrap()]).exits(11);
    assert!(refused.sentence().contains("makes its checkpoints itself"), "{}", refused.stderr);
    let created = nodes.checkpoint(1, &["create", "--json"]).exits(0).verdict();
    let path = created["path"].as_str().unwrap().to_owned();
    assert!(created["last"].as_u64().unwrap() >= 1 && path.contains("db_checkpoints"), "{created}");
    nodes.ask(1, &["checkpoint"]).exits(0);
    // Nobody listens: the database is in use, and nothing more can be said.
    let other = nodes.directory(2).join("consensus.json");
    let text = fs::read_to_string(&other).unwrap();
    fs::write(&other, text.replace(&nodes.interface(2), "127.0.0.1:1")).unwrap();
    nodes.checkpoint(2, &["create"]).exits(11).sentence();
    fs::write(&other, text).unwrap();
    let sessions = nodes.shut_down();
    nodes.root(sessions);
    let verdict = fm_tests::verify!(path, "--config", nodes.directory(1), "--json").exits(0).verdict();
    assert_eq!(verdict["sessions"].as_u64().unwrap(), created["last"].as_u64().unwrap() + 1);
}

#[test]
fn a_session_that_does_not_go_on_is_told_with_the_reason() {
    let mut nodes = Nodes::new(30);
    nodes.start_all();
    nodes.wait_for(0, 2);
    (0..4).for_each(|peer| nodes.kill(peer));
    (0..2).for_each(|peer| nodes.start_with(peer, &["--stuck-after", "1"], &[]));
    nodes.wait_for_log(0, "no link to guardian 2, 3");
    let status: Value = serde_json::from_str(&nodes.ask(0, &["status", "--json"]).exits(0).stdout).unwrap();
    assert_eq!(status["session"]["stuck"]["not_linked"], json!([2, 3]));
    let reported = nodes.ask(0, &["status"]).exits(0);
    assert!(reported.stdout.contains("no link to guardian 2, 3"), "{}", reported.stdout);
    assert!(nodes.page(0, "/metrics").contains("fm_node_session_stuck 1\n"));
    let page = nodes.page(0, "/");
    assert!(page.contains("made no progress") && page.contains("no link to guardian 2, 3"), "{page}");
    (2..4).for_each(|peer| nodes.start(peer));
    let finished = nodes.finished(0).unwrap();
    nodes.wait_for(0, finished + 1);
    assert!(nodes.page(0, "/metrics").contains("fm_node_session_stuck 0\n"));
    nodes.shut_down();
}

#[test]
fn metrics_and_the_page_tell_how_it_is() {
    let mut nodes = Nodes::new(30);
    // A guardian may have any name.
    for peer in 0..4 {
        let path = nodes.directory(peer).join("consensus.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("guardian-3", "<script>alert(1)</script>&\\\"'")).unwrap();
    }
    nodes.start_all();
    nodes.wait_for(0, 1);
    for _ in 0..3 {
        nodes.ask(0, &["submit"]).exits(0);
    }
    nodes.wait_for(0, 3);
    let metrics = nodes.page(0, "/metrics");
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(&format!("fm_node_{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {metrics}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("sessions") >= 3.0 && value("items_accepted_total") >= 3.0);
    assert_eq!(value("transactions_submitted_total"), 3.0);
    assert_eq!((value("accept_seconds_count"), value("accept_seconds_bucket{le=\"+Inf\"}")), (3.0, 3.0));
    assert!(value("accept_seconds_sum") > 0.0 && value("checkpoints") >= 1.0);
    assert!(metrics.contains("fm_node_checkpoint_age_seconds{session=\""), "{metrics}");
    assert_eq!((value("link_up{guardian=\"1\"}"), value("session_stuck")), (1.0, 0.0));
    // Every family is announced once, with its kind, before its rows.
    for line in metrics.lines().filter(|line| line.starts_with("# TYPE ")) {
        assert_eq!(metrics.matches(&format!("{line}\n")).count(), 1, "{line}");
    }
    let page = nodes.page(0, "/");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    let Some(browser) = browser() else {
        eprintln!("no browser found: name one in FM_TEST_BROWSER");
        nodes.shut_down();
        return;
    };
    for width in [1280, 500] {
        let more =
            "rows:document.querySelectorAll('tbody tr').length,bars:document.querySelectorAll('.bar').length";
        let light = look(&browser, &page, width, false, "section,header,table", more);
        let number = |name: &str| light[name].as_u64().unwrap();
        assert!(
            number("scroll") <= number("inner") && number("right") <= number("inner"),
            "{width}: {light}"
        );
        assert!(number("thin") > 200 && number("rows") > 4 && number("bars") > 0, "{light}");
        // The query itself is a script; the page has none.
        assert_eq!((number("scripts"), light["font"].as_f64().unwrap() >= 15.0), (1, true), "{light}");
        let dark = look(&browser, &page, width, true, "section,header,table", more);
        assert!(light["background"] != dark["background"] && light["color"] != dark["color"]);
    }
    nodes.shut_down();
}
