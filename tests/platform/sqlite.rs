//! SQLite platforms: the snapshot, every kind of table and view, invalid times, and limits of time and size.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use daymark::{
    database::{Deadline, FaultClass},
    metric::{Calendar, DayBounds, Filter, Phase, QueryShape, Reading, Source, Tally, TimeFormat},
    platform::{self, Platform, PlatformOptions, Sources},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::subject::{options, rows, source};

fn days() -> Vec<DayBounds> {
    Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 2))
}

fn reading(phase: Phase) -> [Reading; 1] {
    [Reading::Count { rows: rows(Filter::default()), phase }]
}

async fn made(file: &Path, sql: &str) -> SqliteConnection {
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection
}

fn platform(file: &Path) -> Arc<dyn Platform> {
    platform::open(&format!("sqlite:{}", file.display()).parse().unwrap(), options(&Calendar::utc()))
}

async fn counts(platform: &dyn Platform, table: &str, phase: Phase) -> Vec<i64> {
    let source = Source { table: table.to_owned(), ..source(TimeFormat::IsoUtc, "UTC", false) };
    counts_of(platform, source, phase, &days()).await
}

async fn counts_of(platform: &dyn Platform, source: Source, phase: Phase, days: &[DayBounds]) -> Vec<i64> {
    let sources = Sources::from([("things".to_owned(), source)]);
    let schema = platform.inspect().await.unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let tallies = cut.read(&schema, &sources, &reading(phase), days).await.unwrap().remove(0).unwrap();
    let count = |tally: &Tally| if let Tally::Count(count) = tally { *count } else { panic!("{tally:?}") };
    tallies.iter().map(count).collect()
}

#[tokio::test]
async fn a_cut_does_not_see_what_is_committed_to_the_write_ahead_log_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    let insert = "INSERT INTO things VALUES ('2025-01-01 12:00:00'), ('2025-01-02 12:00:00')";
    let setup = format!("PRAGMA journal_mode = WAL; CREATE TABLE things (at TEXT); {insert}");
    let mut writer = made(&file, &setup).await;
    let platform = platform(&file);
    let sources = Sources::from([("things".to_owned(), source(TimeFormat::IsoUtc, "UTC", false))]);
    let schema = platform.inspect().await.unwrap();
    let readings = reading(Phase::Created);
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(insert).execute(&mut writer).await.unwrap();
        let tallies = cut.read(&schema, &sources, &readings, &days()).await.unwrap().remove(0).unwrap();
        assert_eq!(tallies, [Tally::Count(1), Tally::Count(1)]);
    }
    assert_eq!(counts(platform.as_ref(), "things", Phase::Created).await, [3, 3]);
}

#[tokio::test]
async fn rows_of_every_kind_of_table_and_view_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    let setup = "
        CREATE TABLE things (at TEXT, note TEXT); CREATE INDEX i ON things (at);
        INSERT INTO things VALUES ('2024-11-01', ''), ('2024-12-01 10:00:00', ''), ('2025-01-01 00:00:00', ''),
            ('2025-01-02 23:59:59', ''), ('2025-01-03 00:00:00', ''), (NULL, ''), ('', ''), ('tomorrow', ''), (x'00', '');
        CREATE TABLE keyed (at TEXT PRIMARY KEY, note TEXT) WITHOUT ROWID;
        INSERT OR IGNORE INTO keyed SELECT at, note FROM things WHERE at IS NOT NULL;
        CREATE VIEW seen AS SELECT * FROM things;
        CREATE TABLE shadowed (_rowid_ TEXT, at TEXT); CREATE INDEX j ON shadowed (at);
        INSERT INTO shadowed SELECT 'x', at FROM things;
        CREATE TABLE sparse (id INTEGER PRIMARY KEY, at TEXT); CREATE INDEX k ON sparse (at);
        INSERT INTO sparse SELECT CASE rowid WHEN 1 THEN -9223372036854775808 WHEN 5 THEN 9223372036854775807 ELSE rowid END, at
            FROM things;
        CREATE TABLE void (at TEXT); CREATE INDEX l ON void (at)";
    made(&file, setup).await.close().await.unwrap();
    let platform = platform(&file);
    for table in ["things", "keyed", "seen", "shadowed", "sparse"] {
        assert_eq!(counts(platform.as_ref(), table, Phase::Existing).await, [3, 4], "{table}");
    }
    assert_eq!(counts(platform.as_ref(), "void", Phase::Existing).await, [0, 0]);
}

/// The counts are the same with and without an index, and for a day alone and together with others.
#[tokio::test]
async fn invalid_times_are_counted_on_no_day_in_every_format() {
    let others = "('N/A'), ('11/27/2026'), ('18.11.2026'), ('12026-01-01 00:00:00'), ('1764241200'), (1764241200), ('20250101'),
        ('2024/12/30'), ('2024-12-32'), ('2024-02-30 10:00:00'), ('2024-1-5'), ('12:00'), ('now'), (x'00'), (''), (NULL)";
    let times = |separator| {
        let at = ["2024-12-30 10:00:00", "2024-12-31 23:59:59", "2025-01-01 00:00:00", "2025-01-02 12:00:00"];
        at.map(|at| format!("('{}')", at.replace(' ', separator))).join(", ")
    };
    let days = Calendar::utc().days(date(2024, 12, 31), date(2025, 1, 2));
    for (format, separator) in [
        (TimeFormat::IsoUtc, " "),
        (TimeFormat::IsoUtcT, "T"),
        (TimeFormat::Iso, "T"),
        (TimeFormat::Date, " "),
    ] {
        for (column_type, index) in [
            ("TEXT", "CREATE INDEX i ON things (at);"),
            ("TEXT", ""),
            ("DATETIME", "CREATE INDEX i ON things (at);"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("platform.db");
            let setup = format!(
                "CREATE TABLE things (at {column_type}); {index} INSERT INTO things VALUES {}, {others}",
                times(separator)
            );
            made(&file, &setup).await.close().await.unwrap();
            let platform = platform(&file);
            for (phase, expected) in [(Phase::Created, [1, 1, 1]), (Phase::Existing, [2, 3, 4])] {
                let what = format!("{format:?} {column_type} {index} {phase:?}");
                let source = source(format, "UTC", false);
                assert_eq!(
                    counts_of(platform.as_ref(), source.clone(), phase, &days).await,
                    expected,
                    "{what}"
                );
                for (day, expected) in days.iter().zip(expected) {
                    let alone =
                        counts_of(platform.as_ref(), source.clone(), phase, std::slice::from_ref(day)).await;
                    assert_eq!(alone, [expected], "{what} {}", day.date);
                }
            }
            let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
            let earliest = cut.earliest(&source(format, "UTC", false)).await.unwrap().unwrap();
            assert_eq!(earliest.to_string()[..10], *"2024-12-30", "{format:?}");
        }
    }
}

/// The day begins within the hour that occurs twice in the zone of the column, and most rows are in that hour.
#[tokio::test]
async fn no_row_is_read_twice_where_clocks_are_set_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    let setup = "
        CREATE TABLE things (at TEXT); CREATE INDEX i ON things (at);
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 639)
        INSERT INTO things SELECT CASE WHEN i < 60 THEN '2025-03-01 10:00:00' WHEN i < 210 THEN '2025-04-06 02:10:00'
            ELSE '2025-04-06 02:30:00' END FROM n";
    made(&file, setup).await.close().await.unwrap();
    let days = Calendar::new("Asia/Singapore").unwrap().days(date(2025, 4, 6), date(2025, 4, 6));
    let source = source(TimeFormat::IsoUtc, "Australia/Sydney", false);
    assert_eq!(counts_of(platform(&file).as_ref(), source, Phase::Existing, &days).await, [640]);
}

/// `instr` compares a needle with every position of a huge value. That is one step of SQLite's virtual machine and takes many
/// seconds.
#[tokio::test]
async fn a_sqlite_step_that_cannot_be_interrupted_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    made(&file, "CREATE TABLE things (at TEXT)").await.close().await.unwrap();
    let options =
        PlatformOptions { statement_timeout: Duration::from_millis(200), ..options(&Calendar::utc()) };
    let platform = platform::open(&format!("sqlite:{}", file.display()).parse().unwrap(), options);
    let query = "SELECT instr(zeroblob(3000000), zeroblob(1500000) || x'01') AS value";
    let readings = [Reading::Query { sql: query.to_owned(), shape: QueryShape::Value }];
    let schema = platform.inspect().await.unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let started = Instant::now();
    let answers = cut.read(&schema, &Sources::new(), &readings, &days()[..1]).await.unwrap();
    let fault = answers[0].as_ref().unwrap_err();
    assert_eq!(fault.class, FaultClass::TimedOut, "{fault}");
    assert!(fault.message.contains("cannot interrupt a single step"), "{fault}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// By default SQLite allows values of 1,000,000,000 bytes, and may need twice as much memory to make one.
#[tokio::test]
async fn a_value_of_more_than_128_mib_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    made(&file, "CREATE TABLE things (at TEXT)").await.close().await.unwrap();
    let platform = platform(&file);
    let queries = ["length(hex(zeroblob(100000000)))", "length(zeroblob(1000000000))"];
    let reading =
        |value: &str| Reading::Query { sql: format!("SELECT {value} AS value"), shape: QueryShape::Value };
    let schema = platform.inspect().await.unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    for query in queries {
        let answers = cut.read(&schema, &Sources::new(), &[reading(query)], &days()[..1]).await.unwrap();
        let fault = answers[0].as_ref().expect_err(query);
        assert!(
            fault.message.contains("too big") || fault.message.contains("out of memory"),
            "{query}: {fault}"
        );
    }
    let answers =
        cut.read(&schema, &Sources::new(), &[reading("length(zeroblob(100000000))")], &days()[..1]).await;
    assert!(answers.unwrap()[0].is_ok());
}
