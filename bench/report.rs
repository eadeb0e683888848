//! The figures: a line for each as soon as it is measured, and all of them at the end as a table or as JSON.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

/// Two sides that are measured in turn, once in each round.
pub struct Comparison {
    pub engine: &'static str,
    pub what: String,
    pub than: &'static str,
    /// The times of Daymark and of the other side in each round.
    pub rounds: Vec<(Duration, Duration)>,
    pub target: Option<Target>,
}

#[derive(Clone, Copy)]
pub enum Target {
    /// Daymark may take at most this multiple of the other's time.
    AtMost(f64),
    /// Daymark must be at least this many times as fast.
    TimesFaster(f64),
}

/// The most resident memory that a command had.
pub struct Memory {
    pub engine: &'static str,
    pub command: String,
    pub peak_kib: u64,
    pub took: Duration,
}

const MAX_PEAK_KIB: u64 = 60 * 1024;

#[derive(Default)]
pub struct Report {
    platforms: Vec<(&'static str, String)>,
    comparisons: Vec<Comparison>,
    memory: Vec<Memory>,
}

fn median<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Comparison {
    fn ours(&self) -> Duration {
        median(self.rounds.iter().map(|round| round.0)).unwrap_or_default()
    }

    fn theirs(&self) -> Duration {
        median(self.rounds.iter().map(|round| round.1)).unwrap_or_default()
    }

    /// Daymark's time over the other's. It is the median of the ratios of the rounds, because a machine that is slow for a while
    /// is slow for both sides of a round.
    fn ratio(&self) -> f64 {
        let ratios = self.rounds.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64());
        median(ratios).unwrap_or(f64::NAN)
    }

    /// The ratio in the form of the target.
    fn shown_ratio(&self) -> String {
        match self.target {
            Some(Target::TimesFaster(_)) => format!("{:.1} × faster", 1.0 / self.ratio()),
            _ => format!("{:.2} ×", self.ratio()),
        }
    }

    fn is_met(&self) -> Option<bool> {
        self.target.map(|target| match target {
            Target::AtMost(limit) => self.ratio() <= limit,
            Target::TimesFaster(times) => self.ratio() * times <= 1.0,
        })
    }

    fn cells(&self) -> [String; 8] {
        [
            self.engine.to_owned(),
            self.what.clone(),
            format!("{:.1} ms", milliseconds(self.ours())),
            self.than.to_owned(),
            format!("{:.1} ms", milliseconds(self.theirs())),
            self.shown_ratio(),
            self.target.map_or_else(String::new, |target| target.to_string()),
            verdict(self.is_met()).to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "engine": self.engine, "what": self.what, "compared_with": self.than,
            "daymark_ms": milliseconds(self.ours()), "other_ms": milliseconds(self.theirs()),
            "ratio": (self.ratio() * 1e4).round() / 1e4, "rounds": self.rounds.len(),
            "target": self.target.map(|target| target.to_string()), "met": self.is_met(),
        })
    }
}

impl Memory {
    fn cells(&self) -> [String; 6] {
        [
            self.engine.to_owned(),
            self.command.clone(),
            format!("{:.1} s", self.took.as_secs_f64()),
            format!("{:.1} MiB", self.peak_kib as f64 / 1024.0),
            format!("< {} MiB", MAX_PEAK_KIB / 1024),
            verdict(Some(self.peak_kib < MAX_PEAK_KIB)).to_owned(),
        ]
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(formatter, "≤ {limit} ×"),
            Self::TimesFaster(times) => write!(formatter, "≥ {times} × faster"),
        }
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "ok",
        Some(false) => "MISSED",
        None => "",
    }
}

impl Report {
    pub fn platform(&mut self, engine: &'static str, rows: String) {
        eprintln!("{engine}: {rows}");
        self.platforms.push((engine, rows));
    }

    /// Adds a figure, and prints it on stderr, so that an interrupted run has printed its measurements.
    pub fn comparison(&mut self, comparison: Comparison) {
        eprintln!("{}", comparison.cells().join("  "));
        self.comparisons.push(comparison);
    }

    /// Adds a figure, and prints it on stderr.
    pub fn memory(&mut self, memory: Memory) {
        eprintln!("{}", memory.cells().join("  "));
        self.memory.push(memory);
    }

    pub fn json(&self) -> Value {
        let memory = |memory: &Memory| {
            json!({
                "engine": memory.engine, "command": memory.command, "peak_kib": memory.peak_kib,
                "took_ms": milliseconds(memory.took), "target_kib": MAX_PEAK_KIB, "met": memory.peak_kib < MAX_PEAK_KIB,
            })
        };
        json!({
            "platforms": self.platforms.iter().map(|(engine, rows)| json!({"engine": engine, "rows": rows})).collect::<Vec<_>>(),
            "comparisons": self.comparisons.iter().map(Comparison::json).collect::<Vec<_>>(),
            "memory": self.memory.iter().map(memory).collect::<Vec<_>>(),
        })
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for (engine, rows) in &self.platforms {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{engine}: {rows}");
        }
        let mut table =
            new_table(["", "", "Daymark", "compared with", "", "ratio", "target", ""], &[2, 4, 5]);
        for row in &self.comparisons {
            table.add_row(row.cells());
        }
        let _ = writeln!(text, "\n{table}");
        let mut table = new_table(["", "daymark …", "took", "peak memory", "target", ""], &[2, 3]);
        for row in &self.memory {
            table.add_row(row.cells());
        }
        let _ = writeln!(text, "\n{table}");
        text
    }
}

fn new_table<const N: usize>(header: [&str; N], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for &index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
