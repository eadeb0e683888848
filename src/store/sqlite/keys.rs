//! API keys.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{SqliteStore, text::text};
use crate::{
    identity::{ApiKey, Scope, Scopes},
    store::{Keys, StoreError, from_row, row::Columns, statements::REVOKE_API_KEY},
};

const SELECT: &str = "
    SELECT id, name, role, scopes, hash, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at FROM api_keys
    WHERE tenant_id = ?1 AND (?2 IS NULL OR id = ?2)
    ORDER BY created_at, id";

/// A key whose id exists was inserted by an earlier attempt whose answer was lost.
const INSERT: &str = "
    INSERT INTO api_keys (tenant_id, id, name, role, scopes, hash, created_at, created_by, expires_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
    WHERE NOT EXISTS (
        SELECT 1 FROM api_keys WHERE tenant_id = ?1 AND (id = ?2 OR (name = ?3 AND revoked_at IS NULL))
    )";

const TOUCH: &str = "
    UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, used.at), used.at)
    FROM (SELECT value ->> 0 AS id, value ->> 1 AS at FROM json_each(?2)) AS used
    WHERE tenant_id = ?1 AND api_keys.id = used.id";

#[async_trait]
impl Keys for SqliteStore {
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.retry(|| self.select_api_keys(None)).await
    }

    async fn api_key(&self, id: Uuid) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.retry(|| self.select_api_keys(Some(id))).await?.pop())
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        self.retry(|| self.insert_api_key(key)).await
    }

    async fn revoke_api_key(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query =
                sqlx::query(REVOKE_API_KEY).bind(&self.tenant).bind(id.to_string()).bind(text(at)).bind(by);
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        let uses: Vec<_> = uses.iter().map(|(id, at)| (id.to_string(), text(*at))).collect();
        self.retry(|| async {
            let query = sqlx::query(TOUCH).bind(&self.tenant).bind(sqlx::types::Json(&uses));
            query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(())
        })
        .await
    }
}

impl SqliteStore {
    async fn select_api_keys(&self, id: Option<Uuid>) -> Result<Vec<ApiKey>, StoreError> {
        let query = sqlx::query(SELECT).bind(&self.tenant).bind(id.map(|id| id.to_string()));
        let rows = query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
        from_row::api_keys(&self.location, &rows, api_key)
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        sqlx::query(INSERT)
            .bind(&self.tenant)
            .bind(key.id.to_string())
            .bind(&key.name)
            .bind(key.role.name())
            .bind(key.scopes.names().join(" "))
            .bind(key.hash.0.as_slice())
            .bind(text(key.created_at))
            .bind(&key.created_by)
            .bind(key.expires_at.map(text))
            .execute(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(!self.select_api_keys(Some(key.id)).await?.is_empty())
    }
}

fn api_key(row: &SqliteRow) -> Result<ApiKey, sqlx::Error> {
    let scopes: Vec<_> = row.text("scopes")?.split(' ').filter_map(Scope::from_name).collect();
    from_row::api_key(row, Scopes::of(&scopes))
}
