//! `fm-checkpoint`: archives, in files and in stores, and the restores of guardians.

mod at_a_store;
mod claims;
mod compare;
mod damage;
mod encrypted;
mod good;
mod interrupted;
mod manage;
mod power_cut;
mod restore;
mod restore_broken;
mod restore_full;
mod restore_killed;
mod restore_refused;
mod restored_whole;
mod resumed;
mod round_trip;
