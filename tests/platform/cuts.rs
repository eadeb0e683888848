//! Cuts: one snapshot, faults that fail their own reading only, `sql` metrics, and time limits.

use std::{collections::BTreeMap, time::Duration};

use daymark::{
    database::{Deadline, FaultClass, RetryPolicy},
    metric::{
        Calendar, Condition, Decimal, Filter, LabelAggregate, Phase, QueryShape, Reading, Rows, Source,
        Tally, Test, TimeFormat, Window,
    },
    platform::{self, PlatformOptions},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection};

use crate::{
    subject::{BOTH, Storage, genre_is, options, rows, small, source},
    support,
};

#[tokio::test]
async fn one_failing_reading_does_not_fail_the_others() {
    for storage in BOTH {
        let (subject, days, sources) = small(storage).await;
        let schema = subject.platform.inspect().await.unwrap();
        let bad = Filter(vec![Condition { column: "colour".to_owned(), test: Test::IsNull(true) }]);
        let readings = [
            Reading::Count { rows: rows(Filter::default()), phase: Phase::Created },
            Reading::Count { rows: rows(bad), phase: Phase::Created },
            Reading::Labels {
                rows: rows(Filter::default()),
                column: "genre".to_owned(),
                phase: Phase::Created,
                top: 3,
                aggregate: LabelAggregate::Rows,
            },
        ];
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        // SQLite may read an unknown "name" as a text, so its message differs from PostgreSQL's.
        let fault = answers[1].as_ref().unwrap_err();
        assert_eq!(fault.class, FaultClass::Sql, "{fault}");
        assert!(fault.message.contains("colour") && fault.sqlstate.is_some(), "{fault}");
        let explained = cut.explain(&schema, &sources, &readings, &days).await.unwrap();
        assert!(explained[0].is_ok() && explained[1].is_err() && explained[2].is_ok(), "{explained:?}");
    }
}

#[tokio::test]
async fn a_cut_does_not_see_what_is_committed_after_it() {
    for storage in BOTH {
        let (subject, days, sources) = small(storage).await;
        let schema = subject.platform.inspect().await.unwrap();
        let readings = [Reading::Count { rows: rows(Filter::default()), phase: Phase::Existing }];
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let before = cut.read(&schema, &sources, &readings, &days).await.unwrap().remove(0).unwrap();
        let url = subject.platform.location();
        match storage {
            Storage::Postgres(_) => {
                let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("DELETE FROM things").execute(&mut connection).await.unwrap();
            }
            Storage::Sqlite(_) => {
                // In the default journal mode of SQLite a reader blocks writers, which keeps its snapshot.
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("PRAGMA busy_timeout = 1").execute(&mut connection).await.unwrap();
                assert!(sqlx::raw_sql("DELETE FROM things").execute(&mut connection).await.is_err());
            }
        }
        assert_eq!(cut.read(&schema, &sources, &readings, &days).await.unwrap().remove(0).unwrap(), before);
    }
}

#[tokio::test]
async fn results_of_sql_metrics_are_read_by_their_column_names() {
    for storage in BOTH {
        let (subject, days, sources) = small(storage).await;
        let schema = subject.platform.inspect().await.unwrap();
        let query = |sql: &str, shape| Reading::Query { sql: sql.to_owned(), shape };
        let readings = [
            query(
                "SELECT 'unused' AS x, count(*) AS value FROM things WHERE at >= {day_start} AND at < {day_end};",
                QueryShape::Value,
            ),
            query(
                "SELECT genre AS label, 2 AS value FROM things GROUP BY genre -- a comment",
                QueryShape::Labels { top: 1, signed: false },
            ),
            query("SELECT 3 AS numerator, 12345678901234567890.125 AS denominator", QueryShape::Ratio),
            query("SELECT NULL AS value", QueryShape::Value),
            query("SELECT 1 AS wrong_name", QueryShape::Value),
            query("SELECT 1 AS value UNION ALL SELECT 2", QueryShape::Value),
            query("SELECT 1 AS value) AS x; DROP TABLE things; --", QueryShape::Value),
            query("DELETE FROM things RETURNING 1 AS value", QueryShape::Value),
            query("SELECT 2.5 AS value, 4 AS sample_size, 0.5 AS std_deviation", QueryShape::Average),
        ];
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
        let counts = cut
            .read(
                &schema,
                &sources,
                &[Reading::Count { rows: rows(Filter::default()), phase: Phase::Created }],
                &days,
            )
            .await
            .unwrap();
        for (own, built_in) in answers[0].as_ref().unwrap().iter().zip(counts[0].as_ref().unwrap()) {
            let (Tally::Value(own), Tally::Count(built_in)) = (own, built_in) else {
                panic!("{own:?} {built_in:?}")
            };
            assert_eq!(*own, Decimal::from(*built_in));
        }
        let Tally::Labels(labels) = &answers[1].as_ref().unwrap()[0] else { panic!() };
        assert_eq!(
            (labels.labels, labels.total.to_string(), labels.unlabelled.to_string()),
            (4, "8".to_owned(), "2".to_owned())
        );
        if matches!(storage, Storage::Postgres(_)) {
            let Tally::Ratio { denominator, .. } = &answers[2].as_ref().unwrap()[0] else { panic!() };
            assert_eq!(denominator.to_string(), "12345678901234567890.125");
        }
        assert!(answers[3].as_ref().unwrap_err().message.contains("coalesce"));
        for wrong in &answers[4..8] {
            assert!(wrong.is_err(), "{wrong:?}");
        }
        assert!(matches!(answers[8].as_ref().unwrap()[0], Tally::Average { sample_size: 4, .. }));
        // The refused statements changed nothing, and the cut can still be used.
        let readings = [Reading::Count { rows: rows(Filter::default()), phase: Phase::Created }];
        assert_eq!(
            cut.read(&schema, &sources, &readings, &days).await.unwrap()[0].as_ref().unwrap(),
            counts[0].as_ref().unwrap()
        );
    }
}

/// A count is halved until each part stays within the time limit. A distinct count of one day cannot be halved and fails.
#[tokio::test]
async fn a_statement_beyond_its_time_limit_is_bisected_by_time() {
    let calendar = Calendar::utc();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 2));
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    // Every row takes half a millisecond to read, so the 2,000 rows of a day take a second.
    let role = format!("reader_{:x}", fastrand::u64(..));
    let setup = format!(
        "CREATE TABLE slow_rows (at timestamptz, actor bigint);
         CREATE INDEX ON slow_rows (at);
         INSERT INTO slow_rows SELECT '2025-01-01'::timestamptz + n * interval '43.2 seconds', n FROM generate_series(0, 3999) n;
         CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1000000
             AS $$ BEGIN PERFORM pg_sleep(0.0005); RETURN true; END $$;
         CREATE VIEW slow AS SELECT * FROM slow_rows WHERE slowly();
         CREATE ROLE {role} LOGIN; GRANT SELECT ON slow TO {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut connection).await.unwrap();
    let url = url.replace("postgres@", &format!("{role}@"));
    let options = PlatformOptions { statement_timeout: Duration::from_millis(700), ..options(&calendar) };
    let platform = platform::open(&url.parse().unwrap(), options);
    let slow = Source { table: "slow".to_owned(), ..source(TimeFormat::Timestamptz, "UTC", false) };
    let sources = BTreeMap::from([("things".to_owned(), slow)]);
    let schema = platform.inspect().await.unwrap();
    let readings = [
        Reading::Count { rows: rows(Filter::default()), phase: Phase::Existing },
        Reading::Distinct { rows: vec![rows(Filter::default())], column: None, window: Window::Days(1) },
    ];
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &[Tally::Count(2000), Tally::Count(4000)]);
    assert_eq!(answers[1].as_ref().unwrap_err().class, FaultClass::TimedOut);
}

#[tokio::test]
async fn sqlite_statements_have_a_time_limit() {
    let (subject, days, sources) = small(Storage::Sqlite(TimeFormat::IsoUtc)).await;
    let path = subject.platform.location();
    let options =
        PlatformOptions { statement_timeout: Duration::from_millis(50), ..options(&Calendar::utc()) };
    let platform = platform::open(&path.parse().unwrap(), options);
    let schema = platform.inspect().await.unwrap();
    let forever =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS value FROM n";
    let readings = [
        Reading::Query { sql: forever.to_owned(), shape: QueryShape::Value },
        Reading::Count { rows: rows(Filter::default()), phase: Phase::Created },
    ];
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().class, FaultClass::TimedOut);
    assert!(answers[1].is_ok());
}

#[tokio::test]
async fn settings_changed_by_a_sql_metric_do_not_affect_other_readings() {
    for storage in BOTH.into_iter().filter(|storage| matches!(storage, Storage::Postgres(_))) {
        let (subject, days, sources) = small(storage).await;
        let schema = subject.platform.inspect().await.unwrap();
        let count = Reading::Count { rows: rows(Filter::default()), phase: Phase::Created };
        let sql = "SELECT 5 AS value FROM (SELECT set_config('search_path', 'pg_catalog', FALSE), \
                   set_config('TimeZone', 'Asia/Tokyo', FALSE)) AS settings";
        let own = Reading::Query { sql: sql.to_owned(), shape: QueryShape::Value };
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let before = cut
            .read(&schema, &sources, std::slice::from_ref(&count), &days)
            .await
            .unwrap()
            .remove(0)
            .unwrap();
        let mut both = cut.read(&schema, &sources, &[own, count.clone()], &days).await.unwrap();
        assert_eq!(both.remove(1).unwrap(), before);
        assert!(matches!(both.remove(0).unwrap()[0], Tally::Value(_)));
        assert_eq!(cut.read(&schema, &sources, &[count], &days).await.unwrap().remove(0).unwrap(), before);
    }
}

/// A view that raises the error of an unreachable foreign server for its first three queries, and one that raises the error of a
/// lost connection. Advisory locks count the queries, because they survive a rollback.
const FAR: &str = "
    CREATE FUNCTION ask() RETURNS text LANGUAGE plpgsql AS $$
        DECLARE asked integer := (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid());
        BEGIN
            PERFORM pg_advisory_lock(asked);
            IF asked < 3 THEN RAISE 'could not connect to server \"far\"' USING ERRCODE = '08001'; END IF;
            RETURN 'rock';
        END $$;
    CREATE VIEW far AS SELECT at, actor, ask() AS genre FROM things;
    CREATE FUNCTION lose() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            RAISE 'server closed the connection unexpectedly' USING ERRCODE = '08006';
        END $$;
    CREATE VIEW lost AS SELECT at, actor, lose() AS genre FROM things";

/// Only the metrics of that table fail, and not the platform. The error is transient, so it is retried.
#[tokio::test]
async fn an_unreachable_foreign_server_fails_its_own_tables_only() {
    let (subject, days, mut sources) = small(Storage::Postgres(TimeFormat::Timestamptz)).await;
    let url = subject.platform.location();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(FAR).execute(&mut connection).await.unwrap();
    let far = Source { table: "far".to_owned(), ..source(TimeFormat::Timestamptz, "UTC", false) };
    sources.insert("far".to_owned(), far);
    let of_far =
        |phase| Reading::Count { rows: Rows { source: "far".to_owned(), filter: genre_is("rock") }, phase };
    let near = Reading::Count { rows: rows(Filter::default()), phase: Phase::Created };
    let readings = [of_far(Phase::Created), near, of_far(Phase::Existing)];
    for (retries, answered) in [(2, false), (3, true)] {
        let retry = RetryPolicy { retries, initial_delay: Duration::ZERO };
        let options = PlatformOptions { retry, ..options(&Calendar::utc()) };
        let platform = platform::open(&url.parse().unwrap(), options);
        let schema = platform.inspect().await.unwrap();
        let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
        assert!(answers[1].is_ok(), "{answers:?}");
        for far in [&answers[0], &answers[2]] {
            assert_eq!(far.is_ok(), answered, "{far:?}");
            let Err(fault) = far else { continue };
            assert_eq!((fault.class, fault.sqlstate.as_deref()), (FaultClass::Elsewhere, Some("08001")));
            let context = fault.context.as_deref().unwrap();
            assert!(context.contains("PL/pgSQL function ask()"), "{context}");
        }
    }
}

/// The snapshot on the foreign server ended with the connection, so the whole cut must be read again.
#[tokio::test]
async fn a_lost_connection_to_a_foreign_server_ends_the_cut() {
    let (subject, days, mut sources) = small(Storage::Postgres(TimeFormat::Timestamptz)).await;
    let mut connection = sqlx::PgConnection::connect(&subject.platform.location()).await.unwrap();
    sqlx::raw_sql(FAR).execute(&mut connection).await.unwrap();
    let lost = Source { table: "lost".to_owned(), ..source(TimeFormat::Timestamptz, "UTC", false) };
    sources.insert("lost".to_owned(), lost);
    let rows = Rows { source: "lost".to_owned(), filter: genre_is("rock") };
    let schema = subject.platform.inspect().await.unwrap();
    let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
    let reading = Reading::Count { rows, phase: Phase::Created };
    let fault = cut.read(&schema, &sources, &[reading], &days).await.unwrap_err().fault;
    assert_eq!((fault.class, fault.sqlstate.as_deref()), (FaultClass::Unreachable, Some("08006")));
}

/// With `standard_conforming_strings = off`, which old applications need, a backslash begins an escape.
#[tokio::test]
async fn a_backslash_in_a_literal_is_safe_without_standard_conforming_strings() {
    let (subject, days, sources) = small(Storage::Postgres(TimeFormat::Timestamptz)).await;
    let url = subject.platform.location();
    let database = url.rsplit('/').next().unwrap();
    let sql = format!(
        "UPDATE things SET genre = E'\\\\' WHERE genre = 'rock';
         ALTER DATABASE {database} SET standard_conforming_strings = off"
    );
    let count = |genre| Reading::Count { rows: rows(genre_is(genre)), phase: Phase::Existing };
    let schema = subject.platform.inspect().await.unwrap();
    let read = async |readings: &[Reading]| {
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, readings, &days).await.unwrap();
        answers.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let rock = read(&[count("rock")]).await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let none = vec![Tally::Count(0); days.len()];
    assert_eq!(read(&[count("\\"), count("\\' OR TRUE --")]).await, [rock[0].clone(), none.clone()]);
    assert_ne!(rock[0], none);
}
