//! What may be asked about series, and how strictly it is read: everything that is wrong is named at once.

use std::collections::BTreeSet;

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};

use super::{Catalogue, Interval, Problem, QueryError, catalogue::order, cursor, day, range::Range};
use crate::{
    collect::CollectError,
    config::{QuerySettings, WEEKDAYS, shown, suggestion},
    metric::{MetricKey, MetricType},
};

/// Series on a page unless asked otherwise, and at most.
const DEFAULT_LIMIT: usize = 50;
pub const MAX_LIMIT: usize = 200;
/// Days of metrics that an answer is made of at most: the work that a request may be. All metrics of a page count, and
/// one is always allowed.
pub(super) const MAX_DAYS: usize = 100_000;
/// Days of a question that does not say since when.
const DEFAULT_DAYS: i64 = 30;

/// A question as it comes from outside; a list without anything in it, or `None`, was not given.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `YYYY-MM-DD`; by default the 30 days that end with `to`, or `query.max_points` if that is less.
    pub from: Option<String>,
    /// `YYYY-MM-DD`; by default the last finished day.
    pub to: Option<String>,
    /// By default all active metrics; a category that is named may also be inactive.
    pub categories: Vec<String>,
    pub types: Vec<String>,
    /// By default `day`.
    pub intervals: Vec<String>,
    /// By default `query.week_start`.
    pub week_start: Option<String>,
    /// Whether points carry the metadata of their records.
    pub metadata: bool,
    /// Series a page, at most.
    pub limit: Option<String>,
    /// `next_cursor` of the page before; the other parameters must be the same.
    pub cursor: Option<String>,
}

/// A question that can be answered.
#[derive(Debug, Clone)]
pub struct Question {
    pub from: Date,
    pub to: Date,
    /// By category and type.
    pub metrics: Vec<MetricKey>,
    /// From the finest to the coarsest, each once.
    pub intervals: Vec<Interval>,
    pub week_start: Weekday,
    pub metadata: bool,
    pub limit: usize,
    /// What was asked, but for the range and the limit; cursors hold it.
    pub(super) identity: u64,
    pub(super) after: Option<(MetricKey, Interval)>,
}

impl Question {
    /// Reads what was asked. `last_finished` is where a question ends that does not say.
    ///
    /// # Errors
    /// [`QueryError::Question`] with every problem.
    pub fn parse(
        asked: &Asked,
        catalogue: &Catalogue,
        settings: &QuerySettings,
        last_finished: Date,
    ) -> Result<Self, QueryError> {
        let mut reader = Reader::default();
        // A question that says nothing fits.
        let days = i64::try_from(settings.max_points).map_or(DEFAULT_DAYS, |most| most.min(DEFAULT_DAYS));
        let mut question = reader.question(asked, catalogue, settings.week_start, days, last_finished);
        reader.limit_points(&question, settings.max_points);
        question.limit_days();
        reader.finish(question)
    }

    /// A page ends early rather than be made of more than [`MAX_DAYS`].
    fn limit_days(&mut self) {
        let days = Interval::Day.count(self.from, self.to, self.week_start, MAX_DAYS).max(1);
        self.limit = self.limit.min((MAX_DAYS / days).max(1) * self.intervals.len());
    }

    /// As [`Question::parse`], without a limit on points and without pages.
    ///
    /// # Errors
    /// [`QueryError::Question`] with every problem.
    pub fn parse_unlimited(
        asked: &Asked,
        catalogue: &Catalogue,
        settings: &QuerySettings,
        last_finished: Date,
    ) -> Result<Self, QueryError> {
        let mut reader = Reader::default();
        let question = reader.question(asked, catalogue, settings.week_start, DEFAULT_DAYS, last_finished);
        reader.finish(question)
    }
}

/// The English name of a weekday, in lower case.
pub fn weekday(day: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, candidate)| *candidate == day).map_or("monday", |(name, _)| name)
}

/// The names as they were given and not the metrics that they mean: another one may be defined between two pages.
fn identity(asked: &Asked, intervals: &[Interval], week_start: Weekday) -> u64 {
    let names = |given: &[String]| given.iter().cloned().collect::<BTreeSet<_>>();
    let (categories, types) = (names(&asked.categories), names(&asked.types));
    cursor::identity(&(categories, types, intervals, weekday(week_start), asked.metadata))
}

/// Where a page ended: its question's identity and range, and its last series.
pub(super) type Position = (u64, Date, Date, String, String, Interval);

/// Reads parameters and collects what is wrong with them.
#[derive(Default)]
pub(super) struct Reader {
    problems: Vec<Problem>,
    /// Whether there are no metrics to be asked about.
    nothing_is_defined: bool,
}

impl Reader {
    fn question(
        &mut self,
        asked: &Asked,
        catalogue: &Catalogue,
        week_start: Weekday,
        default_days: i64,
        last_finished: Date,
    ) -> Question {
        let position = asked.cursor.as_deref().and_then(|cursor| {
            self.take("cursor", cursor::read::<Position>(cursor).and_then(Self::series_of))
        });
        let (begun_from, begun_to) = position.as_ref().map(|(_, from, to, _)| (*from, *to)).unzip();
        // A cursor stays with the days it began with, even if another day ends meanwhile.
        let to = self.day("to", asked.to.as_deref(), begun_to).or(begun_to).unwrap_or(last_finished);
        let from = self.day("from", asked.from.as_deref(), begun_from).or(begun_from);
        let from = from.unwrap_or_else(|| to.saturating_sub((default_days - 1).days()));
        if let Err(message) = Range::check(from, to, last_finished) {
            self.problem(if to > last_finished { "to" } else { "from" }, message);
        }
        let mut intervals =
            self.words("interval", &asked.intervals, "interval", &Interval::ALL, Interval::name);
        intervals.sort_unstable();
        intervals.dedup();
        if intervals.is_empty() {
            intervals.push(Interval::Day);
        }
        let week_start =
            asked.week_start.as_deref().and_then(|name| self.week_start(name)).unwrap_or(week_start);
        let identity = identity(asked, &intervals, week_start);
        if position.as_ref().is_some_and(|(of, ..)| *of != identity) {
            self.problem("cursor", cursor::FOREIGN);
        }
        Question {
            from,
            to,
            metrics: self.metrics(&asked.categories, &asked.types, catalogue),
            intervals,
            week_start,
            metadata: asked.metadata,
            limit: self.limit(asked.limit.as_deref(), "series"),
            identity,
            after: position.map(|(_, _, _, after)| after),
        }
    }

    fn series_of(
        (identity, from, to, category, metric_type, interval): Position,
    ) -> Result<(u64, Date, Date, (MetricKey, Interval)), String> {
        let metric_type = MetricType::from_name(&metric_type).ok_or("this is no cursor")?;
        Ok((identity, from, to, (MetricKey { metric_type, category }, interval)))
    }

    /// `begun` is the day that the cursor has in this place.
    fn day(&mut self, parameter: &'static str, text: Option<&str>, begun: Option<Date>) -> Option<Date> {
        let date = self.take(parameter, day::parse(text?))?;
        if begun.is_some_and(|begun| begun != date) {
            self.problem("cursor", format!("it belongs to a question with another `{parameter}`"));
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

    /// The metrics of the given categories and types.
    pub fn metrics(
        &mut self,
        categories: &[String],
        types: &[String],
        catalogue: &Catalogue,
    ) -> Vec<MetricKey> {
        if catalogue.metrics().is_empty() {
            self.nothing_is_defined = true;
            self.types(types);
            return Vec::new();
        }
        let known = |name: &str| catalogue.metrics().iter().any(|metric| metric.key.category == name);
        for name in categories.iter().filter(|name| !known(name)).collect::<BTreeSet<_>>() {
            let mut names: Vec<_> =
                catalogue.metrics().iter().map(|metric| metric.key.category.as_str()).collect();
            names.dedup();
            self.unknown("category", name, "metric", names);
        }
        let wanted = self.types(types);
        let chosen = |key: &MetricKey, is_active: bool| {
            let named = if categories.is_empty() { is_active } else { categories.contains(&key.category) };
            named && (types.is_empty() || wanted.contains(&key.metric_type))
        };
        let metrics = catalogue.metrics().iter();
        let mut keys: Vec<_> = metrics
            .filter(|metric| chosen(&metric.key, metric.stored.is_active))
            .map(|metric| metric.key.clone())
            .collect();
        if keys.is_empty() && self.problems.is_empty() {
            let message = "no metric has both this category and this type";
            self.problem(if types.is_empty() { "category" } else { "type" }, message);
        }
        keys.sort_by(order);
        keys
    }

    fn types(&mut self, types: &[String]) -> Vec<MetricType> {
        self.words("type", types, "type of metric", &MetricType::ALL, MetricType::name)
    }

    /// Reads names of a list of known ones; `what` is what each of them is.
    pub fn words<T: Copy>(
        &mut self,
        parameter: &'static str,
        given: &[String],
        what: &str,
        known: &[T],
        name_of: fn(T) -> &'static str,
    ) -> Vec<T> {
        let mut read = Vec::new();
        for name in given {
            match known.iter().find(|candidate| name_of(**candidate) == name) {
                Some(found) => read.push(*found),
                None => self.unknown(parameter, name, what, known.iter().map(|known| name_of(*known))),
            }
        }
        read
    }

    pub fn limit(&mut self, text: Option<&str>, of_what: &str) -> usize {
        let Some(text) = text else { return DEFAULT_LIMIT };
        let number = text.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        number.filter(|_| is_plain).unwrap_or_else(|| {
            let message = format!("from 1 to {MAX_LIMIT} {of_what} a page, not {}", shown(text));
            self.problem("limit", message);
            DEFAULT_LIMIT
        })
    }

    /// The finest interval that fits is named, where one does.
    fn limit_points(&mut self, question: &Question, max_points: usize) {
        let Question { from, to, week_start, .. } = *question;
        let count = |interval: Interval| interval.count(from, to, week_start, max_points);
        let Some(too_fine) = question.intervals.iter().find(|interval| count(**interval) > max_points) else {
            return;
        };
        let fitting = Interval::ALL.into_iter().find(|interval| count(*interval) <= max_points);
        let instead = match fitting {
            Some(interval) => format!("ask by {}, or for fewer days", interval.name()),
            None => "ask for fewer days".to_owned(),
        };
        let message = format!(
            "{from} to {to} by {} is more than {max_points} points, the limit (`query.max_points`); {instead}",
            too_fine.name()
        );
        self.problem("interval", message);
    }

    pub fn unknown<'a>(
        &mut self,
        parameter: &'static str,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        if name.is_empty() {
            let message = format!("a name in `{parameter}` is empty; leave it out, or say which {what}");
            return self.problem(parameter, message);
        }
        let hint = suggestion(name, known).map_or_else(String::new, |hint| format!("; {hint}"));
        self.problem(parameter, format!("no {what} is called {}{hint}", shown(name)));
    }

    pub fn problem(&mut self, parameter: &'static str, message: impl Into<String>) {
        self.problems.push(Problem { parameter, message: message.into() });
    }

    pub fn take<T>(&mut self, parameter: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.problem(parameter, message)).ok()
    }

    pub fn finish<T>(self, question: T) -> Result<T, QueryError> {
        match self.problems.is_empty() {
            false => Err(QueryError::Question(self.problems)),
            true if self.nothing_is_defined => Err(CollectError::NoDefinitions.into()),
            true => Ok(question),
        }
    }
}
