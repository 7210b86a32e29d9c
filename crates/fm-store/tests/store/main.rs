//! Databases as files: real ones read without a trace, damaged ones told apart, new ones written whole.

mod copies;
mod damage;
mod lock;
mod partial;
mod reading;
mod torn;
mod writing;
