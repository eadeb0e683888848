//! From what the platform answered to the record that is written down.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::Context;
use crate::{
    metric::{EvaluationError, Provenance, Record, Tally},
    store::StoredDefinition,
};

/// The run that makes records, and the cut that it makes them from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub run: Uuid,
    /// When the cut was opened.
    pub cut_at: Timestamp,
    /// The day that the cut observes; a backfill observes none.
    observed: Option<Date>,
}

impl Origin {
    /// Of a collection: it observes the last finished day. To be taken once the cut is open.
    pub fn now(context: &Context, run: Uuid) -> Self {
        let cut_at = context.now();
        Self {
            run,
            cut_at,
            observed: Some(context.tenant.calendar.last_finished(cut_at, context.tenant.settle)),
        }
    }

    /// Of a backfill: all of its days are reconstructed, the last finished one too. To be taken once the cut is open.
    pub fn of_backfill(context: &Context, run: Uuid) -> Self {
        Self { run, cut_at: context.now(), observed: None }
    }

    pub fn provenance(&self, date: Date) -> Provenance {
        if self.observed == Some(date) { Provenance::Observed } else { Provenance::Reconstructed }
    }
}

/// The record of `metric` on `date`; `tallies` in the order of its readings.
pub(super) fn record(
    metric: &StoredDefinition,
    date: Date,
    tallies: &[&Tally],
    origin: &Origin,
) -> Result<Record, EvaluationError> {
    let observation = metric.definition.evaluate(tallies)?;
    Ok(Record {
        metric_date: date,
        key: metric.definition.key(),
        value: observation.value,
        metadata: observation.metadata,
        provenance: origin.provenance(date),
        definition_version: metric.version,
        collection_id: origin.run,
        collection_timestamp: origin.cut_at,
    })
}
