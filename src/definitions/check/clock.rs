//! The part of `check` that compares this machine's clock, which determines the finished days, with the clocks of the
//! store's and the platform's servers and with the newest record.

use jiff::{SignedDuration, Timestamp};

use super::CheckScope;
use crate::{
    collect::{Context, MAX_CLOCK_DIFFERENCE},
    config::Finding,
};

/// Compares the clocks. A database that cannot be reached is skipped here, because its own checks report it.
pub(super) async fn check_clock(context: &Context, scope: CheckScope) -> Vec<Finding> {
    let Context { tenant, .. } = context;
    let mut findings = Vec::new();
    if scope.store {
        let theirs = tenant.store.now().await.ok();
        findings.extend(theirs.and_then(|theirs| difference(context, theirs, "the store's server")));
        findings.extend(newest_record(context).await);
        findings.extend(simulated_clock(context).await);
    }
    if scope.platform {
        let theirs = tenant.platform.now().await.ok().flatten();
        findings.extend(theirs.and_then(|theirs| difference(context, theirs, "the platform's server")));
    }
    findings
}

fn difference(context: &Context, theirs: Timestamp, whose: &str) -> Option<Finding> {
    let lead = context.now().duration_since(theirs);
    reported(lead, context.installation.clock.is_simulated(), whose)
}

/// The finding about a clock that is ahead of another one by `lead`. A simulated clock may be behind.
fn reported(lead: SignedDuration, is_simulated: bool, whose: &str) -> Option<Finding> {
    if lead.abs() <= MAX_CLOCK_DIFFERENCE {
        return None;
    }
    let is_ahead = lead > SignedDuration::ZERO;
    let behind_or_ahead = if is_ahead { "ahead of" } else { "behind" };
    let by = SignedDuration::from_secs(lead.abs().as_secs());
    let message = format!("this machine's clock is {by:#} {behind_or_ahead} that of {whose}");
    let finding = if is_ahead || !is_simulated { Finding::error } else { Finding::warning };
    Some(finding("clock", message).hint("set both clocks, by NTP for example; until then no day is recorded"))
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
        let of = |lead_s| reported(SignedDuration::from_secs(lead_s), false, "the store's server");
        assert_eq!((of(300), of(-300)), (None, None));
        let ahead = of(301).unwrap();
        assert!(ahead.is_error() && ahead.message.contains("5m 1s ahead of"), "{ahead}");
        let behind = of(-25 * 3600).unwrap();
        assert!(behind.is_error() && behind.message.contains("25h behind"), "{behind}");
        let simulated = reported(SignedDuration::from_hours(-25), true, "the store's server").unwrap();
        assert!(!simulated.is_error(), "{simulated}");
    }
}
