//! Collection: records days, and logs runs and their failures. The command line and jobs call these functions with a
//! [`Context`] and receive a report; nothing is printed here.
//!
//! **Architecture Invariant:** this module contains no SQL, and does not depend on which database is behind
//! [`crate::platform`] or [`crate::store`]. **Architecture Invariant:** every run is in the collection log before it
//! reads values of the platform, and is finished there in every case; the entry of a killed process is closed by the
//! next run.

mod attempts;
mod backfill;
pub(crate) mod batch;
mod context;
mod day;
mod discrepancy;
mod drift;
mod drift_sample;
mod due;
mod earlier_meanings;
mod error;
mod failure;
pub(crate) mod first_row;
pub(crate) mod freshness;
mod gaps;
mod judging;
mod lost_sessions;
mod missing_days;
mod next_collection;
mod orphaned_runs;
mod own_clock;
mod platform_lag;
mod reconstruction_caveats;
mod recording;
mod recount;
mod remembered_first_row;
mod retry_spacing;
mod run;
#[cfg(test)]
pub(crate) mod sample;
mod schedule;
pub(crate) mod selection;
mod status;
mod verify;

pub use attempts::{AttemptEnd, MAX_ATTEMPTS, next_attempt, next_collection_attempt};
pub use backfill::{BackfillReport, BackfillRequest, MetricCount, Progress, backfill};
pub use context::{Context, FIRST_DAY, Initiator, Installation, Tenant, run_limit};
pub use day::{DayReport, RecordedMetric, collect_day, collect_day_unjudged};
pub use discrepancy::Discrepancy;
pub use drift::{ComparedDay, DriftReport, DriftRequest, MetricDrift, drift};
pub use drift_sample::sample_drift;
pub use due::DueTimes;
pub(crate) use earlier_meanings::same_meaning;
pub use earlier_meanings::{EarlierMeaning, earlier_meanings};
pub use error::CollectError;
pub(crate) use error::{advice, metric_advice};
pub use failure::{FailedDays, Failure};
pub use first_row::{FirstRow, KnownFirstRow, platform_first_row, remembered_first_day};
pub use gaps::{
    Gap, GapCause, GapReport, History, RecentGaps, gaps, missing, recent_gaps, with_before_first_row,
};
pub use judging::{JudgeReport, JudgeRequest, judge_again, judge_corrected, judge_unjudged};
pub use missing_days::{MetricGaps, missed_until, missing_on};
pub use next_collection::next_collection;
pub use orphaned_runs::close_orphaned_runs;
pub use own_clock::MAX_CLOCK_DIFFERENCE;
pub use platform_lag::{PlatformLag, platform_lag};
pub use reconstruction_caveats::reconstruction_caveats;
pub use recount::{CountedDays, RecountedDays, counted_now};
pub use remembered_first_row::RememberedFirstRow;
pub use retry_spacing::collect_if_due;
pub(crate) use run::lock;
pub use schedule::{MAX_REASON_CHARS, PauseError, pause, resume};
pub use selection::{LeftOut, active_metrics, unknown_metric};
pub use status::{NextDay, StatusReport, status, status_of};
pub use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests {
    use super::*;

    /// A server spawns these functions as tasks, which requires that their futures are `Send`; the test only has to
    /// compile.
    #[expect(dead_code, reason = "only types are asserted")]
    fn runs_can_be_spawned(
        context: &'static Context,
        request: &'static BackfillRequest,
        progress: &'static dyn Progress,
        cancel: &'static CancellationToken,
        drift_request: &'static DriftRequest,
    ) {
        fn task(_: impl Future<Output: Send> + Send + 'static) {}
        task(collect_day(context, None, &[], cancel));
        task(backfill(context, request, progress, cancel));
        task(gaps(context, None, None));
        task(status(context));
        task(drift(context, drift_request, cancel));
    }
}
