//! Quantiles: values in order, each with the number of rows that have it. The database counts the rows of each day by value, once
//! for all quantiles and windows of a column, adds the counts up in order, and answers with the one or two values next to each
//! quantile; the point between them is computed here, exactly. It also answers with the first and the last value, so that NaN and
//! infinities, which have a place in the order, are refused wherever the quantile lies.

use std::collections::BTreeMap;

use super::{
    day_parameter::DayParameter,
    dialect::Dialect,
    execute::Executor,
    numbers::{is_present, number, parse_value, with_all_digits},
    parse::parse_count,
    runs_of_days::ReadsRuns,
    scan::{Aggregates, AnswerForm, Scan, StatementBody, Stream},
    session::SpanRow,
    span::Span,
};
use crate::{
    database::Fault,
    metric::{Calendar, DayBounds, Decimal, Quantile, QuantileOfRows, Rows, Source, Tally},
    platform::schema::Schema,
};

/// Whether a value is the least or the largest of its window.
const IS_FIRST_OR_LAST: &str = "(daymark_before = 0 OR daymark_before + daymark_rows = daymark_all)";

/// Quantiles of one column of the same rows.
pub struct QuantileGroup<'a> {
    pub source: &'a Source,
    pub rows: &'a Rows,
    pub column: &'a str,
    /// For each reading its quantile, and the length of its window in days, the shortest first. The list is not empty.
    pub wanted: Vec<(Quantile, u32)>,
}

/// A value of a day's window: how many rows have lesser ones, how many have it, and how many there are.
struct PlacedValue {
    value: Decimal,
    before: i64,
    rows: i64,
    all: i64,
}

/// The values next to the quantiles, by the place of the day and the length of the window.
type PlacedValues = BTreeMap<(i64, u32), Vec<PlacedValue>>;

impl QuantileGroup<'_> {
    pub fn body(&self, dialect: Dialect) -> StatementBody {
        let present = is_present(dialect, self.column);
        let condition = dialect.filter(&self.rows.filter).map(|filter| format!("{filter} AND {present}"));
        let aggregates = Aggregates { expressions: vec!["count(*)".to_owned()], facets: None };
        StatementBody {
            of_days: aggregates.clone(),
            of_base: aggregates,
            label: Some(number(dialect, self.column)),
            max_labels: usize::MAX,
            condition: Some(condition.unwrap_or(present)),
            form: AnswerForm::Columns,
        }
    }

    /// The windows' lengths, each once, the shortest first.
    fn windows(&self) -> Vec<u32> {
        let mut windows: Vec<_> = self.wanted.iter().map(|(_, window)| *window).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// Whether its windows are of different lengths.
    pub fn has_windows(&self) -> bool {
        self.windows().len() > 1
    }

    fn longest(&self) -> u32 {
        self.windows().last().copied().unwrap_or(1)
    }

    /// The days that the windows of `days` consist of.
    fn days_of_windows(&self, calendar: &Calendar, days: &[DayBounds]) -> Vec<DayBounds> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
        calendar.days(window_start(first, self.longest()), last.date)
    }

    /// The values that are next to a quantile of the window.
    fn next_to_quantiles(&self, dialect: Dialect, window: u32) -> String {
        let of_window = self.wanted.iter().filter(|(_, of)| *of == window);
        let mut conditions: Vec<_> = of_window.map(|(quantile, _)| is_next_to(*quantile)).collect();
        conditions.push(IS_FIRST_OR_LAST.to_owned());
        let values = [
            "daymark_day",
            &window.to_string(),
            &with_all_digits(dialect, "daymark_value"),
            "daymark_before",
            "daymark_rows",
            "daymark_all",
        ]
        .map(str::to_owned);
        let zero = if dialect == Dialect::Postgres { "0::int8" } else { "0" };
        format!(
            "SELECT {zero}, {} FROM daymark_ranked{window} WHERE {}",
            dialect.pack(&values),
            conditions.join(" OR ")
        )
    }

    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let mut scan = Scan::new(executor.dialect(), schema, self.source, Stream::Entering)?;
        let spans = Span::of_days(&self.days_of_windows(executor.calendar(), days), false);
        if executor.has_other_texts(&scan, &spans).await? {
            scan = scan.testing_rows();
        }
        executor.read_runs(self, &scan, days).await
    }

    /// As [`Self::statement_of`] for one day, which the parameters of the statement name: a SELECT of a tally for each reading, as
    /// JSON. `decimal` makes a number of a text, as SQL.
    pub fn statement_of_parameters(&self, scan: &Scan<'_>, decimal: &str) -> String {
        let mut parts = Vec::new();
        for window in self.windows() {
            let span = Span {
                id: 1,
                lower: Some(DayParameter::Start { days_before: window - 1 }.into()),
                upper: DayParameter::End.into(),
            };
            let counted = scan.statement(&self.body(scan.dialect), &[span]);
            parts.push(format!(
                "daymark_counted{window} (daymark_day, daymark_value, daymark_rows) AS (\n{counted}\n)"
            ));
            parts.push(ranked(
                scan.dialect,
                window,
                &format!("SELECT daymark_day, daymark_value, daymark_rows FROM daymark_counted{window}"),
            ));
        }
        let tally = |(quantile, window): &(Quantile, u32)| {
            format!(
                "(SELECT {} FROM daymark_ranked{window} WHERE {} OR {IS_FIRST_OR_LAST})",
                tally_of_values(*quantile, decimal),
                is_next_to(*quantile)
            )
        };
        let tallies: Vec<_> = self.wanted.iter().map(tally).collect();
        format!("WITH {}\nSELECT ARRAY[\n  {}]::jsonb[]", parts.join(",\n"), tallies.join(",\n  "))
    }
}

impl<'a> ReadsRuns for QuantileGroup<'a> {
    type Scans = Scan<'a>;

    /// Answers come as (0, [day, window, value, rows before it, rows of it, all rows]): the day is the number of its span.
    fn statement_of(&self, scan: &Scan<'_>, calendar: &Calendar, days: &[DayBounds]) -> String {
        let all = self.days_of_windows(calendar, days);
        let spans = Span::of_days(&all, false);
        let counted = scan.statement(&self.body(scan.dialect), &spans);
        let mut parts =
            vec![format!("daymark_counted (daymark_day, daymark_value, daymark_rows) AS (\n{counted}\n)")];
        let mut selects = Vec::new();
        for window in self.windows() {
            let rows = if window == 1 {
                let first = all.len() - days.len() + 1;
                format!(
                    "SELECT daymark_day, daymark_value, daymark_rows FROM daymark_counted WHERE daymark_day >= {first}"
                )
            } else {
                of_window(scan.dialect, &all, days, window)
            };
            parts.push(ranked(scan.dialect, window, &rows));
            selects.push(self.next_to_quantiles(scan.dialect, window));
        }
        format!("WITH {}\n{}", parts.join(",\n"), selects.join("\nUNION ALL\n"))
    }

    fn tallies(
        &self,
        scan: &Scan<'_>,
        calendar: &Calendar,
        days: &[DayBounds],
        answers: &[SpanRow],
    ) -> Result<Vec<Vec<Tally>>, Fault> {
        let placed = placed(scan.dialect, answers)?;
        let before = self.days_of_windows(calendar, days).len() - days.len();
        let of_reading = |(quantile, window): &(Quantile, u32)| {
            let tally = |place: usize| {
                let day = i64::try_from(before + place + 1).unwrap_or(i64::MAX);
                let values = placed.get(&(day, *window)).map_or(&[][..], Vec::as_slice);
                Tally::Quantile(of_values(*quantile, values))
            };
            (0..days.len()).map(tally).collect()
        };
        Ok(self.wanted.iter().map(of_reading).collect())
    }

    fn without_index<'b>(scan: &'b Scan<'a>) -> Option<&'b Source> {
        (!scan.is_indexed()).then(|| scan.source())
    }

    /// Not where the window is nearly all that is read.
    fn can_be_halved(&self, days: &[DayBounds]) -> bool {
        days.len() >= (self.longest() as usize / 2).max(2)
    }
}

fn window_start(day: &DayBounds, window: u32) -> jiff::civil::Date {
    day.date.saturating_sub(jiff::Span::new().days(i64::from(window) - 1))
}

/// The rows of each window by value: the sums of its days.
fn of_window(dialect: Dialect, all: &[DayBounds], days: &[DayBounds], window: u32) -> String {
    let before = all.len() - days.len();
    let of_day = |(place, day): (usize, &DayBounds)| {
        let first = all.partition_point(|other| other.date < window_start(day, window)) + 1;
        format!("({}, {first})", before + place + 1)
    };
    let values: Vec<_> = days.iter().enumerate().map(of_day).collect();
    let values = values.join(", ");
    let windows = match dialect {
        Dialect::Postgres => format!("(VALUES {values}) AS daymark_windows (daymark_last, daymark_first)"),
        Dialect::Sqlite => format!(
            "(SELECT column1 AS daymark_last, column2 AS daymark_first FROM (VALUES {values})) AS daymark_windows"
        ),
    };
    format!(
        "SELECT daymark_last AS daymark_day, daymark_value, sum(daymark_rows) AS daymark_rows\n  FROM {windows}\n  \
         JOIN daymark_counted ON daymark_day BETWEEN daymark_first AND daymark_last\n  GROUP BY daymark_last, daymark_value"
    )
}

/// The values of each day in order, with the number of rows before each. PostgreSQL adds up integers of 32 bits much faster
/// than those of 64; a day that has more rows of one value fails.
fn ranked(dialect: Dialect, window: u32, rows: &str) -> String {
    let count = if dialect == Dialect::Postgres { "daymark_rows::int4" } else { "daymark_rows" };
    format!(
        "daymark_ranked{window} AS (\n  SELECT daymark_day, daymark_value, daymark_rows,\n    \
         sum({count}) OVER (PARTITION BY daymark_day ORDER BY daymark_value ROWS UNBOUNDED PRECEDING) - daymark_rows AS daymark_before,\n    \
         sum({count}) OVER (PARTITION BY daymark_day) AS daymark_all\n  FROM (\n  {rows}) AS daymark_of_days\n)"
    )
}

/// The position of a quantile, rounded down, and rounded up.
fn positions(quantile: Quantile) -> [String; 2] {
    let scaled = format!("{} * (daymark_all - 1)", quantile.millionths());
    let whole = Quantile::WHOLE;
    [format!("({scaled}) / {whole}"), format!("({scaled} + {}) / {whole}", whole - 1)]
}

/// Whether a value is one of those next to the quantile.
fn is_next_to(quantile: Quantile) -> String {
    let [lower, upper] = positions(quantile);
    format!("(daymark_before <= {upper} AND daymark_before + daymark_rows > {lower})")
}

/// The number of values and the quantile from the values next to it, as JSON; as [`of_values`]. `decimal` is applied to every value,
/// so that it refuses what is not a number.
fn tally_of_values(quantile: Quantile, decimal: &str) -> String {
    let [lower, upper] = positions(quantile);
    let at = |position: &str| {
        format!(
            "max(daymark_value::text) FILTER (WHERE daymark_before <= {position} AND daymark_before + daymark_rows > {position})"
        )
    };
    let [lower, upper] = [lower, upper].map(|position| format!("{decimal}({})", at(&position)));
    let (millionths, whole) = (quantile.millionths(), Quantile::WHOLE);
    format!(
        "jsonb_build_array(coalesce(max(daymark_all) FILTER (WHERE {decimal}(daymark_value::text) IS NOT NULL), 0), trim_scale({lower} + ({upper} - {lower}) \
         * coalesce(max(({millionths} * (daymark_all - 1)) % {whole}), 0) * 0.000001))"
    )
}

fn placed(dialect: Dialect, answers: &[SpanRow]) -> Result<PlacedValues, Fault> {
    let mut placed = PlacedValues::new();
    for (_, values) in answers {
        let [day, window, value, before, rows, all] = values.as_slice() else { continue };
        let count = |text: &Option<String>| parse_count(text.as_deref());
        let window = u32::try_from(count(window)?).unwrap_or_default();
        let value = PlacedValue {
            value: parse_value(dialect, value.as_deref())?,
            before: count(before)?,
            rows: count(rows)?,
            all: count(all)?,
        };
        placed.entry((count(day)?, window)).or_default().push(value);
    }
    Ok(placed)
}

fn of_values(quantile: Quantile, values: &[PlacedValue]) -> QuantileOfRows {
    let count = values.first().map_or(0, |value| value.all);
    let value = quantile.position(count).and_then(|position| {
        let at = |place: i64| {
            let is_there = |value: &&PlacedValue| value.before <= place && place < value.before + value.rows;
            values.iter().find(is_there).map(|value| &value.value)
        };
        Some(position.between(at(position.lower)?, at(position.upper)?))
    });
    QuantileOfRows { count, value }
}
