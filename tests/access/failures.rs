//! Who fails again and again has to wait; others do not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use daymark::{
    access::{Access, Credentials, Denied, KeyRequest, Role, create_key, revoke_key},
    database::RetryPolicy,
    store::{StoreOptions, open},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::world::{HOME, Log, NOW_S, World, reason, show, show_from, token};

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
async fn a_genuine_credential_is_accepted_from_an_address_in_backoff() {
    let world = World::new().await;
    let access = world.access();
    let (old_key, new_key) = (world.key("old", Role::Reader).await, world.key("new", Role::Reader).await);
    let (known, new) = (token(json!({})), token(json!({"sub": "somebody else"})));
    for text in [&known, old_key.text.reveal()] {
        show(&access, text).await.unwrap();
    }
    fail(&access, 6).await;
    for text in [&known, old_key.text.reveal(), &new, new_key.text.reveal()] {
        assert!(show(&access, text).await.is_ok());
    }
    assert_eq!(waits(show(&access, "wrong").await), 1, "whoever fails has to wait as before");
    let expired = token(json!({"exp": NOW_S - 100}));
    assert_eq!(waits(show(&access, &expired).await), 1, "and is not told why");
    reason(show_from(&access, "wrong", "192.0.2.2").await);
}

#[tokio::test]
async fn only_a_few_guesses_a_second_are_looked_at() {
    let world = World::new().await;
    let access = world.access();
    let (key, last) = (world.key("new", Role::Reader).await, world.key("last", Role::Reader).await);
    fail(&access, 6).await;
    for delay in [1, 2, 4, 8] {
        world.advance(delay);
        fail(&access, 1).await;
    }
    // The same credential is known to be wrong, and displaces no other.
    for _ in 0..100 {
        assert_eq!(waits(show(&access, "wrong").await), 16);
    }
    assert!(show(&access, key.text.reveal()).await.is_ok());
    for guess in 0..3 {
        assert_eq!(waits(show(&access, &format!("guess {guess}")).await), 16);
    }
    assert_eq!(waits(show(&access, last.text.reveal()).await), 16, "it is not looked at");
    world.advance(1);
    assert!(show(&access, last.text.reveal()).await.is_ok(), "it has its turn in the next second");
    assert_eq!(waits(show(&access, "wrong").await), 15);
}

#[tokio::test]
async fn an_address_that_is_held_up_waits_as_if_it_had_failed() {
    let world = World::new().await;
    let access = world.access();
    access.hold_up(HOME.parse().unwrap(), Duration::from_secs(2));
    assert_eq!(waits(show(&access, "wrong").await), 2);
    assert!(show(&access, &token(json!({}))).await.is_ok());
    world.advance(2);
    reason(show(&access, "wrong").await);
}

/// So a flood of a key that was revoked, or of a token that has expired, asks the store and checks signatures every five
/// seconds.
#[tokio::test]
async fn what_was_refused_is_refused_for_five_seconds_without_being_looked_at() {
    let world = World::new().await;
    let access = world.access();
    let request = KeyRequest { name: "x".to_owned(), role: Role::Reader, scopes: None, expires_at: None };
    let key = create_key(world.store_of("other").as_ref(), world.now(), request).await.unwrap();
    // Both become valid at once; the next verification finds that.
    let (unknown, early) = (key.text.reveal(), token(json!({"nbf": NOW_S + 31})));
    assert!(reason(show(&access, unknown).await).contains("not valid"));
    assert!(reason(show(&access, &early).await).contains("nbf"));
    assert!(world.store.add_api_key(&key.key).await.unwrap());
    for seconds in [1, 3] {
        world.advance(seconds);
        assert!(reason(show(&access, unknown).await).contains("not valid"));
        assert!(reason(show(&access, &early).await).contains("nbf"));
    }
    world.advance(1);
    assert!(show(&access, unknown).await.is_ok());
    assert!(show(&access, &early).await.is_ok());
}

#[tokio::test]
async fn that_credentials_cannot_be_checked_is_logged_every_ten_seconds_at_most() {
    let log = Log::catch();
    let world = World::new().await;
    let key = world.key("dashboard", Role::Reader).await;
    let store = world.store_of("default");
    std::fs::remove_file(world.directory.path().join("store.db")).unwrap();
    let world = World { store, ..world };
    let access = world.access();
    for lines in 1..3 {
        for _ in 0..20 {
            assert!(matches!(show(&access, key.text.reveal()).await, Err(Denied::Unavailable { .. })));
        }
        assert_eq!(log.text().matches("credentials cannot be verified").count(), lines);
        world.advance(10);
    }
}

#[tokio::test]
async fn many_with_one_key_do_not_wait_for_each_other_when_the_store_does_not_answer() {
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://daymark@{}/daymark?sslmode=disable", silent.local_addr().unwrap());
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok(connection) = silent.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            open.push(connection);
        }
    });
    let options = StoreOptions {
        tenant: "default".to_owned(),
        schema: "daymark".to_owned(),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        statement_timeout: None,
    };
    let world = World::new().await;
    let key = world.key("dashboard", Role::Reader).await;
    let world = World { store: open(&url.parse().unwrap(), options), ..world };
    let access = world.access();
    for outcome in join_all((0..10).map(|_| show(&access, key.text.reveal()))).await {
        assert!(matches!(outcome, Err(Denied::Unavailable { .. })));
    }
    assert_eq!(looks.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_credential_that_was_verified_before_is_verified_again_during_the_backoff() {
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
async fn stale_credentials_are_not_counted_as_guesses() {
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
