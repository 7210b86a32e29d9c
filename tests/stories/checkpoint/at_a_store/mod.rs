//! Archives in a store of objects.
//!
//! These stories wait for lines and clocks. Tests start in the order of their names, so the names keep the
//! longest of them from being last.

mod jobs;
mod refusals;
mod replaced;
mod together;
