//! `daymark serve` as a process: how soon it tells, and what becomes of a notification when it is killed.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use daymark::{
    alerts::unsilence,
    store::{AlertStatus, Silence},
};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    on,
    process::Process,
    proxy::Proxy,
    sink::{Answer, Sink},
    world::World,
};

on! { [sqlite, postgres]
    an_alert_is_notified_within_five_seconds,
    a_notification_whose_attempt_was_not_recorded_is_sent_again_with_the_same_id,
    another_instance_takes_over_pending_notifications,
    a_silence_that_ends_is_in_the_log_and_in_the_next_notification,
}

const DEADLINE: Duration = Duration::from_secs(60);

/// A file with a channel to `sink`, and a rule that holds at once: nothing is recorded of yesterday, as the platform is away.
fn config_file(directory: &tempfile::TempDir, sink: &Sink) -> PathBuf {
    let file = directory.path().join("daymark.toml");
    let text = format!(
        "[delivery]\nallow_private = true\n[channels.ops]\nkind = 'webhook'\nurl = '{}'\n\
         [alerts.no_posts]\nmetric = 'posts_created'\ncondition = 'missing'\nfor_minutes = 0\n\
         [alerts.nothing_recorded]\nenabled = false\n[alerts.collection_failing]\nenabled = false\n",
        sink.url
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn start(world: &World, file: &std::path::Path) -> Process {
    start_on(&world.store_url, file)
}

fn start_on(store_url: &str, file: &std::path::Path) -> Process {
    let nowhere = format!("sqlite:{}", file.with_file_name("nowhere.db").display());
    let secret = "x".repeat(32);
    let settings = [
        ("DAYMARK_CONFIG", file.to_str().unwrap()),
        ("DAYMARK_ALERTING_ENABLED", "true"),
        ("DAYMARK_ACCESS_JWT_SECRET", &secret),
    ];
    Process::start(store_url, &nowhere, &settings)
}

/// Waits until the sink has that many requests.
async fn received(sink: &Sink, count: usize) -> Vec<String> {
    let started = Instant::now();
    while sink.received().len() < count {
        assert!(started.elapsed() < DEADLINE, "{:?}", sink.received());
        tokio::task::yield_now().await;
    }
    sink.header("webhook-id")
}

async fn wait_until_delivered(world: &World) {
    let started = Instant::now();
    while world.context.tenant.store.notification_counts().await.unwrap().pending > 0 {
        assert!(started.elapsed() < DEADLINE, "it stays undelivered");
        tokio::task::yield_now().await;
    }
}

async fn an_alert_is_notified_within_five_seconds(world: World) {
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    let server = start(&world, &config_file(&directory, &sink));
    let started = Instant::now();
    received(&sink, 1).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(sink.received()[0].json()["data"]["alerts"][0]["rule"], "no_posts");
    wait_until_delivered(&world).await;
    server.terminate();
    assert!(server.ended().success());
}

async fn a_notification_whose_attempt_was_not_recorded_is_sent_again_with_the_same_id(world: World) {
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    let file = config_file(&directory, &sink);
    // It is killed when the receiver has the whole request and has not answered.
    sink.answer_with(Answer::Hang);
    for count in 1..=3 {
        let server = start(&world, &file);
        received(&sink, count).await;
        server.kill();
    }
    sink.answer_with(Answer::Status(200));
    let server = start(&world, &file);
    let ids = received(&sink, 4).await;
    wait_until_delivered(&world).await;
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 1, "one cause, one id");
    assert_eq!(world.context.tenant.store.notifications(None, 10).await.unwrap().len(), 1);
    drop(server);
}

async fn another_instance_takes_over_pending_notifications(world: World) {
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    let file = config_file(&directory, &sink);
    sink.answer_with(Answer::Hang);
    let (first, second) = (start(&world, &file), start(&world, &file));
    received(&sink, 1).await;
    sink.answer_with(Answer::Status(200));
    let (leader, other) =
        if first.logged("this instance evaluates alerts") > 0 { (first, second) } else { (second, first) };
    leader.kill();
    let ids = received(&sink, 2).await;
    wait_until_delivered(&world).await;
    assert_eq!(ids[0], ids[1]);
    assert_eq!(sink.received().len(), 2);
    drop(other);
}

/// The statement by which the rules are evaluated waits for a lock while the connection falls silent.
#[tokio::test(flavor = "multi_thread")]
async fn notifications_are_sent_soon_after_a_connection_fell_silent() {
    let world = World::postgres().await;
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    let proxy = Proxy::before(&world.store_url).await;
    let mut locking = PgConnection::connect(&world.store_url).await.unwrap();
    locking.execute("BEGIN; LOCK TABLE daymark.alert_states").await.unwrap();
    let _server = start_on(&proxy.url(&world.store_url), &config_file(&directory, &sink));
    let mut observer = PgConnection::connect(&world.store_url).await.unwrap();
    let mut wait_until_blocked = async |is_blocked: bool| {
        let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        let started = Instant::now();
        while sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut observer).await.unwrap() != is_blocked {
            assert!(started.elapsed() < DEADLINE, "no rule is evaluated");
        }
    };
    wait_until_blocked(true).await;
    proxy.silence();
    drop(locking);
    wait_until_blocked(false).await;
    proxy.serve_again();
    received(&sink, 1).await;
}

async fn a_silence_that_ends_is_in_the_log_and_in_the_next_notification(world: World) {
    let (sink, directory) = (Sink::start().await, tempfile::tempdir().unwrap());
    // It covers all rules. The clock of the test says 2025, and that of the server does not.
    let made = Silence {
        id: Uuid::new_v4(),
        rule: None,
        reason: "moving the database".to_owned(),
        created_at: world.context.now(),
        created_by: "cli:test".to_owned(),
        ends_at: "2100-01-01T00:00:00Z".parse().unwrap(),
        ended_at: None,
        ended_by: None,
    };
    world.context.tenant.store.add_silence(&made).await.unwrap();
    let server = start(&world, &config_file(&directory, &sink));
    let started = Instant::now();
    let fires =
        |state: &daymark::store::AlertState| state.rule == "no_posts" && state.status == AlertStatus::Firing;
    while !world.context.tenant.store.alert_states().await.unwrap().iter().any(fires) {
        assert!(started.elapsed() < DEADLINE, "the rule is not evaluated");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(sink.received().is_empty());
    assert!(unsilence(&world.context, made.id).await.unwrap());
    received(&sink, 1).await;
    let text = sink.received()[0].json()["data"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("told now because a silence has ended: moving the database"), "{text}");
    let ended = server.lines("a silence has ended");
    assert!(ended.len() == 1 && ended[0].contains("moving the database"), "{ended:?}");
}
