//! Queries of the user's own. Each runs once a day as a subquery, so that it can be nothing but a single SELECT
//! (`single_select.rs` checks that), and its columns are found by name.

use jiff::tz::TimeZone;

use super::{
    day_parameter::DayParameter,
    dialect::Dialect,
    execute::Executor,
    parse::{parse_count, parse_decimal},
    session::SpanRow,
    single_select::{require_no_parameters, require_single_select},
};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Decimal, QueryShape, Tally, TimeFormat, TopLabels},
};

/// Why the value of a label is refused, before the value.
pub const NEGATIVE_LABEL: &str =
    "the query returned a negative value of a label, which a metric with `signed = true` may have";

/// The most labels that a query may return for a day.
pub const MAX_LABELS: usize = 10_000;

pub struct QueryReading<'a> {
    pub sql: &'a str,
    pub shape: QueryShape,
}

impl QueryReading<'_> {
    /// # Errors
    /// When it is not a single SELECT, or has a parameter.
    pub fn statement(&self, dialect: Dialect, day: &DayBounds) -> Result<String, Fault> {
        require_no_parameters(dialect, self.sql)?;
        self.around(dialect, &fill_in(dialect, self.sql, day))
    }

    /// As [`Self::statement`] for one day, which the parameters of the statement name.
    pub fn statement_of_parameters(&self) -> Result<String, Fault> {
        require_no_parameters(Dialect::Postgres, self.sql)?;
        let [start, end] = [DayParameter::Start { days_before: 0 }, DayParameter::End]
            .map(|edge| edge.of_type(TimeFormat::Timestamptz, "UTC"));
        self.around(Dialect::Postgres, &replaced(self.sql, &start, &end, DayParameter::DATE))
    }

    fn around(&self, dialect: Dialect, query: &str) -> Result<String, Fault> {
        let columns = self.columns();
        let bounded = |name: &&str| if *name == "label" { dialect.label(name) } else { dialect.number(name) };
        let columns: Vec<_> = columns.iter().map(bounded).collect();
        let (zero, limit) = match dialect {
            Dialect::Postgres => ("0::int8", MAX_LABELS + 1),
            Dialect::Sqlite => ("0", MAX_LABELS + 1),
        };
        // The line break keeps a comment at the query's end from swallowing the bracket.
        let query = query.trim().trim_end_matches(';');
        require_single_select(dialect, query)?;
        Ok(format!("SELECT {zero}, {} FROM (\n{query}\n) AS answer LIMIT {limit}", dialect.pack(&columns)))
    }

    pub fn columns(&self) -> Vec<&'static str> {
        match self.shape {
            QueryShape::Value => vec!["value"],
            QueryShape::Average if self.sql.contains("std_deviation") => {
                vec!["value", "sample_size", "std_deviation"]
            }
            QueryShape::Average => vec!["value", "sample_size"],
            QueryShape::Ratio => vec!["numerator", "denominator"],
            QueryShape::Labels { .. } => vec!["label", "value"],
        }
    }

    pub async fn answer(&self, executor: &mut Executor<'_>, days: &[DayBounds]) -> Result<Vec<Tally>, Fault> {
        let mut tallies = Vec::with_capacity(days.len());
        for day in days {
            let answers = executor.answers(&self.statement(executor.dialect(), day)?).await?;
            tallies.push(self.tally(answers)?);
        }
        Ok(tallies)
    }

    fn tally(&self, answers: Vec<SpanRow>) -> Result<Tally, Fault> {
        let fault = |message: String| Fault::new(FaultClass::Sql, message);
        if let QueryShape::Labels { top, signed } = self.shape {
            return labels(answers, top, signed);
        }
        let [(_, values)] = answers.as_slice() else {
            return Err(fault(format!("the query must return exactly one row a day, not {}", answers.len())));
        };
        let number = |index: usize| {
            let value: Option<&str> = values.get(index).and_then(Option::as_deref);
            let name = self.columns()[index];
            let value = value.ok_or_else(|| {
                fault(format!("the query returned NULL as `{name}`; use coalesce({name}, 0)"))
            })?;
            parse_decimal(Some(value))
        };
        Ok(match self.shape {
            QueryShape::Average => Tally::Average {
                value: number(0)?,
                sample_size: parse_count(values.get(1).and_then(Option::as_deref))?,
                std_deviation: values
                    .get(2)
                    .and_then(Option::as_deref)
                    .map(|text| parse_decimal(Some(text)))
                    .transpose()?,
            },
            QueryShape::Ratio => Tally::Ratio { numerator: number(0)?, denominator: number(1)? },
            _ => Tally::Value(number(0)?),
        })
    }
}

fn labels(answers: Vec<SpanRow>, top: usize, signed: bool) -> Result<Tally, Fault> {
    if answers.len() > MAX_LABELS {
        return Err(Fault::new(FaultClass::Sql, format!("the query returned more than {MAX_LABELS} labels")));
    }
    let mut unlabelled = Decimal::zero();
    let mut named = std::collections::HashMap::<String, Decimal>::new();
    for (_, mut values) in answers {
        let value = parse_decimal(values.pop().flatten().as_deref())?;
        if !signed && value < Decimal::zero() {
            return Err(Fault::new(FaultClass::Sql, format!("{NEGATIVE_LABEL}: {value}")));
        }
        match values.pop().flatten() {
            Some(label) => {
                let sum = named.entry(label).or_default();
                *sum = &*sum + &value;
            }
            None => unlabelled = &unlabelled + &value,
        }
    }
    Ok(Tally::Labels(TopLabels::select(named, unlabelled, top)))
}

/// `{day_start}` and `{day_end}` become instants (`timestamptz` on PostgreSQL, `YYYY-MM-DD HH:MM:SS` in UTC on SQLite),
/// `{day}` the date.
fn fill_in(dialect: Dialect, sql: &str, day: &DayBounds) -> String {
    let instant = |instant: jiff::Timestamp| {
        let text = TimeZone::UTC.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S").to_string();
        match dialect {
            Dialect::Postgres => format!("'{text}+00'::timestamptz"),
            Dialect::Sqlite => format!("'{text}'"),
        }
    };
    let date = match dialect {
        Dialect::Postgres => format!("'{}'::date", day.date),
        Dialect::Sqlite => format!("'{}'", day.date),
    };
    replaced(sql, &instant(day.start), &instant(day.end), &date)
}

fn replaced(sql: &str, start: &str, end: &str, date: &str) -> String {
    sql.replace("{day_start}", start).replace("{day_end}", end).replace("{day}", date)
}
