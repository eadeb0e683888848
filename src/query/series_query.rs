//! The parameters of a query for series. They are parsed strictly, and all errors are reported at once.

use std::collections::BTreeSet;

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use strum::IntoEnumIterator;

use super::{
    catalogue::Catalogue, cursor, day, day_range::DayRange, error::QueryError, interval::Interval,
    parameter_parser::ParameterParser,
};
use crate::{
    config::{QuerySettings, WEEKDAYS, named_variants},
    metric::MetricKey,
    store::ValuesAsked,
};

/// Days of metrics that an answer is made of at most: the work that a request may be. All metrics of a page count, and
/// one is always allowed.
pub(super) const MAX_DAYS: usize = 100_000;
/// The number of days of a query without `from`.
const DEFAULT_DAYS: i64 = 30;

/// A query as it comes from outside; a list without anything in it, or `None`, was not given.
#[derive(Debug, Clone, Default)]
pub struct SeriesRequest {
    /// `YYYY-MM-DD`; by default the 30 days that end with `to`, or `query.max_points` if that is less.
    pub from: Option<String>,
    /// `YYYY-MM-DD`; by default the last finished day.
    pub to: Option<String>,
    /// By default all active metrics; a category that is named may also be inactive.
    pub categories: Vec<String>,
    pub types: Vec<String>,
    /// By default `day`. `daily`, `weekly` and so on mean the same.
    pub intervals: Vec<String>,
    /// By default `query.week_start`.
    pub week_start: Option<String>,
    /// Whether points carry the metadata of their records.
    pub metadata: bool,
    /// Whether points of days carry the judgement of their value; not with [`ValuesAsked::as_of`], as earlier judgements are not kept.
    pub judgement: bool,
    /// See [`super::View`].
    pub values: ValuesAsked,
    /// Series a page, at most.
    pub limit: Option<String>,
    /// `next_cursor` of the previous page; the other parameters must be the same.
    pub cursor: Option<String>,
}

/// A query that can be answered.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    pub from: Date,
    pub to: Date,
    /// By category and type.
    pub metrics: Vec<MetricKey>,
    /// From the finest to the coarsest, each once.
    pub intervals: Vec<Interval>,
    pub week_start: Weekday,
    pub metadata: bool,
    pub judgement: bool,
    pub values: ValuesAsked,
    pub limit: usize,
    /// The identity of the query, without its range and its limit; cursors carry it.
    pub(super) identity: u64,
    pub(super) after: Option<Position>,
}

impl SeriesQuery {
    /// Parses the parameters. A query without `to` ends with `last_finished`.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(
        asked: &SeriesRequest,
        catalogue: &Catalogue,
        settings: &QuerySettings,
        last_finished: Date,
    ) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        // The default range is never refused: it is shortened to the limit of points.
        let days = i64::try_from(settings.max_points).map_or(DEFAULT_DAYS, |most| most.min(DEFAULT_DAYS));
        let mut query = parser.query(asked, catalogue, settings.week_start, days, last_finished);
        parser.limit_points(&query, settings.max_points);
        query.limit_days();
        parser.finish(query)
    }

    /// A page ends early rather than be made of more than [`MAX_DAYS`].
    fn limit_days(&mut self) {
        let days = Interval::Day.count(self.from, self.to, self.week_start, MAX_DAYS).max(1);
        self.limit = self.limit.min((MAX_DAYS / days).max(1) * self.intervals.len());
    }

    /// As [`SeriesQuery::parse`], without a limit on points and without pages.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse_unlimited(
        asked: &SeriesRequest,
        catalogue: &Catalogue,
        settings: &QuerySettings,
        last_finished: Date,
    ) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let query = parser.query(asked, catalogue, settings.week_start, DEFAULT_DAYS, last_finished);
        parser.finish(query)
    }
}

/// The English name of a weekday, in lower case.
pub fn weekday(day: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, candidate)| *candidate == day).map_or("monday", |(name, _)| name)
}

/// The names as the request wrote them, not the metrics that they select: another metric may be defined between two pages.
fn identity(asked: &SeriesRequest, intervals: &[Interval], week_start: Weekday) -> u64 {
    let names = |given: &[String]| given.iter().cloned().collect::<BTreeSet<_>>();
    let (categories, types) = (names(&asked.categories), names(&asked.types));
    let ValuesAsked { as_recorded, as_of } = asked.values;
    let shown = (asked.metadata, asked.judgement, as_recorded, as_of);
    cursor::identity(&(categories, types, intervals, weekday(week_start), shown))
}

/// Where a page ended.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// The last series of the page.
    pub key: MetricKey,
    pub interval: Interval,
    /// The day at which the series was cut and the next page continues.
    pub next_day: Option<Date>,
}

/// The content of a cursor: the identity and the range of its query, and the position.
pub(super) type CursorFields = (u64, Date, Date, String, String, Interval, Option<Date>);

impl ParameterParser {
    fn query(
        &mut self,
        asked: &SeriesRequest,
        catalogue: &Catalogue,
        week_start: Weekday,
        default_days: i64,
        last_finished: Date,
    ) -> SeriesQuery {
        let position = asked.cursor.as_deref().and_then(|cursor| {
            self.take("cursor", cursor::read::<CursorFields>(cursor).and_then(Self::position))
        });
        let begun = position.as_ref().map(|(_, from, to, _)| (*from, *to));
        let (from, to) = self.range(asked, begun, default_days, last_finished);
        let intervals = self.intervals(&asked.intervals);
        let week_start =
            asked.week_start.as_deref().and_then(|name| self.week_start(name)).unwrap_or(week_start);
        if asked.judgement && asked.values.as_of.is_some() {
            self.problem(
                "judgement",
                "earlier judgements are not kept: leave it out, or ask for the values of now",
            );
        }
        let identity = identity(asked, &intervals, week_start);
        if position.as_ref().is_some_and(|(of, ..)| *of != identity) {
            self.problem("cursor", cursor::FOREIGN);
        }
        SeriesQuery {
            from,
            to,
            metrics: self.metrics(&asked.categories, &asked.types, catalogue),
            intervals,
            week_start,
            metadata: asked.metadata,
            judgement: asked.judgement,
            values: asked.values,
            limit: self.limit(asked.limit.as_deref(), "series"),
            identity,
            after: position.map(|(_, _, _, after)| after),
        }
    }

    /// `begun` are the days of a cursor, which stays with them even if another day ends meanwhile.
    fn range(
        &mut self,
        asked: &SeriesRequest,
        begun: Option<(Date, Date)>,
        default_days: i64,
        last_finished: Date,
    ) -> (Date, Date) {
        let (begun_from, begun_to) = begun.unzip();
        let to = self.day("to", asked.to.as_deref(), begun_to).or(begun_to).unwrap_or(last_finished);
        let from = self.day("from", asked.from.as_deref(), begun_from).or(begun_from);
        let from = from.unwrap_or_else(|| to.saturating_sub((default_days - 1).days()));
        if let Err(message) = DayRange::check(from, to, last_finished) {
            self.problem(if to > last_finished { "to" } else { "from" }, message);
        }
        (from, to)
    }

    /// The named intervals, each once, from the shortest; days if none is named.
    fn intervals(&mut self, names: &[String]) -> Vec<Interval> {
        let names: Vec<_> = names.iter().map(|name| Interval::canonical_name(name).to_owned()).collect();
        let mut intervals = self.words("interval", &names, "interval", &named_variants());
        intervals.sort_unstable();
        intervals.dedup();
        if intervals.is_empty() {
            intervals.push(Interval::Day);
        }
        intervals
    }

    fn position(
        (identity, from, to, category, metric_type, interval, next_day): CursorFields,
    ) -> Result<(u64, Date, Date, Position), String> {
        let metric_type = metric_type.parse().map_err(|_| cursor::NOT_A_CURSOR)?;
        if next_day.is_some_and(|day| day <= from || day > to) {
            return Err(cursor::NOT_A_CURSOR.to_owned());
        }
        let key = MetricKey { metric_type, category };
        Ok((identity, from, to, Position { key, interval, next_day }))
    }

    /// `begun` is the day that the cursor has in this place.
    fn day(&mut self, parameter: &'static str, text: Option<&str>, begun: Option<Date>) -> Option<Date> {
        let date = self.take(parameter, day::parse(text?))?;
        if begun.is_some_and(|begun| begun != date) {
            self.problem("cursor", format!("it belongs to a query with another `{parameter}`"));
        }
        Some(date)
    }

    fn week_start(&mut self, name: &str) -> Option<Weekday> {
        let found = WEEKDAYS.iter().find(|(candidate, _)| *candidate == name).map(|(_, day)| *day);
        if found.is_none() {
            self.unknown("week_start", name, "day of the week", WEEKDAYS.iter().map(|(name, _)| *name));
        }
        found
    }

    /// The message names the finest interval that fits, if any does.
    fn limit_points(&mut self, query: &SeriesQuery, max_points: usize) {
        let SeriesQuery { from, to, week_start, .. } = *query;
        let count = |interval: Interval| interval.count(from, to, week_start, max_points);
        let Some(too_fine) = query.intervals.iter().find(|interval| count(**interval) > max_points) else {
            return;
        };
        let fitting = Interval::iter().find(|interval| count(*interval) <= max_points);
        let instead = match fitting {
            Some(interval) => format!("request the interval {}, or fewer days", interval.name()),
            None => "request fewer days".to_owned(),
        };
        let message = format!(
            "{from} to {to} by {} is more than {max_points} points, the limit (`query.max_points`); {instead}",
            too_fine.name()
        );
        self.problem("interval", message);
    }
}
