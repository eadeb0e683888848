//! The schedule in every time zone (two years of it in `make soak`), with random outages, kills and a clock that is hours wrong, against
//! an oracle that knows only when each day ended. What must hold is checked at every look. The times of the looks and the decisions are
//! the scheduler's own; the databases and the jobs are a model, so that a year takes milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use daymark::{
    collect::DueTimes,
    jobs::Task,
    metric::{Calendar, CronSchedule},
    scheduler::{
        agenda::{self, Agenda},
        attempts::Attempt,
        decide::{Known, MetricGaps, Step},
    },
    store::{JobStatus, Trigger},
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz};

/// Simulated schedules of each zone, and the days of each; `make soak` runs more and longer ones.
const SHORT: (u64, i64) = (1, 60);
const LONG: (u64, i64) = (20, 730);
/// Printed with a failure.
const SEED: u64 = 20_261_129;
/// The most by which the clocks of a machine and of its store may differ in a run.
const MAX_CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(5);
/// The longest pause after an attempt that recorded nothing, and after one that left something missing.
const MAX_FAILED_PAUSE: SignedDuration = SignedDuration::from_hours(1);
const MAX_INCOMPLETE_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// The longest time between two looks for missed days.
const MAX_CATCH_UP_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// How long after its end a day can be observed.
const OBSERVED_WITHIN: SignedDuration = SignedDuration::from_hours(6);
/// The longest time between two moments of the cron expressions here, which leave out the weekend.
const LONGEST_CRON_PAUSE: SignedDuration = SignedDuration::from_hours(4 * 24);

/// The moment of a look.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// The true time, which is that of the store's server.
    real: Timestamp,
    /// By how much the machine's clock is ahead.
    skew: SignedDuration,
    platform_is_up: bool,
}

impl Moment {
    fn clock(&self) -> Timestamp {
        self.real + self.skew
    }
}

/// The world: a record, a log, and a machine that is not always on.
struct World<'a> {
    due: DueTimes<'a>,
    zone: tz::TimeZone,
    defined_at: Timestamp,
    recorded: BTreeSet<Date>,
    /// The days that are not recorded, from the definition on.
    missing: BTreeSet<Date>,
    agenda: Agenda,
    /// Newest first.
    attempts: Vec<Attempt>,
    /// What the oracle has found: when each day ended.
    ends: BTreeMap<Date, Timestamp>,
    rng: Rng,
    /// Whether runs neither fail nor are killed, as long as the platform is there and the clock is right.
    runs_succeed: bool,
    /// Printed with a failure.
    about: String,
}

impl World<'_> {
    /// The looks that an instance takes at this moment, until it has nothing to do. Returns when the next one is due, by its clock.
    fn look(&mut self, moment: Moment) -> Timestamp {
        let now = moment.clock();
        while self.agenda.is_look_due(now, None) {
            if let Some(last_due) = self.agenda.begin_look(now, None, &self.due) {
                let steps = self.steps(now, last_due);
                self.follow(steps, moment);
            }
        }
        self.assert_nothing_is_forgotten(moment);
        self.agenda.wake_at().unwrap()
    }

    fn steps(&mut self, now: Timestamp, last_due: Date) -> Vec<(Trigger, Step)> {
        let known = Known { now, attempts: &self.attempts };
        let today = self.gaps(self.missing.range(last_due..=last_due));
        let today = known.collect(last_due, &today, self.due.calendar.ready_at(last_due, OBSERVED_WITHIN));
        let mut steps: Vec<_> = today.map(|step| (Trigger::Schedule, step)).into_iter().collect();
        if self.agenda.is_catch_up_due(now, &[]) {
            let missed = known.catch_up(&self.gaps(self.missing.range(..last_due)));
            steps.extend(missed.into_iter().map(|step| (Trigger::CatchUp, step)));
            self.agenda.caught_up(now, Vec::new());
        }
        steps
    }

    fn follow(&mut self, steps: Vec<(Trigger, Step)>, moment: Moment) {
        for (trigger, step) in steps {
            match step {
                Step::Wait { until } => self.agenda.wait(trigger, until),
                Step::Start { has_failed: true, .. } if !moment.platform_is_up => {
                    self.agenda.wait(trigger, agenda::retry_at(moment.clock()));
                }
                Step::Start { task, .. } => {
                    self.work(task, moment);
                    match self.attempts[0].status {
                        // The instance was killed with its job, and another one begins.
                        JobStatus::Interrupted => self.agenda = Agenda::default(),
                        _ => self.agenda.job_ended(),
                    }
                }
            }
        }
    }

    fn gaps<'a>(&self, days: impl Iterator<Item = &'a Date>) -> Vec<MetricGaps> {
        let days: Vec<_> = days.copied().collect();
        let gaps = MetricGaps { category: "a".to_owned(), days, changed_at: self.defined_at };
        if gaps.days.is_empty() { Vec::new() } else { vec![gaps] }
    }

    /// A run, which may fail, be killed, be refused because of the clock, or record some of its days only.
    fn work(&mut self, task: Task, moment: Moment) {
        let (first, last) = days_of(&task);
        let days: Vec<_> = self.missing.range(first..=last).copied().collect();
        assert!(!days.is_empty(), "{}: {task:?} is started, and nothing is missing: {moment:?}", self.about);
        let is_refused = !moment.platform_is_up || moment.skew.abs() > MAX_CLOCK_DIFFERENCE;
        let luck = self.rng.u8(0..100);
        let (status, share) = match luck {
            _ if is_refused => (JobStatus::Failed, 0),
            _ if self.runs_succeed => (JobStatus::Completed, days.len()),
            0..3 => (JobStatus::Interrupted, self.rng.usize(0..=days.len())),
            3..6 => (JobStatus::Partial, self.rng.usize(0..=days.len())),
            6..8 => (JobStatus::Busy, 0),
            _ => (JobStatus::Completed, days.len()),
        };
        for date in days.into_iter().take(share) {
            self.record(date, moment);
        }
        self.attempts.insert(0, Attempt { task, status, ended_at: moment.clock() });
        self.attempts.truncate(200);
    }

    /// A day is recorded once, after it has ended, and with its own bounds.
    fn record(&mut self, date: Date, moment: Moment) {
        assert!(self.recorded.insert(date) && self.missing.remove(&date), "{}: {date} twice", self.about);
        let (started, ended) = (self.end_of(date.yesterday().unwrap()), self.end_of(date));
        let bounds = self.due.calendar.bounds(date).unwrap();
        assert_eq!((bounds.start, bounds.end), (started, ended), "{}: the bounds of {date}", self.about);
        assert!(
            moment.real + MAX_CLOCK_DIFFERENCE >= ended + self.due.settle,
            "{}: {date} ended at {ended}, and was recorded too early: {moment:?}",
            self.about
        );
    }

    /// Every day that is due by the machine's clock is recorded, or was tried within the longest pause. Attempts that are later than the
    /// clock do not count: it has been set back since.
    fn assert_nothing_is_forgotten(&mut self, moment: Moment) {
        if !moment.platform_is_up {
            return;
        }
        let now = moment.clock();
        let until = now.to_zoned(self.zone.clone()).date();
        let missing: Vec<_> = self.missing.range(..=until).copied().collect();
        for date in missing {
            let latest = if self.due.cron.is_some() { LONGEST_CRON_PAUSE } else { SignedDuration::ZERO };
            if now < self.end_of(date) + self.due.settle + latest {
                continue;
            }
            let was_tried = self.attempts.iter().any(|attempt| {
                let (first, last) = days_of(&attempt.task);
                let since = now.duration_since(attempt.ended_at);
                let pause = match attempt.status {
                    JobStatus::Completed | JobStatus::Partial => MAX_INCOMPLETE_PAUSE,
                    _ => MAX_FAILED_PAUSE,
                } + MAX_CATCH_UP_PAUSE;
                (first..=last).contains(&date) && !since.is_negative() && since <= pause
            });
            assert!(was_tried, "{}: {date} is due, missing, and not tried: {moment:?}", self.about);
        }
    }

    fn end_of(&mut self, date: Date) -> Timestamp {
        let zone = &self.zone;
        *self.ends.entry(date).or_insert_with(|| end_of(date, zone))
    }
}

fn days_of(task: &Task) -> (Date, Date) {
    match task {
        Task::Collect { date, .. } => (*date, *date),
        Task::Backfill { from, to, .. } => (from.unwrap(), to.unwrap()),
        Task::Restate(task) => panic!("the schedule restates nothing: {task:?}"),
    }
}

/// When `date` ended, found without the calendar.
fn end_of(date: Date, zone: &tz::TimeZone) -> Timestamp {
    let date_at = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let (mut low, mut high) = {
        let noon = date.at(12, 0, 0, 0).to_zoned(tz::TimeZone::UTC).unwrap().timestamp();
        (noon - SignedDuration::from_hours(48), noon + SignedDuration::from_hours(60))
    };
    // Dates never go back but within a day, so the first instant after the date is found by halving.
    while high.duration_since(low) > SignedDuration::from_secs(1) {
        let middle =
            Timestamp::from_second(low.as_second() + (high.as_second() - low.as_second()) / 2).unwrap();
        if date_at(middle) > date { high = middle } else { low = middle }
    }
    high
}

/// How wrong the machine's clock is for a while: by minutes, hours or more than a day, in either direction.
fn skew(rng: &mut Rng) -> SignedDuration {
    let minutes = [4, 30, 24 * 60, 40 * 60][rng.usize(0..4)];
    SignedDuration::from_mins(rng.i64(-minutes..=minutes))
}

fn simulate(zone_name: &str, seed: u64, days: i64) {
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
    let mut world = World {
        due: DueTimes { calendar: &calendar, settle, cron: cron.as_ref() },
        zone: tz::TimeZone::get(zone_name).unwrap(),
        defined_at: start,
        recorded: BTreeSet::new(),
        missing: all.iter().map(|day| day.date).collect(),
        agenda: Agenda::default(),
        attempts: Vec::new(),
        ends: BTreeMap::new(),
        rng: rng.fork(),
        runs_succeed: false,
        about: format!("{zone_name}, seed {seed}, settle {settle}, cron {cron:?}"),
    };
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
        let wake_at = world.look(moment);
        moment.real = moment.real.max(wake_at - moment.skew) + jump;
    }
    // At the end everything works, for long enough that the longest pause is over.
    world.runs_succeed = true;
    moment = Moment { skew: SignedDuration::ZERO, platform_is_up: true, ..moment };
    let mut last_look = moment.real;
    for _ in 0..200 {
        let wake_at = world.look(moment);
        last_look = moment.real;
        moment.real = wake_at.max(moment.real + SignedDuration::from_hours(1));
    }
    let last_due = world.due.last_due(last_look).unwrap();
    let first = calendar.date_of(start);
    let missing: Vec<_> = world.missing.range(first..=last_due).collect();
    assert!(missing.is_empty(), "{}: {missing:?} are missing", world.about);
}

#[test]
fn no_day_is_missed_doubled_or_misdated_in_any_zone() {
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
    let schedules = runs * zones.len() as u64;
    println!("{schedules} schedules of {days} days");
    assert!(!is_long || schedules >= 10_000, "{schedules}");
}
