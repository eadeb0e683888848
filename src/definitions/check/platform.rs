//! The part of `check` that lets the platform plan the statements of every metric.

use super::visibility;
use crate::{
    collect::{
        Context, advice,
        batch::{Batch, MetricReadings},
        metric_advice,
    },
    config::Finding,
    database::{Deadline, Fault},
    metric::Definition,
    platform::Schema,
};

/// Checks the platform. `metrics` are pairs of a place for findings and a definition.
pub(super) async fn check_platform(
    context: &Context,
    metrics: &[(String, &Definition)],
    findings: &mut Vec<Finding>,
) {
    let definitions: Vec<_> = metrics.iter().map(|(_, definition)| *definition).collect();
    let examined = async {
        let queries = Definition::source_queries(definitions.iter().copied());
        let schema = context.tenant.platform.inspect_with(&queries).await?;
        let faults = explain(context, &schema, &definitions).await?;
        Ok((faults, visibility::old_states(context, metrics).await?))
    };
    match examined.await {
        Ok((faults, old_states)) => {
            findings.extend(faults.iter().map(|(metric, fault)| unplanned(&metrics[*metric].0, fault)));
            findings.extend(old_states);
            findings.extend(visibility::privileges(context).await);
            findings.extend(visibility::transactions(context).await);
        }
        Err(fault) => {
            let message = format!("{}: {fault}", context.tenant.platform.location());
            findings.push(Finding::error("platform", message).hint(advice(&fault)));
        }
    }
}

/// Lets the platform plan every reading of every metric for the last finished day. Returns the index of each metric
/// that cannot be planned, with the fault.
///
/// # Errors
/// When the platform cannot be reached.
pub(in crate::definitions) async fn explain(
    context: &Context,
    schema: &Schema,
    definitions: &[&Definition],
) -> Result<Vec<(usize, Fault)>, Fault> {
    let mut cut = context.tenant.platform.open_cut(Deadline::none()).await?;
    let last_finished = context.last_finished();
    let days = context.tenant.calendar.days(last_finished, last_finished);
    let batch = Batch::new(definitions.iter().copied().enumerate());
    let answers = batch.explain(cut.as_mut(), schema, &days).await?;
    let fault = |answer: MetricReadings<'_, String>| Some((answer.metric, answer.fault()?.clone()));
    Ok(answers.iter().filter_map(fault).collect())
}

/// Returns the finding for a metric that the platform cannot plan.
pub(in crate::definitions) fn unplanned(place: &str, fault: &Fault) -> Finding {
    Finding::error(place, fault.to_string()).hint(metric_advice(fault))
}
