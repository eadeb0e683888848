//! Rows that no process of Daymark writes. For each table, each column in turn is replaced by each hostile value of its type.
//! The service role and the owner insert and update them, and every reader still answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Output, Stdio},
};

use daymark::{
    collect::{CancellationToken, backfill, close_orphaned_runs},
    judgement::{Baseline, JUDGE_VERSION, Judgement, Reason, Verdict},
    metric::{MetricKey, MetricType},
    store::{
        AfterAttempt, AlertState, AlertStatus, AnnotationText, Behind, DeliveryAttempt, DeliveryOutcome,
        DriftSample, FiredAs, JudgedDay, Leader, NewNotification, NewRedaction, NewRevision,
        NotificationKind, Pause, RevisionBasis, RevisionBatch, RevisionEffect, RunFilter, RunStatus, Silence,
        Store,
    },
};
use jiff::{Timestamp, ToSpan};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, raw_sql};
use uuid::Uuid;

use crate::{
    grants, on_both_stores,
    server::PrivateServer,
    site::{Settings, Site},
    world::{Heard, World, range},
};

on_both_stores!(
    every_reader_answers_over_hostile_rows,
    the_day_of_an_unreadable_record_is_a_gap_of_its_own_cause,
    an_unknown_definition_version_leaves_out_its_own_bucket_only,
    of_ten_thousand_orphaned_runs_a_thousand_are_closed_at_once,
);

/// Makes a role with all privileges that the quick start for PostgreSQL offers to roles that record, define and correct, except that
/// of revoking keys, with which it could lock all readers out.
fn recording_role(role: &str) -> String {
    let grants = grants::of_everything(role).into_iter().filter(|grant| !grant.contains("revoked_at"));
    format!("CREATE ROLE {role}; {}", grants.collect::<Vec<_>>().join("; "))
}

/// Makes a role with the privileges that the quick start for PostgreSQL gives to a role that only reads.
const READING_ROLE: &str = "
    CREATE ROLE {role};
    GRANT USAGE ON SCHEMA daymark TO {role};
    GRANT SELECT ON daymark.daily_metrics, daymark.metric_definitions TO {role};";

const WITHOUT_CONSTRAINTS: &str = "
    CREATE TABLE daymark.daily_metrics_others PARTITION OF daymark.daily_metrics DEFAULT;
    DO $$ DECLARE found RECORD; BEGIN
        FOR found IN SELECT conrelid::REGCLASS AS of_table, conname FROM pg_constraint
            WHERE connamespace = 'daymark'::REGNAMESPACE AND contype IN ('c', 'f') AND coninhcount = 0 AND conparentid = 0
        LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.of_table, found.conname); END LOOP;
        FOR found IN SELECT attrelid::REGCLASS AS of_table, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relnamespace = 'daymark'::REGNAMESPACE AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0 AND attnotnull
              AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY (indkey))
        LOOP EXECUTE format('ALTER TABLE %s ALTER %I DROP NOT NULL', found.of_table, found.attname); END LOOP;
        FOR found IN SELECT oid::REGCLASS AS of_table FROM pg_class WHERE relnamespace = 'daymark'::REGNAMESPACE AND relkind IN ('r', 'p')
        LOOP EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', found.of_table); END LOOP;
    END $$";

/// Each table, the column of its key that differs from row to row, and how that column is made of the row's number.
const TABLES: [(&str, &str, &str); 20] = [
    ("daily_metrics", "metric_date", "date"),
    ("metric_definitions", "metric_category", "name"),
    ("metric_definition_versions", "version", "number"),
    ("metric_collection_log", "id", "uuid"),
    ("jobs", "id", "uuid"),
    ("events", "id", "number"),
    ("leaders", "tenant_id", "name"),
    ("schedule_pauses", "id", "uuid"),
    ("api_keys", "id", "uuid"),
    ("annotations", "id", "uuid"),
    ("session_ends", "subject", "name"),
    ("alert_states", "rule", "name"),
    ("alert_silences", "id", "uuid"),
    ("notifications", "id", "uuid"),
    ("delivery_attempts", "number", "number"),
    ("metric_revisions", "revision", "next revision"),
    ("redactions", "id", "uuid"),
    ("daily_metric_judgements", "metric_date", "date"),
    ("drift_samples", "metric_date", "date"),
    // It has one row.
    ("store_settings", "only_row", "name"),
];

/// The roles of an API on the database, such as PostgREST's.
const API_ROLES: &str = "
    CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role;
    SELECT daymark.grant_api_roles();";

enum Session {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Session {
    async fn of(site: &Site) -> Self {
        let url = &site.world.store_url;
        match url.starts_with("postgres") {
            true => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            false => Self::Sqlite(SqliteConnection::connect(url).await.unwrap()),
        }
    }

    async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(session) => sql.execute(session).await.map(drop),
            Self::Sqlite(session) => sql.execute(session).await.map(drop),
        }
    }

    /// The tables of the store.
    async fn tables(&mut self) -> Vec<String> {
        match self {
            Self::Postgres(session) => {
                let sql = "SELECT relname::TEXT FROM pg_class WHERE relnamespace = 'daymark'::REGNAMESPACE
                           AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_sqlx_migrations'";
                sqlx::query_scalar(sql).fetch_all(session).await.unwrap()
            }
            Self::Sqlite(session) => {
                let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
                           AND name <> '_sqlx_migrations'";
                sqlx::query_scalar(sql).fetch_all(session).await.unwrap()
            }
        }
    }

    /// The columns of a table with their types.
    async fn columns(&mut self, table: &str) -> Vec<(String, String)> {
        match self {
            Self::Postgres(session) => {
                let sql = "SELECT attname::TEXT, format_type(atttypid, NULL) FROM pg_attribute
                           WHERE attrelid = ('daymark.' || $1)::REGCLASS AND attnum > 0 ORDER BY attnum";
                let rows = sqlx::query(sql).bind(table).fetch_all(session).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
            Self::Sqlite(session) => {
                let sql = "SELECT name, lower(type) FROM pragma_table_info(?1)";
                let rows = sqlx::query(sql).bind(table).fetch_all(session).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }

    async fn drop_all_constraints(&mut self) {
        let Self::Sqlite(session) = self else { return self.run(WITHOUT_CONSTRAINTS).await.unwrap() };
        let triggers = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'trigger'");
        let names: Vec<String> =
            triggers.fetch_all(&mut *session).await.unwrap().iter().map(|row| row.get(0)).collect();
        for name in names {
            self.run(&format!("DROP TRIGGER {name}")).await.unwrap();
        }
        self.run("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").await.unwrap();
    }

    /// Inserts copies of a row of each table in which one column has a hostile value, and returns how many were accepted.
    async fn insert_hostile_rows(&mut self, begin: usize) -> usize {
        let is_postgres = matches!(self, Self::Postgres(_));
        let (schema, mut number, mut taken) = (if is_postgres { "daymark." } else { "" }, begin, 0);
        for (table, key, key_type) in TABLES {
            let columns = self.columns(table).await;
            for (hostile, column_type) in &columns {
                for value in values(column_type, is_postgres) {
                    number += 1;
                    let selected = columns.iter().map(|(name, _)| match name {
                        name if name == hostile => value.clone(),
                        name if name == key => key_value(key_type, number, is_postgres),
                        name if table == "api_keys" && name == "name" => format!("'key {number}'"),
                        // A batch has one revision of a day.
                        name if name == "batch_id" => key_value("uuid", number, is_postgres),
                        name => name.clone(),
                    });
                    let selected: Vec<_> = selected.collect();
                    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
                    let sql = format!(
                        "INSERT INTO {schema}{table} ({}) SELECT {} FROM {schema}{table} ORDER BY tenant_id LIMIT 1",
                        names.join(", "),
                        selected.join(", ")
                    );
                    taken += usize::from(self.run(&sql).await.is_ok());
                }
            }
        }
        taken
    }

    /// Sets each column of each table to each hostile value in all rows, and returns how many statements were accepted. Metrics
    /// stay active, because there would be nothing left to ask for.
    async fn make_rows_hostile(&mut self) -> usize {
        let is_postgres = matches!(self, Self::Postgres(_));
        let (schema, mut taken) = (if is_postgres { "daymark." } else { "" }, 0);
        for (table, ..) in TABLES {
            for (column, column_type) in
                self.columns(table).await.iter().filter(|(name, _)| name != "is_active")
            {
                for value in values(column_type, is_postgres) {
                    let sql = format!("UPDATE {schema}{table} SET {column} = {value}");
                    taken += usize::from(self.run(&sql).await.is_ok());
                }
            }
        }
        taken
    }
}

fn key_value(key_type: &str, number: usize, is_postgres: bool) -> String {
    match (key_type, is_postgres) {
        ("date", true) => format!("DATE '2023-06-01' + {number}"),
        ("date", false) => format!("date('2023-06-01', '+{number} days')"),
        ("name", _) => format!("'hostile_{number}'"),
        ("number", _) => (number + 1000).to_string(),
        ("next revision", _) => {
            format!(
                "(SELECT max(earlier.revision) + 1 FROM {}metric_revisions AS earlier)",
                if is_postgres { "daymark." } else { "" }
            )
        }
        _ => format!("'{}'", Uuid::from_u128(number as u128 + 1)),
    }
}

fn values(column_type: &str, is_postgres: bool) -> Vec<String> {
    let quoted: &[&str] = match (is_postgres, column_type) {
        (true, "date") => &["infinity", "-infinity", "5874897-12-31", "4713-01-01 BC"],
        (true, "timestamp with time zone") => &["infinity", "-infinity", "294276-12-31", "4713-01-01 BC"],
        (true, "numeric") => &[
            "NaN",
            "Infinity",
            "-Infinity",
            "1e1500",
            "1e999",
            "1e38",
            "9e37",
            "-9e37",
            "-5",
            "1e-30",
            "1e-31",
            "1e-1500",
        ],
        (true, "jsonb") => {
            &["[]", "null", "{}", "\"x\"", r#"{"sample_size": "x", "breakdown": 7, "failures": 7}"#, "1e500"]
        }
        (true, "integer" | "bigint") => &["-1", "0", "2147483647"],
        (true, "bytea") => &["", r"\x00"],
        (true, "text[]") => &["{}", "{guess}", "{NULL}"],
        (_, "text") => &[
            "",
            "guess",
            "infinity",
            "{",
            "[]",
            "9999-99-99",
            "2025-02-31",
            "NaN",
            "-0",
            "1e400",
            "10000-01-01",
            "2025-01-01T00:00:00",
            "\u{1}",
        ],
        (false, "integer") => &["-1", "0", "2147483648", "9223372036854775807"],
        _ => &[],
    };
    let quoted = quoted.iter().map(|value| format!("'{value}'"));
    let own = match (is_postgres, column_type) {
        (true, "text") => vec!["repeat('x', 70000)".to_owned()],
        // Nested deeper than parsers of JSON go, and numbers of as many digits as fit.
        (true, "jsonb") => vec![
            r#"(repeat('{"a":', 3000) || 1 || repeat('}', 3000))::JSONB"#.to_owned(),
            r#"(repeat('{"a":', 127) || 1 || repeat('}', 127))::JSONB"#.to_owned(),
            r#"('{"sample_size": 1e60000, "denominator": -1e60000, "breakdown": {"a": 1e60000}}')::JSONB"#
                .to_owned(),
        ],
        (false, "text") => vec!["char(0)".to_owned()],
        (false, "blob") => vec!["x''".to_owned(), "zeroblob(1000)".to_owned()],
        _ => Vec::new(),
    };
    quoted.chain(own).chain(["NULL".to_owned()]).collect()
}

const PATHS: [&str; 44] = [
    "/api/v1/anomalies",
    "/api/v1/corrections",
    "/api/v1/corrections?limit=1",
    "/api/v1/drift?from=2025-01-01&to=2025-01-10",
    "/api/v1/drift/recorded",
    "/api/v1/export/activity",
    "/api/v1/export/corrections?format=csv",
    "/api/v1/export/definitions",
    "/api/v1/export/redactions",
    "/api/v1/redactions",
    "/api/v1/health/collection",
    "/api/v1/metrics?from=2023-06-01&to=2025-01-10&interval=month&values=recorded",
    "/api/v1/metrics?from=2025-01-01&to=2025-01-10&as_of=2025-01-11T10:00:00Z",
    "/api/v1/latest?as_of=2025-01-11T10:00:00Z",
    "/api/v1/latest?values=recorded",
    "/api/v1/session",
    "/api/v1/sources",
    "/api/v1/export?format=csv&from=2024-01-01&to=2025-01-10&values=recorded",
    "/rest/v1/rpc/daily_metrics_as_of?as_of=2025-01-11T10:00:00Z",
    "/api/v1/annotations",
    "/api/v1/keys",
    "/api/v1/metrics?from=2023-01-01&to=2025-01-10&interval=month",
    "/api/v1/metrics?from=2023-06-01&to=2024-05-30&interval=day&metadata=true",
    "/api/v1/metrics?category=posts_total&from=2025-01-01&to=2025-01-10&interval=week",
    "/api/v1/latest",
    "/api/v1/activity",
    "/api/v1/definitions",
    "/api/v1/definitions/posts_total",
    "/api/v1/runs",
    "/api/v1/status",
    "/readyz",
    "/rest/v1/daily_metrics",
    "/rest/v1/daily_metrics?select=metric_date,value::text,metadata&order=collection_timestamp.desc&value=gt.1",
    "/rest/v1/metric_definitions",
    "/rest/v1/metric_collection_log",
    "/api/v1/export?format=csv&from=2024-01-01&to=2025-01-10",
    "/api/v1/export?format=ndjson&from=2024-01-01&to=2025-01-10&interval=month",
    "/api/v1/export?format=parquet&from=2023-06-01&to=2025-01-10",
    "/api/v1/export?format=parquet&from=2023-06-01&to=2025-01-10&interval=year",
    "/api/v1/export/latest?format=parquet",
    "/api/v1/export/runs?format=ndjson",
    "/api/v1/schedule",
    "/api/v1/alerts",
    "/api/v1/alerts/deliveries",
];

const COMMANDS: [&[&str]; 14] = [
    &["corrections"],
    &["alerts"],
    &["annotations", "list"],
    &["keys", "list"],
    &["judge"],
    &["status"],
    &["gaps", "--from", "2023-06-01", "--to", "2025-01-10"],
    &["query", "--from", "2025-01-01", "--to", "2025-01-10"],
    &["query", "--from", "2023-06-01", "--to", "2025-01-10", "--interval", "month"],
    &["query", "--latest"],
    &["export", "--format", "csv", "--from", "2023-06-01", "--to", "2025-01-10"],
    &["export", "--as", "parquet", "--from", "2023-06-01", "--to", "2025-01-10"],
    &["schedule"],
    &["check"],
];

async fn assert_every_reader_answers(site: &Site, inserted_by: &str) {
    for path in PATHS {
        let reply = site.get_as_admin(path).await;
        assert_eq!(reply.status, 200, "rows of {inserted_by}: {path}: {}", reply.text());
    }
    let store = site.world.context.tenant.store.as_ref();
    store.jobs(&daymark::store::JobFilter::default()).await.unwrap();
    store.events(0, 10_000).await.unwrap();
    store.recorded_span().await.unwrap().unwrap();
    store.session_ends(jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    for command in COMMANDS {
        let run = run(site, command);
        // `gaps` exits with a code of its own if there are gaps, and `check` if it finds an error.
        let has_own_code = matches!(command[0], "gaps" | "check");
        let is_answer = run.status.success() || (has_own_code && !run.stdout.is_empty());
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(is_answer && !error.contains("panicked"), "rows of {inserted_by}: {command:?}: {error}");
    }
}

fn run(site: &Site, command: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daymark"))
        .args(command)
        .current_dir("/")
        .env_clear()
        .env("DAYMARK_STORE_URL", &site.world.store_url)
        .env("DAYMARK_PLATFORM_URL", &site.world.platform_url)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

async fn recorded(site: &Site) {
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let job = site.post("/api/v1/collections", &serde_json::json!({"date": "2025-01-10"})).await;
    assert_eq!(job.status, 202, "{}", job.text());
    let store = site.world.context.tenant.store.as_ref();
    let at = site.world.context.now();
    let leader = Leader { host: "here".to_owned(), process_id: 1, since: at, seen_at: at };
    store.write_leader(&leader).await.unwrap();
    let pause = Pause {
        id: Uuid::new_v4(),
        paused_at: at,
        paused_by: "cli:test".to_owned(),
        reason: "a test".to_owned(),
        until: None,
        resumed_at: None,
        resumed_by: None,
    };
    store.add_pause(&pause).await.unwrap();
    add_correction_and_quality(store, at).await;
    store.end_sessions("user:anna", at, at).await.unwrap();
    let note = serde_json::json!({"from": "2025-01-08", "text": "release"});
    assert_eq!(site.post("/api/v1/annotations", &note).await.status, 201);
    add_alert(store, at).await;
}

/// A correction, a redaction of a label that nothing has, and a judgement and a recount of the first day.
async fn add_correction_and_quality(store: &dyn Store, at: Timestamp) {
    let (date, key) = (
        jiff::civil::date(2025, 1, 1),
        MetricKey { metric_type: MetricType::Count, category: "posts_total".to_owned() },
    );
    let corrected = NewRevision {
        date,
        key: key.clone(),
        effect: RevisionEffect::Value { value: "7".parse().unwrap(), metadata: serde_json::Map::new() },
        basis: RevisionBasis::Manual { definition_version: None },
        number: None,
    };
    let batch = RevisionBatch {
        id: Uuid::new_v4(),
        reason: "a test".to_owned(),
        author: "cli:test".to_owned(),
        made_at: at,
        revisions: vec![corrected],
    };
    store.write_revisions(&batch).await.unwrap();
    let redaction = NewRedaction {
        id: Uuid::new_v4(),
        label: "Ada Lovelace".to_owned(),
        placeholder: "redacted-0123456789abcdef".to_owned(),
        reason: "Ada Lovelace asked for it".to_owned(),
        author: "cli:test".to_owned(),
        made_at: at,
    };
    let named = AnnotationText {
        first_day: date,
        last_day: date,
        category: None,
        text: "Ada Lovelace joined".to_owned(),
    };
    store.add_annotation(Uuid::new_v4(), &named, "cli:test").await.unwrap();
    assert!(store.redact(&redaction).await.unwrap().is_some());
    let judgement = Judgement {
        judge_version: JUDGE_VERSION,
        verdict: Verdict::Anomaly,
        reason: Some(Reason::Above),
        expected: Some(("1".parse().unwrap(), "2".parse().unwrap())),
        score: Some("3.5".parse().unwrap()),
        baseline: Some(Baseline { days: 1, from: date.yesterday().unwrap(), to: date.yesterday().unwrap() }),
    };
    store.write_judgements(&[JudgedDay { date, key: key.clone(), judgement }], None).await.unwrap();
    let (in_force, recounted) = ("1".parse().unwrap(), "0".parse().unwrap());
    store
        .write_drift_samples(&[DriftSample { date, key, in_force, recounted, recounted_at: at }])
        .await
        .unwrap();
}

/// An alert that fires, a silence, and a notification with a failed attempt.
async fn add_alert(store: &dyn Store, at: Timestamp) {
    let state = AlertState {
        rule: "collection_failing".to_owned(),
        status: AlertStatus::Firing,
        since: at,
        started_at: Some(at),
        summary: "a test".to_owned(),
        fired_as: Some(FiredAs { severity: "warning".to_owned(), labels: BTreeMap::new() }),
        told: BTreeMap::from([("operators".to_owned(), at)]),
        is_silenced: false,
        revision: 1,
    };
    let notification = NewNotification {
        id: Uuid::new_v4(),
        channel: "operators".to_owned(),
        kind: NotificationKind::Firing,
        content: serde_json::Map::new(),
        created_at: at,
    };
    assert!(store.commit_alerts(&[state], std::slice::from_ref(&notification)).await.unwrap());
    let attempt = DeliveryAttempt {
        notification_id: notification.id,
        number: 1,
        attempted_at: at,
        duration_ms: 1,
        is_delivered: false,
        answer: "HTTP 500".to_owned(),
    };
    let outcome =
        DeliveryOutcome { attempt, after: AfterAttempt::TryAgain(at + 1.hours()), behind: Behind::Channel };
    store.record_attempt(&outcome).await.unwrap();
    let silence = Silence {
        id: Uuid::new_v4(),
        rule: None,
        reason: "a test".to_owned(),
        created_at: at,
        created_by: "cli:test".to_owned(),
        ends_at: at + 1.hours(),
        ended_at: None,
        ended_by: None,
    };
    store.add_silence(&silence).await.unwrap();
}

async fn every_reader_answers_over_hostile_rows(site: Site) {
    recorded(&site).await;
    let mut session = Session::of(&site).await;
    let tried: BTreeSet<_> = TABLES.iter().map(|(table, ..)| (*table).to_owned()).collect();
    assert_eq!(tried, session.tables().await.into_iter().collect(), "hostile rows of every table are tried");
    if let Session::Postgres(_) = session {
        session.run("SELECT daymark.ensure_partition(2023), daymark.ensure_partition(2024)").await.unwrap();
        let role = format!("service_{}", Uuid::new_v4().simple());
        session.run(&recording_role(&role)).await.unwrap();
        session.run(&format!("SET ROLE {role}")).await.unwrap();
        session.insert_hostile_rows(0).await;
        session.make_rows_hostile().await;
        session.run("RESET ROLE").await.unwrap();
        assert_every_reader_answers(&site, "the service role").await;
        let role = format!("reader_{}", Uuid::new_v4().simple());
        session.run(&READING_ROLE.replace("{role}", &role)).await.unwrap();
        session.run(&format!("SET ROLE {role}")).await.unwrap();
        assert_eq!(session.insert_hostile_rows(500).await + session.make_rows_hostile().await, 0);
        session.run("RESET ROLE").await.unwrap();
    }
    session.insert_hostile_rows(1000).await;
    session.make_rows_hostile().await;
    assert_every_reader_answers(&site, "the owner").await;
}

/// Streams, and paths with the id of one thing in them, are the only ones that are not asked for.
#[test]
fn the_paths_are_all_that_the_api_describes() {
    let document: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let described = document["paths"].as_object().unwrap().iter();
    let read = described.filter(|(path, methods)| {
        !methods["get"].is_null() && !path.contains('{') && !path.ends_with("/events")
    });
    let asked: BTreeSet<_> = PATHS.iter().map(|path| path.split('?').next().unwrap()).collect();
    let missing: Vec<_> = read.map(|(path, _)| path.as_str()).filter(|path| !asked.contains(path)).collect();
    assert_eq!(missing, [""; 0]);
}

/// The server is private, because roles belong to a whole server, and migrations grant privileges to roles with these names.
#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_row_of_the_roles_of_an_api_is_accepted() {
    let server = PrivateServer::new();
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let world = World::at(directory, server.url(), platform_url).await;
    let site = Site::start(world, Settings::default()).await;
    recorded(&site).await;
    let mut session = Session::of(&site).await;
    session.run("SELECT daymark.ensure_partition(2023), daymark.ensure_partition(2024)").await.unwrap();
    session.run(API_ROLES).await.unwrap();
    for role in ["anon", "authenticated", "service_role"] {
        session.run(&format!("SET ROLE {role}")).await.unwrap();
        let accepted = session.insert_hostile_rows(500).await + session.make_rows_hostile().await;
        assert_eq!(accepted, 0, "rows of {role} were accepted");
        session.run("RESET ROLE").await.unwrap();
    }
    assert_every_reader_answers(&site, "a role of an API").await;
}

async fn the_day_of_an_unreadable_record_is_a_gap_of_its_own_cause(site: Site) {
    recorded(&site).await;
    let mut session = Session::of(&site).await;
    session.drop_all_constraints().await;
    let (table, value) = match session {
        Session::Postgres(_) => ("daymark.daily_metrics", "NaN"),
        Session::Sqlite(_) => ("daily_metrics", "abc"),
    };
    let make = format!(
        "UPDATE {table} SET value = '{value}' WHERE metric_category = 'posts_total' AND metric_date = '2025-01-03'"
    );
    session.run(&make).await.unwrap();
    let reply = site.get("/api/v1/metrics?category=posts_total&from=2025-01-01&to=2025-01-10").await;
    let series = &reply.json()["series"][0];
    let gaps = series["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0]["from"].as_str(), gaps[0]["to"].as_str()), (Some("2025-01-03"), Some("2025-01-03")));
    assert_eq!(gaps[0]["cause"], "unreadable_record");
    assert!(gaps[0]["fill"].is_null(), "the record is there, so no command fills the gap: {gaps:?}");
    let listed = run(&site, &["gaps", "--from", "2025-01-01", "--to", "2025-01-10", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed_gap = &listed["gaps"][0];
    assert_eq!((&listed["missing"], listed["gaps"].as_array().unwrap().len()), (&1.into(), 1), "{listed}");
    assert_eq!(
        (&listed_gap["cause"], &listed_gap["first"]),
        (&"unreadable_record".into(), &"2025-01-03".into())
    );
    assert_eq!(
        (&listed["fill_with"], &listed["retry_with"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert_eq!(series["points"].as_array().unwrap().len(), 10);
    assert!(series["points"][2]["value"].is_null() && !series["points"][3]["value"].is_null(), "{series}");
}

async fn of_ten_thousand_orphaned_runs_a_thousand_are_closed_at_once(site: Site) {
    let mut session = Session::of(&site).await;
    let (schema, id, numbers) = match session {
        Session::Postgres(_) => {
            ("daymark.", "md5(n::TEXT)::UUID", "generate_series(1, 10000) AS numbers (n)")
        }
        Session::Sqlite(_) => (
            "",
            "printf('00000000-0000-0000-0000-%012x', n)",
            "(WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 10000) SELECT n FROM counted)",
        ),
    };
    let insert = format!(
        "INSERT INTO {schema}metric_collection_log (id, tenant_id, kind, collection_date, collection_end_date, started_at,
                                                    status, trigger, actor, host, process_id)
         SELECT {id}, 'default', 'collect', '2025-01-05', '2025-01-05', '2025-01-06T00:00:00.000000Z', 'running', 'cli',
                'cli:test', 'here', 1
         FROM {numbers}"
    );
    session.run(&insert).await.unwrap();
    let store = site.world.context.tenant.store.as_ref();
    let failed = || RunFilter { status: Some(RunStatus::Failed), ..RunFilter::default() };
    for closed in [1000, 2000] {
        close_orphaned_runs(&site.world.context, None).await.unwrap();
        assert_eq!(store.runs(&failed()).await.unwrap().len(), closed);
    }
    recorded(&site).await;
    for path in
        ["/api/v1/status", "/api/v1/runs", "/api/v1/metrics?from=2025-01-01&to=2025-01-10&interval=day"]
    {
        let reply = site.get_as_admin(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
    for command in ["status", "gaps"] {
        let run = run(&site, &[command]);
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

async fn an_unknown_definition_version_leaves_out_its_own_bucket_only(site: Site) {
    recorded(&site).await;
    let mut session = Session::of(&site).await;
    session.drop_all_constraints().await;
    let table =
        if matches!(session, Session::Postgres(_)) { "daymark.daily_metrics" } else { "daily_metrics" };
    let make = format!(
        "UPDATE {table} SET definition_version = 77 WHERE metric_category = 'posts_created' AND metric_date = '2025-01-08'"
    );
    session.run(&make).await.unwrap();
    let reply =
        site.get("/api/v1/metrics?category=posts_created&from=2025-01-01&to=2025-01-10&interval=week").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let points = &reply.json()["series"][0]["points"];
    assert_eq!(points[0]["value"], 15, "{points}");
    assert!(points[1]["value"].is_null(), "{points}");
    assert!(points[1]["refused"].as_str().unwrap().contains("version 77"), "{points}");
    let export = site
        .get("/api/v1/export?format=csv&category=posts_created&from=2025-01-01&to=2025-01-10&interval=week")
        .await;
    assert_eq!(export.status, 200, "{}", export.text());
}
