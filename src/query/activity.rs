//! Activity: the values of some metrics on the last finished days, exactly as many days as requested.

use jiff::{ToSpan, civil::Date};
use strum::IntoEnumIterator;

use super::{
    catalogue::Catalogue,
    error::QueryError,
    interval::Interval,
    parameter_parser::ParameterParser,
    point::DAY_POINT_BYTES,
    response::SeriesResponse,
    series::series_until,
    series_query::{MAX_DAYS, SeriesQuery},
};
use crate::{
    collect::Context,
    config::{QuerySettings, shown},
    metric::MetricKey,
    store::ValuesAsked,
};

const DEFAULT_DAYS: usize = 30;

#[derive(Debug, Clone)]
pub struct ActivityQuery {
    /// The number of days; dates that the reporting zone skipped do not count.
    pub days: usize,
    /// By category and type.
    pub metrics: Vec<MetricKey>,
    /// See [`super::View`].
    pub values: ValuesAsked,
}

impl ActivityQuery {
    /// `days` as a text; without `categories`, all active metrics.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(
        days: Option<&str>,
        categories: &[String],
        types: &[String],
        catalogue: &Catalogue,
        settings: &QuerySettings,
    ) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let most = settings.max_points;
        let days = days.map_or(DEFAULT_DAYS.min(most), |text| {
            let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            number.filter(|number| (1..=most).contains(number)).unwrap_or_else(|| {
                parser.problem("days", out_of_limit(text, most));
                1
            })
        });
        let metrics = parser.metrics(categories, types, catalogue);
        if days * metrics.len() > MAX_DAYS {
            let (count, fitting) = (metrics.len(), MAX_DAYS / metrics.len());
            parser.problem(
                "days",
                format!(
                    "{days} days of {count} metrics are more than {MAX_DAYS} points, the limit of an answer; request at \
                     most {fitting} days, or fewer metrics"
                ),
            );
        }
        parser.finish(Self { days, metrics, values: ValuesAsked::default() })
    }
}

impl ActivityQuery {
    /// The series of exactly its days, the last of which is the last finished day, on one page.
    pub fn series(&self, context: &Context, settings: &QuerySettings) -> SeriesQuery {
        let to = context.last_finished();
        SeriesQuery {
            from: first_of(context, to, self.days),
            to,
            metrics: self.metrics.clone(),
            intervals: vec![Interval::Day],
            week_start: settings.week_start,
            metadata: false,
            judgement: false,
            values: self.values,
            limit: usize::MAX,
            identity: 0,
            after: None,
        }
    }

    /// The same query of other values.
    pub fn of(self, values: ValuesAsked) -> Self {
        Self { values, ..self }
    }

    /// About how many bytes of memory making the answer takes: its points and their text.
    pub fn memory_bytes(&self) -> usize {
        2 * self.days * self.metrics.len() * DAY_POINT_BYTES
    }
}

/// The limit, and the finest interval that more days would fit by.
fn out_of_limit(text: &str, most: usize) -> String {
    let fits = |interval: &Interval| {
        // The most buckets that this number of days may touch.
        let buckets = |days: usize| days.checked_div(interval.least_days())?.checked_add(2);
        text.parse().is_ok_and(|days| days > most && buckets(days).is_some_and(|buckets| buckets <= most))
    };
    let instead = match Interval::iter().find(fits) {
        Some(interval) => {
            format!("; for more days, request a series of a date range by `{}`", interval.name())
        }
        None => String::new(),
    };
    format!("must be from 1 to {most} days (`query.max_points`), not {}{instead}", shown(text))
}

/// Exactly `days` points for each metric, the last of them of the last finished day; days without a record are gaps.
///
/// # Errors
/// When the store fails.
pub async fn activity(
    context: &Context,
    catalogue: &Catalogue,
    settings: &QuerySettings,
    query: &ActivityQuery,
) -> Result<SeriesResponse, QueryError> {
    let whole = query.series(context, settings);
    series_until(context, catalogue, &whole, whole.to, usize::MAX).await
}

/// The first of the `days` existing days that end with `to`.
fn first_of(context: &Context, to: Date, days: usize) -> Date {
    let (mut first, mut found) = (to, 1);
    while found < days && first > Date::MIN {
        first = first.saturating_sub(1.day());
        found += usize::from(context.tenant.calendar.bounds(first).is_some());
    }
    first
}
