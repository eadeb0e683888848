//! Which instance leads, and pauses of the schedule.

use daymark::store::{Leader, LockName, Pause};
use jiff::ToSpan;
use uuid::Uuid;

use crate::fixture::{Fixture, noon};

crate::on_both_stores!(
    the_lock_decides_whether_a_leader_is_alive,
    a_lock_reports_whether_it_is_held,
    the_newest_pause_counts_and_ends_once,
    pauses_are_kept
);

fn leader(process_id: u32) -> Leader {
    let (since, seen_at) = (noon(), noon() + 1.minute());
    Leader { host: "here".to_owned(), process_id, since, seen_at }
}

fn pause(at_minute: i64, reason: &str) -> Pause {
    Pause {
        id: Uuid::new_v4(),
        paused_at: noon() + at_minute.minutes(),
        paused_by: "cli:anna".to_owned(),
        reason: reason.to_owned(),
        until: None,
        resumed_at: None,
        resumed_by: None,
    }
}

async fn the_lock_decides_whether_a_leader_is_alive(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    assert_eq!(store.schedule_state().await.unwrap(), Default::default());
    let held = store.try_lock(&LockName::Leader).await.unwrap().unwrap();
    store.write_leader(&leader(1)).await.unwrap();
    store.write_leader(&leader(2)).await.unwrap();
    let state = fixture.again().schedule_state().await.unwrap();
    assert_eq!((state.leader, state.is_led), (Some(leader(2)), true));
    assert!(!fixture.of_tenant("other").schedule_state().await.unwrap().is_led);
    drop(held);
    // PostgreSQL notices the end of a session a moment later, which taking the lock waits for.
    drop(fixture.again().try_lock(&LockName::Leader).await.unwrap().unwrap());
    assert_eq!(fixture.again().schedule_state().await.unwrap().leader, Some(leader(2)));
}

async fn a_lock_reports_whether_it_is_held(fixture: Fixture) {
    fixture.ready().await;
    let held = fixture.store.try_lock(&LockName::Leader).await.unwrap().unwrap();
    assert!(held.is_held().await);
    fixture.lose_locks().await;
    assert!(!held.is_held().await, "the server ended its session, or the file was removed");
}

async fn the_newest_pause_counts_and_ends_once(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let first = pause(0, "moving the database");
    store.add_pause(&first).await.unwrap();
    store.add_pause(&first).await.unwrap();
    let state = store.schedule_state().await.unwrap();
    assert_eq!(state.last_pause, Some(first.clone()));
    assert_eq!(state.pause(noon() + 1.hour()), Some(&first));
    let second = Pause { until: Some(noon() + 2.hours()), ..pause(10, "it takes longer") };
    store.add_pause(&second).await.unwrap();
    let state = fixture.again().schedule_state().await.unwrap();
    assert_eq!(state.pause(noon() + 1.hour()), Some(&second));
    assert_eq!(state.pause(noon() + 2.hours()), None, "it has ended by itself");
    assert!(!store.end_pause(noon() + 3.hours(), "cli:anna").await.unwrap());
    assert!(store.end_pause(noon() + 1.hour(), "key:1").await.unwrap());
    assert!(!store.end_pause(noon() + 1.hour(), "key:1").await.unwrap());
    let ended = store.schedule_state().await.unwrap().last_pause.unwrap();
    assert_eq!((ended.resumed_at, ended.resumed_by.as_deref()), (Some(noon() + 1.hour()), Some("key:1")));
    assert_eq!(fixture.of_tenant("other").schedule_state().await.unwrap().last_pause, None);
}

async fn pauses_are_kept(fixture: Fixture) {
    fixture.ready().await;
    fixture.store.add_pause(&pause(0, "why")).await.unwrap();
    for statement in [
        "UPDATE schedule_pauses SET reason = 'another'",
        "UPDATE schedule_pauses SET resumed_by = 'me'",
        "DELETE FROM schedule_pauses",
        "DELETE FROM leaders",
    ] {
        fixture.store.write_leader(&leader(1)).await.unwrap();
        assert!(fixture.sql(statement).await.is_err(), "{statement}");
    }
    let long = Pause { reason: "x".repeat(1001), ..pause(1, "") };
    assert!(fixture.store.add_pause(&long).await.is_err());
}
