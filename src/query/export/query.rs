//! The parameters of an export, which may cover any number of days.

use jiff::civil::{Date, Weekday};

use crate::{
    collect::Context,
    config::QuerySettings,
    metric::MetricKey,
    query::{
        ActivityQuery, Catalogue, Interval, QueryError, SeriesQuery, SeriesRequest, activity::first_of,
        values,
    },
    store::ValuesAsked,
};

#[derive(Debug, Clone)]
pub struct ExportQuery {
    pub from: Date,
    pub to: Date,
    /// By category and type.
    pub metrics: Vec<MetricKey>,
    /// At least one.
    pub intervals: Vec<Interval>,
    pub week_start: Weekday,
    pub last_finished: Date,
    /// See [`crate::query::View`].
    pub values: ValuesAsked,
}

impl ExportQuery {
    /// Parses the parameters. The limit, the cursor and the metadata flag of `asked` are ignored. By default
    /// everything from the first recorded to the last finished day.
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem; when the store fails.
    pub async fn parse(
        asked: &SeriesRequest,
        context: &Context,
        catalogue: &Catalogue,
        settings: &QuerySettings,
    ) -> Result<Self, QueryError> {
        let last_finished = context.last_finished();
        let mut asked = SeriesRequest { limit: None, cursor: None, metadata: true, ..asked.clone() };
        let is_open = asked.from.is_none();
        if is_open && let Some((first, _)) = values::span(context).await? {
            // At an earlier instant there may have been no record yet.
            asked.from = Some(first.min(last_finished).to_string());
        }
        let query = SeriesQuery::parse_unlimited(&asked, catalogue, settings, last_finished)?;
        let SeriesQuery { from, to, metrics, intervals, week_start, values, .. } = query;
        Ok(Self { from, to, metrics, intervals, week_start, last_finished, values })
    }

    /// The days of [`crate::query::activity`].
    pub fn activity(query: &ActivityQuery, context: &Context, settings: &QuerySettings) -> Self {
        let to = context.last_finished();
        Self {
            from: first_of(context, to, query.days),
            to,
            metrics: query.metrics.clone(),
            intervals: vec![Interval::Day],
            week_start: settings.week_start,
            last_finished: to,
            values: query.values,
        }
    }
}
