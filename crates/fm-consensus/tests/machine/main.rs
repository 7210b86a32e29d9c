//! The state machine on the real histories of v0.5.0, and in simulated federations.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod adopted;
mod disk;
mod fixture;
mod golden;
mod modules;
mod ordering;
mod outcomes;
mod queue;
mod simulation;
mod starting;
mod world;
