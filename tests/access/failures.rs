//! Who fails again and again has to wait; others do not.

use std::time::Duration;

use daymark::access::{Access, Credentials, Denied, Role, revoke_key};
use serde_json::json;

use crate::world::{HOME, NOW_S, World, reason, show, show_from, token};

async fn fail(access: &Access, times: usize) {
    for _ in 0..times {
        reason(show(access, "wrong").await);
    }
}

fn waits(outcome: Result<daymark::access::Principal, Denied>) -> u64 {
    match outcome {
        Err(Denied::BackOff { retry_after }) => retry_after.as_secs(),
        other => panic!("need not wait: {other:?}"),
    }
}

#[tokio::test]
async fn each_failure_doubles_the_wait() {
    let world = World::new().await;
    let access = world.access();
    fail(&access, 6).await;
    for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(waits(show(&access, "wrong").await), delay);
        // Trying meanwhile costs nothing more.
        assert_eq!(waits(show(&access, "wrong").await), delay);
        world.advance(delay.try_into().unwrap());
        fail(&access, 1).await;
    }
    let Err(denied) = show(&access, "wrong").await else { panic!("let in") };
    assert_eq!(denied.to_string(), "authentication failed too often from this address; try again in 300 s");
    assert!(reason(show_from(&access, "wrong", "192.0.2.2").await).contains("token"), "others need not wait");
    world.advance(900);
    fail(&access, 5).await;
}

#[tokio::test]
async fn whoever_was_let_in_before_is_let_in_still() {
    let world = World::new().await;
    let access = world.access();
    let key = world.key("dashboard", Role::Reader).await;
    let (known, new) = (token(json!({})), token(json!({"sub": "somebody else"})));
    for text in [&known, key.text.reveal()] {
        show(&access, text).await.unwrap();
    }
    fail(&access, 6).await;
    for text in [&known, key.text.reveal()] {
        assert!(show(&access, text).await.is_ok(), "behind the same address");
    }
    assert_eq!(waits(show(&access, &new).await), 1, "it would have to be looked at");
    assert!(show_from(&access, &new, "192.0.2.2").await.is_ok());
    world.advance(1);
    assert!(show(&access, &new).await.is_ok());
}

#[tokio::test]
async fn whoever_was_let_in_before_is_looked_at_again_meanwhile() {
    let world = World::new().await;
    let access = world.access();
    let key = world.key("dashboard", Role::Reader).await;
    show(&access, key.text.reveal()).await.unwrap();
    fail(&access, 6).await;
    for delay in [1, 2, 4, 8] {
        world.advance(delay);
        fail(&access, 1).await;
    }
    // The wait is 16 s; what is known of a key holds for 10 s.
    world.advance(11);
    assert_eq!(waits(show(&access, "wrong").await), 5);
    assert!(show(&access, key.text.reveal()).await.is_ok());
    world.advance(5);
    fail(&access, 1).await;
    // Now it is 32 s, and the key is none any more.
    revoke_key(world.store.as_ref(), world.now(), "dashboard").await.unwrap();
    world.advance(11);
    assert!(reason(show(&access, key.text.reveal()).await).contains("revoked"));
    assert_eq!(waits(show(&access, "wrong").await), 21);
}

#[tokio::test]
async fn what_is_no_guess_is_not_counted() {
    let world = World::new().await;
    let access = world.access();
    let expired = token(json!({"exp": NOW_S - 100}));
    let address = HOME.parse().unwrap();
    for _ in 0..20 {
        assert!(reason(show(&access, &expired).await).contains("expired"));
        let nothing = Credentials { authorization: None, api_key: None, address };
        reason(access.authenticate(nothing).await);
    }
}

#[tokio::test]
async fn a_wait_is_said_in_whole_seconds() {
    let denied = Denied::BackOff { retry_after: Duration::from_millis(1500) };
    assert!(denied.to_string().ends_with("in 2 s"));
}
