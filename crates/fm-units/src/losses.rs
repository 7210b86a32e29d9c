//! Missing rows and rows that cannot be read, and what is lost after them.

use fm_history::Code;

use crate::form::Joining;
use crate::records::Records;

/// Returns code, row and sentence of every loss.
pub(crate) fn losses(records: &Records<'_>) -> Vec<(Code, usize, String)> {
    let rows = &records.backup.rows;
    let behind_row = rounds_behind(records);
    let mut losses = Vec::new();
    for (index, gap) in records.backup.gaps().iter().enumerate() {
        let bytes = records.backup.stream.len() - rows[gap.behind].range.start;
        let first = behind_row.partition_point(|(row, ..)| *row < gap.behind);
        let readable = match behind_row.get(first) {
            Some((_, least, most)) => {
                format!("{} unit(s) of rounds {least} to {most}", behind_row.len() - first)
            }
            None => "no unit".to_owned(),
        };
        let server = match (records.form.joining, index) {
            (Joining::UpToGap, 0) => "a server reads nothing after it",
            (Joining::UpToGap, _) => "a server has stopped before it",
            (Joining::All, _) => "a server reads on, and refuses the backup if a parent is missing",
        };
        let (count, last) = (gap.missing.end - gap.missing.start, gap.missing.end - 1);
        let text = format!(
            "{count} row(s) are missing, {} to {last}; after them are {} row(s) with {bytes} bytes, and in those \
             {readable} can be read here; {server}",
            gap.missing.start,
            rows.len() - gap.behind
        );
        losses.push((Code::UnitRowsMissing, gap.behind, text));
    }
    for damage in &records.damage {
        let row = &rows[damage.row];
        let (following, lost) = (rows.len() - damage.row - 1, damage.lost);
        let stopped = records.form.joining == Joining::UpToGap && row.number > damage.row as u64;
        let server =
            if stopped { "a server has stopped before it" } else { "a server reads nothing of this backup" };
        let text = format!(
            "row {} cannot be read, {lost} bytes are lost: {}; {following} row(s) follow it; {server}",
            row.number, damage.reason
        );
        losses.push((Code::UnitRowUndecodable, damage.row, text));
    }
    losses
}

/// Returns for every unit its row, and the least and the greatest round from this unit on.
fn rounds_behind(records: &Records<'_>) -> Vec<(usize, u16, u16)> {
    let units = records.units().map(|(row, unit)| (row, unit.fields.round, unit.fields.round));
    let mut units: Vec<_> = units.collect();
    let (mut least, mut most) = (u16::MAX, 0);
    for (_, first, last) in units.iter_mut().rev() {
        (least, most) = (least.min(*first), most.max(*last));
        (*first, *last) = (least, most);
    }
    units
}
