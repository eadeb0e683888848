//! Restating: recorded days are read again from the platform under the newest definition of their metric, and those whose values
//! differ get a revision. It puts a history right that was recorded under a wrong definition.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    loss,
    request::{CorrectionError, checked_reason},
};
use crate::{
    collect::{
        Cancellation, CollectError, Context, Failure, Progress, counted_now, judge_corrected,
        reconstruction_caveats, same_meaning, selection,
    },
    metric::{Decimal, Definition, MetricKey, Observation},
    store::{
        AskedMetric, NewRevision, RecordedDay, RevisionBasis, RevisionBatch, RevisionEffect, RevisionFilter,
        SeriesQuestion, StoreError, StoredDefinition, ValuesAsked,
    },
};

/// How many revisions are written in one transaction. What is committed stays when the command is interrupted.
const COMMIT: usize = 500;
/// The most revisions in force that are looked at: one for each day of three centuries.
const MAX_IN_FORCE: i64 = 110_000;

/// Which records are read again.
#[derive(Debug, Clone)]
pub struct RestateRequest {
    /// An active metric.
    pub category: String,
    /// By default the first recorded day.
    pub from: Option<Date>,
    /// By default the last recorded day.
    pub to: Option<Date>,
    /// Whether days are restated of which the platform has lost rows since they were recorded.
    pub accept_loss: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RestateError {
    #[error(
        "the past values of `{0}` cannot be read again: its measure knows the present state only; correct the days with `daymark \
             correct`"
    )]
    NotReconstructible(String),
    #[error("`{0}` has no record from {1} to {2} that could be restated")]
    NoRecord(String, Date, Date),
    #[error("`{}` cannot be read: {}", .0.category, .0.message)]
    Unreadable(Box<Failure>),
    #[error(transparent)]
    Correction(#[from] CorrectionError),
    #[error(transparent)]
    Collect(#[from] CollectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a restatement would write, and what it leaves as it is.
#[derive(Debug, Clone)]
pub struct Restatement {
    pub key: MetricKey,
    /// The version of the newest definition.
    pub version: i32,
    pub from: Date,
    pub to: Date,
    /// The days that get a revision, by date.
    pub changes: Vec<RestatedDay>,
    /// The number of days whose values agree.
    pub unchanged: usize,
    /// Days that are left as they are, because the platform has lost rows of them since they were recorded. Empty if the request
    /// accepts the loss.
    pub lossy: Vec<Date>,
    /// The number of days that were corrected by hand or withdrawn, which are left as they are.
    pub by_hand: usize,
    /// The number of days for which the present rows have no valid value.
    pub no_value: usize,
    /// The limits of reading past days from the present rows, and whether a loss could be told.
    pub caveats: Vec<String>,
}

/// A day whose value under the newest definition differs from the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestatedDay {
    pub date: Date,
    /// The value of the record.
    pub recorded: Decimal,
    /// The value in force.
    pub before: Decimal,
    pub after: Decimal,
    pub metadata: Map<String, Value>,
    /// Whether the platform has lost rows of the day since it was recorded.
    pub is_lossy: bool,
}

impl RestatedDay {
    pub fn difference(&self) -> Decimal {
        &self.after - &self.before
    }
}

/// Reads the recorded days of a metric again, in one pass and one cut, and compares them with the values in force. Nothing is
/// written.
///
/// # Errors
/// When the metric is unknown, cannot be reconstructed or cannot be read; when the range is empty or has no record; when the platform
/// lags; when a database fails.
pub async fn plan_restatement(
    context: &Context,
    request: &RestateRequest,
    cancel: &Cancellation,
) -> Result<Restatement, RestateError> {
    let metric = selection::select(context, std::slice::from_ref(&request.category)).await?;
    let Some(metric) = metric.into_iter().next() else { return Err(CollectError::NoDefinitions.into()) };
    if !metric.definition.measure.reconstructible() {
        return Err(RestateError::NotReconstructible(request.category.clone()));
    }
    let recorded = recorded(context, &metric, request).await?;
    let (Some(first), Some(last)) = (recorded.first(), recorded.last()) else {
        return Err(CollectError::NoDefinitions.into());
    };
    let (from, to) = (first.date, last.date);
    let earlier = earlier_versions(context, &metric, &recorded).await?;
    let definitions: Vec<_> = std::iter::once(&metric.definition).chain(earlier.values()).collect();
    let mut counted = counted_now(context, &definitions, from, to, cancel).await?.into_iter();
    let newest = counted.next().unwrap_or_else(|| Ok(Vec::new())).map_err(RestateError::Unreadable)?;
    let mut caveats = reconstruction_caveats(std::iter::once(&metric.definition));
    let mut now_by_version = BTreeMap::new();
    for (version, days) in earlier.keys().zip(counted) {
        match days {
            Ok(days) => {
                now_by_version.insert(*version, by_date(days));
            }
            Err(failure) => caveats.push(format!(
                "Version {version} of the definition cannot be read any more ({}), so it is not known whether rows of the days that it \
                 recorded were deleted since.",
                failure.message
            )),
        }
    }
    let in_force = in_force(context, &metric, from, to).await?;
    let mut restatement = Restatement {
        key: metric.definition.key(),
        version: metric.version,
        from,
        to,
        changes: Vec::new(),
        unchanged: 0,
        lossy: Vec::new(),
        by_hand: 0,
        no_value: 0,
        caveats,
    };
    let newest = by_date(newest);
    for day in recorded {
        // A version of the same meaning is read as the newest one.
        let same_rows = match earlier.contains_key(&day.definition_version) {
            true => now_by_version.get(&day.definition_version),
            false => Some(&newest),
        };
        let is_lossy =
            same_rows.and_then(|days| days.get(&day.date)).is_some_and(|now| loss::is_loss(&day, now));
        restatement.add(&day, newest.get(&day.date), in_force.get(&day.date), is_lossy, request.accept_loss);
    }
    Ok(restatement)
}

/// What is in force instead of a record.
enum InForce {
    /// Corrected by hand, or withdrawn.
    ByHand,
    Reconstructed {
        value: Decimal,
        metadata: Map<String, Value>,
    },
}

impl Restatement {
    fn add(
        &mut self,
        day: &RecordedDay,
        now: Option<&Observation>,
        in_force: Option<&InForce>,
        is_lossy: bool,
        accept_loss: bool,
    ) {
        let none = Map::new();
        let (before, metadata) = match in_force {
            Some(InForce::ByHand) => {
                self.by_hand += 1;
                return;
            }
            Some(InForce::Reconstructed { value, metadata }) => (value, metadata),
            None => (&day.value, day.metadata.as_deref().unwrap_or(&none)),
        };
        let Some(now) = now else {
            self.no_value += 1;
            return;
        };
        if now.value == *before && loss::same_parts(metadata, &now.metadata) {
            self.unchanged += 1;
        } else if is_lossy && !accept_loss {
            self.lossy.push(day.date);
        } else {
            self.changes.push(RestatedDay {
                date: day.date,
                recorded: day.value.clone(),
                before: before.clone(),
                after: now.value.clone(),
                metadata: now.metadata.clone(),
                is_lossy,
            });
        }
    }
}

/// The records of the requested days, as they were recorded, by date.
async fn recorded(
    context: &Context,
    metric: &StoredDefinition,
    request: &RestateRequest,
) -> Result<Vec<RecordedDay>, RestateError> {
    let store = &context.tenant.store;
    let span = store.recorded_span().await?;
    let (first, last) = span.unwrap_or_else(|| (context.last_finished(), context.last_finished()));
    let (from, to) = (request.from.unwrap_or(first).max(first), request.to.unwrap_or(last).min(last));
    if let (Some(from), Some(to)) = (request.from, request.to)
        && from > to
    {
        return Err(CollectError::EmptyRange { from, to }.into());
    }
    let nothing = || RestateError::NoRecord(request.category.clone(), from, to);
    if from > to {
        return Err(nothing());
    }
    let asked = AskedMetric { key: metric.definition.key(), metadata: true, judgement: false };
    let values = ValuesAsked { as_recorded: true, as_of: None };
    let question = SeriesQuestion { from, to, metrics: vec![asked], values };
    let days = store.series_days(&question).await?.into_iter().next().map(|series| series.recorded);
    days.filter(|days| !days.is_empty()).ok_or_else(nothing)
}

/// The versions that made records and mean something else than the newest definition.
async fn earlier_versions(
    context: &Context,
    metric: &StoredDefinition,
    recorded: &[RecordedDay],
) -> Result<BTreeMap<i32, Definition>, StoreError> {
    let used: BTreeSet<_> = recorded.iter().map(|day| day.definition_version).collect();
    let versions = context.tenant.store.definition_versions().await?;
    let is_other = |known: &Definition| !same_meaning(known, &metric.definition);
    let of_metric = versions.into_iter().filter(|known| known.key == metric.definition.key());
    let wanted = of_metric.filter(|known| used.contains(&known.version) && is_other(&known.definition));
    Ok(wanted.map(|known| (known.version, known.definition)).collect())
}

async fn in_force(
    context: &Context,
    metric: &StoredDefinition,
    from: Date,
    to: Date,
) -> Result<BTreeMap<Date, InForce>, StoreError> {
    let filter = RevisionFilter {
        from: Some(from),
        to: Some(to),
        categories: vec![metric.definition.category.clone()],
        only_in_force: true,
        limit: MAX_IN_FORCE,
        ..RevisionFilter::default()
    };
    let revisions = context.tenant.store.revisions(&filter).await?;
    let of_metric = revisions.into_iter().filter(|revision| revision.key == metric.definition.key());
    let one = |revision: crate::store::Revision| {
        let what = match (revision.effect, revision.basis) {
            (RevisionEffect::Value { value, metadata }, RevisionBasis::Reconstruction { .. }) => {
                InForce::Reconstructed { value, metadata }
            }
            _ => InForce::ByHand,
        };
        (revision.date, what)
    };
    Ok(of_metric.map(one).collect())
}

fn by_date(days: Vec<(Date, Option<Observation>)>) -> BTreeMap<Date, Observation> {
    days.into_iter().filter_map(|(date, seen)| Some((date, seen?))).collect()
}

/// Writes the revisions of a restatement, 500 in a transaction, in the name of the context's initiator. Cancelled, it ends after the
/// present transaction; restating again continues from there, because the days that were written agree then. Returns how many were
/// written.
///
/// # Errors
/// When the reason is not valid; when the store fails, or refuses a revision because another one was written meanwhile.
pub async fn write_restatement(
    context: &Context,
    restatement: &Restatement,
    reason: &str,
    progress: &dyn Progress,
    cancel: &Cancellation,
) -> Result<usize, RestateError> {
    let reason = checked_reason(reason)?;
    let basis = RevisionBasis::Reconstruction { definition_version: restatement.version };
    progress.started(restatement.changes.len());
    let mut written = 0;
    for chunk in restatement.changes.chunks(COMMIT) {
        if cancel.is_cancelled() {
            break;
        }
        let revision = |day: &RestatedDay| NewRevision {
            date: day.date,
            key: restatement.key.clone(),
            effect: RevisionEffect::Value { value: day.after.clone(), metadata: day.metadata.clone() },
            basis,
        };
        let batch = RevisionBatch {
            id: Uuid::new_v4(),
            reason: reason.clone(),
            author: context.initiator.actor.clone(),
            made_at: context.now(),
            revisions: chunk.iter().map(revision).collect(),
        };
        context.tenant.store.write_revisions(&batch).await?;
        written += chunk.len();
        progress.advanced(chunk.len());
    }
    if let (Some(first), Some(last)) = (restatement.changes.first(), restatement.changes.last()) {
        judge_corrected(context, vec![restatement.key.clone()], first.date, last.date).await;
    }
    Ok(written)
}
