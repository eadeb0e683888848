//! Reading and writing definitions.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::PostgresStore;
use crate::{
    metric::{Definition, MetricKey},
    store::{
        DefinitionChange, DefinitionVersion, Definitions, DefinitionsChanged, Origin, StoreError,
        StoredDefinition,
        definition_writes::{Write, writes},
        from_row::{definition_version, stored_definition},
        outbox, row,
        statements::{
            INSERT_DEFINITION_VERSION, SELECT_DEFINITION_VERSIONS, SELECT_DEFINITIONS, SET_DEFINITION_ACTIVE,
        },
    },
};

const UPSERT_CURRENT: &str = "
    INSERT INTO metric_definitions (tenant_id, metric_type, metric_category, version, display_name, description,
                                    unit, format_pattern, origin, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
    ON CONFLICT (tenant_id, metric_type, metric_category) DO UPDATE
    SET version = excluded.version, display_name = excluded.display_name, description = excluded.description,
        unit = excluded.unit, format_pattern = excluded.format_pattern, is_active = TRUE,
        origin = excluded.origin, updated_at = excluded.updated_at";

#[async_trait]
impl Definitions for PostgresStore {
    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError> {
        self.retry(|| async {
            let mut session = self.pool().await?.acquire().await.map_err(|error| self.failed(error))?;
            self.stored(&mut session).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_DEFINITION_VERSIONS).bind(&self.tenant);
            self.rows("metric_definition_versions", query, definition_version).await
        })
        .await
    }

    async fn change_definitions(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError> {
        self.retry(|| self.write_changes(changes, by, row::to_micros(now))).await
    }
}

impl PostgresStore {
    async fn write_changes(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError> {
        let failed = |error| self.failed(error);
        let mut transaction = self.pool().await?.begin().await.map_err(failed)?;
        // One writer at a time, so that no other writer changes the rows between read and write; readers do not wait.
        sqlx::query("LOCK TABLE metric_definitions IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let before = self.stored(&mut transaction).await.map_err(failed)?;
        let writes = writes(&before, changes, by).map_err(|refused| refused.at(&self.location))?;
        let event = outbox::of_definitions(&writes, by);
        for write in writes {
            match write {
                Write::Version(definition, origin) => {
                    self.insert_version(&mut transaction, &definition, origin, now).await
                }
                Write::Active(key, origin) => self.set_active(&mut transaction, &key, origin, now).await,
            }
            .map_err(failed)?;
        }
        let after = self.stored(&mut transaction).await.map_err(failed)?;
        self.write_events(&mut transaction, event.as_slice()).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(DefinitionsChanged { before, after })
    }

    async fn stored(&self, session: &mut PgConnection) -> Result<Vec<StoredDefinition>, sqlx::Error> {
        let rows = sqlx::query(SELECT_DEFINITIONS).bind(&self.tenant).fetch_all(session).await?;
        Ok(row::readable(&self.location, "metric_definitions", &rows, stored_definition))
    }

    async fn insert_version(
        &self,
        session: &mut PgConnection,
        definition: &Definition,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let version: i32 = sqlx::query_scalar(INSERT_DEFINITION_VERSION)
            .bind(&self.tenant)
            .bind(definition.metric_type.name())
            .bind(&definition.category)
            .bind(sqlx::types::Json(definition))
            .bind(now.to_sqlx())
            .fetch_one(&mut *session)
            .await?;
        sqlx::query(UPSERT_CURRENT)
            .bind(&self.tenant)
            .bind(definition.metric_type.name())
            .bind(&definition.category)
            .bind(version)
            .bind(&definition.display_name)
            .bind(&definition.description)
            .bind(&definition.unit)
            .bind(&definition.format_pattern)
            .bind(origin.name())
            .bind(now.to_sqlx())
            .execute(session)
            .await
            .map(drop)
    }

    /// Active with this origin, or, without one, inactive with the origin that it had.
    async fn set_active(
        &self,
        session: &mut PgConnection,
        key: &MetricKey,
        origin: Option<Origin>,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(SET_DEFINITION_ACTIVE)
            .bind(&self.tenant)
            .bind(key.metric_type.name())
            .bind(&key.category)
            .bind(origin.is_some())
            .bind(origin.map(Origin::name))
            .bind(now.to_sqlx())
            .execute(session)
            .await
            .map(drop)
    }
}
