//! Notifications while servers are killed, and while their receiver is away for a day: none is lost, none is doubled, and none comes
//! before an earlier one about the same rule.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use daymark::{
    alerts::Evaluator,
    config::{self, Config, Environment, GivenFlags},
    delivery::Deliverer,
    store::{AlertStatus, Finish, NewRun, Notification, NotificationKind, RunKind, RunStatus, Trigger},
    telemetry::Counters,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    pairs::on,
    process::Process,
    scale::is_long,
    sink::{Answer, Sink},
    world::World,
};

on! { [sqlite, postgres]
    kills_neither_lose_nor_double_a_notification,
    a_receiver_that_is_away_for_a_day_gets_everything_once_and_in_order,
}

const DEADLINE: Duration = Duration::from_secs(60);

/// A file whose one rule fires while the last collection failed.
fn config_file(directory: &tempfile::TempDir, sink: &Sink) -> PathBuf {
    let file = directory.path().join("daymark.toml");
    let off = [
        "nothing_recorded",
        "day_missing",
        "slow_collection",
        "query_errors",
        "forgotten_pause",
        "anomaly",
        "drift",
    ];
    let off: String = off.map(|rule| format!("[alerts.{rule}]\nenabled = false\n")).concat();
    let text = format!(
        "[delivery]\nallow_private = true\n[channels.ops]\nkind = 'webhook'\nurl = '{}'\n\
         [alerts.collection_failing]\nruns = 1\n{off}",
        sink.url
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// Writes a run into the log that began and ended at `now`.
async fn log_run(world: &World, status: RunStatus, now: Timestamp) {
    let (id, kind, day) = (Uuid::new_v4(), RunKind::Collect, crate::world::LAST_FINISHED);
    let run = NewRun {
        id,
        kind,
        from: day,
        to: day,
        started_at: now,
        trigger: Trigger::Schedule,
        actor: "system".to_owned(),
        host: "here".to_owned(),
        process_id: 1,
    };
    let store = &world.context.tenant.store;
    store.start_run(&run).await.unwrap();
    let error_message = (status == RunStatus::Failed).then(|| "no answer".to_owned());
    let finish = Finish { id, status, completed_at: now, error_message, error_details: None };
    store.commit(&[], Some(&finish)).await.unwrap();
}

fn start(world: &World, file: &Path) -> Process {
    let secret = "x".repeat(32);
    let settings = [
        ("DAYMARK_CONFIG", file.to_str().unwrap()),
        ("DAYMARK_ALERTING_ENABLED", "true"),
        ("DAYMARK_ACCESS_JWT_SECRET", &secret),
    ];
    Process::start(&world.store_url, &world.platform_url, &settings)
}

async fn status(world: &World) -> AlertStatus {
    let states = world.context.tenant.store.alert_states().await.unwrap();
    states.first().map_or(AlertStatus::Normal, |state| state.status)
}

/// All notifications, oldest first.
async fn written(world: &World) -> Vec<Notification> {
    let mut notifications = world.context.tenant.store.notifications(None, 100_000).await.unwrap();
    notifications.reverse();
    notifications
}

/// The ids that the sink has received, where several requests in a row with the same id count as one.
fn received(sink: &Sink) -> Vec<String> {
    let mut ids = sink.header("webhook-id");
    ids.dedup();
    ids
}

/// Checks that a beginning and an end of each change were written, and that the sink has them in this order, each once.
async fn assert_all_received(world: &World, sink: &Sink, changes: usize) {
    let written = written(world).await;
    let kinds: Vec<_> = written.iter().map(|notification| notification.kind).collect();
    let expected = [NotificationKind::Firing, NotificationKind::Resolved];
    assert_eq!(kinds, expected.into_iter().cycle().take(changes).collect::<Vec<_>>());
    let ids: Vec<_> = written.iter().map(|notification| notification.id.to_string()).collect();
    assert_eq!(received(sink), ids);
}

async fn wait_until(world: &World, expected: AlertStatus) {
    let started = Instant::now();
    while status(world).await != expected {
        assert!(started.elapsed() < DEADLINE, "the rule is not evaluated");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn wait_until_delivered(world: &World) {
    let started = Instant::now();
    while world.context.tenant.store.notification_counts().await.unwrap().pending > 0 {
        assert!(started.elapsed() < DEADLINE, "something stays undelivered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn change(number: usize) -> (RunStatus, AlertStatus) {
    match number % 2 {
        0 => (RunStatus::Failed, AlertStatus::Firing),
        _ => (RunStatus::Completed, AlertStatus::Resolved),
    }
}

/// Each change of the condition meets a server that is killed at about the time of its notification, and the next one.
async fn kills_neither_lose_nor_double_a_notification(world: World) {
    let kills = if is_long() { 1000 } else { 8 };
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    let file = config_file(&directory, &sink);
    let mut server = start(&world, &file);
    for number in 0..kills {
        let (run, expected) = change(number);
        log_run(&world, run, now()).await;
        // The moment of the kill is the point of this test.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1200))).await;
        server.kill();
        server = start(&world, &file);
        wait_until(&world, expected).await;
    }
    wait_until_delivered(&world).await;
    assert_all_received(&world, &sink, kills).await;
    let requests = sink.received().len();
    println!(
        "{kills} kills: {kills} notifications, of which {} were sent again under the same id",
        requests - kills
    );
    let mut slowest = Duration::ZERO;
    let changes = if is_long() { 100 } else { 4 };
    for number in kills..kills + changes {
        let (run, _) = change(number);
        let started = Instant::now();
        log_run(&world, run, now()).await;
        while received(&sink).len() <= number {
            assert!(started.elapsed() < Duration::from_secs(5), "a condition is not told of within 5 s");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slowest = slowest.max(started.elapsed());
    }
    println!("{changes} changes: the slowest was told of after {slowest:?}");
    wait_until_delivered(&world).await;
    assert_all_received(&world, &sink, kills + changes).await;
}

/// The servers have the real time.
fn now() -> Timestamp {
    daymark::clock::Clock::now(&daymark::clock::SystemClock)
}

fn evaluator(world: &World, config: &Config) -> Evaluator {
    let watch = world.context.tenant.store.watch();
    Evaluator::new(&world.context, config, Counters::default(), watch, Arc::new(Notify::new()))
}

async fn a_receiver_that_is_away_for_a_day_gets_everything_once_and_in_order(world: World) {
    let minutes = if is_long() { 2 } else { 30 };
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    let file = config_file(&directory, &sink);
    let config = config::load(Some(&file), &GivenFlags::new(), &Environment::new()).unwrap();
    let evaluator = evaluator(&world, &config);
    let settings = config.settings.delivery.clone();
    let deliverer = Deliverer::new(&world.context, config.declarations.channels.clone(), settings);
    sink.answer_with(Answer::Status(503));
    let changes = 24 * 60 / minutes;
    for number in 0..changes {
        log_run(&world, change(number).0, world.context.now()).await;
        evaluator.evaluate().await.unwrap();
        deliverer.deliver_due().await.unwrap();
        world.clock.set(world.context.now() + SignedDuration::from_mins(i64::try_from(minutes).unwrap()));
    }
    let away = sink.received().len();
    assert_eq!(received(&sink).len(), 1, "those behind the first one wait for it");
    sink.answer_with(Answer::Status(200));
    // The longest pause between two attempts is an hour.
    for _ in 0..60 {
        deliverer.deliver_due().await.unwrap();
        world.clock.set(world.context.now() + SignedDuration::from_mins(1));
    }
    while world.context.tenant.store.notification_counts().await.unwrap().pending > 0 {
        deliverer.deliver_due().await.unwrap();
    }
    assert_eq!(sink.received().len(), away + changes, "each was taken once");
    println!("a day: {changes} notifications after {away} attempts at the first one");
    assert_all_received(&world, &sink, changes).await;
}
