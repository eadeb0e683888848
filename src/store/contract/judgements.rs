//! Judgements of records, beside them: derived, so that they may be deleted and made again at any time.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use crate::{
    judgement::Judgement,
    metric::{Decimal, MetricKey},
    store::StoreError,
};

/// The judgement of the record of a metric on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedDay {
    pub date: Date,
    pub key: MetricKey,
    pub judgement: Judgement,
}

/// A recorded value that is an anomaly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    pub day: JudgedDay,
    pub value: Decimal,
}

#[async_trait]
pub trait Judgements: Send + Sync {
    /// Writes judgements over earlier ones of the same records, whichever version of the judge made these. `known_until` is
    /// [`super::Revisions::newest_revision`] from before the values were read: a day whose value or history was corrected since is left
    /// out, and stays unjudged.
    async fn write_judgements(
        &self,
        judged: &[JudgedDay],
        known_until: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// The first `limit` records that `judge_version` or a later version has not judged, by category, type and date. Its time
    /// grows with the number of records.
    async fn unjudged(&self, judge_version: i32, limit: i64) -> Result<Vec<(Date, MetricKey)>, StoreError>;

    /// The anomalies among the records of `from..=to`, newest day first, then by category; `limit` at most. Reads an index
    /// of the anomalies.
    async fn anomalies(&self, from: Date, to: Date, limit: i64) -> Result<Vec<Anomaly>, StoreError>;
}

/// A judgement as both databases insert it: from JSON. Decimals are texts, so that no digit passes through a float.
#[derive(Serialize)]
pub(in crate::store) struct JudgementRow<'a> {
    metric_date: Date,
    metric_type: &'static str,
    metric_category: &'a str,
    judge_version: i32,
    verdict: &'static str,
    reason: Option<&'static str>,
    expected_low: Option<String>,
    expected_high: Option<String>,
    score: Option<String>,
    baseline_days: usize,
    baseline_from: Option<Date>,
    baseline_to: Option<Date>,
}

impl<'a> From<&'a JudgedDay> for JudgementRow<'a> {
    fn from(JudgedDay { date, key, judgement }: &'a JudgedDay) -> Self {
        let Judgement { judge_version, verdict, reason, expected, score, baseline } = judgement;
        Self {
            metric_date: *date,
            metric_type: key.metric_type.name(),
            metric_category: &key.category,
            judge_version: *judge_version,
            verdict: verdict.name(),
            reason: reason.map(crate::judgement::Reason::name),
            expected_low: expected.as_ref().map(|(low, _)| low.to_string()),
            expected_high: expected.as_ref().map(|(_, high)| high.to_string()),
            score: score.as_ref().map(Decimal::to_string),
            baseline_days: baseline.map_or(0, |baseline| baseline.days),
            baseline_from: baseline.map(|baseline| baseline.from),
            baseline_to: baseline.map(|baseline| baseline.to),
        }
    }
}
