//! The signatures of the notes that come back: checked many together, on all cores.

use std::collections::BTreeMap;

use fm_crypto::{NoteNonce, NoteSignature};
use fm_modules::{Msat, NoteKey, SpentNote};
use rayon::prelude::*;

use crate::problem::{Problem, Spot, Trouble};

/// The number of notes that wait to be checked.
const WAITING: usize = 8192;
/// The number of notes that are checked together: more would gain little, and a bad one is then sought among more.
const TOGETHER: usize = 512;

/// The keys of a module's notes, by denomination.
pub type NoteKeys = BTreeMap<Msat, fm_crypto::NoteKey>;

/// A note that waits to be checked.
type Waiting = (Spot, NoteNonce, NoteSignature);

/// Notes that wait to be checked.
#[derive(Default)]
pub(crate) struct NoteChecks {
    keys: BTreeMap<u16, NoteKeys>,
    waiting: BTreeMap<(u16, Msat), Vec<Waiting>>,
    count: usize,
    /// The number of notes whose signatures were checked.
    pub(crate) checked: u64,
    /// The number of notes of modules whose keys are not known.
    pub(crate) unchecked: u64,
}

impl NoteChecks {
    pub(crate) fn new(keys: BTreeMap<u16, NoteKeys>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Takes a note that is spent.
    pub(crate) fn add(
        &mut self,
        (module, spot): (u16, Spot),
        denomination: Msat,
        note: &SpentNote,
        report: &mut dyn FnMut(Problem),
    ) {
        let (Some(keys), NoteKey::Compressed(nonce)) = (self.keys.get(&module), note.nonce) else {
            self.unchecked += 1;
            return;
        };
        if !keys.contains_key(&denomination) {
            report(Problem {
                spot,
                module: Some(module),
                trouble: Trouble::NoSuchDenomination { denomination },
            });
            return;
        }
        let waiting = self.waiting.entry((module, denomination)).or_default();
        waiting.push((spot, nonce.0, note.signature.0));
        self.count += 1;
        if self.count >= WAITING {
            self.check(report);
        }
    }

    /// Checks all that wait.
    pub(crate) fn check(&mut self, report: &mut dyn FnMut(Problem)) {
        let waiting = std::mem::take(&mut self.waiting);
        self.checked += std::mem::take(&mut self.count) as u64;
        let parts: Vec<_> = waiting
            .iter()
            .flat_map(|(of, notes)| notes.chunks(TOGETHER).map(move |notes| (*of, notes)))
            .collect();
        let unsigned = parts.par_iter().flat_map_iter(|((module, denomination), notes)| {
            let key = self.keys.get(module).and_then(|keys| keys.get(denomination));
            let plain: Vec<_> = notes.iter().map(|(_, nonce, signature)| (*nonce, *signature)).collect();
            let verdicts = key.map(|key| key.are_signed(&plain)).unwrap_or_default();
            let spots = notes.iter().zip(verdicts).filter(|(_, is_signed)| !is_signed);
            spots.map(|((spot, ..), _)| (*spot, *module)).collect::<Vec<_>>()
        });
        let mut unsigned: Vec<(Spot, u16)> = unsigned.collect();
        unsigned.sort_unstable();
        for (spot, module) in unsigned {
            report(Problem { spot, module: Some(module), trouble: Trouble::NoteUnsigned });
        }
    }
}
