//! Proofs of items: every item of every small session, every changed byte, and every way to lie that the tree
//! offers.

use std::collections::{BTreeMap, BTreeSet};

use fm_eras::Layout;
use fm_evidence::{ProofError, ProvenItem, SessionProofError, check_proof, prove};
use fm_history::{BlockContent, BlockItem, Hash, PathError, merkle_path, merkle_root, sha256};
use serde::Serialize;

use fm_rows::MemoryRows;

use crate::made::{bytes, flipped, history, item, items, keys, leaf, modern, record, reseal, sign, trusted};

/// The session that the proofs are about.
const AT: u64 = 7;
/// A number whose item has a hash that begins like a 64-byte item.
pub(crate) const GROUND: u64 = 19_360_175;

fn proof(list: Vec<BlockItem>, place: usize) -> Result<String, ProofError> {
    let (layout, keys, memory) = (modern().0, keys(), MemoryRows::default());
    let record = record(AT, list, &[0, 1, 3]);
    prove(&history(&memory, layout), AT, place, &record, trusted(&keys)).map(|(text, _)| text)
}

fn check(text: &str) -> Result<ProvenItem, ProofError> {
    check_proof(text, trusted(&keys()), None)
}

/// A proof as a liar builds it, in the form of the file.
#[derive(Clone, Serialize)]
struct Lie {
    format: &'static str,
    layout: &'static str,
    index: u64,
    item: u64,
    content: Content,
    sha256: Hash,
}

#[derive(Clone, Serialize)]
struct Content {
    session: Session,
}

#[derive(Clone, Serialize)]
struct Session {
    items: u64,
    root: Hash,
    bytes: String,
    path: Vec<Hash>,
    last: Option<Last>,
    anchor: Option<ProvenPrefix>,
    signatures: BTreeMap<u16, String>,
}

#[derive(Clone, Serialize)]
struct Last {
    leaf: Hash,
    path: Vec<Hash>,
}

#[derive(Clone, Serialize)]
struct ProvenPrefix {
    item: u64,
    bytes: String,
    path: Vec<Hash>,
}

impl Lie {
    /// Returns a proof that claims that the bytes are an item of a list with these leaves.
    fn new(bytes: &[u8], place: usize, leaves: &[Hash]) -> Self {
        let last = leaves.len() - 1;
        let path = |place| merkle_path(leaves, place).unwrap();
        let root = merkle_root(leaves.to_vec()).root;
        let signatures = sign(AT, root, &[0, 1, 2]);
        let session = Session {
            items: leaves.len() as u64,
            root,
            bytes: hex::encode(bytes),
            path: path(place),
            last: (place != last).then(|| Last { leaf: leaves[last], path: path(last) }),
            anchor: None,
            signatures: signatures.iter().map(|(peer, signature)| (*peer, hex::encode(signature))).collect(),
        };
        let (format, content) = ("fedimint-history-proof 1", Content { session });
        Self { format, layout: "v0.4", index: AT, item: place as u64, content, sha256: Hash::default() }
    }

    fn edit(mut self, edit: impl FnOnce(&mut Session)) -> Self {
        edit(&mut self.content.session);
        self
    }

    fn text(&self) -> String {
        reseal(&(serde_json::to_string_pretty(self).unwrap() + "\n"))
    }

    fn check(&self) -> Result<ProvenItem, ProofError> {
        check(&self.text())
    }

    #[track_caller]
    fn refusal(&self) -> SessionProofError {
        match self.check() {
            Err(ProofError::Session(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_item_of_every_small_session_is_proven() {
    for count in 1..=17 {
        for place in 0..count {
            let proven = check(&proof(items(count), place).unwrap()).unwrap();
            assert_eq!((proven.index, proven.item, proven.count), (AT, place as u64, count as u64));
            assert_eq!(proven.facts.bytes, bytes(&items(count)[place]));
            assert_eq!(proven.signers.valid, Some(vec![0, 1, 3]));
        }
    }
    assert!(matches!(proof(items(3), 3), Err(ProofError::NoSuchItem { item: 3, count: 3 })));
    assert!(matches!(proof(items(0), 0), Err(ProofError::NoSuchItem { item: 0, count: 0 })));
}

#[test]
fn the_honest_form_is_taken() {
    let list = items(6);
    let leaves: Vec<Hash> = list.iter().map(leaf).collect();
    assert!(Lie::new(&bytes(&list[2]), 2, &leaves).check().is_ok());
}

#[test]
fn every_changed_byte_is_refused() {
    for (count, place) in [(1, 0), (5, 2), (5, 4)] {
        let text = proof(items(count), place).unwrap();
        for (at, changed) in flipped(&text) {
            assert!(check(&changed).is_err(), "byte {at} of\n{text}");
        }
        for end in 0..text.len() {
            assert!(check(&text[..end]).is_err(), "cut at {end}");
        }
        assert!(check(&format!("{text} ")).is_err() && check(&format!("{text}{text}")).is_err());
    }
}

/// The right digest on a modified file does not change what the file proves.
#[test]
fn a_new_digest_does_not_help() {
    let text = proof(items(5), 2).unwrap();
    let honest = check(&text).unwrap();
    let mut taken = 0;
    for (at, changed) in flipped(&text) {
        let Ok(proven) = check(&reseal(&changed)) else { continue };
        taken += 1;
        assert_eq!((proven.index, proven.item, proven.count), (AT, 2, 5), "byte {at}");
        assert_eq!((&proven.facts, proven.hash), (&honest.facts, honest.hash), "byte {at}");
        assert_eq!(proven.signers, honest.signers, "byte {at}");
    }
    // The bytes of the digest itself, and the name of a layout with the same records.
    assert!(taken >= 64 * 2, "{taken}");
}

#[test]
fn another_place_or_number_is_refused() {
    let list = items(6);
    let leaves: Vec<Hash> = list.iter().map(leaf).collect();
    let honest = Lie::new(&bytes(&list[2]), 2, &leaves);
    for item in (0..9).filter(|item| *item != 2) {
        assert!(Lie { item, ..honest.clone() }.check().is_err(), "item {item}");
    }
    for items in (0..20).filter(|items| *items != 6) {
        assert!(honest.clone().edit(|session| session.items = items).check().is_err(), "{items} items");
        assert!(
            honest.clone().edit(|session| (session.items, session.last) = (items, None)).check().is_err()
        );
    }
    for index in [0, AT - 1, AT + 1, u64::MAX] {
        let error = Lie { index, ..honest.clone() }.check();
        assert!(matches!(error, Err(ProofError::Unsigned { .. })), "session {index}: {error:?}");
    }
    let refusal = honest.clone().edit(|session| session.last = None).refusal();
    assert!(matches!(refusal, SessionProofError::Superfluous { part: "last", .. }), "{refusal}");
    for signers in [&[][..], &[0], &[0, 1]] {
        let too_few =
            honest.clone().edit(|session| session.signatures.retain(|peer, _| signers.contains(peer)));
        assert!(matches!(too_few.check(), Err(ProofError::Unsigned { .. })), "{signers:?}");
    }
    let short = honest.edit(|session| drop(session.signatures.insert(3, "00".repeat(63))));
    assert_eq!(short.refusal(), SessionProofError::Signature { peer: 3 });
}

fn is_repeated_tail(refusal: &SessionProofError) -> bool {
    matches!(refusal, SessionProofError::Path { source: PathError::RepeatedTail { .. }, .. })
}

/// Items before a repeated tail are proven as items of the list without the tail; items of the tail are
/// refused.
#[test]
fn a_repeated_tail() {
    let short = items(5);
    let long = [short.as_slice(), &short[4..]].concat();
    let leaves: Vec<Hash> = long.iter().map(leaf).collect();
    assert_eq!(merkle_root(leaves.clone()).root, merkle_root(leaves[..5].to_vec()).root);
    for place in 0..5 {
        assert_eq!(proof(long.clone(), place).unwrap(), proof(short.clone(), place).unwrap(), "item {place}");
        assert_eq!(check(&proof(long.clone(), place).unwrap()).unwrap().count, 5);
    }
    assert!(matches!(
        proof(long.clone(), 5),
        Err(ProofError::Session(SessionProofError::Repeated { item: 5, stored: 6, certain: 5 }))
    ));
    assert!(matches!(proof(long.clone(), 6), Err(ProofError::NoSuchItem { item: 6, count: 6 })));
    for (place, item) in long.iter().enumerate() {
        let refusal = Lie::new(&bytes(item), place, &leaves).refusal();
        assert!(is_repeated_tail(&refusal), "item {place}: {refusal}");
    }
}

/// Tests every list of few different items, together with every list that has the same header. An item is
/// proven exactly where all of these lists have it, with the number of items that all of them have, and
/// nowhere else, whatever a liar claims about number and place.
#[test]
fn only_what_every_list_with_the_header_has_is_proven() {
    let letters = items(2);
    let mut lists = vec![vec![]];
    let mut by_root: BTreeMap<Hash, Vec<Vec<usize>>> = BTreeMap::new();
    for _ in 0..7 {
        lists = lists
            .iter()
            .flat_map(|list| [0, 1].map(|letter| [list.as_slice(), &[letter]].concat()))
            .collect();
        for list in &lists {
            let leaves: Vec<Hash> = list.iter().map(|letter| leaf(&letters[*letter])).collect();
            by_root.entry(merkle_root(leaves).root).or_default().push(list.clone());
        }
    }
    let (mut repeated, mut refused) = (0, 0);
    for lists in by_root.values() {
        let in_all = |place: usize| lists.iter().all(|list| list.get(place) == lists[0].get(place));
        let certain = (0..7).take_while(|place| in_all(*place) && lists[0].len() > *place).count();
        for list in lists {
            let given: Vec<BlockItem> = list.iter().map(|letter| letters[*letter].clone()).collect();
            let leaves: Vec<Hash> = given.iter().map(leaf).collect();
            for (place, item) in given.iter().enumerate() {
                match proof(given.clone(), place) {
                    Ok(text) => {
                        let proven = check(&text).unwrap();
                        assert_eq!((proven.item, proven.count), (place as u64, certain as u64), "{list:?}");
                        assert_eq!(proven.facts.bytes, bytes(item), "{list:?}");
                        assert!(place < certain, "item {place} of {list:?}, of {lists:?}");
                    }
                    Err(ProofError::Session(SessionProofError::Repeated { .. })) => {
                        assert!(place >= certain, "item {place} of {list:?}, of {lists:?}");
                        repeated += 1;
                    }
                    Err(error) => panic!("item {place} of {list:?}: {error}"),
                }
                // For short lists all lies; for longer lists those about items that are not certain.
                if list.len() <= 5 || place >= certain {
                    refused += lies_about(&Lie::new(&bytes(item), place, &leaves), &leaves, certain as u64);
                }
            }
        }
    }
    assert!(repeated > 20 && refused > 10_000, "{repeated} {refused}");
}

/// Claims other numbers of items and places around the true ones, with every path that the list has for a
/// last item. Returns how many claims are refused.
fn lies_about(lie: &Lie, leaves: &[Hash], certain: u64) -> usize {
    let (mut refused, length) = (0, leaves.len() as u64);
    let ends: Vec<Option<Last>> = (0..leaves.len())
        .map(|place| Some(Last { leaf: leaves[place], path: merkle_path(leaves, place).unwrap() }))
        .chain([None])
        .collect();
    let numbers: BTreeSet<u64> = [certain - 1, certain, certain + 1, length, length + 1].into();
    for (items, item) in numbers
        .iter()
        .flat_map(|items| [lie.item.saturating_sub(1), lie.item, lie.item + 1].map(|item| (*items, item)))
    {
        for last in &ends {
            let reported = Lie { item, ..lie.clone() }.edit(|session| {
                (session.items, session.last) = (items, last.clone());
            });
            match reported.check() {
                Ok(proven) => {
                    assert_eq!((items, proven.count), (certain, certain), "{leaves:?}");
                    let place = usize::try_from(item).unwrap();
                    assert_eq!(sha256(&[&proven.facts.bytes]), leaves[place], "{item} of {leaves:?}");
                    assert!(item < certain, "{item} of {leaves:?}");
                }
                Err(ProofError::Session(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    refused
}

/// The bytes are an inner node of the signed tree and decode as an item.
#[test]
fn an_inner_node_is_no_item() {
    let (other, node) = (0u32..)
        .find_map(|number| {
            let pair = [item(&number.to_be_bytes(), 1), item(b"another", 2)];
            let node = [leaf(&pair[0]).0, leaf(&pair[1]).0].concat();
            let is_item = fm_eras::block::decode_accepted_item(&node, modern().1).is_ok();
            is_item.then_some((pair, node))
        })
        .unwrap();
    let leaves: Vec<Hash> = other.iter().map(leaf).collect();
    let root = merkle_root(leaves).root;
    let lie = Lie::new(&node, 0, &[root]);
    assert_eq!(lie.refusal(), SessionProofError::NoAnchor);
    // An anchor that has that length itself, or that is not in the list, does not help either.
    let anchor = ProvenPrefix { item: 0, bytes: hex::encode(&node), path: vec![] };
    assert_eq!(
        lie.clone().edit(|session| session.anchor = Some(anchor)).refusal(),
        SessionProofError::NoAnchor
    );
    let anchor = ProvenPrefix { item: 0, bytes: hex::encode(bytes(&other[0])), path: vec![] };
    let refusal = lie.edit(|session| session.anchor = Some(anchor)).refusal();
    assert!(matches!(refusal, SessionProofError::OtherRoot { part: "anchor", .. }), "{refusal}");
}

/// An item of 64 bytes is proven only together with an item that cannot be an inner node.
#[test]
fn an_item_as_long_as_a_node() {
    let long = item(&[5; 59], 1);
    assert_eq!(bytes(&long).len(), 64);
    for place in 0..3 {
        let mut list = items(4);
        list[place] = long.clone();
        let proven = check(&proof(list.clone(), place).unwrap()).unwrap();
        assert_eq!((proven.item, proven.count, &proven.facts.bytes), (place as u64, 4, &bytes(&long)));
        let leaves: Vec<Hash> = list.iter().map(leaf).collect();
        assert_eq!(Lie::new(&bytes(&long), place, &leaves).refusal(), SessionProofError::NoAnchor);
    }
    let error = proof(vec![long.clone()], 0).unwrap_err();
    assert!(matches!(error, ProofError::Session(SessionProofError::NoAnchor)), "{error}");
    // An anchor that is not needed is refused.
    let list = items(4);
    let leaves: Vec<Hash> = list.iter().map(leaf).collect();
    let anchor =
        ProvenPrefix { item: 1, bytes: hex::encode(bytes(&list[1])), path: merkle_path(&leaves, 1).unwrap() };
    let refusal =
        Lie::new(&bytes(&list[0]), 0, &leaves).edit(|session| session.anchor = Some(anchor)).refusal();
    assert!(matches!(refusal, SessionProofError::Superfluous { part: "anchor", .. }), "{refusal}");
}

/// A signed item of 64 bytes consists of the hashes of two others: these two are not items of the session.
#[test]
fn what_is_below_an_item_is_no_item() {
    // Found by search: the hash of the item begins like an item of module space.
    let below = [item(&GROUND.to_be_bytes(), 1), item(b"the right one", 2)];
    let leaves: Vec<Hash> = below.iter().map(leaf).collect();
    let node = [leaves[0].0, leaves[1].0].concat();
    let decoded = fm_eras::block::decode_accepted_item(&node, modern().1).unwrap();
    assert!(matches!(decoded.content, BlockContent::Module(_)), "{decoded:?}");
    assert_eq!(merkle_root(leaves.clone()).root, sha256(&[&node]));
    assert_eq!(Lie::new(&bytes(&below[0]), 0, &leaves).refusal(), SessionProofError::Shallow { level: 1 });
    // The name of another layout, in which the signed item is not an item, does not help either.
    for name in ["v0.2", "d65634ad2", "67f1ed59c", "4946b58de", "8f3c39b54", "a4177cea3"] {
        let lie = Lie { layout: name, ..Lie::new(&bytes(&below[0]), 0, &leaves) };
        assert!(lie.check().is_err(), "{name}");
    }
}

/// An item of one module in the current layout is an item of another module in a layout of 2023, so the file
/// alone does not prove which one it is.
#[test]
fn an_item_that_reads_differently() {
    let twofold = item(&[9], 2);
    let BlockContent::Module(mut value) = twofold.content.clone() else { panic!("an item of a module") };
    value.instance = 2;
    let twofold = BlockItem { content: BlockContent::Module(value), ..twofold };
    let list = [twofold.clone(), item(b"another", 1)];
    let leaves: Vec<Hash> = list.iter().map(leaf).collect();
    let honest = Lie::new(&bytes(&twofold), 0, &leaves);
    let lie = Lie { layout: "e88ce4abe", ..honest.clone() };
    for file in [&honest, &lie] {
        let refusal = file.refusal();
        assert!(matches!(refusal, SessionProofError::OtherReading { part: "bytes", .. }), "{refusal}");
    }
    // A checker who knows the layout has no doubt.
    let known = |lie: &Lie, name: &str| {
        let layout = Layout::by_name(name).unwrap();
        check_proof(&lie.text(), trusted(&keys()), Some(&layout))
    };
    assert_eq!(known(&honest, "v0.4").unwrap().facts.kind, known(&honest, "v0.2").unwrap().facts.kind);
    assert!(matches!(known(&lie, "v0.4"), Err(ProofError::OtherLayout { .. })));
    assert!(matches!(known(&honest, "e88ce4abe"), Err(ProofError::OtherLayout { .. })));
    // The other item of the session reads the same everywhere.
    assert!(Lie::new(&bytes(&list[1]), 1, &leaves).check().is_ok());
}

#[test]
fn other_keys_and_other_files() {
    let text = proof(items(3), 1).unwrap();
    let stranger = fm_crypto::SigningKey::from_bytes([99; 32]).unwrap().public_key();
    let other = fm_crypto::SessionKeys::new(&BTreeMap::from([(0, stranger)])).unwrap();
    assert!(matches!(check_proof(&text, trusted(&other), None), Err(ProofError::Unsigned { .. })));
    assert_eq!(
        check_proof(&text, fm_audit::TrustedKeys::default(), None).unwrap().signers.threshold_met,
        None
    );
    for layout in ["v0.9", "", "bigsize", "fixed-le"] {
        let renamed = reseal(&text.replace("\"v0.4\"", &format!("{layout:?}")));
        assert!(matches!(check(&renamed), Err(ProofError::Layout { .. })), "{layout}");
    }
    for garbage in ["", "{}", "[]", "null", "\"\"", "fedimint-history-proof 1"] {
        assert!(matches!(check(garbage), Err(ProofError::Form(_))), "{garbage}");
    }
    let versions = reseal(&text.replace("history-proof 1", "history-proof 2"));
    assert!(matches!(check(&versions), Err(ProofError::Form(_))));
    assert!(Layout::by_name("v0.4").is_some());
}
