//! Missing rows and rows that cannot be read, and what is lost behind them.

use fm_history::Code;

use crate::form::Joining;
use crate::records::Records;

/// Code, row and sentence of every loss.
pub(crate) fn losses(records: &Records<'_>) -> Vec<(Code, usize, String)> {
    let rows = &records.backup.rows;
    let mut losses = Vec::new();
    for (index, gap) in records.backup.gaps().iter().enumerate() {
        let behind = &rows[gap.behind..];
        let bytes: usize = behind.iter().map(|row| row.range.len()).sum();
        let units: Vec<_> = records.units().filter(|(row, _)| *row >= gap.behind).collect();
        let rounds = units.iter().map(|(_, unit)| unit.fields.round);
        let readable = match (rounds.clone().min(), rounds.max()) {
            (Some(first), Some(last)) => format!("{} unit(s) of rounds {first} to {last}", units.len()),
            _ => "no unit".to_owned(),
        };
        let server = match (records.form.joining, index) {
            (Joining::UpToGap, 0) => "a server reads nothing behind it",
            (Joining::UpToGap, _) => "a server has stopped before it",
            (Joining::All, _) => "a server reads on, and refuses the backup if a parent is missing",
        };
        let (count, last) = (gap.missing.end - gap.missing.start, gap.missing.end - 1);
        let text = format!(
            "{count} row(s) are missing, {} to {last}; behind them are {} row(s) with {bytes} bytes, and in those \
             {readable} can be read here; {server}",
            gap.missing.start,
            behind.len()
        );
        losses.push((Code::UnitRowsMissing, gap.behind, text));
    }
    for damage in &records.damage {
        let row = &rows[damage.row];
        let (behind, lost) = (rows.len() - damage.row - 1, damage.lost);
        let text = format!(
            "row {} cannot be read, {lost} bytes are lost: {}; {behind} row(s) are behind it; a server reads nothing \
             of this backup",
            row.number, damage.reason
        );
        losses.push((Code::UnitRowUndecodable, damage.row, text));
    }
    losses
}
