//! Judgements of records, and recounts of them.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

use crate::{
    judgement::{Baseline, Judgement},
    metric::MetricKey,
    store::{
        Anomaly, DriftSample, DriftSamples, JudgedDay, JudgementRow, Judgements, StoreError, ValuesAsked,
        from_row::key_and_date,
        in_force::{revisions_in_force, values_in_force},
        instant_text::text,
        row::{Columns, undecodable},
        sql_store::{SqlStore, read_rows, write},
        statement::Argument,
    },
};

/// Follows a WITH clause that defines `revisions_in_force`. A value that was withdrawn has no judgement.
const SELECT_UNJUDGED: &str = "
    SELECT metric_date, metric_type, metric_category FROM daily_metrics AS recorded
    WHERE tenant_id = $1 AND NOT EXISTS (
        SELECT 1 FROM daily_metric_judgements AS judged
        WHERE judged.tenant_id = recorded.tenant_id AND judged.metric_category = recorded.metric_category
          AND judged.metric_type = recorded.metric_type AND judged.metric_date = recorded.metric_date
          AND judged.judge_version >= $2
    ) AND NOT EXISTS (
        SELECT 1 FROM revisions_in_force AS revised
        WHERE revised.tenant_id = recorded.tenant_id AND revised.metric_category = recorded.metric_category
          AND revised.metric_type = recorded.metric_type AND revised.metric_date = recorded.metric_date
          AND revised.kind = 'withdrawal'
    )
    ORDER BY metric_category, metric_type, metric_date
    LIMIT $3";

/// Follows a WITH clause that defines `values_in_force`.
const SELECT_ANOMALIES: &str = "
    SELECT judged.metric_date, judged.metric_type, judged.metric_category, CAST(recorded.value AS TEXT) AS value,
        judge_version, verdict, reason, CAST(expected_low AS TEXT) AS expected_low, CAST(expected_high AS TEXT) AS expected_high,
        CAST(score AS TEXT) AS score, baseline_days, baseline_from, baseline_to
    FROM daily_metric_judgements AS judged
    JOIN values_in_force AS recorded
        ON recorded.tenant_id = judged.tenant_id AND recorded.metric_category = judged.metric_category
       AND recorded.metric_type = judged.metric_type AND recorded.metric_date = judged.metric_date
    WHERE judged.tenant_id = $1 AND judged.verdict = 'anomaly' AND judged.metric_date >= $2 AND judged.metric_date <= $3
    ORDER BY judged.metric_date DESC, judged.metric_category, judged.metric_type
    LIMIT $4";

/// Before every revision.
const BEFORE_ALL_REVISIONS: Timestamp = Timestamp::UNIX_EPOCH;

/// The end of an INSERT of judgements. It replaces those of a later version too, which a role could have made up: a judge of that
/// version finds the days again by [`SELECT_UNJUDGED`].
const OVER_EARLIER_JUDGEMENTS: &str = "
    ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO UPDATE
    SET judge_version = excluded.judge_version, verdict = excluded.verdict, reason = excluded.reason,
        expected_low = excluded.expected_low, expected_high = excluded.expected_high, score = excluded.score,
        baseline_days = excluded.baseline_days, baseline_from = excluded.baseline_from, baseline_to = excluded.baseline_to";

/// The end of an INSERT of recounts.
const OVER_EARLIER_RECOUNTS: &str = "
    ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO UPDATE
    SET recorded = excluded.recorded, recounted = excluded.recounted, recounted_at = excluded.recounted_at";

const SELECT_DRIFT_SAMPLES: &str = "
    SELECT metric_date, metric_type, metric_category, CAST(recorded AS TEXT) AS recorded,
        CAST(recounted AS TEXT) AS recounted, recounted_at
    FROM drift_samples WHERE tenant_id = $1 AND recounted_at >= $2
    ORDER BY recounted_at DESC, metric_date DESC, metric_category, metric_type
    LIMIT $3";

#[async_trait]
impl<S: SqlStore> Judgements for S {
    async fn write_judgements(
        &self,
        judged: &[JudgedDay],
        known_until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if judged.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = judged.iter().map(JudgementRow::from).collect();
        let rows =
            serde_json::to_value(&rows).map_err(|error| self.failed(sqlx::Error::Encode(error.into())))?;
        let insert = format!("{}{OVER_EARLIER_JUDGEMENTS}", S::OWN.add_judgements);
        let insert = self.statement(insert).bind(Argument::Json(Some(rows)));
        write(self, &insert.bind(known_until.unwrap_or(BEFORE_ALL_REVISIONS))).await.map(drop)
    }

    async fn unjudged(&self, judge_version: i32, limit: i64) -> Result<Vec<(Date, MetricKey)>, StoreError> {
        let select = format!("WITH {}{SELECT_UNJUDGED}", revisions_in_force(None));
        let select = self.statement(select).bind(i64::from(judge_version)).bind(limit);
        read_rows(self, "daily_metrics", &select, key_and_date).await
    }

    async fn anomalies(&self, from: Date, to: Date, limit: i64) -> Result<Vec<Anomaly>, StoreError> {
        let select = values_in_force(ValuesAsked::default(), None) + SELECT_ANOMALIES;
        let select = self.statement(select).bind(from).bind(to).bind(limit);
        read_rows(self, "daily_metric_judgements", &select, anomaly).await
    }
}

#[async_trait]
impl<S: SqlStore> DriftSamples for S {
    async fn write_drift_samples(&self, samples: &[DriftSample]) -> Result<(), StoreError> {
        // Decimals are texts, so that no digit passes through a float.
        let row = |sample: &DriftSample| {
            json!({
                "metric_date": sample.date,
                "metric_type": sample.key.metric_type,
                "metric_category": sample.key.category,
                "recorded": sample.in_force.to_string(),
                "recounted": sample.recounted.to_string(),
                "recounted_at": text(sample.recounted_at),
            })
        };
        let rows: Value = samples.iter().map(row).collect();
        let insert = format!("{}{OVER_EARLIER_RECOUNTS}", S::OWN.add_drift_samples);
        write(self, &self.statement(insert).bind(Argument::Json(Some(rows)))).await.map(drop)
    }

    async fn drift_samples(&self, since: Timestamp, limit: i64) -> Result<Vec<DriftSample>, StoreError> {
        let select = self.statement(SELECT_DRIFT_SAMPLES).bind(since).bind(limit);
        read_rows(self, "drift_samples", &select, drift_sample).await
    }
}

fn anomaly(row: &impl Columns) -> Result<Anomaly, sqlx::Error> {
    let (date, key) = key_and_date(row)?;
    Ok(Anomaly { day: JudgedDay { date, key, judgement: judgement(row)? }, value: row.parsed("value")? })
}

fn judgement(row: &impl Columns) -> Result<Judgement, sqlx::Error> {
    let reason = match row.optional_text("reason")? {
        None => None,
        Some(_) => Some(row.variant("reason")?),
    };
    let (from, to) = (row.optional_date("baseline_from")?, row.optional_date("baseline_to")?);
    let baseline = match from.zip(to) {
        None => None,
        Some((from, to)) => Some(Baseline { days: integer(row, "baseline_days")?, from, to }),
    };
    Ok(Judgement {
        judge_version: row.get("judge_version")?,
        verdict: row.variant("verdict")?,
        reason,
        expected: row.optional_parsed("expected_low")?.zip(row.optional_parsed("expected_high")?),
        score: row.optional_parsed("score")?,
        baseline,
    })
}

/// A column of type INTEGER on PostgreSQL too.
fn integer(row: &impl Columns, column: &'static str) -> Result<usize, sqlx::Error> {
    let number: i32 = row.get(column)?;
    usize::try_from(number).map_err(|error| undecodable(column, error))
}

fn drift_sample(row: &impl Columns) -> Result<DriftSample, sqlx::Error> {
    let (date, key) = key_and_date(row)?;
    Ok(DriftSample {
        date,
        key,
        in_force: row.parsed("recorded")?,
        recounted: row.parsed("recounted")?,
        recounted_at: row.instant("recounted_at")?,
    })
}
