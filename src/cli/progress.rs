//! Progress on standard error: a bar on a terminal, and otherwise one line for each commit.

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::output::{Format, duration, say};
use crate::{collect::Progress, pluralize::pluralize};

/// The bar is shown only beside text, because other formats are for machines.
pub fn shown(format: Format) -> Box<dyn Progress> {
    match (format, std::io::stderr().is_terminal()) {
        (Format::Text, true) => Box::new(Bar::new()),
        _ => Box::new(ProgressLines::new()),
    }
}

/// Progress as a bar with the rate and the time left, on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Progress for Bar {
    fn reading(&self, metrics: usize, days: usize) {
        self.0.set_message(format!(
            "reading {} over {}",
            pluralize(metrics, "metric"),
            pluralize(days, "day")
        ));
    }

    fn started(&self, total_days: usize) {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} days  {per_sec}  {eta} left");
        self.0.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.0.set_length(total_days as u64);
    }

    fn advanced(&self, days: usize) {
        self.0.inc(days as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Progress as one line for each commit, where standard error is not a terminal.
struct ProgressLines {
    total: AtomicUsize,
    done: AtomicUsize,
    started: Mutex<Instant>,
}

impl ProgressLines {
    fn new() -> Self {
        Self { total: AtomicUsize::new(0), done: AtomicUsize::new(0), started: Mutex::new(Instant::now()) }
    }
}

impl Progress for ProgressLines {
    fn reading(&self, metrics: usize, days: usize) {
        say(format_args!("reading {} over {}", pluralize(metrics, "metric"), pluralize(days, "day")));
    }

    fn started(&self, total_days: usize) {
        self.total.store(total_days, Ordering::Relaxed);
        *self.started.lock() = Instant::now();
    }

    fn advanced(&self, days: usize) {
        let total = self.total.load(Ordering::Relaxed);
        let done = self.done.fetch_add(days, Ordering::Relaxed) + days;
        let elapsed = self.started.lock().elapsed();
        let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
        let left = Duration::from_secs_f64((total.saturating_sub(done)) as f64 / rate.max(1e-9));
        say(format_args!("{done}/{total} days committed, {rate:.0} days/s, {} left", duration(left)));
    }
}
