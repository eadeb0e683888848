//! `daymark query`.

use std::{collections::BTreeSet, sync::Arc};

use clap::Args;
use jiff::civil::Date;

use super::{
    App, Exit, Page, latest_values,
    output::Format,
    series_arguments::{SeriesArguments, ViewArguments, by_flags},
};
use crate::collect::{Context, earlier_meanings};
use crate::query::{
    self, ActivityQuery, Catalogue, Interval, LatestQuery, MAX_LIMIT, ParameterProblem, Point, QueryError,
    Series, SeriesQuery, SeriesRequest, SeriesResponse, View,
};

/// How many labels of a breakdown the text shows.
const SHOWN_LABELS: usize = 3;

#[derive(Args)]
pub struct QueryArguments {
    #[command(flatten)]
    requested: SeriesArguments,
    #[command(flatten)]
    view: ViewArguments,
    /// Include sample sizes, numerators and denominators, or labels (JSON only)
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
            "metadata is shown as JSON only: add `--format json`, or use `daymark export`".to_owned();
        let problem = ParameterProblem { parameter: "--metadata", message };
        return Err(QueryError::InvalidParameters(vec![problem]).into());
    }
    Ok((answer(app, arguments, format).await.map_err(by_flags)?, Exit::Done))
}

async fn answer(app: &App, arguments: &QueryArguments, format: Format) -> anyhow::Result<Page> {
    let settings = &app.config.settings.query;
    let catalogue = Catalogue::load(app.context.tenant.store.as_ref())
        .await?
        .with_derived(&app.config.derived())
        .with_all_versions();
    let View { context, catalogue, values } =
        View::new(&app.context, &Arc::new(catalogue), arguments.view.request()).await?;
    let (context, requested) = (&context, &arguments.requested);
    if arguments.latest {
        let query = LatestQuery::parse(&requested.metrics, &requested.types, &catalogue)?.of(values);
        return latest_values::page(&query::latest(context, &catalogue, &query).await?);
    }
    let mut shown = ShownSeries { ambiguous: ambiguous(&catalogue), ..ShownSeries::default() };
    if let Some(days) = &arguments.activity {
        let query =
            ActivityQuery::parse(Some(days), &requested.metrics, &requested.types, &catalogue, settings)?
                .of(values);
        shown.add(query::activity(context, &catalogue, settings, &query).await?, false);
        return shown.page();
    }
    let mut request = SeriesRequest { values, ..requested.request() };
    // Metadata is also needed for text, which shows the largest labels.
    request.metadata = arguments.metadata || matches!(format, Format::Text);
    request.limit = Some(MAX_LIMIT.to_string());
    let last_finished = context.last_finished();
    let mut categories = BTreeSet::new();
    loop {
        let query = SeriesQuery::parse(&request, &catalogue, settings, last_finished)?;
        let mut response = query::series(context, &catalogue, &query).await?;
        request.cursor = response.next_cursor.take();
        let range = (response.from, response.to);
        categories.extend(response.series.iter().map(|series| series.metric_category.clone()));
        shown.add(response, arguments.metadata);
        if request.cursor.is_none() {
            let mut page = shown.page()?;
            // The days are compared with the definitions of now.
            if values.as_of.is_none() {
                note_earlier_meanings(&mut page, context, &catalogue, &categories, range).await?;
            }
            return Ok(page);
        }
    }
}

/// Notes which days were recorded under an earlier definition with another meaning.
async fn note_earlier_meanings(
    page: &mut Page,
    context: &Context,
    catalogue: &Catalogue,
    categories: &BTreeSet<String>,
    (from, to): (Date, Date),
) -> anyhow::Result<()> {
    let metrics = catalogue.metrics().iter().filter(|metric| categories.contains(&metric.key.category));
    let shown: Vec<_> = metrics.map(|metric| &metric.stored.definition).collect();
    for earlier in earlier_meanings(context.tenant.store.as_ref(), &shown, from, to).await? {
        page.line(format!("note: {earlier}."));
    }
    Ok(())
}

/// The joined pages of a series query.
#[derive(Default)]
struct ShownSeries {
    whole: Option<SeriesResponse>,
    /// The rows of the table in the text.
    table: Vec<Vec<String>>,
    /// The names that metrics of more than one type have.
    ambiguous: BTreeSet<String>,
}

impl ShownSeries {
    /// Adds a page. Without `metadata`, its points' metadata is dropped after the table's rows are made.
    fn add(&mut self, mut response: SeriesResponse, metadata: bool) {
        for series in &mut response.series {
            let category = &series.metric_category;
            let name = match self.ambiguous.contains(category) {
                true => format!("{category} ({})", series.metric_type),
                false => category.clone(),
            };
            let rows = series.points.iter().map(|point| shown_row(series, &name, point));
            self.table.extend(rows);
            if !metadata {
                series.points.iter_mut().for_each(|point| point.metadata = None);
            }
        }
        match &mut self.whole {
            None => self.whole = Some(response),
            Some(whole) => whole.join(response),
        }
    }

    fn page(self) -> anyhow::Result<Page> {
        let Some(whole) = self.whole else { return Ok(Page::default()) };
        series_page(&whole, self.table)
    }
}

fn series_page(answer: &SeriesResponse, table: Vec<Vec<String>>) -> anyhow::Result<Page> {
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
    page.rows = answer
        .series
        .iter()
        .flat_map(|series| series.points.iter().map(move |point| row(series, point)))
        .collect();
    if !table.is_empty() {
        page.table_of(&["from", "to", "metric", "value", "recorded", ""], table);
        page.blank();
    }
    for series in &answer.series {
        if let Some(reason) = &series.refused {
            page.line(format!("{} by {}: {reason}", series.metric_category, series.interval.name()));
        }
    }
    write_version_changes(&mut page, answer);
    write_gaps(&mut page, answer);
    page.line(format!("{} to {}, days of {}.", answer.from, answer.to, answer.time_zone));
    Ok(page)
}

/// Lists the days from which another version of a metric's definition made the values, as their meaning may differ.
fn write_version_changes(page: &mut Page, answer: &SeriesResponse) {
    // A metric's version changes are the same for every interval, and are listed once.
    let mut seen = BTreeSet::new();
    let changes = answer
        .series
        .iter()
        .flat_map(|series| series.version_changes.iter().map(move |change| (series, change)));
    for (series, change) in
        changes.filter(|(series, change)| seen.insert((series.metric_category.clone(), change.date)))
    {
        page.line(format!(
            "{}: version {} of its definition made the values from {} on, version {} those before.",
            series.metric_category, change.to_version, change.date, change.from_version
        ));
    }
}

fn row(series: &Series, point: &Point) -> Vec<String> {
    vec![
        series.interval.name().to_owned(),
        point.from.to_string(),
        point.to.to_string(),
        series.metric_type.to_string(),
        series.metric_category.clone(),
        point.value.as_ref().map(ToString::to_string).unwrap_or_default(),
        point.days_recorded.to_string(),
        point.days_due.to_string(),
        point.complete.to_string(),
        point.provenance.map_or_else(String::new, |provenance| provenance.name().to_owned()),
        note(series, point),
    ]
}

fn ambiguous(catalogue: &Catalogue) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let names = catalogue.metrics().iter().map(|metric| &metric.key.category);
    names.filter(|name| !seen.insert(*name)).cloned().collect()
}

/// `name` is the name by which the output calls the metric.
fn shown_row(series: &Series, name: &str, point: &Point) -> Vec<String> {
    let to = if series.interval == Interval::Day { String::new() } else { point.to.to_string() };
    let recorded = match (series.interval, point.days_recorded) {
        (Interval::Day, 0) => String::new(),
        (Interval::Day, _) => point.provenance.map_or("", query::PointProvenance::name).to_owned(),
        _ => format!("{} of {} days", point.days_recorded, point.days_due),
    };
    let value = point.value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    // The reason that all points of a refused series share is printed below the table.
    let note = match (&series.refused, &point.refused) {
        (Some(_), Some(_)) => "refused".to_owned(),
        _ => note(series, point),
    };
    let note = match labels(point) {
        Some(labels) if note.is_empty() => labels,
        Some(labels) => format!("{note}; {labels}"),
        None => note,
    };
    vec![point.from.to_string(), to, name.to_owned(), value, recorded, note]
}

/// Formats the largest labels of a breakdown: `rock 12, jazz 5, pop 2 and 17 more`.
fn labels(point: &Point) -> Option<String> {
    let metadata = point.metadata.as_ref()?.object();
    let items = metadata.get("top_items")?.as_array()?;
    let shown =
        |item: &serde_json::Value| Some(format!("{} {}", item.get("key")?.as_str()?, item.get("value")?));
    let shown: Vec<_> = items.iter().filter_map(shown).take(SHOWN_LABELS).collect();
    let others = metadata.get("other").and_then(|other| other.get("labels")?.as_u64()).unwrap_or(0);
    let more = (items.len() - shown.len()) as u64 + others;
    let at_least = if point.lower_bound { "at least " } else { "" };
    let more = if more == 0 { String::new() } else { format!(" and {at_least}{more} more") };
    (!shown.is_empty()).then(|| shown.join(", ") + &more)
}

/// The note on a point: why it has no value, or that its value is a lower bound.
fn note(series: &Series, point: &Point) -> String {
    if let Some(reason) = &point.refused {
        return reason.clone();
    }
    let gap = series.gaps.iter().find(|gap| gap.to >= point.from && gap.from <= point.to);
    match (gap, &point.value) {
        _ if point.no_data => "no data".to_owned(),
        (Some(gap), None) => gap.cause.replace('_', " "),
        _ if point.lower_bound => "at least".to_owned(),
        _ if point.recorded_value.is_some() => {
            let recorded = point.recorded_value.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("recorded as {recorded}")
        }
        _ => String::new(),
    }
}

fn write_gaps(page: &mut Page, answer: &SeriesResponse) {
    let gaps = answer.series.iter().flat_map(|series| series.gaps.iter().map(move |gap| (series, gap)));
    // A metric's gaps are the same for every interval, and are listed once.
    let mut seen = BTreeSet::new();
    for (series, gap) in gaps.filter(|(series, gap)| seen.insert((series.metric_category.clone(), gap.from)))
    {
        let days =
            if gap.from == gap.to { gap.from.to_string() } else { format!("{} to {}", gap.from, gap.to) };
        let fill = gap.fill.as_ref().map_or_else(String::new, |fill| format!("; to fill: {}", fill.command));
        page.line(format!("{}, {days}: {}{fill}", series.metric_category, gap.explanation));
    }
}
