//! A running federation as a source: audited, shown, proven, compared and archived; with guardians that lie,
//! lag, break off or are not there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use fm_crypto::InviteCode;
use fm_eras::session;
use fm_forge::BlockSpec;
use fm_tests::{Lie, Run, Served, Sessions, checkpoint, codes, verify};
use serde_json::{Value, json};

const SESSIONS: u64 = 60;

fn sessions(guardians: u16) -> Sessions {
    let layout = session::modern();
    Sessions::new(BlockSpec { guardians, items: 5, body_bytes: 40, ..BlockSpec::new(layout, SESSIONS) })
}

struct World {
    sessions: Sessions,
    served: Served,
    keys: PathBuf,
}

impl World {
    fn new(lies: &[Lie]) -> Self {
        Self::at(5, lies)
    }

    fn at(api: u32, lies: &[Lie]) -> Self {
        let sessions = sessions(u16::try_from(lies.len()).expect("a few"));
        let keys = sessions.beside("guardian/keys.json");
        let served = Served::start(&sessions.database(), &keys, api, lies);
        Self { sessions, served, keys }
    }

    /// Returns the invite code of a guardian.
    fn code(&self, peer: u16) -> String {
        let federation = self.served.federation.clone();
        let url = self.served.urls[usize::from(peer)].clone();
        InviteCode { addresses: [(peer, url)].into(), federation, api_secret: None }.encode()
    }

    /// Audits with the federation's keys, and any guardian.
    fn audit(&self, peer: u16, more: &[&str]) -> Run {
        let mut words: Vec<OsString> =
            vec![self.code(peer).into(), "--keys".into(), self.keys.clone().into()];
        words.extend(["--json".into()]);
        words.extend(more.iter().map(OsString::from));
        Run::of("fm-verify", &words)
    }

    fn root(&self) -> Value {
        self.sessions.guardian().verify().verdict()["history_root"].clone()
    }
}

fn of(findings: &[Value], code: &str) -> Vec<Value> {
    findings.iter().filter(|finding| finding["code"] == code).cloned().collect()
}

#[test]
fn a_federation_is_audited_as_its_database_is() {
    for api in [0, 4, 5, 9] {
        let world = World::at(api, &[Lie::None; 4]);
        let run = world.audit(2, &[]).exits(0);
        assert_eq!(run.findings(), Vec::<Value>::new(), "API 0.{api}");
        let verdict = run.verdict();
        assert_eq!(verdict["source"], "running federation");
        assert_eq!((&verdict["verdict"], &verdict["history_root"]), (&json!("sound"), &world.root()));
        // All guardians were asked, in turn.
        assert!(world.served.asked.iter().all(|asked| asked.load(Relaxed) > 5), "API 0.{api}");
        let all = world.audit(0, &["--guardians", "all"]).exits(0);
        assert_eq!(all.findings(), Vec::<Value>::new());
    }
}

#[test]
fn a_federation_of_one_and_of_seven() {
    for guardians in [1, 7] {
        let world = World::new(&vec![Lie::None; guardians]);
        assert_eq!(world.audit(0, &[]).exits(0).verdict()["history_root"], world.root());
    }
}

/// What a federation states of itself proves nothing, unless the user named what pins it.
#[test]
fn keys_that_the_federation_states_are_confirmed_by_what_the_user_names() {
    let world = World::new(&[Lie::None; 4]);
    let url = &world.served.urls[0];
    let run = verify!(url, "--json").exits(4);
    let verdict = run.verdict();
    assert_eq!(verdict["verdict"], "unpinned");
    assert_eq!(verdict["keys"]["stated"], json!({ "guardians": 4, "of": 4 }));
    assert_eq!(verdict["proven_to"], Value::Null);
    let text = verify!(url).exits(4);
    assert!(text.stdout.contains("as 4 of 4 guardians state it; nobody confirmed it"), "{}", text.stdout);
    let id = verdict["federation"].as_str().unwrap();
    assert_eq!(verify!(url, "--federation-id", id, "--json").exits(0).verdict()["verdict"], "sound");
    let other = "00".repeat(32);
    let failed = verify!(url, "--federation-id", other).exits(1);
    assert!(failed.sentence().contains(&format!("and {other} was named")), "{}", failed.sentence());
    // A hash that guardians state is their word: it confirms nothing, and another one is an error.
    let stated = "ab".repeat(32);
    assert_eq!(verify!(url, "--config-hash", &stated, "--json").exits(4).verdict()["verdict"], "unpinned");
    verify!(url, "--config-hash", &stated, "--federation-id", id, "--json").exits(0);
    let failed = verify!(url, "--config-hash", &other, "--federation-id", id).exits(1);
    assert!(failed.sentence().contains("guardian 0 states abab"), "{}", failed.sentence());
    // One guardian that states other keys is named, and changes nothing.
    let world = World::new(&[Lie::None, Lie::OtherKeys, Lie::None, Lie::None]);
    let run = verify!(world.code(0), "--json").exits(4);
    assert_eq!(run.verdict()["keys"]["stated"], json!({ "guardians": 3, "of": 4 }));
    assert_eq!(codes(&run.findings()), [("guardian-config-differs".to_owned(), None)]);
    // Nor does it if it is the one that is asked first.
    let run = verify!(world.code(1), "--federation-id", id_of(&world), "--json").exits(0);
    assert_eq!(
        (run.verdict()["keys"]["stated"].clone(), run.verdict()["history_root"].clone()),
        (json!({ "guardians": 3, "of": 4 }), world.root())
    );
    // An old guardian that states no keys is no liar, and confirms none.
    let world = World::new(&[Lie::NoKeys, Lie::None, Lie::None, Lie::None]);
    let run = verify!(&world.served.urls[0], "--federation-id", id_of(&world), "--json").exits(0);
    assert_eq!(run.verdict()["keys"]["stated"], json!({ "guardians": 3, "of": 4 }));
    assert_eq!(run.findings(), Vec::<Value>::new());
    // Keys of one guardian alone are those of nobody.
    let world = World::new(&[Lie::OwnKey, Lie::None, Lie::None, Lie::None]);
    let run = verify!(&world.served.urls[0], "--federation-id", id_of(&world), "--json").exits(0);
    assert_eq!(run.verdict()["history_root"], world.root());
    let world = World::new(&[Lie::OwnKey; 4]);
    let failed = verify!(&world.served.urls[0], "--federation-id", id_of(&world)).exits(1);
    assert!(
        failed.sentence().contains("states keys of other guardians than it names"),
        "{}",
        failed.sentence()
    );
}

fn id_of(world: &World) -> String {
    hex::encode(InviteCode::parse(&world.code(2)).expect("a code").federation)
}

/// One guardian lengthens lists by their last items, which changes no header: what most return counts.
#[test]
fn a_repeated_end_from_one_guardian_changes_nothing() {
    let world = World::new(&[Lie::Repeats, Lie::None, Lie::None, Lie::None]);
    let run = world.audit(1, &[]).exits(0);
    assert_eq!((&run.verdict()["verdict"], &run.verdict()["history_root"]), (&json!("sound"), &world.root()));
    let findings = world.audit(1, &["--guardians", "all"]).exits(1).findings();
    let differs = of(&findings, "guardian-differs");
    assert!(!differs.is_empty());
    assert!(
        differs.iter().all(|found| found["message"].as_str().unwrap().contains("guardian 0")),
        "{differs:?}"
    );
}

/// One guardian lies or is not there: the result is right, and says who did what.
#[test]
fn one_guardian_lies_and_the_result_is_right() {
    let lies = [
        (Lie::ForgedSignature, Some("guardian-record-refused")),
        (Lie::CutList, Some("guardian-record-refused")),
        (Lie::OtherSession, Some("guardian-record-refused")),
        (Lie::Nonsense, Some("guardian-record-refused")),
        (Lie::FarAhead, None),
        (Lie::Lags(7), Some("guardian-behind")),
        (Lie::Down, Some("guardian-silent")),
        (Lie::Silent, None),
        (Lie::Slow(300), None),
    ];
    for api in [4, 5] {
        for (lie, code) in lies {
            let world = World::at(api, &[Lie::None, Lie::None, lie, Lie::None]);
            let start = Instant::now();
            let run = world.audit(0, &[]);
            let verdict = run.verdict();
            assert_eq!(
                (&verdict["verdict"], &verdict["history_root"]),
                (&json!("sound"), &world.root()),
                "{lie:?}"
            );
            assert_eq!(verdict["errors"], 0, "{lie:?}");
            let found: Vec<_> = run.findings().iter().map(|found| found["code"].clone()).collect();
            assert!(found.iter().all(|found| Some(found.as_str().unwrap()) == code), "{lie:?}: {found:?}");
            assert_eq!(found.is_empty(), code.is_none(), "{lie:?}");
            assert!(start.elapsed() < Duration::from_secs(40), "{lie:?}: {:?}", start.elapsed());
        }
    }
}

/// Lines that break or never end: nothing is lost, and nobody waits for long.
#[test]
fn one_line_is_bad_and_the_result_is_right() {
    for lie in [Lie::Drip, Lie::Endless, Lie::ClosesMidFrame] {
        let world = World::at(4, &[lie, Lie::None, Lie::None, Lie::None]);
        let start = Instant::now();
        let verdict = world.audit(1, &[]).exits(0).verdict();
        assert_eq!(
            (&verdict["verdict"], &verdict["history_root"]),
            (&json!("sound"), &world.root()),
            "{lie:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(60), "{lie:?}: {:?}", start.elapsed());
    }
}

#[test]
fn every_guardian_is_compared_and_who_differs_is_named() {
    let world = World::new(&[Lie::None, Lie::ForgedSignature, Lie::None, Lie::Lags(9)]);
    let findings = world.audit(0, &["--guardians", "all"]).findings();
    let refused = of(&findings, "guardian-record-refused");
    assert!(
        refused.iter().all(|found| found["message"].as_str().unwrap().contains("guardian 1")),
        "{refused:?}"
    );
    assert!(!refused.is_empty());
    let behind = of(&findings, "guardian-behind");
    assert_eq!((behind.len(), &behind[0]["severity"]), (1, &json!("warning")));
    let world = World::new(&[Lie::None, Lie::None, Lie::Down, Lie::None]);
    let findings = world.audit(0, &["--guardians", "all"]).findings();
    assert_eq!((findings.len(), &findings[0]["severity"]), (1, &json!("warning")), "{findings:?}");
}

#[test]
fn a_federation_is_shown_proven_compared_and_archived() {
    let world = World::new(&[Lie::None; 4]);
    let (url, other) = (&world.served.urls[0], &world.served.urls[1]);
    let database = world.sessions.database();
    let shown = verify!("show", url, "--session", "7", "--json").exits(0);
    let stored = verify!("show", &database, "--session", "7", "--json").exits(0);
    assert_eq!(shown.json()[0]["header_root"], stored.json()[0]["header_root"]);
    let proof = world.sessions.beside("proof.json");
    verify!("prove", url, "--session", "7", "--item", "2", "--keys", &world.keys, "--out", &proof).exits(0);
    verify!("check-proof", &proof, "--keys", &world.keys).exits(0);
    for right in [other.into(), database.clone().into_os_string()] {
        let verdict = verify!("diff", url, right, "--keys", &world.keys, "--json").exits(0).verdict();
        assert_eq!((&verdict["verdict"], &verdict["history_root"]), (&json!("equal"), &world.root()));
    }
    let page = world.sessions.beside("report.html");
    verify!("report", url, "--keys", &world.keys, "--html", &page).exits(0);
    let archive = world.sessions.beside("history.fmar");
    checkpoint!("export", url, "--profile", "history", "--to", &archive, "--keys", &world.keys).exits(0);
    let verdict = verify!(&archive, "--keys", &world.keys, "--json").exits(0).verdict();
    assert_eq!(verdict["history_root"], world.root());
    let whole =
        checkpoint!("export", url, "--to", world.sessions.beside("whole.fmar"), "--keys", &world.keys);
    whole.exits(2);
}

#[test]
fn a_part_a_sample_and_a_trust_file() {
    let world = World::new(&[Lie::None; 4]);
    let asked = || world.served.asked.iter().map(|asked| asked.load(Relaxed)).sum::<u64>();
    let part = verify!(&world.served.urls[0], "--keys", &world.keys, "--from", "50", "--json").exits(4);
    assert_eq!(part.verdict()["verdict"], "partial");
    assert!(asked() < SESSIONS / 2, "{} records were requested for ten", asked());
    assert_eq!(world.audit(0, &["--sample", "9", "--seed", "1"]).exits(4).verdict()["verdict"], "sampled");
    let file = world.sessions.beside("trust");
    let file = file.to_str().unwrap();
    world.audit(0, &["--trust-file", file]).exits(0);
    let again = world.audit(0, &["--trust-file", file]).exits(0).verdict();
    assert_eq!(again["trust_file"]["trusted"], SESSIONS);
}

#[test]
fn what_cannot_be_looked_at_is_said_in_one_sentence() {
    let world = World::new(&[Lie::Secret, Lie::None, Lie::OwnCertificate, Lie::None]);
    let code = InviteCode {
        addresses: [(0, "ws://127.0.0.1:1/".to_owned())].into(),
        federation: vec![7; 32],
        api_secret: None,
    };
    for (source, status, sentence) in [
        ("ws://127.0.0.1:1/".to_owned(), 3, "cannot connect to ws://127.0.0.1:1/"),
        ("wss://no-such-host.invalid/".to_owned(), 3, "cannot connect to wss://no-such-host.invalid/"),
        ("ws://".to_owned(), 2, "\"ws://\" is not the address of a guardian"),
        ("wss://a:b".to_owned(), 2, "\"wss://a:b\" is not the address of a guardian"),
        ("fed11qqqq".to_owned(), 2, "the invite code was changed or cut"),
        ("fedimint!".to_owned(), 2, "the invite code has a character that such codes do not have"),
        (code.encode(), 3, "cannot connect to ws://127.0.0.1:1/"),
        (world.served.urls[0].clone(), 12, "wants the federation's API secret"),
        (
            world.served.urls[2].clone(),
            3,
            "is not trusted: it was not issued by an authority that is publicly trusted",
        ),
    ] {
        let run = verify!(&source).exits(status);
        assert!(run.sentence().contains(sentence), "{source}: {}", run.sentence());
    }
    let other = InviteCode { addresses: [(1, world.served.urls[1].clone())].into(), ..code };
    let run = verify!(other.encode()).exits(1);
    assert!(run.sentence().contains("is a guardian of the federation"), "{}", run.sentence());
    let bad = verify!(&world.served.urls[1], "--federation-id", "abc").exits(2);
    assert!(bad.sentence().contains("--federation-id is not the 64 hex digits"), "{}", bad.sentence());
}

/// No guardian returns anything of use: a clear end, not an endless wait.
#[test]
fn all_return_nonsense_and_it_ends() {
    let world = World::new(&[Lie::Nonsense; 4]);
    let run = verify!(&world.served.urls[0], "--keys", &world.keys).exits(3);
    assert!(run.sentence().contains("no guardian returns session 0"), "{}", run.sentence());
}
