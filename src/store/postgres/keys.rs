//! API keys.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{PostgresStore, text::storable};
use crate::{
    identity::{ApiKey, Scope, Scopes},
    store::{Keys, StoreError, from_row, row, statements::REVOKE_API_KEY},
};

const SELECT: &str = "
    SELECT id, name, role, scopes, hash, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at FROM api_keys
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id = $2)
    ORDER BY created_at, id";

/// A key whose id exists was inserted by an earlier attempt whose answer was lost.
const INSERT: &str = "
    INSERT INTO api_keys (tenant_id, id, name, role, scopes, hash, created_at, created_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT DO NOTHING";

const TOUCH: &str = "
    UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at)
    FROM unnest($2::uuid[], $3::timestamptz[]) AS used (id, at)
    WHERE tenant_id = $1 AND api_keys.id = used.id";

#[async_trait]
impl Keys for PostgresStore {
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
            let query = sqlx::query(REVOKE_API_KEY)
                .bind(&self.tenant)
                .bind(id)
                .bind(row::to_micros(at).to_sqlx())
                .bind(storable(by));
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        let (ids, times): (Vec<_>, Vec<_>) =
            uses.iter().map(|(id, at)| (*id, row::to_micros(*at).to_sqlx())).unzip();
        self.retry(|| async {
            let query = sqlx::query(TOUCH).bind(&self.tenant).bind(&ids).bind(&times);
            query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(())
        })
        .await
    }
}

impl PostgresStore {
    async fn select_api_keys(&self, id: Option<Uuid>) -> Result<Vec<ApiKey>, StoreError> {
        let query = sqlx::query(SELECT).bind(&self.tenant).bind(id);
        let rows = query.fetch_all(self.pool().await?).await.map_err(|error| self.failed(error))?;
        from_row::api_keys(&self.location, &rows, api_key)
    }

    async fn insert_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        sqlx::query(INSERT)
            .bind(&self.tenant)
            .bind(key.id)
            .bind(&key.name)
            .bind(key.role.name())
            .bind(key.scopes.names())
            .bind(key.hash.0.as_slice())
            .bind(row::to_micros(key.created_at).to_sqlx())
            .bind(storable(&key.created_by))
            .bind(key.expires_at.map(|at| row::to_micros(at).to_sqlx()))
            .execute(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(!self.select_api_keys(Some(key.id)).await?.is_empty())
    }
}

fn api_key(row: &PgRow) -> Result<ApiKey, sqlx::Error> {
    let scopes: Vec<String> = row.try_get("scopes")?;
    let scopes: Vec<_> = scopes.iter().filter_map(|name| Scope::from_name(name)).collect();
    from_row::api_key(row, Scopes::of(&scopes))
}
