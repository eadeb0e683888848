//! Every reading is compared with a naive count, for every time format, with and without an index, in time zones with days of
//! every length, for all days at once and day by day.

use std::collections::{BTreeMap, BTreeSet};

use daymark::{
    database::Deadline,
    metric::{
        Calendar, CalendarPeriod, Filter, LabelAggregate, Phase, Quantile, Reading, TimeFormat, Window,
    },
    platform::Sources,
};
use jiff::{civil::date, tz::TimeZone};

use crate::{
    oracle::Oracle,
    subject::{Storage, genre_is, rows, seconds_at_least, subject, things},
};

fn readings() -> Vec<Reading> {
    let mut readings = vec![
        Reading::Distinct { rows: vec![rows(Filter::default())], column: None, window: Window::Days(1) },
        Reading::Distinct { rows: vec![rows(Filter::default())], column: None, window: Window::Days(3) },
        Reading::Distinct {
            rows: vec![rows(genre_is("rock")), rows(genre_is("jazz"))],
            column: None,
            window: Window::Days(30),
        },
        Reading::Distinct {
            rows: vec![rows(genre_is("jazz")), rows(genre_is("rock"))],
            column: None,
            window: Window::Days(1),
        },
        Reading::Distinct {
            rows: vec![rows(genre_is("rock")), rows(genre_is("jazz"))],
            column: None,
            window: Window::Days(7),
        },
        Reading::Moments { rows: rows(genre_is("jazz")), column: "seconds".to_owned() },
        Reading::Extremes { rows: rows(Filter::default()), column: "seconds".to_owned() },
        Reading::Extremes { rows: rows(genre_is("rock")), column: "seconds".to_owned() },
    ];
    for period in [CalendarPeriod::Week, CalendarPeriod::WeekFromThursday, CalendarPeriod::Month] {
        let (rows, window) = (vec![rows(Filter::default())], Window::ToDate(period));
        readings.push(Reading::Distinct { rows: rows.clone(), column: None, window });
        readings.push(Reading::Distinct { rows, column: Some("genre".to_owned()), window });
    }
    let window = Window::Days(2);
    let genre = Some("genre".to_owned());
    readings.push(Reading::Distinct { rows: vec![rows(seconds_at_least(300))], column: genre, window });
    for (share, window_days) in [("0.5", 1), ("0.95", 1), ("0.5", 7), ("0", 3), ("0.123456", 3)] {
        let quantile = Quantile::new(&share.parse().unwrap()).unwrap();
        let column = "seconds".to_owned();
        readings.push(Reading::Quantile { rows: rows(Filter::default()), column, quantile, window_days });
    }
    for phase in [Phase::Created, Phase::Existing] {
        for filter in [Filter::default(), genre_is("rock"), genre_is("it's; --"), seconds_at_least(100)] {
            readings.push(Reading::Count { rows: rows(filter), phase });
        }
        for filter in [Filter::default(), genre_is("rock")] {
            readings.push(Reading::Sum { rows: rows(filter), column: "seconds".to_owned(), phase });
        }
        readings.push(Reading::Labels {
            rows: rows(seconds_at_least(0)),
            column: "genre".to_owned(),
            phase,
            top: 2,
            aggregate: LabelAggregate::Rows,
        });
    }
    for (top, phase) in [(1, Phase::Created), (2, Phase::Existing), (9, Phase::Existing)] {
        for aggregate in [LabelAggregate::Sum, LabelAggregate::Average] {
            readings.push(Reading::Labels {
                rows: rows(Filter::default()),
                column: "genre".to_owned(),
                phase,
                top,
                aggregate: aggregate("seconds".to_owned()),
            });
        }
    }
    readings.push(Reading::Labels {
        rows: rows(Filter::default()),
        column: "genre".to_owned(),
        phase: Phase::Created,
        top: 2,
        aggregate: LabelAggregate::Distinct("actor".to_owned()),
    });
    readings
}

/// Readings that compare the actors of several days: their first rows, and who of them is there later.
fn readings_of_actors() -> Vec<Reading> {
    let all = || vec![rows(Filter::default())];
    let both = || vec![rows(genre_is("rock")), rows(genre_is("jazz"))];
    let mut readings = Vec::new();
    for (after_days, window_days) in [(0, 1), (1, 2), (2, 1), (7, 7), (30, 3)] {
        readings.push(Reading::Retention { rows: all(), cohort: None, after_days, window_days });
        let cohort = Some(rows(genre_is("rock")));
        readings.push(Reading::Retention { rows: all(), cohort, after_days, window_days });
    }
    let cohort = Some(rows(seconds_at_least(100)));
    readings.push(Reading::Retention { rows: both(), cohort, after_days: 1, window_days: 1 });
    readings.push(Reading::Retention { rows: both(), cohort: None, after_days: 3, window_days: 1 });
    for window_days in [1, 2, 7] {
        readings.push(Reading::Growth { rows: all(), window_days });
        readings.push(Reading::Arrivals { rows: all(), window_days });
    }
    readings.push(Reading::Growth { rows: both(), window_days: 28 });
    readings.push(Reading::Arrivals { rows: both(), window_days: 28 });
    readings
}

/// Readings with enough different filters that the planner counts by facets.
fn many_readings() -> Vec<Reading> {
    let filters = (0..24).map(|step| seconds_at_least(step * 17));
    let filters = filters.chain(["rock", "jazz", "other"].map(genre_is));
    filters
        .flat_map(|filter| {
            [
                Reading::Count { rows: rows(filter.clone()), phase: Phase::Created },
                Reading::Count { rows: rows(filter.clone()), phase: Phase::Existing },
                Reading::Moments { rows: rows(filter.clone()), column: "seconds".to_owned() },
                Reading::Sum {
                    rows: rows(filter.clone()),
                    column: "seconds".to_owned(),
                    phase: Phase::Created,
                },
                Reading::Sum {
                    rows: rows(filter.clone()),
                    column: "seconds".to_owned(),
                    phase: Phase::Existing,
                },
                Reading::Extremes { rows: rows(filter), column: "seconds".to_owned() },
            ]
        })
        .collect()
}

/// The rows of `things` as a source that is a query reads them.
const UNION: &str =
    "SELECT at, gone, actor, genre || '' AS genre, seconds FROM things WHERE coalesce(seconds, 0) < 200
    UNION ALL SELECT at, gone, actor, genre, seconds FROM things WHERE seconds >= 200 -- all of them;";

/// Reads all days at once and day by day, from the table and from a query, and compares all with the oracle.
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
    let things = things(&days, 42);
    for (indexed, soft) in [(true, false), (false, true), (true, true), (false, false)] {
        let subject = subject(storage, column_zone, &calendar, &things, indexed, soft).await;
        let sources: Sources = BTreeMap::from([("things".to_owned(), subject.source.clone())]);
        let schema = subject.platform.inspect().await.unwrap();
        assert_eq!(schema.table(None, "things").unwrap().column("at").unwrap().indexed, indexed);
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let oracle = Oracle { things: &things, format, zone: TimeZone::get(column_zone).unwrap(), soft };
        let union = daymark::metric::Source { query: Some(UNION.to_owned()), ..subject.source.clone() };
        let unions: Sources = BTreeMap::from([("things".to_owned(), union)]);
        let described = subject.platform.inspect_with(&BTreeSet::from([UNION.to_owned()])).await.unwrap();
        assert!(described.query(UNION).unwrap().is_ok(), "{:?}", described.query(UNION));
        for readings in [readings(), readings_of_actors(), many_readings()] {
            let of_query = cut.read(&described, &unions, &readings, &days).await.unwrap();
            for (reading, answer) in readings.iter().zip(&of_query) {
                let expected: Vec<_> =
                    days.iter().map(|day| oracle.answer(reading, day, &calendar)).collect();
                assert_eq!(
                    answer.as_ref().unwrap(),
                    &expected,
                    "the query in {storage:?} {zone} {reading:?}"
                );
            }
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

/// Zones and ranges with days of 23, 24, 24.5 and 25 hours, and a date that was skipped.
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
    postgres_unix_seconds_is_right_to_the_row: Storage::Postgres(TimeFormat::UnixSeconds);
    postgres_unix_millis_is_right_to_the_row: Storage::Postgres(TimeFormat::UnixMillis);
    sqlite_iso_is_right_to_the_row: Storage::Sqlite(TimeFormat::Iso);
    sqlite_iso_utc_is_right_to_the_row: Storage::Sqlite(TimeFormat::IsoUtc);
    sqlite_iso_utc_t_is_right_to_the_row: Storage::Sqlite(TimeFormat::IsoUtcT);
    sqlite_date_is_right_to_the_row: Storage::Sqlite(TimeFormat::Date);
    sqlite_unix_seconds_is_right_to_the_row: Storage::Sqlite(TimeFormat::UnixSeconds);
    sqlite_unix_millis_is_right_to_the_row: Storage::Sqlite(TimeFormat::UnixMillis);
}

/// The clocks of the column's zone are put forward within the days, which have 24 hours in the reporting zone.
#[tokio::test]
async fn a_column_in_local_time_may_have_daylight_saving_of_its_own() {
    for storage in [Storage::Postgres(TimeFormat::Timestamp), Storage::Sqlite(TimeFormat::IsoUtc)] {
        let (from, to) = (date(2025, 3, 8), date(2025, 3, 11));
        compare(storage, "America/New_York", "Europe/Berlin", from, to).await;
    }
}

/// A column in local time is read in its own zone, whether that is the reporting zone or another one.
#[tokio::test]
async fn a_timestamp_in_local_time_is_read_in_the_columns_zone() {
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
