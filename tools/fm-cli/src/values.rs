//! Values that are names from a list: shells complete them, and the code that takes a name reports an unknown
//! one.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};
use fm_eras::Layout;

/// A parser that accepts any text and offers the names of a list.
#[derive(Clone, Copy)]
pub struct Names(fn() -> Vec<&'static str>);

/// The names of all layouts.
pub(crate) const LAYOUTS: Names = Names(Layout::names);
/// The codes of all findings.
pub(crate) const CODES: Names = Names(crate::explain::codes);

impl Names {
    /// Creates a parser with the names that a function lists.
    pub const fn new(list: fn() -> Vec<&'static str>) -> Self {
        Self(list)
    }
}

impl TypedValueParser for Names {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.0)().into_iter().map(PossibleValue::new)))
    }
}
