//! Reading and writing definitions.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::{
    metric::{Definition, MetricKey},
    store::{
        DefinitionChange, DefinitionVersion, Definitions, DefinitionsChanged, Origin, StoreError,
        StoredDefinition,
        definition_writes::{Write, writes},
        outbox, row,
    },
};

const SELECT: &str = "
    SELECT spec, version, is_active, origin, metric_definitions.created_at
    FROM metric_definitions
    JOIN metric_definition_versions USING (tenant_id, metric_type, metric_category, version)
    WHERE tenant_id = ?1
    ORDER BY metric_category, metric_type";

const SELECT_VERSIONS: &str = "
    SELECT metric_type, metric_category, version, spec, created_at
    FROM metric_definition_versions
    WHERE tenant_id = ?1
    ORDER BY metric_category, metric_type, version";

/// Counts from the highest version that exists, so that it stays right where the current row is missing.
const INSERT_VERSION: &str = "
    INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec, created_at)
    SELECT ?1, ?2, ?3, coalesce(max(version), 0) + 1, ?4, ?5
    FROM metric_definition_versions
    WHERE tenant_id = ?1 AND metric_type = ?2 AND metric_category = ?3
    RETURNING version";

const UPSERT_CURRENT: &str = "
    INSERT INTO metric_definitions (tenant_id, metric_type, metric_category, version, display_name, description,
                                    unit, format_pattern, origin, created_at, updated_at, id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)
    ON CONFLICT (tenant_id, metric_type, metric_category) DO UPDATE
    SET version = excluded.version, display_name = excluded.display_name, description = excluded.description,
        unit = excluded.unit, format_pattern = excluded.format_pattern, is_active = TRUE,
        origin = excluded.origin, updated_at = excluded.updated_at";

const SET_ACTIVE: &str = "
    UPDATE metric_definitions SET is_active = ?4, origin = coalesce(?5, origin), updated_at = ?6
    WHERE tenant_id = ?1 AND metric_type = ?2 AND metric_category = ?3";

#[async_trait]
impl Definitions for SqliteStore {
    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError> {
        self.retry(|| async {
            let mut session = self.pool().await?.acquire().await.map_err(|error| self.failed(error))?;
            self.stored(&mut session).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_VERSIONS).bind(&self.tenant);
            let rows = query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
            let read = |columns| row::definition_version(columns, row::parsed);
            Ok(row::readable(&self.location, "metric_definition_versions", &rows, read))
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

impl SqliteStore {
    async fn write_changes(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError> {
        let failed = |error| self.failed(error);
        // One writer at a time from here on, so that what was read is what is changed.
        let mut transaction = self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
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

    async fn stored(&self, session: &mut SqliteConnection) -> Result<Vec<StoredDefinition>, sqlx::Error> {
        let rows = sqlx::query(SELECT).bind(&self.tenant).fetch_all(session).await?;
        Ok(row::readable(&self.location, "metric_definitions", &rows, stored_definition))
    }

    async fn insert_version(
        &self,
        session: &mut SqliteConnection,
        definition: &Definition,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let version: i32 = sqlx::query_scalar(INSERT_VERSION)
            .bind(&self.tenant)
            .bind(definition.metric_type.name())
            .bind(&definition.category)
            .bind(sqlx::types::Json(definition))
            .bind(text(now))
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
            .bind(text(now))
            .bind(Uuid::new_v4().to_string())
            .execute(session)
            .await
            .map(drop)
    }

    /// Active with this origin, or, without one, inactive with the origin that it had.
    async fn set_active(
        &self,
        session: &mut SqliteConnection,
        key: &MetricKey,
        origin: Option<Origin>,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(SET_ACTIVE)
            .bind(&self.tenant)
            .bind(key.metric_type.name())
            .bind(&key.category)
            .bind(origin.is_some())
            .bind(origin.map(Origin::name))
            .bind(text(now))
            .execute(session)
            .await
            .map(drop)
    }
}

fn stored_definition(columns: &SqliteRow) -> Result<StoredDefinition, sqlx::Error> {
    Ok(StoredDefinition {
        definition: row::definition(columns.try_get("spec")?)?,
        version: columns.try_get("version")?,
        is_active: columns.try_get("is_active")?,
        origin: row::word(columns, "origin", Origin::from_name)?,
        created_at: row::parsed(columns, "created_at")?,
    })
}
