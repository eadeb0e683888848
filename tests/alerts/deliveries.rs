//! What is written is delivered, at least once and always under the same id, whatever the receiver does.

use std::collections::BTreeSet;

use daymark::{
    collect::CancellationToken,
    config::{self, Channel, Config, Environment, GivenFlags},
    delivery::{AlertLock, Deliverer, test_channel},
    message::{AlertNotice, NotificationContent},
    query::{DeliveriesQuery, DeliveryEntry, deliveries},
    store::{NewNotification, NotificationKind},
    telemetry::Counters,
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use serde_json::json;
use sqlx::{Connection, Executor};
use uuid::Uuid;

use crate::{
    on,
    sink::{Answer, Sink},
    world::World,
};

on! { [sqlite, postgres]
    a_webhook_is_signed_and_names_the_alert,
    a_receiver_that_is_away_for_a_day_misses_nothing_and_gets_nothing_twice,
    a_receiver_that_hangs_is_timed_out_and_holds_up_no_other_channel,
    undeliverable_notifications_are_given_up,
    receivers_of_the_inside_are_refused_unless_allowed,
    a_chat_gets_a_text,
    the_heartbeat_is_a_call,
    a_channel_is_tried_once,
    an_end_is_delivered_after_its_beginning,
    a_notification_that_is_refused_holds_up_only_those_about_the_same_rule,
    a_new_notification_tries_a_channel_that_waits,
    an_attempt_that_cannot_be_recorded_is_recorded_before_the_next_one_is_sent,
    an_instance_that_lost_the_lock_sends_nothing_more,
    a_test_is_never_pending,
    old_notifications_are_deleted_with_their_attempts,
    a_channel_has_templates_of_its_own,
}

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// The configuration of a file, where loopback addresses are allowed and receivers have a second.
pub fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    let text = format!("[delivery]\nallow_private = true\ntimeout_seconds = 1\n{text}");
    load(&text, variables)
}

fn load(text: &str, variables: &[(&str, &str)]) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daymark.toml");
    std::fs::write(&file, text).unwrap();
    let environment: Environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
    config::load(Some(&file), &GivenFlags::new(), &environment).unwrap()
}

pub fn deliverer(world: &World, config: &Config) -> Deliverer {
    let settings = config.settings.delivery.clone();
    Deliverer::new(&world.context, config.declarations.channels.clone(), settings)
}

pub fn firing() -> NotificationContent {
    let notice = AlertNotice {
        rule: "collection_failing".to_owned(),
        severity: "critical".to_owned(),
        summary: "3 runs failed in a row: no <answer>".to_owned(),
        labels: [("team".to_owned(), "data".to_owned())].into(),
        started_at: "2025-01-11T00:15:00Z".parse().unwrap(),
        ended_at: None,
        valid_until: None,
        ended_silence: None,
    };
    NotificationContent { tenant: "default".to_owned(), alerts: vec![notice] }
}

/// Writes a notification, as a change of state would.
pub async fn notify(world: &World, channel: &str, kind: NotificationKind) -> Uuid {
    notify_of(world, channel, kind, "collection_failing").await
}

pub async fn notify_of(world: &World, channel: &str, kind: NotificationKind, rule: &str) -> Uuid {
    let mut content = firing();
    content.alerts[0].rule = rule.to_owned();
    let new = NewNotification {
        id: Uuid::new_v4(),
        channel: channel.to_owned(),
        kind,
        content: content.into_object(),
        created_at: world.context.now(),
    };
    assert!(world.context.tenant.store.commit_alerts(&[], std::slice::from_ref(&new)).await.unwrap());
    new.id
}

pub async fn shown(world: &World) -> Vec<DeliveryEntry> {
    let question = DeliveriesQuery::parse(None, None).unwrap();
    deliveries(&world.context, &question).await.unwrap().deliveries
}

/// Moves the clock to the next attempt and delivers what is due, until nothing is pending or `hours` have passed.
async fn deliver_for(world: &World, deliverer: &Deliverer, hours: i64) {
    let end = world.context.now() + SignedDuration::from_hours(hours);
    loop {
        deliverer.deliver_due().await.unwrap();
        let next = shown(world).await.iter().filter_map(|delivery| delivery.next_attempt_at).min();
        match next {
            Some(next) if next <= end => world.clock.set(next),
            _ => return world.clock.set(end),
        }
    }
}

async fn a_webhook_is_signed_and_names_the_alert(world: World) {
    let sink = Sink::start().await;
    let text = format!("[channels.ops]\nkind = 'webhook'\nurl = '{}'\nsecret_env = 'DAYMARK_OPS'", sink.url);
    let config = config(&text, &[("DAYMARK_OPS", "whsec_c2VjcmV0")]);
    let id = notify(&world, "ops", NotificationKind::Firing).await;
    deliverer(&world, &config).deliver_due().await.unwrap();
    let received = sink.received();
    assert_eq!(received.len(), 1);
    let headers = &received[0].headers;
    assert_eq!(headers["webhook-id"], id.to_string());
    assert_eq!(headers["webhook-timestamp"], world.context.now().as_second().to_string());
    let signed = format!("{id}.{}.{}", headers["webhook-timestamp"], received[0].body);
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(signed.as_bytes());
    let expected = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, mac.finalize().into_bytes());
    assert_eq!(headers["webhook-signature"], format!("v1,{expected}"));
    let body = received[0].json();
    assert_eq!(body["type"], "alert.firing");
    assert_eq!(body["data"]["alerts"][0]["rule"], "collection_failing");
    assert_eq!(body["data"]["alerts"][0]["labels"], json!({"team": "data"}));
    let shown = shown(&world).await;
    assert_eq!(
        (shown[0].status, shown[0].attempts[0].answer.as_str()),
        ("delivered", "HTTP 200: the sink says 200")
    );
    deliverer(&world, &config).deliver_due().await.unwrap();
    assert_eq!(sink.received().len(), 1, "it is delivered");
}

async fn a_receiver_that_is_away_for_a_day_misses_nothing_and_gets_nothing_twice(world: World) {
    let sink = Sink::start().await;
    let config = config(&format!("[channels.ops]\nkind = 'webhook'\nurl = '{}'", sink.url), &[]);
    let deliverer = deliverer(&world, &config);
    sink.answer_with(Answer::Status(500));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(notify(&world, "ops", NotificationKind::Firing).await.to_string());
        deliver_for(&world, &deliverer, 8).await;
    }
    let tried = sink.header("webhook-id");
    assert!((25..60).contains(&tried.len()), "{} attempts in a day", tried.len());
    assert!(tried.iter().all(|id| *id == ids[0]), "those behind the first one wait for it");
    assert!(shown(&world).await.iter().all(|delivery| delivery.status == "pending"));

    sink.answer_with(Answer::Status(204));
    deliver_for(&world, &deliverer, 2).await;
    let delivered = sink.header("webhook-id").split_off(tried.len());
    assert_eq!(delivered, ids, "each was taken once, in the order in which they were written");
    assert!(shown(&world).await.iter().all(|delivery| delivery.status == "delivered"));
}

async fn a_receiver_that_hangs_is_timed_out_and_holds_up_no_other_channel(world: World) {
    let (hanging, sink) = (Sink::start().await, Sink::start().await);
    hanging.answer_with(Answer::Hang);
    let text = format!(
        "[channels.hanging]\nkind = 'slack'\nurl = '{}'\n[channels.ops]\nkind = 'slack'\nurl = '{}'",
        hanging.url, sink.url
    );
    let config = config(&text, &[]);
    for channel in ["hanging", "ops"] {
        notify(&world, channel, NotificationKind::Firing).await;
    }
    let deliverer = deliverer(&world, &config);
    let delivering = deliverer.deliver_due();
    tokio::pin!(delivering);
    // The other channel's notification is noted while the first one is still waited for.
    loop {
        let delivered = shown(&world).await.iter().filter(|delivery| delivery.status == "delivered").count();
        if delivered == 1 {
            break;
        }
        let waited = tokio::time::timeout(std::time::Duration::from_millis(5), &mut delivering).await;
        assert!(waited.is_err(), "the batch of the hanging channel held up the other one");
    }
    assert_eq!((hanging.received().len(), sink.received().len()), (1, 1));
    delivering.await.unwrap();
    let shown = shown(&world).await;
    let waiting = shown.iter().find(|delivery| delivery.channel == "hanging").unwrap();
    assert_eq!(waiting.status, "pending");
    assert_eq!(waiting.attempts[0].answer, "no answer within 1 s");
    assert!((900..5000).contains(&waiting.attempts[0].duration_ms), "{:?}", waiting.attempts);
}

async fn undeliverable_notifications_are_given_up(world: World) {
    let sink = Sink::start().await;
    sink.answer_with(Answer::Status(302));
    let text = format!("give_up_hours = 2\n[channels.ops]\nkind = 'webhook'\nurl = '{}'", sink.url);
    let config = config(&text, &[]);
    for channel in ["ops", "former"] {
        notify(&world, channel, NotificationKind::Firing).await;
    }
    deliver_for(&world, &deliverer(&world, &config), 3).await;
    let shown = shown(&world).await;
    assert!(shown.iter().all(|delivery| delivery.status == "given_up"), "{shown:?}");
    let former = shown.iter().find(|delivery| delivery.channel == "former").unwrap();
    assert_eq!(former.attempts[0].answer, "no channel of this name is declared");
    assert!(sink.received().len() > 8, "a redirect is no answer, and is not followed");
    assert!(sink.received().iter().all(|request| request.path == "/hook"));
}

async fn receivers_of_the_inside_are_refused_unless_allowed(world: World) {
    let sink = Sink::start().await;
    let port = sink.url.rsplit(':').next().unwrap();
    let text = format!(
        "[channels.number]\nkind = 'webhook'\nurl = '{}'\n[channels.name]\nkind = 'slack'\nurl = 'http://localhost:{port}'
         [channels.mapped]\nkind = 'alertmanager'\nurl = 'http://[::ffff:127.0.0.1]:{port}'
         [channels.mail]\nkind = 'email'\nhost = 'localhost'\ntls = 'none'\nfrom = 'a@b.example'\nto = ['a@b.example']",
        sink.url
    );
    let config = load(&text, &[]);
    let channels: Vec<Channel> = config.declarations.channels.clone();
    assert_eq!(channels.len(), 4);
    for channel in &channels {
        notify(&world, &channel.name, NotificationKind::Firing).await;
    }
    deliverer(&world, &config).deliver_due().await.unwrap();
    for delivery in shown(&world).await {
        assert!(delivery.attempts[0].answer.contains("delivery.allow_private"), "{delivery:?}");
    }
    assert_eq!(sink.received().len(), 0);
}

async fn a_chat_gets_a_text(world: World) {
    let sink = Sink::start().await;
    let config =
        config("[channels.chat]\nkind = 'slack'\nurl_env = 'DAYMARK_CHAT'", &[("DAYMARK_CHAT", &sink.url)]);
    notify(&world, "chat", NotificationKind::Firing).await;
    deliverer(&world, &config).deliver_due().await.unwrap();
    let expected = "*Daymark (default): critical: collection_failing*\n\
        critical collection_failing [team=data]: 3 runs failed in a row: no &lt;answer&gt; (since 2025-01-11 00:15 UTC)";
    assert_eq!(sink.received()[0].json(), json!({ "text": expected }));
}

async fn the_heartbeat_is_a_call(world: World) {
    let sink = Sink::start().await;
    let config = config("", &[("DAYMARK_DELIVERY_HEARTBEAT_URL", &sink.url)]);
    notify(&world, config::HEARTBEAT_CHANNEL, NotificationKind::Heartbeat).await;
    deliverer(&world, &config).deliver_due().await.unwrap();
    assert_eq!((sink.received()[0].path.as_str(), sink.received()[0].body.as_str()), ("/hook", ""));
    assert_eq!(shown(&world).await[0].status, "delivered");
}

async fn a_channel_is_tried_once(world: World) {
    let sink = Sink::start().await;
    let config = config(&format!("[channels.ops]\nkind = 'webhook'\nurl = '{}'", sink.url), &[]);
    let test = async |channel: &str| {
        let channels = config.declarations.channels.clone();
        test_channel(&world.context, channels, config.settings.delivery.clone(), channel).await.unwrap()
    };
    assert!(test("ops").await.is_delivered);
    assert_eq!(sink.received()[0].json()["type"], "alert.test");
    sink.answer_with(Answer::Status(403));
    let refused = test("ops").await;
    assert_eq!((refused.is_delivered, refused.answer.as_str()), (false, "HTTP 403: the sink says 403"));
    deliverer(&world, &config).deliver_due().await.unwrap();
    assert_eq!(sink.received().len(), 2, "a test is not repeated");
    let statuses: BTreeSet<_> = shown(&world).await.iter().map(|delivery| delivery.status).collect();
    assert_eq!(statuses, ["delivered", "given_up"].into());
}

/// The channel `ops`, whose receiver is `sink`.
fn webhook(sink: &Sink) -> Config {
    config(&format!("[channels.ops]\nkind = 'webhook'\nurl = '{}'", sink.url), &[])
}

/// The same, with more time for the receiver than a test takes.
fn patient_webhook(sink: &Sink) -> Config {
    let text = "[delivery]\nallow_private = true\ntimeout_seconds = 60\n[channels.ops]\nkind = 'webhook'\n";
    load(&format!("{text}url = '{}'", sink.url), &[])
}

fn advance(world: &World, seconds: i64) {
    world.clock.set(world.context.now() + SignedDuration::from_secs(seconds));
}

async fn an_end_is_delivered_after_its_beginning(world: World) {
    let sink = Sink::start().await;
    let deliverer = deliverer(&world, &webhook(&sink));
    sink.answer_with(Answer::Status(503));
    let began = notify(&world, "ops", NotificationKind::Firing).await;
    // The beginning waits for ever longer.
    deliver_for(&world, &deliverer, 3).await;
    let ended = notify(&world, "ops", NotificationKind::Resolved).await;
    deliverer.deliver_due().await.unwrap();
    let away = sink.received().len();
    sink.answer_with(Answer::Status(200));
    deliver_for(&world, &deliverer, 2).await;
    let taken = sink.header("webhook-id").split_off(away);
    assert_eq!(taken, [began.to_string(), ended.to_string()]);
}

async fn a_notification_that_is_refused_holds_up_only_those_about_the_same_rule(world: World) {
    let sink = Sink::start().await;
    let deliverer = deliverer(&world, &webhook(&sink));
    sink.answer_with(Answer::Refuse("poison"));
    let poison = notify_of(&world, "ops", NotificationKind::Firing, "poison").await;
    let other = notify_of(&world, "ops", NotificationKind::Firing, "slow_collection").await;
    let antidote = notify_of(&world, "ops", NotificationKind::Resolved, "poison").await;
    deliverer.deliver_due().await.unwrap();
    deliverer.deliver_due().await.unwrap();
    assert_eq!(sink.header("webhook-id"), [poison.to_string(), other.to_string()]);
    advance(&world, 5);
    deliverer.deliver_due().await.unwrap();
    assert_eq!(sink.header("webhook-id").split_off(2), [poison.to_string()], "it waits, and is tried again");
    sink.answer_with(Answer::Status(200));
    advance(&world, 10);
    deliverer.deliver_due().await.unwrap();
    assert_eq!(sink.header("webhook-id").split_off(3), [poison.to_string(), antidote.to_string()]);
}

async fn a_new_notification_tries_a_channel_that_waits(world: World) {
    let sink = Sink::start().await;
    let deliverer = deliverer(&world, &webhook(&sink));
    sink.answer_with(Answer::Status(503));
    let first = notify(&world, "ops", NotificationKind::Firing).await;
    deliver_for(&world, &deliverer, 10).await;
    deliverer.deliver_due().await.unwrap();
    let away = sink.received().len();
    sink.answer_with(Answer::Status(200));
    advance(&world, 1);
    let second = notify_of(&world, "ops", NotificationKind::Firing, "slow_collection").await;
    deliverer.deliver_due().await.unwrap();
    assert_eq!(sink.header("webhook-id").split_off(away), [first.to_string(), second.to_string()]);
}

/// Runs a statement on the store as its owner.
async fn store_sql(world: &World, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    match world.store_url.strip_prefix("sqlite:") {
        Some(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut session = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            session.execute(sqlx::raw_sql(statement)).await.unwrap();
        }
        None => {
            let mut session = sqlx::PgConnection::connect(&world.store_url).await.unwrap();
            session.execute("SET search_path TO daymark").await.unwrap();
            session.execute(sqlx::raw_sql(statement)).await.unwrap();
        }
    }
}

/// Lets the store refuse attempts, as a full disk would: reading is possible, writing is not.
async fn refuse_attempts(world: &World) {
    let statement = match world.store_url.starts_with("sqlite:") {
        true => {
            "CREATE TRIGGER full BEFORE INSERT ON delivery_attempts
             BEGIN SELECT RAISE(ABORT, 'no space left'); END"
        }
        false => {
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON delivery_attempts FOR EACH ROW EXECUTE FUNCTION no_space()"
        }
    };
    store_sql(world, statement).await;
}

async fn take_attempts(world: &World) {
    let statement = match world.store_url.starts_with("sqlite:") {
        true => "DROP TRIGGER full",
        false => "DROP TRIGGER full_disk ON delivery_attempts",
    };
    store_sql(world, statement).await;
}

async fn an_attempt_that_cannot_be_recorded_is_recorded_before_the_next_one_is_sent(world: World) {
    let sink = Sink::start().await;
    let deliverer = deliverer(&world, &webhook(&sink));
    let first = notify(&world, "ops", NotificationKind::Firing).await;
    let second = notify_of(&world, "ops", NotificationKind::Firing, "slow_collection").await;
    refuse_attempts(&world).await;
    for _ in 0..30 {
        // It says that the store fails, or waits.
        let _ = deliverer.deliver_due().await;
        advance(&world, 5);
    }
    assert_eq!(sink.header("webhook-id"), [first.to_string()], "it was sent once, and nothing after it");
    take_attempts(&world).await;
    advance(&world, 60);
    deliverer.deliver_due().await.unwrap();
    assert_eq!(sink.header("webhook-id"), [first.to_string(), second.to_string()]);
    for delivery in shown(&world).await {
        assert_eq!((delivery.status, delivery.attempts.len()), ("delivered", 1), "{delivery:?}");
    }
}

/// Takes the lock of alerts from the process that holds it, as a server that is restarted does.
async fn take_lock_away(world: &World) {
    match world.store_url.strip_prefix("sqlite:") {
        Some(path) => std::fs::remove_file(format!("{path}-locks/default.alerts")).unwrap(),
        None => {
            let holders = "SELECT pg_terminate_backend(pid) FROM pg_locks
                WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            store_sql(world, holders).await;
        }
    }
}

async fn an_instance_that_lost_the_lock_sends_nothing_more(world: World) {
    let sink = Sink::start().await;
    sink.answer_with(Answer::Wait);
    let deliverer = deliverer(&world, &patient_webhook(&sink));
    let first = notify(&world, "ops", NotificationKind::Firing).await;
    notify_of(&world, "ops", NotificationKind::Firing, "slow_collection").await;
    let lock = AlertLock::new(&world.context, Counters::default());
    lock.tick(&mut None).await.unwrap();
    let (watch, stop) = (lock.watch(), CancellationToken::new());
    assert!(watch.borrow().is_some(), "the lock was free");
    let stopped = stop.clone();
    let running = tokio::spawn(async move { deliverer.run(watch, &stopped).await });
    let started = std::time::Instant::now();
    while sink.received().is_empty() {
        assert!(started.elapsed() < DEADLINE, "nothing is sent");
        tokio::task::yield_now().await;
    }
    take_lock_away(&world).await;
    let other = AlertLock::new(&world.another_process(), Counters::default());
    while other.watch().borrow().is_none() {
        assert!(started.elapsed() < DEADLINE, "the lock is not free");
        other.tick(&mut None).await.unwrap();
    }
    sink.answer_with(Answer::Status(200));
    sink.release();
    // It ends when its batch has.
    stop.cancel();
    running.await.unwrap();
    assert_eq!(sink.header("webhook-id"), [first.to_string()], "the second one is the other instance's");
    let statuses: BTreeSet<_> = shown(&world).await.iter().map(|delivery| delivery.status).collect();
    assert_eq!(statuses, ["delivered", "pending"].into(), "what was sent is noted");
}

async fn a_test_is_never_pending(world: World) {
    let sink = Sink::start().await;
    sink.answer_with(Answer::Wait);
    let config = patient_webhook(&sink);
    let channels = config.declarations.channels.clone();
    let (context, settings) = (world.context.clone(), config.settings.delivery.clone());
    let testing =
        tokio::spawn(async move { test_channel(&context, channels, settings, "ops").await.unwrap() });
    let started = std::time::Instant::now();
    while sink.received().is_empty() {
        assert!(started.elapsed() < DEADLINE, "nothing is sent");
        tokio::task::yield_now().await;
    }
    deliverer(&world, &config).deliver_due().await.unwrap();
    sink.release();
    assert!(testing.await.unwrap().is_delivered);
    deliverer(&world, &config).deliver_due().await.unwrap();
    assert_eq!(sink.received().len(), 1);
    assert_eq!(shown(&world).await[0].attempts.len(), 1);
}

async fn old_notifications_are_deleted_with_their_attempts(world: World) {
    let sink = Sink::start().await;
    let deliverer = deliverer(&world, &webhook(&sink));
    let store = &world.context.tenant.store;
    let mut most = 0;
    for _ in 0..100 {
        for kind in [NotificationKind::Firing, NotificationKind::Resolved] {
            notify(&world, "ops", kind).await;
        }
        deliverer.deliver_due().await.unwrap();
        deliverer.delete_old().await.unwrap();
        let counts = store.notification_counts().await.unwrap();
        most = most.max(counts.pending + counts.delivered + counts.given_up);
        advance(&world, 24 * 60 * 60);
    }
    assert_eq!(most, 2 * 91, "those of 90 days and of this one");
    assert_eq!(sink.received().len(), 200);
    let kept: Vec<_> = store.notifications(None, 1000).await.unwrap().iter().map(|kept| kept.id).collect();
    assert_eq!(store.delivery_attempts(&kept).await.unwrap().len(), kept.len());
    let ids: Vec<Uuid> = sink.header("webhook-id").iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(store.delivery_attempts(&ids).await.unwrap().len(), kept.len(), "the others went with theirs");
}

async fn a_channel_has_templates_of_its_own(world: World) {
    let sink = Sink::start().await;
    let text = format!(
        "[channels.ops]\nkind = 'webhook'\nurl = '{0}'\nsubject = '{{{{ kind | upper }}}}'\ntext = '{{{{ subject }}}} of {{{{ tenant }}}}'
         [channels.chat]\nkind = 'slack'\nurl = '{0}'
         text = 'x{{% for a in alerts %}}{{% for n in range(99999) %}}{{{{ a.summary * 500 }}}}{{% endfor %}}{{% endfor %}}'",
        sink.url
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daymark.toml");
    std::fs::write(&file, &text).unwrap();
    let refused = config::load(Some(&file), &GivenFlags::new(), &Environment::new()).unwrap_err();
    let message = refused.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(message.contains(":9: [channels.chat]: `text` is no template that can be used"), "{message}");
    // A summary that the samples do not have can still be too much for a template.
    let text = text.replace("range(99999)", "range(1)").replace("* 500", "* 2000");
    let config = config(&text, &[]);
    let mut content = firing();
    content.alerts[0].summary = "long ".repeat(800);
    for channel in ["ops", "chat"] {
        let new = NewNotification {
            id: Uuid::new_v4(),
            channel: channel.to_owned(),
            kind: NotificationKind::Firing,
            content: content.clone().into_object(),
            created_at: world.context.now(),
        };
        world.context.tenant.store.commit_alerts(&[], &[new]).await.unwrap();
    }
    deliverer(&world, &config).deliver_due().await.unwrap();
    let received: Vec<_> = sink.received().iter().map(|request| request.json()).collect();
    let webhook = received.iter().find(|body| body["type"] == "alert.firing").unwrap();
    assert_eq!(
        (&webhook["data"]["title"], &webhook["data"]["text"]),
        (&json!("FIRING"), &json!("FIRING of default"))
    );
    let chat = received.iter().find_map(|body| body["text"].as_str()).unwrap();
    assert!(chat.starts_with("*Daymark (default): critical: collection_failing*\n"), "{chat}");
    assert!(chat.contains("The channel's own template `text` failed"), "{chat}");
}
