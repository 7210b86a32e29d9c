//! Databases as files: real ones read without a trace, damaged ones distinguished, new ones written whole.

#![allow(clippy::unwrap_used)]

mod copies;
mod damage;
mod live;
mod lock;
mod partial;
mod reading;
mod torn;
mod writing;
