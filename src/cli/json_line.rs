//! A line of the log as JSON. Written straight into the line's buffer: a server writes one for each request, and a general
//! serializer takes as long for it as everything else that the answer needs.

use std::fmt::{self, Debug, Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
    },
    registry::LookupSpan,
};

use crate::{
    clock::{Clock, SystemClock},
    http::current_request_id,
};

/// `{"timestamp": …, "level": …, "fields": {"message": …, …}, "target": …}`. What is written while a request is worked on
/// has its `id` among the fields.
pub struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        // In microseconds.
        write!(line, "{{\"timestamp\":\"{:.6}\",\"level\":\"{}\"", SystemClock.now(), metadata.level())?;
        line.write_str(",\"fields\":{")?;
        let mut fields = Fields { line: line.by_ref(), is_first: true, written: Ok(()) };
        event.record(&mut fields);
        if let Some(id) = current_request_id() {
            fields.text("id", id.to_str().unwrap_or_default());
        }
        fields.written?;
        writeln!(line, "}},\"target\":\"{}\"}}", metadata.target())
    }
}

/// The members of an object.
struct Fields<'a> {
    line: Writer<'a>,
    is_first: bool,
    written: fmt::Result,
}

impl Fields<'_> {
    fn member(&mut self, name: &str, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let separator = if self.is_first { "\"" } else { ",\"" };
        self.is_first = false;
        self.written = self.written.and_then(|()| {
            self.line.write_str(separator)?;
            self.line.write_str(name)?;
            self.line.write_str("\":")?;
            write(&mut self.line)
        });
    }

    fn text(&mut self, name: &str, text: &str) {
        self.member(name, |line| {
            line.write_char('"')?;
            Escaped(line).write_str(text)?;
            line.write_char('"')
        });
    }

    fn number(&mut self, name: &str, number: impl fmt::Display) {
        self.member(name, |line| write!(line, "{number}"));
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field.name(), |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.number(field.name(), value),
            false => self.record_debug(field, &value),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }
}

/// What lies between the quotes of a string.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // All of them are characters of one byte, so that the text may be divided there.
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            let (before, from) = rest.split_at(at);
            let (special, after) = from.split_at(1);
            self.0.write_str(before)?;
            match special {
                "\n" => self.0.write_str("\\n")?,
                "\"" | "\\" => write!(self.0, "\\{special}")?,
                control => write!(self.0, "\\u{:04x}", control.as_bytes()[0])?,
            }
            rest = after;
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(events: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).event_format(JsonLine).finish();
        tracing::subscriber::with_default(subscriber, events);
        let written = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(written.ends_with('\n'), "{written}");
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_a_time_a_level_fields_and_a_target() {
        let mut lines = logged(|| {
            tracing::info!(method = "GET", status = 200_u16, took = -1, is_new = true, list = ?[1, 2], share = 0.5);
            tracing::error!(error = %"gone", "it failed");
        });
        for line in &mut lines {
            let timestamp = line["timestamp"].take();
            let timestamp = timestamp.as_str().unwrap();
            assert_eq!((timestamp.len(), &timestamp[26..]), ("2026-11-23T07:38:05.000000Z".len(), "Z"));
            timestamp.parse::<jiff::Timestamp>().unwrap();
        }
        let fields = [
            (
                "INFO",
                json!({"method": "GET", "status": 200, "took": -1, "is_new": true, "list": "[1, 2]", "share": 0.5}),
            ),
            ("ERROR", json!({"message": "it failed", "error": "gone"})),
        ];
        for (line, (level, fields)) in lines.into_iter().zip(fields) {
            let target = module_path!();
            assert_eq!(line, json!({"timestamp": null, "level": level, "fields": fields, "target": target}));
        }
    }

    #[test]
    fn any_text_is_still_a_line_of_its_own() {
        let hostile: String = (0..=0x2FF_u32).filter_map(char::from_u32).collect::<String>() + "\u{2028}𝄞";
        let lines = logged(|| tracing::info!(text = hostile, displayed = %hostile, ""));
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&lines[0]["fields"]["text"], &lines[0]["fields"]["displayed"]),
            (&json!(hostile), &json!(hostile))
        );
    }
}
