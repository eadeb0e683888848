//! Checks for problems with the platform that make no statement fail: rows that row level security hides, objects that
//! show an old state, and privileges beyond reading.

use jiff::SignedDuration;

use crate::{
    collect::{
        Context,
        batch::{Answer, Batch},
        freshness::{described, is_before, lag},
    },
    config::Finding,
    database::Fault,
    metric::Definition,
    platform::{Cut, Schema, Staleness, WhenStale},
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

/// Finds old states and hidden rows. `metrics` are pairs of a place for findings and a definition.
///
/// # Errors
/// When the platform cannot be reached.
pub(super) async fn hidden_or_stale(
    context: &Context,
    schema: &Schema,
    metrics: &[(String, &Definition)],
) -> Result<Vec<Finding>, Fault> {
    let mut cut = context.tenant.platform.open_cut(context.deadline()).await?;
    let batch = Batch::new(metrics.iter().map(|(_, definition)| *definition).enumerate());
    let last_finished = context.last_finished();
    let days = context.tenant.calendar.days(last_finished, last_finished);
    let staleness = batch.staleness(cut.as_mut(), &days).await?;
    let mut findings: Vec<_> = staleness.iter().filter_map(|staleness| stale(context, staleness)).collect();
    findings.extend(hidden_rows(context, cut.as_mut(), schema, &batch, metrics).await?);
    Ok(findings)
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

/// Lets the platform plan every statement again with `row_security = off`, in which a policy that would hide rows is an
/// error, also behind views. Tables that sources name directly are skipped, because the check of the sources warns of
/// them.
async fn hidden_rows(
    context: &Context,
    cut: &mut dyn Cut,
    schema: &Schema,
    batch: &Batch,
    metrics: &[(String, &Definition)],
) -> Result<Vec<Finding>, Fault> {
    let last_finished = context.last_finished();
    let days = context.tenant.calendar.days(last_finished, last_finished);
    cut.refuse_hidden_rows().await?;
    let answers = batch.explain(cut, schema, &days).await?;
    let hidden = |answer: Answer<'_, String>| {
        let (place, definition) = &metrics[answer.metric];
        let fault = answer.fault().filter(|fault| fault.message.contains("row-level security"))?;
        let is_named = definition
            .sources
            .values()
            .any(|source| schema.tables.iter().any(|table| table.row_security && table.name == source.table));
        let message = format!("row level security may hide rows from it: {}", fault.message);
        (!is_named).then(|| {
            Finding::warning(place, message).hint(
                "make sure that the policies of that table let the platform's role, and the owner of a view over it, read every \
                 row; or give that role BYPASSRLS",
            )
        })
    };
    Ok(answers.iter().filter_map(hidden).collect())
}
