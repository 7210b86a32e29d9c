//! The books of a real federation, and what is found if its history is tampered with. Signatures of sessions do not
//! count here: a threshold of dishonest guardians can sign anything.

use std::collections::BTreeSet;

use fm_codec::{Dialect, ModuleValue, Writer, decode_exact};
use fm_crypto::ConsensusConfig;
use fm_history::{AcceptedItem, ConsensusItem, Hash, SignedSession, Transaction};
use fm_modules::lnv2::{ContractName, InputV0, OutgoingInput, OutgoingWitness};
use fm_modules::{Input, Kind, Msat, OutPoint, Output, Registry, Stated, ln, lnv2, mint, wallet};
use fm_money::{ConfigForm, Ledger, ModuleRules, Problem, Rules, Statement, Trouble};
use fm_tests::fixture;

const FEDERATION: &str = "session-v0.13.0/peer-0";

/// The place and the transaction.
type Accepted = ((u64, u32), Transaction);

struct World {
    registry: Registry,
    rules: Rules,
    accepted: Vec<Accepted>,
}

impl World {
    fn new() -> Self {
        let text = std::fs::read_to_string(fixture(FEDERATION).join("consensus.json")).unwrap();
        let config = ConsensusConfig::parse(&text).unwrap();
        let registry = Registry::of_config(&config);
        let mut rules = Rules { may_overpay: true, ..Rules::default() };
        for (instance, kind) in registry.kinds() {
            let bytes = &config.module_configs[&instance];
            let found = ModuleRules::of_config(kind, ConfigForm::Consensus, bytes).unwrap();
            rules.fees.extend(found.fees.map(|fees| (instance, fees)));
            rules.note_keys.extend(found.note_keys.map(|keys| (instance, keys)));
        }
        let store = crate::open(&fixture(FEDERATION).join("database"));
        let mut accepted = Vec::new();
        for (session, row) in (0..).zip(store.scan_prefix(&[0x04])) {
            let outcome = decode_exact::<SignedSession>(&row.unwrap().1, Dialect::MODERN).unwrap().outcome;
            for (item, AcceptedItem { item: found, .. }) in (0..).zip(outcome.items) {
                if let ConsensusItem::Transaction(transaction) = found {
                    accepted.push(((session, item), transaction));
                }
            }
        }
        Self { registry, rules, accepted }
    }

    fn books(&self) -> (Statement, Vec<Problem>) {
        let mut ledger = Ledger::new(self.registry.clone(), self.rules.clone());
        let mut problems = Vec::new();
        for (place, transaction) in &self.accepted {
            ledger.add(*place, transaction, &mut |problem| problems.push(problem)).unwrap();
        }
        let statement = ledger.finish(&mut |problem| problems.push(problem)).unwrap();
        (statement, problems)
    }

    /// Returns the first accepted transaction with an input and an output that fit, and their numbers.
    fn find(
        &self,
        input: impl Fn(&Input) -> bool,
        output: impl Fn(&Output) -> bool,
    ) -> (usize, usize, usize) {
        let found = self.accepted.iter().enumerate().find_map(|(number, (_, transaction))| {
            let of_input =
                transaction.inputs.iter().position(|value| input(&self.registry.input(value).unwrap()))?;
            let of_output =
                transaction.outputs.iter().position(|value| output(&self.registry.output(value).unwrap()))?;
            Some((number, of_input, of_output))
        });
        found.expect("the history has such a transaction")
    }

    /// Changes the note that an input spends.
    fn change_note(&mut self, number: usize, input: usize, change: impl FnOnce(&mut mint::NoteInput)) {
        let value = &mut self.accepted[number].1.inputs[input];
        let Input::Mint(mint::Input::V0(mut note)) = self.registry.input(value).unwrap() else { panic!() };
        change(&mut note);
        value.body = Input::Mint(mint::Input::V0(note)).to_bytes();
    }

    fn change_output(&mut self, number: usize, output: usize, change: impl FnOnce(&mut Output)) {
        let value = &mut self.accepted[number].1.outputs[output];
        let mut found = self.registry.output(value).unwrap();
        change(&mut found);
        value.body = found.to_bytes();
    }

    fn instance(&self, kind: &Kind) -> u16 {
        self.registry.kinds().find(|(_, other)| *other == kind).expect("the federation has it").0
    }
}

fn is_note(input: &Input) -> bool {
    matches!(input, Input::Mint(_))
}

fn any<T>(_: &T) -> bool {
    true
}

fn name(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Undecodable(_) => "undecodable",
        Trouble::UnknownInstance => "unknown instance",
        Trouble::NoteUnsigned => "unsigned",
        Trouble::NoSuchDenomination { .. } => "no denomination",
        Trouble::NoteSpentTwice { .. } => "spent twice",
        Trouble::BlindNonceRepeated { .. } => "repeated",
        Trouble::DepositClaimedTwice { .. } => "claimed twice",
        Trouble::RedeemedAboveIssued { .. } => "above issued",
        Trouble::ContractOverdrawn { .. } => "overdrawn",
        Trouble::Unbalanced { .. } => "unbalanced",
        Trouble::AmountTooLarge => "too large",
    }
}

/// Tampers with the history; returns what is found, and that all of it is at the transaction that was changed.
#[track_caller]
fn found(change: impl FnOnce(&mut World) -> usize) -> BTreeSet<&'static str> {
    let mut world = World::new();
    let number = change(&mut world);
    let place = world.accepted[number].0;
    let problems = world.books().1;
    let at_place = |problem: &&Problem| (problem.spot.session, problem.spot.item) == place;
    let here: BTreeSet<_> = problems.iter().filter(at_place).map(|problem| name(&problem.trouble)).collect();
    assert!(!here.is_empty(), "nothing is found in {place:?}: {problems:?}");
    here
}

#[test]
fn an_honest_history_has_no_problem_and_its_books_balance() {
    let (statement, problems) = World::new().books();
    assert_eq!(problems, []);
    assert_eq!((statement.transactions, statement.balance_unchecked), (413, 0));
    assert_eq!((statement.notes_checked, statement.notes_unchecked), (3079, 0));
    // All that the federation owns beyond what it owes is what transactions paid: the fees, and what they overpaid.
    let fees: u128 = statement.books.values().map(|book| book.fees).sum();
    let net = u128::try_from(statement.net_assets().unwrap()).unwrap();
    assert!(net >= fees, "{net} < {fees}");
    assert_eq!(net, 6_696_024);
}

#[test]
fn notes_that_are_spent_twice_forged_or_of_another_amount_are_found() {
    let again = found(|world| {
        let (number, input, _) = world.find(is_note, any);
        let value = world.accepted[number].1.inputs[input].clone();
        world.accepted[number + 1].1.inputs.push(value);
        number + 1
    });
    assert_eq!(again, BTreeSet::from(["spent twice"]));
    let forged = found(|world| {
        let (number, input, _) = world.find(is_note, any);
        let mut other = None;
        world.change_note(number, input, |note| other = Some(note.note.signature));
        world.change_note(number + 1, 0, |note| note.note.signature = other.unwrap());
        number + 1
    });
    assert_eq!(forged, BTreeSet::from(["unsigned"]));
    let of_another_key = found(|world| {
        let (number, input, _) = world.find(is_note, any);
        world.change_note(number, input, |note| note.amount = Msat(note.amount.0 * 2));
        number
    });
    assert!(of_another_key.contains("unsigned"), "{of_another_key:?}");
    let of_no_key = found(|world| {
        let (number, input, _) = world.find(is_note, any);
        world.change_note(number, input, |note| note.amount = Msat(note.amount.0 + 1));
        number
    });
    assert!(of_no_key.is_superset(&BTreeSet::from(["no denomination", "above issued"])), "{of_no_key:?}");
}

#[test]
fn a_transaction_that_is_accepted_twice_is_found_in_all_its_parts() {
    let again = found(|world| {
        let number = world.find(is_note, |output| matches!(output, Output::Mint(_))).0;
        let (_, transaction) = world.accepted[number].clone();
        world.accepted.push(((99, 7), transaction));
        world.accepted.len() - 1
    });
    assert_eq!(again, BTreeSet::from(["repeated", "spent twice"]));
    let deposit = found(|world| {
        let number = world.find(|input| matches!(input, Input::Wallet(_)), any).0;
        let (_, transaction) = world.accepted[number].clone();
        world.accepted.push(((99, 7), transaction));
        world.accepted.len() - 1
    });
    assert_eq!(deposit, BTreeSet::from(["claimed twice", "repeated"]));
}

#[test]
fn transactions_that_make_money_are_found() {
    let raised = |kind: fn(&Output) -> bool, change: fn(&mut Output)| {
        found(|world| {
            let (number, _, output) = world.find(any, kind);
            world.change_output(number, output, change);
            number
        })
    };
    let unbalanced = BTreeSet::from(["unbalanced"]);
    let note = raised(
        |output| matches!(output, Output::Mint(_)),
        |output| {
            let Output::Mint(mint::Output::V0(note)) = output else { panic!() };
            note.amount = Msat(1 << 40);
        },
    );
    assert_eq!(note, unbalanced);
    let withdrawal = raised(
        |output| matches!(output, Output::Wallet(_)),
        |output| {
            let Output::Wallet(wallet::Output::V0(wallet::OutputV0::PegOut(peg_out))) = output else {
                panic!()
            };
            peg_out.amount.0 *= 2;
        },
    );
    assert_eq!(withdrawal, unbalanced);
    let contract = raised(
        |output| matches!(output, Output::Ln(ln::Output::V0(ln::OutputV0::Contract(_)))),
        |output| {
            let Output::Ln(ln::Output::V0(ln::OutputV0::Contract(contract))) = output else { panic!() };
            contract.amount.0 += 1_000_000_000;
        },
    );
    assert_eq!(contract, unbalanced);
    let contract = raised(
        |output| matches!(output, Output::LnV2(_)),
        |output| {
            let Output::LnV2(lnv2::Output::V0(lnv2::OutputV0::Outgoing(contract))) = output else { panic!() };
            contract.amount = Msat(u64::MAX);
        },
    );
    assert_eq!(contract, unbalanced);
    let without_input = found(|world| {
        let (number, input, _) = world.find(is_note, any);
        world.accepted[number].1.inputs.remove(input);
        number
    });
    assert_eq!(without_input, unbalanced);
    // Before version 2.1 of the consensus, nothing may be paid that is not needed.
    let exact = found(|world| {
        world.rules.may_overpay = false;
        let (number, _, output) = world.find(is_note, |output| matches!(output, Output::Mint(_)));
        world.accepted[number].1.outputs.remove(output);
        number
    });
    assert_eq!(exact, unbalanced);
    let too_large = raised(
        |output| matches!(output, Output::Wallet(_)),
        |output| {
            let Output::Wallet(wallet::Output::V0(wallet::OutputV0::PegOut(peg_out))) = output else {
                panic!()
            };
            peg_out.amount.0 = u64::MAX;
        },
    );
    assert_eq!(too_large, BTreeSet::from(["too large"]));
}

#[test]
fn notes_that_were_made_off_the_history_are_found_when_they_come_back() {
    let (mut world, mut dropped) = (World::new(), 0);
    // Guardians sign a deposit's notes, and leave the transaction out of the history.
    world.accepted.retain(|(_, transaction)| {
        let is_deposit = transaction.inputs.iter().any(|value| {
            let input = world.registry.input(value).unwrap();
            matches!(input, Input::Wallet(_)) && input.amount() != Stated::Nothing
        });
        dropped += usize::from(is_deposit);
        !is_deposit
    });
    let (statement, problems) = world.books();
    assert_eq!(dropped, 6);
    assert!(problems.iter().any(|problem| name(&problem.trouble) == "above issued"));
    let books: Vec<_> = statement.books.values().filter(|book| book.kind == Kind::Mint).collect();
    assert!(books[0].denominations.values().any(|notes| notes.outstanding() < 0));
}

#[test]
fn contracts_that_are_overdrawn_are_found() {
    let of_ln = found(|world| {
        let instance = world.instance(&Kind::Ln);
        let input =
            ln::Input::V0(ln::ContractInput { contract: Hash([7; 32]), amount: Msat(5), preimage: None });
        world.accepted[9].1.inputs.push(ModuleValue { instance, body: Input::Ln(input).to_bytes() });
        9
    });
    assert_eq!(of_ln, BTreeSet::from(["overdrawn"]));
    let of_lnv2 = found(|world| {
        let instance = world.instance(&Kind::LnV2);
        let contract = ContractName::OutPoint(OutPoint { txid: Hash([7; 32]), index: 0 });
        let input = InputV0::Outgoing(OutgoingInput { contract, witness: OutgoingWitness::Refund });
        let body = Input::LnV2(lnv2::Input::V0(input)).to_bytes();
        world.accepted[9].1.inputs.push(ModuleValue { instance, body });
        9
    });
    assert_eq!(of_lnv2, BTreeSet::from(["overdrawn"]));
}

#[test]
fn bytes_that_are_no_payload_and_modules_that_nobody_named_are_found() {
    for change in [
        |body: &mut Vec<u8>| body.truncate(body.len() - 1),
        |body: &mut Vec<u8>| body.push(0),
        Vec::clear,
        |body: &mut Vec<u8>| body.fill(0xFF),
        |body: &mut Vec<u8>| *body = vec![0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF],
    ] {
        let bad = found(|world| {
            let (number, input, _) = world.find(is_note, any);
            change(&mut world.accepted[number].1.inputs[input].body);
            number
        });
        assert_eq!(bad, BTreeSet::from(["undecodable"]));
    }
    let unknown = found(|world| {
        let (number, input, _) = world.find(is_note, any);
        world.accepted[number].1.inputs[input].instance = 77;
        number
    });
    assert_eq!(unknown, BTreeSet::from(["unknown instance"]));
    // What such a part moves is not known, so nothing is said of the whole.
    for change in
        [|value: &mut ModuleValue| value.instance = 77, |value: &mut ModuleValue| value.body.push(0)]
    {
        let mut world = World::new();
        let (number, input, _) = world.find(is_note, any);
        change(&mut world.accepted[number].1.inputs[input]);
        assert_eq!(world.books().0.net_assets(), None);
    }
}

#[test]
fn configurations_that_are_cut_or_of_another_kind_are_refused() {
    let text = std::fs::read_to_string(fixture(FEDERATION).join("consensus.json")).unwrap();
    let config = ConsensusConfig::parse(&text).unwrap();
    for (instance, kind) in Registry::of_config(&config).kinds() {
        let bytes = &config.module_configs[&instance];
        let of = |bytes: &[u8]| ModuleRules::of_config(kind, ConfigForm::Consensus, bytes);
        let has_rules = of(bytes).unwrap().fees.is_some();
        for end in 0..bytes.len() {
            assert_eq!(of(&bytes[..end]).is_err(), has_rules, "{kind} cut at {end}");
        }
        let mut longer = Writer::new(Dialect::MODERN);
        longer.raw(bytes);
        longer.raw(&[0]);
        assert_eq!(of(&longer.into_bytes()).is_err(), has_rules, "{kind} with one more byte");
        if *kind != Kind::LnV2 {
            let client = ModuleRules::of_config(kind, ConfigForm::Client, bytes);
            assert_eq!(client.is_err(), has_rules, "{kind} as that of clients");
        }
    }
}
