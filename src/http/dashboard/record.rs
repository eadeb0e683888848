//! The record as HTML, for browsers that run no scripts: the latest values, and the last 30 days as a table.

use std::fmt::{self, Write};

use bytes::Bytes;

use crate::{
    http::{answer::Answer, cache::Lifetime, service::Service},
    metric::{Decimal, MetricKey},
    query::{
        self, ActivityQuery, Catalogue, LatestQuery, LatestResponse, QueryError, RollUp, SeriesResponse,
    },
    store::ValuesAsked,
};

/// The most latest values that are listed.
const MAX_VALUES: usize = 50;
/// The days of the table, and the most metrics that it has a column for.
const DAYS: usize = 30;
const MAX_COLUMNS: usize = 6;
/// The key of the answer in the cache. No path of a request is the same.
const CACHE_KEY: &str = "dashboard record";

/// The latest values and the last days.
pub async fn record(service: &Service) -> String {
    let make = async { made(service).await.map_err(|error| error.to_string()) };
    let last_finished = service.context.last_finished();
    match service.cache.answer(Lifetime::FiveMinutes, CACHE_KEY, last_finished, &service.counters, make).await
    {
        Ok(answer) => String::from_utf8_lossy(answer.body()).into_owned(),
        Err(error) => {
            tracing::warn!(error, "the record cannot be shown without scripts");
            "<p>The record cannot be read at the moment: try again in a moment.</p>".to_owned()
        }
    }
}

async fn made(service: &Service) -> Result<Answer, QueryError> {
    service.counters.store_query();
    let catalogue = service.catalogue().await?;
    let mut wanted = LatestQuery::parse(&[], &[], &catalogue)?;
    let all = wanted.metrics.len();
    wanted.metrics.truncate(MAX_VALUES);
    let latest = query::latest(&service.context, &catalogue, &wanted).await?;
    let columns = columns(&catalogue);
    let mut page = String::new();
    // Writing into a String does not fail.
    let _ = write_latest(&mut page, &latest, all);
    if !columns.is_empty() {
        let days = DAYS.min(service.query.max_points);
        let question = ActivityQuery { days, metrics: columns, values: ValuesAsked::default() };
        let days = query::activity(&service.context, &catalogue, &service.query, &question).await?;
        let _ = write_days(&mut page, &days);
    }
    Ok(Answer::new(axum::http::StatusCode::OK, axum::http::HeaderMap::new(), Bytes::from(page)))
}

/// The metrics of the table of days: headlines before others; what happens in a day first, then shares and averages, then what
/// exists.
fn columns(catalogue: &Catalogue) -> Vec<MetricKey> {
    let mut known: Vec<_> = catalogue
        .metrics()
        .iter()
        .filter(|metric| metric.stored.is_active && !metric.definition().measure.has_labels())
        .collect();
    known.sort_by_key(|metric| {
        let is_headline = metric.definition().dashboard.headline;
        let rank = match metric.current_roll_up() {
            RollUp::Sum => 0,
            RollUp::Percentage | RollUp::Average | RollUp::Minimum | RollUp::Maximum | RollUp::Formula => 1,
            RollUp::Last | RollUp::Merge | RollUp::MergeAverages | RollUp::Never => 2,
        };
        (!is_headline, rank)
    });
    known.into_iter().take(MAX_COLUMNS).map(|metric| metric.key.clone()).collect()
}

fn write_latest(page: &mut String, latest: &LatestResponse, all: usize) -> fmt::Result {
    let zone = Escaped(&latest.time_zone);
    write!(
        page,
        "<h1>Daymark</h1><h2>Latest values</h2><p>The last finished day is {}, in {zone}.",
        latest.last_finished
    )?;
    if all > latest.metrics.len() {
        write!(page, " These are {} of {all} metrics.", latest.metrics.len())?;
    }
    page.write_str("</p><table><thead><tr><th>Metric<th>Value<th>Unit<th>Day<th>Change from the day before</thead><tbody>")?;
    for metric in &latest.metrics {
        write!(page, "<tr><th scope=\"row\">{}<td>", Escaped(&metric.display_name))?;
        write_value(page, metric.value.as_ref(), &metric.format_pattern)?;
        write_mark(page, metric.revision)?;
        write!(page, "<td>{}<td>", Escaped(&metric.unit))?;
        match metric.metric_date {
            Some(date) => write!(page, "{date}")?,
            None => page.write_str("never recorded")?,
        }
        page.write_str("<td>")?;
        if let Some(change) = &metric.change_from_day_before {
            write_value(page, Some(&change.absolute), &metric.format_pattern)?;
        }
    }
    page.write_str("</tbody></table>")
}

fn write_days(page: &mut String, days: &SeriesResponse) -> fmt::Result {
    write!(page, "<h2>The last {DAYS} days</h2><table><thead><tr><th>Day")?;
    for series in &days.series {
        write!(page, "<th>{}", Escaped(&series.display_name))?;
    }
    page.write_str("</thead><tbody>")?;
    let length = days.series.first().map_or(0, |series| series.points.len());
    for index in (0..length).rev() {
        if let Some(point) = days.series.first().and_then(|series| series.points.get(index)) {
            write!(page, "<tr><th scope=\"row\">{}", point.from)?;
        }
        for series in &days.series {
            page.write_str("<td>")?;
            let point = series.points.get(index);
            write_value(page, point.and_then(|point| point.value.as_ref()), &series.format_pattern)?;
            write_mark(page, point.and_then(|point| point.revision))?;
        }
    }
    page.write_str("</tbody></table>")
}

/// The value with the decimal places of its format pattern, which are those after its point.
fn write_value(page: &mut String, value: Option<&Decimal>, pattern: &str) -> fmt::Result {
    let places = pattern.split_once('.').map_or(0, |(_, places)| places.matches('0').count());
    match value {
        Some(value) => write!(
            page,
            "{}",
            value.inner().with_scale_round(places as i64, bigdecimal::RoundingMode::HalfUp)
        ),
        None => page.write_str("–"),
    }
}

/// Marks a value that was corrected.
fn write_mark(page: &mut String, revision: Option<i32>) -> fmt::Result {
    if revision.is_some() { page.write_str(" <small>(corrected)</small>") } else { Ok(()) }
}

/// A text in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}
