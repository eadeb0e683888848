//! What a database has set for its other clients changes neither what Daymark's statements mean nor what the check finds.

use daymark::{backup, metric::Provenance};
use sqlx::{Connection, Executor, PgConnection};

use crate::fixture::{Fixture, day, finish, new_run, noon, record};

/// Settings that every session may change, each with a value that changes the meaning of a statement or the form of an answer.
const UNUSUAL: [&str; 13] = [
    "standard_conforming_strings = off",
    "quote_all_identifiers = on",
    "transform_null_equals = on",
    "array_nulls = off",
    "DateStyle = 'German, DMY'",
    "IntervalStyle = sql_standard",
    "TimeZone = 'Asia/Kathmandu'",
    "bytea_output = escape",
    "extra_float_digits = -15",
    "xmlbinary = hex",
    "row_security = off",
    "default_transaction_isolation = serializable",
    "client_min_messages = debug5",
];

/// Sets this for all later sessions of the database.
async fn set(fixture: &Fixture, settings: &[&str]) {
    let database: String = sqlx::query_scalar("SELECT current_database()::TEXT")
        .fetch_one(&mut fixture.postgres_session().await)
        .await
        .unwrap();
    for setting in settings {
        fixture.sql(&format!("ALTER DATABASE {database} SET {setting}")).await.unwrap();
    }
}

async fn record_two_days(fixture: &Fixture) {
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    let second = new_run(day(2));
    fixture.store.start_run(&second).await.unwrap();
    fixture.store.commit(&[record(second.id, day(2), "0.1")], Some(&finish(second.id))).await.unwrap();
}

/// The owner has the settings when it migrates, records, backs up and restores.
#[tokio::test]
async fn a_store_that_was_made_under_unusual_settings_is_the_usual_one() {
    let fixture = Fixture::postgres().await;
    set(&fixture, &UNUSUAL).await;
    record_two_days(&fixture).await;
    assert_eq!(fixture.store.integrity().await.unwrap(), []);
    assert_eq!(fixture.store.missing_privileges().await.unwrap(), [""; 0]);
    let records = fixture.store.records(day(1), day(31), None).await.unwrap();
    assert_eq!(records.iter().map(|record| record.value.to_string()).collect::<Vec<_>>(), ["5", "0.1"]);
    assert!(records.iter().all(|record| record.provenance == Provenance::Observed));

    let directory = tempfile::tempdir().unwrap();
    let made = backup::back_up(fixture.store.as_ref(), directory.path(), noon()).await.unwrap();
    let restored = Fixture::postgres().await;
    set(&restored, &UNUSUAL).await;
    backup::restore(restored.store.as_ref(), &made.path).await.unwrap();
    assert_eq!(restored.again().integrity().await.unwrap(), []);
}

/// Sets one of them at a time for a store that was made before.
#[tokio::test]
async fn each_unusual_setting_leaves_the_check_without_findings() {
    let fixture = Fixture::postgres().await;
    record_two_days(&fixture).await;
    for setting in UNUSUAL {
        set(&fixture, &[setting]).await;
        let found = fixture.again().integrity().await.unwrap();
        assert_eq!(found, [], "{setting}");
        let (name, _) = setting.split_once(" = ").unwrap();
        let database = "SELECT format('ALTER DATABASE %I RESET ', current_database())";
        let reset: String =
            sqlx::query_scalar(database).fetch_one(&mut fixture.postgres_session().await).await.unwrap();
        fixture.sql(&format!("{reset}{name}")).await.unwrap();
    }
}

/// What `daymark migrate --show` prints is run by an owner in psql.
#[tokio::test]
async fn the_printed_migrations_make_the_usual_functions_under_unusual_settings() {
    let fixture = Fixture::postgres().await;
    set(&fixture, &UNUSUAL).await;
    fixture.sql("CREATE SCHEMA daymark").await.unwrap();
    fixture.sql(&fixture.store.migration_script()).await.unwrap();
    let paths = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'daymark'::REGNAMESPACE
        AND proconfig IS DISTINCT FROM ARRAY['search_path=daymark, pg_temp']";
    let other: i64 =
        sqlx::query_scalar(paths).fetch_one(&mut fixture.postgres_session().await).await.unwrap();
    assert_eq!(other, 0, "functions whose search_path is written with other quotation marks");
}

/// A session that began later than that which listens is ended by the server first.
#[tokio::test]
async fn a_server_that_ends_idle_sessions_does_not_end_the_one_that_listens() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    set(&fixture, &["idle_session_timeout = '1s'"]).await;
    let listening = fixture.again().watch();
    let ready = async {
        while listening.store_version().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ready).await.unwrap();
    let mut observer = fixture.postgres_session().await;
    observer.execute("SET idle_session_timeout TO 0").await.unwrap();
    let mut later = fixture.postgres_session().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut later).await.unwrap();
    let exists = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
    let ended = async {
        while sqlx::query_scalar::<_, i64>(exists).bind(pid).fetch_one(&mut observer).await.unwrap() > 0 {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ended)
        .await
        .expect("the server ends idle sessions");
    assert!(PgConnection::ping(&mut later).await.is_err());
    assert_eq!(listening.store_version(), Some(1), "the session that listens was not replaced");
}

/// The statement waits for a lock for longer than the role's limit, which holds for other programs.
#[tokio::test]
async fn the_statement_timeout_of_the_role_does_not_end_statements_of_the_store() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    set(&fixture, &["statement_timeout = '500ms'"]).await;
    let mut observer = fixture.postgres_session().await;
    observer.execute("SET statement_timeout TO 0").await.unwrap();
    let mut session = fixture.postgres_session().await;
    let mut lock = session.begin().await.unwrap();
    lock.execute("LOCK TABLE metric_definitions").await.unwrap();
    let store = fixture.again();
    let asked = tokio::spawn(async move { store.definitions().await.map(drop) });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND clock_timestamp() - query_start > INTERVAL '700 ms'";
    let waiting =
        async { while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut observer).await.unwrap() == 0 {} };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await;
    lock.rollback().await.unwrap();
    waited.expect("the statement is ended before");
    asked.await.unwrap().unwrap();
}
