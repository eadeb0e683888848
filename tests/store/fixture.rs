//! An empty store on either database, sample rows, and SQL that bypasses the store, as an administrator would run it.

use std::{sync::Arc, time::Duration};

use daymark::{
    database::{DatabaseUrl, RetryPolicy},
    metric::{
        BackfillMode, Breakdown, Condition, DashboardPlace, Decimal, Definition, ExpectedRange, Filter,
        Literal, Measure, MetricKey, MetricType, Phase, Provenance, Record, Rows, Source, Test, TimeFormat,
    },
    store::{DefinitionChange, Finish, NewRun, Origin, RunKind, RunStatus, Store, StoreOptions, open},
};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde_json::json;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection,
    sqlite::{SqliteConnectOptions, SqliteConnection},
};
use uuid::Uuid;

use crate::support::fresh_database;

/// Runs each test on both stores.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod on_postgres { $(#[tokio::test]
            async fn $name() { super::$name($crate::fixture::Fixture::postgres().await).await })* }
        mod on_sqlite { $(#[tokio::test]
            async fn $name() { super::$name($crate::fixture::Fixture::sqlite()).await })* }
    };
}

pub struct Fixture {
    pub url: DatabaseUrl,
    schema: String,
    pub store: Arc<dyn Store>,
    /// The directory of the SQLite file. It is removed when this value is dropped.
    _directory: tempfile::TempDir,
}

/// The store in the file at `path`.
pub fn sqlite_store(path: &std::path::Path) -> Arc<dyn Store> {
    open(&DatabaseUrl::Sqlite(path.to_owned()), options("default", ""))
}

impl Fixture {
    pub async fn postgres() -> Self {
        Self::at(fresh_database().await.parse().unwrap(), tempfile::tempdir().unwrap(), "daymark")
    }

    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("store.db").display());
        Self::at(url.parse().unwrap(), directory, "")
    }

    pub async fn in_schema(schema: &str) -> Self {
        Self::at(fresh_database().await.parse().unwrap(), tempfile::tempdir().unwrap(), schema)
    }

    fn at(url: DatabaseUrl, directory: tempfile::TempDir, schema: &str) -> Self {
        let store = open(&url, options("default", schema));
        Self { url, schema: schema.to_owned(), store, _directory: directory }
    }

    /// A store in the same database as another role. The role needs no password, because sessions begin with SET ROLE.
    pub fn as_role(fixture: &Self, role: &str) -> Self {
        let DatabaseUrl::Postgres { options, shown, .. } = &fixture.url else { panic!("not PostgreSQL") };
        let options = Box::new((**options).clone().options([("role", role)]));
        let url = DatabaseUrl::Postgres { options, shown: shown.clone(), is_partly_shown: false };
        Self::at(url, tempfile::tempdir().unwrap(), &fixture.schema)
    }

    /// A store in the same database, to which `role` connects.
    pub fn logged_in_as(&self, role: &str) -> Self {
        let DatabaseUrl::Postgres { options, shown, .. } = &self.url else { panic!("not PostgreSQL") };
        let options = Box::new((**options).clone().username(role));
        let url = DatabaseUrl::Postgres { options, shown: shown.clone(), is_partly_shown: false };
        Self::at(url, tempfile::tempdir().unwrap(), &self.schema)
    }

    /// The same store as another process would open it.
    pub fn again(&self) -> Arc<dyn Store> {
        self.of_tenant("default")
    }

    pub fn of_tenant(&self, tenant: &str) -> Arc<dyn Store> {
        open(&self.url, options(tenant, &self.schema))
    }

    /// Migrates, defines [`definitions`] and starts a run, whose id it returns.
    pub async fn ready(&self) -> Uuid {
        self.store.migrate().await.unwrap();
        self.store.simulate_clock().await.unwrap();
        let changes: Vec<_> = definitions().into_iter().map(DefinitionChange::Add).collect();
        self.store.change_definitions(&changes, Origin::File, noon()).await.unwrap();
        let run = new_run(day(1));
        self.store.start_run(&run).await.unwrap();
        run.id
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.url, DatabaseUrl::Postgres { .. })
    }

    /// Runs SQL as the owner of the tables. Returns the number of rows, or the text of the error.
    pub async fn sql(&self, sql: &str) -> Result<u64, String> {
        match &self.url {
            DatabaseUrl::Postgres { .. } => {
                let result = self.postgres_session().await.execute(AssertSqlSafe(sql.to_owned())).await;
                result.map(|result| result.rows_affected()).map_err(|error| error.to_string())
            }
            DatabaseUrl::Sqlite(_) => {
                let result = self.sqlite_connection().await.execute(AssertSqlSafe(sql.to_owned())).await;
                result.map(|result| result.rows_affected()).map_err(|error| error.to_string())
            }
        }
    }

    /// As when the server is restarted, or the files of locks are removed.
    pub async fn lose_locks(&self) {
        match &self.url {
            DatabaseUrl::Postgres { .. } => {
                let end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
                self.postgres_session().await.execute(end).await.unwrap();
            }
            DatabaseUrl::Sqlite(path) => {
                std::fs::remove_dir_all(format!("{}-locks", path.display())).unwrap();
            }
        }
    }

    pub async fn postgres_session(&self) -> PgConnection {
        let DatabaseUrl::Postgres { options, .. } = &self.url else { panic!("not PostgreSQL") };
        let mut session = PgConnection::connect_with(options).await.unwrap();
        let path = format!("SET search_path TO \"{}\"", self.schema.replace('"', "\"\""));
        session.execute(AssertSqlSafe(path)).await.unwrap();
        session
    }

    pub async fn sqlite_connection(&self) -> SqliteConnection {
        let DatabaseUrl::Sqlite(path) = &self.url else { panic!("not SQLite") };
        SqliteConnectOptions::new().filename(path).connect().await.unwrap()
    }

    /// Creates the file of a store that does not exist yet.
    pub async fn sqlite_connection_to_new_file(&self) -> SqliteConnection {
        let DatabaseUrl::Sqlite(path) = &self.url else { panic!("not SQLite") };
        SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
    }
}

fn options(tenant: &str, schema: &str) -> StoreOptions {
    let retry = RetryPolicy { retries: 3, initial_delay: Duration::from_millis(5) };
    StoreOptions { tenant: tenant.to_owned(), schema: schema.to_owned(), retry, statement_timeout: None }
}

/// A day of January 2025.
pub fn day(day: i8) -> Date {
    jiff::civil::date(2025, 1, day)
}

/// 2025-02-01T12:00:00.123456Z, which is after every [`day`].
pub fn noon() -> Timestamp {
    "2025-02-01T12:00:00.123456Z".parse().unwrap()
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn key(metric_type: MetricType, category: &str) -> MetricKey {
    MetricKey { metric_type, category: category.to_owned() }
}

pub fn new_run(date: Date) -> NewRun {
    NewRun {
        id: Uuid::new_v4(),
        kind: RunKind::Collect,
        from: date,
        to: date,
        started_at: noon(),
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "somewhere".to_owned(),
        process_id: 4711,
    }
}

pub fn finish(id: Uuid) -> Finish {
    Finish {
        id,
        status: RunStatus::Completed,
        completed_at: noon() + 1.second(),
        error_message: None,
        error_details: None,
    }
}

/// A record of `posts_total`.
pub fn record(run: Uuid, date: Date, value: &str) -> Record {
    Record {
        metric_date: date,
        key: key(MetricType::Count, "posts_total"),
        value: decimal(value),
        metadata: serde_json::Map::new(),
        provenance: Provenance::Observed,
        definition_version: 1,
        collection_id: run,
        collection_timestamp: noon(),
    }
}

/// One definition of each metric type, with filters, expected ranges and numbers of several kinds.
pub fn definitions() -> Vec<Definition> {
    let paid =
        Condition { column: "price".to_owned(), test: Test::AtLeast(Literal::Number(decimal("0.10"))) };
    let kinds =
        Test::In(vec![Literal::Text("a".to_owned()), Literal::Boolean(true), Literal::Number(7.into())]);
    let filter = Filter(vec![paid, Condition { column: "kind".to_owned(), test: kinds }]);
    let rows = Rows { source: "posts".to_owned(), filter };
    let distinct = Measure::Distinct {
        rows: vec![rows.clone()],
        column: None,
        window: daymark::metric::Window::Days(30),
    };
    let created = Measure::Created(rows.clone());
    let breakdown = Breakdown {
        rows: rows.clone(),
        column: "genre".to_owned(),
        phase: Phase::Created,
        top: 10,
        aggregate: daymark::metric::LabelAggregate::Rows,
    };
    vec![
        definition(MetricType::Count, "posts_total", Measure::Existing(rows.clone())),
        definition(MetricType::Average, "mood", Measure::Average { rows, column: "mood".to_owned() }),
        definition(
            MetricType::Percentage,
            "engagement_rate",
            Measure::Ratio { numerator: Box::new(created), denominator: Box::new(distinct) },
        ),
        definition(MetricType::Aggregate, "top_genres", Measure::Breakdown(breakdown)),
    ]
}

fn definition(metric_type: MetricType, category: &str, measure: Measure) -> Definition {
    let source = Source {
        schema: None,
        table: "posts".to_owned(),
        query: None,
        joined: Vec::new(),
        time_column: "created_at".to_owned(),
        time_format: TimeFormat::Timestamptz,
        time_zone: "UTC".to_owned(),
        deleted_column: None,
        actor_column: Some("author".to_owned()),
        filter: Filter::default(),
    };
    Definition {
        metric_type,
        category: category.to_owned(),
        display_name: category.to_uppercase(),
        description: "What it says".to_owned(),
        unit: "count".to_owned(),
        format_pattern: "0,0".to_owned(),
        dashboard: DashboardPlace::default(),
        expected: Some(ExpectedRange { min: Some(decimal("0.5")), max: None }),
        backfill: BackfillMode::default(),
        time_zone: "UTC".to_owned(),
        measure,
        sources: [("posts".to_owned(), source)].into(),
    }
}

/// Metadata with numbers that no float can hold.
pub fn exact_metadata() -> serde_json::Map<String, serde_json::Value> {
    let exact: serde_json::Value = serde_json::from_str(
        r#"{"sample_size": 9007199254740993, "std_deviation": 0.12345678901234567890123}"#,
    )
    .unwrap();
    let mut metadata = exact.as_object().unwrap().clone();
    metadata.insert("top_items".to_owned(), json!([{"label": "Jazz — “über”\n'", "value": 3}]));
    metadata
}
