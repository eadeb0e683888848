//! Judges recorded values by the history of their metric, and keeps the judgements beside the records. It happens after the
//! commit of the records: a judgement that cannot be made delays no record and fails no run, and the scheduler makes it
//! later.

mod day_history;
mod judge;

use std::{collections::HashMap, time::Duration};

use jiff::civil::Date;
use tokio::task::JoinHandle;

pub(super) use self::day_history::{CollectedValue, DayHistory};
use self::judge::Judge;
pub use self::judge::JudgeReport;
use super::{CollectError, Context, selection::unknown_metric};
use crate::{
    judgement::{JUDGE_VERSION, JudgedSeries},
    metric::{MetricKey, Provenance},
    store::StoreError,
};

/// How long the judging of a run may take. The scheduler later judges the values that are left.
const AFTER_RUN_LIMIT: Duration = Duration::from_secs(60);

/// Which records are judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JudgeRequest {
    /// By default the first recorded day.
    pub from: Option<Date>,
    /// By default the last recorded day.
    pub to: Option<Date>,
    /// The categories of the metrics; empty for all that are recorded.
    pub only: Vec<String>,
}

/// Judges records again, whether they are judged or not.
///
/// # Errors
/// When the range is empty, a metric is unknown, or the store fails.
pub async fn judge_again(context: &Context, request: &JudgeRequest) -> Result<JudgeReport, CollectError> {
    let store = &context.tenant.store;
    let judge = Judge::new(store.definition_versions().await?);
    let known = |name: &String| judge.keys().any(|key| key.category == *name);
    if let Some(name) = request.only.iter().find(|name| !known(name)) {
        let categories = judge.keys().map(|key| key.category.as_str());
        return Err(unknown_metric(context, name, categories, "`daymark query` lists the recorded metrics"));
    }
    let Some((first, last)) = store.recorded_span().await? else { return Ok(JudgeReport::default()) };
    let (from, to) = (request.from.unwrap_or(first), request.to.unwrap_or(last));
    if from > to {
        return Err(CollectError::EmptyRange { from, to });
    }
    let is_wanted = |key: &&MetricKey| request.only.is_empty() || request.only.contains(&key.category);
    let keys: Vec<_> = judge.keys().filter(is_wanted).cloned().collect();
    judge.judge(context, &keys, from.max(first), to.min(last)).await
}

/// Judges at most `limit` of the records that this version of the judge has not judged. Returns how many records it found: fewer
/// than `limit` if there are no others.
///
/// # Errors
/// When the store fails.
pub async fn judge_unjudged(context: &Context, limit: i64) -> Result<(JudgeReport, usize), CollectError> {
    let store = &context.tenant.store;
    let unjudged = store.unjudged(JUDGE_VERSION, limit).await?;
    let mut report = JudgeReport::default();
    if unjudged.is_empty() {
        return Ok((report, 0));
    }
    let judge = Judge::new(store.definition_versions().await?);
    // Metrics that lack the same range of days are read together.
    let mut ranges: HashMap<&MetricKey, (Date, Date)> = HashMap::new();
    for (date, key) in &unjudged {
        let range = ranges.entry(key).or_insert((*date, *date));
        *range = (range.0.min(*date), range.1.max(*date));
    }
    let mut groups: HashMap<(Date, Date), Vec<MetricKey>> = HashMap::new();
    for (key, range) in ranges {
        groups.entry(range).or_default().push(key.clone());
    }
    for ((from, to), mut keys) in groups {
        keys.sort_unstable();
        report = report.and(judge.judge(context, &keys, from, to).await?);
    }
    Ok((report, unjudged.len()))
}

/// Judges the values that a collection recorded: observed ones by the history that was read meanwhile. A failure is logged.
pub(super) async fn after_collection(
    context: &Context,
    history: JoinHandle<Result<DayHistory, StoreError>>,
    date: Date,
    provenance: Provenance,
    recorded: Vec<CollectedValue>,
) {
    if provenance != Provenance::Observed {
        let keys = recorded.into_iter().map(|metric| metric.key).collect();
        return after_reconstruction(context, keys, date, date).await;
    }
    let judging = async {
        // An error means that the task was stopped with its process.
        let Ok(history) = history.await else { return Ok(JudgeReport::default()) };
        let history = history?;
        let known_until = history.known_until;
        let judged = history.judge(recorded);
        context.tenant.store.write_judgements(&judged, known_until).await?;
        let mut report = JudgeReport::default();
        report.add(&judged);
        Ok(report)
    };
    log_outcome(tokio::time::timeout(AFTER_RUN_LIMIT, judging).await);
}

/// Judges corrected values again, and the later ones whose history they are. A failure is logged.
pub async fn judge_corrected(context: &Context, keys: Vec<MetricKey>, from: Date, to: Date) {
    after_reconstruction(context, keys, from, to).await;
}

/// Judges the records that a run wrote of `keys` on days from `from` to `to`, and the recorded days after them, whose history they
/// are. A failure is logged.
pub(super) async fn after_reconstruction(context: &Context, mut keys: Vec<MetricKey>, from: Date, to: Date) {
    if keys.is_empty() {
        return;
    }
    keys.sort_unstable();
    keys.dedup();
    let to = JudgedSeries::influenced_by(to).min(context.last_finished());
    let judging = async {
        let judge = Judge::new(context.tenant.store.definition_versions().await?);
        judge.judge(context, &keys, from, to).await
    };
    log_outcome(tokio::time::timeout(AFTER_RUN_LIMIT, judging).await);
}

fn log_outcome(outcome: Result<Result<JudgeReport, CollectError>, tokio::time::error::Elapsed>) {
    match outcome {
        Ok(Ok(report)) => tracing::debug!(report.judged, report.anomalies, "judged recorded values"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "recorded values could not be judged; `daymark judge` or the scheduler does it later");
        }
        Err(_) => tracing::warn!(
            limit_s = AFTER_RUN_LIMIT.as_secs(),
            "recorded values were not all judged in time; `daymark judge` or the scheduler does it later"
        ),
    }
}
