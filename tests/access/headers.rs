//! The headers `Authorization` and `apikey`, as supabase-js and other clients send them.

use daymark::access::{Access, Credentials, Denied, Principal, Role, Scope};
use serde_json::json;

use crate::world::{World, authenticated, reason, token};

async fn send(
    access: &Access,
    authorization: Option<&str>,
    api_key: Option<&str>,
) -> Result<Principal, Denied> {
    // Each request has another address, so that the back-off of earlier failures does not apply to it.
    let address = std::net::Ipv4Addr::from_bits(fastrand::u32(..)).into();
    authenticated(access, Credentials { authorization, api_key, address }).await
}

#[tokio::test]
async fn both_headers_must_be_valid_and_authorization_decides_the_principal() {
    let world = World::new().await;
    let access = world.access();
    let service = world.key("service", Role::Service).await.text.reveal().to_owned();
    let (anon, user) = (token(json!({"role": "anon", "sub": null})), token(json!({})));
    let bearer = |text: &str| format!("Bearer {text}");
    let role = async |authorization: Option<String>, api_key: Option<&str>| {
        send(&access, authorization.as_deref(), api_key).await.map(|principal| principal.role)
    };
    // A signed-out client sends the key in both headers, a signed-in one the key in one and the user's token in the other.
    assert_eq!(role(Some(bearer(&anon)), Some(&anon)).await, Ok(Role::Anonymous));
    assert_eq!(role(Some(bearer(&user)), Some(&anon)).await, Ok(Role::Reader));
    assert_eq!(role(Some(bearer(&user)), Some(&service)).await, Ok(Role::Reader));
    assert_eq!(role(Some(bearer(&service)), Some(&service)).await, Ok(Role::Service));
    assert_eq!(role(None, Some(&service)).await, Ok(Role::Service));
    assert_eq!(role(Some(bearer(&service)), None).await, Ok(Role::Service));
    assert_eq!(role(Some(format!("bearer  {user} ")), None).await, Ok(Role::Reader));
    for (authorization, api_key) in [
        (Some(bearer(&user)), Some("wrong")),
        (Some(bearer(&user)), Some("")),
        (Some(bearer("wrong")), Some(service.as_str())),
        (Some(String::new()), None),
        (Some("Bearer".to_owned()), None),
        (Some("Bearer ".to_owned()), Some(service.as_str())),
        (Some(user.clone()), None),
        (Some(format!("Basic {user}")), None),
        (None, Some("")),
    ] {
        let outcome = role(authorization.clone(), api_key).await;
        assert!(matches!(outcome, Err(Denied::Unauthenticated { .. })), "{authorization:?} {api_key:?}");
    }
}

#[tokio::test]
async fn requests_without_credentials_read_only_where_reading_is_public() {
    let world = World::new().await;
    assert!(reason(send(&world.access(), None, None).await).contains("no credentials"));
    let access = world.with(|settings| settings.public_read = true).access();
    let principal = send(&access, None, None).await.unwrap();
    assert_eq!(principal.role, Role::Anonymous);
    assert!(principal.may(Scope::Read));
    for scope in [Scope::Log, Scope::Collect, Scope::Define] {
        assert!(!principal.may(scope), "{scope:?}");
    }
    assert!(
        send(&access, Some("Bearer wrong"), None).await.is_err(),
        "a wrong credential is refused although none is needed"
    );
}

#[tokio::test]
async fn anonymous_requests_are_counted_by_address() {
    let access = World::new().await.with(|settings| settings.public_read = true).access();
    for (address, subject) in [
        ("192.0.2.7", "address:192.0.2.7"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::"),
    ] {
        let credentials =
            Credentials { authorization: None, api_key: None, address: address.parse().unwrap() };
        assert_eq!(&*access.authenticate(credentials).await.unwrap().subject, subject);
    }
}
