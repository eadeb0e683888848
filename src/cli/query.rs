//! `daymark query`.

use std::collections::BTreeSet;

use clap::Args;

use super::{
    App, Exit, Page,
    output::Format,
    series_arguments::{SeriesArguments, by_flags},
};
use crate::metric::Decimal;
use crate::query::{
    self, ActivityQuery, Catalogue, Change, Interval, LatestQuery, LatestResponse, MAX_LIMIT,
    ParameterProblem, Point, QueryError, Series, SeriesQuery, SeriesResponse,
};

#[derive(Args)]
pub struct QueryArguments {
    #[command(flatten)]
    asked: SeriesArguments,
    /// With sample sizes, numerators and denominators, or labels (JSON only)
    #[arg(long)]
    metadata: bool,
    /// The latest value of each metric, and how it changed
    #[arg(long, conflicts_with_all = ["from", "to", "intervals", "week_start", "metadata"])]
    latest: bool,
    /// The last N finished days
    #[arg(long, value_name = "N", conflicts_with_all = ["latest", "from", "to", "intervals", "week_start", "metadata"])]
    activity: Option<String>,
}

pub async fn run(app: &App, arguments: &QueryArguments, format: Format) -> anyhow::Result<(Page, Exit)> {
    if arguments.metadata && !matches!(format, Format::Json) {
        let message =
            "metadata are shown as JSON only: add `--format json`, or see `daymark export`".to_owned();
        return Err(QueryError::InvalidParameters(vec![ParameterProblem {
            parameter: "--metadata",
            message,
        }])
        .into());
    }
    Ok((answer(app, arguments).await.map_err(by_flags)?, Exit::Done))
}

async fn answer(app: &App, arguments: &QueryArguments) -> anyhow::Result<Page> {
    let (context, settings) = (&app.context, &app.config.settings.query);
    let catalogue = Catalogue::load(context.tenant.store.as_ref()).await?;
    let asked = &arguments.asked;
    if arguments.latest {
        let query = LatestQuery::parse(&asked.metrics, &asked.types, &catalogue)?;
        latest_page(&query::latest(context, &catalogue, &query).await?)
    } else if let Some(days) = &arguments.activity {
        let query = ActivityQuery::parse(Some(days), &asked.metrics, &asked.types, &catalogue, settings)?;
        series_page(&query::activity(context, &catalogue, settings, &query).await?)
    } else {
        series_page(&whole(app, &catalogue, arguments).await?)
    }
}

/// All pages as one.
async fn whole(
    app: &App,
    catalogue: &Catalogue,
    arguments: &QueryArguments,
) -> anyhow::Result<SeriesResponse> {
    let (context, settings) = (&app.context, &app.config.settings.query);
    let mut asked = arguments.asked.asked();
    asked.metadata = arguments.metadata;
    asked.limit = Some(MAX_LIMIT.to_string());
    let last_finished = context.last_finished();
    let query = SeriesQuery::parse(&asked, catalogue, settings, last_finished)?;
    let mut answer = query::series(context, catalogue, &query).await?;
    while let Some(cursor) = answer.next_cursor.take() {
        asked.cursor = Some(cursor);
        let query = SeriesQuery::parse(&asked, catalogue, settings, last_finished)?;
        let next = query::series(context, catalogue, &query).await?;
        answer.series.extend(next.series);
        answer.next_cursor = next.next_cursor;
    }
    Ok(answer)
}

fn series_page(answer: &SeriesResponse) -> anyhow::Result<Page> {
    let mut page = Page::new(serde_json::to_value(answer)?);
    page.columns = vec![
        "interval",
        "from",
        "to",
        "metric_type",
        "metric_category",
        "value",
        "days_recorded",
        "days_due",
        "complete",
        "provenance",
        "note",
    ];
    let mut shown = Vec::new();
    for series in &answer.series {
        for point in &series.points {
            page.rows.push(row(series, point));
            shown.push(shown_row(series, point));
        }
    }
    if !shown.is_empty() {
        page.table_of(&["from", "to", "metric", "value", "recorded", ""], shown);
        page.blank();
    }
    for series in &answer.series {
        if let Some(reason) = &series.refused {
            page.line(format!("{} by {}: {reason}", series.metric_category, series.interval.name()));
        }
    }
    write_gaps(&mut page, answer);
    page.line(format!("{} to {}, days of {}.", answer.from, answer.to, answer.time_zone));
    Ok(page)
}

fn row(series: &Series, point: &Point) -> Vec<String> {
    vec![
        series.interval.name().to_owned(),
        point.from.to_string(),
        point.to.to_string(),
        series.metric_type.to_string(),
        series.metric_category.clone(),
        text(point.value.as_ref()),
        point.days_recorded.to_string(),
        point.days_due.to_string(),
        point.complete.to_string(),
        point.provenance.map_or_else(String::new, |provenance| provenance.name().to_owned()),
        note(series, point),
    ]
}

fn shown_row(series: &Series, point: &Point) -> Vec<String> {
    let to = if point.from == point.to { String::new() } else { point.to.to_string() };
    let recorded = match (series.interval, point.days_recorded) {
        (Interval::Day, 0) => String::new(),
        (Interval::Day, _) => point.provenance.map_or("", query::PointProvenance::name).to_owned(),
        _ => format!("{} of {} days", point.days_recorded, point.days_due),
    };
    let value = point.value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    // What all points of the series have in common stands below the table.
    let note = match (&series.refused, &point.refused) {
        (Some(_), Some(_)) => "refused".to_owned(),
        _ => note(series, point),
    };
    vec![point.from.to_string(), to, series.metric_category.clone(), value, recorded, note]
}

/// What there is to say about a point: why it has no value, or that its value is a lower bound.
fn note(series: &Series, point: &Point) -> String {
    if let Some(reason) = &point.refused {
        return reason.clone();
    }
    let gap = series.gaps.iter().find(|gap| gap.to >= point.from && gap.from <= point.to);
    match (gap, &point.value) {
        (Some(gap), None) => gap.cause.replace('_', " "),
        _ if point.lower_bound => "at least".to_owned(),
        _ => String::new(),
    }
}

fn write_gaps(page: &mut Page, answer: &SeriesResponse) {
    let gaps = answer.series.iter().flat_map(|series| series.gaps.iter().map(move |gap| (series, gap)));
    // A metric's gaps are the same in every interval.
    let mut seen = BTreeSet::new();
    for (series, gap) in gaps.filter(|(series, gap)| seen.insert((series.metric_category.clone(), gap.from)))
    {
        let days =
            if gap.from == gap.to { gap.from.to_string() } else { format!("{} to {}", gap.from, gap.to) };
        let fill = gap.fill.as_ref().map_or_else(String::new, |fill| format!("; to fill: {}", fill.command));
        page.line(format!("{}, {days}: {}{fill}", series.metric_category, gap.explanation));
    }
}

fn latest_page(answer: &LatestResponse) -> anyhow::Result<Page> {
    let mut page = Page::new(serde_json::to_value(answer)?);
    page.columns = vec![
        "metric_type",
        "metric_category",
        "metric_date",
        "value",
        "change_from_day_before",
        "change_from_week_before",
        "change_from_month_before",
    ];
    let mut shown = Vec::new();
    for metric in &answer.metrics {
        let changes = [
            &metric.change_from_day_before,
            &metric.change_from_week_before,
            &metric.change_from_month_before,
        ];
        let date = metric.metric_date.map(|date| date.to_string());
        let value = text(metric.value.as_ref());
        let mut row = vec![
            metric.metric_type.to_string(),
            metric.metric_category.clone(),
            date.clone().unwrap_or_default(),
            value.clone(),
        ];
        row.extend(changes.map(|change| text(change.as_ref().map(|change| &change.absolute))));
        page.rows.push(row);
        let date = date.unwrap_or_else(|| "never recorded".to_owned());
        let mut row = vec![metric.metric_category.clone(), value, date];
        row.extend(changes.map(|change| change.as_ref().map_or_else(String::new, shown_change)));
        shown.push(row);
    }
    page.table_of(&["metric", "value", "day", "a day before", "a week before", "a month before"], shown);
    Ok(page)
}

/// `+12 (+3.5 %)`.
fn shown_change(change: &Change) -> String {
    let signed = |text: String| if text.starts_with('-') { text } else { format!("+{text}") };
    let absolute = signed(change.absolute.to_string());
    let percent = change.percent.as_ref().map(|percent| signed(percent.inner().round(1).to_plain_string()));
    percent.map_or_else(|| absolute.clone(), |percent| format!("{absolute} ({percent} %)"))
}

fn text(value: Option<&Decimal>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
