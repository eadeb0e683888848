//! Reading and writing definitions.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    metric::{Definition, MetricKey},
    store::{
        DefinitionChange, DefinitionVersion, Definitions, DefinitionsChanged, Origin, StoreError,
        StoredDefinition,
        definition_writes::{Write, writes},
        from_row::metric_key,
        outbox,
        row::{self, Columns, undecodable},
        sql_store::{SqlEvents, SqlSession, SqlStore, read_rows, retry},
        statement::{Argument, Statement},
    },
};

const TABLE: &str = "metric_definitions";

const SELECT: &str = "
    SELECT spec, version, is_active, origin, metric_definitions.created_at
    FROM metric_definitions
    JOIN metric_definition_versions USING (tenant_id, metric_type, metric_category, version)
    WHERE tenant_id = $1
    ORDER BY metric_category, metric_type";

/// Of every tenant.
const SELECT_TENANTS: &str = "SELECT DISTINCT tenant_id FROM metric_definitions ORDER BY tenant_id LIMIT $1";

const SELECT_VERSIONS: &str = "
    SELECT metric_type, metric_category, version, spec, created_at
    FROM metric_definition_versions
    WHERE tenant_id = $1
    ORDER BY metric_category, metric_type, version";

/// Counts from the highest version that exists, so that it stays right where the current row is missing.
const INSERT_VERSION: &str = "
    INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec, created_at)
    SELECT $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5
    FROM metric_definition_versions
    WHERE tenant_id = $1 AND metric_type = $2 AND metric_category = $3
    RETURNING version";

/// Points the current row at the version that was just inserted.
const UPSERT_CURRENT: &str = "
    INSERT INTO metric_definitions (tenant_id, metric_type, metric_category, version, display_name, description,
                                    unit, format_pattern, origin, created_at, updated_at, id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)
    ON CONFLICT (tenant_id, metric_type, metric_category) DO UPDATE
    SET version = excluded.version, display_name = excluded.display_name, description = excluded.description,
        unit = excluded.unit, format_pattern = excluded.format_pattern, is_active = TRUE,
        origin = excluded.origin, updated_at = excluded.updated_at";

const SET_ACTIVE: &str = "
    UPDATE metric_definitions SET is_active = $4, origin = coalesce($5, origin), updated_at = $6
    WHERE tenant_id = $1 AND metric_type = $2 AND metric_category = $3";

#[async_trait]
impl<S: SqlEvents> Definitions for S {
    async fn definitions(&self) -> Result<Vec<StoredDefinition>, StoreError> {
        read_rows(self, TABLE, &self.statement(SELECT), stored_definition).await
    }

    async fn tenants_with_metrics(&self, limit: i64) -> Result<Vec<String>, StoreError> {
        let select = Statement::without_tenant(SELECT_TENANTS).bind(limit);
        read_rows(self, TABLE, &select, |row| row.get("tenant_id")).await
    }

    async fn definition_versions(&self) -> Result<Vec<DefinitionVersion>, StoreError> {
        let select = self.statement(SELECT_VERSIONS);
        read_rows(self, "metric_definition_versions", &select, definition_version).await
    }

    async fn change_definitions(
        &self,
        changes: &[DefinitionChange],
        by: Origin,
        now: Timestamp,
    ) -> Result<DefinitionsChanged, StoreError> {
        retry(self, || write_changes(self, changes, by, now)).await
    }
}

async fn write_changes<S: SqlEvents>(
    store: &S,
    changes: &[DefinitionChange],
    by: Origin,
    now: Timestamp,
) -> Result<DefinitionsChanged, StoreError> {
    let failed = |error| store.failed(error);
    let mut transaction = store.begin().await?;
    // One writer at a time, so that no other writer changes the rows between read and write; readers do not wait.
    if let Some(lock) = S::OWN.lock_definitions {
        transaction.execute(&Statement::without_tenant(lock)).await.map_err(failed)?;
    }
    let before = stored(store, &mut transaction).await.map_err(failed)?;
    let writes = writes(&before, changes, by).map_err(|refused| refused.at(store.shown()))?;
    let event = outbox::of_definitions(&writes, by);
    for write in writes {
        match write {
            Write::Version(definition, origin) => {
                insert_version(store, &mut transaction, &definition, origin, now).await
            }
            Write::Active(key, origin) => set_active(store, &mut transaction, &key, origin, now).await,
        }
        .map_err(failed)?;
    }
    let after = stored(store, &mut transaction).await.map_err(failed)?;
    store.insert_events(&mut transaction, event.as_slice()).await.map_err(failed)?;
    store.end(transaction).await?;
    Ok(DefinitionsChanged { before, after })
}

async fn stored<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
) -> Result<Vec<StoredDefinition>, sqlx::Error> {
    let rows = session.fetch(&store.statement(SELECT)).await?;
    Ok(row::readable(store.shown(), TABLE, &rows, stored_definition))
}

async fn insert_version<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    definition: &Definition,
    origin: Origin,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let spec = serde_json::to_value(definition).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let insert = store
        .statement(INSERT_VERSION)
        .bind(definition.metric_type.name())
        .bind(&definition.category)
        .bind(Argument::Json(Some(spec)))
        .bind(now);
    let inserted = session.fetch(&insert).await?;
    let version: i32 = inserted.first().ok_or(sqlx::Error::RowNotFound)?.get("version")?;
    let upsert = store
        .statement(UPSERT_CURRENT)
        .bind(definition.metric_type.name())
        .bind(&definition.category)
        .bind(i64::from(version))
        .bind(&definition.display_name)
        .bind(&definition.description)
        .bind(&definition.unit)
        .bind(&definition.format_pattern)
        .bind(origin.name())
        .bind(now)
        .bind(Uuid::new_v4());
    session.execute(&upsert).await.map(drop)
}

/// Active with this origin, or, without one, inactive with the origin that it had.
async fn set_active<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    key: &MetricKey,
    origin: Option<Origin>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let update = store
        .statement(SET_ACTIVE)
        .bind(key.metric_type.name())
        .bind(&key.category)
        .bind(origin.is_some())
        .bind(origin.map(Origin::name))
        .bind(now);
    session.execute(&update).await.map(drop)
}

fn stored_definition(row: &impl Columns) -> Result<StoredDefinition, sqlx::Error> {
    Ok(StoredDefinition {
        definition: definition(row)?,
        version: row.get("version")?,
        is_active: row.get("is_active")?,
        origin: row.variant("origin")?,
        created_at: row.instant("created_at")?,
    })
}

fn definition_version(row: &impl Columns) -> Result<DefinitionVersion, sqlx::Error> {
    Ok(DefinitionVersion {
        key: metric_key(row)?,
        version: row.get("version")?,
        definition: definition(row)?,
        created_at: row.instant("created_at")?,
    })
}

fn definition(row: &impl Columns) -> Result<Definition, sqlx::Error> {
    serde_json::from_value(row.get("spec")?).map_err(|error| undecodable("spec", error))
}
