//! Logs go to stderr: text on a terminal, JSON lines elsewhere, unless the settings say otherwise.

use std::{fmt, io::IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
};

use super::json_line::JsonLine;
use crate::{
    config::{LogFormat, Settings},
    http::current_request_id,
};

/// `level` is what is logged unless a setting says otherwise.
pub fn start(settings: &Settings, level: LevelFilter) {
    let is_terminal = std::io::stderr().is_terminal();
    let json = match settings.log_format {
        LogFormat::Auto => !is_terminal,
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
        builder.event_format(JsonLine).try_init()
    } else {
        builder.with_ansi(is_terminal && !has_no_color()).with_target(false).fmt_fields(Identified).try_init()
    };
}

/// As <https://no-color.org> has it.
fn has_no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The fields of a line of text, and the id of the request during whose work it is written.
struct Identified;

impl<'a> FormatFields<'a> for Identified {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        match current_request_id() {
            Some(id) => write!(writer, " id={id:?}"),
            None => Ok(()),
        }
    }
}
