//! Output of `inspect` for people.
//!
//! Invariant: kinds and versions are foreign text; they are printed on one line, with every character
//! visible.

use fm_cli::{Failure, Output, group_digits, print_modules, print_tables};

use crate::inspect::{Inspection, Omitted, ServerVersions};

pub(crate) fn print(output: &mut Output, inspection: &Inspection) -> Result<(), Failure> {
    output.line(&format!("era        {} ({})", inspection.era, inspection.layout))?;
    if let (Some(first), Some(last)) = (inspection.first, inspection.last) {
        output.line(&format!("range      {} to {}", group_digits(first), group_digits(last)))?;
    }
    if inspection.is_epochs {
        let pointer = inspection.last_pointer.map_or("none".to_owned(), group_digits);
        output.line(&format!("last epoch {pointer} (as the database says)"))?;
    }
    output.line(&format!("signatures {} (not checked here)", group_digits(inspection.signatures)))?;
    if inspection.is_epochs {
        let tip = group_digits(inspection.tip);
        output.line(&format!("tip        {tip} newest epoch(s) without a signature"))?;
    }
    output.line(&format!("damaged    {} records do not decode", group_digits(inspection.undecodable)))?;
    if let Some(server) = &inspection.server {
        let ServerVersions { first, last } = server;
        output.line(&format!("server     {last} ran on it last, {first} first (as the database says)"))?;
    }
    for Omitted { code, message } in &inspection.omissions {
        output.line(&format!("not read   {code}: {message}"))?;
    }
    inspection.found.iter().try_for_each(|keys| keys.say_found(output))?;
    for (peer, name) in &inspection.guardians {
        output.line(&format!("guardian   {peer} {name}"))?;
    }
    print_modules(output, &inspection.modules)?;
    print_tables(output, &inspection.tables)
}
