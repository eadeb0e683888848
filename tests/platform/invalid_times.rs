//! SQLite columns of times hold whatever was written into them. Every reading of a table with rows whose time is no time is the
//! same as of the table without these rows; a time of deletion that is none deletes nothing.

use std::{path::Path, sync::Arc};

use daymark::{
    database::Deadline,
    metric::{
        Calendar, DayBounds, Filter, LabelAggregate, Phase, Quantile, Reading, Rows, Tally, TimeFormat,
        Window,
    },
    platform::{self, Platform, Sources},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::subject::{options, rows, source};

/// Values that are a time in no format, as SQL. Some of them sort between the days that are read.
const OF_NO_FORMAT: &[&str] = &[
    "NULL",
    "''",
    "' '",
    "'garbage'",
    "'N/A'",
    "'now'",
    "'12:00'",
    "x'00'",
    "x'323032352d30312d3031'",
    "'2024-13-45'",
    "'2024-12-32'",
    "'2025-01-00'",
    "'2025-01-1'",
    "'2025-01-1 10:00:00'",
    "'2025-02-30 10:00:00'",
    "'11/27/2026'",
    "'12025-01-01 00:00:00'",
    "'0000-00-00 00:00:00'",
    "9e999",
];
/// Numbers are no times where times are texts, neither by themselves nor as texts.
const NUMBERS: &[&str] =
    &["0", "'0'", "1735732800", "'1735732800'", "1735732800000", "20250101", "'20250101'", "2460677.5"];
/// Texts are no times where times are numbers, unless the column makes numbers of them.
const TEXTS: &[&str] = &["'2025-01-01'", "'2025-01-01 10:00:00'", "'2025-01-01T10:00:00Z'"];

/// Times on and around the days that are read.
const TIMES: &[&str] = &[
    "2024-12-29 08:00:00",
    "2024-12-30 23:59:59",
    "2024-12-31 00:00:00",
    "2024-12-31 23:59:59",
    "2025-01-01 00:00:00",
    "2025-01-01 12:00:00",
    "2025-01-02 12:00:00",
    "2025-01-03 00:00:00",
];

fn is_number(format: TimeFormat) -> bool {
    matches!(format, TimeFormat::UnixSeconds | TimeFormat::UnixMillis)
}

fn invalid(format: TimeFormat) -> Vec<&'static str> {
    [OF_NO_FORMAT, if is_number(format) { TEXTS } else { NUMBERS }].concat()
}

fn written(format: TimeFormat, time: &str) -> String {
    let seconds = time.parse::<jiff::civil::DateTime>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let seconds = seconds.timestamp().as_second();
    match format {
        TimeFormat::UnixSeconds => seconds.to_string(),
        TimeFormat::UnixMillis => (seconds * 1000).to_string(),
        TimeFormat::Date => format!("'{}'", &time[..10]),
        TimeFormat::IsoUtcT => format!("'{}'", time.replace(' ', "T")),
        _ => format!("'{time}'"),
    }
}

/// Rows that are in the table with and without invalid times, and those that are in the one with invalid times only. Each of
/// the latter has an actor, a genre and a number that no other row has.
fn table(format: TimeFormat, column_type: &str, is_indexed: bool, with_invalid: bool) -> String {
    let mut rows = Vec::new();
    for (index, time) in TIMES.iter().enumerate() {
        let at = written(format, time);
        rows.push(format!("({at}, NULL, {index}, 'rock', {index})"));
        rows.push(format!("({at}, {}, {index}, 'jazz', {index})", written(format, "2025-01-01 18:00:00")));
        let gone = if with_invalid { invalid(format) } else { vec!["NULL"; invalid(format).len()] };
        rows.extend(gone.iter().map(|gone| format!("({at}, {gone}, 50, 'folk', 1)")));
    }
    if with_invalid {
        let gone = written(format, "2025-01-01 18:00:00");
        for (index, at) in invalid(format).iter().enumerate() {
            rows.push(format!("({at}, NULL, {}, 'invalid {index}', 1000)", 100 + index));
            rows.push(format!("({at}, {gone}, {}, 'invalid {index}', 1000)", 200 + index));
        }
    }
    let index = if is_indexed { "CREATE INDEX things_at ON things (at);" } else { "" };
    format!(
        "CREATE TABLE things (at {column_type}, gone {column_type}, actor INTEGER, genre TEXT, seconds INTEGER);
         {index} INSERT INTO things VALUES {};",
        rows.join(", ")
    )
}

async fn platform(file: &Path, sql: String) -> Arc<dyn Platform> {
    let mut connection =
        SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", file.display())).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    platform::open(&format!("sqlite:{}", file.display()).parse().unwrap(), options(&Calendar::utc()))
}

/// Every kind of reading but a query of the user's own.
fn readings() -> Vec<Reading> {
    let all = || rows(Filter::default());
    let other = || Rows { source: "others".to_owned(), filter: Filter::default() };
    let seconds = || "seconds".to_owned();
    let mut readings = vec![
        Reading::Moments { rows: all(), column: seconds() },
        Reading::Extremes { rows: all(), column: seconds() },
    ];
    for window_days in [1, 2, 30] {
        readings.push(Reading::Quantile {
            rows: all(),
            column: seconds(),
            quantile: Quantile::MEDIAN,
            window_days,
        });
        readings.push(Reading::Distinct {
            rows: vec![all()],
            column: Some("genre".to_owned()),
            window: Window::Days(window_days),
        });
        readings.push(Reading::Distinct {
            rows: vec![all()],
            column: None,
            window: Window::Days(window_days),
        });
        readings.push(Reading::Distinct {
            rows: vec![all(), other()],
            column: None,
            window: Window::Days(window_days),
        });
    }
    for (cohort, days) in [(None, 1), (Some(other()), 1), (None, 30)] {
        let rows = vec![all(), other()];
        readings.push(Reading::Arrivals { rows: rows.clone(), window_days: days });
        readings.push(Reading::Growth { rows: rows.clone(), window_days: days });
        readings.push(Reading::Retention { rows, cohort, after_days: days, window_days: 1 });
    }
    for phase in [Phase::Created, Phase::Existing] {
        readings.push(Reading::Count { rows: all(), phase });
        readings.push(Reading::Sum { rows: all(), column: seconds(), phase });
        for aggregate in
            [LabelAggregate::Rows, LabelAggregate::Sum(seconds()), LabelAggregate::Average(seconds())]
        {
            let column = "genre".to_owned();
            readings.push(Reading::Labels { rows: all(), column, phase, top: 100, aggregate });
        }
    }
    readings.push(Reading::Labels {
        rows: all(),
        column: "genre".to_owned(),
        phase: Phase::Created,
        top: 100,
        aggregate: LabelAggregate::Distinct("actor".to_owned()),
    });
    readings
}

/// For all days together and for each alone, for all readings together and for each alone.
async fn answers(
    platform: &dyn Platform,
    sources: &Sources,
    readings: &[Reading],
    days: &[DayBounds],
) -> Vec<Vec<Vec<Tally>>> {
    let schema = platform.inspect().await.unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let mut answers = Vec::new();
    for days in std::iter::once(days).chain(days.chunks(1)) {
        let together = cut.read(&schema, sources, readings, days).await.unwrap();
        answers.push(together.into_iter().map(Result::unwrap).collect());
        for reading in readings.chunks(1) {
            let alone = cut.read(&schema, sources, reading, days).await.unwrap();
            answers.push(alone.into_iter().map(Result::unwrap).collect());
        }
    }
    answers
}

async fn compare(format: TimeFormat) {
    let directory = tempfile::tempdir().unwrap();
    let days = Calendar::utc().days(date(2024, 12, 31), date(2025, 1, 2));
    let readings = readings();
    let column_types = if is_number(format) { ["INTEGER", "DATETIME", ""] } else { ["TEXT", "DATETIME", ""] };
    for column_type in column_types {
        for (is_indexed, soft_delete) in [(true, false), (true, true), (false, false), (false, true)] {
            let things = source(format, "UTC", soft_delete);
            let sources =
                Sources::from([("things".to_owned(), things.clone()), ("others".to_owned(), things)]);
            let of_table = async |with_invalid: bool| {
                let name = format!("{column_type}{is_indexed}{soft_delete}{with_invalid}");
                let sql = table(format, column_type, is_indexed, with_invalid);
                let platform = platform(&directory.path().join(name), sql).await;
                answers(platform.as_ref(), &sources, &readings, &days).await
            };
            let (clean, dirty) = (of_table(false).await, of_table(true).await);
            for (clean, dirty) in clean.iter().flatten().zip(dirty.iter().flatten()) {
                assert_eq!(
                    dirty, clean,
                    "{format:?} {column_type:?} indexed {is_indexed} soft {soft_delete}"
                );
            }
            let total = clean[0].iter().flatten().filter(|tally| **tally != Tally::Count(0)).count();
            assert!(total > readings.len(), "nearly nothing was read");
        }
    }
}

macro_rules! formats {
    ($($name:ident: $format:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            compare(TimeFormat::$format).await;
        }
    )*};
}

formats! {
    iso_texts_that_are_no_times_are_in_no_reading: Iso;
    utc_texts_that_are_no_times_are_in_no_reading: IsoUtc;
    utc_texts_with_a_t_that_are_no_times_are_in_no_reading: IsoUtcT;
    dates_that_are_no_dates_are_in_no_reading: Date;
    values_that_are_no_seconds_are_in_no_reading: UnixSeconds;
    values_that_are_no_milliseconds_are_in_no_reading: UnixMillis;
}
