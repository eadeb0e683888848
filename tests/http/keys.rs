//! API keys over HTTP: admins list, create and revoke them.

use daymark::{
    access::{KeyRequest, Role, Scope, Scopes, create_key},
    identity::ApiKey,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{on_both_stores, site::Site};

on_both_stores!(a_key_is_made_shown_once_used_and_revoked, only_admins_with_all_scopes_see_keys);

const PATH: &str = "/api/v1/keys";

async fn keys(site: &Site) -> Vec<Value> {
    site.get_as_admin(PATH).await.json()["keys"].as_array().unwrap().clone()
}

async fn a_key_is_made_shown_once_used_and_revoked(site: Site) {
    let expires = (site.world.context.now() + SignedDuration::from_hours(1)).to_string();
    let made = site
        .post(
            PATH,
            &json!({"name": "Reports", "role": "service", "scopes": ["read", "log"], "expires_at": expires}),
        )
        .await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{}", made.text());
    let made = made.json();
    let (id, text) = (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned());
    let admin = keys(&site).await.iter().find(|key| key["name"] == "admin").unwrap()["id"].clone();
    assert_eq!(made["created_by"], json!(format!("key:{}", admin.as_str().unwrap())));
    let used = site.send("GET", "/api/v1/status", &[("apikey", &text)], None).await;
    assert_eq!(used.status, 200, "{}", used.text());

    let list = site.get_as_admin(PATH).await.text();
    assert!(!list.contains(&text) && !list.contains("hash") && !list.contains("dm_"), "{list}");
    let listed = keys(&site).await.into_iter().find(|key| key["id"] == json!(id)).unwrap();
    assert_eq!((&listed["state"], &listed["scopes"]), (&json!("active"), &json!(["read", "log"])));
    let again = site.post(PATH, &json!({"name": "Reports", "role": "reader"})).await;
    assert_eq!(again.problem(), "name-is-taken");

    assert_eq!(site.delete(&format!("{PATH}/{id}")).await.status, 204);
    assert_eq!(site.delete(&format!("{PATH}/{id}")).await.problem(), "not-found");
    let revoked = keys(&site).await.into_iter().find(|key| key["id"] == json!(id)).unwrap();
    assert_eq!((&revoked["state"], &revoked["revoked_by"]), (&json!("revoked"), &made["created_by"]));
    // A verification holds for ten seconds.
    site.world.set_clock(&(site.world.context.now() + SignedDuration::from_secs(11)).to_string());
    assert_eq!(
        site.send("GET", "/api/v1/status", &[("apikey", &text)], None).await.problem(),
        "unauthenticated"
    );

    for (body, member) in [
        (json!({"role": "reader"}), "name"),
        (json!({"name": " x", "role": "reader"}), "name"),
        (json!({"name": "x", "role": "anonymous"}), "role"),
        (json!({"name": "x", "role": "reader", "scopes": ["read", "collect"]}), "scopes"),
        (json!({"name": "x", "role": "reader", "scopes": ["everything"]}), "scopes"),
        (json!({"name": "x", "role": "reader", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
    ] {
        let refused = site.post(PATH, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["parameter"]),
            (400, &json!(member)),
            "{body}: {}",
            refused.text()
        );
    }
}

async fn only_admins_with_all_scopes_see_keys(site: Site) {
    let context = &site.world.context;
    let key = async |name: &str, role, scopes: Option<&[Scope]>| {
        let request = KeyRequest {
            name: name.to_owned(),
            role,
            scopes: scopes.map(Scopes::of),
            expires_at: None,
            created_by: "test".to_owned(),
        };
        create_key(context.tenant.store.as_ref(), context.now(), request).await.unwrap().text
    };
    let partly = key("part of an admin", Role::Admin, Some(&[Scope::Read, Scope::Define])).await;
    let service = key("a program", Role::Service, None).await;
    let before = context.tenant.store.api_keys().await.unwrap();
    for refused in [site.reader.as_str(), partly.reveal(), service.reveal()] {
        let headers = [("apikey", refused), ("content-type", "application/json")];
        let id = before[0].id;
        let body = json!({"name": "escalated", "role": "admin"}).to_string();
        for (method, path, body) in [
            ("GET", PATH.to_owned(), None),
            ("POST", PATH.to_owned(), Some(body)),
            ("DELETE", format!("{PATH}/{id}"), None),
        ] {
            assert_eq!(site.send(method, &path, &headers, body).await.problem(), "forbidden", "{method}");
        }
        let session = site.send("GET", "/api/v1/session", &headers[..1], None).await.json();
        assert_eq!(session["manages_keys"], false);
    }
    let active = |keys: &[ApiKey]| keys.iter().filter(|key| key.is_active(context.now())).count();
    assert_eq!(active(&context.tenant.store.api_keys().await.unwrap()), active(&before));
    assert_eq!(site.get_as_admin("/api/v1/session").await.json()["manages_keys"], true);
}
