//! What `check` looks at on the platform: whether it plans the statements of every metric.

use super::visibility;
use crate::{
    collect::{
        Context, advice,
        batch::{Answer, Batch},
        metric_advice,
    },
    config::Finding,
    database::{Deadline, Fault},
    metric::Definition,
    platform::Schema,
};

/// `metrics` are definitions, and what to call them.
pub(super) async fn check_platform(
    context: &Context,
    metrics: &[(String, &Definition)],
    findings: &mut Vec<Finding>,
) {
    let definitions: Vec<_> = metrics.iter().map(|(_, definition)| *definition).collect();
    let examined = async {
        let schema = context.tenant.platform.inspect().await?;
        let faults = explain(context, &schema, &definitions).await?;
        Ok((faults, visibility::unseen(context, &schema, metrics).await?))
    };
    match examined.await {
        Ok((faults, unseen)) => {
            findings.extend(faults.iter().map(|(metric, fault)| unplanned(&metrics[*metric].0, fault)));
            findings.extend(unseen);
            findings.extend(visibility::privileges(context).await);
        }
        Err(fault) => {
            let message = format!("{}: {fault}", context.tenant.platform.location());
            findings.push(Finding::error("platform", message).hint(advice(&fault)));
        }
    }
}

/// Has the platform plan every reading of every metric for the last finished day. Returns what it said to those that it
/// does not plan, with their index.
///
/// # Errors
/// When the platform cannot be asked.
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
    let fault = |answer: Answer<'_, String>| Some((answer.metric, answer.fault()?.clone()));
    Ok(answers.iter().filter_map(fault).collect())
}

/// A metric that the platform does not plan.
pub(in crate::definitions) fn unplanned(place: &str, fault: &Fault) -> Finding {
    Finding::error(place, fault.to_string()).hint(metric_advice(fault))
}
