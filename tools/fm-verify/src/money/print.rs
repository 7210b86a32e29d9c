//! The books for people, and as NDJSON.

use fm_cli::{Failure, Output, group_digits, root_line};
use fm_money::{Book, Statement};
use serde::Serialize;

use crate::ruling::Ruling;
use crate::verdict::Judgement;

#[derive(Serialize)]
struct DenominationLine<'a> {
    r#type: &'static str,
    module: u16,
    kind: &'a str,
    msat: u64,
    issued: u64,
    redeemed: u64,
    outstanding: Option<i64>,
}

#[derive(Serialize)]
struct ModuleLine<'a> {
    r#type: &'static str,
    module: u16,
    kind: &'a str,
    assets_msat: Option<i64>,
    liabilities_msat: Option<i64>,
    net_assets_msat: Option<i64>,
    /// Why an amount is null.
    reason: Option<&'static str>,
    fees_msat: Option<i64>,
    deposits: u64,
    withdrawals: u64,
    open_contracts: u64,
    undecoded: u64,
}

#[derive(Serialize)]
struct VerdictLine {
    r#type: &'static str,
    verdict: Ruling,
    /// The last session.
    session: Option<u64>,
    history_root: Option<String>,
    transactions: u64,
    /// The number of transactions that were not checked for balance.
    balance_unchecked: u64,
    /// The number of spent notes whose signatures were checked, and of those of modules whose keys are not known.
    notes_checked: u64,
    notes_unchecked: u64,
    net_assets_msat: Option<i64>,
    /// Whether the assets cover the liabilities.
    covered: Option<bool>,
    errors: u64,
    warnings: u64,
}

/// Prints the books; `words` is the verdict for people, and `None` for programs.
pub(crate) fn statement(
    output: &mut Output,
    statement: &Statement,
    judgement: &Judgement<'_>,
    words: Option<&str>,
) -> Result<(), Failure> {
    let net = statement.net_assets();
    let Some(words) = words else {
        for (module, book) in &statement.books {
            lines(output, *module, book)?;
        }
        let verdict = &judgement.verdict;
        return output.json(&VerdictLine {
            r#type: "verdict",
            verdict: verdict.verdict,
            session: verdict.last,
            history_root: verdict.history_root.clone(),
            transactions: statement.transactions,
            balance_unchecked: statement.balance_unchecked,
            notes_checked: statement.notes_checked,
            notes_unchecked: statement.notes_unchecked,
            net_assets_msat: net.and_then(small),
            covered: net.map(|net| net >= 0),
            errors: verdict.errors,
            warnings: verdict.warnings,
        });
    };
    for (module, book) in &statement.books {
        people(output, *module, book)?;
    }
    summary(output, statement, judgement, words)
}

fn lines(output: &mut Output, module: u16, book: &Book) -> Result<(), Failure> {
    let kind = book.kind.name();
    for (amount, notes) in &book.denominations {
        output.json(&DenominationLine {
            r#type: "denomination",
            module,
            kind,
            msat: amount.0,
            issued: notes.issued,
            redeemed: notes.redeemed,
            outstanding: small(notes.outstanding()),
        })?;
    }
    output.json(&ModuleLine {
        r#type: "module",
        module,
        kind,
        assets_msat: book.assets().and_then(small),
        liabilities_msat: book.liabilities().and_then(small),
        net_assets_msat: book.net_assets().and_then(small),
        reason: book.reason(),
        fees_msat: book.fees.try_into().ok(),
        deposits: book.deposits.count,
        withdrawals: book.withdrawals.count,
        open_contracts: book.open_contracts,
        undecoded: book.undecoded,
    })
}

fn people(output: &mut Output, module: u16, book: &Book) -> Result<(), Failure> {
    if book.denominations.is_empty() && book.assets() == Some(0) && book.liabilities() == Some(0) {
        return Ok(());
    }
    let amount = |amount: Option<i128>| amount.map_or_else(|| "not known".to_owned(), sat);
    output.line(&format!(
        "module     {module} ({}): assets {}, liabilities {}",
        book.kind,
        amount(book.assets()),
        amount(book.liabilities())
    ))?;
    if let Some(reason) = book.reason() {
        output.line(&format!("           {reason}"))?;
    }
    for (name, flow) in [("deposits", book.deposits), ("withdrawals", book.withdrawals)] {
        if flow.count > 0 {
            let sum = i128::try_from(flow.msat).unwrap_or(i128::MAX);
            output.line(&format!("           {} {name}, {}", group_digits(flow.count), sat(sum)))?;
        }
    }
    if book.open_contracts > 0 {
        output.line(&format!("           {} open contracts", group_digits(book.open_contracts)))?;
    }
    if !book.denominations.is_empty() {
        output.line(&format!(
            "{:>24} {:>12} {:>12} {:>12}",
            "note, msat", "issued", "redeemed", "outstanding"
        ))?;
    }
    for (amount, notes) in &book.denominations {
        output.line(&format!(
            "{:>24} {:>12} {:>12} {:>12}",
            group_digits(amount.0),
            group_digits(notes.issued),
            group_digits(notes.redeemed),
            grouped(notes.outstanding())
        ))?;
    }
    Ok(())
}

fn summary(
    output: &mut Output,
    statement: &Statement,
    judgement: &Judgement<'_>,
    words: &str,
) -> Result<(), Failure> {
    let verdict = &judgement.verdict;
    output.line(&format!("accepted   {} transactions", group_digits(statement.transactions)))?;
    if statement.balance_unchecked > 0 {
        let count = group_digits(statement.balance_unchecked);
        output.line(&format!(
            "           {count} of them not checked for balance: an amount or a fee is not known"
        ))?;
    }
    if statement.notes_checked > 0 {
        let count = group_digits(statement.notes_checked);
        output.line(&format!("notes      the signatures of {count} spent notes checked"))?;
    }
    if statement.notes_unchecked > 0 {
        let count = group_digits(statement.notes_unchecked);
        output.line(&format!("notes      {count} spent notes are of modules whose keys are not known"))?;
    }
    if let (Some(root), Some(last)) = (&verdict.history_root, verdict.last) {
        output.line(&root_line(root, last))?;
    }
    let net = match statement.net_assets() {
        Some(net) if net >= 0 => format!("COVERED: assets exceed liabilities by {}", sat(net)),
        Some(net) => format!("NOT COVERED: liabilities exceed assets by {}", sat(-net)),
        None => "NOT KNOWN whether assets cover liabilities".to_owned(),
    };
    output.line("limits     by history alone: notes that guardians sign off the history show only when they are redeemed")?;
    output.line(&format!("money      {net}"))?;
    output.line(&format!("verdict    {words}"))
}

/// Returns an amount as a number of JSON; `None` if it is more than there can be.
fn small(amount: i128) -> Option<i64> {
    amount.try_into().ok()
}

fn grouped(number: i128) -> String {
    let digits = group_digits(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX));
    if number < 0 { format!("-{digits}") } else { digits }
}

/// Shows an amount in sat, with the millisatoshi as a fraction if there are any.
fn sat(msat: i128) -> String {
    let (whole, rest) = (msat.unsigned_abs() / 1000, msat.unsigned_abs() % 1000);
    let sign = if msat < 0 { "-" } else { "" };
    let whole = group_digits(u64::try_from(whole).unwrap_or(u64::MAX));
    if rest == 0 { format!("{sign}{whole} sat") } else { format!("{sign}{whole}.{rest:03} sat") }
}
