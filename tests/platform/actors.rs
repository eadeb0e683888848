//! What holds between retention, growth accounting and distinct counts, whatever the rows are; and how their reading is divided under
//! a time limit.

use std::{collections::BTreeMap, time::Duration};

use daymark::{
    database::{Deadline, FaultClass},
    metric::{Calendar, DayBounds, Decimal, Filter, GrowthCounts, Reading, Tally, TimeFormat, Window},
    platform::Sources,
};
use jiff::{Timestamp, ToSpan, civil::date};
use proptest::prelude::*;

use crate::{
    limits::{ROW_MS, ROWS_A_DAY, Slow, many_days},
    subject::{Storage, Thing, rows, subject},
};

/// The days that are read, from a Sunday on.
const DAYS: i64 = 25;

fn days(calendar: &Calendar) -> Vec<DayBounds> {
    let first = date(2025, 3, 16);
    calendar.days(first, first.saturating_add((DAYS - 1).days()))
}

/// Rows as pairs of an actor and the number of hours since 20 days before the first of the days.
fn history(first: Timestamp, rows: &[(i64, i64)]) -> Vec<Thing> {
    let thing = |(actor, hours): &(i64, i64)| Thing {
        at: first + (*hours - 20 * 24).hours(),
        gone: None,
        actor: Some(*actor),
        genre: None,
        seconds: None,
    };
    rows.iter().map(thing).collect()
}

struct Tallies {
    active: Vec<i64>,
    growth: Vec<GrowthCounts>,
    arrivals: Vec<i64>,
    daily_arrivals: Vec<i64>,
    /// After 0 days, and after 3.
    retention: [Vec<(Decimal, Decimal)>; 2],
}

/// Reads all days at once, or day by day.
async fn tallies(storage: Storage, things: &[Thing], window_days: u32, apart: bool) -> Tallies {
    let calendar = Calendar::new("Europe/Berlin").unwrap();
    let days = days(&calendar);
    let subject = subject(storage, "UTC", &calendar, things, false, false).await;
    let sources: Sources = BTreeMap::from([("things".to_owned(), subject.source.clone())]);
    let schema = subject.platform.inspect().await.unwrap();
    let of = || vec![rows(Filter::default())];
    let retention = |after_days| Reading::Retention { rows: of(), cohort: None, after_days, window_days: 1 };
    let readings = [
        Reading::Distinct { rows: of(), column: None, window: Window::Days(window_days) },
        Reading::Growth { rows: of(), window_days },
        Reading::Arrivals { rows: of(), window_days },
        Reading::Arrivals { rows: of(), window_days: 1 },
        retention(0),
        retention(3),
    ];
    let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
    let mut read: Vec<Vec<Tally>> = vec![Vec::new(); readings.len()];
    let length = if apart { 1 } else { days.len() };
    for days in days.chunks(length) {
        for (all, answer) in read.iter_mut().zip(cut.read(&schema, &sources, &readings, days).await.unwrap())
        {
            all.extend(answer.unwrap());
        }
    }
    let mut read = read.into_iter();
    let mut next = || read.next().unwrap();
    let counts = |tallies: Vec<Tally>| -> Vec<i64> {
        let count = |tally| if let Tally::Count(count) = tally { count } else { panic!("{tally:?}") };
        tallies.into_iter().map(count).collect()
    };
    let growth = |tally| if let Tally::Growth(growth) = tally { growth } else { panic!("{tally:?}") };
    let ratio = |tally| match tally {
        Tally::Ratio { numerator, denominator } => (numerator, denominator),
        other => panic!("{other:?}"),
    };
    Tallies {
        active: counts(next()),
        growth: next().into_iter().map(growth).collect(),
        arrivals: counts(next()),
        daily_arrivals: counts(next()),
        retention: [next(), next()].map(|tallies| tallies.into_iter().map(ratio).collect()),
    }
}

fn hold(tallies: &Tallies, window_days: u32) -> Result<(), TestCaseError> {
    let Tallies { active, growth, arrivals, daily_arrivals, retention } = tallies;
    let window = window_days as usize;
    for day in 0..active.len() {
        let GrowthCounts { active: there, retained, churned } = growth[day];
        prop_assert_eq!(there, active[day], "the actors of the window");
        let resurrected = there - retained - arrivals[day];
        prop_assert!(resurrected >= 0 && retained >= 0 && churned >= 0, "{:?}", growth[day]);
        if day >= window {
            prop_assert_eq!(retained + churned, active[day - window], "the actors of the window before");
            let of_days: i64 = daily_arrivals[day + 1 - window..=day].iter().sum();
            prop_assert_eq!(arrivals[day], of_days, "each actor comes once");
        }
        // On the day on which they come, all of a cohort are there.
        prop_assert_eq!(&retention[0][day].0, &retention[0][day].1);
        prop_assert_eq!(&retention[0][day].1, &Decimal::from(daily_arrivals[day]));
        if day >= 3 {
            prop_assert_eq!(&retention[1][day].1, &Decimal::from(daily_arrivals[day - 3]), "its size stays");
        }
        prop_assert!(retention[1][day].0 <= retention[1][day].1);
    }
    Ok(())
}

fn rows_of_actors() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0..12_i64, 0..(20 + DAYS) * 24), 1..60)
}

fn check(storage: Storage, history_of: &[(i64, i64)], window_days: u32) -> Result<(), TestCaseError> {
    let calendar = Calendar::new("Europe/Berlin").unwrap();
    let things = history(days(&calendar)[0].start, history_of);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for apart in [false, true] {
        hold(&runtime.block_on(tallies(storage, &things, window_days, apart)), window_days)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn new_retained_and_resurrected_actors_are_the_active_ones_on_sqlite(history in rows_of_actors(), window_days in 1..9_u32) {
        check(Storage::Sqlite(TimeFormat::UnixSeconds), &history, window_days)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn new_retained_and_resurrected_actors_are_the_active_ones_on_postgres(history in rows_of_actors(), window_days in 1..9_u32) {
        check(Storage::Postgres(TimeFormat::Timestamptz), &history, window_days)?;
    }
}

/// Each row has an actor of its own, so that no actor stays.
#[tokio::test]
async fn actors_of_too_many_days_are_read_in_fewer_days() {
    let (inserted, days) = many_days(16);
    let rows_a_day = ROWS_A_DAY as i64;
    let one = || rows(Filter::default());
    let growth = Reading::Growth { rows: vec![one()], window_days: 1 };
    let retention =
        Reading::Retention { rows: vec![one()], cohort: Some(one()), after_days: 1, window_days: 1 };
    // Two days with the day before them take 600 ms and more, four of them a second and more. A retention reads each row twice.
    for (reading, row_ms) in [(growth, ROW_MS), (retention, ROW_MS / 2.0)] {
        let mut slow = Slow::made(&inserted, row_ms, true).await;
        let limit = Duration::from_millis(850);
        let (outcomes, statements) = slow.read(limit, std::slice::from_ref(&reading), &days).await;
        let before = |day: usize| if day == 0 { 0 } else { rows_a_day };
        let expected = |day: usize| match reading {
            Reading::Growth { .. } => {
                Tally::Growth(GrowthCounts { active: rows_a_day, retained: 0, churned: before(day) })
            }
            _ => Tally::Ratio { numerator: Decimal::zero(), denominator: Decimal::from(before(day)) },
        };
        let outcome = outcomes[0].as_ref().unwrap();
        assert_eq!(outcome, &(0..days.len()).map(expected).collect::<Vec<_>>(), "{reading:?}");
        // Sixteen, eight and four days reach the limit, except the first four days, before which there are no rows.
        assert!((6 + 4..=16 + 4).contains(&statements), "{statements} statements of {reading:?}");
    }
}

/// The rows before the days are read with each of them.
#[tokio::test]
async fn a_search_for_first_rows_that_times_out_is_not_repeated() {
    let (inserted, days) = many_days(16);
    let mut slow = Slow::made(&inserted, ROW_MS, true).await;
    let arrivals = Reading::Arrivals { rows: vec![rows(Filter::default())], window_days: 7 };
    let (outcomes, statements) = slow.read(Duration::from_millis(750), &[arrivals], &days[10..]).await;
    let fault = outcomes[0].as_ref().unwrap_err();
    assert_eq!(fault.class, FaultClass::TimedOut, "{fault}");
    assert!(statements <= 3, "{statements} statements");
}
