//! `fm-node`: what a guardian's operator does with it: setting up, carrying over, moving, asking.

mod carried_over;
mod carry_over_killed;
mod commands;
mod moved;
mod old_copies;
mod service;
mod setup_killed;
