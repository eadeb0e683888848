//! Which relations a statement names, from the locks that PostgreSQL takes when it analyses the statement.

use std::fmt::Write;

use sqlx::{Row, postgres::PgRow};

use super::session::PostgresSession;
use crate::database::{Fault, FaultClass};

/// The name under which the lock of the view `pg_locks` itself is listed.
const LOCKS: &str = r#""pg_catalog"."pg_locks""#;

impl PostgresSession {
    /// The relations that `sql` names, as names in SQL, without those that it only reads through a view. `sql` becomes a part of
    /// another statement that does not refer to it: it is analysed, for which every relation that it and its views name is locked,
    /// and neither planned nor run. So a branch that the planner would leave out, and one that it would send to a foreign
    /// server as a whole, are found too, and it costs as little for a query that reads much.
    pub(super) async fn named_by(&mut self, sql: &str) -> Result<Vec<String>, Fault> {
        let mut statement = format!("WITH daymark_analysed AS (\n{sql}\n)");
        let _ = write!(statement, ", {}", include_str!("named_by.sql"));
        let mut names = self.guarded(statement, |row: &PgRow| row.try_get::<String, _>(0)).await?;
        let all = names.len();
        names.retain(|name| name != LOCKS);
        if names.len() == all {
            let message = "the server does not list the locks of its sessions (pg_locks), which tell what a query reads";
            return Err(Fault::new(FaultClass::Other, message));
        }
        Ok(names)
    }
}
