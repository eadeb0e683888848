//! The world of a simulated schedule: a record, a log, and a machine that is not always on. What must hold is asserted at every look.

use std::collections::{BTreeMap, BTreeSet};

use daymark::{
    collect::{DueTimes, MetricGaps},
    jobs::Task,
    scheduler::{
        agenda::{self, Agenda},
        attempts::Attempt,
        decide::{Known, Step},
    },
    store::{JobKind, JobStatus, Trigger},
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, civil::Date, tz};

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
/// How long a job may take. While it runs, no other one of its kind starts.
const MAX_JOB_MINUTES: u16 = 600;

/// The moment of a look.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The true time, which is that of the store's server.
    pub real: Timestamp,
    /// By how much the machine's clock is ahead.
    pub skew: SignedDuration,
    pub platform_is_up: bool,
}

impl Moment {
    fn clock(&self) -> Timestamp {
        self.real + self.skew
    }
}

/// A job that has not ended.
struct RunningJob {
    task: Task,
    /// How it will end, and how many of the days that are missing then it will record.
    status: JobStatus,
    share: usize,
    /// The true time.
    ends_at: Timestamp,
}

/// The world: a record, a log, and a machine that is not always on.
pub struct World<'a> {
    pub due: DueTimes<'a>,
    zone: tz::TimeZone,
    defined_at: Timestamp,
    recorded: BTreeSet<Date>,
    /// The days that are not recorded, from the definition on.
    pub missing: BTreeSet<Date>,
    agenda: Agenda,
    running: Vec<RunningJob>,
    /// How often a job was started while another one ran.
    pub overlaps: usize,
    /// Newest first.
    attempts: Vec<Attempt>,
    /// What the oracle has found: when each day ended.
    ends: BTreeMap<Date, Timestamp>,
    rng: Rng,
    /// Whether runs neither fail nor are killed, as long as the platform is there and the clock is right.
    pub runs_succeed: bool,
    /// Printed with a failure.
    pub about: String,
}

impl<'a> World<'a> {
    pub fn new(
        due: DueTimes<'a>,
        defined_at: Timestamp,
        missing: BTreeSet<Date>,
        rng: Rng,
        about: String,
    ) -> Self {
        Self {
            zone: tz::TimeZone::get(due.calendar.name()).unwrap(),
            due,
            defined_at,
            recorded: BTreeSet::new(),
            missing,
            agenda: Agenda::default(),
            running: Vec::new(),
            overlaps: 0,
            attempts: Vec::new(),
            ends: BTreeMap::new(),
            rng,
            runs_succeed: false,
            about,
        }
    }
}

impl World<'_> {
    /// The looks that an instance takes at this moment, until it has nothing to do. Returns the true time at which the next one is due
    /// or a job ends.
    pub fn look(&mut self, moment: Moment) -> Timestamp {
        let now = moment.clock();
        self.end_jobs(moment);
        while self.agenda.is_look_due(now, None) {
            if let Some(last_due) = self.agenda.begin_look(now, None, &self.due) {
                let steps = self.steps(now, last_due);
                self.follow(steps, moment);
                self.end_jobs(moment);
            }
        }
        self.assert_nothing_is_forgotten(moment);
        let wake_at = self.agenda.wake_at().unwrap() - moment.skew;
        self.running.iter().map(|job| job.ends_at).fold(wake_at, Timestamp::min)
    }

    fn is_running(&self, kind: JobKind) -> bool {
        self.running.iter().any(|job| job.task.kind() == kind)
    }

    fn steps(&mut self, now: Timestamp, last_due: Date) -> Vec<(Trigger, Step)> {
        let known = Known { now, attempts: &self.attempts };
        let mut steps = Vec::new();
        if !self.is_running(JobKind::Collect) {
            let today = self.gaps(self.missing.range(last_due..=last_due));
            let observed_until = self.due.calendar.ready_at(last_due, OBSERVED_WITHIN);
            let today = known.collect(last_due, &today, observed_until);
            steps.extend(today.map(|step| (Trigger::Schedule, step)));
        }
        if self.agenda.is_catch_up_due(now, &[]) && !self.is_running(JobKind::Backfill) {
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
                Step::Start { task, .. } => self.start(task, moment),
            }
        }
    }

    fn gaps<'a>(&self, days: impl Iterator<Item = &'a Date>) -> Vec<MetricGaps> {
        let days: Vec<_> = days.copied().collect();
        let gaps = MetricGaps { category: "a".to_owned(), days, changed_at: self.defined_at };
        if gaps.days.is_empty() { Vec::new() } else { vec![gaps] }
    }

    /// Starts a run, which may fail, be killed, be refused because of the clock, or record some of its days only, and may take hours.
    fn start(&mut self, task: Task, moment: Moment) {
        let (first, last) = days_of(&task);
        let days = self.missing.range(first..=last).count();
        assert!(days > 0, "{}: {task:?} is started, and nothing is missing: {moment:?}", self.about);
        assert!(!self.is_running(task.kind()), "{}: {task:?} is started, and one like it runs", self.about);
        self.overlaps += usize::from(!self.running.is_empty());
        let is_refused = !moment.platform_is_up || moment.skew.abs() > MAX_CLOCK_DIFFERENCE;
        let luck = self.rng.u8(0..100);
        let (status, share) = match luck {
            _ if is_refused => (JobStatus::Failed, 0),
            _ if self.runs_succeed => (JobStatus::Completed, days),
            0..3 => (JobStatus::Interrupted, self.rng.usize(0..=days)),
            3..6 => (JobStatus::Partial, self.rng.usize(0..=days)),
            6..8 => (JobStatus::Busy, 0),
            _ => (JobStatus::Completed, days),
        };
        let minutes = match self.rng.u8(0..10) {
            _ if is_refused || self.runs_succeed || status == JobStatus::Busy => 0,
            0..6 => 0,
            6..8 => self.rng.u16(1..=20),
            _ => self.rng.u16(1..=MAX_JOB_MINUTES),
        };
        let ends_at = moment.real + SignedDuration::from_mins(i64::from(minutes));
        self.running.push(RunningJob { task, status, share, ends_at });
    }

    /// Ends the jobs whose time has come. The instance is killed with all of its jobs where one of them is, and another one begins.
    fn end_jobs(&mut self, moment: Moment) {
        let mut ended: Vec<_> = self.running.extract_if(.., |job| job.ends_at <= moment.real).collect();
        let is_killed = ended.iter().any(|job| job.status == JobStatus::Interrupted);
        if is_killed {
            let others = self.running.drain(..);
            ended.extend(others.map(|job| RunningJob { status: JobStatus::Interrupted, share: 0, ..job }));
        }
        for RunningJob { task, status, share, .. } in ended {
            // What another job has recorded meanwhile stays.
            let (first, last) = days_of(&task);
            let days: Vec<_> = self.missing.range(first..=last).copied().take(share).collect();
            for date in days {
                self.record(date, moment);
            }
            self.attempts.insert(0, Attempt { task, status, ended_at: moment.clock() });
            self.attempts.truncate(200);
            self.agenda.job_ended();
        }
        if is_killed {
            self.agenda = Agenda::default();
        }
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
                } + MAX_CATCH_UP_PAUSE
                    + SignedDuration::from_mins(i64::from(MAX_JOB_MINUTES));
                (first..=last).contains(&date) && !since.is_negative() && since <= pause
            });
            // While a job runs, no other one of its kind is started.
            let was_tried = was_tried || !self.running.is_empty();
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
