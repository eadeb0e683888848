//! The part of `check` that compares this machine's clock, which determines the finished days, with the clocks of the
//! store's and the platform's servers and with the newest record.

use jiff::{SignedDuration, Timestamp};

use super::CheckScope;
use crate::{
    collect::{Context, MAX_CLOCK_LEAD},
    config::Finding,
};

/// Compares the clocks. A database that cannot be reached is skipped here, because its own checks report it.
pub(super) async fn check_clock(context: &Context, scope: CheckScope) -> Vec<Finding> {
    let Context { tenant, .. } = context;
    let mut findings = Vec::new();
    if scope.store {
        let theirs = tenant.store.now().await.ok();
        findings.extend(theirs.and_then(|theirs| difference(context.now(), theirs, "the store's server")));
        findings.extend(newest_record(context).await);
        findings.extend(simulated_clock(context).await);
    }
    if scope.platform {
        let theirs = tenant.platform.now().await.ok().flatten();
        findings.extend(theirs.and_then(|theirs| difference(context.now(), theirs, "the platform's server")));
    }
    findings
}

fn difference(ours: Timestamp, theirs: Timestamp, whose: &str) -> Option<Finding> {
    let lead = ours.duration_since(theirs);
    if lead.abs() <= MAX_CLOCK_LEAD {
        return None;
    }
    let (behind_or_ahead, by) =
        if lead > SignedDuration::ZERO { ("ahead of", lead) } else { ("behind", -lead) };
    let by = SignedDuration::from_secs(by.as_secs());
    let message = format!("this machine's clock is {by:#} {behind_or_ahead} that of {whose}");
    let finding = if lead > SignedDuration::ZERO { Finding::error } else { Finding::warning };
    Some(finding("clock", message).hint("set both clocks, by NTP for example"))
}

/// Reports a record of a day that has not ended: it was made while a clock was ahead, or this machine's clock is
/// behind.
async fn newest_record(context: &Context) -> Option<Finding> {
    let (_, newest) = context.tenant.store.recorded_span().await.ok()??;
    let last_finished = context.last_finished();
    (newest > last_finished).then(|| {
        let message = format!(
            "the newest record is of {newest}, and the last finished day is {last_finished} by this machine's clock"
        );
        Finding::warning("clock", message).hint(
            "compare this machine's clock with others: it is behind, or it was ahead when that record was made; the record stays",
        )
    })
}

/// Reports a store in which the database accepts records of any day, such as one that has not ended.
async fn simulated_clock(context: &Context) -> Option<Finding> {
    let is_simulated = context.tenant.store.has_simulated_clock().await.unwrap_or_default();
    is_simulated.then(|| {
        let message = "the store has a simulated clock, as a demonstration has: it accepts records of days that have not ended";
        Finding::warning("clock", message).hint("record a real platform in another store")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_minutes_are_reported() {
        let ours: Timestamp = "2025-01-01T12:00:00Z".parse().unwrap();
        let of = |theirs: &str| difference(ours, theirs.parse().unwrap(), "the store's server");
        assert_eq!(of("2025-01-01T11:55:00Z"), None);
        let ahead = of("2025-01-01T11:54:59Z").unwrap();
        assert!(ahead.is_error() && ahead.message.contains("5m 1s ahead of"), "{ahead}");
        let behind = of("2025-01-02T13:00:00Z").unwrap();
        assert!(!behind.is_error() && behind.message.contains("25h behind"), "{behind}");
    }
}
