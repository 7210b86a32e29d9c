//! The meaning of codes, from the documents that define them: docs/finding-codes.md and docs/json.md.

use crate::{Exit, Failure};

const FINDINGS: &str = include_str!("../../../docs/finding-codes.md");
const JSON: &str = include_str!("../../../docs/json.md");
/// The heading of the exit statuses.
const STATUSES: &str = "## Exit statuses";
/// Words in the column "What to do" of a row that repeats the row before it.
const AS_ABOVE: &str = "As above";

/// A row of the tables of findings.
struct Row {
    code: String,
    severity: String,
    meaning: String,
    todo: String,
}

/// Returns the lines that explain a finding's code or an exit status.
pub(crate) fn explain(code: &str) -> Result<Vec<String>, Failure> {
    if let Some((_, meaning)) = exit_statuses().into_iter().find(|(status, _)| status == code) {
        return Ok(vec![format!("exit status {code}: {meaning}")]);
    }
    let row = findings().into_iter().find(|row| row.code == code);
    let row = row.ok_or_else(|| {
        let near = findings()
            .into_iter()
            .map(|row| row.code)
            .filter(|known| known.contains(code) || shares_a_word(known, code));
        let near: Vec<String> = near.take(6).collect();
        let hint = if near.is_empty() {
            "codes are those that findings are printed with; docs/finding-codes.md lists them".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        Failure::new(Exit::Usage, format!("there is no code {code:?}")).hint(hint)
    })?;
    Ok(vec![
        format!("{}: {}", row.code, row.severity),
        format!("  {}.", row.meaning),
        format!("  what to do: {}.", row.todo),
    ])
}

fn shares_a_word(known: &str, code: &str) -> bool {
    known.split('-').any(|word| word.len() > 3 && code.split('-').any(|asked| asked == word))
}

/// Returns every code, in the order of the document.
pub(crate) fn codes() -> Vec<&'static str> {
    FINDINGS.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect()
}

fn findings() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for cells in FINDINGS.lines().filter_map(cells) {
        let [code, severity, meaning, todo] = cells.as_slice() else { continue };
        // The first cell of a heading is not a code.
        if !code.starts_with('`') {
            continue;
        }
        let todo = match (todo.strip_prefix(AS_ABOVE), rows.last()) {
            (Some(rest), Some(above)) => format!("{}{}", above.todo, plain(rest)),
            _ => plain(todo),
        };
        rows.push(Row { code: plain(code), severity: plain(severity), meaning: plain(meaning), todo });
    }
    rows
}

/// Returns the exit statuses and their meanings.
pub(crate) fn exit_statuses() -> Vec<(String, String)> {
    let section = JSON.split_once(STATUSES).map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let row = |line| match cells(line)?.as_slice() {
        [status, meaning] if status.parse::<u8>().is_ok() => Some((plain(status), plain(meaning))),
        _ => None,
    };
    section.lines().filter_map(row).collect()
}

/// Splits a row of a Markdown table into cells.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inside.split(" | ").map(|cell| cell.trim().to_owned()).collect())
}

/// Removes the marks of Markdown from a text; of a link, the words stay.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        shown.push_str(before);
        match after.split_once("](").and_then(|(words, end)| Some((words, end.split_once(')')?.1))) {
            Some((words, end)) => {
                shown.push_str(words);
                rest = end;
            }
            None => {
                shown.push('[');
                rest = after;
            }
        }
    }
    shown.push_str(rest);
    shown.replace(['`', '*'], "").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_status_is_explained() {
        let all = [
            Exit::Done,
            Exit::Findings,
            Exit::Usage,
            Exit::CannotLook,
            Exit::Partial,
            Exit::Locked,
            Exit::WrongKey,
            Exit::OutOfSpace,
            Exit::Interrupted,
        ];
        let explained: Vec<String> = exit_statuses().into_iter().map(|(status, _)| status).collect();
        let known: Vec<String> = all.iter().map(|exit| (*exit as u8).to_string()).collect();
        assert_eq!(explained, known);
        assert!(explain("13").expect("a status")[0].contains("space"));
        for exit in all.into_iter().filter(|exit| *exit != Exit::Done) {
            assert!(JSON.contains(&format!("`{}` ({})", exit.code(), exit as u8)), "{}", exit.code());
        }
    }

    #[test]
    fn every_code_is_explained() {
        let all = codes();
        assert!(all.len() > 60, "{all:?}");
        for code in &all {
            let lines = explain(code).expect("a code");
            assert_eq!(lines.len(), 3);
            assert!(lines[0].starts_with(&format!("{code}: ")), "{lines:?}");
            assert!(!lines.concat().contains(['`', '[']) && !lines[2].contains(AS_ABOVE), "{lines:?}");
        }
        let failure = explain("epoch-missed").expect_err("no code");
        assert!(
            failure.exit == Exit::Usage && failure.hint.is_some_and(|hint| hint.contains("epoch-missing"))
        );
    }

    #[test]
    fn marks_are_left_out() {
        assert_eq!(plain("see [the how](a/b.md#c), **now** `x`."), "see the how, now x");
        assert_eq!(plain("a [ b"), "a [ b");
    }
}
