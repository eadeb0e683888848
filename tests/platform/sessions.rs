//! SQLite read by several sessions at once: one snapshot, whatever is committed meanwhile, and the same numbers whatever
//! the table is.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use daymark::{
    metric::{Calendar, DayBounds, Filter, Phase, Reading, Source, Tally, TimeFormat},
    platform::{self, Parallel, Platform, PlatformOptions, Sources},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::subject::{options, rows, source};

/// How many cuts are opened while somebody writes.
const CUTS: usize = 60;

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

fn platform(file: &Path, sessions: usize) -> Arc<dyn Platform> {
    let parallel = Parallel { sessions, min_rows: 0 };
    let options = PlatformOptions { parallel, ..options(&Calendar::utc()) };
    platform::open(&format!("sqlite:{}", file.display()).parse().unwrap(), options)
}

async fn counts(platform: &dyn Platform, table: &str, phase: Phase) -> Vec<i64> {
    let source = Source { table: table.to_owned(), ..source(TimeFormat::IsoUtc, "UTC", false) };
    counts_of(platform, source, phase, &days()).await
}

async fn counts_of(platform: &dyn Platform, source: Source, phase: Phase, days: &[DayBounds]) -> Vec<i64> {
    let sources = Sources::from([("things".to_owned(), source)]);
    let schema = platform.inspect().await.unwrap();
    let mut cut = platform.open_cut().await.unwrap();
    let tallies = cut.read(&schema, &sources, &reading(phase), days).await.unwrap().remove(0).unwrap();
    let count = |tally: &Tally| if let Tally::Count(count) = tally { *count } else { panic!("{tally:?}") };
    tallies.iter().map(count).collect()
}

/// Every commit adds a row to either day, and each day is read by a session of its own.
#[tokio::test]
async fn sessions_of_a_cut_agree_whatever_is_committed_while_they_begin() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    let pair = "INSERT INTO things VALUES ('2025-01-01 12:00:00'), ('2025-01-02 12:00:00')";
    let mut writer = made(
        &file,
        &format!("PRAGMA journal_mode = WAL; CREATE TABLE things (at TEXT); CREATE INDEX i ON things (at); {pair}; {pair}"),
    )
    .await;
    let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writing = tokio::spawn({
        let (stop, commits) = (Arc::clone(&stop), Arc::clone(&commits));
        async move {
            sqlx::raw_sql("PRAGMA synchronous = OFF").execute(&mut writer).await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                sqlx::raw_sql(pair).execute(&mut writer).await.unwrap();
                commits.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let platform = platform(&file, 2);
    for _ in 0..CUTS {
        let counts = counts(platform.as_ref(), "things", Phase::Created).await;
        assert_eq!(counts[0], counts[1], "the sessions hold different states");
    }
    let during = commits.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    assert!(during > CUTS, "only {during} commits");
}

#[tokio::test]
async fn a_table_that_cannot_be_read_in_parts_is_read_as_a_whole() {
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
    for sessions in 1..=4 {
        let platform = platform(&file, sessions);
        for table in ["things", "keyed", "seen", "shadowed", "sparse"] {
            let counted = counts(platform.as_ref(), table, Phase::Existing).await;
            assert_eq!(counted, [3, 4], "{table}, {sessions} sessions");
        }
        assert_eq!(counts(platform.as_ref(), "void", Phase::Existing).await, [0, 0]);
    }
}

/// The day begins within the hour that comes twice where the rows are from, and most rows are of that hour.
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
    for sessions in 1..=4 {
        let source = source(TimeFormat::IsoUtc, "Australia/Sydney", false);
        let platform = platform(&file, sessions);
        let counted = counts_of(platform.as_ref(), source, Phase::Existing, &days).await;
        assert_eq!(counted, [640], "{sessions} sessions");
    }
}

#[tokio::test]
async fn what_is_no_time_counts_the_same_however_many_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    let setup = "
        CREATE TABLE things (at TEXT); CREATE INDEX i ON things (at);
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
        INSERT INTO things SELECT date('2024-03-01', i || ' days') || CASE i % 3 WHEN 1 THEN 'T99:00:00Z' ELSE 'T10:00:00+02:00' END
            FROM n";
    made(&file, setup).await.close().await.unwrap();
    let mut counted = Vec::new();
    for sessions in 1..=4 {
        let source = source(TimeFormat::Iso, "UTC", false);
        counted.push(counts_of(platform(&file, sessions).as_ref(), source, Phase::Existing, &days()).await);
    }
    assert!(counted.windows(2).all(|pair| pair[0] == pair[1]), "{counted:?}");
}

/// `.cargo/config.toml` says how SQLite is compiled, and why.
#[tokio::test]
async fn sessions_have_no_lock_in_common() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = made(&directory.path().join("any.db"), "SELECT 1").await;
    let options: Vec<String> =
        sqlx::query_scalar("PRAGMA compile_options").fetch_all(&mut connection).await.unwrap();
    assert!(
        options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0" || option == "OMIT_MEMSTATUS"),
        "{options:?}"
    );
    assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}
