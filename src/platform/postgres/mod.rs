//! A PostgreSQL platform. A cut is a REPEATABLE READ READ ONLY transaction on a connection of its own.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row, postgres::PgConnectOptions, raw_sql};

use super::{
    contract::{Cut, DetectedFormats, Flag, PlannedStatement, Platform, PlatformOptions, Sources},
    planner::{
        cut::SessionCut,
        dialect::Dialect,
        flag::{self, RowId},
        session::{Answer, MAX_ANSWERS, NO_SPAN, Session},
        task::plan_statements,
    },
    schema::{Column, ColumnType, Schema, Table},
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::{DayBounds, Reading},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub struct PostgresPlatform {
    connect: PgConnectOptions,
    shown: String,
    options: PlatformOptions,
}

impl PostgresPlatform {
    pub fn new(connect: PgConnectOptions, shown: String, options: PlatformOptions) -> Self {
        // The driver would log a slow statement, all of it, as a warning; how slow is too slow, the time limit says.
        let connect = connect.application_name("daymark").disable_statement_logging();
        Self { connect, shown, options }
    }

    async fn connect(&self) -> Result<PgConnection, Fault> {
        let slow = || {
            let message = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
            Fault::new(FaultClass::Unreachable, message)
        };
        let connection =
            tokio::time::timeout(CONNECT_TIMEOUT, self.connect.connect()).await.map_err(|_| slow())?;
        Ok(connection?)
    }

    /// Begins the transaction. What is set here is what SQL from the planner counts on, whatever the role's defaults
    /// are; `jit` costs more than it gives on statements this short.
    async fn begin(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
             SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {};
             SET LOCAL idle_in_transaction_session_timeout = 0;
             SET LOCAL standard_conforming_strings = on; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO';
             SET LOCAL jit = off; SET LOCAL client_min_messages = warning",
            self.options.statement_timeout.as_millis(),
            self.options.lock_timeout.as_millis(),
        );
        raw_sql(AssertSqlSafe(begin)).execute(connection).await?;
        Ok(())
    }
}

#[async_trait]
impl Platform for PostgresPlatform {
    fn location(&self) -> String {
        self.shown.clone()
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        let rows =
            sqlx::query(include_str!("inspect.sql")).persistent(false).fetch_all(&mut connection).await?;
        let mut schema = Schema::default();
        for row in rows {
            let (schema_name, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let known =
                schema.tables.last().is_some_and(|last| last.schema == schema_name && last.name == name);
            if !known {
                let (visible, readable, row_security) = (row.try_get(2)?, row.try_get(3)?, row.try_get(10)?);
                schema.tables.push(Table {
                    schema: schema_name,
                    name,
                    visible,
                    readable,
                    row_security,
                    columns: Vec::new(),
                });
            }
            if let Some(table) = schema.tables.last_mut() {
                table.columns.push(column(&row)?);
            }
        }
        Ok(schema)
    }

    async fn detect_time_formats(&self, _columns: &[(String, String)]) -> Result<DetectedFormats, Fault> {
        // The types of PostgreSQL say it all.
        Ok(DetectedFormats::new())
    }

    async fn open_cut(&self, deadline: Deadline) -> Result<Box<dyn Cut>, Fault> {
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        // The snapshot is taken by the first query, not by BEGIN.
        raw_sql("SELECT 1").execute(&mut connection).await?;
        let session = PostgresSession { connection };
        Ok(Box::new(SessionCut { session, options: self.options.clone(), deadline }))
    }

    async fn flag(&self, schema: &Schema, flag: Flag<'_>, id: &str) -> Result<bool, Fault> {
        let Some((sql, id)) = flag::statement(Dialect::Postgres, schema, flag, id)? else {
            return Ok(false);
        };
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = match id {
            RowId::Uuid(id) => query.bind(id),
            RowId::Integer(id) => query.bind(id),
            RowId::Text(id) => query.bind(id),
        };
        Ok(query.fetch_optional(&mut connection).await?.is_some())
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
}

fn column(row: &sqlx::postgres::PgRow) -> Result<Column, Fault> {
    let base_type: String = row.try_get(6)?;
    let column_type = match base_type.as_str() {
        "timestamptz" => ColumnType::Timestamptz,
        "timestamp" => ColumnType::Timestamp,
        "date" => ColumnType::Date,
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "numeric" | "float4" | "float8" => ColumnType::Number,
        "bool" => ColumnType::Boolean,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnType::Text,
        "uuid" => ColumnType::Uuid,
        _ => ColumnType::Other,
    };
    let estimate: Option<f64> = row.try_get(9)?;
    Ok(Column {
        name: row.try_get(4)?,
        column_type,
        type_name: row.try_get(5)?,
        nullable: row.try_get(7)?,
        indexed: row.try_get(8)?,
        distinct_estimate: estimate
            .filter(|estimate| *estimate >= 1.0)
            .map(|estimate| estimate.round() as u64),
    })
}

struct PostgresSession {
    connection: PgConnection,
}

impl PostgresSession {
    /// Runs a statement in a savepoint and goes back to it: neither a failure nor a setting that a query of the user's own
    /// has changed (`set_config`) is left to the statements that follow.
    async fn guarded<T>(
        &mut self,
        sql: String,
        decode: fn(&sqlx::postgres::PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, Fault> {
        raw_sql("SAVEPOINT daymark").execute(&mut self.connection).await?;
        let mut answers = Vec::new();
        let outcome: Result<(), sqlx::Error> = async {
            // Unnamed statements: nothing is cached that a connection pooler would trip over.
            let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.connection);
            while let Some(row) = rows.try_next().await? {
                answers.push(decode(&row)?);
                if answers.len() > MAX_ANSWERS {
                    break;
                }
            }
            Ok(())
        }
        .await;
        let end = "ROLLBACK TO SAVEPOINT daymark; RELEASE SAVEPOINT daymark";
        let ended = raw_sql(end).execute(&mut self.connection).await;
        match (outcome, ended) {
            (Ok(()), Ok(_)) => Ok(answers),
            (Err(error), Ok(_)) => Err(elsewhere(error.into())),
            (_, Err(error)) => Err(Fault { class: FaultClass::Unreachable, ..Fault::from(error) }),
        }
    }
}

/// What a session survives says that another server could not be reached. Not so a connection to it that was lost: what
/// was read of it was in a snapshot that is lost, too.
fn elsewhere(fault: Fault) -> Fault {
    match fault.sqlstate.as_deref() {
        Some("08001") => Fault { class: FaultClass::Elsewhere, ..fault },
        _ => fault,
    }
}

#[async_trait]
impl Session for PostgresSession {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn answers(&mut self, sql: &str) -> Result<Vec<Answer>, Fault> {
        let decode = |row: &sqlx::postgres::PgRow| {
            let id: i64 = row.try_get(0)?;
            Ok((usize::try_from(id).unwrap_or(NO_SPAN), row.try_get(1)?))
        };
        self.guarded(sql.to_owned(), decode).await
    }

    async fn explain(&mut self, sql: &str) -> Result<String, Fault> {
        let lines: Vec<String> = self.guarded(format!("EXPLAIN {sql}"), |row| row.try_get(0)).await?;
        Ok(lines.join("\n") + "\n")
    }
}
