//! Layouts, on rows in memory. Real databases are in `tests/stories/layouts`.

#![allow(clippy::unwrap_used)]

mod detection;
mod limits;
mod properties;
