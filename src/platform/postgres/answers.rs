//! The planner's session trait for a PostgreSQL platform.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::session::PostgresSession;
use crate::{
    database::Fault,
    platform::{
        contract::OldStates,
        planner::{
            dialect::Dialect,
            session::{NO_SPAN, Session, SpanRow},
        },
    },
};

#[async_trait]
impl Session for PostgresSession {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn answers(&mut self, sql: &str) -> Result<Vec<SpanRow>, Fault> {
        let decode = |row: &PgRow| {
            let id: i64 = row.try_get(0)?;
            Ok((usize::try_from(id).unwrap_or(NO_SPAN), row.try_get(1)?))
        };
        self.guarded(sql.to_owned(), decode).await
    }

    async fn explain(&mut self, sql: &str) -> Result<String, Fault> {
        let lines: Vec<String> = self.guarded(format!("EXPLAIN {sql}"), |row| row.try_get(0)).await?;
        Ok(lines.join("\n") + "\n")
    }

    async fn relations(&mut self, sql: &str) -> Result<Vec<String>, Fault> {
        self.named_by(sql).await
    }

    async fn staleness(&mut self, relations: Vec<String>) -> Result<OldStates, Fault> {
        let objects = if relations.is_empty() { Vec::new() } else { self.copies(relations).await? };
        Ok(OldStates { platform: self.of_server.clone(), objects })
    }
}
