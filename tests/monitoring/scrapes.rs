//! `/metrics`, the rules and the dashboard.

use std::{collections::BTreeSet, fs, sync::Arc};

use daymark::{
    clock::{Clock, SystemClock},
    collect::{BackfillRequest, CancellationToken, backfill, collect_day},
    http::HealthMetrics,
    store::{
        AfterAttempt, AlertState, AlertStatus, Behind, DeliveryAttempt, DeliveryOutcome, FiredAs, LockName,
        NewNotification, NotificationKind, RunStatus,
    },
};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::{
    packages::directory,
    process::Process,
    prometheus::{Prometheus, promtool},
    site::{Settings, Site, request},
    world::{Heard, World, definitions},
};

/// A world whose clock is that of the machine, with three metrics that no collection can read.
async fn failing_world(world: World, failures: usize) -> World {
    world.clock.set(SystemClock.now());
    world.execute("ALTER TABLE posts RENAME TO hidden_posts").await;
    world.execute("ALTER TABLE comments RENAME TO hidden_comments").await;
    for _ in 0..failures {
        // The failure is in the log.
        let _ = collect_day(&world.context, None, &[], &CancellationToken::new()).await;
    }
    assert!(world.runs().await.iter().all(|run| run.status == RunStatus::Failed));
    world
}

async fn scraped(site: &Site) -> String {
    let reply = site.send("GET", "/metrics", &[], None).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    reply.text()
}

/// The value of a metric without labels, or with those in `name`.
fn value(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

async fn the_gauges_report_the_record(site: Site) {
    let empty = scraped(&site).await;
    promtool(&["check", "metrics"], &empty);
    assert_eq!(value(&empty, "daymark_store_up"), Some(1.0));
    assert_eq!(value(&empty, "daymark_platform_up"), Some(1.0));
    assert_eq!(value(&empty, "daymark_platform_lag_seconds"), Some(0.0));
    assert_eq!(
        value(&empty, "daymark_incomplete_dates"),
        Some(0.0),
        "the metrics were defined after the day"
    );
    for unknown in ["daymark_last_record_timestamp_seconds", "daymark_last_collection_duration_seconds"] {
        assert!(!empty.contains(unknown), "there was no run, so that nothing is known: {empty}");
    }

    let world = &site.world;
    backfill(&world.context, &BackfillRequest::default(), &Heard::default(), &CancellationToken::new())
        .await
        .unwrap();
    world.set_clock("2025-01-13T12:00:00Z");
    let one = ["posts_total".to_owned()];
    collect_day(&world.context, None, &one, &CancellationToken::new()).await.unwrap();
    // The server reuses what it said a moment ago.
    let metrics = HealthMetrics::new(&world.context, Arc::clone(&world.context.tenant.store)).render().await;
    promtool(&["check", "metrics"], &metrics);
    let noon = 1_736_769_600.0;
    assert_eq!(value(&metrics, "daymark_last_record_timestamp_seconds"), Some(noon), "{metrics}");
    assert_eq!(value(&metrics, "daymark_last_successful_collection_timestamp_seconds"), Some(noon));
    // The 11th and the 12th, for which three of four metrics, or all of them, have no record.
    assert_eq!(value(&metrics, "daymark_incomplete_dates"), Some(2.0));
    assert_eq!(value(&metrics, r#"daymark_missing_records{cause="never_collected"}"#), Some(7.0));
    assert_eq!(value(&metrics, r#"daymark_collection_success_ratio{window="7d"}"#), Some(1.0));
    assert_eq!(value(&metrics, "daymark_consecutive_failed_collections"), Some(0.0));
    assert_eq!(value(&metrics, "daymark_scheduler_paused"), Some(0.0));
    let next = 1_736_813_700.0;
    assert_eq!(value(&metrics, "daymark_scheduler_next_run_timestamp_seconds"), Some(next));
    assert_eq!(value(&metrics, "daymark_alerting_led"), Some(0.0));
    assert_eq!(value(&metrics, r#"daymark_alerts_firing{severity="critical"}"#), Some(0.0));
    assert!(!metrics.contains("daymark_oldest_pending_notification_timestamp_seconds"), "{metrics}");
}

async fn the_gauges_report_alerts_and_notifications(site: Site) {
    let (world, store) = (&site.world, &site.world.context.tenant.store);
    let firing = |rule: &str, severity: &str| AlertState {
        rule: rule.to_owned(),
        status: AlertStatus::Firing,
        since: world.context.now(),
        started_at: Some(world.context.now()),
        summary: String::new(),
        fired_as: Some(FiredAs { severity: severity.to_owned(), labels: [].into() }),
        told: [("ops".to_owned(), world.context.now())].into(),
        is_silenced: false,
        revision: 1,
    };
    let new = |seconds| NewNotification {
        id: Uuid::new_v4(),
        channel: "ops".to_owned(),
        kind: NotificationKind::Firing,
        content: serde_json::Map::new(),
        created_at: world.context.now() + SignedDuration::from_secs(seconds),
    };
    let states =
        [firing("day_missing", "warning"), firing("jump", "warning"), firing("query_errors", "critical")];
    let notifications = [new(0), new(5), new(7)];
    assert!(store.commit_alerts(&states, &notifications).await.unwrap());
    let attempt = |of: &NewNotification, is_delivered| DeliveryAttempt {
        notification_id: of.id,
        number: 1,
        attempted_at: of.created_at,
        duration_ms: 1,
        is_delivered,
        answer: String::new(),
    };
    let behind = Behind::Channel;
    let gone =
        DeliveryOutcome { attempt: attempt(&notifications[0], false), after: AfterAttempt::GivenUp, behind };
    store.record_attempt(&gone).await.unwrap();
    let held = store.try_lock(&LockName::Alerts).await.unwrap();
    let metrics = HealthMetrics::new(&world.context, Arc::clone(store)).render().await;
    promtool(&["check", "metrics"], &metrics);
    for (name, expected) in [
        ("daymark_alerting_led", 1.0),
        (r#"daymark_alerts_firing{severity="critical"}"#, 1.0),
        (r#"daymark_alerts_firing{severity="warning"}"#, 2.0),
        (r#"daymark_alerts_firing{severity="info"}"#, 0.0),
        (r#"daymark_alert_rules{state="firing"}"#, 3.0),
        (r#"daymark_alert_rules{state="error"}"#, 0.0),
        (r#"daymark_notifications{status="pending"}"#, 2.0),
        (r#"daymark_notifications{status="given_up"}"#, 1.0),
        ("daymark_oldest_pending_notification_timestamp_seconds", 1_736_596_805.0),
    ] {
        assert_eq!(value(&metrics, name), Some(expected), "{name}: {metrics}");
    }
    let health = site.get_as_admin("/api/v1/health/collection").await.json();
    assert_eq!(health["alerts"]["notifications"]["pending"], 2);
    assert_eq!(health["alerts"]["notifications"]["oldest_pending_at"], "2025-01-11T12:00:05Z");
    assert_eq!(health["alerts"]["firing"][0], serde_json::json!({"severity": "critical", "alerts": 1}));
    assert_eq!(health["alerts"]["is_evaluated"], true);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauges_report_alerts_and_notifications_on_sqlite() {
    the_gauges_report_alerts_and_notifications(Site::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauges_report_alerts_and_notifications_on_postgres() {
    the_gauges_report_alerts_and_notifications(Site::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauges_report_the_record_on_sqlite() {
    the_gauges_report_the_record(Site::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauges_report_the_record_on_postgres() {
    the_gauges_report_the_record(Site::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_store_a_server_says_so_and_leaves_out_the_record() {
    let world = World::sqlite().await;
    let lost = world.with_empty_store().await;
    let site = Site::start(world, Settings::default()).await;
    let metrics = HealthMetrics::new(&site.service.context, Arc::clone(&lost.tenant.store)).render().await;
    promtool(&["check", "metrics"], &metrics);
    assert_eq!(value(&metrics, "daymark_store_up"), Some(0.0));
    assert!(!metrics.contains("daymark_incomplete_dates"), "{metrics}");
}

#[test]
fn the_rules_are_valid_and_fire_when_they_should() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts.test.yml"], "");
}

/// The names of metrics in a text, without the suffixes that a histogram adds.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("daymark_"));
    let plain = |word: &str| {
        let suffix = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| word.strip_suffix(suffix));
        suffix.unwrap_or(word).to_owned()
    };
    metrics.map(plain).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_scrapes_a_server_and_its_rule_fires() {
    let world = failing_world(World::sqlite().await, 3).await;
    let server = Process::start(
        &world.store_url,
        &world.platform_url,
        &[("DAYMARK_SCHEDULE_ENABLED", "true"), ("DAYMARK_HTTP_CACHE", "true")],
    );
    let prometheus = Prometheus::scraping(server.address);
    let firing = |answer: &serde_json::Value| {
        let alerts = answer["data"]["alerts"].as_array()?;
        let fires = |name: &str| {
            alerts.iter().any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing")
        };
        fires("DaymarkCollectionFailing").then(|| fires("DaymarkDown"))
    };
    assert!(!prometheus.until("/api/v1/alerts", firing).await, "the server is up");

    request(server.address, "GET", "/api/v1/latest", &[], None).await;
    let metrics = request(server.address, "GET", "/metrics", &[], None).await.text();
    promtool(&["check", "metrics"], &metrics);
    let found = names(&metrics);
    // Of a world in which no collection has recorded anything these are not known.
    let unknown = [
        "daymark_oldest_pending_notification_timestamp_seconds",
        "daymark_last_record_timestamp_seconds",
        "daymark_last_successful_collection_timestamp_seconds",
        "daymark_last_collection_duration_seconds",
        "daymark_collection_duration_seconds",
    ];
    for file in ["ops/prometheus/alerts.yml", "ops/grafana/daymark.json", "docs/operations.md"] {
        let text = fs::read_to_string(directory(file)).unwrap();
        let section =
            text.split_once("### Monitoring\n").map(|(_, rest)| rest.split("\n## ").next().unwrap());
        let used = names(section.unwrap_or(&text));
        assert!(!used.is_empty(), "{file} names metrics");
        let missing: Vec<_> =
            used.iter().filter(|name| !found.contains(*name) && !unknown.contains(&name.as_str())).collect();
        assert!(missing.is_empty(), "{file} names metrics that do not exist: {missing:?}");
    }
    let dashboard = names(&fs::read_to_string(directory("ops/grafana/daymark.json")).unwrap());
    let without_panel: Vec<_> = found.difference(&dashboard).collect();
    assert!(without_panel.is_empty(), "the dashboard has no panel of {without_panel:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_that_only_a_collection_makes_exist() {
    let world = World::sqlite().await;
    world.apply(&definitions(world.time_format())).await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let metrics = scraped(&Site::start(world, Settings::default()).await).await;
    for name in [
        "daymark_last_record_timestamp_seconds",
        "daymark_last_successful_collection_timestamp_seconds",
        "daymark_last_collection_duration_seconds",
        "daymark_collection_duration_seconds",
    ] {
        assert!(names(&metrics).contains(name), "{metrics}");
    }
}
