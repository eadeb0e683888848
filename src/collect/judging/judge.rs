//! Judges the records of metrics by the definitions that they were recorded with, and writes the judgements.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::{
    collect::{CollectError, Context, FIRST_DAY, earlier_meanings::same_meaning},
    judgement::{JudgedSeries, Profile, RecordedValue, Verdict, standard_error},
    metric::{Definition, MetricKey, MetricType, has_value},
    store::{AskedMetric, DefinitionVersion, JudgedDay, RecordedDay, SeriesQuestion, ValuesAsked},
};

/// How many values, days multiplied by metrics, are read by one statement. They are held in memory, with some hundred bytes each.
const MAX_VALUES: usize = 5_000;
/// How many judgements are written by one statement.
const MAX_WRITTEN: usize = 2_000;

/// How many records were judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgeReport {
    pub judged: usize,
    pub anomalies: usize,
}

impl JudgeReport {
    pub(super) fn add(&mut self, judged: &[JudgedDay]) {
        self.judged += judged.len();
        self.anomalies += judged.iter().filter(|day| day.judgement.verdict == Verdict::Anomaly).count();
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { judged: self.judged + other.judged, anomalies: self.anomalies + other.anomalies }
    }
}

/// How the records of each version of each definition are judged.
pub(super) struct Judge {
    versions: HashMap<MetricKey, HashMap<i32, JudgedVersion>>,
}

struct JudgedVersion {
    profile: Profile,
    /// The first version that computes the same values.
    meaning: i32,
}

impl Judge {
    pub fn new(versions: Vec<DefinitionVersion>) -> Self {
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

    pub fn keys(&self) -> impl Iterator<Item = &MetricKey> {
        self.versions.keys()
    }

    /// Judges the records of `keys` from `from` to `to`, and writes the judgements.
    pub async fn judge(
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
            let known_until = store.newest_revision().await?;
            let metrics = chunk.iter().map(asked).collect();
            let series = store
                .series_days(&SeriesQuestion { from: begin, to, metrics, values: ValuesAsked::default() })
                .await?;
            let mut judged = Vec::new();
            for (key, days) in chunk.iter().zip(series) {
                judged.extend(self.judge_series(key, &days.recorded, from));
                if judged.len() >= MAX_WRITTEN {
                    store.write_judgements(&judged, known_until).await?;
                    report.add(&judged);
                    judged.clear();
                }
                tokio::task::yield_now().await;
            }
            store.write_judgements(&judged, known_until).await?;
            report.add(&judged);
        }
        Ok(report)
    }

    /// The judgements of the days from `from` on. A record of an unknown version has none.
    pub fn judge_series(&self, key: &MetricKey, days: &[RecordedDay], from: Date) -> Vec<JudgedDay> {
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

/// A question for a metric's records. The metadata of averages and percentages have the size of the sample.
pub(super) fn asked(key: &MetricKey) -> AskedMetric {
    let metadata = matches!(key.metric_type, MetricType::Average | MetricType::Percentage);
    AskedMetric { key: key.clone(), metadata, judgement: false }
}
