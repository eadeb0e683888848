//! Where things stand.

use std::sync::LazyLock;

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::AssertSqlSafe;

use super::{PostgresStore, records::date};
use crate::store::{Standing, StoreError, series::confirm_orphans};

static SELECT: LazyLock<String> = LazyLock::new(|| {
    include_str!("select_standing.sql").replace("/* packed_run.sql */", include_str!("packed_run.sql"))
});

impl PostgresStore {
    pub(super) async fn standing(&self, day: Date, never: &[Date]) -> Result<Standing, StoreError> {
        let mut session = self.reading.begin(self.pool().await?).await.map_err(|error| self.failed(error))?;
        let rows = sqlx::query(AssertSqlSafe(SELECT.as_str()))
            .bind(&self.tenant)
            .bind(day.to_sqlx())
            .bind(never.iter().map(|date| date.to_sqlx()).collect::<Vec<_>>())
            .fetch_all(&mut *session)
            .await
            .map_err(|error| self.failed(error))?;
        self.reading.end(session);
        let mut standing = Standing::default();
        for columns in &rows {
            standing.add(columns, date).map_err(|error| self.failed(error))?;
        }
        confirm_orphans(self, standing.last_run.as_mut_slice()).await?;
        Ok(standing)
    }
}
