//! The planner's statements for a function in the database: each task as one statement, which is written for every day and
//! answers with a tally for each of its readings, as JSON. PostgreSQL only.
//!
//! A statement takes the parameters of [`super::day_parameter`] and returns one row with one column of the type `jsonb[]`. A
//! tally is a number (counts, values), an array of numbers (moments: number, sum, sum of squares; sums: number, sum; extremes:
//! number, least, largest; quantiles: number, value; averages: value, sample size, deviation; ratios and retentions: numerator, denominator; growth: active, retained, churned) or an object (labels). Helper functions, which `store/postgres` creates,
//! parse numbers and add up labels with the errors that Rust has for them.

use super::{
    cohorts::{self, CohortGroup},
    column_aggregate::ColumnAggregate,
    dialect::Dialect,
    distinct::DistinctGroup,
    gather,
    growth::GrowthGroup,
    labels::{self, LabelReading},
    query::{self, QueryReading},
    scalars::{ReadingCells, ScalarGroup},
    scan::{Scan, StatementBody, Stream},
    span::Span,
    task::{ReadingTask, TaskKind},
    time::TimeColumn,
};
use crate::{
    database::Fault,
    metric::{Phase, QueryShape, Reading, Source, TimeFormat},
    platform::{
        contract::{FirstRowStatement, FunctionTask, Sources},
        schema::Schema,
    },
};

/// The tasks of the readings, and one task more for each reading that shares a task with others. `helpers` is the schema of
/// the helper functions, as SQL.
pub fn plan_function(
    schema: &Schema,
    sources: &Sources,
    readings: &[Reading],
    helpers: &str,
) -> Result<Vec<FunctionTask>, Fault> {
    let all: Vec<_> = (0..readings.len()).collect();
    let mut tasks = Vec::new();
    for task in gather::plan(Dialect::Postgres, sources, readings, &all) {
        if task.readings.len() > 1 {
            for index in &task.readings {
                let alone = gather::plan(Dialect::Postgres, sources, readings, &[*index]);
                for task in &alone {
                    tasks.push(function_task(task, true, schema, helpers)?);
                }
            }
        }
        tasks.push(function_task(&task, false, schema, helpers)?);
    }
    Ok(tasks)
}

/// The statement that finds the earliest row of a source, as a text of seconds.
pub fn first_row(name: &str, source: &Source) -> Result<FirstRowStatement, Fault> {
    let dialect = Dialect::Postgres;
    let time = TimeColumn::new(dialect, source, dialect.name(&source.time_column))?;
    Ok(FirstRowStatement {
        source_name: name.to_owned(),
        sql: time.earliest_query(&dialect.table(source)),
        is_date: source.time_format == TimeFormat::Date,
        is_millis: source.time_format == TimeFormat::UnixMillis,
        local_zone: (source.time_format == TimeFormat::Timestamp).then(|| source.time_zone.clone()),
    })
}

fn function_task(
    task: &ReadingTask<'_>,
    is_alone: bool,
    schema: &Schema,
    helpers: &str,
) -> Result<FunctionTask, Fault> {
    let of = task.sources.join(", ");
    let (purpose, sql) = match &task.work {
        TaskKind::Scalars(group) => (format!("counts of {of}"), scalars(group, schema, helpers)?),
        TaskKind::Quantiles(group) => {
            let scan = Scan::new(Dialect::Postgres, schema, group.source, Stream::Entering)?;
            let decimal = format!("{helpers}.sql_decimal");
            (format!("quantiles of {of}"), group.statement_of_parameters(&scan, &decimal))
        }
        TaskKind::Labels(reading) => {
            (format!("{of} by {}", reading.column), breakdown(reading, schema, helpers)?)
        }
        TaskKind::Distinct(group) => {
            (format!("distinct {} of {of}", group.column.unwrap_or("actors")), distinct(group, schema)?)
        }
        TaskKind::Growth(group) => (format!("actors of {of} and the days before"), growth(group, schema)?),
        TaskKind::Cohorts(group) => (format!("cohorts of {of}"), cohorts(group, schema)?),
        TaskKind::Query(reading) => ("a query of your own".to_owned(), own_query(reading, helpers)?),
        TaskKind::Impossible(fault) => return Err(fault.clone()),
    };
    Ok(FunctionTask { readings: task.readings.clone(), is_alone, purpose, sql })
}

/// The statement of a scan as a common table expression for each stream, named `entering` and `leaving`.
fn streams(
    schema: &Schema,
    source: &Source,
    streams: &[Stream],
    spans: &[Span],
    body: impl Fn(Stream) -> StatementBody,
) -> Result<String, Fault> {
    let mut parts = Vec::new();
    for stream in streams {
        let scan = Scan::new(Dialect::Postgres, schema, source, *stream)?;
        let name = if *stream == Stream::Leaving { "leaving" } else { "entering" };
        parts.push(format!("{name} (span, cells) AS (\n{}\n)", scan.statement(&body(*stream), spans)));
    }
    Ok(format!("WITH {}", parts.join(",\n")))
}

fn scalars(group: &ScalarGroup<'_>, schema: &Schema, helpers: &str) -> Result<String, Fault> {
    let all = group.streams();
    let spans = Span::of_parameters(group.with_base());
    let body = |stream| group.body(Dialect::Postgres, schema, stream);
    let with = streams(schema, group.source(), &all, &spans, body)?;
    let has_leaving = all.contains(&Stream::Leaving);
    let tallies: Vec<_> =
        group.cells().into_iter().map(|cells| scalar_tally(&cells, has_leaving, helpers)).collect();
    Ok(format!("{with}\nSELECT ARRAY[\n  {}]::jsonb[]", tallies.join(",\n  ")))
}

/// The tally of a reading as an expression over the rows of the streams.
fn scalar_tally(cells: &ReadingCells, has_leaving: bool, helpers: &str) -> String {
    let ReadingCells { first, phase, aggregate } = *cells;
    let integer = |cell: usize| format!("coalesce(sum(cells[{cell}]::int8), 0)");
    let decimal = |cell: usize| format!("trim_scale(coalesce(sum({helpers}.sql_decimal(cells[{cell}])), 0))");
    let of_day = |values: &[String]| match values {
        [only] => format!("to_jsonb((SELECT {only} FROM entering WHERE span = 1))"),
        values => {
            format!("(SELECT jsonb_build_array({}) FROM entering WHERE span = 1)", values.join(", "))
        }
    };
    let existing = |sum: &str| {
        let all = |stream: &str| format!("(SELECT {sum} FROM {stream})");
        let left = if has_leaving { format!(" - {}", all("leaving")) } else { String::new() };
        format!("{}{left}", all("entering"))
    };
    // A day has one row at most.
    let extreme = |cell: usize| format!("{helpers}.sql_decimal(max(cells[{cell}]))");
    match (aggregate, phase) {
        (None, Phase::Created) => of_day(&[integer(first)]),
        (None, Phase::Existing) => format!("to_jsonb({})", existing(&integer(first))),
        (Some(ColumnAggregate::Moments), _) => {
            let sum = |cell: usize| format!("coalesce(sum(cells[{cell}]::numeric), 0)");
            of_day(&[integer(first), sum(first + 1), sum(first + 2)])
        }
        (Some(ColumnAggregate::Sum), Phase::Created) => of_day(&[integer(first), decimal(first + 1)]),
        (Some(ColumnAggregate::Sum), Phase::Existing) => {
            let parts = [existing(&integer(first)), format!("trim_scale({})", existing(&decimal(first + 1)))];
            format!("jsonb_build_array({})", parts.join(", "))
        }
        (Some(ColumnAggregate::Extremes), _) => {
            of_day(&[integer(first), extreme(first + 1), extreme(first + 2)])
        }
    }
}

fn breakdown(reading: &LabelReading<'_>, schema: &Schema, helpers: &str) -> Result<String, Fault> {
    let statement = reading.statement_of_parameters(schema)?;
    let tally = labels::tally_of_answer(reading.aggregate, &format!("{helpers}.sql_decimal"));
    Ok(format!("WITH answer (span, cells) AS (\n{statement}\n)\nSELECT ARRAY[{tally}]\nFROM answer"))
}

fn distinct(group: &DistinctGroup<'_>, schema: &Schema) -> Result<String, Fault> {
    let statements = group.statements_of_parameters(schema)?;
    let answers: Vec<_> = statements
        .iter()
        .enumerate()
        .map(|(number, statement)| format!("answer{number} (span, cells) AS (\n{statement}\n)"))
        .collect();
    let counts: Vec<_> = group
        .places_of_parameters()
        .into_iter()
        .map(|(number, place)| format!("to_jsonb((SELECT cells[{}]::int8 FROM answer{number}))", place + 1))
        .collect();
    Ok(format!("WITH {}\nSELECT ARRAY[{}]", answers.join(",\n"), counts.join(", ")))
}

/// The tallies of a window and the one before it: active, retained, churned.
fn growth(group: &GrowthGroup<'_>, schema: &Schema) -> Result<String, Fault> {
    let statement = group.statement_of_parameters(schema)?;
    let tally = |place: usize| {
        let counts = (1..=3).map(|count| format!("cells[{}]::int8", 3 * place + count));
        format!("jsonb_build_array({})", counts.collect::<Vec<_>>().join(", "))
    };
    Ok(of_answer(&statement, &(0..group.windows.len()).map(tally).collect::<Vec<_>>()))
}

fn cohorts(group: &CohortGroup<'_>, schema: &Schema) -> Result<String, Fault> {
    let statement = group.statement_of_parameters(schema)?;
    Ok(of_answer(&statement, &cohorts::tallies_as_json(&group.wanted)))
}

/// The tallies as expressions over the one row of the statement.
fn of_answer(statement: &str, tallies: &[String]) -> String {
    format!(
        "WITH answer (span, cells) AS (\n{statement}\n)\nSELECT ARRAY[{}]\nFROM answer",
        tallies.join(", ")
    )
}

fn own_query(reading: &QueryReading<'_>, helpers: &str) -> Result<String, Fault> {
    let statement = reading.statement_of_parameters()?;
    let tally = match reading.shape {
        QueryShape::Labels { top, signed } => {
            let negative =
                if signed { "NULL".to_owned() } else { Dialect::Postgres.text(query::NEGATIVE_LABEL) };
            format!(
                "sql_breakdown(array_agg(cells[1]), array_agg(cells[2]), {top}, {negative}, count(*) > {}, \
                 'the query returned more than {} labels')",
                query::MAX_LABELS,
                query::MAX_LABELS
            )
        }
        shape => {
            let names: Vec<_> = reading.columns().iter().map(|name| Dialect::Postgres.text(name)).collect();
            let sample_size = if shape == QueryShape::Average { 2 } else { 0 };
            format!("sql_query_tally(array_agg(cells), ARRAY[{}], {sample_size})", names.join(", "))
        }
    };
    Ok(format!(
        "WITH answer (span, cells) AS (\n{statement}\n)\nSELECT ARRAY[{helpers}.{tally}]\nFROM answer"
    ))
}
