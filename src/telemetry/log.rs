//! The log: lines on standard error, as text for people or as JSON for machines. A line that is written while a request is
//! worked on carries the request's id, as the field `id` of the span `request`.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt::writer::BoxMakeWriter, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The target of lines that are written at every level of the log, such as the address on which a server listens.
pub const ANNOUNCEMENT: &str = "daymark::announcement";

/// How many lines may wait to be written by the background thread. Further ones are dropped and counted, because a
/// server must keep answering if its log is not read.
const MAX_WAITING_LINES: usize = 10_000;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How the log is written.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// JSON or text; `None` is text on a terminal and JSON elsewhere.
    pub json: Option<bool>,
    pub level: LevelFilter,
    /// Whether a background thread writes the lines, so that no request waits for the reader of the log.
    pub in_background: bool,
}

/// Writes the lines that still wait when it is dropped.
#[must_use]
pub struct LogGuard(
    #[expect(dead_code, reason = "it writes what is left when it is dropped")] Option<WorkerGuard>,
);

/// Starts the log. A second call in the same process keeps the first log.
pub fn start(options: LogOptions) -> LogGuard {
    let is_terminal = io::stderr().is_terminal();
    let (writer, guard) = match options.in_background {
        true => {
            let builder = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING_LINES);
            let (writer, guard) = builder.thread_name("log").finish(io::stderr());
            let _ = DROPPED.set(writer.error_counter());
            (BoxMakeWriter::new(writer), Some(guard))
        }
        false => (BoxMakeWriter::new(io::stderr), None),
    };
    // A standard error that nothing reads must not end the program, so failures to write are ignored.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    let layer = match options.json.unwrap_or(!is_terminal) {
        true => layer.json().with_current_span(true).with_span_list(false).boxed(),
        false => layer.with_ansi(is_terminal && !has_no_color()).with_target(false).boxed(),
    };
    let filter = Targets::new().with_default(options.level).with_target(ANNOUNCEMENT, LevelFilter::INFO);
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    LogGuard(guard)
}

/// How many lines were dropped because too many waited to be written.
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// See <https://no-color.org>.
fn has_no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
