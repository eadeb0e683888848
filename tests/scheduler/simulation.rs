//! The schedule in every time zone (two years of it in `make soak`), with random outages, kills and a clock that is hours wrong, against
//! an oracle that knows only when each day ended. What must hold is checked at every look. The times of the looks and the decisions are
//! the scheduler's own; the databases and the jobs are a model, in which a job takes up to ten hours, so that a year takes
//! milliseconds.

use std::sync::atomic::{AtomicUsize, Ordering};

use daymark::{
    collect::DueTimes,
    metric::{Calendar, CronSchedule},
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, ToSpan, tz};

use crate::simulated_world::{Moment, World};

/// Simulated schedules of each zone, and the days of each; `make soak` runs more and longer ones.
const SHORT: (u64, i64) = (1, 60);
const LONG: (u64, i64) = (20, 730);
/// Printed with a failure.
const SEED: u64 = 20_261_129;
/// How wrong the machine's clock is for a while: by minutes, hours or more than a day, in either direction.
fn skew(rng: &mut Rng) -> SignedDuration {
    let minutes = [4, 30, 24 * 60, 40 * 60][rng.usize(0..4)];
    SignedDuration::from_mins(rng.i64(-minutes..=minutes))
}

/// Returns how often a job was started while another one ran.
fn simulate(zone_name: &str, seed: u64, days: i64) -> usize {
    let calendar = Calendar::new(zone_name).unwrap();
    let mut rng = Rng::with_seed(seed);
    let settle = SignedDuration::from_mins(i64::from(rng.u8(0..=60)));
    let expressions = ["30 2 * * *", "0 0 * * *", "15 6,18 * * *", "0 9 * * 1-5"];
    let cron = rng.bool().then(|| {
        let expression = expressions[rng.usize(0..expressions.len())];
        CronSchedule::new(expression, if rng.bool() { zone_name } else { "UTC" }).unwrap()
    });
    let start: Timestamp = "2024-02-01T07:23:00Z".parse().unwrap();
    let end = start + SignedDuration::from_hours(24 * days);
    let last = calendar.date_of(end).saturating_add(60.days());
    let all = calendar.days(calendar.date_of(start).saturating_sub(1.day()), last);
    let mut world = World::new(
        DueTimes { calendar: &calendar, settle, cron: cron.as_ref() },
        start,
        all.iter().map(|day| day.date).collect(),
        rng.fork(),
        format!("{zone_name}, seed {seed}, settle {settle}, cron {cron:?}"),
    );
    let mut moment = Moment { real: start, skew: SignedDuration::ZERO, platform_is_up: true };
    while moment.real < end {
        // Now and then the machine is off or sleeps, the platform is away, or the clock is set wrong or right again.
        let mut jump = SignedDuration::ZERO;
        moment.platform_is_up = true;
        match rng.u16(0..1000) {
            0..2 => moment.real += SignedDuration::from_hours(i64::from(rng.u8(1..=200))),
            2..20 => jump = SignedDuration::from_mins(i64::from(rng.u16(1..=400))),
            20..60 => moment.platform_is_up = false,
            60..65 => moment.skew = skew(&mut rng),
            65..100 => moment.skew = SignedDuration::ZERO,
            _ => {}
        }
        let next_look = world.look(moment);
        moment.real = moment.real.max(next_look) + jump;
    }
    // At the end everything works, for long enough that the longest pause is over.
    world.runs_succeed = true;
    moment = Moment { skew: SignedDuration::ZERO, platform_is_up: true, ..moment };
    let mut last_look = moment.real;
    for _ in 0..200 {
        let next_look = world.look(moment);
        last_look = moment.real;
        moment.real = next_look.max(moment.real + SignedDuration::from_hours(1));
    }
    let last_due = world.due.last_due(last_look).unwrap();
    let first = calendar.date_of(start);
    let missing: Vec<_> = world.missing.range(first..=last_due).collect();
    assert!(missing.is_empty(), "{}: {missing:?} are missing", world.about);
    world.overlaps
}

#[test]
fn no_day_is_missed_doubled_or_misdated_in_any_zone() {
    let is_long = std::env::var("DAYMARK_SOAK").is_ok_and(|soak| soak == "long");
    let (runs, days) = if is_long { LONG } else { SHORT };
    let zones: Vec<_> = tz::db().available().map(|zone| zone.to_string()).collect();
    assert!(zones.len() > 400, "{}", zones.len());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let overlaps = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..threads {
            let (zones, overlaps) = (&zones, &overlaps);
            scope.spawn(move || {
                for zone in zones.iter().skip(worker).step_by(threads) {
                    for run in 0..runs {
                        overlaps.fetch_add(simulate(zone, SEED + run, days), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (schedules, overlaps) = (runs * zones.len() as u64, overlaps.into_inner());
    println!(
        "{schedules} schedules of {days} days, with {overlaps} jobs that were started while another one ran"
    );
    assert!(overlaps > 100, "{overlaps}");
    assert!(!is_long || schedules >= 10_000, "{schedules}");
}
