//! Logs go to stderr: text on a terminal, JSON lines elsewhere, unless the settings say otherwise. JSON that no terminal shows
//! is written in batches.

use std::{
    fmt,
    io::{self, IsTerminal, Stderr, Write as _},
    panic,
    sync::OnceLock,
};

use serde_json::json;
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
};

use super::{
    json_line::JsonLine,
    log_lines::{CAPACITY, DELAY, LogLines},
};
use crate::{
    clock::{Clock, SystemClock},
    config::{LogFormat, Settings},
    http::current_request_id,
};

/// Where stderr is written in batches. Whatever else is written there goes the same way, so that the order is kept.
static BATCHES: OnceLock<LogLines<Stderr>> = OnceLock::new();
static IS_JSON: OnceLock<bool> = OnceLock::new();

/// Writes what is left of the log when it is dropped; what comes later is written at once.
#[must_use]
pub struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        end();
    }
}

/// `level` is what is logged unless a setting says otherwise.
pub fn start(settings: &Settings, level: LevelFilter) -> Ending {
    let is_terminal = io::stderr().is_terminal();
    let json = match settings.log_format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let _ = IS_JSON.set(json);
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(settings.log_level.unwrap_or(level))
        // It would panic over a stderr that nobody reads.
        .log_internal_errors(false);
    // A second start, in one test process, keeps the first.
    let _ = if !json {
        builder.with_ansi(is_terminal && !has_no_color()).with_target(false).fmt_fields(Identified).try_init()
    } else if is_terminal {
        builder.event_format(JsonLine).try_init()
    } else {
        builder.with_writer(batches().clone()).event_format(JsonLine).try_init()
    };
    Ending
}

fn batches() -> &'static LogLines<Stderr> {
    BATCHES.get_or_init(|| {
        let lines = LogLines::start(io::stderr(), CAPACITY, DELAY);
        flush_before_panics(lines.clone());
        lines
    })
}

/// The message of a panic is written to stderr by the hook that was there before.
fn flush_before_panics<W: io::Write + Send + 'static>(lines: LogLines<W>) {
    let write_message = panic::take_hook();
    panic::set_hook(Box::new(move |message| {
        lines.flush();
        write_message(message);
    }));
}

/// Writes what is left of the log, as `Ending` does.
pub fn end() {
    if let Some(lines) = BATCHES.get() {
        lines.end();
    }
}

/// Says how a server is doing, whatever is logged otherwise: as a line of the log where that is JSON, else plainly.
pub fn announce(level: Level, line: impl fmt::Display) {
    match IS_JSON.get() {
        Some(true) => write_to_stderr(json!({
            "timestamp": format!("{:.6}", SystemClock.now()),
            "level": level.as_str(),
            "fields": {"message": line.to_string()},
            "target": module_path!(),
        })),
        Some(false) | None => write_to_stderr(line),
    }
}

/// Writes a line to stderr, after those of the log that came before. That nobody reads it is no reason to stop.
pub fn write_to_stderr(line: impl fmt::Display) {
    match BATCHES.get() {
        Some(lines) => lines.write_now(format!("{line}\n").as_bytes()),
        None => {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
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

#[cfg(test)]
mod tests {
    use std::{env, process::Command, time::Duration};

    use super::*;

    /// The hook is the whole process's: another one has it.
    #[test]
    fn what_came_before_a_panic_is_written_before_its_message() {
        const IN_ITS_OWN: &str = "DAYMARK_TEST_PANICS";
        if env::var_os(IN_ITS_OWN).is_some() {
            let lines = LogLines::start(io::stderr(), CAPACITY, Duration::from_secs(3600));
            flush_before_panics(lines.clone());
            let subscriber = tracing_subscriber::fmt().with_writer(lines).event_format(JsonLine).finish();
            tracing::subscriber::with_default(subscriber, || tracing::info!("came before"));
            panic!("the message");
        }
        let name = "cli::logging::tests::what_came_before_a_panic_is_written_before_its_message";
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", name, "--nocapture"]).env(IN_ITS_OWN, "1").output().unwrap();
        let written = String::from_utf8(output.stderr).unwrap();
        let place = |text| written.find(text).unwrap_or_else(|| panic!("no {text:?} in {written}"));
        assert!(place("came before") < place("the message"), "{written}");
    }
}
