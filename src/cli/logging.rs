//! Logs go to stderr: text on a terminal, JSON lines elsewhere, unless the settings say otherwise.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

use crate::config::{LogFormat, Settings};

/// `level` is what is logged unless a setting says otherwise.
pub fn start(settings: &Settings, level: LevelFilter) {
    let json = match settings.log_format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(settings.log_level.unwrap_or(level))
        // It would panic over a stderr that nobody reads.
        .log_internal_errors(false);
    // A second start, in one test process, keeps the first.
    let _ = if json {
        builder.json().with_span_list(false).try_init()
    } else {
        builder.with_target(false).try_init()
    };
}
