//! The states of alerts, silences, notifications and the attempts to deliver them.

use daymark::store::{
    AfterAttempt, AlertState, AlertStatus, Behind, DeliveryAttempt, DeliveryOutcome, FiredAs, LockName,
    NewNotification, Notification, NotificationCounts, NotificationKind, NotificationStatus, Silence, Store,
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, noon};

crate::on_both_stores!(
    a_change_of_state_and_its_notifications_are_one_commit,
    of_two_instances_one_changes_a_state,
    a_state_is_forgotten_unless_it_has_changed,
    silences_end_once_and_are_kept,
    a_notification_is_due_until_it_is_delivered,
    those_behind_one_that_is_tried_again_wait_as_long,
    a_notification_is_written_with_its_only_attempt,
    whether_a_lock_is_taken_is_known,
    the_age_of_a_lock_s_heartbeat_is_known,
    a_notification_is_given_up_and_deleted_later,
    alerts_of_tenants_are_separate,
    invalid_rows_are_refused
);

fn state(rule: &str, status: AlertStatus, revision: i64) -> AlertState {
    AlertState {
        rule: rule.to_owned(),
        status,
        since: noon(),
        started_at: Some(noon() - 5.minutes()),
        summary: "three runs failed in a row".to_owned(),
        fired_as: Some(FiredAs {
            severity: "critical".to_owned(),
            labels: [("team".to_owned(), "data".to_owned())].into(),
        }),
        told: [("ops".to_owned(), noon())].into(),
        is_silenced: false,
        revision,
    }
}

fn notification(channel: &str) -> NewNotification {
    NewNotification {
        id: Uuid::new_v4(),
        channel: channel.to_owned(),
        kind: NotificationKind::Firing,
        content: json!({"alerts": [{"rule": "collection_failing"}]}).as_object().unwrap().clone(),
        created_at: noon(),
    }
}

fn attempt(of: &NewNotification, number: i64, at: Timestamp, is_delivered: bool) -> DeliveryAttempt {
    DeliveryAttempt {
        notification_id: of.id,
        number,
        attempted_at: at,
        duration_ms: 12,
        is_delivered,
        answer: "HTTP 500: out of order".to_owned(),
    }
}

fn outcome(attempt: &DeliveryAttempt, after: AfterAttempt) -> DeliveryOutcome {
    DeliveryOutcome { attempt: attempt.clone(), after, behind: Behind::These(Vec::new()) }
}

/// The channels that are due.
async fn due(store: &dyn Store, now: Timestamp) -> Vec<String> {
    store.due_channels(now, now + 1.hour()).await.unwrap()
}

/// The pending notifications of a channel, in order.
async fn ids(store: &dyn Store, channel: &str) -> Vec<Uuid> {
    store.pending_notifications(channel, 10).await.unwrap().iter().map(|pending| pending.id).collect()
}

async fn a_change_of_state_and_its_notifications_are_one_commit(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let (firing, new) = (state("collection_failing", AlertStatus::Firing, 1), notification("ops"));
    assert!(store.commit_alerts(std::slice::from_ref(&firing), std::slice::from_ref(&new)).await.unwrap());
    let again = fixture.again();
    assert_eq!(again.alert_states().await.unwrap(), [firing]);
    assert_eq!(again.pending_notifications("ops", 10).await.unwrap(), [Notification::from(new.clone())]);
    let missing = NewNotification { channel: "Not a name".to_owned(), ..notification("ops") };
    let resolved = state("collection_failing", AlertStatus::Resolved, 2);
    assert!(store.commit_alerts(&[resolved], &[missing]).await.is_err());
    assert_eq!(again.alert_states().await.unwrap()[0].status, AlertStatus::Firing);
}

async fn of_two_instances_one_changes_a_state(fixture: Fixture) {
    fixture.ready().await;
    let (one, other) = (&fixture.store, fixture.again());
    let (first, second) = (notification("ops"), notification("ops"));
    let firing = [state("collection_failing", AlertStatus::Firing, 1)];
    assert!(one.commit_alerts(&firing, std::slice::from_ref(&first)).await.unwrap());
    assert!(!other.commit_alerts(&firing, std::slice::from_ref(&second)).await.unwrap());
    // A state that has not changed since does not let a stale one through.
    let both = [
        state("nothing_recorded", AlertStatus::Firing, 1),
        state("collection_failing", AlertStatus::Firing, 1),
    ];
    assert!(!other.commit_alerts(&both, &[second]).await.unwrap());
    assert_eq!(ids(&**one, "ops").await, [first.id]);
    assert_eq!(one.alert_states().await.unwrap().len(), 1);
    assert!(
        other.commit_alerts(&[state("collection_failing", AlertStatus::Resolved, 2)], &[]).await.unwrap()
    );
}

async fn a_state_is_forgotten_unless_it_has_changed(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let (first, second) = (state("gone", AlertStatus::Normal, 1), state("gone", AlertStatus::NoData, 2));
    assert!(
        store.commit_alerts(&[first.clone(), state("stays", AlertStatus::Normal, 1)], &[]).await.unwrap()
    );
    assert!(store.commit_alerts(std::slice::from_ref(&second), &[]).await.unwrap());
    assert!(!store.forget_alert(&first).await.unwrap(), "another instance has changed it since");
    assert!(store.forget_alert(&second).await.unwrap());
    let left: Vec<_> =
        fixture.again().alert_states().await.unwrap().into_iter().map(|state| state.rule).collect();
    assert_eq!(left, ["stays"]);
}

async fn silences_end_once_and_are_kept(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let silence = |minute: i64, rule: Option<&str>| Silence {
        id: Uuid::new_v4(),
        rule: rule.map(str::to_owned),
        reason: "the database is being moved".to_owned(),
        created_at: noon() + minute.minutes(),
        created_by: "cli:anna".to_owned(),
        ends_at: noon() + 2.hours(),
        ended_at: None,
        ended_by: None,
    };
    let (of_all, of_one) = (silence(0, None), silence(1, Some("day_missing")));
    store.add_silence(&of_all).await.unwrap();
    store.add_silence(&of_all).await.unwrap();
    store.add_silence(&of_one).await.unwrap();
    assert_eq!(fixture.again().silences(10).await.unwrap(), [of_one.clone(), of_all.clone()]);
    assert_eq!(fixture.again().silences(1).await.unwrap(), [of_one]);
    let short = Silence { ends_at: noon() + 1.hour(), ..silence(2, None) };
    store.add_silence(&short).await.unwrap();
    assert_eq!(store.silences(10).await.unwrap().last(), Some(&short), "the latest end comes first");
    assert!(store.end_silence(short.id, noon() + 3.minutes(), "key:1").await.unwrap());
    assert!(of_all.is_active(noon() + 119.minutes()) && !of_all.is_active(noon() + 2.hours()));
    assert!(!store.end_silence(of_all.id, noon() + 2.hours(), "key:1").await.unwrap(), "it is over");
    assert!(!store.end_silence(Uuid::new_v4(), noon(), "key:1").await.unwrap(), "there is none");
    assert!(store.end_silence(of_all.id, noon() + 1.hour(), "key:1").await.unwrap());
    assert!(!store.end_silence(of_all.id, noon() + 1.hour(), "key:1").await.unwrap());
    let ended =
        store.silences(10).await.unwrap().into_iter().find(|silence| silence.id == of_all.id).unwrap();
    assert_eq!((ended.ended_at, ended.ended_by.as_deref()), (Some(noon() + 1.hour()), Some("key:1")));
    for statement in ["UPDATE alert_silences SET reason = 'another'", "DELETE FROM alert_silences"] {
        assert!(fixture.sql(statement).await.is_err(), "{statement}");
    }
}

async fn a_notification_is_due_until_it_is_delivered(fixture: Fixture) {
    fixture.ready().await;
    let store = &*fixture.store;
    let (first, other) = (notification("ops"), notification("mail"));
    assert!(store.commit_alerts(&[], &[first.clone(), other.clone()]).await.unwrap());
    assert!(store.commit_alerts(&[], &[first.clone(), other.clone()]).await.unwrap(), "an answer was lost");
    assert!(due(store, noon() - 1.second()).await.is_empty());
    assert_eq!(due(store, noon()).await, ["mail", "ops"]);
    let counts = NotificationCounts { pending: 2, oldest_pending_at: Some(noon()), ..Default::default() };
    assert_eq!(store.notification_counts().await.unwrap(), counts);

    let failed = attempt(&first, 1, noon(), false);
    store.record_attempt(&outcome(&failed, AfterAttempt::TryAgain(noon() + 5.seconds()))).await.unwrap();
    assert_eq!(due(store, noon()).await, ["mail"]);
    assert_eq!(due(store, noon() + 5.seconds()).await, ["mail", "ops"]);
    assert_eq!(store.pending_notifications("ops", 10).await.unwrap()[0].attempts, 1);
    let set_back = noon() - 2.hours();
    assert_eq!(due(store, set_back).await, ["mail", "ops"], "times beyond the horizon are of another clock");

    let delivered = attempt(&first, 2, noon() + 5.seconds(), true);
    for _ in 0..2 {
        store.record_attempt(&outcome(&delivered, AfterAttempt::Delivered)).await.unwrap();
    }
    assert!(ids(store, "ops").await.is_empty());
    let shown = fixture.again().notifications(Some("ops"), 10).await.unwrap();
    assert_eq!(shown[0].status, NotificationStatus::Delivered);
    assert_eq!((shown[0].finished_at, shown[0].attempts), (Some(noon() + 5.seconds()), 2));
    assert_eq!(store.delivery_attempts(&[first.id, other.id]).await.unwrap(), [failed, delivered]);
    // It stays delivered, whatever a process says that was slower.
    let slower = attempt(&first, 3, noon(), false);
    store.record_attempt(&outcome(&slower, AfterAttempt::TryAgain(noon()))).await.unwrap();
    assert_eq!(due(store, noon() + 1.hour()).await, ["mail"]);
}

async fn those_behind_one_that_is_tried_again_wait_as_long(fixture: Fixture) {
    fixture.ready().await;
    let store = &*fixture.store;
    let at = |second: i64| noon() + second.seconds();
    let new = |channel, second| NewNotification { created_at: at(second), ..notification(channel) };
    // The clock was set back before the third one was written.
    let (first, second, third) = (new("ops", 0), new("ops", 2), new("ops", 1));
    let (later, other) = (new("ops", 10), new("mail", 0));
    for notification in [&first, &second, &third, &other] {
        assert!(store.commit_alerts(&[], std::slice::from_ref(notification)).await.unwrap());
    }
    assert_eq!(ids(store, "ops").await, [first.id, second.id, third.id], "the order of the commits");
    assert_eq!(store.pending_notifications("ops", 2).await.unwrap().len(), 2);
    let failed = attempt(&first, 1, at(5), false);
    let again =
        |behind| DeliveryOutcome { attempt: failed.clone(), after: AfterAttempt::TryAgain(at(60)), behind };
    store.record_attempt(&again(Behind::These(vec![third.id]))).await.unwrap();
    let next = async || -> Vec<_> {
        let pending = store.pending_notifications("ops", 10).await.unwrap();
        pending.iter().map(|pending| pending.next_attempt_at.unwrap()).collect()
    };
    assert_eq!(next().await, [at(60), at(2), at(60)]);
    assert!(store.commit_alerts(&[], &[later]).await.unwrap());
    for _ in 0..2 {
        store.record_attempt(&again(Behind::Channel)).await.unwrap();
        assert_eq!(next().await, [at(60), at(60), at(60), at(10)], "one that came later is due at once");
    }
    assert_eq!(due(store, at(5)).await, ["mail"]);
}

async fn a_notification_is_written_with_its_only_attempt(fixture: Fixture) {
    fixture.ready().await;
    let store = &*fixture.store;
    let test = NewNotification { kind: NotificationKind::Test, ..notification("ops") };
    let only = attempt(&test, 1, noon(), true);
    for _ in 0..2 {
        store.add_attempted(&test, &outcome(&only, AfterAttempt::Delivered)).await.unwrap();
    }
    assert!(ids(store, "ops").await.is_empty());
    assert_eq!(store.delivery_attempts(&[test.id]).await.unwrap(), [only]);
    let refused = NewNotification { kind: NotificationKind::Test, ..notification("ops") };
    let only = attempt(&refused, 1, noon(), false);
    store.add_attempted(&refused, &outcome(&only, AfterAttempt::GivenUp)).await.unwrap();
    assert_eq!(store.notifications(Some("ops"), 10).await.unwrap().len(), 2);
    let counts = store.notification_counts().await.unwrap();
    assert_eq!((counts.delivered, counts.given_up), (0, 0), "messages that try a channel are not counted");
}

async fn whether_a_lock_is_taken_is_known(fixture: Fixture) {
    fixture.ready().await;
    let (store, other) = (&fixture.store, fixture.again());
    assert!(!other.is_taken(&LockName::Alerts).await.unwrap());
    let held = store.try_lock(&LockName::Alerts).await.unwrap().unwrap();
    assert!(other.is_taken(&LockName::Alerts).await.unwrap());
    assert!(!other.is_taken(&LockName::Leader).await.unwrap());
    assert!(other.try_lock(&LockName::Alerts).await.unwrap().is_none());
    drop(held);
    let started = std::time::Instant::now();
    while other.is_taken(&LockName::Alerts).await.unwrap() {
        assert!(started.elapsed().as_secs() < 60, "the lock is not released");
    }
}

async fn the_age_of_a_lock_s_heartbeat_is_known(fixture: Fixture) {
    fixture.ready().await;
    let (store, other) = (&fixture.store, fixture.again());
    let age = async || other.heartbeat_age(&LockName::Alerts).await.unwrap();
    assert_eq!(age().await, None, "no process holds it");
    let held = store.try_lock(&LockName::Alerts).await.unwrap().unwrap();
    let started = std::time::Instant::now();
    let second = jiff::SignedDuration::from_secs(1);
    while age().await.unwrap() < second {
        assert!(held.is_held().await, "this question is no heartbeat");
        assert!(started.elapsed().as_secs() < 60, "it does not age");
    }
    let before = age().await.unwrap();
    held.beat().await;
    assert!(age().await.unwrap() < before);
}

async fn a_notification_is_given_up_and_deleted_later(fixture: Fixture) {
    fixture.ready().await;
    let store = &*fixture.store;
    let (first, other) = (notification("ops"), notification("ops"));
    assert!(store.commit_alerts(&[], &[first.clone(), other.clone()]).await.unwrap());
    let last = attempt(&first, 1, noon(), false);
    store.record_attempt(&outcome(&last, AfterAttempt::GivenUp)).await.unwrap();
    assert_eq!(ids(store, "ops").await, [other.id]);
    let counts = store.notification_counts().await.unwrap();
    assert_eq!((counts.pending, counts.given_up), (1, 1));
    assert_eq!(store.delete_notifications(noon()).await.unwrap(), 0);
    assert_eq!(store.delete_notifications(noon() + 1.second()).await.unwrap(), 1);
    assert_eq!(store.delivery_attempts(&[first.id]).await.unwrap(), []);
    assert_eq!(ids(store, "ops").await, [other.id], "what is pending is kept");
}

async fn alerts_of_tenants_are_separate(fixture: Fixture) {
    fixture.ready().await;
    let other = fixture.of_tenant("other");
    let states = [state("collection_failing", AlertStatus::Firing, 1)];
    assert!(fixture.store.commit_alerts(&states, &[notification("ops")]).await.unwrap());
    assert_eq!(other.alert_states().await.unwrap(), []);
    assert!(due(&*other, noon()).await.is_empty() && ids(&*other, "ops").await.is_empty());
    assert_eq!(other.notifications(None, 10).await.unwrap(), []);
    assert!(other.commit_alerts(&states, &[]).await.unwrap());
}

async fn invalid_rows_are_refused(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let without_start =
        AlertState { started_at: None, ..state("collection_failing", AlertStatus::Firing, 1) };
    assert!(store.commit_alerts(&[without_start], &[]).await.is_err());
    assert!(store.commit_alerts(&[state("Not a name", AlertStatus::Normal, 1)], &[]).await.is_err());
    assert!(store.commit_alerts(&[], &[notification("ops")]).await.unwrap());
    for statement in [
        "UPDATE notifications SET status = 'delivered'",
        "UPDATE notifications SET next_attempt_at = NULL",
        "INSERT INTO delivery_attempts (tenant_id, notification_id, number, attempted_at, duration_ms, is_delivered, answer)
         VALUES ('default', '00000000-0000-0000-0000-000000000000', 1, '2025-02-01T12:00:00.000000Z', 1, TRUE, '')",
    ] {
        assert!(fixture.sql(statement).await.is_err(), "{statement}");
    }
}
