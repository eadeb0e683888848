//! The health of the collection for an operator, in one response of bounded cost. Members that are unknown are null, and
//! `unknown` says why.

mod alerts;
mod anomalies;
mod drift;
mod gaps;
mod platform;
mod queries;
mod runs;
mod unknown;

use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use utoipa::ToSchema;

pub use self::{
    alerts::{AlertsHealth, NotificationsHealth, SeverityCount, StateCount},
    anomalies::AnomaliesHealth,
    drift::DriftHealth,
    gaps::{CauseCount, GapsHealth, MetricGap},
    platform::PlatformHealth,
    queries::{OwnQueries, QueryHealth},
    runs::{MetricsPerRun, RunDurations, RunsHealth, RunsWindow},
    unknown::UnknownField,
};
use super::{
    error::QueryError,
    runs::RunEntry,
    schedule::{ScheduleResponse, schedule},
};
use crate::{
    collect::{Context, active_metrics, platform_lag, recent_gaps},
    store::{LoggedRun, RunFilter, RunKind, RunStatus},
};

/// The days of which gaps are listed and of which runs are counted.
const DAYS: i32 = 30;
/// How many runs are counted at most, the newest.
const MAX_RUNS: i64 = 10_000;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthResponse {
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: Timestamp,
    /// The newest run; null: there was none.
    pub last_run: Option<RunEntry>,
    /// Whether the newest run is logged as running although its process is gone.
    pub last_run_died: bool,
    /// When the newest collection that completed ended; null: none has.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_completed_at: Option<Timestamp>,
    /// When the newest record was read from the platform; null: there is none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_recorded_at: Option<Timestamp>,
    pub runs: RunsHealth,
    /// Null: there is no metric, or no day was due yet.
    pub gaps: Option<GapsHealth>,
    pub anomalies: AnomaliesHealth,
    pub drift: DriftHealth,
    pub platform: PlatformHealth,
    pub schedule: ScheduleResponse,
    pub alerts: AlertsHealth,
    /// Of the process that answers. Null on the command line, which is another process than the server, and while nothing was
    /// answered in the last hour.
    pub queries: Option<QueryHealth>,
    /// Why a member is null although it could have a value.
    pub unknown: Vec<UnknownField>,
}

/// Asks the store fifteen bounded questions at most, and the platform how far it lags, for which it waits two seconds at most.
///
/// # Errors
/// When the store fails.
pub async fn health(context: &Context, queries: OwnQueries) -> Result<HealthResponse, QueryError> {
    let (store, now) = (&context.tenant.store, context.now());
    let metrics = active_metrics(context).await?;
    let since = now.saturating_sub((24 * DAYS).hours()).unwrap_or(Timestamp::MIN);
    let outcomes = store.run_outcomes(since, MAX_RUNS).await?;
    let last_run = store.last_run().await?;
    let completed = RunFilter {
        status: Some(RunStatus::Completed),
        kind: Some(RunKind::Collect),
        limit: Some(1),
        ..RunFilter::default()
    };
    let last_completed = store.runs(&completed).await?.pop();
    let last_run_died = last_run.as_ref().is_some_and(LoggedRun::is_orphaned);
    let platform = PlatformHealth::from(platform_lag(context, &metrics).await);
    let mut unknown = Vec::new();
    unknown.extend(platform.unknown());
    unknown.extend(queries::unknown(queries));
    Ok(HealthResponse {
        checked_at: now,
        last_completed_at: last_completed.and_then(|run| run.completed_at),
        last_recorded_at: store.last_cut().await?,
        runs: RunsHealth::of(&outcomes, &context.tenant.calendar, now, last_run_died, MAX_RUNS),
        last_run: last_run.map(|logged| RunEntry::from(logged.run)),
        last_run_died,
        gaps: recent_gaps(context, &metrics, DAYS).await?.map(GapsHealth::from),
        anomalies: anomalies::anomalies(context).await?,
        drift: drift::drift(context).await?,
        platform,
        schedule: schedule(context).await?,
        alerts: alerts::alerts_health(context).await?,
        queries: queries::query_health(queries),
        unknown,
    })
}
