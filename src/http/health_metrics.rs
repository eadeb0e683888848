//! The gauges of the collection's health, for `/metrics`: what alerts need beside the counters of the process. They are made from
//! the record when they are scraped, at most every 15 seconds, with a store session of their own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::{
    collect::{Context, Tenant},
    query::{self, HealthResponse, OwnQueries, RunsWindow},
    store::Store,
    telemetry::Exposition,
};

/// How long the gauges are reused for further scrapes.
const REMEMBERED_FOR: Duration = Duration::from_secs(15);
/// How long store and platform may take to answer. Prometheus waits ten seconds for a scrape.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The gauges of the last scrape. However many scrapes come, one at a time asks.
pub struct HealthMetrics {
    context: Context,
    last: Mutex<Option<(Instant, Arc<str>)>>,
}

impl HealthMetrics {
    /// `store` has sessions that no other request takes.
    pub fn new(context: &Context, store: Arc<dyn Store>) -> Self {
        let tenant = Arc::new(Tenant { store, ..(*context.tenant).clone() });
        Self { context: Context { tenant, ..context.clone() }, last: Mutex::default() }
    }

    pub async fn render(&self) -> Arc<str> {
        let mut last = self.last.lock().await;
        if let Some((rendered_at, text)) = &*last
            && rendered_at.elapsed() < REMEMBERED_FOR
        {
            return Arc::clone(text);
        }
        let health = tokio::time::timeout(TIMEOUT, query::health(&self.context, OwnQueries::None)).await;
        let health = match health {
            Ok(Ok(health)) => Some(health),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the gauges of the record are left out of /metrics");
                None
            }
            Err(_) => {
                tracing::warn!(
                    "the store does not answer: the gauges of the record are left out of /metrics"
                );
                None
            }
        };
        let text: Arc<str> = exposition(health.as_ref()).into_text().into();
        *last = Some((Instant::now(), Arc::clone(&text)));
        text
    }
}

fn exposition(health: Option<&HealthResponse>) -> Exposition {
    let mut page = Exposition::default();
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    page.labelled("daymark_build_info", "The version of this process; always 1.", &[(version, 1.0)]);
    page.gauge(
        "daymark_store_up",
        "1 while the store answers; otherwise the gauges that are made from the record are absent.",
        Some(flag(health.is_some())),
    );
    if let Some(health) = health {
        record(&mut page, health);
        runs(&mut page, health);
        schedule(&mut page, health);
        alerts(&mut page, health);
    }
    page
}

fn record(page: &mut Exposition, health: &HealthResponse) {
    page.gauge(
        "daymark_platform_up",
        "1 while the platform can be reached.",
        Some(flag(health.platform.is_reachable())),
    );
    page.gauge(
        "daymark_platform_lag_seconds",
        "The age of the state that the most delayed part of the platform shows, in seconds; 0 if no part lags.",
        health.platform.lag_seconds.map(|seconds| seconds as f64),
    );
    page.gauge(
        "daymark_last_record_timestamp_seconds",
        "When the newest record was read from the platform, as a Unix time.",
        health.last_recorded_at.map(unix),
    );
    quality(page, health);
    missing_records(page, health);
}

fn quality(page: &mut Exposition, health: &HealthResponse) {
    let anomalies = &health.anomalies;
    page.labelled(
        "daymark_anomalies",
        "Recorded values of the last 7 and 30 days that are anomalies.",
        &[
            (vec![("window", "7d")], anomalies.last_7_days as f64),
            (vec![("window", "30d")], anomalies.last_30_days as f64),
        ],
    );
    page.gauge(
        "daymark_drifted_values",
        "Recorded values that were counted again in the last 30 days and have another value now.",
        Some(health.drift.changed as f64),
    );
}

fn missing_records(page: &mut Exposition, health: &HealthResponse) {
    let Some(gaps) = &health.gaps else { return };
    page.gauge(
        "daymark_incomplete_dates",
        "Days, of the last 30 that were due, that lack a record which can still be made.",
        Some(gaps.missing_days as f64),
    );
    let by_cause: Vec<_> = gaps
        .by_cause
        .iter()
        .map(|count| (vec![("cause", count.cause)], count.missing_records as f64))
        .collect();
    page.labelled(
        "daymark_missing_records",
        "Missing records of the last 30 days that were due, by cause.",
        &by_cause,
    );
}

fn runs(page: &mut Exposition, health: &HealthResponse) {
    let runs = &health.runs;
    page.gauge(
        "daymark_last_successful_collection_timestamp_seconds",
        "When the newest collection that completed ended, as a Unix time.",
        health.last_completed_at.map(unix),
    );
    page.gauge(
        "daymark_consecutive_failed_collections",
        "The number of newest collections in a row that recorded nothing.",
        Some(runs.consecutive_failures as f64),
    );
    page.gauge(
        "daymark_last_collection_duration_seconds",
        "The duration of the newest collection that recorded a value, in seconds.",
        runs.last_duration_seconds,
    );
    let windows = [("7d", &runs.last_7_days), ("30d", &runs.last_30_days)];
    let ratio =
        |(name, window): (&'static str, &RunsWindow)| Some((vec![("window", name)], window.success_rate?));
    page.labelled(
        "daymark_collection_success_ratio",
        "The share of the collections of 7 and 30 days that completed, from 0 to 1.",
        &windows.into_iter().filter_map(ratio).collect::<Vec<_>>(),
    );
    page.gauge(
        "daymark_last_unsuccessful_collection_timestamp_seconds",
        "When the newest collection of 30 days began that failed or recorded only some of its metrics, as a Unix time.",
        runs.last_unsuccessful_at.map(unix),
    );
    page.labelled(
        "daymark_unsuccessful_collection_dates",
        "On how many dates of 7 and 30 days a collection failed or recorded only some of its metrics.",
        &windows.map(|(name, window)| (vec![("window", name)], window.unsuccessful_dates as f64)),
    );
    let Some(duration) = &runs.last_30_days.duration else { return };
    page.labelled(
        "daymark_collection_duration_seconds",
        "The median and the 95th percentile of the durations of the collections of 30 days that recorded a value, in seconds.",
        &[
            (vec![("statistic", "median")], duration.median_seconds),
            (vec![("statistic", "p95")], duration.p95_seconds),
        ],
    );
}

fn schedule(page: &mut Exposition, health: &HealthResponse) {
    let schedule = &health.schedule;
    page.gauge(
        "daymark_scheduler_led",
        "1 while some instance holds the leader's lock and writes heartbeats; daymark_scheduler_leader says whether it is this one.",
        Some(flag(schedule.leader.as_ref().is_some_and(|leader| leader.is_alive && !leader.is_silent))),
    );
    page.gauge(
        "daymark_scheduler_paused",
        "1 while the schedule is paused.",
        Some(flag(schedule.pause.is_some())),
    );
    page.gauge(
        "daymark_scheduler_next_run_timestamp_seconds",
        "When the next day is collected, as a Unix time; absent while the schedule is paused.",
        schedule.next_run.as_ref().map(|next| unix(next.at)),
    );
}

fn alerts(page: &mut Exposition, health: &HealthResponse) {
    let alerts = &health.alerts;
    page.gauge(
        "daymark_alerting_led",
        "1 while some instance holds the lock of alerts and has evaluated them within 6 minutes; daymark_alerting_leader says whether it is this one.",
        Some(flag(alerts.is_evaluated)),
    );
    let firing: Vec<_> =
        alerts.firing.iter().map(|of| (vec![("severity", of.severity)], of.alerts as f64)).collect();
    page.labelled("daymark_alerts_firing", "Alerts that fire, by severity.", &firing);
    let states: Vec<_> =
        alerts.states.iter().map(|of| (vec![("state", of.state)], of.rules as f64)).collect();
    page.labelled("daymark_alert_rules", "Rules of alerts that were ever evaluated, by state.", &states);
    let notifications = &alerts.notifications;
    let of = |status, count: i64| (vec![("status", status)], count as f64);
    page.labelled(
        "daymark_notifications",
        "Notifications of the last 90 days and those that are pending, by status; messages that try a channel are not counted.",
        &[
            of("pending", notifications.pending),
            of("delivered", notifications.delivered),
            of("given_up", notifications.given_up),
        ],
    );
    page.gauge(
        "daymark_oldest_pending_notification_timestamp_seconds",
        "When the oldest notification that is still to be delivered was written, as a Unix time; absent where there is none.",
        notifications.oldest_pending_at.map(unix),
    );
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

fn unix(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
