//! A terminal of a given width on which a program runs, and the screen that a person then sees.

use std::ffi::OsString;

use crate::{Run, shell};

/// The rows of the terminal: more than any test prints, so nothing scrolls away.
const ROWS: usize = 3000;

/// The content of a terminal's screen.
pub struct Screen {
    columns: usize,
    rows: Vec<Vec<char>>,
    /// Whether a row continues in the next one, because its text was wider than the screen.
    wrapped: Vec<bool>,
    row: usize,
    column: usize,
}

/// Runs a program on a terminal with this many columns, under these `NAME=value` settings; the run's standard
/// output has everything that was written to the terminal.
pub fn on_a_terminal(columns: usize, environment: &str, words: &[OsString]) -> Run {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let line = format!("stty cols {columns} rows 50; exec env TERM=xterm {environment} {}", quoted.join(" "));
    shell("exec script -qec \"$1\" /dev/null", &[line.into()])
}

impl Screen {
    /// Returns the screen after this text was written to it.
    ///
    /// # Panics
    ///
    /// If a control sequence is not one that our programs use.
    pub fn after(columns: usize, written: &str) -> Self {
        let mut screen = Self {
            columns,
            rows: vec![vec![' '; columns]; ROWS],
            wrapped: vec![false; ROWS],
            row: 0,
            column: 0,
        };
        let mut rest = written.chars();
        while let Some(c) = rest.next() {
            match c {
                '\n' => screen.row += 1,
                '\r' => screen.column = 0,
                '\u{1b}' => {
                    let mut sequence = String::new();
                    for c in rest.by_ref() {
                        sequence.push(c);
                        if c.is_ascii_alphabetic() {
                            break;
                        }
                    }
                    screen.obey(&sequence);
                }
                c if c.is_control() => panic!("{c:?} on a terminal"),
                c => screen.put(c),
            }
        }
        screen
    }

    /// Puts a character. One after the last column goes to the next row, as on a real terminal: the cursor
    /// waits until it comes.
    fn put(&mut self, c: char) {
        if self.column == self.columns {
            self.wrapped[self.row] = true;
            (self.row, self.column) = (self.row + 1, 0);
        }
        self.rows[self.row][self.column] = c;
        self.column += 1;
    }

    fn obey(&mut self, sequence: &str) {
        let column = self.column.min(self.columns - 1);
        match sequence {
            "[K" | "[0K" => self.rows[self.row][column..].fill(' '),
            "[2K" => self.rows[self.row].fill(' '),
            _ if sequence.starts_with('[') && sequence.ends_with('m') => (),
            _ => {
                let count = || sequence[1..sequence.len() - 1].parse().unwrap_or(1);
                match sequence.chars().last() {
                    Some('A') => self.row = self.row.saturating_sub(count()),
                    Some('B') => self.row += count(),
                    _ => panic!("{sequence:?} is no sequence that these programs need"),
                }
            }
        }
    }

    /// Returns the lines, each in one piece however many rows it takes; empty ones are left out.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for (row, wrapped) in self.rows.iter().zip(&self.wrapped) {
            if let Some(line) = lines.last_mut() {
                line.extend(row);
            }
            if !wrapped {
                lines.push(String::new());
            }
        }
        let lines = lines.iter().map(|line| line.trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }
}
