//! A platform with the table `things`, whose rows are around the edges of days, in every time format.

use std::{collections::BTreeMap, time::Duration};

use daymark::{
    database::{DatabaseUrl, RetryPolicy},
    metric::{Calendar, Condition, DayBounds, Filter, Literal, Rows, Source, Test, TimeFormat},
    platform::{self, Platform, PlatformOptions, Sources},
};
use jiff::{Timestamp, civil::date, tz::TimeZone};
use sqlx::{AssertSqlSafe, Connection};

use crate::support;

/// One row of the table `things`, in Rust.
#[derive(Debug, Clone)]
pub struct Thing {
    pub at: Timestamp,
    pub gone: Option<Timestamp>,
    pub actor: Option<i64>,
    pub genre: Option<String>,
    pub seconds: Option<i64>,
}

/// Rows around every edge of the given days, down to a microsecond, and 400 random ones.
pub fn things(days: &[DayBounds], seed: u64) -> Vec<Thing> {
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
            // Some rows are deleted before they are created, so they never exist.
            gone: (random.u8(..) < 90).then(|| {
                Timestamp::from_microsecond(at + random.i64(-86_400_000_000..200_000_000_000)).unwrap()
            }),
            // Some actors are there all the time, others come once or a few times.
            actor: (random.u8(..) < 240)
                .then(|| if random.bool() { random.i64(1..40) } else { random.i64(40..300) }),
            genre: (random.u8(..) < 230).then(|| genres[random.usize(..genres.len())].to_owned()),
            seconds: (random.u8(..) < 230).then(|| random.i64(-5..400)),
        })
        .collect()
}

/// The kind of database, and how the table stores times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Storage {
    Postgres(TimeFormat),
    Sqlite(TimeFormat),
}

pub struct Subject {
    pub platform: std::sync::Arc<dyn Platform>,
    pub source: Source,
    _file: tempfile::TempDir,
}

/// An instant as the table stores it. The unix formats are coarser than microseconds.
pub fn stored(format: TimeFormat, instant: Timestamp) -> Timestamp {
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

pub fn options(calendar: &Calendar) -> PlatformOptions {
    PlatformOptions {
        calendar: calendar.clone(),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        assume_fresh: Vec::new(),
    }
}

pub fn source(format: TimeFormat, zone: &str, soft_delete: bool) -> Source {
    Source {
        schema: None,
        table: "things".to_owned(),
        query: None,
        joined: Vec::new(),
        time_column: "at".to_owned(),
        time_format: format,
        time_zone: zone.to_owned(),
        deleted_column: soft_delete.then(|| "gone".to_owned()),
        actor_column: Some("actor".to_owned()),
        filter: Filter::default(),
    }
}

pub async fn subject(
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

pub fn rows(filter: Filter) -> Rows {
    Rows { source: "things".to_owned(), filter }
}

pub fn genre_is(genre: &str) -> Filter {
    Filter(vec![Condition {
        column: "genre".to_owned(),
        test: Test::Equals(Literal::Text(genre.to_owned())),
    }])
}

pub fn seconds_at_least(least: i64) -> Filter {
    Filter(vec![Condition {
        column: "seconds".to_owned(),
        test: Test::AtLeast(Literal::Number(least.into())),
    }])
}

pub async fn small(storage: Storage) -> (Subject, Vec<DayBounds>, Sources) {
    let calendar = Calendar::utc();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 3));
    let subject = subject(storage, "UTC", &calendar, &things(&days, 7), true, false).await;
    let sources = BTreeMap::from([("things".to_owned(), subject.source.clone())]);
    (subject, days, sources)
}

pub const BOTH: [Storage; 2] =
    [Storage::Postgres(TimeFormat::Timestamptz), Storage::Sqlite(TimeFormat::IsoUtc)];
