//! Rules for the whole repository: every program's words, its documents, its tree.

mod bad_usage;
mod completions;
mod configuration;
mod foreign_text;
mod manual;
mod no_regular_file;
mod readme;
mod source_untouched;
mod terminal;
mod tidy;
