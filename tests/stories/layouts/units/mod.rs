//! Unit backups: real, forged and damaged ones.

mod damage;
mod forged;
mod real;
