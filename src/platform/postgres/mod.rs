//! A PostgreSQL platform. A cut is a REPEATABLE READ READ ONLY transaction on a connection of its own.

mod answers;
mod describe;
mod inspect;
mod named_by;
mod session;
mod staleness;
mod unix_times;

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};

use session::{PostgresSession, answered};

use super::{
    contract::{
        Cut, DatabasePlace, FirstRowStatement, Flag, FunctionTask, PlannedStatement, Platform,
        PlatformOptions, Sources,
    },
    detected_format::DetectedFormats,
    planner::{
        cut::SessionCut,
        dialect::Dialect,
        flag::{self, RowId},
        function,
        gather::plan_statements,
        session::Session,
        statistics,
    },
    schema::{DescribedQuery, Schema},
    statistics::{SampledTable, Statistics},
};
use crate::{
    database::{Deadline, Fault, FaultClass, with_unreadable_file},
    metric::{DayBounds, Reading, Source},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A text that only connections to the same database of the same server have in common. `store/postgres/functions/mod.rs` asks its
/// own connection the same.
const DATABASE_IDENTITY: &str = "
    SELECT format('%s since %s', oid, extract(epoch FROM pg_postmaster_start_time()))
    FROM pg_database WHERE datname = current_database()";

pub struct PostgresPlatform {
    connect: PgConnectOptions,
    shown: String,
    options: PlatformOptions,
}

impl PostgresPlatform {
    pub fn new(connect: PgConnectOptions, shown: String, options: PlatformOptions) -> Self {
        // The driver would log a slow statement, all of it, as a warning; how slow is too slow, the time limit says.
        let connect = connect.disable_statement_logging();
        Self { connect, shown, options }
    }

    async fn connect(&self) -> Result<PgConnection, Fault> {
        let slow = || {
            let message = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            Fault::new(FaultClass::Unreachable, message)
        };
        let connection =
            tokio::time::timeout(CONNECT_TIMEOUT, self.connect.connect()).await.map_err(|_| slow())?;
        connection.map_err(|error| with_unreadable_file(error.into(), &self.connect))
    }

    /// A snapshot.
    async fn session(&self, deadline: Deadline) -> Result<PostgresSession, Fault> {
        let mut connection = self.connect().await?;
        let of_server = answered(Duration::ZERO, staleness::of_server(&mut connection)).await?;
        PostgresSession::open(connection, &self.options, of_server, deadline).await
    }

    /// A connection in a transaction of its own.
    async fn transaction(&self) -> Result<PgConnection, Fault> {
        let mut connection = self.connect().await?;
        session::begin(&mut connection, &self.options).await?;
        Ok(connection)
    }
}

#[async_trait]
impl Platform for PostgresPlatform {
    fn location(&self) -> String {
        self.shown.clone()
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        let mut connection = self.transaction().await?;
        answered(self.options.statement_timeout, inspect::inspect(&mut connection)).await
    }

    async fn describe(&self, queries: &BTreeSet<String>) -> Result<Vec<DescribedQuery>, Fault> {
        self.session(Deadline::none()).await?.describe(queries).await
    }

    async fn detect_time_formats(&self, columns: &[(String, String)]) -> Result<DetectedFormats, Fault> {
        let mut formats = DetectedFormats::new();
        if columns.is_empty() {
            return Ok(formats);
        }
        let mut session = self.session(Deadline::none()).await?;
        for (table, column) in columns {
            let answers = session.answers(&unix_times::query(table, column)).await?;
            if let Some((_, counts)) = answers.first()
                && let Some(format) = unix_times::format_of(counts)
            {
                formats.insert((table.clone(), column.clone()), format);
            }
        }
        Ok(formats)
    }

    async fn statistics(&self, tables: &[SampledTable]) -> Result<Statistics, Fault> {
        statistics::read(&mut self.session(Deadline::none()).await?, tables).await
    }

    async fn privileges(&self) -> Result<Vec<String>, Fault> {
        let mut connection = self.transaction().await?;
        let query = sqlx::query_scalar(include_str!("privileges.sql")).persistent(false);
        answered(self.options.statement_timeout, query.fetch_all(&mut connection)).await
    }

    async fn role_that_sees_no_transactions(&self) -> Result<Option<String>, Fault> {
        let mut connection = self.transaction().await?;
        let select = "SELECT quote_ident(current_user) WHERE NOT pg_has_role('pg_read_all_stats', 'USAGE')";
        let query = sqlx::query_scalar(select).persistent(false);
        answered(self.options.statement_timeout, query.fetch_optional(&mut connection)).await
    }

    async fn now(&self) -> Result<Option<Timestamp>, Fault> {
        let mut connection = self.transaction().await?;
        let query = sqlx::query_scalar("SELECT clock_timestamp()").persistent(false);
        let reading = query.fetch_one(&mut connection);
        let now: jiff_sqlx::Timestamp = answered(self.options.statement_timeout, reading).await?;
        Ok(Some(now.to_jiff()))
    }

    async fn open_cut(&self, deadline: Deadline) -> Result<Box<dyn Cut>, Fault> {
        let session = self.session(deadline).await?;
        Ok(Box::new(SessionCut { session, options: self.options.clone(), deadline }))
    }

    async fn flag(&self, schema: &Schema, flag: Flag<'_>, id: &str) -> Result<bool, Fault> {
        let Some((sql, id)) = flag::statement(Dialect::Postgres, schema, flag, id)? else {
            return Ok(false);
        };
        let mut connection = self.transaction().await?;
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = match id {
            RowId::Uuid(id) => query.bind(id),
            RowId::Integer(id) => query.bind(id),
            RowId::Text(id) => query.bind(id),
        };
        let row = answered(self.options.statement_timeout, query.fetch_optional(&mut connection)).await?;
        Ok(row.is_some())
    }

    fn plan(
        &self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        plan_statements(Dialect::Postgres, &self.options.calendar, schema, sources, readings, days)
    }

    async fn database_place(&self) -> Result<DatabasePlace, Fault> {
        let mut connection = self.transaction().await?;
        let identity = sqlx::query_scalar(DATABASE_IDENTITY).persistent(false);
        let identity = identity.fetch_one(&mut connection).await?;
        let path = sqlx::query_scalar("SELECT current_schemas(FALSE)::text[]").persistent(false);
        Ok(DatabasePlace { identity, search_path: path.fetch_one(&mut connection).await? })
    }

    fn plan_function(
        &self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        helpers: &str,
    ) -> Result<Vec<FunctionTask>, Fault> {
        function::plan_function(schema, sources, readings, helpers)
    }

    fn plan_first_row(&self, name: &str, source: &Source) -> Result<FirstRowStatement, Fault> {
        function::first_row(name, source)
    }
}
