//! Authentication, roles, rate limits and cross-origin requests.

use daymark::access::{KeyRequest, Role, Scope, Scopes, create_key, revoke_key};

use crate::{
    on_both_stores,
    raw::RawClient,
    site::{Reply, Settings, Site, new_key},
    world::World,
};

on_both_stores!(
    each_role_is_limited_to_its_scopes,
    a_key_with_fewer_scopes_than_its_role_reads_that_the_key_lacks_one,
    a_revoked_key_is_refused,
);

const READING: [&str; 4] = ["/api/v1/metrics", "/api/v1/latest", "/api/v1/activity", "/api/v1/definitions"];
const LOG: [&str; 3] =
    ["/api/v1/runs", "/api/v1/status", "/api/v1/runs/00000000-0000-0000-0000-000000000000"];
const TRIGGERS: [&str; 2] = ["/api/v1/collections", "/api/v1/backfills"];

async fn with_key(site: &Site, method: &str, path: &str, key: &str) -> Reply {
    site.send(method, path, &[("apikey", key)], None).await
}

async fn each_role_is_limited_to_its_scopes(site: Site) {
    for path in READING {
        assert_eq!(site.send("GET", path, &[], None).await.problem(), "unauthenticated", "{path}");
        assert_eq!(with_key(&site, "GET", path, &site.reader).await.status, 200, "{path}");
        assert_eq!(with_key(&site, "GET", path, &site.admin).await.status, 200, "{path}");
    }
    for (method, path) in LOG.map(|path| ("GET", path)).into_iter().chain(TRIGGERS.map(|path| ("POST", path)))
    {
        let anonymous = site.send(method, path, &[], None).await;
        assert_eq!((anonymous.status, anonymous.header("www-authenticate")), (401, "Bearer"), "{path}");
        let reader = with_key(&site, method, path, &site.reader).await;
        assert_eq!((reader.status, reader.problem().as_str()), (403, "forbidden"), "{path}");
        let admin = with_key(&site, method, path, &site.admin).await.status;
        assert!(matches!(admin, 200 | 202 | 404), "{path}: {admin}");
    }
    assert_eq!(site.send("GET", "/livez", &[], None).await.status, 200);
}

async fn a_key_with_fewer_scopes_than_its_role_reads_that_the_key_lacks_one(site: Site) {
    let request = KeyRequest {
        name: "narrow".to_owned(),
        role: Role::Admin,
        scopes: Some(Scopes::of(&[Scope::Read, Scope::Log])),
        expires_at: None,
        created_by: "test".to_owned(),
    };
    let context = &site.world.context;
    let (store, now) = (context.tenant.store.as_ref(), context.installation.clock.now());
    let narrow = create_key(store, now, request).await.unwrap().text;
    for (key, detail) in [
        (
            narrow.reveal(),
            "this API key lacks the scope `collect`, which other keys of the role admin may have",
        ),
        (site.reader.as_str(), "the role reader lacks the scope `collect`"),
    ] {
        let reply = with_key(&site, "POST", "/api/v1/collections", key).await;
        assert_eq!((reply.status, &reply.json()["detail"]), (403, &serde_json::json!(detail)));
    }
}

async fn a_revoked_key_is_refused(site: Site) {
    let context = &site.world.context;
    let key = new_key(context, "short-lived", Role::Reader).await;
    revoke_key(context.tenant.store.as_ref(), context.installation.clock.now(), "short-lived", "test")
        .await
        .unwrap();
    let refused = with_key(&site, "GET", "/api/v1/latest", &key).await;
    assert_eq!(refused.problem(), "unauthenticated");
    assert!(!refused.text().contains(&key));
}

/// Bodies are parsed to 127 levels, so that no request exhausts the stack.
#[tokio::test(flavor = "multi_thread")]
async fn a_deeply_nested_body_is_refused() {
    let site = Site::sqlite().await;
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for levels in [128, 10_000] {
        for (method, path) in [
            ("POST", "/api/v1/collections"),
            ("POST", "/api/v1/session"),
            ("PUT", "/api/v1/definitions/deep"),
        ] {
            let headers = [("apikey", &*site.admin), ("content-type", "application/json")];
            let reply = site.send(method, path, &headers, Some(nested(levels))).await;
            assert_eq!(reply.status, 400, "{method} {path}: {}", reply.text());
            assert!(reply.text().contains("recursion limit"), "{method} {path}: {}", reply.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_reading_allows_reading_the_record_only() {
    let mut settings = Settings::default();
    settings.access.public_read = true;
    let site = Site::start(World::sqlite().await, settings).await;
    let reply = site.send("GET", "/api/v1/latest", &[], None).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "public, no-cache"));
    assert_eq!(site.send("GET", "/api/v1/runs", &[], None).await.problem(), "unauthenticated");
    assert_eq!(site.send("POST", "/api/v1/collections", &[], None).await.problem(), "unauthenticated");
}

/// A request with an unreadable credential is not treated as one without a credential.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_not_text_are_refused() {
    let mut settings = Settings::default();
    settings.access.public_read = true;
    let site = Site::start(World::sqlite().await, settings).await;
    for header in ["authorization: Bearer ", "apikey: "] {
        let mut client = RawClient::connect(site.address).await;
        let head = format!("GET /api/v1/latest HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}");
        client.send([head.as_bytes(), b"\xff\xfe\r\n\r\n"].concat()).await;
        let reply = client.rest().await;
        assert!(reply.starts_with("HTTP/1.1 401 "), "{header}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_per_minute_are_limited_for_each_principal() {
    let mut settings = Settings::default();
    settings.access.rate_limit_per_minute = 5;
    let site = Site::start(World::sqlite().await, settings).await;
    for left in (0..5).rev() {
        let reply = site.get("/api/v1/definitions").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("ratelimit-policy"), "\"requests\";q=5;w=60");
        assert!(reply.header("ratelimit").starts_with(&format!("\"requests\";r={left};t=")), "{reply:?}");
    }
    let refused = site.get("/api/v1/definitions").await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "too-many-requests"));
    assert!((1..=12).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(site.get_as_admin("/api/v1/definitions").await.status, 200, "others are not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_too_many_failures_gets_429() {
    let site = Site::sqlite().await;
    let last = loop {
        let reply = site.send("GET", "/api/v1/latest", &[("apikey", "dm_wrong")], None).await;
        if reply.status != 401 {
            break reply;
        }
    };
    assert_eq!((last.status, last.problem().as_str()), (429, "too-many-failures"));
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_count_for_their_address_only() {
    let mut settings = Settings::default();
    settings.access.rate_limit_per_minute = 5;
    let site = Site::start(World::sqlite().await, settings).await;
    let context = &site.world.context;
    let revoked = new_key(context, "short-lived", Role::Reader).await;
    revoke_key(context.tenant.store.as_ref(), context.installation.clock.now(), "short-lived", "test")
        .await
        .unwrap();
    for left in (0..5).rev() {
        let refused = with_key(&site, "GET", "/api/v1/latest", &revoked).await;
        assert_eq!((refused.status, refused.problem().as_str()), (401, "unauthenticated"));
        assert!(refused.header("ratelimit").starts_with(&format!("\"requests\";r={left};t=")), "{refused:?}");
    }
    let refused = with_key(&site, "GET", "/api/v1/latest", &revoked).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "too-many-requests"));
    assert!((1..=12).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    // The clock stands still, so the address stays blocked from now on.
    for attempt in 0..20 {
        let refused = with_key(&site, "GET", "/api/v1/latest", &revoked).await;
        assert_eq!((refused.status, refused.problem().as_str()), (429, "too-many-failures"), "{attempt}");
    }
    assert_eq!(site.get("/api/v1/latest").await.status, 200, "a key that was not used yet is accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_origin_requests_are_allowed_for_configured_origins_only() {
    let origin = ("origin", "https://app.example.com");
    let site = Site::sqlite().await;
    assert_eq!(site.get_with("/api/v1/latest", &[origin]).await.header("access-control-allow-origin"), "");
    let mut settings = Settings::default();
    settings.http.cors_origins = vec!["https://app.example.com".to_owned()];
    let site = Site::start(World::sqlite().await, settings).await;
    let allowed = site.get_with("/api/v1/latest", &[origin]).await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    let readable = allowed.header("access-control-expose-headers").to_owned();
    for name in ["etag", "content-range", "content-disposition", "retry-after", "x-request-id"] {
        assert!(readable.split(',').any(|readable| readable == name), "{name} is not in {readable}");
    }
    let preflight =
        [origin, ("access-control-request-method", "GET"), ("access-control-request-headers", "apikey")];
    let preflight = site.send("OPTIONS", "/api/v1/latest", &preflight, None).await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (200, "https://app.example.com")
    );
    let other = site.get_with("/api/v1/latest", &[("origin", "https://evil.example.com")]).await;
    assert_eq!(other.header("access-control-allow-origin"), "");
}
