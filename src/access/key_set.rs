//! The public keys of a JSON Web Key Set (RFC 7517), from a URL or a file. The set is read again when it is older than
//! ten minutes, and when a token names a key that is not in it. While reading fails, the set that was read last stays
//! in use.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;

use super::{key_source, verify_error::VerifyError};
use crate::{clock::has_passed, config::KeySetLocation};

/// The age at which the set is read again. A key that was removed from the set is accepted for at most this long.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(10);
/// The least time between two readings, so that tokens with invented key ids do not each cause a request to the issuer.
const MIN_INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// The least time between two readings as long as no set has been read successfully.
const MIN_INTERVAL_WITHOUT_KEYS: SignedDuration = SignedDuration::from_secs(5);
/// The least length of an RSA modulus, in bytes. Keys of fewer than 2,048 bits are not secure (NIST SP 800-131A).
const MIN_RSA_MODULUS: usize = 256;

/// A key and the only algorithm for which it is accepted.
#[derive(Debug, Clone)]
pub struct VerificationKey {
    pub id: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

pub struct KeySet {
    location: KeySetLocation,
    loaded: RwLock<Option<Arc<Loaded>>>,
    tried_at: Mutex<Option<Timestamp>>,
    /// This lock is held while the set is read.
    reading: tokio::sync::Mutex<()>,
    generation: AtomicU64,
}

struct Loaded {
    text: Vec<u8>,
    keys: Vec<VerificationKey>,
    at: Timestamp,
}

impl KeySet {
    pub fn new(location: KeySetLocation) -> Self {
        Self {
            location,
            loaded: RwLock::default(),
            tried_at: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads the set before the first token is verified. A URL that does not answer now may answer later, so that a
    /// warning is logged instead of an error.
    ///
    /// # Errors
    /// The path of the file when it cannot be read, and the reason.
    pub async fn read_at_start(&self, now: Timestamp) -> Result<(), (String, String)> {
        match (self.read(now).await, &self.location) {
            (Ok(()), _) => Ok(()),
            (Err(because), KeySetLocation::File(_)) => Err((self.location.to_string(), because)),
            (Err(error), KeySetLocation::Url(_)) => {
                tracing::warn!(location = %self.location, %error, "the key set cannot be read; until it can, tokens are answered with 503");
                Ok(())
            }
        }
    }

    /// Returns the key with this id; without an id, the only key of the set if there is exactly one.
    pub async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<VerificationKey>, VerifyError> {
        if let Some(loaded) = self.loaded() {
            let key = loaded.find(id);
            if has_passed(loaded.at, MAX_AGE, now) && self.may_try(now) {
                // The set is read in the background, and the current one is used for this request.
                tokio::spawn(Arc::clone(self).refresh(now));
            }
            if key.is_some() || !self.may_try(now) {
                return Ok(key);
            }
        }
        // The reading is a separate task, so that it completes even if this request is cancelled.
        let _ = tokio::spawn(Arc::clone(self).refresh(now)).await;
        match self.loaded() {
            Some(loaded) => Ok(loaded.find(id)),
            None => Err(VerifyError::Unavailable(format!("the key set {} could not be read", self.location))),
        }
    }

    async fn refresh(self: Arc<Self>, now: Timestamp) {
        let _guard = self.reading.lock().await;
        // The task that held the lock before this one may have read the set.
        if !self.may_try(now) {
            return;
        }
        if let Err(error) = self.read(now).await {
            tracing::warn!(location = %self.location, %error, "the key set cannot be read; the keys that were read before stay in use");
        }
    }

    /// # Errors
    /// The reason why the set cannot be read. It does not contain the location.
    async fn read(&self, now: Timestamp) -> Result<(), String> {
        *self.tried_at.lock() = Some(now);
        let location = self.location.clone();
        let read = tokio::task::spawn_blocking(move || key_source::read(&location)).await;
        let text = read.map_err(|error| error.to_string()).flatten()?;
        let keys = parse(&text)?;
        self.replace(Loaded { text, keys, at: now });
        Ok(())
    }

    fn replace(&self, new: Loaded) {
        let mut loaded = self.loaded.write();
        let has_changed = loaded.as_ref().is_none_or(|old| old.text != new.text);
        *loaded = Some(Arc::new(new));
        if has_changed {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    fn loaded(&self) -> Option<Arc<Loaded>> {
        self.loaded.read().clone()
    }

    fn may_try(&self, now: Timestamp) -> bool {
        let interval = if self.loaded().is_some() { MIN_INTERVAL } else { MIN_INTERVAL_WITHOUT_KEYS };
        let tried_at = *self.tried_at.lock();
        tried_at.is_none_or(|tried_at| has_passed(tried_at, interval, now))
    }
}

impl Loaded {
    fn find(&self, id: Option<&str>) -> Option<VerificationKey> {
        match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }
}

#[derive(Deserialize)]
struct KeySetText {
    keys: Vec<serde_json::Value>,
}

/// Returns the keys of the set that can be used here. Keys of other types and keys for encryption are skipped.
fn parse(text: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let set: KeySetText =
        serde_json::from_slice(text).map_err(|error| format!("it is not a JSON Web Key Set: {error}"))?;
    let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
    let keys: Vec<_> = keys.filter_map(|jwk| verification_key(&jwk)).collect();
    match keys.is_empty() {
        true => Err("it has no key for RS256 (at least 2048 bits) or ES256 (P-256)".to_owned()),
        false => Ok(keys),
    }
}

fn verification_key(jwk: &Jwk) -> Option<VerificationKey> {
    let Jwk { common, algorithm: parameters } = jwk;
    let algorithm = match parameters {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|names| names.contains(&KeyOperations::Verify));
    let agrees = common.key_algorithm.is_none_or(|named| named == algorithm.into());
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let is_strong = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.len() >= MIN_RSA_MODULUS,
        DecodingKeyKind::SecretOrDer(_) => true,
    };
    (signs && agrees && is_strong).then(|| VerificationKey { id: common.key_id.clone(), algorithm, key })
}
