//! Turns the credentials of a request into its principal. Verified credentials are cached by their hash, for at most
//! some minutes, because checking a signature or querying the store takes longer than answering a cached request.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use moka::{
    future::Cache,
    ops::compute::{CompResult, Op},
};
use sha2::{Digest, Sha256};

use super::{
    Credentials, Denied, Mode, Principal, Role,
    backoff::Backoff,
    credential_verifier::{CredentialVerifier, VerifiedIdentity, later},
    verify_error::VerifyError,
};
use crate::{clock::Clock, config::AccessSettings, platform::Platform, store::Store, telemetry::LogThrottle};

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

/// Authenticates requests.
pub struct Access {
    settings: AccessSettings,
    /// Whether requests need no credentials. It only ever changes from true to false.
    is_open: AtomicBool,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    verifier: CredentialVerifier,
    backoff: Backoff,
    /// Keyed by the SHA-256 hash of the credential.
    verified: Cache<[u8; 32], Arc<VerifiedIdentity>>,
    /// Keyed by the same hash. It is a separate cache, so that wrong credentials cannot displace verified ones.
    rejected: Cache<[u8; 32], Arc<Rejection>>,
    cannot_verify: LogThrottle,
}

/// Why a credential was rejected. The result is valid for as long as that of a [`VerifiedIdentity`] with the same
/// fields.
struct Rejection {
    error: VerifyError,
    since: Timestamp,
    until: Timestamp,
    generation: u64,
}

impl Access {
    /// Creates an `Access` that requires credentials, unless public reading is switched on. Only [`Access::start`]
    /// decides that a server may run without authentication.
    pub fn new(
        settings: AccessSettings,
        store: Arc<dyn Store>,
        platform: Arc<dyn Platform>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            is_open: AtomicBool::new(false),
            verifier: CredentialVerifier::new(settings.clone(), Arc::clone(&store), platform),
            backoff: Backoff::default(),
            verified: Cache::builder().max_capacity(MAX_CACHED).time_to_live(FORGOTTEN_AFTER).build(),
            rejected: Cache::builder().max_capacity(MAX_CACHED).time_to_live(FORGOTTEN_AFTER).build(),
            cannot_verify: LogThrottle::default(),
            settings,
            store,
            clock,
        }
    }

    pub(super) fn in_mode(self, mode: Mode) -> Self {
        Self { is_open: AtomicBool::new(mode == Mode::Open), ..self }
    }

    /// # Errors
    /// The path of the key set's file when it cannot be read, and the reason.
    pub(super) async fn read_keys(&self) -> Result<(), (String, String)> {
        self.verifier.read_keys(self.clock.now()).await
    }

    /// Whether requests need credentials now. An open server closes for good as soon as an API key exists.
    ///
    /// # Errors
    /// When the server is open, and the store cannot be asked whether an API key exists.
    pub async fn mode(&self) -> Result<Mode, Denied> {
        if !self.is_open.load(Ordering::Acquire) {
            return Ok(Mode::Required);
        }
        match self.store.api_keys().await {
            Ok(keys) if keys.is_empty() => Ok(Mode::Open),
            Ok(_) => {
                if self.is_open.swap(false, Ordering::AcqRel) {
                    tracing::info!("an API key was created: from now on requests need credentials");
                }
                Ok(Mode::Required)
            }
            Err(error) => Err(self.unavailable(error.to_string(), self.clock.now())),
        }
    }

    /// Returns the principal of a request. When the two headers hold different credentials, both must be genuine, and
    /// `Authorization` determines the principal.
    ///
    /// # Errors
    /// When there are no credentials and public reading is switched off, when one is not genuine or not valid, or when
    /// a credential cannot be verified at the moment.
    pub async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Principal, Denied> {
        let address = credentials.address;
        if self.is_open.load(Ordering::Acquire) {
            return Ok(open_principal(address));
        }
        let mut last = None;
        for text in distinct(credentials).map_err(unauthenticated)? {
            last = Some(self.identity(text, address).await?);
        }
        match last {
            Some(identity) => Ok(principal(&identity, address)),
            None if self.settings.public_read => Ok(self.anonymous(address)),
            None => Err(Denied::NoCredentials),
        }
    }

    /// Verifies one credential. A credential that is cached as genuine is not a guess, so it is verified even when its
    /// address is in backoff. Of other credentials, only a few per second are verified for such an address.
    async fn identity(&self, text: &str, address: IpAddr) -> Result<Arc<VerifiedIdentity>, Denied> {
        let (hash, now) = (hash(text), self.clock.now());
        let cached = self.verified.get(&hash).await;
        if let Some(identity) = cached.as_ref().filter(|identity| self.is_valid(identity, now)) {
            return Ok(Arc::clone(identity));
        }
        let wait = self.backoff.wait(address, now).filter(|_| cached.is_none());
        let error = match (self.rejection(&hash, now).await, wait) {
            (Some(error), _) => error,
            (None, Some(retry_after)) if !self.backoff.may_verify(address, now) => {
                return Err(Denied::BackOff { retry_after });
            }
            (None, _) => match self.verify_once(text, hash, now).await {
                Ok(identity) => return Ok(identity),
                Err(error) => error,
            },
        };
        match (error, wait) {
            (VerifyError::Unavailable(reason), _) => Err(self.unavailable(reason, now)),
            // An address in backoff is not told the reason, and the failure is not counted again.
            (_, Some(retry_after)) => Err(Denied::BackOff { retry_after }),
            (VerifyError::Stale(reason), None) => Err(unauthenticated(reason)),
            (VerifyError::Wrong(reason), None) => {
                self.backoff.failed(address, now);
                Err(unauthenticated(reason))
            }
        }
    }

    fn unavailable(&self, reason: String, now: Timestamp) -> Denied {
        if let Some(left_out) = self.cannot_verify.allow(now) {
            tracing::error!(reason, left_out, "credentials cannot be verified");
        }
        Denied::Unavailable { reason }
    }

    /// When several requests present the same credential at once, one of them verifies it and the others wait for the
    /// result.
    async fn verify_once(
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
    async fn rejection(&self, hash: &[u8; 32], now: Timestamp) -> Option<VerifyError> {
        let rejection = self.rejected.get(hash).await?;
        let is_valid = (rejection.since..rejection.until).contains(&now)
            && rejection.generation == self.verifier.generation();
        is_valid.then(|| rejection.error.clone())
    }

    /// Puts an address whose requests the rate limit refuses into backoff, so that no more credentials are verified for
    /// it than for an address that failed to authenticate.
    pub fn hold_up(&self, address: IpAddr, wait: Duration) {
        self.backoff.hold_up(address, self.clock.now(), wait);
    }

    /// Writes the keys' times of last use if they are due, and frees the memory of expired entries. The server calls
    /// this every few seconds.
    pub async fn run_upkeep(&self) {
        let now = self.clock.now();
        self.backoff.run_upkeep(now);
        self.verified.run_pending_tasks().await;
        self.rejected.run_pending_tasks().await;
        self.verifier.run_upkeep(now).await;
    }

    /// Writes the keys' times of last use before the server ends.
    pub async fn finish(&self) {
        self.verifier.finish(self.clock.now()).await;
    }

    /// Whether the verification is still valid. One from after `now` is not: the clock was set back, so its age is
    /// unknown.
    fn is_valid(&self, identity: &VerifiedIdentity, now: Timestamp) -> bool {
        (identity.since..identity.until).contains(&now) && identity.generation == self.verifier.generation()
    }

    fn anonymous(&self, address: IpAddr) -> Principal {
        super::credentials::principal_at(address, Role::Anonymous, self.verifier.anonymous_scopes())
    }

    pub(super) async fn prepare_admins(&self) {
        self.verifier.prepare_admins(self.clock.now()).await;
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Access")
            .field("is_open", &self.is_open)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn principal(identity: &VerifiedIdentity, address: IpAddr) -> Principal {
    let VerifiedIdentity { role, scopes, .. } = *identity;
    match &identity.subject {
        None => super::credentials::principal_at(address, role, scopes),
        Some(subject) => Principal { subject: Arc::clone(subject), role, scopes },
    }
}

/// The distinct credentials of a request. The last one determines the principal.
fn distinct<'a>(credentials: Credentials<'a>) -> Result<impl Iterator<Item = &'a str>, &'static str> {
    let bearer = credentials.authorization.map(bearer_token).transpose()?;
    let key = credentials.api_key.map(str::trim).filter(|key| Some(*key) != bearer);
    Ok([key, bearer].into_iter().flatten())
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The principal of all requests to an open server.
fn open_principal(address: IpAddr) -> Principal {
    super::credentials::principal_at(address, Role::Service, Role::Service.scopes())
}

/// Returns the token of `Bearer <token>`. The scheme's name may be in any case (RFC 9110, section 11.1).
fn bearer_token(header: &str) -> Result<&str, &'static str> {
    header
        .trim()
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or("the header `Authorization` must be `Bearer` and a token or an API key")
}

fn unauthenticated(reason: &str) -> Denied {
    Denied::Unauthenticated { reason: reason.to_owned() }
}
