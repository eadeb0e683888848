//! Corrections: requests to put recorded values right, checked against the record, shown before they are written, and written as
//! revisions beside it. Redactions, which are the one exception: they also change the record.

mod known_day;
mod loss;
mod metadata;
mod plan;
mod redact;
mod request;
mod restate;
mod rules;
mod subject;
mod take_back;

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    collect::{Context, judge_corrected},
    metric::MetricKey,
    store::{NewRevision, Revision, RevisionBasis, RevisionBatch},
};
pub use plan::{CorrectionPlan, PlannedCorrection, plan};
pub use redact::{RedactError, checked_reason_without, find_label, redact, rewrite, still_on_platform};
pub use request::{
    CorrectionError, CorrectionProblem, CorrectionRequest, MAX_CORRECTIONS, RequestedChange,
    RequestedCorrection, checked_reason,
};
pub use restate::{RestateError, RestateReading, RestateRequest, RestatedDay, Restatement};

/// Writes the planned corrections, all of them or none, in the name of the context's initiator. Their judgements are made again
/// by [`judge_again`], or later by the scheduler.
///
/// # Errors
/// When another revision of a day was written since it was planned; when the store fails.
pub async fn write(context: &Context, plan: CorrectionPlan) -> Result<Vec<Revision>, CorrectionError> {
    let revision = |planned: PlannedCorrection| NewRevision {
        date: planned.date,
        key: planned.key,
        effect: planned.effect,
        basis: RevisionBasis::Manual { definition_version: planned.definition_version },
        number: Some(planned.last_revision + 1),
    };
    let batch = RevisionBatch {
        id: Uuid::new_v4(),
        reason: plan.reason,
        author: context.initiator.actor.clone(),
        made_at: context.now(),
        revisions: plan.changes.into_iter().map(revision).collect(),
    };
    context.tenant.store.write_revisions(&batch).await.map_err(|error| match error.is_conflict() {
        true => CorrectionError::Outdated(vec![
            "another correction of the same day came first, and nothing was written: look at it, and correct again".to_owned(),
        ]),
        false => error.into(),
    })
}

/// Judges the corrected values again, and the later ones whose history they are. A failure is logged.
pub async fn judge_again(context: &Context, revisions: &[Revision]) {
    let dates = || revisions.iter().map(|revision| revision.date);
    let (Some(from), Some(to)) = (dates().min(), dates().max()) else { return };
    let keys: Vec<MetricKey> = revisions.iter().map(|revision| revision.key.clone()).collect();
    judge_corrected(context, keys, from, to).await;
}

/// As [`judge_again`], in a task of its own.
pub fn judge_later(context: &Context, revisions: &Arc<[Revision]>) {
    let (context, revisions) = (context.clone(), Arc::clone(revisions));
    tokio::spawn(async move { judge_again(&context, &revisions).await });
}
