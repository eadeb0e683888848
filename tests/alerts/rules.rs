//! Rules over real stores: an outage of a database is one notification, and its end is another.

use std::{
    fs::File,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use daymark::{
    alerts::{Evaluator, backtest, silence, unsilence},
    clock::{Clock, SystemClock},
    collect::{CancellationToken, Context, backfill, collect_day, pause, resume},
    config::Config,
    corrections::{self, CorrectionRequest, RequestedChange, RequestedCorrection},
    definitions::{CheckScope, check},
    delivery::AlertLock,
    http::HealthMetrics,
    metric::CronSchedule,
    query::{self, AlertEntry},
    store::{AlertEvaluation, NotificationKind},
    telemetry::Counters,
};
use jiff::SignedDuration;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::sync::Notify;

use crate::{
    deliveries::config,
    on,
    world::{Heard, SOURCES, World, january, range},
};

on! { [sqlite, postgres]
    an_unreachable_database_is_notified_once_and_so_is_its_return,
    an_outage_over_two_midnights_is_notified_once,
    a_day_without_records_is_notified_after_an_hour,
    a_metric_is_judged_by_the_rules_of_the_file,
    a_silence_keeps_it_quiet_until_it_ends,
    failing_requests_are_notified,
    a_forgotten_pause_is_notified,
    a_rule_that_is_removed_is_over,
    a_weekly_schedule_is_no_alert_between_two_of_its_times,
    the_heartbeat_is_called_once_for_each_good_run,
    a_rule_is_tried_over_the_past,
    every_kind_of_rule_is_tried_over_the_past,
    a_metric_must_hold_for_days,
    a_cause_on_another_channel_suppresses_no_effect,
    an_anomaly_and_drift_are_notified,
    a_metric_is_judged_by_its_corrected_value,
}

/// A holder of the lock that hangs, or whose evaluations fail, sets no heartbeat. Its last one is made seven minutes old.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_evaluates_no_rules_is_seen_by_others() {
    let world = World::sqlite().await;
    let (config, store) = (config("", &[]), Arc::clone(&world.context.tenant.store));
    let evaluation = async || AlertEvaluation::read(store.as_ref()).await.unwrap();
    assert_eq!(evaluation().await, AlertEvaluation::NoInstance);
    let lock = AlertLock::new(&world.context, Counters::default());
    lock.tick(&mut None).await.unwrap();
    assert_eq!(evaluation().await, AlertEvaluation::Working);
    let path = PathBuf::from(world.store_url.replace("sqlite:", "") + "-locks/default.alerts");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified((SystemClock.now() - SignedDuration::from_mins(7)).into()).unwrap();
    drop(file);
    assert!(matches!(evaluation().await, AlertEvaluation::Silent(_)));
    let checked = check(&world.context, &[], CheckScope::ALL).await.findings;
    let holder = format!("process {} on this machine holds the lock of alerts", std::process::id());
    assert!(checked.iter().any(|finding| finding.message.starts_with(&holder)), "{checked:?}");
    let led = async || HealthMetrics::new(&world.context, Arc::clone(&store)).render().await;
    assert!(led().await.contains("\ndaymark_alerting_led 0\n"));

    // With a cancelled token the evaluator evaluates once.
    let stop = CancellationToken::new();
    stop.cancel();
    let evaluate_once = async || {
        evaluator(&world.context, &config, &Counters::default()).run(lock.watch(), &stop).await;
    };
    let sql = async |statement: &'static str| {
        let mut session = SqliteConnection::connect(&world.store_url).await.unwrap();
        session.execute(statement).await.unwrap();
        session.close().await.unwrap();
    };
    sql("ALTER TABLE alert_states RENAME TO hidden").await;
    evaluate_once().await;
    assert!(matches!(evaluation().await, AlertEvaluation::Silent(_)), "the evaluation failed");
    sql("ALTER TABLE hidden RENAME TO alert_states").await;
    evaluate_once().await;
    assert_eq!(evaluation().await, AlertEvaluation::Working);
    assert!(led().await.contains("\ndaymark_alerting_led 1\n"));
}

const DEADLINE: Duration = Duration::from_secs(60);
const CHANNELS: &str = "[channels.ops]\nkind = 'webhook'\nurl = 'https://ops.example/hook'\n";

fn evaluator(context: &Context, config: &Config, counters: &Counters) -> Evaluator {
    let watch = context.tenant.store.watch();
    Evaluator::new(context, config, counters.clone(), watch, Arc::new(Notify::new()))
}

async fn evaluate(world: &World, config: &Config) {
    evaluator(&world.context, config, &Counters::default()).evaluate().await.unwrap();
}

/// The notifications so far, oldest first: their kind and the rules that they name.
async fn told(world: &World) -> Vec<(NotificationKind, String)> {
    let mut notifications = world.context.tenant.store.notifications(None, 100).await.unwrap();
    notifications.reverse();
    notifications.sort_by_key(|notification| notification.created_at);
    let rules = |notification: daymark::store::Notification| {
        let alerts = notification.content.get("alerts").and_then(|alerts| alerts.as_array()).cloned();
        let names: Vec<_> = alerts
            .iter()
            .flatten()
            .filter_map(|alert| Some(alert.get("rule")?.as_str()?.to_owned()))
            .collect();
        (notification.kind, names.join(" "))
    };
    notifications.into_iter().map(rules).collect()
}

fn firing(rule: &str) -> (NotificationKind, String) {
    (NotificationKind::Firing, rule.to_owned())
}

fn resolved(rule: &str) -> (NotificationKind, String) {
    (NotificationKind::Resolved, rule.to_owned())
}

async fn alert(world: &World, config: &Config, rule: &str) -> AlertEntry {
    let alerts = query::alerts(&world.context, &config.declarations.alerts, &[]).await.unwrap().alerts;
    alerts.into_iter().find(|alert| alert.rule == rule).unwrap()
}

async fn collect(context: &Context) {
    let _ = collect_day(context, None, &[], &CancellationToken::new()).await;
}

fn advance(world: &World, minutes: i64) {
    world.clock.set(world.context.now() + SignedDuration::from_mins(minutes));
}

async fn an_unreachable_database_is_notified_once_and_so_is_its_return(world: World) {
    let config = config(CHANNELS, &[]);
    collect(&world.context).await;
    evaluate(&world, &config).await;
    world.set_clock("2025-01-12T00:15:00Z");
    let away = world.without_platform();
    // Six hours, with an attempt each half an hour and an evaluation after each.
    for _ in 0..12 {
        collect(&away).await;
        evaluate(&world, &config).await;
        advance(&world, 30);
    }
    assert_eq!(told(&world).await, [firing("collection_failing")]);
    let shown = alert(&world, &config, "collection_failing").await;
    assert_eq!((shown.status, shown.notified_at.is_some()), ("firing", true));
    collect(&world.context).await;
    evaluate(&world, &config).await;
    advance(&world, 30);
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("collection_failing"), resolved("collection_failing")]);
    assert_eq!(alert(&world, &config, "day_missing").await.notified_at, None);
}

async fn an_outage_over_two_midnights_is_notified_once(world: World) {
    let config = config(CHANNELS, &[]);
    collect(&world.context).await;
    evaluate(&world, &config).await;
    world.set_clock("2025-01-12T00:15:00Z");
    let away = world.without_platform();
    for _ in 0..30 {
        collect(&away).await;
        evaluate(&world, &config).await;
        advance(&world, 60);
    }
    let fires = firing("collection_failing");
    assert_eq!(told(&world).await, [fires.clone(), fires.clone()], "it is repeated after a day");
    // The newest day is recorded before the one that was missed, which was due more than a day ago.
    collect(&world.context).await;
    evaluate(&world, &config).await;
    advance(&world, 5);
    evaluate(&world, &config).await;
    assert_eq!(alert(&world, &config, "day_missing").await.status, "firing");
    backfill(&world.context, &range(11, 11), &Heard::default(), &CancellationToken::new()).await.unwrap();
    evaluate(&world, &config).await;
    advance(&world, 60);
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [fires.clone(), fires, resolved("collection_failing")]);
}

async fn a_day_without_records_is_notified_after_an_hour(world: World) {
    let config = config(CHANNELS, &[]);
    collect(&world.context).await;
    world.set_clock("2025-01-12T00:15:00Z");
    evaluate(&world, &config).await;
    assert_eq!(alert(&world, &config, "day_missing").await.status, "pending");
    advance(&world, 59);
    evaluate(&world, &config).await;
    assert!(told(&world).await.is_empty());
    advance(&world, 1);
    evaluate(&world, &config).await;
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("day_missing")]);
    let summary = alert(&world, &config, "day_missing").await.summary.unwrap();
    assert_eq!(summary, "records are missing: 2025-01-11 (4 metrics); `daymark gaps` says why");
}

async fn a_metric_is_judged_by_the_rules_of_the_file(world: World) {
    let text = format!(
        "{CHANNELS}[alerts.few_posts]\nmetric = 'posts_created'\ncondition = 'below'\nvalue = 11\nseverity = 'critical'\n\
         labels = {{ team = 'growth' }}\n\
         [alerts.jump]\nmetric = 'posts_total'\ncondition = 'rises'\npercent = 15\nwindow_days = 1\n\
         [alerts.unknown]\nmetric = 'postz'\ncondition = 'missing'\n[alerts.day_missing]\nenabled = false\n"
    );
    let config = config(&text, &[]);
    collect(&world.context).await;
    evaluate(&world, &config).await;
    let shown = async |rule: &str| alert(&world, &config, rule).await;
    // Day 10 has 10 posts, and 55 in all; nothing is recorded of day 9.
    assert_eq!(shown("few_posts").await.status, "firing");
    assert_eq!(shown("jump").await.status, "no_data");
    assert_eq!(shown("unknown").await.status, "error");
    assert_eq!(told(&world).await, [firing("few_posts")]);
    assert!(config.declarations.alerts.iter().all(|rule| rule.name != "day_missing"));
    let notification = world.context.tenant.store.notifications(None, 1).await.unwrap().remove(0);
    let alert = &notification.content["alerts"][0];
    assert_eq!(alert["summary"], "posts_created of 2025-01-10 is 10: below 11");
    assert_eq!((&alert["severity"], &alert["labels"]["team"]), (&"critical".into(), &"growth".into()));
}

async fn correct(context: &Context, change: RequestedChange) {
    let correction = RequestedCorrection {
        category: "posts_created".to_owned(),
        metric_type: None,
        date: january(10),
        change,
        after_revision: None,
    };
    let request = CorrectionRequest { reason: "known".to_owned(), corrections: vec![correction] };
    let planned = corrections::plan(context, request).await.unwrap();
    corrections::write(context, planned).await.unwrap();
}

async fn a_metric_is_judged_by_its_corrected_value(world: World) {
    let text = format!(
        "{CHANNELS}[alerts.few_posts]\nmetric = 'posts_created'\ncondition = 'below'\nvalue = 11\n\
         [alerts.day_missing]\nenabled = false\n"
    );
    let config = config(&text, &[]);
    collect(&world.context).await;
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("few_posts")]);
    correct(&world.context, RequestedChange::Value { value: 12.into(), metadata: None }).await;
    for _ in 0..2 {
        advance(&world, 30);
        evaluate(&world, &config).await;
    }
    assert_eq!(told(&world).await, [firing("few_posts"), resolved("few_posts")]);
    correct(&world.context, RequestedChange::Value { value: 3.into(), metadata: None }).await;
    evaluate(&world, &config).await;
    let shown = alert(&world, &config, "few_posts").await;
    assert_eq!(shown.summary.unwrap(), "posts_created of 2025-01-10 is 3: below 11");
}

async fn a_silence_keeps_it_quiet_until_it_ends(world: World) {
    let config = config(CHANNELS, &[]);
    let rules = &config.declarations.alerts;
    let until = world.context.now() + SignedDuration::from_hours(20);
    let wrong = silence(&world.context, rules, Some("collection_failling"), "moving", until).await;
    assert!(wrong.unwrap_err().to_string().contains("did you mean `collection_failing`"));
    assert!(silence(&world.context, rules, None, " ", until).await.is_err());
    assert!(silence(&world.context, rules, None, "moving", world.context.now()).await.is_err());
    let silence = silence(&world.context, rules, Some("collection_failing"), "moving", until).await.unwrap();
    let away = world.without_platform();
    for _ in 0..4 {
        advance(&world, 1);
        collect(&away).await;
        evaluate(&world, &config).await;
    }
    let shown = alert(&world, &config, "collection_failing").await;
    assert_eq!((shown.status, shown.is_silenced), ("firing", true));
    assert!(told(&world).await.is_empty());
    assert!(unsilence(&world.context, silence.id).await.unwrap());
    assert!(!unsilence(&world.context, silence.id).await.unwrap());
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("collection_failing")]);
}

async fn failing_requests_are_notified(world: World) {
    let config = config(CHANNELS, &[]);
    collect(&world.context).await;
    let counters = Counters::default();
    let lock = AlertLock::new(&world.context, counters.clone());
    lock.tick(&mut None).await.unwrap();
    let watch = lock.watch();
    let stop = CancellationToken::new();
    let evaluator = evaluator(&world.context, &config, &counters);
    let stopped = stop.clone();
    let running = tokio::spawn(async move { evaluator.run(watch, &stopped).await });
    // The first evaluation takes the first sample, so that only what comes later is counted.
    let started = Instant::now();
    while alert(&world, &config, "query_errors").await.since.is_none() {
        assert!(started.elapsed() < DEADLINE, "the rules are not evaluated");
        tokio::task::yield_now().await;
    }
    let answer = |status, count| {
        for _ in 0..count {
            counters.request_answered("GET", "/api/v1/metrics", status, Duration::ZERO);
        }
    };
    answer(200, 94);
    answer(500, 6);
    // Its own page and the health checks do not count.
    (0..1000).for_each(|_| counters.request_answered("GET", "/livez", 200, Duration::ZERO));
    advance(&world, 1);
    while told(&world).await.is_empty() {
        assert!(started.elapsed() < DEADLINE, "the alert is not told of");
        tokio::task::yield_now().await;
    }
    assert_eq!(told(&world).await, [firing("query_errors")]);
    stop.cancel();
    running.await.unwrap();
    drop(lock);
}

async fn a_forgotten_pause_is_notified(world: World) {
    let config = config(CHANNELS, &[]);
    collect(&world.context).await;
    pause(&world.context, "moving the database", None).await.unwrap();
    advance(&world, 24 * 60 - 1);
    evaluate(&world, &config).await;
    assert!(told(&world).await.is_empty());
    advance(&world, 1);
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("forgotten_pause")]);
    let summary = alert(&world, &config, "forgotten_pause").await.summary.unwrap();
    assert_eq!(
        summary,
        "the schedule is paused since 2025-01-11 12:00 UTC by cli:test, without an end: moving the database"
    );
}

async fn a_rule_that_is_removed_is_over(world: World) {
    let rule = "[alerts.few]\nmetric = 'posts_created'\ncondition = 'below'\nvalue = 11\n";
    collect(&world.context).await;
    evaluate(&world, &config(&format!("{CHANNELS}{rule}"), &[])).await;
    for _ in 0..2 {
        advance(&world, 1);
        evaluate(&world, &config(CHANNELS, &[])).await;
    }
    assert_eq!(told(&world).await, [firing("few"), resolved("few")]);
    let states = async || world.context.tenant.store.alert_states().await.unwrap();
    let resolved = states().await.into_iter().find(|state| state.rule == "few");
    let summary = resolved.expect("it is shown as resolved for a day").summary;
    assert_eq!(summary, "the configuration has no such rule any more", "the condition holds still");
    advance(&world, 24 * 60);
    evaluate(&world, &config(CHANNELS, &[])).await;
    assert!(states().await.iter().all(|state| state.rule != "few"));
}

async fn a_weekly_schedule_is_no_alert_between_two_of_its_times(mut world: World) {
    let cron = CronSchedule::new("0 6 * * 1", "UTC").unwrap();
    Arc::make_mut(&mut world.context.tenant).cron = Some(cron);
    let config = config(&format!("{CHANNELS}[alerts.day_missing]\nenabled = false\n"), &[]);
    collect(&world.context).await;
    // From Saturday noon to the end of Monday, on which nothing is recorded.
    for _ in 0..12 {
        advance(&world, 5 * 60);
        evaluate(&world, &config).await;
    }
    assert!(told(&world).await.is_empty());
    world.set_clock("2025-01-14T06:00:00Z");
    evaluate(&world, &config).await;
    advance(&world, 10);
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("nothing_recorded")]);
    collect(&world.context).await;
    for _ in 0..6 {
        evaluate(&world, &config).await;
        advance(&world, 24 * 60);
    }
    assert_eq!(told(&world).await, [firing("nothing_recorded"), resolved("nothing_recorded")]);
    let tested = backtest(&world.context, &config.declarations.alerts).await.unwrap();
    let tested = tested.into_iter().find(|backtest| backtest.rule == "nothing_recorded").unwrap();
    assert_eq!(tested.fires_on, [january(14)]);
}

async fn the_heartbeat_is_called_once_for_each_good_run(world: World) {
    let config = config("", &[("DAYMARK_DELIVERY_HEARTBEAT_URL", "https://hc-ping.example/id")]);
    evaluate(&world, &config).await;
    assert!(told(&world).await.is_empty(), "there was no run");
    collect(&world.context).await;
    for _ in 0..3 {
        evaluate(&world, &config).await;
    }
    assert_eq!(told(&world).await, [(NotificationKind::Heartbeat, String::new())]);
    let run = world.runs().await.remove(0);
    assert_eq!(world.context.tenant.store.notifications(None, 1).await.unwrap()[0].id, run.id);
    world.set_clock("2025-01-12T00:15:00Z");
    collect(&world.without_platform()).await;
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await.len(), 1, "a failed run is no good run");
    world.set_clock("2025-01-13T00:15:00Z");
    collect(&world.context).await;
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await.len(), 2);
}

async fn a_rule_is_tried_over_the_past(world: World) {
    let text = format!(
        "{SOURCES}[alerts.many]\nmetric = 'posts_created'\ncondition = 'above'\nvalue = 7\n\
         [alerts.unknown]\nmetric = 'postz'\ncondition = 'above'\nvalue = 7\n\
         [alerts.impossible]\nmetric = 'posts_total'\ncondition = 'falls'\npercent = 100.5\n"
    );
    let config = world.config(&text);
    backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let tried = backtest(&world.context, &config.declarations.alerts).await.unwrap();
    let of = |rule: &str| tried.iter().find(|tried| tried.rule == rule).unwrap();
    assert_eq!(of("many").fires_on, [january(8), january(9), january(10)]);
    assert!(of("many").place.ends_with(": [alerts.many]"), "{}", of("many").place);
    let problem = of("unknown").problem.clone().unwrap();
    assert_eq!(problem.message, "there is no active metric `postz`");
    assert!(problem.hint.contains("posts_total"), "{}", problem.hint);
    let problem = of("impossible").problem.clone().unwrap();
    assert_eq!(problem.message, "`posts_total` is never below 0, so it cannot fall by 100.5 %");
    assert!(of("collection_failing").fires_on.is_empty(), "a backfill is no collection");
    // An outage of five minutes.
    world.set_clock("2025-01-12T00:15:00Z");
    collect(&world.without_platform()).await;
    advance(&world, 5);
    collect(&world.context).await;
    advance(&world, 60);
    let tried = backtest(&world.context, &config.declarations.alerts).await.unwrap();
    let failing = tried.iter().find(|tried| tried.rule == "collection_failing").unwrap();
    assert!(failing.fires_on.is_empty(), "{failing:?}");
}

async fn every_kind_of_rule_is_tried_over_the_past(world: World) {
    let text = format!(
        "{SOURCES}[alerts.few]\nmetric = 'posts_created'\ncondition = 'below'\nvalue = 1\nfor_minutes = 2880\n\
         [alerts.collection_failing]\nruns = 1\n"
    );
    let rules = world.config(&text).declarations.alerts;
    let fires_on = async |rule: &str| {
        let tried = backtest(&world.context, &rules).await.unwrap();
        tried.into_iter().find(|tried| tried.rule == rule).unwrap().fires_on
    };
    for rule in ["nothing_recorded", "day_missing", "forgotten_pause", "collection_failing", "few"] {
        assert!(fires_on(rule).await.is_empty(), "{rule}: nothing is known yet");
    }
    collect(&world.context).await;
    // The 12th fails, and nothing runs for three days.
    world.set_clock("2025-01-12T00:15:00Z");
    collect(&world.without_platform()).await;
    world.set_clock("2025-01-15T00:15:00Z");
    collect(&world.context).await;
    assert_eq!(fires_on("collection_failing").await, [january(11)]);
    let failing = async |keys: &str| {
        let text = format!("{SOURCES}[alerts.collection_failing]\nseverity = 'critical'\n{keys}");
        let tried = backtest(&world.context, &world.config(&text).declarations.alerts).await.unwrap();
        tried.into_iter().find(|tried| tried.rule == "collection_failing").unwrap().fires_on
    };
    assert_eq!(failing("").await, [january(11)], "one has failed, and the day is missing for three days");
    // From ten minutes after the failure until the next collection.
    assert_eq!(failing("for_minutes = 4300\n").await, [january(11)]);
    assert!(failing("for_minutes = 4320\n").await.is_empty());
    assert_eq!(fires_on("day_missing").await, [january(11), january(12), january(13)]);
    assert_eq!(fires_on("nothing_recorded").await, [january(13)]);
    assert!(fires_on("few").await.is_empty(), "day 14 alone has no post");
    pause(&world.context, "moving the database", None).await.unwrap();
    advance(&world, 30 * 60);
    assert_eq!(fires_on("forgotten_pause").await, [january(16)]);
    resume(&world.context).await.unwrap();
    advance(&world, 24 * 60);
    backfill(&world.context, &range(11, 15), &Heard::default(), &CancellationToken::new()).await.unwrap();
    assert_eq!(fires_on("few").await, [january(13), january(14), january(15)], "for three days in a row");
    assert_eq!(fires_on("forgotten_pause").await, [january(16)]);
    // The 15th became due during the pause.
    assert_eq!(fires_on("day_missing").await, [january(11), january(12), january(13), january(16)]);
    let tried = backtest(&world.context, &rules).await.unwrap();
    assert!(tried.iter().all(|tried| tried.rule != "query_errors"), "requests are not recorded");
    assert!(tried.iter().all(|tried| tried.rule != "drift"), "earlier recounts are not recorded");
}

async fn a_metric_must_hold_for_days(world: World) {
    let text = format!(
        "{CHANNELS}[alerts.few]\nmetric = 'posts_created'\ncondition = 'below'\nvalue = 100\nfor_minutes = 2880\n"
    );
    let config = config(&text, &[]);
    collect(&world.context).await;
    let started = world.context.now();
    let mut fired_at = None;
    for half_hour in 0..5 * 48 {
        world.clock.set(started + SignedDuration::from_mins(30 * half_hour));
        evaluate(&world, &config).await;
        // Half an hour after a day is due there is no value of it yet.
        if world.context.now().to_string().ends_with("T01:00:00Z") {
            collect(&world.context).await;
            evaluate(&world, &config).await;
        }
        if alert(&world, &config, "few").await.status == "firing" {
            fired_at = Some(world.context.now());
            break;
        }
    }
    assert_eq!(fired_at, Some(started + SignedDuration::from_hours(48)));
}

async fn a_cause_on_another_channel_suppresses_no_effect(world: World) {
    let text = format!(
        "{CHANNELS}[channels.data]\nkind = 'webhook'\nurl = 'https://data.example/hook'\n\
         [alerts.collection_failing]\nchannels = ['ops']\n[alerts.day_missing]\nfor_minutes = 0\n"
    );
    let config = config(&text, &[]);
    collect(&world.context).await;
    world.set_clock("2025-01-12T00:15:00Z");
    for _ in 0..3 {
        collect(&world.without_platform()).await;
        advance(&world, 30);
        evaluate(&world, &config).await;
    }
    let mut told: Vec<_> = world.context.tenant.store.notifications(None, 10).await.unwrap();
    told.sort_by_key(|notification| notification.channel.clone());
    let told: Vec<_> = told
        .iter()
        .map(|told| (told.channel.as_str(), told.content["alerts"][0]["rule"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("data", "day_missing"), ("ops", "collection_failing")]);
}

async fn an_anomaly_and_drift_are_notified(world: World) {
    let text = format!("{SOURCES}{CHANNELS}[alerts.anomaly]\nvalues = 2\n[alerts.drift]\npercent = 20\n");
    let config = world.config(&text);
    let mut bounded = crate::world::definitions(world.time_format());
    for definition in &mut bounded[1..3] {
        definition.expected = serde_json::from_str(r#"{"max": 0}"#).unwrap();
    }
    world.apply(&bounded).await;
    backfill(&world.context, &range(1, 9), &Heard::default(), &CancellationToken::new()).await.unwrap();
    collect(&world.context).await;
    evaluate(&world, &config).await;
    assert_eq!(told(&world).await, [firing("anomaly")]);
    let summary = alert(&world, &config, "anomaly").await.summary.unwrap();
    assert!(summary.starts_with("2 recorded values of 2025-01-10 are out of line"), "{summary}");
    assert!(summary.contains("posts_created is 10 (out of range)"), "{summary}");
    let tried = backtest(&world.context, &config.declarations.alerts).await.unwrap();
    let anomaly = tried.iter().find(|tried| tried.rule == "anomaly").unwrap();
    assert_eq!(anomaly.fires_on.len(), 10);

    world.execute("DELETE FROM posts WHERE created_at < '2025-01-03'").await;
    let never = CancellationToken::new();
    daymark::collect::sample_drift(&world.context, january(10), 100, &never).await.unwrap();
    evaluate(&world, &config).await;
    let mut fired = told(&world).await;
    fired.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(fired, [firing("anomaly"), firing("drift")]);
    // Of the day after, nothing is recorded yet, and the recounts are of the night before.
    advance(&world, 36 * 60 + 1);
    evaluate(&world, &config).await;
    let resolved = async || {
        let told = told(&world).await;
        let resolved = told.into_iter().filter(|(kind, _)| *kind == NotificationKind::Resolved);
        resolved.map(|(_, rules)| rules).collect::<Vec<_>>().concat()
    };
    assert!(resolved().await.contains("drift"));
    assert!(!resolved().await.contains("anomaly"), "nothing says that the values are in line again");
    world.apply(&crate::world::definitions(world.time_format())).await;
    collect(&world.context).await;
    evaluate(&world, &config).await;
    assert!(resolved().await.contains("anomaly"));
}
