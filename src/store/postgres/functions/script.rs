//! The text of the script that installs the functions: what is generated from the definitions, and the functions that are the
//! same everywhere.

use std::fmt::Write;

use crate::store::{
    FunctionMetric, FunctionSpec,
    entities::TableDialect,
    in_force::revisions_in_force,
    postgres::{PostgresStore, connection::quoted},
};

/// How the comments on the objects begin that Daymark installs.
pub(super) const COMMENT: &str = "Installed by `daymark sql install`:";

/// The names of the functions in Daymark's own schema, as a regular expression.
pub(super) const NAMES: &str = "^(collect_daily_metrics|backfill_daily_metrics|sql_[a-z_]+)$";
pub(super) const API_VIEWS: [&str; 3] = ["daily_metrics", "metric_definitions", "metric_collection_log"];
pub(super) const API_FUNCTIONS: [&str; 3] =
    ["daily_metrics_as_of", "collect_daily_metrics", "backfill_daily_metrics"];

pub(super) struct Script<'a> {
    pub spec: &'a FunctionSpec,
    pub tenant: &'a str,
    pub schema: &'a str,
    pub api_schema: Option<&'a str>,
}

impl Script<'_> {
    /// The statements, which run in a transaction whose search_path is Daymark's schema.
    pub fn text(&self) -> String {
        let schema = quoted(self.schema);
        let path: Vec<_> = self.spec.search_path.iter().map(|schema| quoted(schema)).collect();
        let path = [path, vec!["pg_temp".to_owned()]].concat().join(", ");
        // Only in the files: what is generated has texts of the definitions.
        let file = |template| filled(template, &[("@platform_path@", &path), ("@schema@", &schema)]);
        let mut parts = vec![
            format!(
                "-- The functions of Daymark {} for the tenant {}. `daymark sql install` replaces them.",
                env!("CARGO_PKG_VERSION"),
                self.tenant
            ),
            self.settings(),
            self.day_start(),
            self.tasks(),
            self.first_rows(),
            self.metrics(),
            file(include_str!("calendar.sql")),
            file(include_str!("arithmetic.sql")),
            file(include_str!("reading.sql")),
            file(include_str!("recording.sql")),
            file(include_str!("calls.sql")),
            file(include_str!("callers.sql")),
        ];
        parts.extend(self.api_schema.map(|api_schema| self.api(&quoted(api_schema), &schema)));
        parts.join("\n")
    }

    /// The views and functions of an API. Both schemas are SQL.
    fn api(&self, api_schema: &str, schema: &str) -> String {
        let revisions = |as_of| {
            revisions_in_force(as_of).replace("metric_revisions", &format!("{schema}.metric_revisions"))
        };
        filled(
            include_str!("api.sql"),
            &[
                ("@schema@", schema),
                ("@api@", api_schema),
                ("@revisions_in_force@", &revisions(None)),
                ("@revisions_as_of@", &revisions(Some("as_of"))),
                ("@judgement@", PostgresStore::JUDGEMENT.trim()),
                ("@tenant@", &text(self.tenant)),
                ("@comment@", COMMENT),
            ],
        )
    }

    fn settings(&self) -> String {
        let FunctionSpec { calendar, settle, observed_within, takes_last_finished, days_before, .. } =
            self.spec;
        let windows: Vec<_> = days_before.iter().map(u32::to_string).collect();
        format!(
            "-- What the functions were installed with. \"windows\" are the days before the day on which windows begin.
CREATE OR REPLACE FUNCTION sql_settings(
    OUT tenant_id TEXT, OUT time_zone TEXT, OUT settle INTERVAL, OUT observed_within INTERVAL, OUT takes_last_finished BOOLEAN,
    OUT first_day DATE, OUT last_day DATE, OUT windows INTEGER[]
) LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT {}, {}, INTERVAL '{} seconds', INTERVAL '{} seconds', {takes_last_finished}, DATE '{}', DATE '{}',
           ARRAY[{}]::INTEGER[]
$$;
",
            text(self.tenant),
            text(&calendar.time_zone),
            settle.as_secs(),
            observed_within.as_secs(),
            calendar.first_day,
            calendar.last_day,
            windows.join(", ")
        )
    }

    /// A date's start is its midnight in UTC and the seconds of the last entry whose date is not later.
    fn day_start(&self) -> String {
        let runs = &self.spec.calendar.day_starts;
        let dates: Vec<_> = runs.iter().map(|(date, _)| date.to_string()).collect();
        let seconds: Vec<_> = runs.iter().map(|(_, seconds)| seconds.to_string()).collect();
        format!(
            "-- The instant at which a date begins in {}, computed by Daymark.
CREATE OR REPLACE FUNCTION sql_day_start(the_day DATE) RETURNS TIMESTAMPTZ LANGUAGE sql IMMUTABLE AS $$
    SELECT (the_day::TIMESTAMP + make_interval(secs => (ARRAY[
{}
    ])[width_bucket(the_day, '{{{}}}'::DATE[])])) AT TIME ZONE 'UTC'
$$;
",
            self.spec.calendar.time_zone,
            wrapped(&seconds),
            wrapped(&dates)
        )
    }

    fn tasks(&self) -> String {
        let row = |task: &crate::store::RecordingTask| {
            let readings: Vec<_> = task.readings.iter().map(usize::to_string).collect();
            format!(
                "({}, ARRAY[{}], {}, {})",
                text(&task.purpose),
                readings.join(", "),
                task.is_alone,
                dollar_quoted(&format!("\n{}\n", task.sql), "statement")
            )
        };
        let rows: Vec<_> = self.spec.tasks.iter().map(row).collect();
        table(
            "The statements of the planner, for any day: $1 is the date, $2 are the starts of dates (0 is the day, 1 the next date, -6 \
             that of\n-- six days before), $3 is the next day. Each returns a tally for each of its readings.",
            "sql_tasks",
            "purpose TEXT, readings INTEGER[], is_alone BOOLEAN, statement TEXT",
            &rows,
        )
    }

    fn first_rows(&self) -> String {
        let rows: Vec<_> = self
            .spec
            .first_rows
            .iter()
            .map(|query| {
                let zone = optional(query.local_zone.as_deref());
                let statement = dollar_quoted(&query.sql, "statement");
                format!(
                    "({}, {}, {}, {zone}, {statement})",
                    text(&query.source_name),
                    query.is_date,
                    query.is_millis
                )
            })
            .collect();
        table(
            "The earliest row of each source.",
            "sql_first_rows",
            "source_name TEXT, is_date BOOLEAN, is_millis BOOLEAN, local_zone TEXT, statement TEXT",
            &rows,
        )
    }

    fn metrics(&self) -> String {
        let row = |metric: &FunctionMetric| {
            let readings: Vec<_> = metric.readings.iter().map(usize::to_string).collect();
            let number = |limit: &Option<String>| limit.as_deref().unwrap_or("NULL").to_owned();
            format!(
                "({}, {}, {}, ARRAY[{}]::INTEGER[], {}, {}::NUMERIC, {}::NUMERIC, {}::JSONB, {}, {}, {})",
                text(metric.key.metric_type.name()),
                text(&metric.key.category),
                metric.version,
                readings.join(", "),
                text(metric.shape),
                number(&metric.minimum),
                number(&metric.maximum),
                text(&metric.out_of_range.to_string()),
                optional(metric.calculation.as_deref()),
                metric.is_reconstructible,
                optional(metric.reason.as_deref())
            )
        };
        let rows: Vec<_> = self.spec.metrics.iter().map(row).collect();
        table(
            "The active metrics. \"readings\" are those of sql_tasks; \"reason\" is why the functions do not record the metric.",
            "sql_metrics",
            "metric_type TEXT, metric_category TEXT, version INTEGER, readings INTEGER[], shape TEXT, minimum NUMERIC, maximum NUMERIC, \
             out_of_range JSONB, calculation TEXT,\n    is_reconstructible BOOLEAN, reason TEXT",
            &rows,
        )
    }
}

/// The template with each placeholder replaced by its value. What a value contains is never taken for a placeholder.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let (mut text, mut rest) = (String::new(), template);
    let next = |rest: &str| {
        let found = values.iter().filter_map(|(name, value)| Some((rest.find(name)?, *name, *value)));
        found.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, name, value)) = next(rest) {
        text.push_str(&rest[..at]);
        text.push_str(value);
        rest = &rest[at + name.len()..];
    }
    text + rest
}

/// A function that returns constant rows.
fn table(comment: &str, name: &str, columns: &str, rows: &[String]) -> String {
    let types = columns.split(',').filter_map(|column| column.split_whitespace().nth(1));
    let nulls: Vec<_> = types.map(|name| format!("NULL::{name}")).collect();
    let nulls = nulls.join(", ");
    let body = match rows {
        [] => format!("SELECT {nulls} WHERE FALSE"),
        rows => format!("VALUES\n    {}", rows.join(",\n    ")),
    };
    format!(
        "-- {comment}\nCREATE OR REPLACE FUNCTION {name}() RETURNS TABLE (\n    {columns}\n) LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS {};\n",
        dollar_quoted(&format!("\n    {body}\n"), "rows")
    )
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

/// The text between dollar quotes that it does not contain.
fn dollar_quoted(text: &str, tag: &str) -> String {
    let mut quote = format!("${tag}$");
    let mut number = 0;
    while text.contains(&quote) {
        number += 1;
        quote = format!("${tag}{number}$");
    }
    format!("{quote}{text}{quote}")
}

/// The items with commas between, a few on each line.
fn wrapped(items: &[String]) -> String {
    let mut lines = String::new();
    for (index, line) in items.chunks(12).enumerate() {
        let comma = if index == 0 { "" } else { ",\n" };
        let _ = write!(lines, "{comma}        {}", line.join(", "));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_contains_a_placeholder_stays_as_it_is() {
        let values = [("@a@", "x @b@ @a@"), ("@b@", "@a@")];
        assert_eq!(filled("@b@, @a@ and @c@ ü @b@", &values), "@a@, x @b@ @a@ and @c@ ü @a@");
    }

    #[test]
    fn a_text_with_dollar_quotes_gets_others() {
        assert_eq!(dollar_quoted("a", "rows"), "$rows$a$rows$");
        assert_eq!(dollar_quoted("$rows$ $rows1$", "rows"), "$rows2$$rows$ $rows1$$rows2$");
    }
}
