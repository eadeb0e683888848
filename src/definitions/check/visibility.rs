//! Checks for problems with the platform that make no statement fail: objects that show an old state, and privileges
//! beyond reading.

use jiff::SignedDuration;

use crate::{
    collect::{
        Context,
        batch::Batch,
        freshness::{described, is_before, lag},
    },
    config::Finding,
    database::Fault,
    metric::Definition,
    platform::{Staleness, WhenStale},
};

/// The lag from which a warning is given. A standby that replays without delay lags by less.
const NOTABLE_LAG: SignedDuration = SignedDuration::from_secs(1);

/// Warns of privileges that a `sql` metric's query could use. If they cannot be read, other checks report the reason.
pub(super) async fn privileges(context: &Context) -> Option<Finding> {
    let privileges = context.tenant.platform.privileges().await.ok()?;
    if privileges.is_empty() {
        return None;
    }
    let message = format!(
        "its role has privileges beyond reading tables ({}): the query of a `sql` metric could use them, although its \
         transaction is read-only",
        privileges.join(", ")
    );
    Some(
        Finding::warning("platform", message)
            .hint("use a role that has no privilege but SELECT (docs/quickstart-postgresql.md)"),
    )
}

/// Finds old states. `metrics` are pairs of a place for findings and a definition.
///
/// # Errors
/// When the platform cannot be reached.
pub(super) async fn old_states(
    context: &Context,
    metrics: &[(String, &Definition)],
) -> Result<Vec<Finding>, Fault> {
    let mut cut = context.tenant.platform.open_cut(context.deadline()).await?;
    let batch = Batch::new(metrics.iter().map(|(_, definition)| *definition).enumerate());
    let last_finished = context.last_finished();
    let days = context.tenant.calendar.days(last_finished, last_finished);
    let staleness = batch.staleness(cut.as_mut(), &days).await?;
    Ok(staleness.iter().filter_map(|staleness| stale(context, staleness)).collect())
}

fn stale(context: &Context, staleness: &Staleness) -> Option<Finding> {
    let is_too_old = is_before(staleness, context.ready_at(context.last_finished()));
    let is_notable = staleness.is_lagging
        && staleness.complete_until.is_some_and(|until| lag(context, until) >= NOTABLE_LAG);
    let message = described(context, staleness);
    match (is_too_old, staleness.when_stale) {
        (true, WhenStale::Wait) => Some(Finding::error("platform", message).hint(
            "let it catch up, or connect to the server that it replicates: until then a collection waits for \
             `collect.freshness_wait_seconds` and ends without recording",
        )),
        (true, WhenStale::Refuse) => {
            Some(Finding::error("platform", message).hint("until then a collection ends without recording"))
        }
        (true, WhenStale::Warn) => Some(Finding::warning("platform", message)),
        (false, _) => is_notable.then(|| {
            Finding::warning("platform", message)
                .hint("make sure that it has caught up before a day is collected")
        }),
    }
}
