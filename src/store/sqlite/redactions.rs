//! Replacing a label. The triggers that refuse UPDATE are dropped and made again in the transaction of the redaction, so that no other
//! connection sees the tables without them, and a process that is killed leaves them as they were.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row, SqliteConnection, types::Json};

use super::SqliteStore;
use crate::{
    database::FaultClass,
    store::{
        StoreError,
        entities::{ValueTable, values_naming},
        sql_store::{RedactedValues, SqlRedactions},
    },
};

/// The triggers of the tables that have a label or a text that may name one.
const SELECT_TRIGGERS: &str = "
    SELECT name, sql FROM sqlite_schema
    WHERE type = 'trigger' AND name IN (
        'daily_metrics_refuse_update', 'metric_revisions_refuse_update', 'metric_collection_log_refuse_update', 'jobs_refuse_update',
        'schedule_pauses_refuse_update', 'alert_silences_refuse_update'
    )
    ORDER BY name";

const UPDATE_RECORD: &str = "
    UPDATE daily_metrics SET metadata = ?5
    WHERE tenant_id = ?1 AND metric_category = ?2 AND metric_type = ?3 AND metric_date = ?4 AND ?6 = 0";
const UPDATE_REVISION: &str = "
    UPDATE metric_revisions SET metadata = ?5
    WHERE tenant_id = ?1 AND metric_category = ?2 AND metric_type = ?3 AND metric_date = ?4 AND revision = ?6";
const UPDATE_REASON: &str = "UPDATE metric_revisions SET reason = ?3 WHERE tenant_id = ?1 AND batch_id = ?2";

#[async_trait]
impl SqlRedactions for SqliteStore {
    /// The condition matches all metadata with labels; the caller examines each row.
    const NAMES_LABEL: &'static str = "(instr(@metadata@, '\"breakdown\"') > 0 OR instr(@metadata@, '\"top_items\"') > 0) AND $2 IS NOT NULL";

    async fn begin_redacting(&self, session: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
        let mut made = Vec::new();
        for row in sqlx::query(SELECT_TRIGGERS).fetch_all(&mut *session).await? {
            let name: String = row.try_get("name")?;
            sqlx::query(AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(&mut *session).await?;
            made.push(row.try_get("sql")?);
        }
        Ok(made)
    }

    async fn redact_values(
        &self,
        session: &mut SqliteConnection,
        redaction: &RedactedValues<'_>,
    ) -> Result<(), sqlx::Error> {
        for key in redaction.metrics {
            for (table, sql) in
                [(ValueTable::Records, UPDATE_RECORD), (ValueTable::Revisions, UPDATE_REVISION)]
            {
                for value in values_naming(self, session, redaction.sought, key, table).await? {
                    sqlx::query(sql)
                        .bind(&self.tenant)
                        .bind(&key.category)
                        .bind(key.metric_type.name())
                        .bind(value.date.to_string())
                        .bind(Json(value.metadata))
                        .bind(value.revision)
                        .execute(&mut *session)
                        .await?;
                }
            }
        }
        for (batch, reason) in redaction.reasons {
            let update = sqlx::query(UPDATE_REASON).bind(&self.tenant).bind(batch).bind(reason);
            update.execute(&mut *session).await?;
        }
        Ok(())
    }

    async fn end_redacting(
        &self,
        session: &mut SqliteConnection,
        begun: Vec<String>,
    ) -> Result<(), sqlx::Error> {
        for sql in begun {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *session).await?;
        }
        Ok(())
    }

    /// Free space in the pages of the file, and earlier versions of pages in the write-ahead log, may still have the label.
    async fn rewrite(&self) -> Result<Option<String>, StoreError> {
        let failed = |error| self.failed(error);
        let mut connection = self.pool().await?.acquire().await.map_err(failed)?;
        sqlx::query("VACUUM").execute(&mut *connection).await.map_err(failed)?;
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
        let is_busy: i64 = row.and_then(|row| row.try_get(0)).map_err(failed)?;
        self.require_same_file()?;
        match is_busy {
            0 => Ok(None),
            _ => Err(self.fault(
                FaultClass::Locked,
                "another process reads it, so that its write-ahead log still has the label: run the command again".to_owned(),
            )),
        }
    }
}
