//! The scheduler's steps at each look at the store, with a clock that the test sets.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use daymark::{
    collect::{self, BackfillRequest, CancellationToken, Context, collect_day},
    jobs::JobRunner,
    metric::{BackfillMode, CronSchedule, Provenance},
    query::schedule,
    scheduler::{Scheduler, SchedulerState},
    store::{JobStatus, RunKind, RunStatus, Trigger},
    telemetry::Counters,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    on,
    world::{LAST_FINISHED, World, definition, january},
};

on! { [sqlite, postgres]
    each_day_is_collected_when_it_is_due,
    days_that_were_missed_are_filled,
    a_metric_with_automatic_backfill_gets_its_history,
    a_metric_that_fails_is_tried_again_with_growing_pauses,
    a_collection_that_fails_as_a_whole_is_repeated_soon,
    a_platform_that_is_away_is_logged_once_and_collected_when_it_is_back,
    a_pause_holds_until_it_is_resumed_or_over,
    one_of_two_instances_leads_and_the_other_takes_over,
    values_that_are_not_judged_are_judged_by_the_leader,
    days_are_counted_again_once_a_night,
    what_fails_after_a_takeover_is_done_at_the_next_tick,
    an_outage_of_the_store_is_over_when_the_store_was_read,
}

/// Nothing that a test waits for takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// An instance of `daymark serve`, without its server.
pub struct Instance {
    scheduler: Scheduler,
    state: SchedulerState,
    jobs: Arc<JobRunner>,
    counters: Counters,
}

impl Instance {
    pub fn of(context: &Context) -> Self {
        let (jobs, counters) = (Arc::new(JobRunner::new(context.clone(), || {})), Counters::default());
        let watch = context.tenant.store.watch();
        let scheduler = Scheduler::new(context, Arc::clone(&jobs), counters.clone(), watch);
        Self { scheduler, state: SchedulerState::default(), jobs, counters }
    }

    /// Waits until PostgreSQL has released the lock of an instance that has ended, which happens a moment later.
    pub async fn take_the_lead(&mut self) {
        while !self.state.leads() {
            self.scheduler.tick(&mut self.state).await;
        }
    }

    pub async fn tick(&mut self) {
        self.scheduler.tick(&mut self.state).await;
    }

    pub fn leads(&self) -> bool {
        self.state.leads()
    }

    /// Ticks until nothing is left to do at this moment.
    pub async fn settle(&mut self) {
        loop {
            self.scheduler.tick(&mut self.state).await;
            let running = self.state.running().to_vec();
            if running.is_empty() {
                return;
            }
            for job in running {
                job.finished().await;
            }
        }
    }
}

fn advance(world: &World, hours: i64) {
    let now = world.context.now() + SignedDuration::from_hours(hours);
    world.clock.set(now);
}

/// How many records of which provenance `category` has, and its first and last day.
pub async fn recorded(world: &World, category: &str) -> Vec<(String, Provenance)> {
    let records = world.records().await.into_iter().filter(|record| record.key.category == category);
    records.map(|record| (record.metric_date.to_string(), record.provenance)).collect()
}

async fn each_day_is_collected_when_it_is_due(world: World) {
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await, [(LAST_FINISHED.to_string(), Provenance::Observed)]);
    let runs = world.runs().await;
    assert_eq!(
        (runs.len(), runs[0].trigger, runs[0].actor.as_str(), runs[0].status),
        (1, Trigger::Schedule, "system", RunStatus::Completed)
    );
    world.set_clock("2025-01-12T00:14:59Z");
    instance.settle().await;
    assert_eq!(world.runs().await.len(), 1, "11 January has not settled yet");
    world.set_clock("2025-01-12T00:15:00Z");
    instance.settle().await;
    instance.settle().await;
    assert_eq!(world.runs().await.len(), 2, "nothing is left to do, so nothing is logged");
    assert_eq!(recorded(&world, "posts_total").await.len(), 2);
    let metrics = instance.counters.render();
    assert!(metrics.contains("daymark_scheduler_leader 1"), "{metrics}");
}

async fn days_that_were_missed_are_filled(world: World) {
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    // The machine is off for a week.
    world.set_clock("2025-01-18T09:00:00Z");
    instance.settle().await;
    let recorded = recorded(&world, "comments_created").await;
    let days: Vec<_> = (10..=17).map(|day| january(day).to_string()).collect();
    assert_eq!(recorded.iter().map(|(day, _)| day.clone()).collect::<Vec<_>>(), days);
    let observed = |day: &str| {
        recorded.iter().any(|(other, provenance)| other == day && *provenance == Provenance::Observed)
    };
    assert!(observed("2025-01-17"), "the last finished day is still observed");
    assert!(!observed("2025-01-16"));
    let runs = world.runs().await;
    let catch_up = runs.iter().find(|run| run.kind == RunKind::Backfill).unwrap();
    assert_eq!((catch_up.trigger, catch_up.from, catch_up.to), (Trigger::CatchUp, january(11), january(16)));
    assert_eq!(runs.len(), 3);
}

async fn a_metric_with_automatic_backfill_gets_its_history(world: World) {
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 1, "its history is left to `daymark backfill`");
    let mut wanted = crate::world::definitions(world.time_format());
    wanted.retain(|definition| definition.category != "posts_created");
    wanted.extend(crate::world::definitions(world.time_format()).into_iter().filter_map(|mut definition| {
        definition.backfill = BackfillMode::Auto;
        (definition.category == "posts_created").then_some(definition)
    }));
    world.apply(&wanted).await;
    advance(&world, 1);
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_created").await.len(), 10, "from the platform's first row on");
    assert_eq!(recorded(&world, "posts_total").await.len(), 1);
}

/// How many minutes after `start` the schedule says that the next run is.
async fn next_run_in_minutes(world: &World, start: &str) -> i64 {
    let next = schedule(&world.context).await.unwrap().next_run.unwrap();
    next.at.duration_since(start.parse().unwrap()).as_mins()
}

async fn a_metric_that_fails_is_tried_again_with_growing_pauses(world: World) {
    let broken = serde_json::json!({"measure": "sql", "query": "SELECT count(*) AS value FROM posts WHERE created_at >= {day_start} AND created_at < {day_end} AND 1 / (author_id - author_id) > 0", "shape": "value", "adds_up": "sum"});
    let mut wanted = crate::world::definitions(world.time_format());
    let count_of_missing = serde_json::json!({"measure": "created", "source": "posts"});
    wanted.push(definition(world.time_format(), "broken", broken));
    wanted.push(definition(world.time_format(), "sound", count_of_missing));
    world.apply(&wanted).await;
    world.refuse_records_of("sound").await;
    let mut instance = Instance::of(&world.context);
    let (mut tried, mut announced) = (Vec::new(), Vec::new());
    for minute in 0..24 * 60 {
        let now = "2025-01-11T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute);
        world.clock.set(now);
        let before = world.runs().await.len();
        instance.settle().await;
        if world.runs().await.len() > before {
            tried.push(minute);
            announced.push(next_run_in_minutes(&world, "2025-01-11T12:00:00Z").await);
        }
        if now.to_string().starts_with("2025-01-12") {
            break;
        }
    }
    // The last attempt is a quarter of an hour before the day can no longer be observed, instead of at minute 750.
    assert_eq!(tried, [0, 50, 150, 350, 705]);
    // After the last one, the next day comes first, at 00:15.
    assert_eq!(announced, [50, 150, 350, 705, 735]);
    assert_eq!(recorded(&world, "posts_total").await.len(), 1, "the others are not held up");
}

async fn a_collection_that_fails_as_a_whole_is_repeated_soon(world: World) {
    let created = serde_json::json!({"measure": "created", "source": "posts"});
    world.apply(&[definition(world.time_format(), "refused", created)]).await;
    world.refuse_records_of("refused").await;
    let mut instance = Instance::of(&world.context);
    let (mut tried, mut announced) = (Vec::new(), Vec::new());
    for minute in 0..64 {
        world
            .clock
            .set("2025-01-11T00:15:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute));
        let before = world.runs().await.len();
        instance.settle().await;
        if world.runs().await.len() > before {
            tried.push(minute);
            announced.push(next_run_in_minutes(&world, "2025-01-11T00:15:00Z").await);
        }
    }
    assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63]);
    assert_eq!(announced, [1, 3, 7, 15, 31, 63, 123]);
}

async fn a_platform_that_is_away_is_logged_once_and_collected_when_it_is_back(world: World) {
    let mut away = Instance::of(&world.without_platform());
    for minute in 0..180 {
        world
            .clock
            .set("2025-01-11T00:15:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute));
        away.settle().await;
    }
    let runs = world.runs().await;
    assert_eq!((runs.len(), runs[0].status), (1, RunStatus::Failed), "three hours of outage are one entry");
    away.jobs.stop().await;
    drop(away);
    let mut back = Instance::of(&world.context);
    back.take_the_lead().await;
    back.settle().await;
    assert_eq!(
        recorded(&world, "posts_total").await,
        [(LAST_FINISHED.to_string(), Provenance::Observed)],
        "the pause after a failure is over"
    );
}

async fn a_pause_holds_until_it_is_resumed_or_over(world: World) {
    let mut instance = Instance::of(&world.context);
    let until = "2025-01-11T18:00:00Z".parse().unwrap();
    collect::pause(&world.context, "moving the database", Some(until)).await.unwrap();
    instance.settle().await;
    assert!(world.runs().await.is_empty());
    // A manual collection still records it.
    collect_day(&world.context, None, &["authors".to_owned()], &CancellationToken::new()).await.unwrap();
    world.set_clock("2025-01-11T17:59:59Z");
    instance.settle().await;
    assert_eq!(world.runs().await.len(), 1);
    world.set_clock("2025-01-11T18:00:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 1, "the pause has ended by itself");
    collect::pause(&world.context, "again", None).await.unwrap();
    world.set_clock("2025-01-13T12:00:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 1);
    assert!(collect::resume(&world.context).await.unwrap());
    assert!(!collect::resume(&world.context).await.unwrap());
    // The next look of the clock would be an hour later: the resumption itself is noticed.
    world.set_clock("2025-01-13T12:00:10Z");
    let filled = async {
        while recorded(&world, "posts_total").await.len() < 3 {
            instance.settle().await;
        }
    };
    tokio::time::timeout(DEADLINE, filled).await.expect("what was missed is filled within seconds");
}

async fn one_of_two_instances_leads_and_the_other_takes_over(world: World) {
    let (mut first, mut second) = (Instance::of(&world.context), Instance::of(&world.another_process()));
    first.settle().await;
    second.settle().await;
    assert!(first.state.leads() && !second.state.leads());
    let leader = world.context.tenant.store.schedule_state().await.unwrap();
    assert_eq!((leader.is_led, leader.leader.unwrap().process_id), (true, 1));
    drop(first);
    world.set_clock("2025-01-12T12:00:00Z");
    second.take_the_lead().await;
    second.settle().await;
    assert!(second.state.leads());
    let state = world.context.tenant.store.schedule_state().await.unwrap();
    let leader = state.leader.unwrap();
    assert_eq!((leader.process_id, leader.since.to_string().as_str()), (2, "2025-01-12T12:00:00Z"));
    assert_eq!(recorded(&world, "posts_total").await.len(), 2);
}

#[tokio::test]
async fn days_that_were_missed_are_filled_soon_after_the_platform_is_back() {
    let world = World::sqlite().await;
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    world.set_clock("2025-01-14T12:00:00Z");
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let platform = PathBuf::from(world.platform_url.strip_prefix("sqlite:").unwrap());
    let elsewhere = platform.with_extension("away");
    std::fs::rename(&platform, &elsewhere).unwrap();
    instance.settle().await;
    world.set_clock("2025-01-14T12:02:00Z");
    instance.settle().await;
    // The runs start at the same instant of the clock, so their order in the log is by chance.
    let mut backfills = world.runs().await;
    backfills.retain(|run| run.kind == RunKind::Backfill);
    assert_eq!(backfills.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Failed]);
    std::fs::rename(&elsewhere, &platform).unwrap();
    world.set_clock("2025-01-14T12:03:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 4, "not only after an hour");
}

#[tokio::test]
async fn a_cron_expression_puts_collections_off() {
    let mut world = World::sqlite().await;
    let cron = CronSchedule::new("30 6 * * *", "UTC").unwrap();
    Arc::make_mut(&mut world.context.tenant).cron = Some(cron);
    world.set_clock("2025-01-11T06:29:00Z");
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    let ninth = ("2025-01-09".to_owned(), Provenance::Reconstructed);
    assert_eq!(recorded(&world, "posts_total").await, std::slice::from_ref(&ninth), "it was due yesterday");
    world.set_clock("2025-01-11T06:30:00Z");
    instance.settle().await;
    let tenth = (LAST_FINISHED.to_string(), Provenance::Observed);
    assert_eq!(recorded(&world, "posts_total").await, [ninth, tenth]);
    let request = BackfillRequest { to: Some(january(9)), ..BackfillRequest::default() };
    collect::backfill(&world.context, &request, &crate::world::Heard::default(), &CancellationToken::new())
        .await
        .unwrap();
    world.set_clock("2025-01-12T06:30:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 11);
}

async fn values_that_are_not_judged_are_judged_by_the_leader(world: World) {
    let unjudged = async || {
        let version = daymark::judgement::JUDGE_VERSION;
        world.context.tenant.store.unjudged(version, 1000).await.unwrap().len()
    };
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    world.execute_on_store("DELETE FROM daily_metric_judgements").await;
    assert_eq!(unjudged().await, 4);
    // Another leader looks at once; this one looks every six hours.
    instance.settle().await;
    assert_eq!(unjudged().await, 4);
    advance(&world, 6);
    instance.settle().await;
    assert_eq!(unjudged().await, 0);
}

/// Each table is away for one tick, as it is for a moment after a failover.
async fn what_fails_after_a_takeover_is_done_at_the_next_tick(world: World) {
    let store = &world.context.tenant.store;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let orphan = crate::world::job_of_an_ended_process(&world, "2025-01-11T11:50:00Z").await;
    let away = async |table: &str| {
        world.execute_on_store(&format!("ALTER TABLE {table} RENAME TO {table}_away")).await;
    };
    let back = async |table: &str| {
        world.execute_on_store(&format!("ALTER TABLE {table}_away RENAME TO {table}")).await;
    };
    let mut instance = Instance::of(&world.context);
    instance.scheduler = instance.scheduler.sampling_drift(2);
    away("jobs").await;
    instance.tick().await;
    assert!(instance.leads());
    back("jobs").await;
    away("drift_samples").await;
    instance.tick().await;
    assert_eq!(store.job(orphan).await.unwrap().unwrap().status, JobStatus::Interrupted);
    back("drift_samples").await;
    instance.settle().await;
    instance.state.recounted().await;
    assert!(!store.drift_samples(Timestamp::UNIX_EPOCH, 1).await.unwrap().is_empty());

    let seen_at = async || store.schedule_state().await.unwrap().leader.unwrap().seen_at;
    let led_at = seen_at().await;
    world.clock.set(led_at + SignedDuration::from_secs(61));
    away("leaders").await;
    instance.tick().await;
    back("leaders").await;
    assert_eq!(seen_at().await, led_at);
    world.clock.set(led_at + SignedDuration::from_secs(67));
    instance.tick().await;
    assert_eq!(seen_at().await, world.context.now(), "not only after another minute");
}

/// Ticks at which nothing is due read nothing.
async fn an_outage_of_the_store_is_over_when_the_store_was_read(world: World) {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || written.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut instance = Instance::of(&world.context);
    instance.settle().await;
    world.execute_on_store("ALTER TABLE metric_definitions RENAME TO away").await;
    advance(&world, 2);
    instance.tick().await;
    assert!(log.text().contains("the scheduler failed"), "{}", log.text());
    let second = |count| world.clock.set(world.context.now() + SignedDuration::from_secs(count));
    second(1);
    instance.tick().await;
    assert!(!log.text().contains("works again"), "{}", log.text());
    world.execute_on_store("ALTER TABLE away RENAME TO metric_definitions").await;
    second(30);
    instance.tick().await;
    assert!(log.text().contains("the scheduler works again, after 31s"), "{}", log.text());
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn days_are_counted_again_once_a_night(world: World) {
    let everything = BackfillRequest { from: Some(january(1)), ..BackfillRequest::default() };
    let heard = crate::world::Heard::default();
    collect::backfill(&world.context, &everything, &heard, &CancellationToken::new()).await.unwrap();
    let recounts = async || {
        let store = &world.context.tenant.store;
        let samples = store.drift_samples(Timestamp::UNIX_EPOCH, 1000).await.unwrap();
        let mut at: Vec<_> = samples.iter().map(|sample| sample.recounted_at).collect();
        at.dedup();
        (samples.len(), at.len())
    };
    let night = async || {
        let mut instance = Instance::of(&world.context);
        instance.scheduler = instance.scheduler.sampling_drift(2);
        instance.take_the_lead().await;
        instance.settle().await;
        instance.scheduler.tick(&mut instance.state).await;
        instance.state.recounted().await;
    };
    night().await;
    assert_eq!(recounts().await, (8, 1), "two days of four metrics");
    advance(&world, 1);
    night().await;
    assert_eq!(recounts().await, (8, 1), "another leader of the same night does not");
    advance(&world, 24);
    night().await;
    assert!(recounts().await.1 == 2, "the next night does");
}
