//! API keys: they are stored as hashes, belong to one tenant, and stay revoked.

use daymark::{
    database::DatabaseUrl,
    identity::{ApiKey, KeyHash, Role, Scope, Scopes},
    store::{DefinitionChange, Origin},
};
use jiff::ToSpan;
use sqlx::postgres::{PgListener, PgPoolOptions};
use uuid::Uuid;

use crate::fixture::{Fixture, definitions, noon};

crate::on_both_stores!(
    keys_are_stored_found_revoked_and_touched,
    keys_of_one_tenant_are_invisible_to_another,
    the_database_refuses_changed_and_invalid_keys
);

fn key(name: &str) -> ApiKey {
    ApiKey {
        id: Uuid::new_v4(),
        name: name.to_owned(),
        role: Role::Service,
        scopes: Scopes::of(&[Scope::Read, Scope::Collect]),
        hash: KeyHash([7; 32]),
        created_at: noon(),
        created_by: "cli:anna".to_owned(),
        expires_at: Some(noon() + 24.hours()),
        revoked_at: None,
        revoked_by: None,
        last_used_at: None,
    }
}

async fn keys_are_stored_found_revoked_and_touched(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let store = &fixture.store;
    assert_eq!(store.api_keys().await.unwrap(), []);

    // A key is read back as it was added. Adding it again, as after a lost answer, changes nothing.
    let first = key("Dashboard, “über”");
    let endless = ApiKey {
        role: Role::Reader,
        scopes: Role::Reader.scopes(),
        created_at: noon() + 1.second(),
        expires_at: None,
        ..key("reports")
    };
    for _ in 0..2 {
        assert!(store.add_api_key(&first).await.unwrap());
        assert!(store.add_api_key(&endless).await.unwrap());
    }
    assert_eq!(store.api_keys().await.unwrap(), [first.clone(), endless.clone()]);
    assert_eq!(store.api_key(endless.id).await.unwrap(), Some(endless.clone()));
    assert_eq!(store.api_key(Uuid::new_v4()).await.unwrap(), None);

    // A name belongs to one key until that key is revoked.
    let namesake = ApiKey { created_at: noon() + 2.seconds(), ..key("reports") };
    assert!(!store.add_api_key(&namesake).await.unwrap());
    let later = noon() + 1.hour();
    assert!(store.revoke_api_key(endless.id, later, "test").await.unwrap());
    assert!(store.revoke_api_key(endless.id, later + 1.hour(), "test").await.unwrap());
    assert_eq!(store.api_key(endless.id).await.unwrap().unwrap().revoked_at, Some(later));
    assert!(!store.revoke_api_key(Uuid::new_v4(), later, "test").await.unwrap());
    assert!(store.add_api_key(&namesake).await.unwrap());

    // The latest time of use is kept.
    for at in [later, later - 1.minute()] {
        store.touch_api_keys(&[(first.id, at), (Uuid::new_v4(), at), (namesake.id, at)]).await.unwrap();
    }
    store.touch_api_keys(&[]).await.unwrap();
    for (id, last_used_at) in [(first.id, Some(later)), (namesake.id, Some(later)), (endless.id, None)] {
        assert_eq!(store.api_key(id).await.unwrap().unwrap().last_used_at, last_used_at);
    }
}

/// Servers cache answers until they are notified that the store has changed. The use of a key changes no answer.
#[tokio::test]
async fn the_use_of_a_key_sends_no_notification() {
    let fixture = Fixture::postgres().await;
    fixture.store.migrate().await.unwrap();
    let key = key("dashboard");
    assert!(fixture.store.add_api_key(&key).await.unwrap());
    let DatabaseUrl::Postgres { options, .. } = &fixture.url else { panic!("not PostgreSQL") };
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with((**options).clone());
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    let channel: String = sqlx::query_scalar("SELECT notification_channel FROM store_settings")
        .fetch_one(&mut fixture.postgres_session().await)
        .await
        .unwrap();
    listener.listen(&channel).await.unwrap();
    fixture.store.touch_api_keys(&[(key.id, noon())]).await.unwrap();
    fixture.sql(&format!("NOTIFY {channel}, 'the next one'")).await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "the next one");

    // A change of the definitions does arrive on that channel.
    let adds: Vec<_> = definitions().into_iter().map(DefinitionChange::Add).collect();
    fixture.store.change_definitions(&adds, Origin::File, noon()).await.unwrap();
    assert_eq!(listener.recv().await.unwrap().payload(), "");
}

async fn keys_of_one_tenant_are_invisible_to_another(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let key = key("dashboard");
    assert!(fixture.store.add_api_key(&key).await.unwrap());
    let other = fixture.of_tenant("other");
    assert_eq!(other.api_key(key.id).await.unwrap(), None);
    assert_eq!(other.api_keys().await.unwrap(), []);
    assert!(!other.revoke_api_key(key.id, noon(), "test").await.unwrap());
    other.touch_api_keys(&[(key.id, noon())]).await.unwrap();
    assert_eq!(fixture.store.api_key(key.id).await.unwrap(), Some(key.clone()));
    assert!(
        other.add_api_key(&ApiKey { id: Uuid::new_v4(), ..key }).await.unwrap(),
        "the other tenant can use the name"
    );
}

async fn the_database_refuses_changed_and_invalid_keys(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    fixture.store.add_api_key(&key("dashboard")).await.unwrap();
    fixture
        .store
        .revoke_api_key(fixture.store.api_keys().await.unwrap()[0].id, noon(), "test")
        .await
        .unwrap();
    for change in [
        "role = 'admin'",
        "name = 'another'",
        "expires_at = NULL",
        "revoked_at = NULL",
        if fixture.is_postgres() { "hash = sha256('x')" } else { "hash = randomblob(32)" },
    ] {
        let refused = fixture.sql(&format!("UPDATE api_keys SET {change}")).await.unwrap_err();
        assert!(refused.contains("UPDATE on") && refused.contains("is refused"), "{change}: {refused}");
    }
    fixture.sql("DELETE FROM api_keys").await.unwrap_err();

    let (id, hash) = (Uuid::new_v4(), if fixture.is_postgres() { "sha256('x')" } else { "zeroblob(32)" });
    let scopes = |names: &str| match fixture.is_postgres() {
        true => format!("'{{{names}}}'"),
        false => format!("'{}'", names.replace(',', " ")),
    };
    let insert = |role: &str, scopes: String, hash: &str, name: &str| {
        format!(
            "INSERT INTO api_keys (tenant_id, id, name, role, scopes, hash, created_at, created_by)
             VALUES ('default', '{id}', '{name}', '{role}', {scopes}, {hash}, '2025-01-01T00:00:00.000000Z', 'cli:anna')"
        )
    };
    for (wrong, constraint) in [
        (insert("anonymous", scopes("read"), hash, "a"), "role_is_known"),
        (insert("admin", scopes("read,everything"), hash, "a"), "scopes_are_known"),
        (insert("admin", scopes(""), hash, "a"), "scopes_are_known"),
        (insert("reader", scopes("read,log"), hash, "a"), "readers_only_read"),
        (
            insert("admin", scopes("read"), if fixture.is_postgres() { "'x'" } else { "x'00'" }, "a"),
            "hash_is_sha256",
        ),
        (insert("admin", scopes("read"), hash, ""), "name_is_short"),
    ] {
        let refused = fixture.sql(&wrong).await.unwrap_err();
        assert!(refused.contains(constraint), "{wrong}: {refused}");
    }
    fixture.sql(&insert("admin", scopes("log,collect"), hash, "a")).await.unwrap();
}
