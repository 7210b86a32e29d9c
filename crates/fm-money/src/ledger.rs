//! The ledger: takes the accepted transactions of a history in their order.

use std::collections::BTreeMap;
use std::io;

use fm_codec::{Dialect, Encode};
use fm_history::{Hash, Transaction};
use fm_modules::lnv2::ContractName;
use fm_modules::{
    Input, Kind, Msat, NoteKey, OutPoint, Output, PayloadError, Registry, SpentNote, Stated, ln, lnv2, v0_1,
    wallet,
};

use crate::book::{Book, Denomination};
use crate::contracts::{Contracts, Overdrawn};
use crate::fees::Fees;
use crate::notes::{NoteChecks, NoteKeys};
use crate::problem::{Problem, Spot, Trouble};
use crate::seen::{Once, Repeated, Seen};

/// The rules of a federation, as its configuration states them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The fees of the modules; of an instance without fees here, transactions are not checked for balance.
    pub fees: Fees,
    /// Whether transactions may pay more than they need: since version 2.1 of the consensus.
    ///
    /// Source: fedimint-server 0.13.0, src/consensus/transaction.rs.
    pub may_overpay: bool,
    /// The keys of notes, by module; of a module without keys here, the signatures of notes are not checked.
    pub note_keys: BTreeMap<u16, NoteKeys>,
}

/// What a history says of the money of a federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The number of accepted transactions.
    pub transactions: u64,
    /// The number of transactions that were not checked for balance, because the history does not say an amount or
    /// the configuration no fee.
    pub balance_unchecked: u64,
    /// The number of spent notes whose signatures were checked.
    pub notes_checked: u64,
    /// The number of spent notes of modules whose keys are not known.
    pub notes_unchecked: u64,
    /// The books of the modules, by instance.
    pub books: BTreeMap<u16, Book>,
}

impl Statement {
    /// Returns the federation's assets less its liabilities, in msat; `None` if the history does not say them.
    pub fn net_assets(&self) -> Option<i128> {
        self.books.values().map(Book::net_assets).sum()
    }
}

/// The money of one transaction.
#[derive(Debug, Default)]
struct Balance {
    inputs: u128,
    outputs: u128,
    fees: u128,
    /// An amount or a fee is not known.
    has_unknown: bool,
}

/// Takes the accepted transactions of a history.
pub struct Ledger {
    registry: Registry,
    rules: Rules,
    notes: NoteChecks,
    books: BTreeMap<u16, Book>,
    contracts: BTreeMap<u16, Contracts>,
    seen: Seen,
    transactions: u64,
    balance_unchecked: u64,
}

impl Ledger {
    /// Begins with a federation that owns and owes nothing.
    pub fn new(registry: Registry, mut rules: Rules) -> Self {
        let notes = NoteChecks::new(std::mem::take(&mut rules.note_keys));
        let books = registry.kinds().map(|(instance, kind)| (instance, Book::new(kind.clone()))).collect();
        Self {
            registry,
            rules,
            notes,
            books,
            contracts: BTreeMap::new(),
            seen: Seen::new(),
            transactions: 0,
            balance_unchecked: 0,
        }
    }

    /// Takes the next accepted transaction, which is the item of a session with this number.
    ///
    /// # Errors
    /// If a temporary file cannot be written.
    pub fn add(
        &mut self,
        (session, item): (u64, u32),
        transaction: &Transaction,
        report: &mut dyn FnMut(Problem),
    ) -> io::Result<()> {
        let txid = transaction.txid();
        let mut balance = Balance::default();
        let spot = |is_output, index| Spot { session, item, is_output, index };
        for (index, value) in (0..).zip(&transaction.inputs) {
            let spot = spot(false, index);
            let decoded = self.registry.input(value);
            if let Some(input) = self.decoded(value.instance, spot, decoded, &mut balance, report) {
                self.add_input(value.instance, spot, &input, &mut balance, report)?;
            }
        }
        for (index, value) in (0..).zip(&transaction.outputs) {
            let spot = spot(true, index);
            let decoded = self.registry.output(value);
            if let Some(output) = self.decoded(value.instance, spot, decoded, &mut balance, report) {
                self.add_output(value.instance, (spot, txid), &output, &mut balance, report)?;
            }
        }
        self.transactions += 1;
        self.check_balance(&balance, spot(transaction.inputs.is_empty(), 0), report);
        Ok(())
    }

    /// Ends the history: reports what occurred again, and returns what the history says.
    ///
    /// # Errors
    /// If a temporary file cannot be read.
    pub fn finish(mut self, report: &mut dyn FnMut(Problem)) -> io::Result<Statement> {
        self.notes.check(report);
        let (notes_checked, notes_unchecked) = (self.notes.checked, self.notes.unchecked);
        let mut repeated = Vec::new();
        self.seen.repeated(|again| repeated.push(again))?;
        repeated.sort_unstable_by_key(|repeated| repeated.again);
        for Repeated { once, first, again } in repeated {
            let trouble = match once {
                Once::Note => Trouble::NoteSpentTwice { first },
                Once::BlindNonce => Trouble::BlindNonceRepeated { first },
                Once::Deposit => Trouble::DepositClaimedTwice { first },
            };
            report(Problem { spot: again, module: None, trouble });
        }
        let mut books = self.books;
        for (instance, contracts) in &self.contracts {
            if let Some(book) = books.get_mut(instance) {
                book.open_contracts = contracts.open();
            }
        }
        let (transactions, balance_unchecked) = (self.transactions, self.balance_unchecked);
        Ok(Statement { transactions, balance_unchecked, notes_checked, notes_unchecked, books })
    }

    /// Returns what was decoded; reports what could not be.
    fn decoded<T>(
        &mut self,
        instance: u16,
        spot: Spot,
        decoded: Result<T, PayloadError>,
        balance: &mut Balance,
        report: &mut dyn FnMut(Problem),
    ) -> Option<T> {
        let trouble = match decoded {
            Ok(payload) if self.registry.kind(instance).is_some() => return Some(payload),
            Ok(_) => Trouble::UnknownInstance,
            Err(error) => Trouble::Undecodable(error),
        };
        balance.has_unknown = true;
        // What it moves is not known: so neither is what the federation owns and owes.
        self.book(instance).undecoded += 1;
        report(Problem { spot, module: Some(instance), trouble });
        None
    }

    fn book(&mut self, instance: u16) -> &mut Book {
        self.books.entry(instance).or_insert_with(|| Book::new(Kind::Unknown(String::new())))
    }

    fn add_input(
        &mut self,
        instance: u16,
        spot: Spot,
        input: &Input,
        balance: &mut Balance,
        problems: &mut dyn FnMut(Problem),
    ) -> io::Result<()> {
        let mut report = |trouble| problems(Problem { spot, module: Some(instance), trouble });
        if matches!(input, Input::Unknown(_)) || input.unknown_variant().is_some() {
            self.book(instance).undecoded += 1;
            balance.has_unknown = true;
            return Ok(());
        }
        let amount = match input {
            Input::LnV2(lnv2::Input::V0(_)) => self.empty_contract(instance, input, &mut report),
            _ => stated(input.amount(), &mut report),
        };
        let Some(amount) = amount else {
            self.book(instance).without_amount += 1;
            balance.has_unknown = true;
            return Ok(());
        };
        let notes = input.spent_notes();
        if !notes.is_empty() {
            for note in notes {
                self.redeem(instance, spot, &note, problems)?;
            }
        } else if let Some(deposit) = input.deposit() {
            self.book(instance).deposits.add(amount);
            self.seen.note(Once::Deposit, instance, &deposit.to_bytes(Dialect::MODERN), spot)?;
        } else {
            // A contract of `lnv2` was emptied already.
            let is_emptied = matches!(input, Input::LnV2(_));
            if let Some(ContractName::Id(id)) = input.contract().filter(|_| !is_emptied)
                && let Err(Overdrawn { contract, holds }) =
                    self.contracts.entry(instance).or_default().pay_out(id, amount)
            {
                report(Trouble::ContractOverdrawn { contract, holds, taken: Some(amount) });
            }
            self.book(instance).paid_out.add(amount);
        }
        balance.inputs += u128::from(amount.0);
        let fee = self.rules.fees.get(&instance).map(|fees| fees.of_input(amount));
        self.take_fee(instance, fee, balance);
        Ok(())
    }

    fn add_output(
        &mut self,
        instance: u16,
        (spot, txid): (Spot, Hash),
        output: &Output,
        balance: &mut Balance,
        report: &mut dyn FnMut(Problem),
    ) -> io::Result<()> {
        let mut report = |trouble| report(Problem { spot, module: Some(instance), trouble });
        if matches!(output, Output::Unknown(_)) || output.unknown_variant().is_some() {
            self.book(instance).undecoded += 1;
            balance.has_unknown = true;
            return Ok(());
        }
        let Some(amount) = stated(output.amount(), &mut report) else {
            self.book(instance).without_amount += 1;
            balance.has_unknown = true;
            return Ok(());
        };
        let notes = output.issued_notes();
        if !notes.is_empty() {
            for note in notes {
                let Some(denomination) = note.amount else { continue };
                self.denomination(instance, denomination).issued += 1;
                self.seen.note(Once::BlindNonce, instance, &note.blind_nonce.0, spot)?;
            }
        } else if is_withdrawal(output) {
            self.book(instance).withdrawals.add(amount);
        } else if !is_without_money(output) {
            let contracts = self.contracts.entry(instance).or_default();
            match (output, output.contract()) {
                (Output::LnV2(_), Some(id)) => {
                    contracts.make(OutPoint { txid, index: spot.index.into() }, id, amount);
                }
                (_, Some(id)) => contracts.pay_in(id, amount),
                (_, None) => {}
            }
            self.book(instance).paid_in.add(amount);
        }
        balance.outputs += u128::from(amount.0);
        let fees = self.rules.fees.get(&instance);
        let fee = if is_without_money(output) { Some(0) } else { fees.map(|fees| fees.of_output(amount)) };
        self.take_fee(instance, fee, balance);
        Ok(())
    }

    /// Takes back a note that an input spends.
    fn redeem(
        &mut self,
        instance: u16,
        spot: Spot,
        note: &SpentNote,
        report: &mut dyn FnMut(Problem),
    ) -> io::Result<()> {
        // An amount that does not fit was reported with the input.
        let Some(denomination) = note.amount else { return Ok(()) };
        let notes = self.denomination(instance, denomination);
        notes.redeemed += 1;
        let issued = notes.issued;
        if notes.redeemed > issued {
            let trouble = Trouble::RedeemedAboveIssued { denomination, issued };
            report(Problem { spot, module: Some(instance), trouble });
        }
        self.notes.add((instance, spot), denomination, note, report);
        let nonce = match &note.nonce {
            NoteKey::Compressed(key) => key.0.as_slice(),
            NoteKey::XOnly(key) => key.0.as_slice(),
        };
        self.seen.note(Once::Note, instance, nonce, spot)
    }

    /// Empties the contract that an input names; returns what it held.
    fn empty_contract(
        &mut self,
        instance: u16,
        input: &Input,
        report: &mut dyn FnMut(Trouble),
    ) -> Option<Msat> {
        let name = input.contract()?;
        match self.contracts.entry(instance).or_default().empty(name) {
            Ok(amount) => Some(amount),
            Err(Overdrawn { contract, holds }) => {
                report(Trouble::ContractOverdrawn { contract, holds, taken: None });
                None
            }
        }
    }

    fn denomination(&mut self, instance: u16, amount: Msat) -> &mut Denomination {
        self.book(instance).denominations.entry(amount).or_default()
    }

    fn take_fee(&mut self, instance: u16, fee: Option<u128>, balance: &mut Balance) {
        match fee {
            Some(fee) => {
                self.book(instance).fees += fee;
                balance.fees += fee;
            }
            None => balance.has_unknown = true,
        }
    }

    fn check_balance(&mut self, balance: &Balance, spot: Spot, report: &mut dyn FnMut(Problem)) {
        let Balance { inputs, outputs, fees, has_unknown } = *balance;
        if has_unknown {
            self.balance_unchecked += 1;
            return;
        }
        let needed = outputs + fees;
        let is_balanced = inputs == needed || (self.rules.may_overpay && inputs > needed);
        if !is_balanced {
            let trouble = Trouble::Unbalanced { inputs, outputs, fees };
            report(Problem { spot, module: None, trouble });
        }
    }
}

/// Returns a stated amount; reports one that is too large.
fn stated(stated: Stated, report: &mut dyn FnMut(Trouble)) -> Option<Msat> {
    if stated == Stated::TooLarge {
        report(Trouble::AmountTooLarge);
    }
    stated.amount()
}

fn is_withdrawal(output: &Output) -> bool {
    matches!(
        output,
        Output::Wallet(wallet::Output::V0(_)) | Output::WalletV2(_) | Output::V0_1(v0_1::Output::Wallet(_))
    )
}

/// Returns whether an output moves no money, and costs no fee.
fn is_without_money(output: &Output) -> bool {
    use v0_1::ln::Output as First;
    matches!(
        output,
        Output::Ln(ln::Output::V0(ln::OutputV0::Offer(_) | ln::OutputV0::CancelOutgoing(_)))
            | Output::V0_1(v0_1::Output::Ln(First::Offer(_) | First::CancelOutgoing(_)))
    )
}
