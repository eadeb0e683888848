//! What the SQL functions that record a day in the database are generated from: the active definitions in the store, the
//! platform's tables and the calendar.

use std::collections::BTreeSet;

use jiff::{ToSpan, civil::Date};
use serde_json::json;

use crate::{
    collect::{CollectError, Context, FIRST_DAY, batch::Batch, first_row, selection},
    config::Finding,
    database::Fault,
    metric::{
        ActorState, Breakdown, Calendar, Definition, LabelAggregate, Measure, QueryShape, Reading, Window,
    },
    platform::{Cut, Schema},
    store::{
        FirstRowQuery, FunctionCalendar, FunctionMetric, FunctionPlace, FunctionSpec, Origin, RecordingTask,
        StoredDefinition,
    },
};

/// The last day that the functions know. Their calendar is a table, which grows by two entries a year.
const LAST_DAY: Date = jiff::civil::date(2100, 12, 31);
/// The longest window begins this many days before the first day.
const MAX_DAYS_BEFORE: i32 = 732;

/// Why a function does not record a metric with a query that was created through the API: users who may define metrics there could
/// read everything that the owner of the schema may.
const QUERY_OF_THE_API: &str = "its query was created through the API, and a function would run it with the privileges of the owner of \
                                the schema; define it in daymark.toml";

/// Why no functions can be generated.
#[derive(Debug, thiserror::Error)]
pub enum FunctionsError {
    #[error(
        "the platform {platform} and the store {store} are not the same database, and a function reads and writes in one: set \
         `store.url` to the platform's database, or record with `daymark serve`"
    )]
    OtherDatabase { platform: String, store: String },
    #[error(transparent)]
    Collect(#[from] CollectError),
}

/// The specification of the functions for the active definitions. A metric that a function cannot record is in it with the
/// reason.
///
/// # Errors
/// When platform and store are not one PostgreSQL database, or one of them fails.
pub async fn function_spec(
    context: &Context,
    takes_last_finished: bool,
) -> Result<FunctionSpec, FunctionsError> {
    let tenant = &context.tenant;
    let metrics = selection::select(context, &[]).await?;
    selection::require_time_zone(context, &metrics)?;
    let place = tenant.store.function_place().await.map_err(CollectError::Store)?;
    let platform_place = context.on_platform(|| tenant.platform.database_place()).await?;
    if place.identity != platform_place.identity {
        let (platform, store) = (tenant.platform.location(), tenant.store.location());
        return Err(FunctionsError::OtherDatabase { platform, store });
    }
    let queries = Definition::source_queries(metrics.iter().map(|metric| &metric.definition));
    let schema =
        context.on_platform(|| tenant.platform.inspect_with(&queries)).await.map(without_statistics)?;
    let reasons = context.on_platform(|| reasons(context, &schema, &metrics, &place)).await?;
    let all = metrics.iter().zip(&reasons).enumerate();
    let able = all.filter(|(_, (_, reason))| reason.is_none());
    let batch = Batch::new(able.map(|(index, (metric, _))| (index, &metric.definition)));
    let planned = batch.plan_function(tenant.platform.as_ref(), &schema, &place.schema);
    let planned =
        planned.map_err(|fault| CollectError::Platform { location: tenant.platform.location(), fault })?;
    let readings = |index: usize| {
        let found = planned.metrics.iter().find(|(metric, _)| *metric == index);
        found.map(|(_, readings)| readings.clone()).unwrap_or_default()
    };
    let metrics_of = metrics.iter().zip(&reasons).enumerate();
    Ok(FunctionSpec {
        calendar: function_calendar(&tenant.calendar),
        settle: tenant.settle,
        observed_within: tenant.observed_within,
        takes_last_finished,
        days_before: days_before(&metrics),
        first_rows: first_rows(context, &metrics),
        metrics: metrics_of
            .map(|(index, (metric, reason))| function_metric(metric, readings(index), reason.clone()))
            .collect(),
        tasks: planned
            .tasks
            .into_iter()
            .map(|task| RecordingTask {
                readings: task.readings,
                is_alone: task.is_alone,
                purpose: task.purpose,
                sql: task.sql,
            })
            .collect(),
        search_path: platform_place.search_path,
    })
}

/// Statements that do not depend on the statistics of the tables, so that an ANALYZE does not make them outdated.
fn without_statistics(mut schema: Schema) -> Schema {
    for column in schema.tables.iter_mut().flat_map(|table| &mut table.columns) {
        column.distinct_estimate = Some(u64::MAX);
    }
    schema
}

/// For each metric the reason why a function cannot record it, if there is one.
async fn reasons(
    context: &Context,
    schema: &Schema,
    metrics: &[StoredDefinition],
    place: &FunctionPlace,
) -> Result<Vec<Option<String>>, Fault> {
    let platform = context.tenant.platform.as_ref();
    let mut cut = platform.open_cut(context.deadline()).await?;
    let mut reasons = Vec::with_capacity(metrics.len());
    for metric in metrics {
        if metric.origin == Origin::Api && matches!(metric.definition.measure, Measure::Sql { .. }) {
            reasons.push(Some(QUERY_OF_THE_API.to_owned()));
            continue;
        }
        let batch = Batch::new([(0, &metric.definition)]);
        reasons.push(match batch.plan_function(platform, schema, &place.schema) {
            Err(fault) => Some(fault.message),
            Ok(_) => reason(context, schema, &batch, cut.as_mut()).await?,
        });
    }
    Ok(reasons)
}

async fn reason(
    context: &Context,
    schema: &Schema,
    batch: &Batch,
    cut: &mut dyn Cut,
) -> Result<Option<String>, Fault> {
    let last = context.last_finished();
    let days = context.tenant.calendar.days(last, last);
    let explained = batch.explain(cut, schema, &days).await?;
    if let Some(fault) = explained.iter().find_map(|answer| answer.fault().cloned()) {
        return Ok(Some(fault.message));
    }
    let Some(day) = days.last() else { return Ok(None) };
    let mut relations = BTreeSet::new();
    for (_, read) in batch.relations(cut, day).await? {
        match read {
            Ok(read) => relations.extend(read),
            Err(fault) => return Ok(Some(fault.message)),
        }
    }
    let old = cut.staleness(&relations).await?;
    Ok(old.objects.into_iter().next().map(|(_, stale)| {
        format!(
            "it reads {}, which may be older than the moment at which it is read",
            stale.of.trim_end_matches(',')
        )
    }))
}

/// The table of days of a time zone.
pub fn function_calendar(calendar: &Calendar) -> FunctionCalendar {
    let mut day_starts: Vec<(Date, i64)> = Vec::new();
    let first = FIRST_DAY.saturating_sub((MAX_DAYS_BEFORE + 1).days());
    let changes = calendar.dates_of_changes(first, LAST_DAY.saturating_add(2.days()));
    for date in std::iter::once(first).chain(changes) {
        let midnight = Calendar::utc().start_of(date);
        let seconds = calendar.start_of(date).as_second() - midnight.as_second();
        if day_starts.last().is_none_or(|(_, last)| *last != seconds) {
            day_starts.push((date, seconds));
        }
    }
    FunctionCalendar {
        time_zone: calendar.name().to_owned(),
        first_day: FIRST_DAY,
        last_day: LAST_DAY,
        day_starts,
    }
}

/// How many days before the day each window begins, and each part of a window that a statement tells apart; without the day itself.
fn days_before(metrics: &[StoredDefinition]) -> Vec<u32> {
    let readings = metrics.iter().flat_map(|metric| metric.definition.measure.readings());
    let mut days: Vec<_> =
        readings.flat_map(|reading| days_before_of(&reading)).filter(|days| *days > 0).collect();
    days.sort_unstable();
    days.dedup();
    days
}

fn days_before_of(reading: &Reading) -> Vec<u32> {
    match *reading {
        Reading::Distinct { window: Window::Days(window_days), .. }
        | Reading::Quantile { window_days, .. }
        | Reading::Arrivals { window_days, .. } => vec![window_days - 1],
        Reading::Growth { window_days, .. } => vec![window_days - 1, 2 * window_days - 1],
        Reading::Retention { after_days, window_days, .. } => {
            vec![after_days, after_days.saturating_sub(1), window_days - 1]
        }
        // It begins on any of these days, depending on the day.
        Reading::Distinct { window: window @ Window::ToDate(_), .. } => (1..window.longest()).collect(),
        _ => Vec::new(),
    }
}

/// A source whose earliest row cannot be asked for is left out, as `collect` leaves it out.
fn first_rows(context: &Context, metrics: &[StoredDefinition]) -> Vec<FirstRowQuery> {
    let sources = first_row::sources(metrics);
    let planned = sources
        .into_iter()
        .filter_map(|(name, source)| context.tenant.platform.plan_first_row(name, source).ok());
    planned
        .map(|statement| FirstRowQuery {
            source_name: statement.source_name,
            sql: statement.sql,
            is_date: statement.is_date,
            is_millis: statement.is_millis,
            local_zone: statement.local_zone,
        })
        .collect()
}

fn function_metric(
    stored: &StoredDefinition,
    readings: Vec<usize>,
    reason: Option<String>,
) -> FunctionMetric {
    let expected = stored.definition.expected_range();
    let limits = expected.clone().unwrap_or_default();
    FunctionMetric {
        key: stored.definition.key(),
        version: stored.version,
        readings,
        shape: shape(&stored.definition),
        minimum: limits.min.map(|limit| limit.to_string()),
        maximum: limits.max.map(|limit| limit.to_string()),
        out_of_range: json!(expected),
        calculation: stored.definition.measure.calculation(),
        is_reconstructible: stored.definition.measure.reconstructible(),
        reason,
    }
}

/// How the value is computed of the tallies; see [`Definition::evaluate`].
fn shape(definition: &Definition) -> &'static str {
    match &definition.measure {
        Measure::Created(_) | Measure::Existing(_) | Measure::Distinct { .. } => "number",
        Measure::Average { .. } => "moments",
        Measure::Sum { .. } => "sum",
        Measure::Quantile { .. } => "quantile",
        Measure::Minimum { .. } => "minimum",
        Measure::Maximum { .. } => "maximum",
        Measure::Ratio { .. } => "counts",
        Measure::Retention(_) => "ratio",
        Measure::Growth { state: ActorState::New, .. } => "number",
        Measure::Growth { state: ActorState::Retained, .. } => "retained",
        Measure::Growth { state: ActorState::Churned, .. } => "churned",
        Measure::Growth { state: ActorState::Resurrected, .. } => "resurrected",
        Measure::Breakdown(Breakdown { aggregate: LabelAggregate::Average(_), .. }) => "label_means",
        Measure::Breakdown(_) => "labels",
        Measure::Sql { shape, .. } => match shape {
            QueryShape::Value => "number",
            QueryShape::Average => "average",
            QueryShape::Ratio => "ratio",
            QueryShape::Labels { .. } => "labels",
        },
    }
}

/// Checks the functions that are installed, if there are any.
pub async fn check_functions(context: &Context, takes_last_finished: bool) -> Vec<Finding> {
    let place = "sql functions";
    let spec = function_spec(context, takes_last_finished).await;
    let installed = context.tenant.store.installed_functions(spec.as_ref().ok()).await;
    let installed = match installed {
        Ok(Some(installed)) => installed,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Finding::error(place, error.to_string())],
    };
    let mut findings = Vec::new();
    if installed.tenant != context.tenant.name {
        return findings;
    }
    if !installed.may_check {
        let message = "whether they are current is not checked, because this role may not";
        return vec![Finding::note(place, message).hint("run `daymark check` as the owner of the schema")];
    }
    let again = match &installed.api_schema {
        Some(schema) => format!("run `daymark sql install --api-schema {schema}`"),
        None => "run `daymark sql install`".to_owned(),
    };
    let problem = |message: String| Finding::error(place, message).hint(again.clone());
    findings.extend(installed.problems.into_iter().map(problem));
    match spec {
        // As in a copy of the store that was restored into a database of its own.
        Err(error @ FunctionsError::OtherDatabase { .. }) => {
            let hint =
                "functions in a copy of the store record nothing: `daymark sql uninstall` removes them there";
            findings.push(Finding::warning(place, error.to_string()).hint(hint));
        }
        Err(error) => findings.push(Finding::error(place, error.to_string())),
        Ok(_) if !installed.is_current && findings.is_empty() => {
            let message = "they are not those that would be installed now, because a definition, a setting, an index, the time zone \
                           database or Daymark has changed since";
            findings.push(Finding::warning(place, message).hint(again));
        }
        Ok(_) => {}
    }
    findings
}
