//! Restating: recorded days are read again from the platform under the newest definition of their metric, and those whose values
//! differ get a revision. It puts a history right that was recorded under a wrong definition.
//!
//! The platform is read in one pass and one cut, of which the tallies are kept, as a backfill keeps them. Then the days are compared
//! with the store chunk by chunk, so that no more than a chunk of records and metadata is in memory, however long the history is.

mod request;
mod restatement;
mod subject;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::{
    request::{RestateError, RestateRequest},
    restatement::{RestatedDay, Restatement},
};
use self::{
    restatement::{Circumstances, Compared, InForce},
    subject::{Subject, ValuesRead, values},
};
use super::{loss, request::checked_reason};
use crate::{
    collect::{
        CancellationToken, CollectError, Context, Progress, RecountedDays, judge_corrected, lock,
        reconstruction_caveats,
    },
    metric::{Decimal, Definition},
    query::RollUp,
    store::{
        Held, LastRevision, LockName, NewRevision, RecordedDay, Revision, RevisionBasis, RevisionBatch,
        RevisionEffect, RevisionFilter, StoreError,
    },
};

/// The most days that are compared, and whose revisions are written, at once. Each may have a mebibyte of metadata three times: of the
/// record, of the revision in force and of the present rows.
const MAX_CHUNK_DAYS: usize = 100;
/// How often a chunk is compared and written again because other corrections of its days came first.
const MAX_ATTEMPTS: usize = 10;

/// Recorded days, and the platform's answer for them, from which a restatement is made. While it exists, no other restatement of the
/// store runs.
pub struct RestateReading {
    subject: Subject,
    accept_loss: bool,
    /// The newest definition is the first one; the earlier versions follow in their order.
    now: RecountedDays,
    /// Where the versions of `subject.earlier` that can still be read are in `now`.
    places: BTreeMap<i32, usize>,
    caveats: Vec<String>,
    _lock: Box<dyn Held>,
}

/// The days of a chunk beside what the newest definition gives for them now.
#[derive(Default)]
struct ComparedChunk {
    days: Vec<(Date, Compared)>,
    /// The last revision of each day that has one.
    last_revisions: BTreeMap<Date, LastRevision>,
}

impl RestateReading {
    /// Reads the recorded days of a metric again, in one pass and one cut. Nothing is written.
    ///
    /// # Errors
    /// When the metric is unknown, cannot be reconstructed or cannot be read; when the range is empty or has no record; when another
    /// restatement runs; when the platform lags; when a database fails.
    pub async fn read(
        context: &Context,
        request: &RestateRequest,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Self, RestateError> {
        let lock = lock(context, LockName::Restate).await?;
        let subject = Subject::find(context, request).await?;
        progress.reading(1, subject.days.len());
        let definitions: Vec<_> =
            std::iter::once(&subject.metric.definition).chain(subject.earlier.values()).cloned().collect();
        let (from, to) = (subject.first(), subject.last());
        let now = RecountedDays::read(context, definitions, from, to, cancel).await?;
        if let Some(failure) = now.failure(0) {
            return Err(RestateError::Unreadable(failure));
        }
        let mut caveats = reconstruction_caveats(std::iter::once(&subject.metric.definition));
        let mut places = BTreeMap::new();
        for (place, version) in (1..).zip(subject.earlier.keys()) {
            match now.failure(place) {
                None => {
                    places.insert(*version, place);
                }
                Some(failure) => caveats.push(format!(
                    "Version {version} of the definition cannot be read any more ({}), so it is not known whether rows of the days \
                     that it recorded were deleted since.",
                    failure.message
                )),
            }
        }
        Ok(Self { subject, accept_loss: request.accept_loss, now, places, caveats, _lock: lock })
    }

    /// Compares the days with the values in force. Nothing is written.
    ///
    /// # Errors
    /// When the store fails, or the call is cancelled.
    pub async fn compare(
        &self,
        context: &Context,
        cancel: &CancellationToken,
    ) -> Result<Restatement, RestateError> {
        let mut restatement = self.empty();
        for days in self.chunks(context) {
            if cancel.is_cancelled() {
                return Err(CollectError::Interrupted { kept: "nothing was written".to_owned() }.into());
            }
            restatement.add_chunk(self.compared(context, days).await?);
        }
        restatement.is_complete = true;
        Ok(restatement)
    }

    /// Compares the days with the values in force, and writes the revisions of each chunk in a transaction, in the name of the context's
    /// initiator. Cancelled, it ends after the present transaction; restating again continues from there, because the days that were
    /// written agree then.
    ///
    /// # Errors
    /// When the reason is not valid, or the store fails.
    pub async fn write(
        &self,
        context: &Context,
        reason: &str,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Restatement, RestateError> {
        let reason = checked_reason(reason)?;
        let mut restatement = self.empty();
        restatement.is_complete = true;
        progress.started(self.subject.days.len());
        for days in self.chunks(context) {
            if cancel.is_cancelled() {
                restatement.is_complete = false;
                break;
            }
            restatement.add_chunk(self.written(context, days, &reason).await?);
            progress.advanced(days.len());
        }
        if let (Some(first), Some(last)) = (restatement.changes.first(), restatement.changes.last()) {
            judge_corrected(context, vec![restatement.key.clone()], first.date, last.date).await;
        }
        Ok(restatement)
    }

    fn empty(&self) -> Restatement {
        Restatement {
            key: self.subject.metric.definition.key(),
            version: self.subject.metric.version,
            from: self.subject.first(),
            to: self.subject.last(),
            changes: Vec::new(),
            unchanged: 0,
            lossy: Vec::new(),
            by_hand: 0,
            no_value: 0,
            caveats: self.caveats.clone(),
            is_complete: false,
        }
    }

    fn chunks(&self, context: &Context) -> impl Iterator<Item = &[Date]> {
        self.subject.days.chunks(context.installation.chunk_days.clamp(1, MAX_CHUNK_DAYS))
    }

    /// Compares a chunk and writes its revisions. If another correction of one of its days comes first, both are done again.
    async fn written(
        &self,
        context: &Context,
        days: &[Date],
        reason: &str,
    ) -> Result<ComparedChunk, RestateError> {
        let mut attempt = 1;
        loop {
            let chunk = self.compared(context, days).await?;
            match context.tenant.store.write_revisions(&self.batch(context, &chunk, reason)).await {
                Ok(_) => return Ok(chunk),
                Err(error) if error.is_conflict() && attempt < MAX_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn batch(&self, context: &Context, chunk: &ComparedChunk, reason: &str) -> RevisionBatch {
        let metric = &self.subject.metric;
        let revision = |(date, compared): &(Date, Compared)| {
            let Compared::Differs { day, metadata } = compared else { return None };
            Some(NewRevision {
                date: *date,
                key: metric.definition.key(),
                effect: RevisionEffect::Value { value: day.after.clone(), metadata: metadata.clone() },
                basis: RevisionBasis::Reconstruction { definition_version: metric.version },
                number: Some(chunk.last_revisions.get(date).map_or(0, |last| last.number) + 1),
            })
        };
        RevisionBatch {
            id: Uuid::new_v4(),
            reason: reason.to_owned(),
            author: context.initiator.actor.clone(),
            made_at: context.now(),
            revisions: chunk.days.iter().filter_map(revision).collect(),
        }
    }

    async fn compared(&self, context: &Context, days: &[Date]) -> Result<ComparedChunk, StoreError> {
        let (Some(from), Some(to)) = (days.first().copied(), days.last().copied()) else {
            return Ok(ComparedChunk::default());
        };
        let metric = &self.subject.metric;
        // The numbers are read first: a revision that comes after them makes the write of its day a conflict.
        let last_revisions = context.tenant.store.last_revisions(&metric.definition.key(), from, to).await?;
        let mut in_force = self.in_force(context, from, to).await?;
        // A restatement that was taken back is not made again.
        let taken_back = last_revisions.iter().filter(|(_, last)| last.takes_reconstruction_back);
        in_force.extend(taken_back.map(|(date, _)| (*date, InForce::ByHand)));
        let records = values(context, metric, from, to, ValuesRead::RecordedWithMetadata).await?;
        // The platform may still have labels that were redacted; what is recorded has their placeholders.
        let redacted = context.tenant.store.label_redactions().await?;
        let compared = |record: &RecordedDay| {
            let (date, in_force) = (record.date, in_force.get(&record.date));
            let circumstances = Circumstances {
                is_lossy: self.is_lossy(record, in_force),
                accept_loss: self.accept_loss,
                is_other_kind: self.is_other_kind(record, in_force),
            };
            let mut now = self.now.observation(0, date);
            if let Some(seen) = &mut now {
                redacted.apply(&mut seen.metadata);
            }
            (date, Compared::new(record, now, in_force, circumstances))
        };
        let asked = records.iter().filter(|record| days.binary_search(&record.date).is_ok());
        Ok(ComparedChunk { days: asked.map(compared).collect(), last_revisions })
    }

    /// Whether the definition that made the record, or the restatement in force, gives fewer rows now.
    fn is_lossy(&self, record: &RecordedDay, in_force: Option<&InForce>) -> bool {
        let none = Map::new();
        let of_record = (&record.value, record.metadata.as_deref().unwrap_or(&none));
        if self.gives_fewer_rows(record.definition_version, record.date, of_record) {
            return true;
        }
        match in_force {
            Some(InForce::Reconstructed { version: Some(version), value, metadata }) => {
                self.gives_fewer_rows(*version, record.date, (value, metadata))
            }
            _ => false,
        }
    }

    /// Whether a version of the definition gives fewer rows now than `then`. One of the same meaning is read as the newest one; of one
    /// that cannot be read it is not known.
    fn gives_fewer_rows(&self, version: i32, date: Date, then: (&Decimal, &Map<String, Value>)) -> bool {
        let place = match self.subject.earlier.contains_key(&version) {
            true => self.places.get(&version).copied(),
            false => Some(0),
        };
        let now = place.and_then(|place| self.now.observation(place, date));
        now.is_some_and(|now| loss::is_loss(&self.definition(version).measure, then, &now))
    }

    /// A version of the definition, or the newest one, which has the same meaning.
    fn definition(&self, version: i32) -> &Definition {
        self.subject.earlier.get(&version).unwrap_or(&self.subject.metric.definition)
    }

    /// Whether days roll up under the newest definition, and in another way than under that of the value in force.
    fn is_other_kind(&self, record: &RecordedDay, in_force: Option<&InForce>) -> bool {
        let version = match in_force {
            Some(InForce::Reconstructed { version: Some(version), .. }) => *version,
            _ => record.definition_version,
        };
        let newest = RollUp::of(&self.subject.metric.definition);
        newest != RollUp::Never && newest != RollUp::of(self.definition(version))
    }

    /// The revisions in force of the days from `from` to `to`.
    async fn in_force(
        &self,
        context: &Context,
        from: Date,
        to: Date,
    ) -> Result<BTreeMap<Date, InForce>, StoreError> {
        let key = self.subject.metric.definition.key();
        let filter = RevisionFilter {
            from: Some(from),
            to: Some(to),
            categories: vec![key.category.clone()],
            only_in_force: true,
            limit: i64::from(i32::MAX),
            ..RevisionFilter::default()
        };
        let revisions = context.tenant.store.revisions(&filter).await?;
        Ok(revisions.into_iter().filter(|revision| revision.key == key).map(in_force).collect())
    }
}

fn in_force(revision: Revision) -> (Date, InForce) {
    let what = match (revision.effect, revision.basis) {
        (
            RevisionEffect::Value { value, metadata },
            basis @ (RevisionBasis::Reconstruction { .. } | RevisionBasis::Redaction),
        ) => InForce::Reconstructed { version: basis.definition_version(), value, metadata },
        _ => InForce::ByHand,
    };
    (revision.date, what)
}

impl Restatement {
    fn add_chunk(&mut self, chunk: ComparedChunk) {
        for (date, compared) in chunk.days {
            self.add(date, compared);
        }
    }
}
