//! API keys.

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    identity::{ApiKey, KeyHash, Scopes},
    store::{
        Keys, StoreError,
        row::{self, Columns, undecodable},
        sql_store::{SqlStore, read_rows, retry, write},
        statement::{Argument, Statement},
    },
};

const SELECT: &str = "
    SELECT id, name, role, scopes, hash, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
    FROM api_keys
    WHERE tenant_id = $1";

const SELECT_ACTIVE: &str = "
    SELECT tenant_id, name FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
    ORDER BY tenant_id, name";

const SELECT_ANY: &str = "SELECT id FROM api_keys WHERE tenant_id = $1 LIMIT 1";

const REVOKE: &str = "
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3), revoked_by = coalesce(revoked_by, $4)
    WHERE tenant_id = $1 AND id = $2";

/// The rows of VALUES, whose columns both databases name `column1` and `column2`, are between the two parts.
const TOUCH: [&str; 2] = [
    "UPDATE api_keys SET last_used_at = used.column2 FROM (VALUES ",
    ") AS used
    WHERE tenant_id = $1 AND api_keys.id = used.column1
      AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < used.column2)",
];

/// The number of keys that one statement touches. SQLite takes at most 32,766 arguments.
const BATCH: usize = 1000;

#[async_trait]
impl<S: SqlStore> Keys for S {
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        select(self, None).await
    }

    async fn active_keys_of_all_tenants(&self, now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
        let select = Statement::without_tenant(SELECT_ACTIVE).bind(now);
        read_rows(self, "api_keys", &select, |row| Ok((row.get("tenant_id")?, row.get("name")?))).await
    }

    async fn has_api_keys(&self) -> Result<bool, StoreError> {
        let found = read_rows(self, "api_keys", &self.statement(SELECT_ANY), |_| Ok(())).await?;
        Ok(!found.is_empty())
    }

    async fn api_key(&self, id: Uuid) -> Result<Option<ApiKey>, StoreError> {
        Ok(select(self, Some(id)).await?.pop())
    }

    async fn add_api_key(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let add = self
            .statement(S::OWN.add_api_key)
            .bind(key.id)
            .bind(&key.name)
            .bind(key.role.name())
            .bind(Argument::Names(key.scopes.names()))
            .bind(Argument::Bytes(&key.hash.0))
            .bind(key.created_at)
            .bind(&key.created_by)
            .bind(key.expires_at);
        write(self, &add).await?;
        Ok(self.api_key(key.id).await?.is_some())
    }

    async fn revoke_api_key(&self, id: Uuid, at: Timestamp, by: &str) -> Result<bool, StoreError> {
        Ok(write(self, &self.statement(REVOKE).bind(id).bind(at).bind(by)).await? == 1)
    }

    async fn touch_api_keys(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        for batch in uses.chunks(BATCH) {
            let mut touch = self.statement(TOUCH[0]);
            for (index, (id, at)) in batch.iter().enumerate() {
                touch.push(if index == 0 { "(" } else { ", (" }).push_bind(*id);
                touch.push(", ").push_bind(*at).push(")");
            }
            touch.push(TOUCH[1]);
            write(self, &touch).await?;
        }
        Ok(())
    }
}

/// The API keys that can be read. Where none of several can, that is an error: a store without keys may be served without
/// authentication.
async fn select<S: SqlStore>(store: &S, id: Option<Uuid>) -> Result<Vec<ApiKey>, StoreError> {
    let mut select = store.statement(SELECT);
    if let Some(id) = id {
        select.push(" AND id = ").push_bind(id);
    }
    select.push(" ORDER BY created_at, id");
    let rows = retry(store, || store.fetch(&select)).await?;
    let keys = row::readable(store.shown(), "api_keys", &rows, api_key);
    match rows.first() {
        Some(row) if keys.is_empty() => {
            api_key(row).map(|key| vec![key]).map_err(|error| store.failed(error))
        }
        _ => Ok(keys),
    }
}

fn api_key(row: &impl Columns) -> Result<ApiKey, sqlx::Error> {
    let hash: Vec<u8> = row.get("hash")?;
    let scopes = row.names("scopes")?;
    let scopes: Vec<_> = scopes.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(ApiKey {
        id: row.uuid("id")?,
        name: row.get("name")?,
        role: row.variant("role")?,
        scopes: Scopes::of(&scopes),
        hash: KeyHash(hash.as_slice().try_into().map_err(|error| undecodable("hash", error))?),
        created_at: row.instant("created_at")?,
        created_by: row.get("created_by")?,
        expires_at: row.optional_instant("expires_at")?,
        revoked_at: row.optional_instant("revoked_at")?,
        revoked_by: row.optional_text("revoked_by")?.map(str::to_owned),
        last_used_at: row.optional_instant("last_used_at")?,
    })
}
