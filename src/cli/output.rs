//! Results as text for people, and as JSON or CSV for machines. A command returns a [`Page`], which holds all three.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// A header and rows (RFC 4180)
    Csv,
}

/// The result of a command.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    pub json: Value,
    /// The header and the rows of the CSV.
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Whether the command has already printed its result.
    printed: bool,
}

impl Page {
    pub fn new(json: Value) -> Self {
        Self { json, ..Self::default() }
    }

    /// The page of a command that has printed its result itself.
    pub fn printed() -> Self {
        Self { printed: true, ..Self::default() }
    }

    /// Adds a line. Texts of a store or a platform may have further lines or control characters in them, which are shown escaped.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(&printable(line.as_ref()));
        self.text.push('\n');
    }

    /// Adds a text of several lines, such as a statement.
    pub fn lines(&mut self, text: impl AsRef<str>) {
        text.as_ref().lines().for_each(|line| self.line(line));
    }

    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Also adds the CSV's columns and rows to the text, as a table.
    pub fn table(&mut self) {
        let rows: Vec<Vec<String>> = self.rows.clone();
        // The text calls a metric's category by its everyday name.
        let title = |column: &&'static str| if *column == "metric_category" { "metric" } else { *column };
        self.table_of(&self.columns.iter().map(title).collect::<Vec<_>>(), rows);
    }

    /// Adds a table to the text only.
    pub fn table_of(&mut self, columns: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(columns.iter().map(|name| name.to_uppercase().replace('_', " ")));
        table.add_rows(rows.iter().map(|row| row.iter().map(|cell| printable(cell))));
        for line in table.lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
    }

    /// # Errors
    /// When a row does not have as many fields as there are columns, which is a bug in the command.
    pub fn render(&self, format: Format) -> anyhow::Result<String> {
        if self.printed {
            return Ok(String::new());
        }
        Ok(match format {
            Format::Text => self.text.clone(),
            Format::Json => serde_json::to_string_pretty(&self.json)? + "\n",
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(&self.columns)?;
                for row in &self.rows {
                    writer.write_record(row)?;
                }
                String::from_utf8(writer.into_inner()?)?
            }
        })
    }
}

/// Writes a line to standard error. Failures such as a closed pipe (`2>&1 | head`) are ignored.
pub fn say(text: impl std::fmt::Display) {
    let text = text.to_string();
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// A text that is safe to print to a terminal. Characters that would move the cursor, change colours or change the direction of writing are
/// escaped, as in `\u{1b}[31m`, and so are the ends of lines.
pub fn printable(text: &str) -> String {
    let is_shown = |character: char| character == '\t' || !(character.is_control() || steers(character));
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match is_shown(character) {
            true => printable.push(character),
            false => printable.extend(character.escape_default()),
        }
    }
    printable
}

/// Whether the character ends a line or a paragraph, or sets the direction of what follows.
fn steers(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Formats a duration as `0.12 s`, `12.3 s` or `4 min 10 s`.
pub fn duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

/// Formats a number as `12 345`, with narrow no-break spaces between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join("\u{202f}")
}

/// Whether the reader of a pipe has closed it.
pub fn is_closed_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_prints_in_every_format() {
        let mut page = Page::new(json!({"value": 1}));
        page.columns = vec!["metric_category", "first_day"];
        page.rows = vec![vec!["posts, created".to_owned(), "2025-01-01".to_owned()]];
        page.line("Done.");
        page.table();
        let shown = page.render(Format::Text).unwrap();
        assert_eq!(shown, "Done.\n METRIC          FIRST DAY\n posts, created  2025-01-01\n");
        assert_eq!(page.render(Format::Json).unwrap(), "{\n  \"value\": 1\n}\n");
        assert_eq!(
            page.render(Format::Csv).unwrap(),
            "metric_category,first_day\n\"posts, created\",2025-01-01\n"
        );
    }

    #[test]
    fn control_characters_of_texts_are_escaped() {
        let text = "a\u{1b}[31mred\r\nb\u{9b}c\u{202e}d\u{2066}e\u{7f}\u{2028}";
        let shown = "a\\u{1b}[31mred\\r\\nb\\u{9b}c\\u{202e}d\\u{2066}e\\u{7f}\\u{2028}";
        assert_eq!(printable(text), shown);
        let kept = "Zoë, 12\u{202f}345\t→ 日本 👩‍🚀";
        assert_eq!(printable(kept), kept);
        let mut page = Page::new(json!(null));
        page.line(text);
        page.lines("SELECT\n  1\u{1b}");
        page.table_of(&["reason"], vec![vec![text.to_owned()]]);
        let printed = page.render(Format::Text).unwrap();
        assert_eq!(printed, format!("{shown}\nSELECT\n  1\\u{{1b}}\n REASON\n {shown}\n"));
    }

    #[test]
    fn a_duration_keeps_its_minutes() {
        let shown = [3.5, 99.75, 123.5, 3661.0].map(|seconds| duration(Duration::from_secs_f64(seconds)));
        assert_eq!(shown, ["3.50 s", "99.8 s", "2 min 3 s", "61 min 1 s"]);
    }
}
