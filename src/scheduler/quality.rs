//! The leader's work for the quality of the data while it does not collect: it judges values that are not judged, and counts
//! some recorded days again each night.

use jiff::{SignedDuration, Timestamp, civil::Date};
use tokio::task::JoinHandle;

use crate::{
    clock::has_passed,
    collect::{CancellationToken, CollectError, Context, judge_unjudged, sample_drift},
    store::StoreError,
};

/// How many records are judged at a time, between two looks at the schedule.
const MAX_JUDGED: i64 = 2_000;
/// How often the store is asked for values that are not judged, once all are.
const JUDGE_INTERVAL: SignedDuration = SignedDuration::from_hours(6);

/// The state of this work. All of it can be read from the store again.
#[derive(Default)]
pub struct QualityWork {
    /// When the store was last asked for values that are not judged; `None`: some may be left.
    judged_at: Option<Timestamp>,
    /// The due day after which days were last counted again.
    sampled: Option<Date>,
    sampling: Option<Sampling>,
}

/// The task that counts days again; it ends with its value.
struct Sampling(JoinHandle<()>);

impl Drop for Sampling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl QualityWork {
    /// Judges some values if some may be left to judge. A failure is logged, and tried again after the interval.
    pub async fn judge(&mut self, context: &Context, now: Timestamp) {
        if self.judged_at.is_some_and(|at| !has_passed(at, JUDGE_INTERVAL, now)) {
            return;
        }
        self.judged_at = Some(now);
        match judge_unjudged(context, MAX_JUDGED).await {
            // A record that cannot be read is found again and cannot be judged.
            Ok((report, found)) if report.judged > 0 && found as i64 == MAX_JUDGED => self.judged_at = None,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "recorded values could not be judged; tried again later"),
        }
    }

    /// Starts counting `days` recorded days again, once for each due day.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sample(
        &mut self,
        context: &Context,
        due: Option<(Date, Timestamp)>,
        days: usize,
    ) -> Result<(), StoreError> {
        if self.sampling.as_ref().is_some_and(|sampling| sampling.0.is_finished()) {
            self.sampling = None;
        }
        let Some((date, due_at)) = due else { return Ok(()) };
        if days == 0 || self.sampled == Some(date) || self.sampling.is_some() {
            return Ok(());
        }
        // Another leader may have done it since the day was due.
        let is_done = !context.tenant.store.drift_samples(due_at, 1).await?.is_empty();
        self.sampled = Some(date);
        if is_done {
            return Ok(());
        }
        let context = context.clone();
        self.sampling = Some(Sampling(tokio::spawn(async move {
            match sample_drift(&context, date, days, &CancellationToken::new()).await {
                Ok(compared) => tracing::debug!(compared, "counted recorded days again"),
                Err(CollectError::NoDefinitions) => {}
                Err(error) => {
                    tracing::warn!(%error, "recorded days could not be counted again; tried again tomorrow");
                }
            }
        })));
        Ok(())
    }

    /// Waits until the days are counted.
    pub async fn finished(&mut self) {
        if let Some(sampling) = &mut self.sampling {
            // The task logs its failure.
            let _ = (&mut sampling.0).await;
        }
        self.sampling = None;
    }
}
