//! Archives in a store of objects.
//!
//! These stories wait for lines and clocks. Tests start in the order of their names: the longest of them are not to be the last.

mod jobs;
mod refusals;
mod replaced;
mod together;
