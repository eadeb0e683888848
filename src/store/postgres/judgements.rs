//! Judgements of records, and recounts of them.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, types::Json};

use super::PostgresStore;
use crate::{
    metric::MetricKey,
    store::{
        Anomaly, DriftSample, DriftSamples, JudgedDay, JudgementRow, Judgements, StoreError,
        from_row::{anomaly, drift_sample, key_and_date},
        row,
        statements::{
            OVER_EARLIER_JUDGEMENTS, OVER_EARLIER_RECOUNTS, SELECT_ANOMALIES, SELECT_DRIFT_SAMPLES,
            SELECT_UNJUDGED,
        },
    },
};

const INSERT_JUDGEMENTS: &str = "
    INSERT INTO daily_metric_judgements (tenant_id, metric_date, metric_type, metric_category, judge_version, verdict, reason,
        expected_low, expected_high, score, baseline_days, baseline_from, baseline_to)
    SELECT $1, * FROM jsonb_to_recordset($2) AS given (metric_date DATE, metric_type TEXT, metric_category TEXT,
        judge_version INTEGER, verdict TEXT, reason TEXT, expected_low NUMERIC, expected_high NUMERIC, score NUMERIC,
        baseline_days INTEGER, baseline_from DATE, baseline_to DATE)";

const INSERT_RECOUNTS: &str = "
    INSERT INTO drift_samples (tenant_id, metric_date, metric_type, metric_category, recorded, recounted, recounted_at)
    SELECT $1, * FROM UNNEST($2::DATE[], $3::TEXT[], $4::TEXT[], $5::NUMERIC[], $6::NUMERIC[], $7::TIMESTAMPTZ[])";

#[async_trait]
impl Judgements for PostgresStore {
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
                .bind(from.to_sqlx())
                .bind(to.to_sqlx())
                .bind(limit);
            self.rows("daily_metric_judgements", query, anomaly).await
        })
        .await
    }
}

#[async_trait]
impl DriftSamples for PostgresStore {
    async fn write_drift_samples(&self, samples: &[DriftSample]) -> Result<(), StoreError> {
        let each = || samples.iter();
        self.retry(|| async {
            let query = sqlx::query(AssertSqlSafe(format!("{INSERT_RECOUNTS}{OVER_EARLIER_RECOUNTS}")))
                .bind(&self.tenant)
                .bind(each().map(|sample| sample.date.to_sqlx()).collect::<Vec<_>>())
                .bind(each().map(|sample| sample.key.metric_type.name()).collect::<Vec<_>>())
                .bind(each().map(|sample| sample.key.category.as_str()).collect::<Vec<_>>())
                .bind(each().map(|sample| sample.recorded.inner().clone()).collect::<Vec<_>>())
                .bind(each().map(|sample| sample.recounted.inner().clone()).collect::<Vec<_>>())
                .bind(each().map(|sample| row::to_micros(sample.recounted_at).to_sqlx()).collect::<Vec<_>>());
            query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }

    async fn drift_samples(&self, since: Timestamp, limit: i64) -> Result<Vec<DriftSample>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_DRIFT_SAMPLES)
                .bind(&self.tenant)
                .bind(row::to_micros(since).to_sqlx())
                .bind(limit);
            self.rows("drift_samples", query, drift_sample).await
        })
        .await
    }
}
