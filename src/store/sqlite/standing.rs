//! Where things stand.

use std::sync::LazyLock;

use jiff::civil::Date;
use sqlx::{AssertSqlSafe, types::Json};

use super::SqliteStore;
use crate::store::{Standing, StoreError, row};

static SELECT: LazyLock<String> = LazyLock::new(|| {
    include_str!("select_standing.sql").replace("/* packed_run.sql */", include_str!("packed_run.sql"))
});

impl SqliteStore {
    pub(super) async fn standing(&self, day: Date, never: &[Date]) -> Result<Standing, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(SELECT.as_str()))
            .bind(&self.tenant)
            .bind(day.to_string())
            .bind(Json(never))
            .fetch_all(self.pool().await?)
            .await
            .map_err(|error| self.failed(error))?;
        let mut standing = Standing::default();
        for columns in &rows {
            standing.add(columns, row::parsed).map_err(|error| self.failed(error))?;
        }
        self.look_at_locks(standing.last_run.as_mut_slice()).await?;
        Ok(standing)
    }
}
