//! Made-up values in both directions: upstream decodes what we encode, and we decode what upstream encodes.

use fm_codec::{Dialect, Encode, decode_exact};
use fm_history::{AcceptedItem, ConsensusItem, SessionHeader, SignedSession, merkle_root, sha256};

use crate::made::Maker;
use crate::upstream::{Facts, Upstream, V0_5, V0_13};

/// What was compared.
#[derive(Default)]
pub struct Compared {
    pub sessions: usize,
    pub items: usize,
    pub damaged: usize,
    pub refused: usize,
}

/// Compares `cases` sessions, each with damaged copies of its encoding.
pub fn compare(seed: u64, cases: usize) -> Result<Compared, String> {
    let mut maker = Maker::new(seed);
    let mut compared = Compared::default();
    for case in 0..cases {
        let (session, index) = (maker.session(), maker.number());
        let told = |error| format!("seed {seed}, case {case}: {error}");
        same::<V0_5>(&session, index).map_err(told)?;
        same::<V0_13>(&session, index).map_err(told)?;
        let bytes = session.to_bytes(Dialect::MODERN);
        for _ in 0..4 {
            let damaged = maker.damaged(&bytes);
            let ours = decode_exact::<SignedSession>(&damaged, Dialect::MODERN);
            same_verdict::<V0_5>(&damaged, &ours).map_err(told)?;
            same_verdict::<V0_13>(&damaged, &ours).map_err(told)?;
            compared.damaged += 1;
            compared.refused += usize::from(ours.is_err());
        }
        compared.sessions += 1;
        compared.items += session.outcome.items.len();
    }
    Ok(compared)
}

/// Checks that both encode a value to the same bytes, and decode the bytes to the same value.
pub fn same<U: Upstream>(session: &SignedSession, index: u64) -> Result<(), String> {
    let ours = session.to_bytes(Dialect::MODERN);
    let theirs = U::build(session);
    let check = |holds: bool, what: &str| {
        holds.then_some(()).ok_or_else(|| format!("{} {what}: {}", U::VERSION, hex::encode(&ours)))
    };
    let encoded = U::encode(&theirs);
    check(encoded == ours, "encodes the value in another way")?;
    check(U::decode(&ours)? == theirs, "decodes our bytes to another value")?;
    let decoded =
        decode_exact::<SignedSession>(&encoded, Dialect::MODERN).map_err(|error| error.to_string())?;
    check(decoded == *session, "has a value that we decode to another one")?;
    check(U::integer(index) == integer(index), "encodes an integer in another way")?;
    same_facts(session, index, &U::facts(&theirs, index)).map_err(|what| format!("{}: {what}", U::VERSION))
}

/// Returns a session's header as we compute it.
pub fn header(session: &SignedSession, index: u64) -> [u8; 40] {
    let items = session.outcome.items.iter();
    let leaves = items.map(|item| sha256(&[&item.to_bytes(Dialect::MODERN)])).collect();
    SessionHeader { index, root: merkle_root(leaves).root }.to_bytes()
}

/// Checks that header, transaction ids and index rows are the same.
pub fn same_facts(session: &SignedSession, index: u64, theirs: &Facts) -> Result<(), String> {
    if header(session, index) != theirs.header {
        return Err(format!("the header of session {index} is another one"));
    }
    let transactions: Vec<_> = session.outcome.items.iter().filter_map(transaction_row).collect();
    if transactions != theirs.transactions {
        return Err(format!("the transactions of session {index} have other ids or index rows"));
    }
    Ok(())
}

fn transaction_row(accepted: &AcceptedItem) -> Option<([u8; 32], Vec<u8>)> {
    match &accepted.item {
        ConsensusItem::Transaction(transaction) => Some((transaction.txid().0, transaction.index_value())),
        ConsensusItem::Module(_) | ConsensusItem::Default { .. } => None,
    }
}

/// Checks that both refuse, or that both read a value that encodes to the same bytes again.
fn same_verdict<U: Upstream>(
    bytes: &[u8],
    ours: &Result<SignedSession, fm_codec::DecodeError>,
) -> Result<(), String> {
    match (ours, U::decode(bytes)) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(ours), Ok(theirs)) if U::build(ours) == theirs && U::encode(&theirs) == bytes => Ok(()),
        (ours, theirs) => {
            let (ours, theirs) = (ours.as_ref().map(drop), theirs.map(drop));
            Err(format!("we say {ours:?}, {} says {theirs:?}: {}", U::VERSION, hex::encode(bytes)))
        }
    }
}

/// Encodes an integer in our encoding.
pub fn integer(value: u64) -> Vec<u8> {
    let mut writer = fm_codec::Writer::new(Dialect::MODERN);
    writer.u64(value);
    writer.into_bytes()
}
