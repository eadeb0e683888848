//! The days of the functions are those of Daymark's calendar, in every time zone, whatever the server knows of time zones.

use daymark::{
    database::RetryPolicy,
    definitions::function_calendar,
    metric::Calendar,
    store::{DEFAULT_SCHEMA, FunctionSpec, Store, StoreOptions, open},
};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::fresh_database;

const FIRST: Date = jiff::civil::date(1900, 1, 1);
const LAST: Date = jiff::civil::date(2100, 12, 31);

/// Functions that record no metric.
fn spec(calendar: &Calendar) -> FunctionSpec {
    FunctionSpec {
        calendar: function_calendar(calendar),
        settle: SignedDuration::from_mins(15),
        observed_within: SignedDuration::from_hours(12),
        takes_last_finished: false,
        days_before: vec![6],
        tasks: Vec::new(),
        first_rows: Vec::new(),
        metrics: Vec::new(),
        search_path: vec!["public".to_owned()],
    }
}

async fn store(url: &str) -> std::sync::Arc<dyn Store> {
    let options = StoreOptions {
        tenant: "default".to_owned(),
        schema: DEFAULT_SCHEMA.to_owned(),
        retry: RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO },
        statement_timeout: None,
    };
    let store = open(&url.parse().unwrap(), options);
    store.migrate().await.unwrap();
    store
}

/// The first and last dates, each 50th date, and the five dates around each change of the zone's offset.
fn dates(spec: &FunctionSpec) -> Vec<Date> {
    let around = spec.calendar.day_starts.iter().flat_map(|(date, _)| {
        (-2..=2).map(|days| date.saturating_add(i64::from(days).days())).collect::<Vec<_>>()
    });
    let mut dates: Vec<_> = FIRST.series(50.days()).take_while(|date| *date <= LAST).collect();
    dates.extend(around.filter(|date| (FIRST..=LAST).contains(date)));
    dates.extend([FIRST, LAST]);
    dates
}

#[tokio::test]
async fn days_begin_when_they_begin_in_the_calendar_in_every_zone() {
    let url = fresh_database().await;
    let store = store(&url).await;
    let mut session = PgConnection::connect(&url).await.unwrap();
    session.execute("SET search_path TO daymark").await.unwrap();
    let mut zones = 0;
    for name in jiff::tz::db().available() {
        let Ok(calendar) = Calendar::new(name.as_str()) else { continue };
        let spec = spec(&calendar);
        let script = store.function_script(&spec, None).unwrap();
        let begin = script.find("CREATE OR REPLACE FUNCTION sql_day_start").unwrap();
        let end = begin + script[begin..].find("$$;").unwrap() + 3;
        session.execute(AssertSqlSafe(&script[begin..end])).await.unwrap();
        let dates = dates(&spec);
        let texts: Vec<_> = dates.iter().map(Date::to_string).collect();
        let seconds: Vec<i64> = sqlx::query_scalar(
            "SELECT extract(epoch FROM sql_day_start(day::date))::bigint FROM unnest($1::text[]) WITH ORDINALITY AS given (day, place)
             ORDER BY place",
        )
        .bind(texts)
        .fetch_all(&mut session)
        .await
        .unwrap();
        for (date, second) in dates.iter().zip(seconds) {
            assert_eq!(second, calendar.start_of(*date).as_second(), "{date} in {}", name.as_str());
        }
        zones += 1;
    }
    assert!(zones > 400, "{zones} zones");
}

#[tokio::test]
async fn the_last_finished_day_and_the_next_day_are_those_of_the_calendar() {
    let url = fresh_database().await;
    let store = store(&url).await;
    let mut session = PgConnection::connect(&url).await.unwrap();
    session.execute("SET search_path TO daymark").await.unwrap();
    for name in
        ["UTC", "Pacific/Apia", "Pacific/Kwajalein", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe"]
    {
        let calendar = Calendar::new(name).unwrap();
        store.install_functions(&spec(&calendar), None).await.unwrap();
        let settle = SignedDuration::from_mins(15);
        let mut checked = 0;
        for (date, _) in function_calendar(&calendar).day_starts {
            for days in -2..=2 {
                let date = date.saturating_add(i64::from(days).days());
                if !(jiff::civil::date(1970, 1, 3)..jiff::civil::date(2040, 1, 1)).contains(&date) {
                    continue;
                }
                let ready = calendar.ready_at(date, settle);
                for moment in [ready - 1.second(), ready] {
                    check(&mut session, &calendar, moment, date, settle).await;
                    checked += 1;
                }
            }
        }
        assert!(name == "UTC" || checked > 0, "{name}");
    }
}

async fn check(
    session: &mut PgConnection,
    calendar: &Calendar,
    moment: Timestamp,
    date: Date,
    settle: SignedDuration,
) {
    let found: (String, bool, String) = sqlx::query_as(
        "SELECT sql_last_finished(to_timestamp($1), interval '15 minutes')::text, sql_exists($2::date),
                sql_next_day($2::date)::text",
    )
    .bind(moment.as_second() as f64)
    .bind(date.to_string())
    .fetch_one(session)
    .await
    .unwrap();
    let bounds = calendar.bounds(date);
    let next = calendar.day_after(date);
    let expected = (calendar.last_finished(moment, settle).to_string(), bounds.is_some(), next.to_string());
    assert_eq!(found, expected, "{date} in {} at {moment}", calendar.name());
    assert!(bounds.is_none_or(|bounds| bounds.next == next));
}
