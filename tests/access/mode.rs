//! Where a server may start without authentication, and the message where it may not.

use std::sync::Arc;

use daymark::{
    access::{Access, Credentials, Denied, Mode, Role, Scope, StartError, revoke_key},
    config::KeySetLocation,
    database::DatabaseUrl,
    identity::Secret,
};
use strum::IntoEnumIterator;

use crate::world::{P256, World, key_set, public, show};

async fn start(world: &World, listen: &str, store_url: &DatabaseUrl) -> Result<Access, StartError> {
    let (store, platform) = (Arc::clone(&world.store), Arc::clone(&world.platform));
    let clock = Arc::clone(&world.clock) as _;
    Access::start(world.settings.clone(), listen.parse().unwrap(), store_url, store, platform, clock).await
}

#[tokio::test]
async fn a_server_without_authentication_needs_a_loopback_address_and_sqlite() {
    let world = World::new().await.with(|settings| settings.jwt_secret = None);
    let sqlite = world.store_url();
    let postgres: DatabaseUrl = "postgres://me:s3cret@db.example/app".parse().unwrap();
    for listen in ["127.0.0.1:8640", "[::1]:8640", "127.1.2.3:0", "[::ffff:127.0.0.1]:1"] {
        let access = start(&world, listen, &sqlite).await.unwrap();
        assert_eq!(access.mode().await.unwrap(), Mode::Open, "{listen}");
        let address = "127.0.0.1".parse().unwrap();
        let invalid =
            Credentials { authorization: Some("Bearer invalid"), api_key: Some("invalid"), address };
        let principal = access.authenticate(invalid).await.unwrap();
        assert!(principal.role == Role::Service && Scope::iter().all(|scope| principal.may(scope)));
    }
    for (listen, url, because) in [
        ("0.0.0.0:8640", &sqlite, "0.0.0.0:8640 is not a loopback address"),
        ("[::]:8640", &sqlite, "[::]:8640 is not a loopback address"),
        ("192.168.1.2:80", &sqlite, "192.168.1.2:80 is not a loopback address"),
        ("127.0.0.1:8640", &postgres, "the store is on PostgreSQL"),
    ] {
        let refusal = start(&world, listen, url).await.unwrap_err().to_string();
        for part in [because, "`daymark keys create`", "access.jwt_secret"] {
            assert!(refusal.contains(part), "{part} is not in {refusal}");
        }
        assert!(!refusal.contains("s3cret"));
    }
}

/// This needs no restart, and is permanent.
#[tokio::test]
async fn the_first_key_turns_authentication_on() {
    let world = World::new().await.with(|settings| settings.jwt_secret = None);
    let access = start(&world, "127.0.0.1:8640", &world.store_url()).await.unwrap();
    assert_eq!(access.mode().await.unwrap(), Mode::Open);
    let key = world.key("first", Role::Reader).await;
    assert_eq!(access.mode().await.unwrap(), Mode::Required);
    let none = Credentials { authorization: None, api_key: None, address: "127.0.0.1".parse().unwrap() };
    assert_eq!(access.authenticate(none).await, Err(Denied::NoCredentials));
    assert_eq!(show(&access, key.text.reveal()).await.unwrap().role, Role::Reader);
    revoke_key(world.store.as_ref(), world.now(), "first", "test").await.unwrap();
    assert_eq!(
        access.mode().await.unwrap(),
        Mode::Required,
        "a revoked key does not turn authentication off again"
    );
}

#[tokio::test]
async fn any_way_to_authenticate_turns_authentication_on() {
    let world = World::new().await.with(|settings| settings.jwt_secret = None);
    let url = world.store_url();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    std::fs::write(&file, key_set(&[public("p", P256)])).unwrap();
    for by_secret in [true, false] {
        let world = World { settings: world.settings.clone(), ..World::new().await }.with(|settings| {
            if by_secret {
                settings.jwt_secret = Some(Secret::new("x".repeat(32)));
            } else {
                settings.jwks = Some(KeySetLocation::File(file.clone()));
            }
        });
        for listen in ["127.0.0.1:8640", "0.0.0.0:8640"] {
            assert_eq!(start(&world, listen, &url).await.unwrap().mode().await.unwrap(), Mode::Required);
        }
    }
    world.key("only", Role::Reader).await;
    assert_eq!(start(&world, "0.0.0.0:8640", &url).await.unwrap().mode().await.unwrap(), Mode::Required);
    assert_eq!(start(&world, "127.0.0.1:8640", &url).await.unwrap().mode().await.unwrap(), Mode::Required);
    revoke_key(world.store.as_ref(), world.now(), "only", "test").await.unwrap();
    for listen in ["0.0.0.0:8640", "127.0.0.1:8640"] {
        assert!(
            start(&world, listen, &url).await.is_err(),
            "a revoked key is no way to authenticate, and keeps the server closed"
        );
    }
}

/// A file that cannot be read is refused, because it will not change by itself. A URL that cannot be read is accepted, because
/// its server may answer later.
#[tokio::test]
async fn an_unreadable_key_set_file_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: Option<&str>| {
        let path = directory.path().join(name);
        text.inspect(|text| std::fs::write(&path, text).unwrap());
        path
    };
    for (path, because) in [
        (file("none.json", None), "No such file"),
        (file("text.json", Some("-----BEGIN PUBLIC KEY-----")), "not a JSON Web Key Set"),
        (file("empty.json", Some(r#"{"keys": []}"#)), "no key for RS256"),
        (directory.path().to_owned(), "Is a directory"),
    ] {
        let location = KeySetLocation::File(path.clone());
        let world = World::new().await.with(|settings| settings.jwks = Some(location.clone()));
        let refusal = start(&world, "127.0.0.1:0", &world.store_url()).await.unwrap_err().to_string();
        for part in ["access.jwks", because, &path.display().to_string()] {
            assert!(refusal.contains(part), "{part} is not in {refusal}");
        }
    }
    let unreachable = KeySetLocation::Url("http://127.0.0.1:1/keys.json".parse().unwrap());
    let world = World::new().await.with(|settings| settings.jwks = Some(unreachable.clone()));
    assert_eq!(
        start(&world, "127.0.0.1:0", &world.store_url()).await.unwrap().mode().await.unwrap(),
        Mode::Required
    );
}

#[tokio::test]
async fn public_reading_does_not_count_as_authentication() {
    let world = World::new().await.with(|settings| {
        settings.jwt_secret = None;
        settings.public_read = true;
    });
    assert!(start(&world, "0.0.0.0:8640", &world.store_url()).await.is_err());
}
