//! `fm-verify`: audits of every kind of history, good ones and bad ones, and what is shown of them.

mod changed_under_way;
mod consequences;
mod damaged;
mod damaged_sessions;
mod diff;
mod followed;
mod followed_long;
mod hostile;
mod hostile_sessions;
mod keys;
mod money;
mod open_session;
mod part_audits;
mod prove;
mod real_history;
mod real_sessions;
mod report;
mod running;
mod running_epochs;
mod sealed_audit;
mod session_013;
mod small_federations;
mod stated;
mod trust_file;
mod unsigned;
