//! What the platform layer reads is compared, row for row, with a naive count over the same rows in Rust: for every
//! time format, with and without an index, in time zones with days of every length.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use daymark::{
    database::{DatabaseUrl, FaultClass, RetryPolicy},
    metric::{
        Calendar, Condition, DayBounds, Decimal, Filter, Literal, Moments, Phase, QueryShape, Reading, Rows,
        Source, Tally, Test, TimeFormat, TopLabels,
    },
    platform::{self, ColumnType, DetectedFormat, Platform, PlatformOptions, Sources},
};
use jiff::{Timestamp, civil::date, tz::TimeZone};
use sqlx::{AssertSqlSafe, Connection};

/// One row of the table `things`, in Rust.
#[derive(Debug, Clone)]
struct Thing {
    at: Timestamp,
    gone: Option<Timestamp>,
    actor: Option<i64>,
    genre: Option<String>,
    seconds: Option<i64>,
}

/// Rows around every edge of the given days, to the microsecond, and many in between.
fn things(days: &[DayBounds], seed: u64) -> Vec<Thing> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (first, last) = (days[0].start.as_microsecond(), days[days.len() - 1].end.as_microsecond());
    let mut instants: Vec<i64> =
        (0..400).map(|_| random.i64(first - 40 * 86_400_000_000..last + 86_400_000_000)).collect();
    for day in days {
        for edge in [day.start, day.end] {
            instants
                .extend([-1_000_000, -400, -1, 0, 1, 1_000_000].map(|offset| edge.as_microsecond() + offset));
        }
    }
    let genres = ["rock", "jazz", "other", "it's; --"];
    instants
        .into_iter()
        .map(|at| Thing {
            at: Timestamp::from_microsecond(at).unwrap(),
            // Some rows are gone before they came: they never exist.
            gone: (random.u8(..) < 90).then(|| {
                Timestamp::from_microsecond(at + random.i64(-86_400_000_000..200_000_000_000)).unwrap()
            }),
            actor: (random.u8(..) < 240).then(|| random.i64(1..40)),
            genre: (random.u8(..) < 230).then(|| genres[random.usize(..genres.len())].to_owned()),
            seconds: (random.u8(..) < 230).then(|| random.i64(-5..400)),
        })
        .collect()
}

/// How the table stores times, and in what sort of database.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Storage {
    Postgres(TimeFormat),
    Sqlite(TimeFormat),
}

struct Subject {
    platform: std::sync::Arc<dyn Platform>,
    source: Source,
    _file: tempfile::TempDir,
}

/// What a table can hold of an instant: SQLite's unix formats are coarser than microseconds.
fn stored(format: TimeFormat, instant: Timestamp) -> Timestamp {
    match format {
        TimeFormat::UnixSeconds => {
            Timestamp::from_second(instant.as_microsecond().div_euclid(1_000_000)).unwrap()
        }
        TimeFormat::UnixMillis => {
            Timestamp::from_millisecond(instant.as_microsecond().div_euclid(1000)).unwrap()
        }
        _ => instant,
    }
}

fn written(format: TimeFormat, zone: &TimeZone, instant: Timestamp, random: &mut fastrand::Rng) -> String {
    let text = |format: &str, zone: &TimeZone| instant.to_zoned(zone.clone()).strftime(format).to_string();
    match format {
        TimeFormat::UnixSeconds => stored(format, instant).as_second().to_string(),
        TimeFormat::UnixMillis => stored(format, instant).as_millisecond().to_string(),
        TimeFormat::Timestamptz => format!("'{}+00'", text("%Y-%m-%d %H:%M:%S%.6f", &TimeZone::UTC)),
        TimeFormat::Timestamp | TimeFormat::IsoUtc => format!("'{}'", text("%Y-%m-%d %H:%M:%S%.6f", zone)),
        TimeFormat::IsoUtcT => format!("'{}Z'", text("%Y-%m-%dT%H:%M:%S%.6f", &TimeZone::UTC)),
        TimeFormat::Date => format!("'{}'", text("%Y-%m-%d", zone)),
        TimeFormat::Iso => {
            let (utc, kolkata) = (TimeZone::UTC, TimeZone::get("Asia/Kolkata").unwrap());
            let (format, zone) = *random
                .choice(&[
                    ("'%Y-%m-%dT%H:%M:%S%.fZ'", &utc),
                    ("'%Y-%m-%d %H:%M:%S%.6f'", &utc),
                    ("'%Y-%m-%dT%H:%M:%S%.6f%:z'", &kolkata),
                ])
                .unwrap();
            text(format, zone)
        }
    }
}

fn options(calendar: &Calendar) -> PlatformOptions {
    PlatformOptions {
        calendar: calendar.clone(),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
    }
}

fn source(format: TimeFormat, zone: &str, soft_delete: bool) -> Source {
    Source {
        schema: None,
        table: "things".to_owned(),
        time_column: "at".to_owned(),
        time_format: format,
        time_zone: zone.to_owned(),
        deleted_column: soft_delete.then(|| "gone".to_owned()),
        actor_column: Some("actor".to_owned()),
        filter: Filter::default(),
    }
}

async fn subject(
    storage: Storage,
    zone: &str,
    calendar: &Calendar,
    things: &[Thing],
    indexed: bool,
    soft: bool,
) -> Subject {
    let file = tempfile::tempdir().unwrap();
    let (url, format, time_type) = match storage {
        Storage::Postgres(format) => (
            support::fresh_database().await,
            format,
            match format {
                TimeFormat::Timestamptz => "timestamptz",
                TimeFormat::Timestamp => "timestamp",
                TimeFormat::Date => "date",
                _ => "bigint",
            },
        ),
        Storage::Sqlite(format) => {
            let time_type = if matches!(format, TimeFormat::UnixSeconds | TimeFormat::UnixMillis) {
                "INTEGER"
            } else {
                "TEXT"
            };
            (format!("sqlite:{}", file.path().join("platform.db").display()), format, time_type)
        }
    };
    let time_zone = TimeZone::get(zone).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let rows: Vec<_> = things
        .iter()
        .map(|thing| {
            let or_null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
            let mut time = |instant| written(format, &time_zone, instant, &mut random);
            format!(
                "({}, {}, {}, {}, {})",
                time(thing.at),
                or_null(thing.gone.map(&mut time)),
                or_null(thing.actor.map(|actor| actor.to_string())),
                or_null(thing.genre.as_ref().map(|genre| format!("'{}'", genre.replace('\'', "''")))),
                or_null(thing.seconds.map(|seconds| seconds.to_string())),
            )
        })
        .collect();
    let index = if indexed { "CREATE INDEX things_at ON things (at);" } else { "" };
    let sql = format!(
        "CREATE TABLE things (at {time_type}, gone {time_type}, actor bigint, genre text, seconds integer); {index}
         INSERT INTO things VALUES {};",
        rows.join(", ")
    );
    match storage {
        Storage::Postgres(_) => {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
        Storage::Sqlite(_) => {
            let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
    let platform = platform::open(&url.parse::<DatabaseUrl>().unwrap(), options(calendar));
    Subject { platform, source: source(format, zone, soft), _file: file }
}

fn rows(filter: Filter) -> Rows {
    Rows { source: "things".to_owned(), filter }
}

fn genre_is(genre: &str) -> Filter {
    Filter(vec![Condition {
        column: "genre".to_owned(),
        test: Test::Equals(Literal::Text(genre.to_owned())),
    }])
}

fn seconds_at_least(least: i64) -> Filter {
    Filter(vec![Condition {
        column: "seconds".to_owned(),
        test: Test::AtLeast(Literal::Number(least.into())),
    }])
}

fn readings() -> Vec<Reading> {
    let mut readings = vec![
        Reading::Distinct { rows: vec![rows(Filter::default())], window_days: 1 },
        Reading::Distinct { rows: vec![rows(Filter::default())], window_days: 3 },
        Reading::Distinct { rows: vec![rows(genre_is("rock")), rows(genre_is("jazz"))], window_days: 30 },
        Reading::Moments { rows: rows(genre_is("jazz")), column: "seconds".to_owned() },
    ];
    for phase in [Phase::Created, Phase::Existing] {
        for filter in [Filter::default(), genre_is("rock"), genre_is("it's; --"), seconds_at_least(100)] {
            readings.push(Reading::Count { rows: rows(filter), phase });
        }
        readings.push(Reading::Labels {
            rows: rows(seconds_at_least(0)),
            column: "genre".to_owned(),
            phase,
            top: 2,
        });
    }
    readings
}

/// Enough filters that the planner counts by facets first.
fn many_readings() -> Vec<Reading> {
    let filters = (0..24).map(|step| seconds_at_least(step * 17));
    let filters = filters.chain(["rock", "jazz", "other"].map(genre_is));
    filters
        .flat_map(|filter| {
            [
                Reading::Count { rows: rows(filter.clone()), phase: Phase::Created },
                Reading::Count { rows: rows(filter.clone()), phase: Phase::Existing },
                Reading::Moments { rows: rows(filter), column: "seconds".to_owned() },
            ]
        })
        .collect()
}

/// The naive answer.
struct Oracle<'a> {
    things: &'a [Thing],
    format: TimeFormat,
    zone: TimeZone,
    soft: bool,
}

impl Oracle<'_> {
    fn passes(thing: &Thing, filter: &Filter) -> bool {
        filter.0.iter().all(|condition| match &condition.test {
            Test::Equals(Literal::Text(genre)) => thing.genre.as_ref() == Some(genre),
            Test::AtLeast(Literal::Number(least)) => {
                thing.seconds.is_some_and(|seconds| Decimal::from(seconds) >= *least)
            }
            other => panic!("the oracle does not know {other:?}"),
        })
    }

    fn before(&self, instant: Timestamp, edge: Timestamp, edge_date: jiff::civil::Date) -> bool {
        match self.format {
            TimeFormat::Date => instant.to_zoned(self.zone.clone()).date() < edge_date,
            _ => stored(self.format, instant) < edge,
        }
    }

    fn ended(&self, instant: Timestamp, day: &DayBounds) -> bool {
        self.before(instant, day.end, day.date.tomorrow().unwrap())
    }

    fn created(&self, thing: &Thing, day: &DayBounds) -> bool {
        !self.before(thing.at, day.start, day.date) && self.ended(thing.at, day)
    }

    fn existing(&self, thing: &Thing, day: &DayBounds) -> bool {
        self.ended(thing.at, day) && !(self.soft && thing.gone.is_some_and(|gone| self.ended(gone, day)))
    }

    fn answer(&self, reading: &Reading, day: &DayBounds, calendar: &Calendar) -> Tally {
        let in_phase = |thing: &&Thing, phase: Phase| match phase {
            Phase::Created => self.created(thing, day),
            Phase::Existing => self.existing(thing, day),
        };
        match reading {
            Reading::Count { rows, phase } => {
                let count = self
                    .things
                    .iter()
                    .filter(|thing| in_phase(thing, *phase) && Self::passes(thing, &rows.filter));
                Tally::Count(count.count() as i64)
            }
            Reading::Moments { rows, .. } => {
                let values = self
                    .things
                    .iter()
                    .filter(|thing| self.created(thing, day) && Self::passes(thing, &rows.filter));
                let sum = values.filter_map(|thing| thing.seconds).fold(Moments::zero(), |sum, x| {
                    sum.add(&Moments { count: 1, sum: x.into(), sum_of_squares: (x * x).into() })
                });
                Tally::Moments(sum)
            }
            Reading::Labels { rows, phase, top, .. } => {
                let mut counts: HashMap<Option<String>, i64> = HashMap::new();
                for thing in self
                    .things
                    .iter()
                    .filter(|thing| in_phase(thing, *phase) && Self::passes(thing, &rows.filter))
                {
                    *counts.entry(thing.genre.clone()).or_default() += 1;
                }
                let unlabelled = counts.remove(&None).unwrap_or_default();
                let named = counts.into_iter().map(|(label, count)| (label.unwrap(), Decimal::from(count)));
                Tally::Labels(TopLabels::select(named, unlabelled.into(), *top))
            }
            Reading::Distinct { rows, window_days } => {
                let first = day.date.saturating_sub(jiff::Span::new().days(i64::from(*window_days) - 1));
                let window = calendar.days(first, day.date);
                // A date column may hold a date that the zone skipped; it lies in the window all the same.
                let in_window = |thing: &&Thing| match self.format {
                    TimeFormat::Date => !self.before(thing.at, day.start, first) && self.ended(thing.at, day),
                    _ => window.iter().any(|day| self.created(thing, day)),
                };
                let actors: BTreeSet<i64> = self
                    .things
                    .iter()
                    .filter(in_window)
                    .filter(|thing| rows.iter().any(|rows| Self::passes(thing, &rows.filter)))
                    .filter_map(|thing| thing.actor)
                    .collect();
                Tally::Count(actors.len() as i64)
            }
            Reading::Query { .. } => panic!("the oracle has no SQL"),
        }
    }
}

/// Reads all at once and day by day, and compares both with the oracle.
async fn compare(
    storage: Storage,
    column_zone: &str,
    zone: &str,
    from: jiff::civil::Date,
    to: jiff::civil::Date,
) {
    let calendar = Calendar::new(zone).unwrap();
    let days = calendar.days(from, to);
    let (Storage::Postgres(format) | Storage::Sqlite(format)) = storage;
    let mut things = things(&days, 42);
    if format == TimeFormat::Date {
        // A date column names reporting days, and a skipped date is none.
        let zone = TimeZone::get(column_zone).unwrap();
        let happened = |instant: Timestamp| calendar.bounds(instant.to_zoned(zone.clone()).date()).is_some();
        things.retain(|thing| happened(thing.at) && thing.gone.is_none_or(happened));
    }
    for (indexed, soft) in [(true, false), (false, true), (true, true), (false, false)] {
        let subject = subject(storage, column_zone, &calendar, &things, indexed, soft).await;
        let sources: Sources = BTreeMap::from([("things".to_owned(), subject.source.clone())]);
        let schema = subject.platform.inspect().await.unwrap();
        assert_eq!(schema.table(None, "things").unwrap().column("at").unwrap().indexed, indexed);
        let mut cut = subject.platform.open_cut().await.unwrap();
        let oracle = Oracle { things: &things, format, zone: TimeZone::get(column_zone).unwrap(), soft };
        for readings in [readings(), many_readings()] {
            let together = cut.read(&schema, &sources, &readings, &days).await.unwrap();
            for (reading, answer) in readings.iter().zip(&together) {
                let expected: Vec<_> =
                    days.iter().map(|day| oracle.answer(reading, day, &calendar)).collect();
                assert_eq!(
                    answer.as_ref().unwrap(),
                    &expected,
                    "{storage:?} {zone} indexed {indexed} soft {soft} {reading:?}"
                );
            }
            for (index, day) in days.iter().enumerate() {
                let alone = cut.read(&schema, &sources, &readings, std::slice::from_ref(day)).await.unwrap();
                for (reading, (alone, together)) in readings.iter().zip(alone.iter().zip(&together)) {
                    assert_eq!(
                        alone.as_ref().unwrap()[0],
                        together.as_ref().unwrap()[index],
                        "{storage:?} {zone} {} {reading:?}",
                        day.date
                    );
                }
            }
        }
        let earliest = cut.earliest(&subject.source).await.unwrap().unwrap();
        let first = things.iter().map(|thing| thing.at).min().unwrap();
        let apart = earliest.duration_since(first).as_secs().abs();
        assert!(
            apart <= if format == TimeFormat::Date { 50 * 3600 } else { 1 },
            "{storage:?}: {earliest} is not {first}"
        );
    }
}

type YearMonthDay = (i16, i8, i8);

/// Zones and ranges with days of 23, 24, 24.5, 25 and no hours.
const RANGES: [(&str, YearMonthDay, YearMonthDay); 6] = [
    ("Europe/Berlin", (2025, 3, 28), (2025, 4, 1)),
    ("Europe/Berlin", (2025, 10, 24), (2025, 10, 28)),
    ("America/Los_Angeles", (2025, 11, 1), (2025, 11, 4)),
    ("Asia/Kolkata", (2025, 1, 1), (2025, 1, 3)),
    ("Australia/Lord_Howe", (2025, 4, 4), (2025, 4, 8)),
    ("Pacific/Apia", (2011, 12, 28), (2012, 1, 2)),
];

async fn compare_everywhere(storage: Storage) {
    for (zone, from, to) in RANGES {
        compare(storage, "UTC", zone, date(from.0, from.1, from.2), date(to.0, to.1, to.2)).await;
    }
}

macro_rules! formats {
    ($($name:ident: $storage:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            compare_everywhere($storage).await;
        }
    )*};
}

formats! {
    postgres_timestamptz_is_right_to_the_row: Storage::Postgres(TimeFormat::Timestamptz);
    postgres_timestamp_is_right_to_the_row: Storage::Postgres(TimeFormat::Timestamp);
    postgres_date_is_right_to_the_row: Storage::Postgres(TimeFormat::Date);
    postgres_unix_millis_is_right_to_the_row: Storage::Postgres(TimeFormat::UnixMillis);
    sqlite_iso_is_right_to_the_row: Storage::Sqlite(TimeFormat::Iso);
    sqlite_iso_utc_is_right_to_the_row: Storage::Sqlite(TimeFormat::IsoUtc);
    sqlite_iso_utc_t_is_right_to_the_row: Storage::Sqlite(TimeFormat::IsoUtcT);
    sqlite_date_is_right_to_the_row: Storage::Sqlite(TimeFormat::Date);
    sqlite_unix_seconds_is_right_to_the_row: Storage::Sqlite(TimeFormat::UnixSeconds);
    sqlite_unix_millis_is_right_to_the_row: Storage::Sqlite(TimeFormat::UnixMillis);
}

/// A column in local time is read in its own zone; here it is the reporting zone's too, across both changes of the year.
#[tokio::test]
async fn a_timestamp_in_local_time_is_read_in_its_zone() {
    compare(
        Storage::Postgres(TimeFormat::Timestamp),
        "Asia/Kolkata",
        "Europe/Berlin",
        date(2025, 3, 28),
        date(2025, 4, 1),
    )
    .await;
    compare(
        Storage::Sqlite(TimeFormat::IsoUtc),
        "Asia/Kolkata",
        "Asia/Kolkata",
        date(2025, 3, 28),
        date(2025, 4, 1),
    )
    .await;
}

async fn small(storage: Storage) -> (Subject, Vec<DayBounds>, Sources) {
    let calendar = Calendar::utc();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 3));
    let subject = subject(storage, "UTC", &calendar, &things(&days, 7), true, false).await;
    let sources = BTreeMap::from([("things".to_owned(), subject.source.clone())]);
    (subject, days, sources)
}

const BOTH: [Storage; 2] = [Storage::Postgres(TimeFormat::Timestamptz), Storage::Sqlite(TimeFormat::IsoUtc)];

#[tokio::test]
async fn one_bad_reading_does_not_take_the_others_with_it() {
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
            },
        ];
        let mut cut = subject.platform.open_cut().await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        // SQLite reads an unknown "name" as a text where it may, so what is wrong differs; that it is wrong does not.
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
        let mut cut = subject.platform.open_cut().await.unwrap();
        let before = cut.read(&schema, &sources, &readings, &days).await.unwrap().remove(0).unwrap();
        let url = subject.platform.location();
        match storage {
            Storage::Postgres(_) => {
                let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("DELETE FROM things").execute(&mut connection).await.unwrap();
            }
            Storage::Sqlite(_) => {
                // A reader of a SQLite file in its default journal mode holds writers off: that is its snapshot.
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("PRAGMA busy_timeout = 1").execute(&mut connection).await.unwrap();
                assert!(sqlx::raw_sql("DELETE FROM things").execute(&mut connection).await.is_err());
            }
        }
        assert_eq!(cut.read(&schema, &sources, &readings, &days).await.unwrap().remove(0).unwrap(), before);
    }
}

#[tokio::test]
async fn a_query_of_ones_own_is_read_by_its_column_names() {
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
                QueryShape::Labels { top: 1 },
            ),
            query("SELECT 3 AS numerator, 12345678901234567890.125 AS denominator", QueryShape::Ratio),
            query("SELECT NULL AS value", QueryShape::Value),
            query("SELECT 1 AS wrong_name", QueryShape::Value),
            query("SELECT 1 AS value UNION ALL SELECT 2", QueryShape::Value),
            query("SELECT 1 AS value) AS x; DROP TABLE things; --", QueryShape::Value),
            query("DELETE FROM things RETURNING 1 AS value", QueryShape::Value),
            query("SELECT 2.5 AS value, 4 AS sample_size, 0.5 AS std_deviation", QueryShape::Average),
        ];
        let mut cut = subject.platform.open_cut().await.unwrap();
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
        // Nothing that was tried had an effect, and the cut is still good.
        let readings = [Reading::Count { rows: rows(Filter::default()), phase: Phase::Created }];
        assert_eq!(
            cut.read(&schema, &sources, &readings, &days).await.unwrap()[0].as_ref().unwrap(),
            counts[0].as_ref().unwrap()
        );
    }
}

/// A statement that takes too long is cut in two by time until its pieces are quick enough.
#[tokio::test]
async fn what_takes_too_long_is_split_by_time_where_it_adds_up() {
    let calendar = Calendar::utc();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 2));
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    // Every row of the view takes half a millisecond to read: 2,000 rows a day, so a whole day takes a second.
    let role = format!("reader_{:x}", fastrand::u64(..));
    let setup = format!(
        "CREATE TABLE slow (at timestamptz, actor bigint);
         CREATE INDEX ON slow (at);
         INSERT INTO slow SELECT '2025-01-01'::timestamptz + n * interval '43.2 seconds', n FROM generate_series(0, 3999) n;
         CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1000000
             AS $$ BEGIN PERFORM pg_sleep(0.0005); RETURN true; END $$;
         ALTER TABLE slow ENABLE ROW LEVEL SECURITY;
         CREATE POLICY slowly ON slow USING (slowly());
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
        Reading::Distinct { rows: vec![rows(Filter::default())], window_days: 1 },
    ];
    let mut cut = platform.open_cut().await.unwrap();
    let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &[Tally::Count(2000), Tally::Count(4000)]);
    assert_eq!(answers[1].as_ref().unwrap_err().class, FaultClass::TimedOut);
}

#[tokio::test]
async fn sqlite_statements_have_a_time_limit_too() {
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
    let mut cut = platform.open_cut().await.unwrap();
    let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().class, FaultClass::TimedOut);
    assert!(answers[1].is_ok());
}

/// A domain of a domain is read as the type that it is made of in the end, index and all.
#[tokio::test]
async fn nested_domains_are_seen_through() {
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
    let answers = platform.open_cut().await.unwrap().read(&schema, &sources, &readings, &days).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap(), &[Tally::Count(0), Tally::Count(1)]);
}

#[tokio::test]
async fn nan_is_refused() {
    let (subject, days, sources) = small(Storage::Postgres(TimeFormat::Timestamptz)).await;
    let schema = subject.platform.inspect().await.unwrap();
    let readings =
        [Reading::Query { sql: "SELECT 'NaN'::numeric AS value".to_owned(), shape: QueryShape::Value }];
    let answers =
        subject.platform.open_cut().await.unwrap().read(&schema, &sources, &readings, &days).await.unwrap();
    assert!(answers[0].as_ref().unwrap_err().message.contains("`NaN` is not a finite"));
}

#[tokio::test]
async fn a_column_of_times_tells_its_format() {
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
        let told = DetectedFormat { format: Some(format), has_null: false };
        assert_eq!(formats.get(&column), Some(&told));
        let genre = ("things".to_owned(), "genre".to_owned());
        assert!(subject.platform.detect_time_formats(&[genre]).await.unwrap().is_empty());
        let mut connection = sqlx::SqliteConnection::connect(&subject.platform.location()).await.unwrap();
        sqlx::raw_sql("INSERT INTO things (actor) VALUES (1)").execute(&mut connection).await.unwrap();
        let formats = subject.platform.detect_time_formats(std::slice::from_ref(&column)).await.unwrap();
        assert_eq!(formats.get(&column), Some(&DetectedFormat { has_null: true, ..told }));
    }
}

/// What is no time is in no day, whether the column is read by ranges or by one scan.
#[tokio::test]
async fn rows_whose_time_is_no_time_are_in_no_day() {
    let calendar = Calendar::new("Europe/Berlin").unwrap();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 3));
    for format in [TimeFormat::Iso, TimeFormat::IsoUtc] {
        for index in ["", "CREATE INDEX things_at ON things (at);"] {
            let file = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", file.path().join("platform.db").display());
            let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
            let sql = format!(
                "CREATE TABLE things (at TEXT, actor INTEGER, genre TEXT); {index}
                 INSERT INTO things (at) VALUES (NULL), (''), ('0000-00-00 00:00:00'), ('yesterday'), ('9999-99-99 00:00:00'),
                     ('2024-12-31 12:00:00'), ('2025-01-02 12:00:00');"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            let platform = platform::open(&url.parse().unwrap(), options(&calendar));
            let sources = BTreeMap::from([("things".to_owned(), source(format, "UTC", false))]);
            let schema = platform.inspect().await.unwrap();
            let readings = [Phase::Created, Phase::Existing]
                .map(|phase| Reading::Count { rows: rows(Filter::default()), phase });
            let mut cut = platform.open_cut().await.unwrap();
            let counts =
                |tallies: &Result<Vec<Tally>, daymark::database::Fault>| tallies.as_ref().unwrap().clone();
            let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
            assert_eq!(counts(&answers[0]), [0, 1, 0].map(Tally::Count), "{format:?} {index}");
            assert_eq!(counts(&answers[1]), [1, 2, 2].map(Tally::Count), "{format:?} {index}");
            let alone = cut.read(&schema, &sources, &readings, &days[1..2]).await.unwrap();
            assert_eq!(
                (counts(&alone[0]), counts(&alone[1])),
                (vec![Tally::Count(1)], vec![Tally::Count(2)])
            );
        }
    }
}

/// A SQLite platform of one table `things (at, gone, label, x)` with rows of 2025-01-01, and everything read of that day.
async fn of_one_day(
    table: &str,
    rows_sql: &str,
    readings: &[Reading],
) -> Vec<Result<Vec<Tally>, daymark::database::Fault>> {
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", file.path().join("platform.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let sql = format!("CREATE TABLE things ({table}); INSERT INTO things VALUES {rows_sql};");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let calendar = Calendar::utc();
    let platform = platform::open(&url.parse().unwrap(), options(&calendar));
    let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::IsoUtc, "UTC", false))]);
    let schema = platform.inspect().await.unwrap();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 1));
    platform.open_cut().await.unwrap().read(&schema, &sources, readings, &days).await.unwrap()
}

async fn moments_of(values: &[&str]) -> Result<Vec<Tally>, daymark::database::Fault> {
    let rows_sql: Vec<_> = values.iter().map(|value| format!("('2025-01-01 12:00:00', {value})")).collect();
    let reading = Reading::Moments { rows: rows(Filter::default()), column: "x".to_owned() };
    of_one_day("at TEXT, x NUMERIC", &rows_sql.join(", "), &[reading]).await.remove(0)
}

#[tokio::test]
async fn sqlite_squares_neither_overflow_nor_cancel_out() {
    // A thousand files of about 100 MB: the sum of their squares is beyond 64 bits.
    let large: Vec<String> = (0..1000).map(|n| (100_000_000 + n * 1000).to_string()).collect();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    let Tally::Moments(moments) = moments_of(&large).await.unwrap().remove(0) else { panic!() };
    assert_eq!(moments.mean().unwrap().to_string(), "100499500");
    assert!(
        moments.std_deviation().unwrap().to_string().starts_with("288819.4"),
        "{:?}",
        moments.std_deviation()
    );
    // Small differences between large floats.
    let Tally::Moments(moments) =
        moments_of(&["50000000.25", "50000000.5", "50000000.75"]).await.unwrap().remove(0)
    else {
        panic!()
    };
    assert_eq!(
        (moments.mean().unwrap().to_string(), moments.std_deviation().unwrap().to_string()),
        ("50000000.5".to_owned(), "0.25".to_owned())
    );
}

#[tokio::test]
async fn sqlite_text_is_no_number_and_infinity_is_refused() {
    let Tally::Moments(moments) = moments_of(&["10", "'n/a'", "''", "NULL"]).await.unwrap().remove(0) else {
        panic!()
    };
    assert_eq!((moments.count, moments.mean().unwrap()), (1, Decimal::from(10)));
    assert!(moments_of(&["1", "9e999"]).await.unwrap_err().message.contains("Infinity"));
}

#[tokio::test]
async fn labels_are_exact_bounded_and_may_be_blobs() {
    let reading = Reading::Labels {
        rows: rows(Filter::default()),
        column: "label".to_owned(),
        phase: Phase::Created,
        top: 9,
    };
    let long = "x".repeat(5000);
    let rows_sql = ["'rock'", "'Rock'", "'rock'", "x'00ff'", &format!("'{long}'")]
        .map(|label| format!("('2025-01-01 12:00:00', {label})"));
    let tallies =
        of_one_day("at TEXT, label TEXT COLLATE NOCASE", &rows_sql.join(", "), &[reading]).await.remove(0);
    let Tally::Labels(labels) = &tallies.unwrap()[0] else { panic!() };
    let named: Vec<_> = labels.top.iter().map(|(label, count)| (label.as_str(), count.to_string())).collect();
    let expected = [("rock", "2"), ("00FF", "1"), ("Rock", "1"), (&long[..200], "1")];
    assert_eq!(named, expected.map(|(label, count)| (label, count.to_owned())));
}

/// Read together, rows are counted by what the filters can tell apart; read alone, by each filter. Values are of every
/// type, in columns of every affinity and with a collation.
#[tokio::test]
async fn sqlite_counts_by_many_filters_what_it_counts_by_each() {
    let values = ["'a'", "'A'", "'b'", "'1'", "1", "1.0", "0", "2.5", "-3", "''", "x'61'", "NULL"];
    let rows_sql: Vec<_> = values
        .iter()
        .flat_map(|x| values.map(|y| format!("('2025-01-01 12:00:00', {x}, {y}, {y}, {x})")))
        .collect();
    let columns = "at TEXT, folded TEXT COLLATE NOCASE, number NUMERIC, anything, seconds INTEGER";
    let text = |text: &str| Literal::Text(text.to_owned());
    let number = |text: &str| Literal::Number(text.parse().unwrap());
    let tests = [
        Test::Equals(text("a")),
        Test::Equals(number("1")),
        Test::Equals(Literal::Boolean(false)),
        Test::NotEquals(text("A")),
        Test::In(vec![text("b"), number("2.5")]),
        Test::NotIn(vec![text("1"), text("a")]),
        Test::LessThan(number("1")),
        Test::AtMost(number("1")),
        Test::GreaterThan(text("a")),
        Test::AtLeast(text("b")),
        Test::IsNull(true),
        Test::IsNull(false),
    ];
    let all = [("folded", "number"), ("number", "anything"), ("anything", "folded")];
    for (first, second) in all {
        let condition =
            |column: &str, test: &Test| Condition { column: column.to_owned(), test: test.clone() };
        let pairs = tests.iter().zip(tests.iter().cycle().skip(5));
        let filters = pairs.map(|(x, y)| Filter(vec![condition(first, x), condition(second, y)]));
        let ones = tests.iter().map(|test| Filter(vec![condition(first, test)]));
        let readings: Vec<_> = filters
            .chain(ones)
            .flat_map(|filter| {
                [
                    Reading::Count { rows: rows(filter.clone()), phase: Phase::Existing },
                    Reading::Moments { rows: rows(filter), column: "seconds".to_owned() },
                ]
            })
            .collect();
        let together = of_one_day(columns, &rows_sql.join(", "), &readings).await;
        for (reading, tallies) in readings.iter().zip(together) {
            let alone = of_one_day(columns, &rows_sql.join(", "), std::slice::from_ref(reading)).await;
            assert_eq!(tallies.unwrap(), alone.into_iter().next().unwrap().unwrap(), "{reading:?}");
        }
    }
}

/// A role may be allowed to see only some columns; those that are used are enough.
#[tokio::test]
async fn columns_that_no_metric_uses_need_no_permission() {
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
        },
    ];
    let genres = ["a", "b", "c", "d", "e", "f", "g", "h"];
    readings
        .extend(genres.map(|genre| Reading::Count { rows: rows(genre_is(genre)), phase: Phase::Created }));
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 3));
    for answer in platform.open_cut().await.unwrap().read(&schema, &sources, &readings, &days).await.unwrap()
    {
        assert_eq!(answer.unwrap().len(), 3);
    }
}
