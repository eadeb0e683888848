//! Replacing a label: the function `redact_label`, which only the owner of the tables may call, and which the triggers let through.

use async_trait::async_trait;
use sqlx::{PgConnection, types::Json};

use super::PostgresStore;
use crate::store::{
    StoreError,
    sql_store::{RedactedValues, SqlRedactions, SqlStore},
    statement::Statement,
};

/// The statistics of the planner hold samples of the columns.
const ANALYZE: &str = "
    ANALYZE daily_metrics, metric_revisions, metric_collection_log, jobs, annotations, alert_states, alert_silences, notifications,
        delivery_attempts, schedule_pauses";

#[async_trait]
impl SqlRedactions for PostgresStore {
    const NAMES_LABEL: &'static str = "@metadata@ ?| ARRAY['breakdown', 'sums', 'sample_sizes', 'top_items'] AND names_label(@metadata@, $2)";

    /// The triggers recognise a redaction by the entry of the log that the same transaction made.
    async fn begin_redacting(&self, _: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        Ok(Vec::new())
    }

    async fn redact_values(
        &self,
        session: &mut PgConnection,
        redaction: &RedactedValues<'_>,
    ) -> Result<(), sqlx::Error> {
        let reasons: serde_json::Map<_, _> =
            redaction.reasons.iter().map(|(batch, reason)| (batch.clone(), reason.as_str().into())).collect();
        sqlx::query("SELECT redact_label($1, $2, $3)")
            .bind(&self.tenant)
            .bind(redaction.redaction)
            .bind(Json(reasons))
            .execute(session)
            .await
            .map(drop)
    }

    async fn end_redacting(&self, _: &mut PgConnection, _: Vec<String>) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn rewrite(&self) -> Result<Option<String>, StoreError> {
        self.execute(&Statement::without_tenant(ANALYZE)).await?;
        Ok(Some(format!(
            "The files of the server still have the earlier versions of the changed rows. As the owner, when readers can wait: \
             VACUUM FULL {schema}.daily_metrics, {schema}.metric_revisions; and the same of the other tables that are named above.",
            schema = super::connection::quoted(&self.schema)
        )))
    }
}
