//! Judges recorded values by the history of their metric, and keeps the judgements beside the records. It happens after the
//! commit of the records: a judgement that cannot be made delays no record and fails no run, and the scheduler makes it
//! later.

use std::{collections::HashMap, time::Duration};

use jiff::civil::Date;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use super::{CollectError, Context, FIRST_DAY, earlier_meanings::same_meaning};
use crate::{
    judgement::{JUDGE_VERSION, JudgedSeries, Profile, RecordedValue, Verdict, standard_error},
    metric::{Decimal, Definition, MetricKey, MetricType, Provenance, has_value},
    store::{
        AskedMetric, DefinitionVersion, JudgedDay, RecordedDay, SeriesDays, SeriesQuestion, StoreError,
        StoredDefinition, ValuesAsked,
    },
};

/// How many values, days multiplied by metrics, are read by one statement. They are held in memory, with some hundred bytes each.
const MAX_VALUES: usize = 20_000;
/// How many judgements are written by one statement.
const MAX_WRITTEN: usize = 5_000;
/// How long the judging of a run may take. What is not done by then is found by the scheduler.
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

/// How many records were judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgeReport {
    pub judged: usize,
    pub anomalies: usize,
}

impl JudgeReport {
    fn add(&mut self, judged: &[JudgedDay]) {
        self.judged += judged.len();
        self.anomalies += judged.iter().filter(|day| day.judgement.verdict == Verdict::Anomaly).count();
    }

    fn and(self, other: Self) -> Self {
        Self { judged: self.judged + other.judged, anomalies: self.anomalies + other.anomalies }
    }
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
        let suggestion = crate::config::suggestion(name, judge.keys().map(|key| key.category.as_str()))
            .unwrap_or_else(|| "`daymark query` lists the recorded metrics".to_owned());
        return Err(CollectError::UnknownMetric { name: name.clone(), suggestion });
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

/// A value that a collection recorded.
pub(super) struct CollectedValue {
    pub key: MetricKey,
    pub value: Decimal,
    pub metadata: Map<String, Value>,
}

/// The records of a collection's metrics before its day, which are read while the platform is.
pub(super) struct JudgedHistory {
    judge: Judge,
    date: Date,
    /// Each metric with the version of its definition.
    metrics: Vec<(MetricKey, i32)>,
    series: Vec<SeriesDays>,
}

impl JudgedHistory {
    /// Reads the history that `date` is judged by, in a task of its own, which delays nothing.
    pub fn reading(
        context: &Context,
        metrics: &[StoredDefinition],
        date: Date,
    ) -> JoinHandle<Result<Self, StoreError>> {
        let version = |metric: &StoredDefinition| (metric.definition.key(), metric.version);
        let (context, metrics): (_, Vec<_>) = (context.clone(), metrics.iter().map(version).collect());
        tokio::spawn(async move {
            let store = &context.tenant.store;
            let judge = Judge::new(store.definition_versions().await?);
            let from = JudgedSeries::history_of(date).max(FIRST_DAY);
            let to = date.yesterday().unwrap_or(date);
            let question = SeriesQuestion {
                from,
                to,
                metrics: metrics.iter().map(|(key, _)| asked(key)).collect(),
                values: ValuesAsked::default(),
            };
            let series = store.series_days(&question).await?;
            Ok(Self { judge, date, metrics, series })
        })
    }

    /// The judgements of `recorded`, the observed values of the day.
    fn judge(self, recorded: Vec<CollectedValue>) -> Vec<JudgedDay> {
        let Self { judge, date, metrics, series } = self;
        let with_version =
            metrics.into_iter().zip(series).map(|((key, version), days)| (key, (version, days)));
        let mut history: HashMap<MetricKey, (i32, SeriesDays)> = with_version.collect();
        let of_metric = |metric: CollectedValue| {
            let (definition_version, SeriesDays { recorded: mut days, .. }) = history.remove(&metric.key)?;
            days.push(RecordedDay {
                date,
                value: metric.value,
                provenance: Provenance::Observed,
                definition_version,
                metadata: Some(Box::new(metric.metadata)),
                judgement: None,
                correction: None,
            });
            judge.judge_series(&metric.key, &days, date).pop()
        };
        recorded.into_iter().filter_map(of_metric).collect()
    }
}

/// Judges the values that a collection recorded: observed ones by the history that was read meanwhile. A failure is logged.
pub(super) async fn after_collection(
    context: &Context,
    history: JoinHandle<Result<JudgedHistory, StoreError>>,
    date: Date,
    provenance: Provenance,
    recorded: Vec<CollectedValue>,
) {
    if provenance != Provenance::Observed {
        let keys = recorded.into_iter().map(|metric| metric.key).collect();
        return after_reconstruction(context, keys, date, date).await;
    }
    let judging = async {
        let judged = match history.await {
            Ok(history) => history?.judge(recorded),
            // The task was stopped with its process.
            Err(_) => return Ok(JudgeReport::default()),
        };
        context.tenant.store.write_judgements(&judged).await?;
        let mut report = JudgeReport::default();
        report.add(&judged);
        Ok(report)
    };
    log_outcome(tokio::time::timeout(AFTER_RUN_LIMIT, judging).await);
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

/// How the records of each version of each definition are judged.
struct Judge {
    versions: HashMap<MetricKey, HashMap<i32, JudgedVersion>>,
}

struct JudgedVersion {
    profile: Profile,
    /// The first version that computes the same values.
    meaning: i32,
}

impl Judge {
    fn new(versions: Vec<DefinitionVersion>) -> Self {
        let mut of_metric: HashMap<MetricKey, Vec<(i32, Definition)>> = HashMap::new();
        for DefinitionVersion { key, version, definition, .. } in versions {
            of_metric.entry(key).or_default().push((version, definition));
        }
        let judged = |(key, versions): (MetricKey, Vec<(i32, Definition)>)| {
            let meaning = |definition: &Definition| {
                versions
                    .iter()
                    .find(|(_, other)| same_meaning(other, definition))
                    .map_or(0, |(first, _)| *first)
            };
            let one = |(version, definition): &(i32, Definition)| {
                let profile = Profile::of(definition);
                (*version, JudgedVersion { profile, meaning: meaning(definition) })
            };
            (key, versions.iter().map(one).collect())
        };
        Self { versions: of_metric.into_iter().map(judged).collect() }
    }

    fn keys(&self) -> impl Iterator<Item = &MetricKey> {
        self.versions.keys()
    }

    /// Judges the records of `keys` from `from` to `to`, and writes the judgements.
    async fn judge(
        &self,
        context: &Context,
        keys: &[MetricKey],
        from: Date,
        to: Date,
    ) -> Result<JudgeReport, CollectError> {
        let store = &context.tenant.store;
        let begin = JudgedSeries::history_of(from).max(FIRST_DAY);
        let days = usize::try_from((to - begin).get_days() + 1).unwrap_or(1);
        let mut report = JudgeReport::default();
        for chunk in keys.chunks((MAX_VALUES / days).max(1)) {
            let metrics = chunk.iter().map(asked).collect();
            let series = store
                .series_days(&SeriesQuestion { from: begin, to, metrics, values: ValuesAsked::default() })
                .await?;
            let mut judged = Vec::new();
            for (key, days) in chunk.iter().zip(series) {
                judged.extend(self.judge_series(key, &days.recorded, from));
                if judged.len() >= MAX_WRITTEN {
                    store.write_judgements(&judged).await?;
                    report.add(&judged);
                    judged.clear();
                }
                tokio::task::yield_now().await;
            }
            store.write_judgements(&judged).await?;
            report.add(&judged);
        }
        Ok(report)
    }

    /// The judgements of the days from `from` on. A record of an unknown version has none.
    fn judge_series(&self, key: &MetricKey, days: &[RecordedDay], from: Date) -> Vec<JudgedDay> {
        let Some(versions) = self.versions.get(key) else { return Vec::new() };
        let value = |day: &RecordedDay| {
            let metadata = day.metadata.as_deref();
            let is_value = metadata.is_none_or(|metadata| has_value(key.metric_type, metadata));
            RecordedValue {
                date: day.date,
                value: is_value.then(|| day.value.clone()),
                provenance: day.provenance,
                meaning: versions.get(&day.definition_version).map_or(0, |version| version.meaning),
                standard_error: metadata.map_or(0.0, |metadata| standard_error(key.metric_type, metadata)),
            }
        };
        let values: Vec<_> = days.iter().map(value).collect();
        // A metric that was redefined may have been a stock before.
        let series = [false, true].map(|is_stock| {
            let is_needed = versions.values().any(|version| version.profile.is_stock == is_stock);
            is_needed.then(|| JudgedSeries::new(is_stock, &values))
        });
        let judge = |(index, day): (usize, &RecordedDay)| {
            let profile = &versions.get(&day.definition_version)?.profile;
            let judgement = series.get(usize::from(profile.is_stock))?.as_ref()?.judge(profile, index)?;
            Some(JudgedDay { date: day.date, key: key.clone(), judgement })
        };
        let first = days.partition_point(|day| day.date < from);
        days.iter().enumerate().skip(first).filter_map(judge).collect()
    }
}

/// The metadata of averages and percentages have the size of the sample.
fn asked(key: &MetricKey) -> AskedMetric {
    let metadata = matches!(key.metric_type, MetricType::Average | MetricType::Percentage);
    AskedMetric { key: key.clone(), metadata, judgement: false }
}
