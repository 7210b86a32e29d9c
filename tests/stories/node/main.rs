//! `fm-node`, as a guardian's operator uses it: setting up, carrying over, moving, requests.

mod carried_over;
mod carry_over_killed;
mod commands;
mod moved;
mod old_copies;
mod recovered;
mod service;
mod setup_killed;
