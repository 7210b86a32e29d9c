//! `fm-node`: runs a guardian.
fn main() {}
