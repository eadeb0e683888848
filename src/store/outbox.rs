//! Which events a commit writes into the outbox.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{EventKind, Origin, RevisionBatch, Run, RunStatus, definition_writes::Write};
use crate::metric::{MetricKey, Record};

pub(super) struct NewEvent {
    pub kind: EventKind,
    /// A JSON object.
    pub subject: Value,
}

/// One event for each day that got records: those of `records` whose key is in `written`.
pub(super) fn of_records(records: &[Record], written: &[(Date, MetricKey)]) -> Vec<NewEvent> {
    let written: HashSet<_> = written.iter().map(|(date, key)| (*date, key)).collect();
    let mut days = BTreeMap::<(Date, Uuid), usize>::new();
    for record in records.iter().filter(|record| written.contains(&(record.metric_date, &record.key))) {
        *days.entry((record.metric_date, record.collection_id)).or_default() += 1;
    }
    let event = |((date, run), records)| NewEvent {
        kind: EventKind::DayRecorded,
        subject: json!({"date": date, "collection_id": run, "records": records}),
    };
    days.into_iter().map(event).collect()
}

/// The event of a run that this commit finished.
pub(super) fn of_run(run: &Run) -> Option<NewEvent> {
    let kind = match run.status {
        RunStatus::Running => return None,
        RunStatus::Completed => EventKind::RunCompleted,
        RunStatus::Partial => EventKind::RunPartial,
        RunStatus::Failed => EventKind::RunFailed,
    };
    let failures = run.error_details.as_ref().and_then(|details| details.get("failures"));
    let failures = failures.and_then(Value::as_array).into_iter().flatten();
    let categories: Vec<_> = failures.filter_map(|failure| failure.get("metric_category")).collect();
    let subject = json!({
        "run_id": run.id,
        "kind": run.kind.name(),
        "from": run.from,
        "to": run.to,
        "records": run.metrics_collected,
        "failures": categories,
    });
    Some(NewEvent { kind, subject })
}

/// The event of a change of definitions, if anything is written.
pub(super) fn of_definitions(writes: &[Write], by: Origin) -> Option<NewEvent> {
    let mut categories: Vec<_> = writes.iter().map(Write::category).collect();
    categories.sort_unstable();
    categories.dedup();
    let subject = json!({"categories": categories, "by": by.name()});
    (!writes.is_empty()).then_some(NewEvent { kind: EventKind::DefinitionsChanged, subject })
}

/// The event of corrections, if there is one in the batch.
pub(super) fn of_revisions(batch: &RevisionBatch) -> Option<NewEvent> {
    let dates = || batch.revisions.iter().map(|revision| revision.date);
    let mut categories: Vec<_> =
        batch.revisions.iter().map(|revision| revision.key.category.as_str()).collect();
    categories.sort_unstable();
    categories.dedup();
    let subject = json!({
        "batch_id": batch.id,
        "categories": categories,
        "from": dates().min()?,
        "to": dates().max()?,
        "revisions": batch.revisions.len(),
    });
    Some(NewEvent { kind: EventKind::ValuesCorrected, subject })
}
