//! What is written is delivered, at least once and always under the same id, whatever the receiver does.

use std::collections::BTreeSet;

use daymark::{
    config::{self, Channel, Config, Environment, GivenFlags},
    delivery::{AlertNotice, Deliverer, NotificationContent, test_channel},
    query::{DeliveriesQuery, DeliveryEntry, deliveries},
    store::{NewNotification, NotificationKind},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::{
    on,
    sink::{Answer, Sink},
    world::World,
};

on! { [sqlite, postgres]
    a_webhook_is_signed_and_says_what_happened,
    a_receiver_that_is_away_for_a_day_misses_nothing_and_gets_nothing_twice,
    a_receiver_that_hangs_is_timed_out_and_holds_up_no_other_channel,
    what_cannot_be_delivered_is_given_up,
    receivers_of_the_inside_are_refused_unless_allowed,
    a_chat_gets_a_text,
    the_heartbeat_is_a_call,
    a_channel_is_tried_once,
}

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
    };
    NotificationContent { tenant: "default".to_owned(), alerts: vec![notice] }
}

/// Writes a notification, as a change of state would.
pub async fn notify(world: &World, channel: &str, kind: NotificationKind) -> Uuid {
    let new = NewNotification {
        id: Uuid::new_v4(),
        channel: channel.to_owned(),
        kind,
        content: firing().into_object(),
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

async fn a_webhook_is_signed_and_says_what_happened(world: World) {
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
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        ids.insert(notify(&world, "ops", NotificationKind::Firing).await.to_string());
        deliver_for(&world, &deliverer, 8).await;
    }
    let tried = sink.header("webhook-id");
    assert!(tried.len() > 40, "{} attempts in a day", tried.len());
    assert_eq!(
        tried.iter().cloned().collect::<BTreeSet<_>>(),
        ids,
        "each attempt has the id of its notification"
    );
    assert!(shown(&world).await.iter().all(|delivery| delivery.status == "pending"));

    sink.answer_with(Answer::Status(204));
    deliver_for(&world, &deliverer, 2).await;
    let delivered = sink.header("webhook-id").split_off(tried.len());
    assert_eq!(delivered.len(), 3, "each was taken once");
    assert_eq!(delivered.into_iter().collect::<BTreeSet<_>>(), ids);
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
    assert!(waiting.attempts[0].answer.contains("timeout"), "{:?}", waiting.attempts);
    assert!((900..5000).contains(&waiting.attempts[0].duration_ms), "{:?}", waiting.attempts);
}

async fn what_cannot_be_delivered_is_given_up(world: World) {
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
