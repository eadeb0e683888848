//! The day of a collection: its history is read while the platform is, and its values are judged by it.

use std::collections::HashMap;

use jiff::{Timestamp, civil::Date};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use super::judge::{Judge, asked};
use crate::{
    collect::{Context, FIRST_DAY},
    judgement::JudgedSeries,
    metric::{Decimal, MetricKey, Provenance},
    store::{JudgedDay, RecordedDay, SeriesDays, SeriesQuestion, StoreError, StoredDefinition, ValuesAsked},
};

/// A value that a collection recorded.
pub(in crate::collect) struct CollectedValue {
    pub key: MetricKey,
    pub value: Decimal,
    pub metadata: Map<String, Value>,
}

/// The records of a collection's metrics before its day, which are read while the platform is.
pub(in crate::collect) struct DayHistory {
    judge: Judge,
    date: Date,
    /// Each metric with the version of its definition.
    metrics: Vec<(MetricKey, i32)>,
    series: Vec<SeriesDays>,
    /// The time of the newest revision before they were read.
    pub known_until: Option<Timestamp>,
}

impl DayHistory {
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
            let known_until = store.newest_revision().await?;
            let from = JudgedSeries::history_of(date).max(FIRST_DAY);
            let to = date.yesterday().unwrap_or(date);
            let question = SeriesQuestion {
                from,
                to,
                metrics: metrics.iter().map(|(key, _)| asked(key)).collect(),
                values: ValuesAsked::default(),
            };
            let series = store.series_days(&question).await?;
            Ok(Self { judge, date, metrics, series, known_until })
        })
    }

    /// The judgements of `recorded`, the observed values of the day.
    pub fn judge(self, recorded: Vec<CollectedValue>) -> Vec<JudgedDay> {
        let Self { judge, date, metrics, series, .. } = self;
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
