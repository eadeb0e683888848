//! Computes records from the platform's answers, and commits them.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{Context, Failure};
use crate::{
    database::{Fault, FaultClass},
    metric::{EvaluationError, MetricKey, Provenance, Record, Tally, has_labels},
    store::{Finish, StoreError, StoredDefinition},
};

/// The attributes that all records of a run share: the run, and the time and provenance of the cut that they were read
/// from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub run: Uuid,
    /// When the cut was opened.
    pub cut_at: Timestamp,
    /// The day whose records are `observed`, if the cut was opened soon enough after its end; `None` for a backfill.
    observed: Option<Date>,
}

impl Stamp {
    /// The stamp of a collection, which observes the last finished day if that ended at most `observed_within` ago. It
    /// must be created once the cut is open.
    pub fn of_collection(context: &Context, run: Uuid) -> Self {
        let cut_at = context.now();
        Self { run, cut_at, observed: context.observable(cut_at) }
    }

    /// The stamp of a backfill: all of its days are reconstructed, including the last finished one. It must be created
    /// once the cut is open.
    pub fn of_backfill(context: &Context, run: Uuid) -> Self {
        Self { run, cut_at: context.now(), observed: None }
    }

    pub fn provenance(&self, date: Date) -> Provenance {
        if self.observed == Some(date) { Provenance::Observed } else { Provenance::Reconstructed }
    }
}

/// Evaluates the record of `metric` on `date`. `tallies` are in the order of the metric's readings.
pub(super) fn record(
    metric: &StoredDefinition,
    date: Date,
    tallies: &[&Tally],
    stamp: &Stamp,
) -> Result<Record, EvaluationError> {
    let observation = metric.definition.evaluate(tallies)?;
    Ok(Record {
        metric_date: date,
        key: metric.definition.key(),
        value: observation.value,
        metadata: observation.metadata,
        provenance: stamp.provenance(date),
        definition_version: metric.version,
        collection_id: stamp.run,
        collection_timestamp: stamp.cut_at,
    })
}

/// The records as the store keeps them: with placeholders for the labels that were redacted.
pub(super) async fn without_redacted_labels(
    context: &Context,
    mut records: Vec<Record>,
) -> Result<Vec<Record>, StoreError> {
    if records.iter().any(|record| has_labels(&record.metadata)) {
        let redacted = context.tenant.store.label_redactions().await?;
        for record in &mut records {
            redacted.apply(&mut record.metadata);
        }
    }
    Ok(records)
}

/// The records that a commit wrote, and those that the store refused.
#[derive(Default)]
pub(super) struct Committed {
    pub written: Vec<(Date, MetricKey)>,
    pub refused: Vec<Failure>,
    /// The end of the run, if the commit included it.
    pub finish: Option<Finish>,
}

/// Commits `records` and, in the same transaction, the end of the run that `finish` returns for the refused records, if
/// any. When the store refuses a record, for example because it is too large, each metric is committed separately, so
/// that only that record's metric fails.
///
/// # Errors
/// When the store fails for any other reason.
pub(super) async fn commit(
    context: &Context,
    records: &[Record],
    finish: impl Fn(&[Failure]) -> Option<Finish>,
) -> Result<Committed, StoreError> {
    let store = &context.tenant.store;
    let end = finish(&[]);
    match store.commit(records, end.as_ref()).await {
        Ok(written) => return Ok(Committed { written, refused: Vec::new(), finish: end }),
        Err(StoreError::Fault { fault, .. }) if is_of_records(&fault) && !records.is_empty() => {}
        Err(error) => return Err(error),
    }
    let mut committed = Committed::default();
    let mut metrics: Vec<&MetricKey> = records.iter().map(|record| &record.key).collect();
    metrics.sort_unstable();
    metrics.dedup();
    for key in metrics {
        let of_metric: Vec<_> = records.iter().filter(|record| record.key == *key).cloned().collect();
        match store.commit(&of_metric, None).await {
            Ok(written) => committed.written.extend(written),
            Err(StoreError::Fault { fault, .. }) if is_of_records(&fault) => {
                committed.refused.push(Failure::of_fault(&key.category, &fault));
            }
            Err(error) => return Err(error),
        }
    }
    committed.finish = finish(&committed.refused);
    if let Some(finish) = &committed.finish {
        store.commit(&[], Some(finish)).await?;
    }
    Ok(committed)
}

/// Whether the store refused the records themselves: their size, their values, or a constraint.
fn is_of_records(fault: &Fault) -> bool {
    // SQLSTATE class 22 is for data, 23 for constraints, 54 for limits; SQLite's 18 is SQLITE_TOOBIG and 19
    // SQLITE_CONSTRAINT.
    let code = fault.sqlstate.as_deref().unwrap_or_default();
    let sqlite =
        code.strip_prefix("sqlite:").and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    ["22", "23", "54"].iter().any(|class| code.starts_with(class))
        || matches!(sqlite, Some(18 | 19))
        || fault.class == FaultClass::TooLarge
}
