//! The lines of `daymark status` about runs, the platform's lag and queries.

use jiff::{SignedDuration, Timestamp};

use super::output::duration;
use crate::{
    pluralize::pluralize,
    query::{HealthResponse, RunsWindow},
};

/// Pairs of a title and a text. `display` shows an instant in the reporting time zone.
pub(super) fn health_lines(
    health: &HealthResponse,
    display: impl Fn(Timestamp) -> String,
) -> Vec<(&'static str, String)> {
    let runs = &health.runs;
    let target = percent(runs.success_target);
    let of_days = |days: u32, window: &RunsWindow| match window.success_rate {
        None => format!("no collection in {days} days"),
        Some(rate) => format!("{} of {} in {days} days", percent(rate), window.collections),
    };
    let mut success =
        format!("{}, {} (target {target})", of_days(7, &runs.last_7_days), of_days(30, &runs.last_30_days));
    if runs.consecutive_failures > 0 {
        success += &format!("; the last {} failed", runs.consecutive_failures);
    }
    let month = &runs.last_30_days;
    let took = match (&month.duration, &month.metrics_per_run) {
        (Some(took), Some(metrics)) => format!(
            "median {}, p95 {}; median {} records a run (30 days)",
            seconds(took.median_seconds),
            seconds(took.p95_seconds),
            metrics.median
        ),
        _ => "unknown: no collection in 30 days recorded anything".to_owned(),
    };
    vec![
        ("Success", success),
        ("Duration", took),
        ("Anomalies", anomalies(health)),
        ("Drift", drift(health)),
        ("Platform lag", lag(health)),
        ("Queries", queries(health)),
        ("Alerts", alerts(health)),
        ("Notifications", notifications(health, display)),
    ]
}

fn alerts(health: &HealthResponse) -> String {
    let alerts = &health.alerts;
    let of_severity = alerts.firing.iter().filter(|of| of.alerts > 0);
    let counts: Vec<_> = of_severity.map(|of| format!("{} {}", of.alerts, of.severity)).collect();
    let mut line = match counts.is_empty() {
        true => "none fires".to_owned(),
        false => format!("{} firing; see `daymark alerts`", counts.join(", ")),
    };
    let failed = alerts.states.iter().find(|of| of.state == "error").map_or(0, |of| of.rules);
    if failed > 0 {
        line += &format!("; {} cannot be evaluated", pluralize(failed, "rule"));
    }
    if alerts.is_silent {
        line += "; the instance that holds the lock of alerts has not evaluated them for 6 minutes: see `daymark check`";
    } else if !alerts.is_evaluated {
        line += "; no instance of `daymark serve` evaluates them now";
    }
    line
}

fn notifications(health: &HealthResponse, display: impl Fn(Timestamp) -> String) -> String {
    let notifications = &health.alerts.notifications;
    let mut line = match notifications.oldest_pending_at {
        None => "none to be delivered".to_owned(),
        Some(oldest) => {
            format!("{} to be delivered, the oldest since {}", notifications.pending, display(oldest))
        }
    };
    if notifications.given_up > 0 {
        line += &format!("; {} given up within 90 days", notifications.given_up);
    }
    if notifications.pending + notifications.given_up > 0 {
        line += "; see `daymark alerts deliveries`";
    }
    line
}

fn anomalies(health: &HealthResponse) -> String {
    let anomalies = &health.anomalies;
    let counts = format!("{} in 7 days, {} in 30 days", anomalies.last_7_days, anomalies.last_30_days);
    match anomalies.newest.first() {
        None => counts,
        Some(newest) => format!("{counts}; the newest: {} of {}", newest.metric_category, newest.metric_date),
    }
}

fn drift(health: &HealthResponse) -> String {
    let drift = &health.drift;
    match drift.recounted {
        0 => "unknown: no recorded day was counted again in 30 days".to_owned(),
        recounted => {
            format!("{} of {recounted} recounted values have changed since (30 days)", drift.changed)
        }
    }
}

fn lag(health: &HealthResponse) -> String {
    let platform = &health.platform;
    match (platform.lag_seconds, &platform.explanation) {
        (Some(0), None) => "none".to_owned(),
        (Some(lag), explanation) => {
            let lag = SignedDuration::from_secs(lag);
            explanation.clone().unwrap_or_else(|| format!("{lag:#}"))
        }
        (None, explanation) => format!("unknown: {}", explanation.as_deref().unwrap_or_default()),
    }
}

fn queries(health: &HealthResponse) -> String {
    match &health.queries {
        Some(queries) => format!(
            "average {}, p95 {}, {} failed",
            seconds(queries.average_seconds),
            seconds(queries.p95_seconds),
            percent(queries.error_rate)
        ),
        None => {
            let reason = health.unknown.iter().find(|unknown| unknown.field == "queries");
            format!("unknown: {}", reason.map_or("", |unknown| &unknown.reason))
        }
    }
}

fn seconds(seconds: f64) -> String {
    duration(std::time::Duration::from_secs_f64(seconds.max(0.0)))
}

/// Rounded down, so that a rate below its target is not shown as the target.
fn percent(rate: f64) -> String {
    // Without the addition 0.999 is shown as 99.89.
    format!("{} %", (rate * 10_000.0 + 1e-6).floor() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_below_its_target_is_not_shown_as_the_target() {
        assert_eq!([0.999, 0.998_99, 1.0, 0.0].map(percent), ["99.9 %", "99.89 %", "100 %", "0 %"]);
    }
}
