//! The rows of a database in pieces, so that all cores can compare what is read back with what was written.

use fm_audit::StateIdentity;
use fm_history::Hash;

/// The number of rows in a piece.
const PIECE_ROWS: u64 = 1 << 14;

/// The rows of a database in order, in pieces, so that all cores can compare them with what is read back.
#[derive(Default)]
pub(crate) struct Pieces {
    ended: Vec<Piece>,
    rows: u64,
    from: Vec<u8>,
    identity: StateIdentity,
}

/// The rows from a key up to the first key of the next piece.
pub(crate) struct Piece {
    /// The first key. It is empty in the first piece, so that everything before its first row also belongs to
    /// it.
    pub(crate) from: Vec<u8>,
    /// The identity of its rows.
    pub(crate) identity: Hash,
}

impl Pieces {
    /// Takes the next row.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.rows == PIECE_ROWS {
            self.end();
            self.from = key.to_vec();
        }
        self.identity.push(key, value);
        self.rows += 1;
    }

    /// Returns all pieces, by ascending key.
    pub(crate) fn finish(mut self) -> Vec<Piece> {
        self.end();
        self.ended
    }

    fn end(&mut self) {
        let identity = std::mem::take(&mut self.identity).finish();
        self.ended.push(Piece { from: std::mem::take(&mut self.from), identity });
        self.rows = 0;
    }
}
