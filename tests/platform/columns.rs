//! Columns: their types and time formats, values that are not times, and the privileges on them.

use std::collections::BTreeMap;

use daymark::{
    database::Deadline,
    metric::{
        Calendar, Condition, Filter, LabelAggregate, Literal, Phase, Reading, Rows, Source, Tally, Test,
        TimeFormat, Window,
    },
    platform::{self, ColumnType, DetectedFormat},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection};

use crate::{
    subject::{Storage, genre_is, options, rows, small, source},
    support,
};

/// A column of a domain over a domain has the base type, and its index counts.
#[tokio::test]
async fn nested_domains_are_resolved_to_their_base_types() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let setup = "CREATE DOMAIN instant AS timestamptz; CREATE DOMAIN creation AS instant NOT NULL;
         CREATE DOMAIN label AS varchar(20); CREATE DOMAIN genre AS label; CREATE DOMAIN jazz AS genre;
         CREATE TABLE things (at creation, actor bigint, genre jazz); CREATE INDEX ON things (at);
         INSERT INTO things VALUES ('2025-01-01 12:00Z', 1, 'bebop'), ('2025-01-02 12:00Z', 1, 'swing')";
    sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();
    let calendar = Calendar::utc();
    let platform = platform::open(&url.parse().unwrap(), options(&calendar));
    let schema = platform.inspect().await.unwrap();
    let things = schema.table(None, "things").unwrap();
    let (at, genre) = (things.column("at").unwrap(), things.column("genre").unwrap());
    assert_eq!((at.column_type, at.indexed), (ColumnType::Timestamptz, true));
    assert_eq!(
        (at.type_name.as_str(), genre.type_name.as_str()),
        ("timestamp with time zone", "character varying")
    );
    assert_eq!(genre.column_type, ColumnType::Text);

    let swing =
        Condition { column: "genre".to_owned(), test: Test::Equals(Literal::Text("swing".to_owned())) };
    let readings = [Reading::Count { rows: rows(Filter(vec![swing])), phase: Phase::Existing }];
    let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::Timestamptz, "UTC", false))]);
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 2));
    let answers = platform
        .open_cut(Deadline::none())
        .await
        .unwrap()
        .read(&schema, &sources, &readings, &days)
        .await
        .unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &[Tally::Count(0), Tally::Count(1)]);
}

/// A column that is an enumeration is known as one, whatever its name is.
#[tokio::test]
async fn enumerations_are_distinguished_from_other_types() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let setup = "CREATE TYPE mood AS ENUM ('calm', 'angry'); CREATE DOMAIN feeling AS mood;
        CREATE TABLE things (a mood, b feeling, c jsonb, d mood[])";
    sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();
    let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
    let schema = platform.inspect().await.unwrap();
    let types = schema.table(None, "things").unwrap().columns.iter().map(|column| column.column_type);
    let expected = [ColumnType::Enumeration, ColumnType::Enumeration, ColumnType::Other, ColumnType::Other];
    assert_eq!(types.collect::<Vec<_>>(), expected);
}

/// Numbers of seconds and milliseconds since 1970, to the last digit before the edge of a day.
#[tokio::test]
async fn times_that_are_numbers_may_have_a_fraction() {
    let calendar = Calendar::new("Europe/Berlin").unwrap();
    let days = calendar.days(date(2025, 3, 29), date(2025, 3, 31));
    for (column_type, format) in [
        ("numeric", TimeFormat::UnixSeconds),
        ("double precision", TimeFormat::UnixSeconds),
        ("numeric", TimeFormat::UnixMillis),
        ("double precision", TimeFormat::UnixMillis),
    ] {
        let times = days.iter().flat_map(|day| [day.start, day.end]).flat_map(|edge| {
            [-1, 0, 1].map(|quarters| match format {
                TimeFormat::UnixSeconds => format!("({} + 0.25 * {quarters})", edge.as_second()),
                _ => format!("({} + 0.25 * {quarters})", edge.as_millisecond()),
            })
        });
        let times: Vec<_> = times.collect();
        for index in ["", "CREATE INDEX ON things (at);"] {
            let url = support::fresh_database().await;
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            let setup = format!(
                "CREATE TABLE things (at {column_type}, actor bigint); {index} INSERT INTO things (at) VALUES {}",
                times.join(", ")
            );
            sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut connection).await.unwrap();
            let platform = platform::open(&url.parse().unwrap(), options(&calendar));
            let schema = platform.inspect().await.unwrap();
            let sources = BTreeMap::from([("things".to_owned(), source(format, "UTC", false))]);
            let readings = [Reading::Count { rows: rows(Filter::default()), phase: Phase::Created }];
            let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
            let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
            // An edge between two days is there twice, each time with a row before it, one on it and one behind it.
            let expected = [Tally::Count(4), Tally::Count(6), Tally::Count(5)];
            assert_eq!(answers[0].as_ref().unwrap(), &expected, "{column_type} {format:?} {index}");
        }
    }
}

/// Numbers that are times in another unit or since another year, or in two units, are no times that a format could read.
#[tokio::test]
async fn numbers_that_are_no_unix_times_are_not_taken_for_them() {
    let second = |i: i64| 1_764_241_200 - 60 * i;
    let columns: [(&str, Vec<i64>, Option<DetectedFormat>); 8] = [
        ("seconds", (0..100).map(second).collect(), of_numbers(TimeFormat::UnixSeconds)),
        ("millis", (0..100).map(|i| second(i) * 1000 + 7).collect(), of_numbers(TimeFormat::UnixMillis)),
        // Some rows have a far future for "never", and some 0 for "not yet".
        (
            "never",
            (0..100).map(|i| [second(i), second(i), 253_402_300_799, 0][i as usize % 4]).collect(),
            of_numbers(TimeFormat::UnixSeconds).map(|found| DetectedFormat { is_doubtful: true, ..found }),
        ),
        ("micros", (0..100).map(|i| second(i) * 1_000_000).collect(), of_no_format()),
        ("julian", (0..100).map(|i| 2_461_000 - i).collect(), of_no_format()),
        ("since_2001", (0..100).map(|i| second(i) - 978_307_200).collect(), of_no_format()),
        // One value in a hundred may be a mistake of the platform.
        (
            "one_in_millis",
            (0..100).map(|i| if i < 1 { second(i) * 1000 } else { second(i) }).collect(),
            of_numbers(TimeFormat::UnixSeconds),
        ),
        ("in_two_units", (0..100).map(|i| if i < 5 { second(i) * 1000 } else { second(i) }).collect(), None),
    ];
    let mut sql = format!(
        "CREATE TABLE things ({});",
        columns.iter().map(|(name, ..)| format!("{name} bigint NOT NULL")).collect::<Vec<_>>().join(", ")
    );
    for row in 0..100 {
        let values: Vec<_> = columns.iter().map(|(_, values, _)| values[row].to_string()).collect();
        sql += &format!("INSERT INTO things VALUES ({});", values.join(", "));
    }
    let file = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", file.path().join("platform.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{sqlite}?mode=rwc")).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap();
    let postgres = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&postgres).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    for url in [&sqlite, &postgres] {
        let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
        for (name, _, expected) in &columns {
            let column = ("things".to_owned(), (*name).to_owned());
            let detected = platform.detect_time_formats(std::slice::from_ref(&column)).await.unwrap();
            assert_eq!(detected.get(&column), expected.as_ref(), "{name} {url}");
        }
    }
}

fn of_numbers(format: TimeFormat) -> Option<DetectedFormat> {
    Some(DetectedFormat { format: Some(format), ..DetectedFormat::default() })
}

fn of_no_format() -> Option<DetectedFormat> {
    Some(DetectedFormat { out_of_range: true, is_doubtful: true, ..DetectedFormat::default() })
}

#[tokio::test]
async fn time_formats_are_detected_from_values() {
    for format in [
        TimeFormat::Iso,
        TimeFormat::IsoUtc,
        TimeFormat::IsoUtcT,
        TimeFormat::Date,
        TimeFormat::UnixSeconds,
        TimeFormat::UnixMillis,
    ] {
        let (subject, ..) = small(Storage::Sqlite(format)).await;
        let column = ("things".to_owned(), "at".to_owned());
        let formats = subject.platform.detect_time_formats(std::slice::from_ref(&column)).await.unwrap();
        let detected = DetectedFormat { format: Some(format), ..DetectedFormat::default() };
        assert_eq!(formats.get(&column), Some(&detected));
        let genre = ("things".to_owned(), "genre".to_owned());
        assert!(subject.platform.detect_time_formats(&[genre]).await.unwrap().is_empty());
        let mut connection = sqlx::SqliteConnection::connect(&subject.platform.location()).await.unwrap();
        sqlx::raw_sql("INSERT INTO things (actor) VALUES (1)").execute(&mut connection).await.unwrap();
        let formats = subject.platform.detect_time_formats(std::slice::from_ref(&column)).await.unwrap();
        assert_eq!(formats.get(&column), Some(&DetectedFormat { has_null: true, ..detected }));
    }
}

/// The sample of a column does not grow with the table. It includes the first, last, smallest and largest values.
#[tokio::test]
async fn the_time_format_of_a_large_column_is_detected_from_a_sample() {
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", file.path().join("platform.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let sql = "
        CREATE TABLE things (id INTEGER PRIMARY KEY, plain TEXT, late TEXT, least TEXT, holes TEXT);
        CREATE INDEX i ON things (least); CREATE INDEX j ON things (holes);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO things SELECT i, datetime(i * 60, 'unixepoch'),
            datetime(i * 60, 'unixepoch') || iif(i = 20000, '+01:00', ''), iif(i = 7777, '11/27/2026', datetime(i * 60, 'unixepoch')),
            iif(i = 7777, NULL, datetime(i * 60, 'unixepoch')) FROM n;
        CREATE TABLE keyed (plain TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO keyed SELECT plain FROM things;
        CREATE VIEW seen AS SELECT plain FROM things";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
    let columns = [
        ("things", "plain"),
        ("things", "late"),
        ("things", "least"),
        ("things", "holes"),
        ("keyed", "plain"),
        ("seen", "plain"),
    ]
    .map(|(table, column)| (table.to_owned(), column.to_owned()));
    let formats = platform.detect_time_formats(&columns).await.unwrap();
    let of = |index: usize| formats.get(&columns[index]).copied();
    let utc = DetectedFormat { format: Some(TimeFormat::IsoUtc), ..DetectedFormat::default() };
    assert_eq!(of(0), Some(utc));
    assert_eq!(
        of(1),
        Some(DetectedFormat { format: Some(TimeFormat::Iso), ..utc }),
        "the last row has an offset"
    );
    assert_eq!(of(2), None, "the smallest value has another format");
    assert_eq!(of(3), Some(DetectedFormat { has_null: true, ..utc }));
    assert_eq!((of(4), of(5)), (Some(utc), Some(utc)));
}

/// A range of times never includes NULL, so both databases use an index `WHERE at IS NOT NULL` for it.
#[tokio::test]
async fn a_partial_index_without_nulls_counts_as_an_index() {
    let sql = "CREATE TABLE things (at TEXT, other TEXT);
        CREATE INDEX whole ON things (at) WHERE at IS NOT NULL; CREATE INDEX part ON things (other) WHERE at IS NOT NULL";
    let file = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", file.path().join("platform.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{sqlite}?mode=rwc")).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let postgres = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&postgres).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    for url in [sqlite, postgres] {
        let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
        let schema = platform.inspect().await.unwrap();
        let table = schema.table(None, "things").unwrap();
        let indexed = ["at", "other"].map(|column| table.column(column).unwrap().indexed);
        assert_eq!(indexed, [true, false], "{url}");
    }
}

/// SQLite allows dropping a table that views read. The views then fail when they are queried.
#[tokio::test]
async fn a_broken_view_does_not_hide_other_tables() {
    let (subject, ..) = small(Storage::Sqlite(TimeFormat::IsoUtc)).await;
    let before = subject.platform.inspect().await.unwrap();
    let mut connection = sqlx::SqliteConnection::connect(&subject.platform.location()).await.unwrap();
    let sql = "CREATE TABLE gone (at TEXT); CREATE VIEW a_view AS SELECT at FROM gone;
         CREATE VIEW z_view AS SELECT at FROM things; DROP TABLE gone";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let schema = subject.platform.inspect().await.unwrap();
    assert_eq!(schema.table(None, "things"), before.table(None, "things"));
    assert_eq!(schema.table(None, "a_view").unwrap().columns, []);
    assert_eq!(schema.table(None, "z_view").unwrap().columns.len(), 1);
}

/// SQLite reads times without seconds and offsets with a colon, but no other variant of ISO 8601.
#[tokio::test]
async fn a_text_is_a_time_if_sqlite_can_read_it() {
    let (subject, days, sources) = small(Storage::Sqlite(TimeFormat::Iso)).await;
    let mut connection = sqlx::SqliteConnection::connect(&subject.platform.location()).await.unwrap();
    let column = [("things".to_owned(), "at".to_owned())];
    let readable =
        "DELETE FROM things; INSERT INTO things (at) VALUES ('2025-01-02T00:30+01:00'), ('2025-01-02 00:30'),
         ('2025-01-02T10:00Z'), ('2025-01-02T10:00:00.123456789+05:30'), ('2025-01-03')";
    sqlx::raw_sql(readable).execute(&mut connection).await.unwrap();
    let detected = subject.platform.detect_time_formats(&column).await.unwrap();
    assert_eq!(
        detected[&column[0]],
        DetectedFormat { format: Some(TimeFormat::Iso), ..DetectedFormat::default() }
    );
    for unreadable in ["10:00:00+0100", "10:00:00+01", "10:00:00 UTC", "10:00:00,5Z", "10", "later"] {
        let sql = format!(
            "DELETE FROM things WHERE actor = 1; INSERT INTO things (at, actor) VALUES ('2025-01-02T{unreadable}', 1)"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        assert!(subject.platform.detect_time_formats(&column).await.unwrap().is_empty(), "{unreadable}");
    }
    let schema = subject.platform.inspect().await.unwrap();
    let readings = [Reading::Count { rows: rows(Filter::default()), phase: Phase::Created }];
    let answers = subject
        .platform
        .open_cut(Deadline::none())
        .await
        .unwrap()
        .read(&schema, &sources, &readings, &days)
        .await
        .unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &[1, 3, 1].map(Tally::Count));
}

/// Texts that sort among those of ISO 8601, or that SQLite reads as a time of another format, belong to no day. `existing`
/// counts exactly the rows that `created` counts on some day.
#[tokio::test]
async fn texts_that_are_not_iso_8601_are_counted_on_no_day() {
    let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 3));
    for index in ["", "CREATE INDEX things_at ON things (at);"] {
        let file = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", file.path().join("platform.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        let sql = format!(
            "CREATE TABLE things (at, gone TEXT, actor INTEGER, genre TEXT); {index}
             INSERT INTO things (at) VALUES ('12026-01-01T00:00:00Z'), ('1764241200'), (1764241200), ('11/27/2026'),
                 ('18.11.2026'), ('1999999'), ('2024-13-01T10:00:00Z'), ('2025-01-02T25:00:00Z'), ('10:00:00'), ('1'),
                 (x'323032352d30312d3032'), ('2024-12-30T10:00:00Z'), ('2025-01-02 10:00:00+01:00')"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
        let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::Iso, "UTC", false))]);
        let schema = platform.inspect().await.unwrap();
        let readings = [Phase::Created, Phase::Existing]
            .map(|phase| Reading::Count { rows: rows(Filter::default()), phase });
        let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
        assert_eq!(answers[0].as_ref().unwrap(), &[0, 1, 0].map(Tally::Count), "{index}");
        assert_eq!(answers[1].as_ref().unwrap(), &[1, 2, 2].map(Tally::Count), "{index}");
        let alone = cut.read(&schema, &sources, &readings, &days[1..2]).await.unwrap();
        assert_eq!(alone[0].as_ref().unwrap(), &[Tally::Count(1)], "{index}");
        assert_eq!(alone[1].as_ref().unwrap(), &[Tally::Count(2)], "{index}");
    }
}

/// A row with an invalid time belongs to no day, whether an index or a scan reads the column, and whether the row was deleted or
/// not. A row with an invalid time of deletion is not deleted.
#[tokio::test]
async fn rows_with_an_invalid_time_are_counted_on_no_day() {
    let calendar = Calendar::new("Europe/Berlin").unwrap();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 3));
    let formats = [(TimeFormat::Iso, " 12:00:00"), (TimeFormat::IsoUtc, " 12:00:00"), (TimeFormat::Date, "")];
    for ((format, time), soft) in formats.into_iter().flat_map(|format| [(format, false), (format, true)]) {
        for index in ["", "CREATE INDEX things_at ON things (at);"] {
            let file = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", file.path().join("platform.db").display());
            let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
            let gone = format!("'2025-01-02{time}'");
            let sql = format!(
                "CREATE TABLE things (at TEXT, gone TEXT, actor INTEGER, genre TEXT); {index}
                 INSERT INTO things (at, gone) VALUES (NULL, {gone}), ('', {gone}), ('0000-00-00{time}', {gone}),
                     ('yesterday', {gone}), ('9999-99-99{time}', {gone}),
                     ('2024-12-31{time}', ''), ('2025-01-02{time}', '0000-00-00{time}'), ('2025-01-02{time}', 'never');"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            let platform = platform::open(&url.parse().unwrap(), options(&calendar));
            let sources = BTreeMap::from([("things".to_owned(), source(format, "UTC", soft))]);
            let schema = platform.inspect().await.unwrap();
            let readings = [Phase::Created, Phase::Existing]
                .map(|phase| Reading::Count { rows: rows(Filter::default()), phase });
            let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
            let counts =
                |tallies: &Result<Vec<Tally>, daymark::database::Fault>| tallies.as_ref().unwrap().clone();
            let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
            let place = format!("{format:?} {soft} {index}");
            assert_eq!(counts(&answers[0]), [0, 2, 0].map(Tally::Count), "{place}");
            assert_eq!(counts(&answers[1]), [1, 3, 3].map(Tally::Count), "{place}");
            let alone = cut.read(&schema, &sources, &readings, &days[1..2]).await.unwrap();
            let both = (counts(&alone[0]), counts(&alone[1]));
            assert_eq!(both, (vec![Tally::Count(2)], vec![Tally::Count(3)]), "{place}");
        }
    }
}

/// Platforms that store times as numbers use 0 instead of NULL for rows that are not deleted. The zeros do not affect which unit
/// is detected from the other values.
#[tokio::test]
async fn a_zero_in_the_deleted_column_means_not_deleted() {
    let calendar = Calendar::utc();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 2));
    for (format, unit) in [(TimeFormat::UnixSeconds, 1), (TimeFormat::UnixMillis, 1000)] {
        // 2025-01-01 12:00 and a day later.
        let [came, went] = [1_735_732_800_i64, 1_735_819_200].map(|second| second * unit);
        let sql = format!(
            "CREATE TABLE things (at bigint, gone bigint NOT NULL, actor integer, genre text);
             INSERT INTO things (at, gone) VALUES ({came}, 0), ({came}, {went}), ({came}, 0);"
        );
        let file = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:{}", file.path().join("platform.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&format!("{sqlite}?mode=rwc")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap();
        let postgres = support::fresh_database().await;
        let mut connection = sqlx::PgConnection::connect(&postgres).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        for url in [&sqlite, &postgres] {
            let platform = platform::open(&url.parse().unwrap(), options(&calendar));
            let sources = BTreeMap::from([("things".to_owned(), source(format, "UTC", true))]);
            let schema = platform.inspect().await.unwrap();
            let existing = Reading::Count { rows: rows(Filter::default()), phase: Phase::Existing };
            let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
            let answers = cut.read(&schema, &sources, &[existing], &days).await.unwrap();
            assert_eq!(answers[0].as_ref().unwrap(), &[3, 2].map(Tally::Count), "{format:?} {url}");
        }
        let platform = platform::open(&sqlite.parse().unwrap(), options(&calendar));
        let gone = ("things".to_owned(), "gone".to_owned());
        let detected = platform.detect_time_formats(std::slice::from_ref(&gone)).await.unwrap();
        assert_eq!(detected[&gone], DetectedFormat { format: Some(format), ..DetectedFormat::default() });
        let mut connection = sqlx::SqliteConnection::connect(&sqlite).await.unwrap();
        sqlx::raw_sql("UPDATE things SET gone = 0").execute(&mut connection).await.unwrap();
        let detected = platform.detect_time_formats(std::slice::from_ref(&gone)).await.unwrap();
        assert_eq!(detected[&gone].format, None, "zeros do not show the unit");
    }
}

/// A role may have SELECT on some columns only. SELECT on the columns that metrics use is enough.
#[tokio::test]
async fn select_on_the_used_columns_is_enough() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let role = format!("reader_{:x}", fastrand::u64(..));
    let setup = format!(
        "CREATE TABLE things (at timestamptz, genre text, secret text);
         INSERT INTO things VALUES ('2025-01-01 12:00+00', 'rock', 'x'), ('2025-01-02 12:00+00', 'jazz', 'y');
         CREATE ROLE {role} LOGIN; GRANT SELECT (at, genre) ON things TO {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut connection).await.unwrap();
    let calendar = Calendar::utc();
    let platform =
        platform::open(&url.replace("postgres@", &format!("{role}@")).parse().unwrap(), options(&calendar));
    let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::Timestamptz, "UTC", false))]);
    let schema = platform.inspect().await.unwrap();
    let mut readings = vec![
        Reading::Count { rows: rows(genre_is("rock")), phase: Phase::Existing },
        Reading::Labels {
            rows: rows(Filter::default()),
            column: "genre".to_owned(),
            phase: Phase::Existing,
            top: 3,
            aggregate: LabelAggregate::Rows,
        },
    ];
    let genres = ["a", "b", "c", "d", "e", "f", "g", "h"];
    readings
        .extend(genres.map(|genre| Reading::Count { rows: rows(genre_is(genre)), phase: Phase::Created }));
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 3));
    for answer in platform
        .open_cut(Deadline::none())
        .await
        .unwrap()
        .read(&schema, &sources, &readings, &days)
        .await
        .unwrap()
    {
        assert_eq!(answer.unwrap().len(), 3);
    }
}

/// In Santiago clocks jumped from midnight to one o'clock on 8 September 2024. A date that is stored as a time has that midnight
/// nevertheless.
#[tokio::test]
async fn a_midnight_skipped_by_the_clocks_belongs_to_its_own_date() {
    let times = ["07 23:59:59", "08 00:00:00", "08 00:30:00", "08 01:00:00", "09 00:00:00"];
    let values = times.map(|time| format!("('2024-09-{time}')")).join(", ");
    let calendar = Calendar::new("America/Santiago").unwrap();
    let days = calendar.days(date(2024, 9, 7), date(2024, 9, 9));
    let readings = [Reading::Count { rows: rows(Filter::default()), phase: Phase::Created }];
    for index in ["", "CREATE INDEX things_at ON things (at);"] {
        let filled = |time_type| {
            format!("CREATE TABLE things (at {time_type}); {index} INSERT INTO things VALUES {values}")
        };
        let file = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:{}", file.path().join("platform.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&format!("{sqlite}?mode=rwc")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(filled("text"))).execute(&mut connection).await.unwrap();
        let postgres = support::fresh_database().await;
        let mut connection = sqlx::PgConnection::connect(&postgres).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(filled("timestamp"))).execute(&mut connection).await.unwrap();
        for (url, format) in [(sqlite, TimeFormat::IsoUtc), (postgres, TimeFormat::Timestamp)] {
            let platform = platform::open(&url.parse().unwrap(), options(&calendar));
            let sources = BTreeMap::from([("things".to_owned(), source(format, calendar.name(), false))]);
            let schema = platform.inspect().await.unwrap();
            let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
            let together = cut.read(&schema, &sources, &readings, &days).await.unwrap();
            assert_eq!(together[0].as_ref().unwrap(), &[1, 3, 1].map(Tally::Count), "{url} {index}");
            let alone = cut.read(&schema, &sources, &readings, &days[1..2]).await.unwrap();
            assert_eq!(alone[0].as_ref().unwrap(), &[Tally::Count(3)], "{url} {index}");
        }
    }
}

/// The digits of `numeric(10,0)` and `numeric(12,2)` are of the type, and not of the id.
#[tokio::test]
async fn ids_of_other_digits_are_the_same_actor_on_postgres() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let setup = "CREATE TABLE posts (at timestamptz NOT NULL, actor numeric(10,0));
         CREATE TABLE plays (at timestamptz NOT NULL, actor numeric(12,2));
         INSERT INTO posts VALUES ('2025-01-01 12:00Z', 42), ('2025-01-01 13:00Z', 43);
         INSERT INTO plays VALUES ('2025-01-01 14:00Z', 42)";
    sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();
    let calendar = Calendar::utc();
    let platform = platform::open(&url.parse().unwrap(), options(&calendar));
    let of = |table: &str| {
        let source = source(TimeFormat::Timestamptz, "UTC", false);
        (table.to_owned(), Source { table: table.to_owned(), ..source })
    };
    let sources = BTreeMap::from([of("posts"), of("plays")]);
    let rows = ["posts", "plays"].map(|source| Rows { source: source.to_owned(), filter: Filter::default() });
    let reading = Reading::Distinct { rows: rows.into(), column: None, window: Window::Days(1) };
    let schema = platform.inspect().await.unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 1));
    let answers = cut.read(&schema, &sources, &[reading], &days).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &[Tally::Count(2)]);
}
