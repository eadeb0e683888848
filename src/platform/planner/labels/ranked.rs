//! The largest labels of each day, found by the database, which also counts all of them.
//!
//! Of rows created in the day each day is ranked by itself. Existing rows change from day to day: of the labels only those are
//! answered that can be among the largest on any of the days, with their changes. Labels are ranked by their minimum over the
//! days, and the minimum of the label in place `top` is a threshold: a label can be among the largest on some day only if its
//! maximum over the days reaches it.

use std::collections::HashMap;

use super::reading::{LabelReading, LabelsOfDay};
use crate::{
    database::Fault,
    metric::{ColumnSum, DayBounds, LabelAggregate, Phase},
    platform::{
        planner::{
            dialect::Dialect,
            numbers::{rank_of_sum, sum_parts},
            parse::parse_count,
            scan::{AnswerForm, Scan, StatementBody},
            session::SpanRow,
            span::Span,
        },
        schema::Schema,
    },
};

/// Kinds of answers: sums over all labels, a label, and the rows without one.
const ALL: &str = "0";
const LABEL: &str = "1";
const UNLABELLED: &str = "2";

/// The columns of the parts of a sum.
const SUM_PARTS: [&str; 2] = ["daymark_sum", "daymark_millionths"];

/// Labels on one day, or how they change on it: labels with their sums, the number of labels, all of them together, and the rows
/// without a label.
#[derive(Default)]
struct Answered {
    labels: Vec<(String, ColumnSum)>,
    number: i64,
    all: ColumnSum,
    unlabelled: ColumnSum,
}

impl LabelReading<'_> {
    /// The statement that [`Self::answer`] starts with.
    pub fn statement(&self, dialect: Dialect, schema: &Schema, days: &[DayBounds]) -> Result<String, Fault> {
        let body = self.body(dialect, schema, AnswerForm::Columns);
        Ok(self.ranked(&self.scans_of(dialect, schema)?, &body, days))
    }

    /// As [`Self::statement`] for one day, which the parameters of the statement name.
    pub fn statement_of_parameters(&self, schema: &Schema) -> Result<String, Fault> {
        let body = self.body(Dialect::Postgres, schema, AnswerForm::Columns);
        let span = Span { id: 1, lower: None, ..Span::of_parameters(false)[0] };
        let span = if self.phase == Phase::Existing { span } else { Span::of_parameters(false)[0] };
        Ok(self.ranked_spans(&self.scans_of(Dialect::Postgres, schema)?, &body, &[span]))
    }

    fn scans_of(&self, dialect: Dialect, schema: &Schema) -> Result<Vec<Scan<'_>>, Fault> {
        self.streams().into_iter().map(|stream| Scan::new(dialect, schema, self.source, stream)).collect()
    }

    /// Answers come as (day, [kind, label, rows, parts of the sum]); of all labels the label is their number. They are values of days of
    /// created rows, and changes of existing ones, of which the first is the state that others change.
    pub(super) fn ranked(&self, scans: &[Scan<'_>], body: &StatementBody, days: &[DayBounds]) -> String {
        let spans = match (self.phase, days) {
            // The largest of a single day are exactly those of the state at its end.
            (Phase::Existing, [_]) => {
                let span = Span::of_days(days, false)[0];
                vec![Span { lower: None, ..span }]
            }
            (phase, days) => Span::of_days(days, phase == Phase::Existing),
        };
        self.ranked_spans(scans, body, &spans)
    }

    fn ranked_spans(&self, scans: &[Scan<'_>], body: &StatementBody, spans: &[Span]) -> String {
        match self.phase {
            Phase::Created => self.of_created(&scans[0], body, spans),
            Phase::Existing => self.of_existing(scans, body, spans),
        }
    }

    /// The columns of numbers: of rows, and of the parts of the sum where there is one.
    fn numbers(&self, dialect: Dialect) -> Vec<&'static str> {
        let parts = if self.has_sum() { sum_parts(dialect) } else { 0 };
        std::iter::once("daymark_rows").chain(SUM_PARTS.into_iter().take(parts)).collect()
    }

    /// By what labels are ranked.
    fn rank(&self, dialect: Dialect) -> String {
        match (self.aggregate, self.numbers(dialect).as_slice()) {
            (LabelAggregate::Sum(_), [_, parts @ ..]) => rank_of_sum(parts),
            _ => "daymark_rows".to_owned(),
        }
    }

    /// SELECT of answers of one kind. `number` writes each of the numbers.
    fn select(
        &self,
        dialect: Dialect,
        [kind, label]: [&str; 2],
        number: impl Fn(&str) -> String,
        rest: &str,
    ) -> String {
        let numbers = self.numbers(dialect).into_iter().map(number);
        let values: Vec<_> = [kind, label].map(str::to_owned).into_iter().chain(numbers).collect();
        let day = if dialect == Dialect::Postgres { "daymark_day::int8" } else { "daymark_day" };
        format!("SELECT {day}, {} {rest}", dialect.pack(&values))
    }

    fn of_created(&self, scan: &Scan<'_>, body: &StatementBody, spans: &[Span]) -> String {
        let dialect = scan.dialect;
        let (rank, top) = (self.rank(dialect), self.top);
        let columns = format!("daymark_day, daymark_label, {}", self.numbers(dialect).join(", "));
        let named = self.select(
            dialect,
            [LABEL, "daymark_label"],
            str::to_owned,
            &format!("FROM daymark_ranked WHERE daymark_label IS NOT NULL AND daymark_rank <= {top}"),
        );
        let unlabelled = self.select(
            dialect,
            [UNLABELLED, "NULL"],
            str::to_owned,
            "FROM daymark_ranked WHERE daymark_label IS NULL",
        );
        let all = self.select(
            dialect,
            [ALL, "count(*)"],
            summed,
            "FROM daymark_ranked WHERE daymark_label IS NOT NULL GROUP BY daymark_day",
        );
        format!(
            "WITH daymark_entering ({columns}) AS (\n{}\n),\ndaymark_ranked AS MATERIALIZED (\n  SELECT {columns},\n    \
             row_number() OVER (PARTITION BY daymark_day, daymark_label IS NULL ORDER BY {rank} DESC, daymark_label) AS daymark_rank\n  \
             FROM daymark_entering\n)\n{named}\nUNION ALL\n{unlabelled}\nUNION ALL\n{all}",
            scan.statement(body, spans)
        )
    }

    fn of_existing(&self, scans: &[Scan<'_>], body: &StatementBody, spans: &[Span]) -> String {
        let dialect = scans[0].dialect;
        let numbers = self.numbers(dialect);
        let keys = "daymark_day, daymark_label";
        let columns = format!("{keys}, {}", numbers.join(", "));
        let first = spans.first().map_or(0, |span| span.id);
        let mut with =
            format!("WITH daymark_entering ({columns}) AS (\n{}\n),\n", scans[0].statement(body, spans));
        let mut changes = format!("SELECT {columns} FROM daymark_entering");
        if let Some(leaving) = scans.get(1) {
            with += &format!("daymark_leaving ({columns}) AS (\n{}\n),\n", leaving.statement(body, spans));
            let negated: Vec<_> = numbers.iter().map(|number| format!("-{number}")).collect();
            changes += &format!(" UNION ALL SELECT {keys}, {} FROM daymark_leaving", negated.join(", "));
        }
        let sums: Vec<_> = numbers.iter().map(|number| format!("{} AS {number}", summed(number))).collect();
        let (least, most) = match dialect {
            Dialect::Postgres => ("least", "greatest"),
            Dialect::Sqlite => ("min", "max"),
        };
        // The least or the most that a label has on a day: what it begins with, and all changes of one direction.
        let bound = |column: &str, bound: &str| {
            format!("sum(CASE WHEN daymark_day = {first} THEN {column} ELSE {bound}({column}, 0) END)")
        };
        let rank = &self.rank(dialect);
        with += &format!(
            "daymark_changes AS MATERIALIZED (\n  SELECT {keys}, {}\n  \
             FROM ({changes}) AS daymark_all\n  WHERE daymark_day IS NOT NULL\n  GROUP BY daymark_day, daymark_label\n),\n\
             daymark_bounds AS MATERIALIZED (\n  SELECT daymark_label, {} AS daymark_least_rows, {} AS daymark_least, {} AS daymark_most\n  \
             FROM daymark_changes WHERE daymark_label IS NOT NULL GROUP BY daymark_label\n),\n\
             daymark_last AS MATERIALIZED (\n  SELECT daymark_label, daymark_least FROM daymark_bounds WHERE daymark_least_rows > 0\n  \
             ORDER BY daymark_least DESC, daymark_label LIMIT 1 OFFSET {}\n),\n\
             daymark_candidates AS MATERIALIZED (\n  SELECT b.daymark_label FROM daymark_bounds AS b\n  \
             LEFT JOIN daymark_last AS l ON 1 = 1\n  WHERE l.daymark_label IS NULL OR b.daymark_most > l.daymark_least\n    \
             OR (b.daymark_most = l.daymark_least AND b.daymark_label <= l.daymark_label)\n),\n\
             daymark_running AS (\n  SELECT {columns},\n    \
             sum(daymark_rows) OVER (PARTITION BY daymark_label ORDER BY daymark_day ROWS UNBOUNDED PRECEDING) AS daymark_after\n  \
             FROM daymark_changes WHERE daymark_label IS NOT NULL\n)",
            sums.join(", "),
            bound("daymark_rows", least),
            bound(rank, least),
            bound(rank, most),
            self.top.saturating_sub(1),
        );
        let named = self.select(
            dialect,
            [LABEL, "daymark_label"],
            str::to_owned,
            "FROM daymark_changes WHERE daymark_label IN (SELECT daymark_label FROM daymark_candidates)",
        );
        let unlabelled = self.select(
            dialect,
            [UNLABELLED, "NULL"],
            str::to_owned,
            "FROM daymark_changes WHERE daymark_label IS NULL",
        );
        let appeared = "sum(CASE WHEN daymark_after <> 0 THEN 1 ELSE 0 END \
                        - CASE WHEN daymark_after <> daymark_rows THEN 1 ELSE 0 END)";
        let all = self.select(dialect, [ALL, appeared], summed, "FROM daymark_running GROUP BY daymark_day");
        format!("{with}\n{named}\nUNION ALL\n{unlabelled}\nUNION ALL\n{all}")
    }

    /// The labels of each of the days, from the answers of [`Self::ranked`].
    pub(super) fn days_of(
        &self,
        dialect: Dialect,
        days: &[DayBounds],
        answers: Vec<SpanRow>,
    ) -> Result<Vec<LabelsOfDay>, Fault> {
        let mut answered = HashMap::<usize, Answered>::new();
        for (day, mut values) in answers {
            if values.len() < 3 {
                continue;
            }
            let kind = values.remove(0).unwrap_or_default();
            let number = if kind == ALL { parse_count(values[0].as_deref())? } else { 0 };
            let of_day = answered.entry(day).or_default();
            match (kind.as_str(), self.parse(dialect, &values)?) {
                (LABEL, (Some(label), sum)) => of_day.labels.push((label, sum)),
                (UNLABELLED, (_, sum)) => of_day.unlabelled = sum,
                (_, (_, sum)) => (of_day.number, of_day.all) = (number, sum),
            }
        }
        let of_days = (1..=days.len()).map(|day| answered.remove(&day).unwrap_or_default()).collect();
        Ok(match (self.phase, days.len()) {
            (Phase::Existing, 2..) => running(answered.remove(&0).unwrap_or_default(), of_days),
            _ => of_days.into_iter().map(LabelsOfDay::from).collect(),
        })
    }
}

fn summed(number: &str) -> String {
    format!("sum({number})")
}

/// The labels at the end of each day: the changes of the days added to what was there before.
fn running(before: Answered, days: Vec<Answered>) -> Vec<LabelsOfDay> {
    let mut labels: HashMap<String, ColumnSum> = before.labels.into_iter().collect();
    let (mut number, mut all, mut unlabelled) = (before.number, before.all, before.unlabelled);
    let mut ends = Vec::with_capacity(days.len());
    for day in days {
        for (label, change) in day.labels {
            let sum = labels.entry(label).or_default();
            *sum = sum.add(&change);
        }
        labels.retain(|_, sum| sum.count != 0);
        number += day.number;
        all = all.add(&day.all);
        unlabelled = unlabelled.add(&day.unlabelled);
        let largest = labels.iter().map(|(label, sum)| (label.clone(), sum.clone())).collect();
        ends.push(LabelsOfDay {
            largest,
            labels: usize::try_from(number).unwrap_or_default(),
            total: all.clone(),
            unlabelled: unlabelled.clone(),
        });
    }
    ends
}

impl From<Answered> for LabelsOfDay {
    fn from(mut answered: Answered) -> Self {
        answered.labels.retain(|(_, sum)| sum.count != 0);
        Self {
            largest: answered.labels,
            labels: usize::try_from(answered.number).unwrap_or_default(),
            total: answered.all,
            unlabelled: answered.unlabelled,
        }
    }
}

/// The tally of one day as JSON, from the answers of a statement for it that are in `answer (span, cells)`; as
/// [`crate::metric::Definition::evaluate`] writes it. `decimal` makes a number of a text, as SQL.
pub fn tally_of_answer(aggregate: &LabelAggregate, decimal: &str) -> String {
    let has_sum = matches!(aggregate, LabelAggregate::Sum(_) | LabelAggregate::Average(_));
    let value = if has_sum { 4 } else { 3 };
    let is_label = format!("cells[1] = '{LABEL}' AND cells[3] <> '0'");
    let of =
        |kind: &str, cell: usize| format!("coalesce(sum({decimal}(cells[{cell}])) FILTER (WHERE {kind}), 0)");
    let is_all = format!("cells[1] = '{ALL}'");
    let is_unlabelled = format!("cells[1] = '{UNLABELLED}'");
    let labels = format!("{} - count(*) FILTER (WHERE {is_label})", of(&is_all, 2));
    let map = |value: String| {
        format!("coalesce(jsonb_object_agg(cells[2], {value}) FILTER (WHERE {is_label}), '{{}}')")
    };
    let trimmed = |sql: String| format!("trim_scale({sql})");
    match aggregate {
        LabelAggregate::Average(_) => format!(
            "jsonb_build_object('sums', {}, 'sample_sizes', {}, 'labels', {labels}, 'count', {}, 'sum', {}, 'unlabelled', {})",
            map(format!("{decimal}(cells[4])")),
            map(format!("{decimal}(cells[3])")),
            of(&is_all, 3),
            trimmed(of(&is_all, 4)),
            of(&is_unlabelled, 3),
        ),
        _ => format!(
            "jsonb_build_object('breakdown', {}, 'other', jsonb_build_object('labels', {labels}, 'value', {}), 'total', {}, \
             'unlabelled', {})",
            map(format!("{decimal}(cells[{value}])")),
            trimmed(format!("{} - {}", of(&is_all, value), of(&is_label, value))),
            trimmed(of(&is_all, value)),
            trimmed(of(&is_unlabelled, value)),
        ),
    }
}
