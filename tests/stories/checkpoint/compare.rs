//! Several guardians' states side by side: which agree, which differ, and from which session on.

use std::path::{Path, PathBuf};

use fm_forge::damage;
use fm_tests::{Run, checkpoint, converted, fixture, hbbft, rewritten, root};
use serde_json::{Value, json};

fn peer(number: u8) -> PathBuf {
    fixture("session-v0.5.0").join(format!("peer-{number}"))
}

fn compare(sources: &[&Path], exit: i32) -> (Vec<Value>, Value) {
    let mut words = vec!["compare".into(), "--json".into()];
    words.extend(sources.iter().map(|source| source.as_os_str().to_owned()));
    let run = Run::of("fm-checkpoint", &words).exits(exit);
    (run.json(), run.verdict())
}

/// Copies a guardian's database with one byte of some sessions changed.
fn forked(from: &Path, to: &Path, sessions: &[u8]) {
    let flip = |key: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        if matches!(key, [4, session] if sessions.contains(session)) {
            // Inside the first item, after count, kind and lengths.
            value[40] ^= 1;
        }
        Some((key.to_vec(), value))
    };
    damage::rewrite_and_add(&from.join("database"), to, flip, &[]).expect("it can be rewritten");
}

#[test]
fn equal_guardians_are_together_wherever_they_are() {
    let home = tempfile::tempdir().expect("a directory");
    let archive = home.path().join("1.fmar");
    checkpoint!("export", peer(1), "--to", archive).exits(0);
    let headers = home.path().join("2.fmar");
    checkpoint!("export", peer(2), "--to", headers, "--profile", "headers").exits(0);
    let behind = peer(3).join("db_checkpoints/24");
    let (lines, verdict) = compare(&[&peer(0), &archive, &headers, &behind], 0);
    assert_eq!((&verdict["verdict"], &verdict["session"]), (&"equal".into(), &Value::Null));
    assert_eq!((&verdict["common_end"], &verdict["groups"]), (&24.into(), &json!([[0, 1, 2, 3]])));
    let roots: Vec<&Value> =
        lines.iter().filter(|line| line["type"] == "source").map(|line| &line["common_root"]).collect();
    assert!(roots.iter().all(|root| **root == verdict["history_root"]), "{roots:?}");
    let alone = checkpoint!("verify", archive, "--json").exits(4).verdict();
    assert_eq!(lines[1]["history_root"], root(&alone).as_str());
    assert_ne!(lines[3]["history_root"], lines[0]["history_root"]);
    // State is compared among those at the same point: not with the one that is earlier, not with headers
    // alone.
    assert_eq!(verdict["state_compared"], json!([0, 1]));
    // Votes of the meta module are each guardian's own: they are named, and are not a difference.
    assert_eq!((&verdict["state_differs"], &verdict["tables_differ"]), (&json!([]), &json!([])));
    let desired = lines.iter().find(|line| line["table"] == "fffd012c00").expect("its table");
    assert_eq!((&desired["rows"], &desired["name"]), (&json!("own"), &json!("desired")));
    let modules: Vec<&Value> = lines.iter().filter(|line| line["type"] == "module").collect();
    assert!(modules.iter().any(|module| module["equal"] == true));
    let (_, same) = compare(&[&peer(0), &peer(0).join("database")], 0);
    assert_eq!(same["state_differs"], json!([]));
}

/// A side that lacks a session that nobody else has for comparison is not called equal; a shorter one has no
/// hole.
#[test]
fn a_hole_is_named() {
    let home = tempfile::tempdir().expect("a directory");
    let (whole, holed, beyond) =
        (home.path().join("whole.fmar"), home.path().join("holed.fmar"), home.path().join("beyond.fmar"));
    checkpoint!("export", peer(1), "--to", whole).exits(0);
    rewritten(&whole, &holed, 1 << 20, |_| {}, |row| (row.0 != [4, 9]).then_some(row));
    let moved = |mut row: (Vec<u8>, Vec<u8>)| {
        if row.0 == [4, 25] {
            row.0[1] = 27;
        }
        Some(row)
    };
    rewritten(&whole, &beyond, 1 << 20, |_| {}, moved);
    let shorter = peer(0).join("db_checkpoints/24");
    for (sources, holes) in
        [([&holed, &holed], [json!(9), json!(9)]), ([&shorter, &beyond], [Value::Null, json!(25)])]
    {
        let (lines, verdict) = compare(&sources.map(PathBuf::as_path), 4);
        assert_eq!(verdict["verdict"], "incomplete", "{sources:?}");
        assert_eq!([&lines[0]["hole"], &lines[1]["hole"]], holes.each_ref());
    }
    let text = checkpoint!("compare", shorter, beyond).exits(4).stdout;
    assert!(text.contains("INCOMPLETE: 1 lacks session 25 and has later ones"), "{text}");
    // Compared with a session that the other side has, it is a difference, as before.
    let (_, verdict) = compare(&[&peer(0), &holed], 1);
    assert_eq!((&verdict["verdict"], &verdict["session"]), (&json!("different"), &json!(9)));
    // A base for a whole archive is refused.
    let run = checkpoint!("verify", whole, "--base", whole).exits(2);
    assert!(run.sentence().contains("is not an increment: leave --base"), "{}", run.stderr);
}

#[test]
fn the_first_difference_is_named_and_who_is_off() {
    let home = tempfile::tempdir().expect("a directory");
    let (late, early) = (home.path().join("late"), home.path().join("early"));
    forked(&peer(2), &late, &[20, 22]);
    forked(&peer(3), &early, &[7]);
    let (lines, verdict) = compare(&[&late, &peer(0), &early, &peer(1), &peer(3)], 1);
    assert_eq!((&verdict["verdict"], &verdict["session"]), (&"different".into(), &7.into()));
    assert_eq!((&verdict["majority"], &verdict["groups"]), (&0.into(), &json!([[1, 3, 4], [0], [2]])));
    assert_eq!((&lines[0]["off_since"], &lines[2]["off_since"]), (&20.into(), &7.into()));
    assert_eq!(lines[1]["off_since"], Value::Null);
    assert_eq!(lines[1]["history_root"], verdict["history_root"]);
    let (_, split) = compare(&[&late, &peer(0)], 1);
    assert_eq!((&split["majority"], &split["session"]), (&Value::Null, &20.into()));
    // With two sides, nothing shows which one differs.
    let (sources, _) = compare(&[&late, &peer(0)], 1);
    assert!(sources.iter().all(|source| source["off_since"].is_null()), "{sources:?}");
    let text = checkpoint!("compare", late, peer(0)).exits(1).stdout;
    assert!(text.contains("apart      1, since session 20") && !text.contains("\noff "), "{text}");
    assert!(text.contains("which of the 2 differs is not known"), "{text}");
    let text = checkpoint!("compare", late, peer(0), early, peer(1)).exits(1).stdout;
    for line in
        ["together   1, 3", "apart      2, since session 7", "apart      0, since session 20", "no majority"]
    {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    // A missing session is a difference; a shorter history is not.
    let hole = home.path().join("hole");
    let without = |key: &[u8], value: &[u8]| (key != [4, 12]).then(|| (key.to_vec(), value.to_vec()));
    damage::rewrite_and_add(&peer(2).join("database"), &hole, without, &[]).expect("it can be rewritten");
    let (lines, verdict) = compare(&[&hole, &peer(0), &peer(1)], 1);
    assert_eq!((&verdict["session"], &lines[0]["off_since"]), (&12.into(), &12.into()));
    assert_eq!(lines[0]["history_root"], Value::Null);
}

/// An old history and its conversion are one history.
#[test]
fn eras_are_compared_by_what_they_become() {
    let home = tempfile::tempdir().expect("a directory");
    let target = home.path().join("converted");
    converted(&hbbft("peer-1"), &target);
    let (_, verdict) = compare(&[&hbbft("peer-0"), &target, &hbbft("peer-3")], 0);
    assert_eq!((&verdict["verdict"], &verdict["common_end"]), (&"equal".into(), &318.into()));
    let (_, verdict) = compare(&[&hbbft("peer-0"), &peer(0)], 1);
    assert_eq!(verdict["session"], 0);
    let (_, verdict) = compare(&[&hbbft("peer-0"), &hbbft("peer-1"), &hbbft("bad-b-item-byte")], 1);
    assert_eq!((&verdict["session"], &verdict["groups"]), (&160.into(), &json!([[0, 1], [2]])));
    checkpoint!("compare", peer(0)).exits(2);
    checkpoint!("compare", peer(0), home.path().join("nowhere")).exits(3);
}

fn checkpoints() -> [(PathBuf, PathBuf); 2] {
    let of = |federation: &str, checkpoint: &str| {
        let at = |peer: u8| fixture(federation).join(format!("peer-{peer}/db_checkpoints/{checkpoint}"));
        (at(0), at(3))
    };
    [of("session-v0.13.0", "20"), of("session-v0.13.0-iroh", "10")]
}

fn tables(lines: &[Value]) -> Vec<(String, String, u64, u64)> {
    let tables = lines.iter().filter(|line| line["type"] == "table");
    let number = |value: &Value| value.as_u64().expect("a number");
    tables
        .map(|table| {
            let text = |name: &str| table[name].as_str().expect("text").to_owned();
            (text("table"), text("rows"), number(&table["differing_rows"]), number(&table["telling_rows"]))
        })
        .collect()
}

/// Guardians of 0.13.0 at one point: rows that are each guardian's own are named, and the guardians are
/// equal.
#[test]
fn what_each_guardian_has_for_itself_is_no_difference() {
    let own = |table: &str, rows: u64| (table.to_owned(), "own".to_owned(), rows, 0);
    let expected = [
        vec![own("51", 1), own("ff0200", 3), own("ff0313", 3537)],
        vec![own("51", 1), own("ff0100", 3), own("ff0211", 1527), own("ff0212", 1527)],
    ];
    for ((one, other), expected) in checkpoints().into_iter().zip(expected) {
        let (lines, verdict) = compare(&[&one, &other], 0);
        assert_eq!(tables(&lines), expected);
        assert_eq!((&verdict["verdict"], &verdict["state_compared"]), (&json!("equal"), &json!([0, 1])));
        let versions = &lines[0]["database_versions"];
        assert!(versions["server"] == 0 && versions["3"].is_u64(), "{versions}");
        assert_eq!(versions, &lines[1]["database_versions"]);
        let text = checkpoint!("compare", one, other).exits(0).stdout;
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}\n{text}"));
        assert!(at("versions   of the databases, the same in all: server 0") < at("root  "), "{text}");
        at("signature shares of its own, which every guardian has for itself");
        at("rows that honest guardians share are equal");
        // The same holds if both are archives and the configuration is named.
        let home = tempfile::tempdir().expect("a directory");
        let archives = ["0.fmar", "3.fmar"].map(|name| home.path().join(name));
        checkpoint!("export", one, "--to", archives[0]).exits(0);
        checkpoint!("export", other, "--to", archives[1]).exits(0);
        let config = one.join("../../consensus.json");
        let run = checkpoint!("compare", archives[0], archives[1], "--config", config, "--json").exits(0);
        assert_eq!(tables(&run.json()), expected);
        // Without a configuration, nothing shows which tables guardians share: they are named, and decide
        // nothing.
        let run = checkpoint!("compare", archives[0], archives[1], "--json").exits(0);
        assert!(
            tables(&run.json())
                .iter()
                .all(|table| table.3 == 0 && (table.1 == "unknown") == table.0.starts_with("ff"))
        );
        let text = checkpoint!("compare", archives[0], archives[1]).exits(0).stdout;
        assert!(text.contains("the kind of the module is not known: --config names it"), "{text}");
    }
}

/// One byte in any row of any table, or one row less: it is found where guardians share the rows, and only
/// there.
#[test]
fn one_byte_in_a_shared_row_is_found() {
    let own = [
        ("session-v0.13.0", &["05", "06", "07", "08", "51", "ff0200", "ff0313", "ff0544"][..]),
        ("session-v0.13.0-iroh", &["05", "06", "07", "08", "51", "ff0100", "ff0211", "ff0212"]),
    ];
    for ((one, other), (federation, own)) in checkpoints().into_iter().zip(own) {
        let home = tempfile::tempdir().expect("a directory");
        let mut firsts: std::collections::BTreeMap<Vec<u8>, Vec<u8>> = std::collections::BTreeMap::new();
        for (key, _) in fm_tests::rows(&other) {
            firsts.entry(key[..if key[0] == 0xFF { 3 } else { 1 }].to_vec()).or_insert(key);
        }
        assert!(firsts.len() > 15, "{federation}: {}", firsts.len());
        for (prefix, first) in firsts {
            // The history and the versions are compared by their content.
            if [&[0x04][..], &[0x50]].contains(&prefix.as_slice()) {
                continue;
            }
            let table = hex::encode(&prefix);
            let copy = home.path().join(&table);
            let change = |key: &[u8], value: &[u8]| {
                let mut value = value.to_vec();
                match value.last_mut() {
                    _ if key != first => {}
                    Some(byte) => *byte ^= 1,
                    None => return None,
                }
                Some((key.to_vec(), value))
            };
            damage::rewrite_and_add(&other, &copy, change, &[]).expect("it can be rewritten");
            let is_own = own.contains(&table.as_str());
            let (lines, verdict) = compare(&[&one, &copy], i32::from(!is_own));
            let found = tables(&lines).into_iter().find(|found| found.0 == table);
            let found = found.unwrap_or_else(|| panic!("{federation} {table}: {lines:?}"));
            if is_own {
                assert_eq!((&found.1, found.3), (&"own".to_owned(), 0), "{federation} {table}");
                assert_eq!(verdict["tables_differ"], json!([]));
                continue;
            }
            assert_eq!(
                (&verdict["verdict"], &verdict["tables_differ"]),
                (&json!("state-differs"), &json!([table]))
            );
            assert_eq!((found.2, found.3), (1, 1), "{federation} {table}");
            let line = lines.iter().find(|line| line["table"] == *table).expect("its line");
            assert_eq!(line["first_key"], hex::encode(&first));
            let text = checkpoint!("compare", one, copy).exits(1).stdout;
            assert!(
                text.contains("verdict    STATE DIFFERS: the 2 histories are one, but 1 row(s)"),
                "{text}"
            );
            assert!(text.contains("1 row(s) DIFFER, and all honest guardians share them"), "{text}");
        }
    }
}

/// Different versions are reported first; tables that only one guardian keeps, or that only one has filled,
/// prove nothing.
#[test]
fn guardians_of_different_versions_are_compared_in_what_both_have() {
    let home = tempfile::tempdir().expect("a directory");
    let [(one, other), _] = checkpoints();
    let older = |keep: bool| {
        move |key: &[u8], value: &[u8]| match key {
            // A mint of 0.6 to 0.10, and a wallet of 0.10 whose change is not claimed yet.
            [0x50, 3 | 5] => Some((key.to_vec(), vec![2])),
            [0xFF, 3, 0x17 | 0x18, ..] | [0xFF, 5, 0x44, ..] => None,
            [0xFF, 5, 0x39, outpoint @ ..] if outpoint[32] == 1 => None,
            [0xFF, 3, 0x10, ..] if !keep => None,
            _ => Some((key.to_vec(), value.to_vec())),
        }
    };
    let copies = [true, false].map(|keep| {
        let copy = home.path().join(format!("{keep}"));
        damage::rewrite_and_add(&other, &copy, older(keep), &[]).expect("it can be rewritten");
        copy
    });
    let (lines, _) = compare(&[&one, &copies[0]], 0);
    assert_eq!(
        (&lines[0]["database_versions"]["3"], &lines[1]["database_versions"]["3"]),
        (&json!(3), &json!(2))
    );
    let apart: Vec<String> =
        tables(&lines).into_iter().filter(|table| table.1 == "other-versions").map(|table| table.0).collect();
    assert_eq!(apart, ["ff0317", "ff0318", "ff0539"]);
    let text = checkpoint!("compare", one, copies[0]).exits(0).stdout;
    assert!(text.contains("versions   of module 3 mint are not the same: 0 has 3, 1 has 2"), "{text}");
    // What both have is compared: spent notes that one guardian lacks are a difference.
    let (_, verdict) = compare(&[&one, &copies[1]], 1);
    assert_eq!((&verdict["state_differs"], &verdict["tables_differ"]), (&json!([3]), &json!(["ff0310"])));
}

/// Rows that a guardian has had since its own upgrade: fewer of them are not a fault, another value is.
#[test]
fn rows_since_an_upgrade_may_be_missing_and_not_be_others() {
    let home = tempfile::tempdir().expect("a directory");
    let [(one, other), _] = checkpoints();
    let (late, wrong) = (home.path().join("late"), home.path().join("wrong"));
    let fewer = |key: &[u8], value: &[u8]| match key {
        [0xFF, 5, 0x41, ..] | [0xFF, 5, 0x43, 0..=200, ..] => None,
        _ => Some((key.to_vec(), value.to_vec())),
    };
    damage::rewrite_and_add(&other, &late, fewer, &[]).expect("it can be rewritten");
    let (lines, verdict) = compare(&[&one, &late], 0);
    assert_eq!(verdict["verdict"], "equal");
    assert!(
        tables(&lines).iter().any(|table| table.0 == "ff0543" && table.1 == "since-upgrade" && table.2 > 50)
    );
    let (first, _) = fm_tests::rows(&other)
        .into_iter()
        .find(|(key, _)| key.starts_with(&[0xFF, 5, 0x43]))
        .expect("a row of that table");
    let changed = |key: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        if key == first {
            value[0] ^= 1;
        }
        Some((key.to_vec(), value))
    };
    damage::rewrite_and_add(&other, &wrong, changed, &[]).expect("it can be rewritten");
    let (_, verdict) = compare(&[&one, &wrong], 1);
    assert_eq!(verdict["tables_differ"], json!(["ff0543"]));
}

/// Rows of unknown tables and modules, and configurations that contradict each other: they are reported,
/// without a verdict.
#[test]
fn what_is_not_known_decides_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let [(one, other), (stranger, _)] = checkpoints();
    let strange = [
        (vec![0x42, 1], vec![1]),
        (vec![0xFF], vec![1]),
        (vec![0xFF, 3, 0x77, 1], vec![1]),
        (vec![0xFF, 9, 0x10, 1], vec![1]),
        (vec![0xFF, 0xFD], vec![1]),
    ];
    let copy = home.path().join("copy");
    let same = |key: &[u8], value: &[u8]| Some((key.to_vec(), value.to_vec()));
    damage::rewrite_and_add(&other, &copy, same, &strange).expect("it can be rewritten");
    let (lines, _) = compare(&[&one, &copy], 0);
    let unknown: Vec<String> =
        tables(&lines).into_iter().filter(|table| table.1 == "unknown").map(|table| table.0).collect();
    assert_eq!(unknown, ["42", "ff", "ff0377", "ff0910"]);
    let text = checkpoint!("compare", one, copy).exits(0).stdout;
    assert!(text.contains("whether guardians share them is not known"), "{text}");
    // Another federation's configuration names other modules, so no configuration is believed.
    let run = checkpoint!("compare", one, stranger).exits(1);
    assert!(run.stderr.contains("name other modules; no table is named after either"), "{}", run.stderr);
    checkpoint!("compare", one, other, "--config", home.path()).exits(3);
}
