//! API keys: their roles, scopes, expiry, revocation and times of use.

use daymark::{
    access::{CreatedKey, Denied, KeyError, KeyRequest, Role, Scope, Scopes, create_key, revoke_key},
    store::StoreError,
};
use jiff::{SignedDuration, ToSpan};
use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};

use crate::world::{World, reason, show, show_from};

#[tokio::test]
async fn a_key_has_the_role_the_scopes_and_the_expiry_it_was_created_with() {
    let world = World::new().await;
    let access = world.access();
    let reader = world.key("dashboard", Role::Reader).await;
    let principal = show(&access, reader.text.reveal()).await.unwrap();
    assert_eq!((principal.role, &*principal.subject), (Role::Reader, &*format!("key:{}", reader.key.id)));
    assert!(principal.may(Scope::Read) && !principal.may(Scope::Log));

    let request = KeyRequest {
        name: "night".to_owned(),
        role: Role::Service,
        scopes: Some(Scopes::of(&[Scope::Collect])),
        expires_at: Some(world.now() + SignedDuration::from_hours(1)),
        created_by: "test".to_owned(),
    };
    let night = create_key(world.store.as_ref(), world.now(), request).await.unwrap();
    let principal = show(&access, night.text.reveal()).await.unwrap();
    assert!(principal.may(Scope::Collect) && !principal.may(Scope::Read) && !principal.may(Scope::Define));

    world.advance(3599);
    assert!(show(&access, night.text.reveal()).await.is_ok());
    world.advance(1);
    assert!(reason(show(&access, night.text.reveal()).await).contains("expired"));
}

#[tokio::test]
async fn a_revoked_key_is_accepted_for_ten_seconds_at_most() {
    let world = World::new().await;
    let access = world.access();
    let key = world.key("dashboard", Role::Reader).await;
    assert!(show(&access, key.text.reveal()).await.is_ok());
    revoke_key(world.store.as_ref(), world.now(), "dashboard", "test").await.unwrap();
    assert!(
        reason(show(&world.access(), key.text.reveal()).await).contains("revoked"),
        "a process without the cached key refuses it at once"
    );
    world.advance(10);
    assert!(reason(show(&access, key.text.reveal()).await).contains("revoked"));
}

#[tokio::test]
async fn invalid_keys_are_refused_with_one_message() {
    let world = World::new().await;
    let access = world.access();
    let key = world.key("dashboard", Role::Reader).await;
    let genuine = key.text.reveal();
    let other_tenants = {
        let request = KeyRequest {
            name: "x".to_owned(),
            role: Role::Admin,
            scopes: None,
            expires_at: None,
            created_by: "test".to_owned(),
        };
        create_key(world.store_of("other").as_ref(), world.now(), request).await.unwrap()
    };
    let last = if genuine.ends_with('A') { "E" } else { "A" };
    for wrong in [
        format!("{}{last}", &genuine[..genuine.len() - 1]),
        genuine.replace(&key.key.id.simple().to_string(), &uuid::Uuid::new_v4().simple().to_string()),
        other_tenants.text.reveal().to_owned(),
        genuine[..50].to_owned(),
        format!("{genuine}{genuine}"),
        "dm_".to_owned(),
        "dm_' OR 1=1 --".to_owned(),
    ] {
        let address = format!("10.0.{}.{}", fastrand::u8(..), fastrand::u8(..));
        assert_eq!(reason(show_from(&access, &wrong, &address).await), "the API key is not valid", "{wrong}");
    }
}

#[tokio::test]
async fn times_of_use_are_written_together_after_five_minutes() {
    let world = World::new().await;
    let access = world.access();
    let (one, other) = (world.key("one", Role::Reader).await, world.key("other", Role::Reader).await);
    let last_used =
        async |key: &CreatedKey| world.store.api_key(key.key.id).await.unwrap().unwrap().last_used_at;
    let start = world.now();
    show(&access, one.text.reveal()).await.unwrap();
    world.advance(100);
    show(&access, other.text.reveal()).await.unwrap();
    world.advance(100);
    show(&access, one.text.reveal()).await.unwrap();
    world.advance(99);
    access.run_upkeep().await;
    assert_eq!((last_used(&one).await, last_used(&other).await), (None, None));
    world.advance(1);
    access.run_upkeep().await;
    let (first, second) = (last_used(&one).await, last_used(&other).await);
    assert_eq!((first, second), (Some(start + 200.seconds()), Some(start + 100.seconds())));
    // The next times of use wait five minutes again, unless the server ends before.
    show(&access, one.text.reveal()).await.unwrap();
    world.advance(299);
    access.run_upkeep().await;
    assert_eq!(last_used(&one).await, first);
    access.finish().await;
    assert_eq!(last_used(&one).await, Some(start + 300.seconds()));
}

#[tokio::test]
async fn a_revoked_key_stays_revoked_when_the_clock_is_set_back() {
    let world = World::new().await;
    let access = world.access();
    let key = world.key("one", Role::Reader).await;
    world.advance(3600);
    show(&access, key.text.reveal()).await.unwrap();
    revoke_key(world.store.as_ref(), world.now(), "one", "test").await.unwrap();
    world.advance(-1800);
    assert_eq!(reason(show(&access, key.text.reveal()).await), "the API key was revoked");
}

#[tokio::test]
async fn times_of_use_that_cannot_be_written_are_written_later() {
    let world = World::new().await;
    let access = world.access();
    let key = world.key("one", Role::Reader).await;
    let start = world.now();
    show(&access, key.text.reveal()).await.unwrap();
    let options = SqliteConnectOptions::new().filename(world.directory.path().join("store.db"));
    let mut session = options.connect().await.unwrap();
    let refusing = "CREATE TRIGGER full BEFORE UPDATE ON api_keys BEGIN SELECT RAISE(ABORT, 'full'); END";
    session.execute(refusing).await.unwrap();
    access.finish().await;
    session.execute("DROP TRIGGER full").await.unwrap();
    access.finish().await;
    let written = world.store.api_key(key.key.id).await.unwrap().unwrap();
    assert_eq!(written.last_used_at, Some(start));
}

#[tokio::test]
async fn an_unavailable_store_is_not_a_refusal() {
    let world = World::new().await;
    let key = world.key("dashboard", Role::Reader).await;
    std::fs::remove_file(world.directory.path().join("store.db")).unwrap();
    let store = world.store_of("default");
    let world = World { store, ..world };
    let Err(Denied::Unavailable { reason }) = show(&world.access(), key.text.reveal()).await else {
        panic!("the key was verified without a store");
    };
    assert!(!reason.contains(key.text.reveal()), "{reason}");
}

#[tokio::test]
async fn invalid_requests_for_keys_are_refused() {
    let world = World::new().await;
    let create = async |name: &str, role, scopes: Option<&[Scope]>, expires_at| {
        let request = KeyRequest {
            name: name.to_owned(),
            role,
            scopes: scopes.map(Scopes::of),
            expires_at,
            created_by: "test".to_owned(),
        };
        create_key(world.store.as_ref(), world.now(), request).await.map(drop)
    };
    create("good", Role::Admin, Some(&[Scope::Log]), None).await.unwrap();
    assert!(matches!(create("good", Role::Admin, None, None).await, Err(KeyError::NameIsTaken(_))));
    for name in ["", " padded", "bell\u{7}", &"x".repeat(101)] {
        assert!(matches!(create(name, Role::Admin, None, None).await, Err(KeyError::Name)), "{name}");
    }
    assert!(matches!(create("a", Role::Anonymous, None, None).await, Err(KeyError::Anonymous)));
    assert!(matches!(create("a", Role::Admin, Some(&[]), None).await, Err(KeyError::NoScope)));
    let beyond = create("a", Role::Reader, Some(&[Scope::Read, Scope::Log]), None).await;
    assert!(matches!(beyond, Err(KeyError::BeyondRole { scope: "log", .. })));
    let past = create("a", Role::Reader, None, Some(world.now())).await;
    assert!(matches!(past, Err(KeyError::ExpiresInThePast(_))));

    // A name stands for the active key, not for a revoked one.
    let revoke = async |what: &str| revoke_key(world.store.as_ref(), world.now(), what, "test").await;
    let first = revoke("good").await.unwrap();
    assert!(matches!(revoke("good").await, Err(KeyError::Revoked { .. })));
    create("good", Role::Reader, None, None).await.unwrap();
    let second = revoke("good").await.unwrap();
    assert_ne!(first.id, second.id);
    assert!(matches!(revoke(&first.id.to_string()).await, Err(KeyError::Revoked { .. })));
    assert!(matches!(revoke("unknown").await, Err(KeyError::Unknown(_))));
    let unmigrated = daymark::store::open(
        &format!("sqlite:{}/none.db", world.directory.path().display()).parse().unwrap(),
        daymark::store::StoreOptions {
            tenant: "default".to_owned(),
            schema: String::new(),
            retry: daymark::database::RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO },
            statement_timeout: None,
        },
    );
    let error = revoke_key(unmigrated.as_ref(), world.now(), "x", "test").await.unwrap_err();
    assert!(matches!(error, KeyError::Store(StoreError::NotMigrated { .. })), "{error}");
}
