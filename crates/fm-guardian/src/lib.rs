//! Placeholder until its parts stand.
