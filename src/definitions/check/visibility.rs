//! Checks for problems with the platform that make no statement fail: objects that show an old state, and privileges
//! beyond reading.

use std::collections::BTreeSet;

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
    platform::{OldStates, Staleness, WhenStale},
};

/// The lag from which a warning is given. A standby that replays without delay lags by less.
const NOTABLE_LAG: SignedDuration = SignedDuration::from_secs(1);
/// How many metrics a finding names.
const MAX_NAMED: usize = 5;

/// Warns of a role that cannot see the open transactions of others.
pub(super) async fn transactions(context: &Context) -> Option<Finding> {
    let role = context.tenant.platform.role_that_sees_no_transactions().await.ok()??;
    let message = format!(
        "the role {role} cannot see the open transactions of other roles: a day is recorded although some have not ended, without \
         their rows"
    );
    Some(
        Finding::warning("platform", message)
            .hint(format!("let an administrator run `GRANT pg_read_all_stats TO {role}`")),
    )
}

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
    let Some(day) = context.tenant.calendar.bounds(context.last_finished()) else { return Ok(Vec::new()) };
    // A metric whose relations cannot be determined cannot be planned either, which other checks report.
    let told = batch.relations(cut.as_mut(), &day).await?;
    let told: Vec<_> = told.into_iter().filter_map(|(metric, read)| Some((metric, read.ok()?))).collect();
    let all = told.iter().flat_map(|(_, read)| read).cloned().collect();
    let OldStates { platform, objects } = cut.staleness(&all).await?;
    let of_platform = platform.and_then(|staleness| of_platform(context, &staleness));
    let mut readers: Vec<(&Staleness, BTreeSet<&str>)> = Vec::new();
    for (relation, staleness) in &objects {
        let read = told.iter().filter(|(_, read)| read.contains(relation));
        let categories = read.map(|(metric, _)| metrics[*metric].1.category.as_str());
        match readers.iter_mut().find(|(known, _)| *known == staleness) {
            Some((_, readers)) => readers.extend(categories),
            None => readers.push((staleness, categories.collect())),
        }
    }
    let of_objects = readers.iter().filter_map(|(staleness, readers)| of_object(context, staleness, readers));
    Ok(of_platform.into_iter().chain(of_objects).collect())
}

/// The finding about a platform that is a standby, has an open transaction, or is a file.
fn of_platform(context: &Context, staleness: &Staleness) -> Option<Finding> {
    let is_notable = staleness.is_lagging
        && staleness.complete_until.is_some_and(|until| lag(context, until) >= NOTABLE_LAG);
    let message = described(context, staleness);
    match (is_too_old(context, staleness), staleness.when_stale) {
        (true, WhenStale::Wait) => Some(Finding::error("platform", message).hint(
            "until then a collection waits for `collect.freshness_wait_seconds` and ends without recording; if it is a \
             standby, connect to the server that it replicates",
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

/// The finding about an object that the metrics `readers` read.
fn of_object(context: &Context, staleness: &Staleness, readers: &BTreeSet<&str>) -> Option<Finding> {
    let hint = || {
        let names: Vec<_> = readers.iter().take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
        let more = match readers.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("until then a collection records the other metrics, and not {}{more}", names.join(", "))
    };
    is_too_old(context, staleness)
        .then(|| Finding::error("platform", described(context, staleness)).hint(hint()))
}

fn is_too_old(context: &Context, staleness: &Staleness) -> bool {
    is_before(staleness, context.ready_at(context.last_finished()))
}
