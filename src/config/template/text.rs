//! Comments and numbers in the text of the starter file.

/// Formats a number of rows as `about 1 200 000 rows`; numbers below 10,000 are exact.
pub fn about(rows: u64) -> String {
    let digits = rows.to_string();
    let spaced: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    format!(
        "{}{} {}",
        if rows < 10_000 { "" } else { "about " },
        spaced.join(" "),
        if rows == 1 { "row" } else { "rows" }
    )
}

/// Writes comment lines of at most about 118 characters. Control characters in the platform's names are escaped, so
/// that they cannot end the comment.
pub fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        let word: String = word
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
            .collect();
        if line.len() + word.len() > 116 && line.len() > 4 {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from(if text.starts_with("- ") { "#  " } else { "#" });
        }
        line.push(' ');
        line.push_str(&word);
    }
    lines + &line + "\n"
}
