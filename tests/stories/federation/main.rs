//! Federations of real processes. One program for all of these stories, since most of their time is waiting for rounds.

mod byzantine;
mod dev;
mod endurance;
mod faults;
mod moved;
mod power_cut;
mod refuses;
mod restored;
mod servers;
mod together;
mod upgrade;
