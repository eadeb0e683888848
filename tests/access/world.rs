//! A store on SQLite, a clock that stands still, and tokens and keys.

use std::{
    cell::RefCell,
    io::{self, Write},
    net::IpAddr,
    sync::{Arc, Mutex, Once},
};

use daymark::{
    access::{Access, CreatedKey, Credentials, Denied, KeyRequest, Principal, Role, create_key},
    clock::SetClock,
    config::{AccessSettings, KeySetLocation},
    database::{DatabaseUrl, RetryPolicy},
    identity::Secret,
    platform::{self, Platform},
    store::{Store, StoreOptions, open},
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

pub const SECRET: &str = "a secret of thirty-two characters";
/// 2026-01-01T00:00:00Z.
pub const NOW_S: i64 = 1_767_225_600;
pub const RSA_1: &str = include_str!("keys/rsa_1.pem");
pub const RSA_2: &str = include_str!("keys/rsa_2.pem");
pub const RSA_WEAK: &str = include_str!("keys/rsa_weak.pem");
pub const P256: &str = include_str!("keys/p256.pem");

pub struct World {
    pub settings: AccessSettings,
    pub store: Arc<dyn Store>,
    pub platform: Arc<dyn Platform>,
    pub clock: Arc<SetClock>,
    pub directory: tempfile::TempDir,
}

impl World {
    /// A world with a migrated store and the secret [`SECRET`].
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = AccessSettings {
            public_read: false,
            jwt_secret: Some(Secret::new(SECRET)),
            jwks: None,
            jwt_audience: "authenticated".to_owned(),
            jwt_issuer: None,
            admin_column: None,
            rate_limit_per_minute: 100,
            session_secret: None,
        };
        let world = Self {
            store: store(directory.path(), "default"),
            platform: Arc::new(platform::UnconfiguredPlatform),
            clock: Arc::new(SetClock::at(Timestamp::from_second(NOW_S).unwrap())),
            settings,
            directory,
        };
        world.store.migrate().await.unwrap();
        world.store.simulate_clock().await.unwrap();
        world
    }

    pub fn with(mut self, change: impl FnOnce(&mut AccessSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Sets the key set to `url` and removes the secret.
    pub fn with_keys_at(self, url: &str) -> Self {
        let location = KeySetLocation::Url(url.parse().unwrap());
        self.with(|settings| (settings.jwks, settings.jwt_secret) = (Some(location), None))
    }

    pub fn access(&self) -> Access {
        let (store, platform) = (Arc::clone(&self.store), Arc::clone(&self.platform));
        Access::new(self.settings.clone(), store, platform, Arc::clone(&self.clock) as _)
    }

    pub fn store_url(&self) -> DatabaseUrl {
        DatabaseUrl::Sqlite(self.directory.path().join("store.db"))
    }

    pub fn store_of(&self, tenant: &str) -> Arc<dyn Store> {
        store(self.directory.path(), tenant)
    }

    pub fn now(&self) -> Timestamp {
        daymark::clock::Clock::now(self.clock.as_ref())
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.set(self.now() + SignedDuration::from_secs(seconds));
    }

    pub async fn key(&self, name: &str, role: Role) -> CreatedKey {
        let request = KeyRequest {
            name: name.to_owned(),
            role,
            scopes: None,
            expires_at: None,
            created_by: "test".to_owned(),
        };
        create_key(self.store.as_ref(), self.now(), request).await.unwrap()
    }
}

/// Everything that one thread logs, at every level.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static CAUGHT: RefCell<Option<Log>> = const { RefCell::new(None) };
}

impl Log {
    /// Captures the log of this thread from now on. One subscriber is installed for the whole process, because `tracing` caches
    /// for each call site whether any subscriber is interested, and could miss one that is installed later.
    pub fn catch() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let is_caught = dynamic_filter_fn(|_, _| CAUGHT.with_borrow(Option::is_some));
            let writing = tracing_subscriber::fmt::layer().with_writer(|| OfThisThread);
            tracing_subscriber::registry().with(writing.with_filter(is_caught)).init();
        });
        let log = Self::default();
        CAUGHT.set(Some(log.clone()));
        log
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAUGHT.with_borrow(|log| log.iter().for_each(|log| log.0.lock().unwrap().extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn store(directory: &std::path::Path, tenant: &str) -> Arc<dyn Store> {
    let retry = RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO };
    let options =
        StoreOptions { tenant: tenant.to_owned(), schema: String::new(), retry, statement_timeout: None };
    open(&DatabaseUrl::Sqlite(directory.join("store.db")), options)
}

/// The claims of an ordinary user with `changes`; null removes a claim.
pub fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "role": "authenticated", "aud": "authenticated",
        "iat": NOW_S, "exp": NOW_S + 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub fn sign(algorithm: Algorithm, key_id: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

/// A token signed with [`SECRET`].
pub fn token(changes: Value) -> String {
    sign(Algorithm::HS256, None, &EncodingKey::from_secret(SECRET.as_bytes()), &claims(changes))
}

pub fn rsa_token(key_id: Option<&str>, pem: &str) -> String {
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    sign(Algorithm::RS256, key_id, &key, &claims(json!({})))
}

pub fn p256_token(key_id: Option<&str>) -> String {
    let key = EncodingKey::from_ec_pem(P256.as_bytes()).unwrap();
    sign(Algorithm::ES256, key_id, &key, &claims(json!({})))
}

/// The public part of a key as an entry of a key set.
pub fn public(id: &str, pem: &str) -> Value {
    let (key, algorithm) = match pem == P256 {
        true => (EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(), Algorithm::ES256),
        false => (EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), Algorithm::RS256),
    };
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
    jwk["kid"] = json!(id);
    jwk["use"] = json!("sig");
    jwk
}

pub fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub const HOME: &str = "192.0.2.1";

/// Authenticates with a token or a key in `Authorization`, from the address [`HOME`].
pub async fn show(access: &Access, text: &str) -> Result<Principal, Denied> {
    show_from(access, text, HOME).await
}

pub async fn show_from(access: &Access, text: &str, address: &str) -> Result<Principal, Denied> {
    let header = format!("Bearer {text}");
    let address: IpAddr = address.parse().unwrap();
    authenticated(access, Credentials { authorization: Some(&header), api_key: None, address }).await
}

pub async fn authenticated(access: &Access, credentials: Credentials<'_>) -> Result<Principal, Denied> {
    access.authenticate(credentials).await
}

/// The reason why `text` is refused.
#[track_caller]
pub fn reason(outcome: Result<Principal, Denied>) -> String {
    match outcome {
        Err(Denied::Unauthenticated { reason }) => reason,
        Err(denied @ Denied::NoCredentials) => denied.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}
