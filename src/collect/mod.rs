//! Collection: what is recorded, when, and what becomes of it when something fails. The command line, and whatever
//! else starts a run, calls the functions here with a [`Context`] and gets a report back; nothing is printed.
//!
//! **Architecture Invariant:** no SQL in here, and no knowledge of which database is behind [`crate::platform`] or
//! [`crate::store`].
//! **Architecture Invariant:** every run is in the collection log before it reads anything, and is finished there in
//! every case; what a killed process leaves behind, the next run closes.

mod backfill;
pub(crate) mod batch;
mod cancellation;
mod context;
mod day;
mod error;
mod failure;
pub(crate) mod freshness;
mod gaps;
mod orphaned_runs;
mod reconstruction_caveats;
mod recording;
mod recount;
mod resolve;
mod run;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod selection;
mod status;
mod verify;

pub use backfill::{BackfillReport, BackfillRequest, MetricCount, Progress, backfill};
pub use cancellation::{Cancellation, Canceller};
pub use context::{Context, Installation, Tenant};
pub use day::{DayReport, RecordedMetric, collect_day};
pub use error::CollectError;
pub(crate) use error::advice;
pub use failure::Failure;
pub use gaps::{Gap, GapCause, GapReport, History, gaps, missing};
pub use orphaned_runs::close_orphaned_runs;
pub use recount::{plan, recount};
pub use resolve::{detected_formats, resolve};
pub use selection::LeftOut;
pub use status::{NextDay, StatusReport, status, status_of};
pub use verify::Discrepancy;

#[cfg(test)]
mod tests {
    use super::*;

    /// A server runs these as tasks; this need only compile.
    #[expect(dead_code, reason = "what is asserted are types")]
    fn runs_can_be_spawned(
        context: &'static Context,
        request: &'static BackfillRequest,
        progress: &'static dyn Progress,
        cancel: &'static Cancellation,
    ) {
        fn task(_: impl Future<Output: Send> + Send + 'static) {}
        task(collect_day(context, None, &[], cancel));
        task(backfill(context, request, progress, cancel));
        task(gaps(context, None, None));
        task(status(context));
    }
}
