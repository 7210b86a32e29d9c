//! Unit backups: real ones, ones made on purpose, damaged ones.

mod damage;
mod forged;
mod real;
