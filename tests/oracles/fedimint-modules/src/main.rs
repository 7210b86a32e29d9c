//! Compares our decoding of module payloads with upstream's types of 0.5.0 and 0.13.0, on made-up payloads
//! and on changed ones.
//!
//! `fedimint-modules-oracle SEED COUNT` makes COUNT payloads of every kind and part. `fedimint-modules-oracle
//! vectors DIR` reads the payloads of real federations. `ln` and `lnv2` are compared with the feature
//! `lightning`.

mod facts;
#[path = "../../../../crates/fm-modules/tests/modules/made.rs"]
mod made;
mod upstream;

use fm_modules::{Input, Item, Kind, Outcome, Output, Part};
use made::Made;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use upstream::{Again, release_0_5, release_0_13};

const PARTS: [Part; 4] = [Part::Input, Part::Output, Part::Item, Part::Outcome];

/// What was compared.
#[derive(Default)]
struct Compared {
    accepted: usize,
    refused: usize,
    facts: usize,
    /// Accepted by upstream, which then writes other bytes: the network of an address.
    rewritten: usize,
}

/// Returns the kinds that are compared: those of Lightning need upstream's networking to be compiled.
fn kinds() -> impl Iterator<Item = Kind> {
    let is_lightning = |kind: &Kind| [Kind::Ln, Kind::LnV2].contains(kind);
    Kind::KNOWN.into_iter().filter(move |kind| cfg!(feature = "lightning") || !is_lightning(kind))
}

/// Returns our encoding of what we decode.
fn ours(kind: &Kind, part: Part, bytes: &[u8]) -> Again {
    match part {
        Part::Input => Input::decode(kind, bytes).ok().map(|input| input.to_bytes()),
        Part::Output => Output::decode(kind, bytes).ok().map(|output| output.to_bytes()),
        Part::Item => Item::decode(kind, bytes).ok().map(|item| item.to_bytes()),
        Part::Outcome => Outcome::decode(kind, bytes).ok().map(|outcome| outcome.to_bytes()),
    }
}

/// Checks that we accept what one of the releases accepts, and nothing else.
fn compare(kind: &Kind, part: Part, bytes: &[u8], compared: &mut Compared) -> bool {
    let ours = ours(kind, part, bytes);
    let (old, new) = (release_0_5(kind, part, bytes).flatten(), release_0_13(kind, part, bytes).flatten());
    let place = || format!("{kind} {part} {}", hex::encode(bytes));
    if let Some(again) = &ours {
        assert_eq!(again, bytes, "{}", place());
        assert!(old.is_some() || new.is_some(), "upstream refuses {}", place());
        let is_rewritten = [&old, &new].into_iter().flatten().all(|again| again != bytes);
        // Upstream forgets which of the test networks an address was written for.
        assert!(!is_rewritten || *kind == Kind::Wallet && part == Part::Output, "rewritten: {}", place());
        compared.rewritten += usize::from(is_rewritten);
        compared.accepted += 1;
        return true;
    }
    // Up to 0.5, variants of later versions were kept as bytes, whatever these are.
    let is_governed = |again: &Again| again.as_ref().is_some_and(|again| again == bytes);
    let has_other_forms = [Kind::LnV2, Kind::Dummy].contains(kind);
    assert!(!is_governed(&new), "we refuse {}", place());
    assert!(!is_governed(&old) || !has_other_forms, "we refuse {}", place());
    compared.refused += 1;
    false
}

fn compare_made(kind: &Kind, rng: &mut ChaCha20Rng, compared: &mut Compared) {
    let mut next = || rng.next_u64();
    let mut made = Made { next: &mut next };
    let (input, output) = (made.input(kind), made.output(kind));
    compared.facts += facts::of_input(&input) + facts::of_output(&output);
    let (item, outcome) = (made.item(kind), made.outcome(kind));
    let payloads = [input.to_bytes(), output.to_bytes(), item.to_bytes(), outcome.to_bytes()];
    for (part, bytes) in PARTS.into_iter().zip(payloads) {
        assert!(compare(kind, part, &bytes, compared), "{kind} {part}");
        for _ in 0..8 {
            let mut changed = bytes.clone();
            let at = rng.next_u64() as usize % (changed.len() + 1);
            match rng.next_u64() % 4 {
                0 => changed.truncate(at),
                1 => changed.insert(at, rng.next_u64() as u8),
                2 if at < bytes.len() => drop(changed.remove(at)),
                _ if at < bytes.len() => changed[at] ^= 1 << (rng.next_u64() % 8),
                _ => changed.push(0),
            }
            compare(kind, part, &changed, compared);
        }
    }
}

fn compare_vectors(directory: &str, compared: &mut Compared) {
    for entry in std::fs::read_dir(directory).expect("a directory of vectors") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a text");
        let (head, body) = text.split_once("\n\n").expect("a head and a body");
        let field = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name}"))
        };
        let part = PARTS.into_iter().find(|part| part.to_string() == field("part: ")).expect("a part");
        let bytes = hex::decode(body.trim()).expect("hex");
        let kind = Kind::of(field("kind: "));
        if kinds().any(|compared| compared == kind) {
            assert!(compare(&kind, part, &bytes, compared));
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut compared = Compared::default();
    match arguments.as_slice() {
        [what, directory] if what == "vectors" => compare_vectors(directory, &mut compared),
        [seed, count] => {
            let mut rng = ChaCha20Rng::seed_from_u64(seed.parse().expect("a number"));
            for _ in 0..count.parse().expect("a number") {
                for kind in kinds() {
                    compare_made(&kind, &mut rng, &mut compared);
                }
            }
        }
        _ => panic!("usage: fedimint-modules-oracle SEED COUNT | vectors DIR"),
    }
    println!(
        "{} payloads are accepted by both sides, {} refused by both; {} facts are equal; upstream rewrites {}",
        compared.accepted, compared.refused, compared.facts, compared.rewritten
    );
    assert!(compared.accepted > 0);
}
