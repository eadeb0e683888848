//! JSON Web Tokens: the principals of valid ones, and invalid ones of every kind.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use daymark::access::{Denied, Role, Scope};
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{
    NOW_S, P256, RSA_1, SECRET, World, claims, key_set, p256_token, public, reason, rsa_token, show,
    show_from, sign, token,
};

#[tokio::test]
async fn the_claims_decide_role_subject_and_scopes() {
    let world = World::new().await.with(|settings| settings.public_read = true);
    let access = world.access();
    let user = "user:7c9e6679-7425-40de-944b-e07fc1f90ae7";
    for (changes, role, subject) in [
        (json!({}), Role::Reader, user),
        (json!({"role": null, "aud": null}), Role::Reader, user),
        (json!({"aud": ["another", "authenticated"]}), Role::Reader, user),
        (json!({"app_metadata": {"daymark_role": "admin"}}), Role::Admin, user),
        (json!({"daymark_role": "service"}), Role::Service, user),
        (json!({"app_metadata": {"daymark_role": "reader"}, "daymark_role": "admin"}), Role::Reader, user),
        (json!({"user_metadata": {"daymark_role": "admin"}}), Role::Reader, user),
        (json!({"role": "service_role", "sub": null}), Role::Service, "service@192.0.2.1"),
        (json!({"role": "anon", "sub": null}), Role::Anonymous, "address:192.0.2.1"),
        (json!({"role": "anon", "daymark_role": "admin"}), Role::Anonymous, "address:192.0.2.1"),
        (json!({"is_anonymous": true}), Role::Anonymous, "address:192.0.2.1"),
        (json!({"is_anonymous": true, "daymark_role": "admin"}), Role::Anonymous, "address:192.0.2.1"),
        (
            json!({"is_anonymous": true, "app_metadata": {"daymark_role": "service"}}),
            Role::Anonymous,
            "address:192.0.2.1",
        ),
    ] {
        let principal = show(&access, &token(changes.clone())).await.unwrap();
        assert_eq!((principal.role, &*principal.subject), (role, subject), "{changes}");
        assert!(principal.may(Scope::Read));
        assert_eq!(principal.may(Scope::Collect), matches!(role, Role::Admin | Role::Service), "{changes}");
        assert_eq!(principal.may(Scope::Log), principal.may(Scope::Define));
        assert_eq!(principal.may(Scope::Correct), role == Role::Admin, "{changes}");
    }
    // The public key of a Supabase project may not read where public reading is off.
    let closed = world.with(|settings| settings.public_read = false).access();
    assert!(!show(&closed, &token(json!({"role": "anon", "sub": null}))).await.unwrap().may(Scope::Read));
}

#[tokio::test]
async fn invalid_claims_are_refused_with_a_reason() {
    let world =
        World::new().await.with(|settings| settings.jwt_issuer = Some("https://us.example".to_owned()));
    let access = world.access();
    let refused = async |changes: Value| {
        let mut changes = changes;
        if changes.get("iss").is_none() {
            changes["iss"] = json!("https://us.example");
        }
        reason(show(&access, &token(changes)).await)
    };
    assert!(show(&access, &token(json!({"iss": "https://us.example"}))).await.is_ok());
    for (changes, expected) in [
        (json!({"exp": null}), "no expiry"),
        (json!({"exp": NOW_S - 30}), "has expired"),
        (json!({"exp": 0}), "has expired"),
        (json!({"exp": -1e300}), "has expired"),
        (json!({"exp": "never"}), "cannot be read"),
        (json!({"nbf": NOW_S + 31}), "not valid yet"),
        (json!({"aud": "another"}), "another audience"),
        (json!({"aud": []}), "another audience"),
        (json!({"aud": 7}), "cannot be read"),
        (json!({"iss": "https://others.example"}), "another issuer"),
        (json!({"role": "postgres"}), "role is none of"),
        (json!({"role": "admin"}), "role is none of"),
        (json!({"daymark_role": "anonymous"}), "`daymark_role` is none of"),
        (json!({"app_metadata": {"daymark_role": ["admin"]}}), "`daymark_role` is none of"),
        (json!({"app_metadata": ["daymark_role"]}), "cannot be read"),
        (json!({"sub": ""}), "subject"),
        (json!({"sub": "x".repeat(256)}), "subject"),
        (json!({"sub": "line\nbreak"}), "subject"),
    ] {
        let reason = refused(changes.clone()).await;
        assert!(reason.contains(expected), "{changes}: {reason}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_less_than_thirty_seconds() {
    let access = World::new().await.access();
    for changes in [
        json!({"exp": NOW_S - 29}),
        json!({"exp": NOW_S as f64 - 29.5}),
        json!({"exp": 1e300}),
        json!({"nbf": NOW_S + 30}),
    ] {
        assert!(show(&access, &token(changes.clone())).await.is_ok(), "{changes}");
    }
}

#[tokio::test]
async fn an_accepted_token_is_refused_after_its_expiry() {
    let world = World::new().await;
    let access = world.access();
    let token = token(json!({"exp": NOW_S + 100}));
    assert!(show(&access, &token).await.is_ok());
    world.advance(129);
    assert!(show(&access, &token).await.is_ok());
    world.advance(1);
    assert!(reason(show(&access, &token).await).contains("has expired"));
}

/// A token that is assembled from its parts.
fn parts(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn tokens_with_invalid_signatures_are_refused() {
    let world = World::new().await;
    let file = world.directory.path().join("keys.json");
    std::fs::write(&file, key_set(&[public("rsa", RSA_1), public("ec", P256)])).unwrap();
    let world = world.with(|settings| settings.jwks = Some(daymark::config::KeySetLocation::File(file)));
    let access = world.access();
    for genuine in [token(json!({})), rsa_token(Some("rsa"), RSA_1), p256_token(Some("ec"))] {
        assert_eq!(show(&access, &genuine).await.unwrap().role, Role::Reader);
    }

    let genuine = token(json!({}));
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let everything = claims(json!({"role": "service_role"}));
    let public_pem = {
        let modulus = public("rsa", RSA_1)["n"].as_str().unwrap().to_owned();
        EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(modulus).unwrap())
    };
    let secret = |text: &str| EncodingKey::from_secret(text.as_bytes());
    let other = sign(Algorithm::HS256, None, &secret("another secret, just as long as that"), &everything);
    for (wrong, what) in [
        (parts(&json!({"alg": "none"}), &everything, ""), "alg none"),
        (parts(&json!({"alg": "None", "typ": "JWT"}), &everything, signature), "alg None"),
        (parts(&json!({"alg": "HS256"}), &everything, ""), "no signature"),
        (parts(&json!({"alg": "HS256"}), &everything, signature), "another's signature"),
        (format!("{signed}.{}", signature.to_uppercase()), "a changed signature"),
        (format!("{signed}."), "a signature cut off"),
        (signed.to_owned(), "two parts"),
        (format!("{genuine}.{signature}"), "four parts"),
        (other, "another secret"),
        (sign(Algorithm::HS512, None, &secret(SECRET), &everything), "the secret with HS512"),
        (sign(Algorithm::HS256, Some("rsa"), &public_pem, &everything), "the public key as a secret"),
        (sign(Algorithm::HS256, None, &secret(""), &everything), "an empty secret"),
        (rsa_token(Some("ec"), RSA_1), "RS256 with the id of a P-256 key"),
        (p256_token(Some("rsa")), "ES256 with the id of an RSA key"),
        (rsa_token(None, RSA_1), "no key id where there are two keys"),
        (rsa_token(Some("unknown"), RSA_1), "an unknown key id"),
        (
            parts(
                &json!({"alg": "RS256", "kid": "rsa", "jwk": public("rsa", RSA_1)}),
                &everything,
                signature,
            ),
            "a key of its own",
        ),
        (parts(&json!({"alg": "HS256", "crit": ["exp"]}), &everything, signature), "an unknown extension"),
        (token(json!({"padding": "x".repeat(8192)})), "a huge token"),
        ("x".repeat(10_000_000), "a huge text"),
        ("eyJhbGciOiJIUzI1NiJ9..".to_owned(), "no claims"),
        (parts(&json!(["HS256"]), &everything, signature), "a header that is a list"),
        (parts(&json!({"alg": "HS256"}), &json!("text"), signature), "claims that are a text"),
    ] {
        // Each token is sent from another address, so that the back-off of earlier failures does not apply to it.
        let address = format!("2001:db8:{:x}::1", what.len() * 256 + usize::from(what.as_bytes()[0]));
        match show_from(&access, &wrong, &address).await {
            Err(Denied::Unauthenticated { reason }) => {
                assert!(wrong.len() < 20 || !reason.contains(&wrong[..20]), "{what}: {reason}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn algorithms_without_a_configured_key_are_refused() {
    let none = World::new().await.with(|settings| settings.jwt_secret = None).access();
    for text in [token(json!({})), rsa_token(Some("rsa"), RSA_1)] {
        assert!(reason(show(&none, &text).await).contains("accepts no tokens"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No text makes the server panic, and no text without a valid signature is accepted.
    #[test]
    fn arbitrary_texts_are_refused_without_a_panic(
        text in r"(dm_)?[A-Za-z0-9_.\-]{0,120}|[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,60}|.{0,80}",
        header in r#"\{"alg":"(HS256|RS256|none|ES256)"(,"kid":".{0,5}")?\}|.{0,40}"#,
        claims in r#"\{"exp":[0-9]{1,30}(,"role":"service_role")?\}|.{0,40}"#,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let access = World::new().await.access();
            let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let made = format!("{}.{}.{}", encode(&header), encode(&claims), encode(&text));
            for wrong in [text, made] {
                let outcome = show(&access, &wrong).await;
                assert!(matches!(outcome, Err(Denied::Unauthenticated { .. })), "{wrong}: {outcome:?}");
            }
        });
    }
}
