//! Changes since an earlier archive: rows that are new or changed, and marks for rows that are gone.

use fm_rows::{Joined, Row, Rows, SourceError, merge_join};

use crate::overlay::{put, removed};

/// Returns the records of an increment that leads from the rows of a base to those of a state.
pub(crate) fn changes<'a>(
    base: Rows<'a>,
    state: Rows<'a>,
) -> impl Iterator<Item = Result<Row, SourceError>> + 'a {
    merge_join(base, state).filter_map(|joined| match joined {
        Ok(Joined::Both { left: old, right: new, .. }) if old == new => None,
        Ok(Joined::Right((key, value)) | Joined::Both { key, right: value, .. }) => {
            Some(Ok((key, put(&value))))
        }
        Ok(Joined::Left((key, _))) => Some(Ok((key, removed()))),
        Err(error) => Some(Err(error)),
    })
}
