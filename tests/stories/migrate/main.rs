//! `fm-migrate`: conversions and reverts, the files beside them, and the signatures of their sessions.

mod attest;
mod disk_full;
mod incomplete;
mod killed;
mod killed_sealing;
mod lying_directory;
mod round_trip;
mod seal;
mod sessions_round_trip;
mod sessions_under_way;
mod snapshots;
mod tables;
mod tampered;
mod target_version;
mod two_ids;
mod units;
