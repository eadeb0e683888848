//! Back-off: an address whose credentials fail repeatedly has to wait, and others do not.

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
        other => panic!("not refused by the back-off: {other:?}"),
    }
}

#[tokio::test]
async fn each_failure_doubles_the_wait() {
    let world = World::new().await;
    let access = world.access();
    fail(&access, 6).await;
    for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(waits(show(&access, "wrong").await), delay);
        // An attempt during the wait does not make it longer.
        assert_eq!(waits(show(&access, "wrong").await), delay);
        world.advance(delay.try_into().unwrap());
        fail(&access, 1).await;
    }
    let Err(denied) = show(&access, "wrong").await else { panic!("accepted") };
    assert_eq!(denied.to_string(), "authentication failed too often from this address; try again in 300 s");
    assert!(
        reason(show_from(&access, "wrong", "192.0.2.2").await).contains("token"),
        "other addresses need not wait"
    );
    world.advance(900);
    fail(&access, 5).await;
}

#[tokio::test]
async fn a_genuine_credential_is_accepted_from_an_address_in_backoff() {
    let world = World::new().await;
    let access = world.access();
    let (old_key, new_key) = (world.key("old", Role::Reader).await, world.key("new", Role::Reader).await);
    let (known, new) = (token(json!({})), token(json!({"sub": "another user"})));
    for text in [&known, old_key.text.reveal()] {
        show(&access, text).await.unwrap();
    }
    fail(&access, 6).await;
    for text in [&known, old_key.text.reveal(), &new, new_key.text.reveal()] {
        assert!(show(&access, text).await.is_ok());
    }
    assert_eq!(waits(show(&access, "wrong").await), 1, "a failing credential still has to wait");
    let expired = token(json!({"exp": NOW_S - 100}));
    assert_eq!(waits(show(&access, &expired).await), 1, "the answer does not say why the token is invalid");
    reason(show_from(&access, "wrong", "192.0.2.2").await);
}

#[tokio::test]
async fn only_a_few_credentials_a_second_are_verified_during_the_backoff() {
    let world = World::new().await;
    let access = world.access();
    let (key, last) = (world.key("new", Role::Reader).await, world.key("last", Role::Reader).await);
    fail(&access, 6).await;
    for delay in [1, 2, 4, 8] {
        world.advance(delay);
        fail(&access, 1).await;
    }
    // The rejection of this credential is cached, so it takes no verification from others.
    for _ in 0..100 {
        assert_eq!(waits(show(&access, "wrong").await), 16);
    }
    assert!(show(&access, key.text.reveal()).await.is_ok());
    for guess in 0..3 {
        assert_eq!(waits(show(&access, &format!("guess {guess}")).await), 16);
    }
    assert_eq!(
        waits(show(&access, last.text.reveal()).await),
        16,
        "the verifications of this second are used up"
    );
    world.advance(1);
    assert!(show(&access, last.text.reveal()).await.is_ok(), "it is verified in the next second");
    assert_eq!(waits(show(&access, "wrong").await), 15);
}

#[tokio::test]
async fn an_address_can_be_blocked_without_a_failure() {
    let world = World::new().await;
    let access = world.access();
    access.hold_up(HOME.parse().unwrap(), Duration::from_secs(2));
    assert_eq!(waits(show(&access, "wrong").await), 2);
    assert!(show(&access, &token(json!({}))).await.is_ok());
    world.advance(2);
    reason(show(&access, "wrong").await);
}

/// A flood of requests with a revoked key or an expired token thus queries the store and verifies signatures once in five
/// seconds.
#[tokio::test]
async fn a_rejected_credential_is_cached_for_five_seconds() {
    let world = World::new().await;
    let access = world.access();
    let request = KeyRequest {
        name: "x".to_owned(),
        role: Role::Reader,
        scopes: None,
        expires_at: None,
        created_by: "test".to_owned(),
    };
    let key = create_key(world.store_of("other").as_ref(), world.now(), request).await.unwrap();
    // Both become valid while the rejection is cached. The next verification accepts them.
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
async fn failed_verifications_are_logged_every_ten_seconds_at_most() {
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
async fn concurrent_requests_with_one_key_share_one_lookup() {
    // This server accepts connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://daymark@{}/daymark?sslmode=disable", silent.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
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
    assert_eq!(connections.load(Ordering::SeqCst), 1);
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
    // The wait is 16 s, and a verified key is cached for 10 s.
    world.advance(11);
    assert_eq!(waits(show(&access, "wrong").await), 5);
    assert!(show(&access, key.text.reveal()).await.is_ok());
    world.advance(5);
    fail(&access, 1).await;
    // The wait is 32 s now, and the key is revoked.
    revoke_key(world.store.as_ref(), world.now(), "dashboard", "test").await.unwrap();
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
async fn a_wait_is_rounded_up_to_whole_seconds() {
    let denied = Denied::BackOff { retry_after: Duration::from_millis(1500) };
    assert!(denied.to_string().ends_with("in 2 s"));
}
