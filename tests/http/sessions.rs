//! Sessions of browsers: signing in and out, what the cookie allows, and which requests may use it.

use daymark::{
    access::{Role, revoke_key},
    identity::Secret,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use crate::{
    site::{Reply, Settings, Site, new_key},
    world::World,
};

const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn sign_in(site: &Site, credential: &str, site_header: (&str, &str)) -> Reply {
    let body = json!({ "credential": credential }).to_string();
    site.send("POST", "/api/v1/session", &[site_header, ("content-type", "application/json")], Some(body))
        .await
}

/// The cookie that a browser would send back.
fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_with_a_key_and_out_again() {
    let site = Site::sqlite().await;
    let signed_in = sign_in(&site, &site.reader, SAME_ORIGIN).await;
    assert_eq!(
        (signed_in.status, &signed_in.json()["role"]),
        (200, &json!("reader")),
        "{}",
        signed_in.text()
    );
    let set = signed_in.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains(&site.reader), "the key is in the cookie");
    let cookie = cookie(&signed_in);
    let session = site.send("GET", "/api/v1/session", &[("cookie", &cookie)], None).await.json();
    assert_eq!(
        (&session["role"], &session["signed_in"], &session["scopes"]),
        (&json!("reader"), &json!(true), &json!(["read"]))
    );
    assert_eq!(site.send("GET", "/api/v1/latest", &[("cookie", &cookie)], None).await.status, 200);
    assert_eq!(site.send("GET", "/api/v1/status", &[("cookie", &cookie)], None).await.problem(), "forbidden");
    let out = site.send("DELETE", "/api/v1/session", &[("cookie", &cookie), SAME_ORIGIN], None).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").starts_with("daymark_session=; Path=/; Max-Age=0"), "{:?}", out.headers);
}

/// Browsers take a cookie with the prefix only over HTTPS, so that no other host of the domain can set it.
#[tokio::test(flavor = "multi_thread")]
async fn over_https_the_cookie_has_the_prefix_of_its_host() {
    let site = Site::sqlite().await;
    let body = json!({ "credential": site.reader }).to_string();
    let origin = format!("https://{}", site.address);
    let headers = [("origin", &*origin), SAME_ORIGIN, ("content-type", "application/json")];
    let signed_in = site.send("POST", "/api/v1/session", &headers, Some(body)).await;
    let set = signed_in.header("set-cookie");
    assert!(set.starts_with("__Host-daymark_session=") && set.ends_with("; Secure"), "{set}");
    let cookie = cookie(&signed_in);
    assert_eq!(site.send("GET", "/api/v1/latest", &[("cookie", &cookie)], None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_changes_nothing_for_other_sites() {
    let site = Site::sqlite().await;
    let cookie = cookie(&sign_in(&site, &site.admin, SAME_ORIGIN).await);
    let collect = async |headers: &[(&str, &str)]| {
        let headers = [&[("cookie", &*cookie), ("content-type", "application/json")], headers].concat();
        site.send("POST", "/api/v1/collections", &headers, Some("{}".into())).await
    };
    let own = format!("http://{}", site.address);
    for refused in [&[][..], &[("sec-fetch-site", "cross-site")], &[("origin", "https://evil.example")]] {
        assert_eq!(collect(refused).await.problem(), "forbidden", "{refused:?}");
    }
    for allowed in [&[SAME_ORIGIN][..], &[("origin", &*own), ("host", &site.address.to_string())]] {
        assert_eq!(collect(allowed).await.status, 202, "{allowed:?}");
    }
    for refused in [("sec-fetch-site", "same-site"), ("origin", "https://evil.example")] {
        let reply = sign_in(&site, &site.reader, refused).await;
        assert_eq!((reply.problem().as_str(), reply.header("set-cookie")), ("forbidden", ""), "{refused:?}");
        let out = site.send("DELETE", "/api/v1/session", &[("cookie", &cookie), refused], None).await;
        assert_eq!((out.problem().as_str(), out.header("set-cookie")), ("forbidden", ""), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_credentials_and_forged_cookies_open_no_session() {
    let site = Site::sqlite().await;
    for (credential, problem) in
        [("dm_wrong", "unauthenticated"), ("", "unauthenticated"), ("a.b.c", "unauthenticated")]
    {
        let reply = sign_in(&site, credential, SAME_ORIGIN).await;
        assert_eq!((reply.problem().as_str(), reply.header("set-cookie")), (problem, ""), "{credential}");
        assert!(
            credential.is_empty() || !reply.text().contains(credential),
            "the answer repeats the credential"
        );
    }
    for forged in ["daymark_session=", "daymark_session=AAAA", &format!("daymark_session={}", site.admin)] {
        let reply = site.send("GET", "/api/v1/latest", &[("cookie", forged)], None).await;
        assert_eq!(reply.problem(), "unauthenticated", "{forged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key() {
    let site = Site::sqlite().await;
    let key = new_key(&site.world.context, "browser", Role::Reader).await;
    let cookie = cookie(&sign_in(&site, &key, SAME_ORIGIN).await);
    let store = site.world.context.tenant.store.as_ref();
    revoke_key(store, site.world.context.now(), "browser", "test").await.unwrap();
    // A verification holds for ten seconds.
    let now = site.world.context.now() + jiff::SignedDuration::from_secs(30);
    site.world.set_clock(&now.to_string());
    let reply = site.send("GET", "/api/v1/latest", &[("cookie", &cookie)], None).await;
    assert_eq!(reply.problem(), "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_ends_the_sessions_of_one_user() {
    let site = Site::sqlite().await;
    let sessions = [
        cookie(&sign_in(&site, &site.reader, SAME_ORIGIN).await),
        cookie(&sign_in(&site, &site.reader, SAME_ORIGIN).await),
    ];
    let other = cookie(&sign_in(&site, &site.admin, SAME_ORIGIN).await);
    let status =
        async |cookie: &str| site.send("GET", "/api/v1/latest", &[("cookie", cookie)], None).await.status;
    assert_eq!((status(&sessions[0]).await, status(&sessions[1]).await), (200, 200));
    let everywhere =
        async |headers: &[(&str, &str)]| site.send("DELETE", "/api/v1/sessions", headers, None).await;
    assert_eq!(
        everywhere(&[("cookie", &sessions[0])]).await.problem(),
        "forbidden",
        "another site cannot do it"
    );
    assert_eq!(everywhere(&[]).await.problem(), "unauthenticated");
    let out = everywhere(&[("cookie", &sessions[0]), SAME_ORIGIN]).await;
    assert_eq!(out.status, 204, "{}", out.text());
    assert!(out.header("set-cookie").starts_with("daymark_session=; "), "{:?}", out.headers);
    assert_eq!(
        (status(&sessions[0]).await, status(&sessions[1]).await, status(&other).await),
        (401, 401, 200)
    );
    assert_eq!(site.get("/api/v1/latest").await.status, 200, "the key itself stays valid");
    site.world.set_clock(&(site.world.context.now() + jiff::SignedDuration::from_secs(1)).to_string());
    assert_eq!(status(&cookie(&sign_in(&site, &site.reader, SAME_ORIGIN).await)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_with_a_token_until_it_expires() {
    let secret = "a secret of at least thirty-two bytes";
    let mut settings = Settings::default();
    settings.access.jwt_secret = Some(Secret::new(secret.to_owned()));
    let site = Site::start(World::sqlite().await, settings).await;
    let now = site.world.context.now();
    let claims = json!({
        "sub": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "role": "authenticated", "aud": "authenticated",
        "app_metadata": {"daymark_role": "admin"}, "iat": now.as_second(), "exp": now.as_second() + 3600,
    });
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let signed_in = sign_in(&site, &token, SAME_ORIGIN).await;
    assert_eq!((signed_in.status, &signed_in.json()["role"]), (200, &json!("admin")), "{}", signed_in.text());
    assert!(!signed_in.header("set-cookie").contains(&token), "the token is in the cookie");
    let cookie = cookie(&signed_in);
    let get = async |path: &str| site.send("GET", path, &[("cookie", &cookie)], None).await;
    let session = get("/api/v1/session").await.json();
    assert_eq!((&session["role"], &session["signed_in"]), (&json!("admin"), &json!(true)));
    assert_eq!(get("/api/v1/status").await.status, 200);
    // The session lasts for seven days, the token in it for an hour.
    site.world.set_clock(&(now + jiff::SignedDuration::from_mins(62)).to_string());
    assert_eq!(get("/api/v1/latest").await.problem(), "unauthenticated");
    let forged =
        encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(b"another")).unwrap();
    let refused = sign_in(&site, &forged, SAME_ORIGIN).await;
    assert_eq!((refused.problem().as_str(), refused.header("set-cookie")), ("unauthenticated", ""));
}
