//! Key sets over HTTP and from a file that are rotated, old, unreachable or unusable.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use daymark::{
    access::{Access, Denied},
    config::KeySetLocation,
};
use serde_json::json;

use crate::world::{
    P256, RSA_1, RSA_2, RSA_WEAK, World, key_set, p256_token, public, reason, rsa_token, show, show_from,
};

/// How long a test waits for another task before it fails.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// A server on 127.0.0.1 that answers every request with one document.
struct Issuer {
    url: String,
    /// With `None` it answers with status 500.
    document: Arc<Mutex<Option<String>>>,
    requests: Arc<AtomicUsize>,
}

impl Issuer {
    fn new(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self {
            url: format!("http://{}/keys.json?token=s3cret", listener.local_addr().unwrap()),
            document: Arc::new(Mutex::new(Some(document))),
            requests: Arc::default(),
        };
        let (document, requests) = (Arc::clone(&issuer.document), Arc::clone(&issuer.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                requests.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                let (status, body) = match document.lock().unwrap().clone() {
                    Some(body) => ("200 OK", body),
                    None => ("500 Internal Server Error", String::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            }
        });
        issuer
    }

    fn publish(&self, document: Option<String>) {
        *self.document.lock().unwrap() = document;
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Whether the token is accepted from an address without earlier failures.
async fn is_accepted(access: &Access, token: &str) -> bool {
    let address = format!("10.{}.{}.{}", fastrand::u8(..), fastrand::u8(..), fastrand::u8(..));
    match show_from(access, token, &address).await {
        Ok(_) => true,
        Err(Denied::Unauthenticated { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart() {
    let issuer = Issuer::new(key_set(&[public("1", RSA_1)]));
    let world = World::new().await.with_keys_at(&issuer.url);
    let access = world.access();
    let (first, second) = (rsa_token(Some("1"), RSA_1), rsa_token(Some("2"), RSA_2));
    assert!(is_accepted(&access, &first).await);
    assert!(is_accepted(&access, &rsa_token(None, RSA_1)).await, "one key needs no id");
    assert_eq!(issuer.requests(), 1, "the set is read once");

    // The next key is published. The set is read again 30 s after the last reading at the earliest.
    issuer.publish(Some(key_set(&[public("1", RSA_1), public("2", RSA_2), public("3", P256)])));
    assert!(!is_accepted(&access, &second).await);
    assert_eq!(issuer.requests(), 1);
    world.advance(30);
    assert!(is_accepted(&access, &second).await);
    assert!(is_accepted(&access, &p256_token(Some("3"))).await);
    assert_eq!(issuer.requests(), 2);

    // The first key is withdrawn. A token with an unknown key id makes the server read the set, which ends the acceptance of the
    // first token as well.
    issuer.publish(Some(key_set(&[public("2", RSA_2)])));
    assert!(is_accepted(&access, &first).await);
    world.advance(30);
    assert!(!is_accepted(&access, &rsa_token(Some("4"), RSA_1)).await);
    assert!(!is_accepted(&access, &first).await);
    assert!(is_accepted(&access, &second).await);
    assert_eq!(issuer.requests(), 3);
}

#[tokio::test]
async fn unknown_key_ids_do_not_flood_the_issuer() {
    let issuer = Issuer::new(key_set(&[public("1", RSA_1)]));
    let world = World::new().await.with_keys_at(&issuer.url);
    let access = world.access();
    for number in 0..50 {
        assert!(!is_accepted(&access, &rsa_token(Some(&format!("invented {number}")), RSA_2)).await);
        world.advance(1);
    }
    assert!(issuer.requests() <= 3, "{}", issuer.requests());
}

#[tokio::test]
async fn an_old_key_set_is_refreshed_and_kept_while_the_issuer_fails() {
    let issuer = Issuer::new(key_set(&[public("1", RSA_1)]));
    let world = World::new().await.with_keys_at(&issuer.url);
    let access = world.access();
    let token = rsa_token(Some("1"), RSA_1);
    assert!(is_accepted(&access, &token).await);

    for useless in [None, Some("<html>".to_owned()), Some(json!({"keys": []}).to_string())] {
        issuer.publish(useless);
        world.advance(601);
        let before = issuer.requests();
        assert!(is_accepted(&access, &token).await);
        until(|| issuer.requests() > before).await;
    }
    issuer.publish(Some(key_set(&[public("2", RSA_2)])));
    world.advance(601);
    let before = issuer.requests();
    is_accepted(&access, &token).await;
    until(|| issuer.requests() > before).await;
    // The set was requested; it is in use a moment later.
    let refused = async {
        while is_accepted(&access, &token).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.unwrap();
}

/// Waits until another task has made `is_so` true.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
}

#[tokio::test]
async fn an_unreachable_key_set_is_reported_without_the_query_of_its_url() {
    let issuer = Issuer::new(String::new());
    issuer.publish(None);
    let world = World::new().await.with_keys_at(&issuer.url);
    let access = world.access();
    let token = rsa_token(Some("1"), RSA_1);
    for _ in 0..3 {
        let Err(Denied::Unavailable { reason }) = show(&access, &token).await else { panic!("accepted") };
        assert!(reason.contains("/keys.json") && !reason.contains("s3cret"), "{reason}");
    }
    assert_eq!(issuer.requests(), 1);
    issuer.publish(Some(key_set(&[public("1", RSA_1)])));
    world.advance(5);
    assert!(show(&access, &token).await.is_ok());
}

#[tokio::test]
async fn a_key_set_in_a_file_is_refreshed() {
    let world = World::new().await;
    let file = world.directory.path().join("keys.json");
    std::fs::write(&file, key_set(&[public("1", RSA_1)])).unwrap();
    let location = KeySetLocation::File(file.clone());
    let world = world.with(|settings| settings.jwks = Some(location));
    let access = world.access();
    assert!(is_accepted(&access, &rsa_token(Some("1"), RSA_1)).await);
    std::fs::write(&file, key_set(&[public("2", RSA_2)])).unwrap();
    world.advance(30);
    assert!(is_accepted(&access, &rsa_token(Some("2"), RSA_2)).await);
    assert!(!is_accepted(&access, &rsa_token(Some("1"), RSA_1)).await);
}

#[tokio::test]
async fn unusable_keys_of_a_key_set_are_ignored() {
    let with = |mut key: serde_json::Value, name: &str, value: serde_json::Value| {
        key[name] = value;
        key
    };
    let secret = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"});
    let issuer = Issuer::new(key_set(&[
        secret,
        json!("no key at all"),
        public("weak", RSA_WEAK),
        with(public("enc", RSA_1), "use", json!("enc")),
        with(public("ops", RSA_1), "key_ops", json!(["encrypt"])),
        with(public("alg", RSA_1), "alg", json!("RS512")),
        with(public("crv", P256), "crv", json!("P-384")),
        public("good", RSA_1),
    ]));
    let world = World::new().await.with_keys_at(&issuer.url);
    let access = world.access();
    assert!(is_accepted(&access, &rsa_token(Some("good"), RSA_1)).await);
    for (id, key) in [("weak", RSA_WEAK), ("enc", RSA_1), ("ops", RSA_1), ("alg", RSA_1)] {
        assert!(!is_accepted(&access, &rsa_token(Some(id), key)).await, "{id}");
    }
    assert!(!is_accepted(&access, &p256_token(Some("crv"))).await);
    let oct = jsonwebtoken::EncodingKey::from_secret(b"secretsecretsecretsecretsecret");
    let oct = crate::world::sign(
        jsonwebtoken::Algorithm::HS256,
        Some("oct"),
        &oct,
        &crate::world::claims(json!({})),
    );
    assert!(reason(show(&access, &oct).await).contains("HS256"));
}
