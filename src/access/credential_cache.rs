//! Credentials that were verified or rejected lately. They are cached by their hash, for at most some minutes, because checking
//! a signature or querying the store takes longer than answering a cached request.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moka::{
    future::Cache,
    ops::compute::{CompResult, Op},
};
use sha2::{Digest, Sha256};

use super::{
    credential_verifier::{CredentialVerifier, VerifiedIdentity, later},
    verify_error::VerifyError,
};
use crate::clock::Clock;

/// How long a credential that could not be verified is refused without another attempt: an attempt may take seconds
/// when the store is unreachable, and many requests would wait for each other.
const UNAVAILABLE_CACHED: SignedDuration = SignedDuration::from_millis(500);
/// How long a rejected credential is cached.
const REJECTION_CACHED: SignedDuration = SignedDuration::from_secs(5);
/// The most verified credentials that are cached, and the most rejected ones. Each takes some hundred bytes.
const MAX_CACHED: u64 = 10_000;
/// How long entries are kept. This is longer than any verification is valid, so that a credential that was genuine once
/// is still recognised as such.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

pub struct CredentialCache {
    pub verifier: CredentialVerifier,
    clock: Arc<dyn Clock>,
    /// Keyed by the SHA-256 hash of the credential.
    verified: Cache<[u8; 32], Arc<VerifiedIdentity>>,
    /// Keyed by the same hash. It is a separate cache, so that wrong credentials cannot displace verified ones.
    rejected: Cache<[u8; 32], Arc<Rejection>>,
}

/// Why a credential was rejected. The result is valid for as long as that of a [`VerifiedIdentity`] with the same
/// fields.
struct Rejection {
    error: VerifyError,
    since: Timestamp,
    until: Timestamp,
    generation: u64,
}

impl CredentialCache {
    pub fn new(verifier: CredentialVerifier, clock: Arc<dyn Clock>) -> Self {
        Self {
            verifier,
            clock,
            verified: Cache::builder().max_capacity(MAX_CACHED).time_to_live(FORGOTTEN_AFTER).build(),
            rejected: Cache::builder().max_capacity(MAX_CACHED).time_to_live(FORGOTTEN_AFTER).build(),
        }
    }

    pub fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    /// The result of the verification, which may not be valid any more.
    pub async fn verified(&self, hash: &[u8; 32]) -> Option<Arc<VerifiedIdentity>> {
        self.verified.get(hash).await
    }

    /// When several requests present the same credential at once, one of them verifies it and the others wait for the
    /// result.
    pub async fn verify_once(
        &self,
        text: &str,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<VerifiedIdentity>, VerifyError> {
        let verified = self.verified.entry(hash).and_try_compute_with(|cached| async move {
            if cached.is_some_and(|cached| self.is_valid(cached.value(), now)) {
                return Ok(Op::Nop);
            }
            if let Some(error) = self.rejection(&hash, now).await {
                return Err(error);
            }
            // The generation is read first: if the keys are replaced during the verification, its result is not valid.
            let generation = self.verifier.generation();
            let outcome = self.verifier.verify(text, now).await;
            if let Err(error) = &outcome {
                let until = match error {
                    VerifyError::Wrong(_) | VerifyError::Stale(_) => later(now, REJECTION_CACHED),
                    VerifyError::Unavailable(_) => later(self.clock.now(), UNAVAILABLE_CACHED),
                };
                let rejection = Rejection { error: error.clone(), since: now, until, generation };
                self.rejected.insert(hash, Arc::new(rejection)).await;
            }
            outcome.map(|identity| Op::Put(Arc::new(identity)))
        });
        match verified.await? {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Unchanged(entry)
            | CompResult::Removed(entry) => Ok(entry.into_value()),
            CompResult::StillNone(_) => Err(VerifyError::stale("the credentials are not valid")),
        }
    }

    /// The cached reason why the credential was rejected, if it is still valid.
    pub async fn rejection(&self, hash: &[u8; 32], now: Timestamp) -> Option<VerifyError> {
        let rejection = self.rejected.get(hash).await?;
        let is_valid = (rejection.since..rejection.until).contains(&now)
            && rejection.generation == self.verifier.generation();
        is_valid.then(|| rejection.error.clone())
    }

    /// Whether the verification is still valid. One from after `now` is not: the clock was set back, so its age is
    /// unknown.
    pub fn is_valid(&self, identity: &VerifiedIdentity, now: Timestamp) -> bool {
        (identity.since..identity.until).contains(&now) && identity.generation == self.verifier.generation()
    }

    /// Frees the memory of expired entries, and writes the keys' times of last use if they are due.
    pub async fn run_upkeep(&self, now: Timestamp) {
        self.verified.run_pending_tasks().await;
        self.rejected.run_pending_tasks().await;
        self.verifier.run_upkeep(now).await;
    }
}
