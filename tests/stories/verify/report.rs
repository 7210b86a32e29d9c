//! The page that `fm-verify report` writes: it says what the audit says, is self-contained, shows text as
//! text, stays small, and is readable in a browser, on a phone, in the dark.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fm_forge::BlockSpec;
use fm_forge::damage::rewrite_and_add;
use fm_rows::Row;
use fm_tests::{
    Federation, Run, Sessions, browser, converted, copy_dir, digest, file_list, guardians, hbbft, layout,
    look, manifest, partial_of, unchanged, verify,
};
use serde_json::{Value, json};

/// Larger pages are not for people.
const MOST_BYTES: usize = 1 << 20;

fn report(source: &Path, keys: [&str; 2], html: &Path, more: &[&str]) -> Run {
    let mut words: Vec<OsString> = vec!["report".into(), source.into(), keys[0].into(), keys[1].into()];
    words.extend(["--html".into(), html.into()]);
    words.extend(more.iter().map(OsString::from));
    Run::of("fm-verify", &words)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Checks what holds for every page.
#[track_caller]
fn check_page(html: &Path) -> String {
    let page = fs::read_to_string(html).expect("the page is text");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.len() < MOST_BYTES, "{} bytes", page.len());
    for word in [
        "<script", "<link", "<img", "<iframe", "<object", "<a ", "src=\"", "href=\"", "url(", "@import",
        "http:", "https:",
    ] {
        assert!(!page.to_lowercase().contains(word), "the page has {word}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!partial_of(html).exists());
    balanced(&page);
    page
}

/// Checks that every element that is opened is closed, in order.
#[track_caller]
fn balanced(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "…{tag}"),
            None if ["!doctype", "meta"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn it_says_what_the_audit_says() {
    let home = tempfile::tempdir().expect("a directory");
    let keys = hbbft("peer-0");
    for (name, exit) in [("peer-0", 0), ("bad-a-swapped-signature", 1), ("bad-d-missing-epoch", 1)] {
        let html = home.path().join(format!("{name}.html"));
        let before = digest(&hbbft(name));
        let run = report(&hbbft(name), ["--config", text(&keys)], &html, &["--json"]).exits(exit);
        assert_eq!(digest(&hbbft(name)), before);
        let plain = verify!(hbbft(name), "--config", keys, "--json").exits(exit);
        assert_eq!(run.verdict(), plain.verdict());
        assert_eq!(run.findings(), plain.findings());
        let lines = run.json();
        let written = &lines[lines.len() - 2];
        assert_eq!(written, &json!({ "type": "written", "path": text(&html) }));
        let page = check_page(&html);
        let verdict = plain.verdict();
        for fact in [&verdict["history_root"], &verdict["keys"]["epoch_public_key"], &verdict["era"]] {
            assert!(page.contains(fact.as_str().expect("text")), "{fact}");
        }
        for finding in plain.findings() {
            let code = finding["code"].as_str().expect("text");
            assert!(page.contains(&format!("<code>{code}</code>")), "{code}");
        }
        assert_eq!(page.contains("SOUND"), exit == 0);
        assert_eq!(page.contains("class=\"mark error\""), exit == 1);
        for guardian in ["peer-0", "peer-1", "peer-2", "peer-3"] {
            assert!(page.contains(&format!("<span class=\"name\">{guardian}</span>")), "{guardian}");
        }
        // A second run makes the same page.
        let again = home.path().join("again.html");
        report(&hbbft(name), ["--config", text(&keys)], &again, &[]).exits(exit);
        assert_eq!(fs::read_to_string(&again).expect("a page"), page);
        fs::remove_file(&again).expect("it is there");
    }
}

/// A missing epoch is a gap in the timeline, and its findings are shown there and not at its neighbour.
#[test]
fn a_hole_is_a_gap_in_the_timeline() {
    let home = tempfile::tempdir().expect("a directory");
    let (keys, html) = (hbbft("peer-0"), home.path().join("page.html"));
    report(&hbbft("bad-d-missing-epoch"), ["--config", text(&keys)], &html, &[]).exits(1);
    let page = check_page(&html);
    let titles = |class: &str| -> Vec<String> {
        let rects = page.split("<rect ").filter(|rect| rect.starts_with(&format!("class=\"{class}\"")));
        let title = |rect: &str| {
            let (_, rest) = rect.split_once("<title>").expect("a title");
            rest.split_once("</title>").expect("its end").0.to_owned()
        };
        rects.map(title).collect()
    };
    // The last one is the legend's.
    assert_eq!(titles("missing"), ["epoch 160: 1 of 1: not there", "not there"]);
    let marked = titles("mark error");
    assert_eq!(marked[0], "epoch 160: not there, 1 error");
    assert!(!marked.iter().any(|title| title.starts_with("epoch 161")), "{marked:?}");
    assert!(page.contains("not there<strong>1</strong>"));
}

/// Of what guardians proposed, only what was accepted is called agreed on.
#[test]
fn transactions_are_those_that_were_accepted() {
    let home = tempfile::tempdir().expect("a directory");
    let (keys, html, target) = (hbbft("peer-0"), home.path().join("page.html"), home.path().join("new"));
    converted(&keys, &target);
    let accepted = manifest(&target)["transactions"].as_u64().expect("a number");
    // A conversion ends at the last signed epoch.
    report(&keys, ["--config", text(&keys)], &html, &["--to", "318"]).exits(4);
    let page = check_page(&html);
    let row = |name: &str, count: u64| format!("<td>{name}</td>\n<td class=\"number\">{count}</td>");
    assert!(page.contains(&row("transaction", accepted)), "{accepted}");
    let dropped = manifest(&target)["dropped"].clone();
    let count = |name: &str| dropped[name].as_u64().unwrap_or_default();
    let rest = count("transaction_rejected") + count("transaction_repeated");
    assert!(rest > 0 && page.contains(&row("transaction, rejected or repeated", rest)), "{dropped}");
}

#[test]
fn every_era_and_every_kind_of_verdict() {
    let home = tempfile::tempdir().expect("a directory");
    for folder in
        ["broadcast-v0.1.5", "aleph-a4177cea3", "session-v0.2.0-rc1", "session-v0.5.0", "synth-v0.5.0"]
    {
        let guardian = guardians(folder, home.path()).remove(0);
        let [option, value] = guardian.keys.clone();
        let keys = [option.to_str().expect("text"), value.to_str().expect("text")];
        for (more, exit, word) in [
            (&[][..], 0, "SOUND"),
            (&["--sample", "2", "--seed", "9"], 4, "SAMPLED"),
            (&["--from", "1", "--to", "2"], 4, "PARTIAL"),
        ] {
            let html = home.path().join("page.html");
            report(&guardian.path, keys, &html, more).exits(exit);
            let page = check_page(&html);
            assert!(page.contains(&format!("</span>\n{word}</h1>")), "{folder} {word}");
            let tag = guardian.verify().verdict()["keys"]["key_set_tag"].clone();
            assert!(page.contains(tag.as_str().expect("text")), "{folder}");
            fs::remove_file(&html).expect("it is there");
        }
    }
    let html = home.path().join("page.html");
    let alone = home.path().join("alone");
    copy_dir(&hbbft("peer-0").join("database"), &alone);
    let run = verify!("report", alone, "--html", html).exits(4);
    assert!(run.stdout.contains("UNPINNED"));
    let page = check_page(&html);
    assert!(page.contains("UNPINNED") && page.contains("NONE: without --config"));
    // The keys that lie beside it are named, and nothing is called proven by them.
    fs::remove_file(&html).expect("it is there");
    let run = verify!("report", hbbft("peer-0"), "--html", html).exits(4);
    assert!(run.stdout.contains("UNPINNED"));
    let page = check_page(&html);
    assert!(page.contains("UNPINNED") && !page.contains("SOUND") && page.contains("(NOT PROVEN)"));
    assert!(
        page.contains("These keys lie in the data directory that was audited, and nobody confirmed them")
    );
}

#[test]
fn a_migrated_directory_shows_both_proofs() {
    let federation = Federation::small(30);
    let dir = federation.beside("new");
    converted(&federation.guardian(), &dir);
    let html = federation.beside("page.html");
    let config = federation.config();
    report(&dir, ["--config", text(&config)], &html, &[]).exits(0);
    let page = check_page(&html);
    assert!(
        page.contains("The old proof and the new one") && page.contains("Not signed by the guardians yet")
    );
    let files: Vec<_> =
        (0..3).map(|peer| federation.attestation(&dir, peer, &format!("of-{peer}"))).collect();
    fm_tests::seal(&dir, &config, &files).exits(0);
    fs::remove_file(&html).expect("it is there");
    report(&dir, ["--config", text(&config)], &html, &[]).exits(0);
    let page = check_page(&html);
    assert!(page.contains("Sealed: ") && page.contains("each signed by 3 of 4 guardians"));
}

#[test]
fn text_from_data_is_text() {
    let home = tempfile::tempdir().expect("a directory");
    let evil = "<script>alert('x')</script>\"><img src=x onerror=y>&amp;";
    let guardian = home.path().join("<b onclick='x'>&\"dir\"");
    copy_dir(&hbbft("peer-0"), &guardian);
    let file = guardian.join("consensus.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&file).expect("a file")).expect("JSON");
    config["api_endpoints"]["0"]["name"] = json!(evil);
    config["modules"]["0"]["kind"] = json!(evil);
    fs::write(&file, config.to_string()).expect("a file");
    let html = home.path().join("page.html");
    report(&guardian, ["--config", text(&guardian)], &html, &[]).exits(0);
    let page = check_page(&html);
    let shown = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&gt;&lt;img";
    assert!(page.matches(shown).count() >= 3, "the name twice, the kind once");
    assert!(page.contains("&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;dir&quot;"));
}

#[test]
fn many_findings_are_counted_and_the_page_stays_small() {
    let good = Sessions::new(BlockSpec { items: 3, ..BlockSpec::new(layout("v0.4"), 900) });
    let copy = good.beside("copy");
    let added: Vec<Row> =
        (0..20_000u32).map(|n| ([&[0xEE][..], &n.to_be_bytes()].concat(), vec![1])).collect();
    rewrite_and_add(&good.database(), &copy, unchanged(), &added).expect("the copy");
    let html = good.beside("page.html");
    let [option, value] = good.guardian().keys;
    let keys = [option.to_str().expect("text"), value.to_str().expect("text")];
    let run = report(&copy, keys, &html, &["--json", "--strict"]).exits(1);
    assert_eq!(run.findings().len(), 20_000);
    let page = check_page(&html);
    assert!(page.contains("Warnings: 20,000") && page.contains("… and 19,800 more of them"));
    // 900 sessions in no more than 400 bars.
    let bars = page.matches("class=\"bar\"").count();
    assert!((200..=400).contains(&bars), "{bars}");
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left() {
    let home = tempfile::tempdir().expect("a directory");
    let source = home.path().join("guardian");
    copy_dir(&hbbft("peer-0"), &source);
    let keys = ["--config", text(&source)];
    let html = home.path().join("page.html");
    fs::write(&html, "mine").expect("a file");
    let run = report(&source, keys, &html, &[]).exits(2);
    assert!(run.sentence().contains("page.html"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&html).expect("a file"), "mine");
    let before = digest(&source);
    for inside in ["page.html", "database/page.html", "consensus.json"] {
        report(&source, keys, &source.join(inside), &[]).exits(2).sentence();
    }
    report(&source, keys, Path::new("/nowhere/page.html"), &[]).exits(2).sentence();
    assert_eq!(digest(&source), before);
    // A source that cannot be looked at leaves no page.
    let other = home.path().join("other.html");
    report(&home.path().join("missing"), keys, &other, &[]).exits(3).sentence();
    let left: Vec<PathBuf> =
        file_list(home.path()).into_iter().filter(|path| text(path).contains("other")).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    let run = verify!("report", source).exits(2);
    assert!(run.stderr.contains("--html"), "{}", run.stderr);
}

/// Measures how a browser renders a page at this width.
fn measured(browser: &Path, html: &Path, width: u32, dark: bool) -> Value {
    let page = fs::read_to_string(html).expect("a page");
    let more = "bars:document.querySelectorAll('rect.bar').length,\
        tall:document.querySelector('.bars').getBoundingClientRect().height";
    look(browser, &page, width, dark, "section,header,table,.row", more)
}

#[test]
fn a_browser_shows_it_wide_narrow_and_dark() {
    let Some(browser) = browser() else {
        eprintln!("no browser found: name one in FM_TEST_BROWSER");
        return;
    };
    let home = tempfile::tempdir().expect("a directory");
    let keys = hbbft("peer-0");
    for (name, exit) in [("peer-0", 0), ("bad-b-item-byte", 1)] {
        let html = home.path().join(format!("{name}.html"));
        report(&hbbft(name), ["--config", text(&keys)], &html, &[]).exits(exit);
        for width in [1280, 500] {
            let light = measured(&browser, &html, width, false);
            let number = |name: &str| light[name].as_u64().expect("a number");
            // Nothing overflows, at any width.
            assert!(number("scroll") <= number("inner"), "{name} {width}: {light}");
            assert!(number("right") <= number("inner"), "{name} {width}: {light}");
            assert!(number("thin") > 100 && number("tall") > 100, "{light}");
            assert!(light["font"].as_f64().expect("a number") >= 15.0, "{light}");
            assert!(number("bars") > 300 && number("scripts") == 1, "{light}");
            let dark = measured(&browser, &html, width, true);
            assert_ne!(light["background"], dark["background"]);
            assert_ne!(light["color"], dark["color"]);
        }
    }
}
