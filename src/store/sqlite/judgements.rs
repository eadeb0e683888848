//! Judgements of records, and recounts of them.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::json;
use sqlx::{AssertSqlSafe, types::Json};

use super::{SqliteStore, text::text};
use crate::{
    metric::MetricKey,
    store::{
        Anomaly, DriftSample, DriftSamples, JudgedDay, JudgementRow, Judgements, StoreError,
        from_row::{anomaly, drift_sample, key_and_date},
        statements::{
            OVER_EARLIER_JUDGEMENTS, OVER_EARLIER_RECOUNTS, SELECT_ANOMALIES, SELECT_DRIFT_SAMPLES,
            SELECT_UNJUDGED,
        },
    },
};

/// WHERE TRUE separates the SELECT from ON CONFLICT, which SQLite would read as the condition of a join.
const INSERT_JUDGEMENTS: &str = "
    INSERT INTO daily_metric_judgements (tenant_id, metric_date, metric_type, metric_category, judge_version, verdict, reason,
        expected_low, expected_high, score, baseline_days, baseline_from, baseline_to)
    SELECT ?1, value ->> 'metric_date', value ->> 'metric_type', value ->> 'metric_category', value ->> 'judge_version',
        value ->> 'verdict', value ->> 'reason', value ->> 'expected_low', value ->> 'expected_high', value ->> 'score',
        value ->> 'baseline_days', value ->> 'baseline_from', value ->> 'baseline_to'
    FROM json_each(?2) WHERE TRUE";

const INSERT_RECOUNTS: &str = "
    INSERT INTO drift_samples (tenant_id, metric_date, metric_type, metric_category, recorded, recounted, recounted_at)
    SELECT ?1, value ->> 'metric_date', value ->> 'metric_type', value ->> 'metric_category', value ->> 'recorded',
        value ->> 'recounted', value ->> 'recounted_at'
    FROM json_each(?2) WHERE TRUE";

#[async_trait]
impl Judgements for SqliteStore {
    async fn write_judgements(&self, judged: &[JudgedDay]) -> Result<(), StoreError> {
        if judged.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = judged.iter().map(JudgementRow::from).collect();
        self.retry(|| async {
            let query = sqlx::query(AssertSqlSafe(format!("{INSERT_JUDGEMENTS}{OVER_EARLIER_JUDGEMENTS}")))
                .bind(&self.tenant)
                .bind(Json(&rows));
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn unjudged(&self, judge_version: i32, limit: i64) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_UNJUDGED).bind(&self.tenant).bind(judge_version).bind(limit);
            self.rows("daily_metrics", query, key_and_date).await
        })
        .await
    }

    async fn anomalies(&self, from: Date, to: Date, limit: i64) -> Result<Vec<Anomaly>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_ANOMALIES)
                .bind(&self.tenant)
                .bind(from.to_string())
                .bind(to.to_string())
                .bind(limit);
            self.rows("daily_metric_judgements", query, anomaly).await
        })
        .await
    }
}

#[async_trait]
impl DriftSamples for SqliteStore {
    async fn write_drift_samples(&self, samples: &[DriftSample]) -> Result<(), StoreError> {
        let row = |sample: &DriftSample| {
            json!({
                "metric_date": sample.date,
                "metric_type": sample.key.metric_type,
                "metric_category": sample.key.category,
                "recorded": sample.recorded.to_string(),
                "recounted": sample.recounted.to_string(),
                "recounted_at": text(sample.recounted_at),
            })
        };
        let rows: Vec<_> = samples.iter().map(row).collect();
        self.retry(|| async {
            let query = sqlx::query(AssertSqlSafe(format!("{INSERT_RECOUNTS}{OVER_EARLIER_RECOUNTS}")))
                .bind(&self.tenant)
                .bind(Json(&rows));
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn drift_samples(&self, since: Timestamp, limit: i64) -> Result<Vec<DriftSample>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_DRIFT_SAMPLES).bind(&self.tenant).bind(text(since)).bind(limit);
            self.rows("drift_samples", query, drift_sample).await
        })
        .await
    }
}
