//! What is new against an earlier archive: rows that are new or changed, and marks of rows that are gone.

use std::cmp::Ordering;
use std::iter::Peekable;

use fm_eras::{Rows, SourceError};
use fm_store::Row;

use crate::overlay::{put, removed};

/// The records of an increment that leads from the rows of a base to those of a state.
pub(crate) struct Changes<'a> {
    base: Peekable<Rows<'a>>,
    state: Peekable<Rows<'a>>,
    over: bool,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(base: Rows<'a>, state: Rows<'a>) -> Self {
        Self { base: base.peekable(), state: state.peekable(), over: false }
    }

    fn step(&mut self) -> Result<Option<Row>, SourceError> {
        loop {
            let order = match (self.base.peek(), self.state.peek()) {
                (None, None) => return Ok(None),
                (Some(Ok((base, _))), Some(Ok((state, _)))) => base.cmp(state),
                (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
                (None, Some(_)) | (_, Some(Err(_))) => Ordering::Greater,
            };
            let old = if order.is_le() { self.base.next().transpose()? } else { None };
            let new = if order.is_ge() { self.state.next().transpose()? } else { None };
            match (old, new) {
                (Some((_, old)), Some((_, new))) if old == new => {}
                (_, Some((key, value))) => return Ok(Some((key, put(&value)))),
                (Some((key, _)), None) => return Ok(Some((key, removed()))),
                (None, None) => {}
            }
        }
    }
}

impl Iterator for Changes<'_> {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let row = self.step();
        self.over = !matches!(row, Ok(Some(_)));
        row.transpose()
    }
}
