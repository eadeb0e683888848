//! The schedule in every time zone (two years of it in `make soak`), with random outages, kills and steps of the clock, against an oracle that
//! knows only when each day ended. The decisions are the scheduler's own; the databases are a model, so that a year takes
//! milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use daymark::{
    collect::DueTimes,
    jobs::Task,
    metric::{Calendar, CronSchedule},
    scheduler::{
        attempts::Attempt,
        decide::{Known, MetricGaps, Step},
    },
    store::JobStatus,
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz};

/// Simulated schedules of each zone, and the days of each; `make soak` runs more and longer ones.
const SHORT: (u64, i64) = (1, 100);
const LONG: (u64, i64) = (20, 730);
/// Printed with a failure.
const SEED: u64 = 20_261_129;

/// The world: a record, a log, and a machine that is not always on.
struct World<'a> {
    due: DueTimes<'a>,
    defined_at: Timestamp,
    /// When each day was recorded.
    recorded: BTreeMap<Date, Timestamp>,
    /// The days that are not recorded, from the definition on.
    missing: BTreeSet<Date>,
    /// Newest first.
    attempts: Vec<Attempt>,
    rng: Rng,
}

impl World<'_> {
    /// One look of an instance, whose clock says `now`. Returns when it looks again.
    fn look(&mut self, now: Timestamp, platform_is_up: bool) -> Timestamp {
        let mut wake_at = now + SignedDuration::from_hours(1);
        wake_at = self.due.next_due(now).map_or(wake_at, |(_, at)| wake_at.min(at));
        let Some(last_due) = self.due.last_due(now) else { return wake_at };
        let known = Known { now, attempts: &self.attempts };
        let today = self.gaps(self.missing.range(last_due..=last_due));
        let mut steps: Vec<_> = known.collect(last_due, &today).into_iter().collect();
        steps.extend(known.catch_up(&self.gaps(self.missing.range(..last_due))));
        for step in steps {
            match step {
                Step::Wait { until } => wake_at = wake_at.min(until),
                Step::Start { has_failed: true, .. } if !platform_is_up => {
                    wake_at = wake_at.min(now + SignedDuration::from_secs(30));
                }
                Step::Start { task, .. } => {
                    self.work(task, now, platform_is_up);
                    wake_at = now;
                }
            }
        }
        wake_at
    }

    fn gaps<'a>(&self, days: impl Iterator<Item = &'a Date>) -> Vec<MetricGaps> {
        let days: Vec<_> = days.copied().collect();
        let gaps = MetricGaps { category: "a".to_owned(), days, changed_at: self.defined_at };
        if gaps.days.is_empty() { Vec::new() } else { vec![gaps] }
    }

    /// A run, which may fail, be killed, or record some of its days only.
    fn work(&mut self, task: Task, now: Timestamp, platform_is_up: bool) {
        let days = match &task {
            Task::Collect { date, .. } => vec![*date],
            Task::Backfill { from, to, .. } => {
                self.missing.range(from.unwrap()..=to.unwrap()).copied().collect()
            }
        };
        let luck = self.rng.u8(0..100);
        let (status, share) = match luck {
            _ if !platform_is_up => (JobStatus::Failed, 0),
            0..3 => (JobStatus::Interrupted, self.rng.usize(0..=days.len())),
            3..6 => (JobStatus::Partial, self.rng.usize(0..=days.len())),
            6..8 => (JobStatus::Busy, 0),
            _ => (JobStatus::Completed, days.len()),
        };
        for date in days.into_iter().take(share) {
            if self.missing.remove(&date) {
                self.recorded.insert(date, now);
            }
        }
        self.attempts.insert(0, Attempt { task, status, ended_at: now });
        self.attempts.truncate(200);
    }
}

/// When `date` ended, found without the calendar: minute by minute.
fn end_of(date: Date, zone: &tz::TimeZone) -> Timestamp {
    let date_at = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let (mut low, mut high) = {
        let noon = date.at(12, 0, 0, 0).to_zoned(tz::TimeZone::UTC).unwrap().timestamp();
        (noon - SignedDuration::from_hours(48), noon + SignedDuration::from_hours(60))
    };
    // Dates never go back but within a day, so the first instant after the date is found by halving.
    while high.duration_since(low) > SignedDuration::from_secs(1) {
        let middle = low + high.duration_since(low) / 2;
        if date_at(middle) > date { high = middle } else { low = middle }
    }
    Timestamp::from_second(high.as_second()).unwrap()
}

fn simulate(zone_name: &str, seed: u64, days: i64) {
    let calendar = Calendar::new(zone_name).unwrap();
    let zone = tz::TimeZone::get(zone_name).unwrap();
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
    let mut world = World {
        due: DueTimes { calendar: &calendar, settle, cron: cron.as_ref() },
        defined_at: start,
        recorded: BTreeMap::new(),
        missing: all.iter().map(|day| day.date).collect(),
        attempts: Vec::new(),
        rng: rng.fork(),
    };
    let mut now = start;
    while now < end {
        // Now and then the machine is off, the platform is away, or the clock is set back by less than the settle delay.
        let (mut platform_is_up, mut jump) = (true, SignedDuration::ZERO);
        match rng.u16(0..1000) {
            0..2 => now += SignedDuration::from_hours(i64::from(rng.u8(1..=200))),
            2..20 => jump = SignedDuration::from_mins(i64::from(rng.u16(1..=400))),
            20..60 => platform_is_up = false,
            60..70 => now -= SignedDuration::from_mins(i64::from(rng.u8(0..=30))),
            _ => {}
        }
        let wake_at = world.look(now, platform_is_up);
        now = wake_at.max(now) + jump;
    }
    // At the end everything works, for long enough that the longest pause is over.
    world.rng = Rng::with_seed(seed);
    let mut last_look = now;
    for _ in 0..200 {
        let wake_at = world.look(now, true);
        last_look = now;
        now = wake_at.max(now + SignedDuration::from_hours(1));
    }
    let about = format!("{zone_name}, seed {seed}, settle {settle}, cron {cron:?}");
    let last_due = world.due.last_due(last_look).unwrap();
    let first = calendar.date_of(start);
    let missing: Vec<_> = world.missing.range(first..=last_due).collect();
    assert!(missing.is_empty(), "{about}: {missing:?} are missing");
    for (date, recorded_at) in &world.recorded {
        let ended = end_of(*date, &zone);
        assert!(
            *recorded_at >= ended + settle,
            "{about}: {date} was recorded at {recorded_at}, and ended at {ended}"
        );
    }
}

#[test]
fn no_day_is_missed_or_recorded_too_early_in_any_zone() {
    let is_long = std::env::var("DAYMARK_SOAK").is_ok_and(|soak| soak == "long");
    let (runs, days) = if is_long { LONG } else { SHORT };
    let zones: Vec<_> = tz::db().available().map(|zone| zone.to_string()).collect();
    assert!(zones.len() > 400, "{}", zones.len());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..threads {
            let zones = &zones;
            scope.spawn(move || {
                for zone in zones.iter().skip(worker).step_by(threads) {
                    for run in 0..runs {
                        simulate(zone, SEED + run, days);
                    }
                }
            });
        }
    });
    println!("{} schedules of {days} days", runs * zones.len() as u64);
}
