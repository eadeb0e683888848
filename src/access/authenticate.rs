//! From the credentials of a request to its principal. Verified credentials are cached for a while, by their hash, because
//! the check of a signature or a query to the store takes longer than answering.

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

/// How long a credential that could not be verified is refused without another try: one try may take seconds when the store
/// is away, and many requests would wait for each other.
const UNAVAILABLE_CACHED: SignedDuration = SignedDuration::from_millis(500);
/// How long a rejected credential is cached.
const REJECTION_CACHED: SignedDuration = SignedDuration::from_secs(5);
/// Verified credentials, and as many rejected ones. Some hundred bytes each.
const MAX_CACHED: u64 = 10_000;
/// Longer than any verification holds. Until then a credential is known to have been genuine once.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Authenticates requests.
pub struct Access {
    settings: AccessSettings,
    /// Whether requests need no credentials. It only ever changes to false.
    is_open: AtomicBool,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    verifier: CredentialVerifier,
    backoff: Backoff,
    /// By the hash of the credential.
    verified: Cache<[u8; 32], Arc<VerifiedIdentity>>,
    /// By the same hash. A cache of its own, so that wrong credentials cannot displace verified ones.
    rejected: Cache<[u8; 32], Arc<Rejection>>,
    cannot_verify: LogThrottle,
}

/// Why a credential was rejected, and how long that holds, as for a [`VerifiedIdentity`].
struct Rejection {
    error: VerifyError,
    since: Timestamp,
    until: Timestamp,
    generation: u64,
}

impl Access {
    /// One that requires credentials, unless public reading is switched on; [`Access::start`] decides whether it may do
    /// without.
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
    /// The file with keys for tokens that cannot be read, and why.
    pub(super) async fn read_keys(&self) -> Result<(), (String, String)> {
        self.verifier.read_keys(self.clock.now()).await
    }

    /// Whether requests need credentials now. An open server closes for good as soon as an API key exists.
    ///
    /// # Errors
    /// When the server is open, and the store cannot tell whether there is a key now.
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

    /// The principal of a request. Where both headers hold different credentials, both must be genuine, and
    /// `Authorization` names the principal.
    ///
    /// # Errors
    /// When there are no credentials and public reading is switched off, when one is not genuine or not valid, or when
    /// that cannot be found out.
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

    /// A credential that was genuine a short while ago is no guess: it is verified also when it comes from an address that
    /// is in backoff. Of other credentials, only a few a second are verified for such an address.
    async fn identity(&self, text: &str, address: IpAddr) -> Result<Arc<VerifiedIdentity>, Denied> {
        let (hash, now) = (hash(text), self.clock.now());
        let cached = self.verified.get(&hash).await;
        if let Some(identity) = cached.as_ref().filter(|identity| self.holds(identity, now)) {
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
            // An address that has to wait is neither told why nor punished twice.
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
            tracing::error!(reason, left_out, "credentials cannot be checked");
        }
        Denied::Unavailable { reason }
    }

    /// Of several requests with the same credential one verifies it, and the others wait.
    async fn verify_once(
        &self,
        text: &str,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<VerifiedIdentity>, VerifyError> {
        let verified = self.verified.entry(hash).and_try_compute_with(|cached| async move {
            if cached.is_some_and(|cached| self.holds(cached.value(), now)) {
                return Ok(Op::Nop);
            }
            if let Some(error) = self.rejection(&hash, now).await {
                return Err(error);
            }
            // Keys that are replaced meanwhile make the verdict void.
            let generation = self.verifier.generation();
            let verdict = self.verifier.verify(text, now).await;
            if let Err(error) = &verdict {
                let until = match error {
                    VerifyError::Wrong(_) | VerifyError::Stale(_) => later(now, REJECTION_CACHED),
                    VerifyError::Unavailable(_) => later(self.clock.now(), UNAVAILABLE_CACHED),
                };
                let rejection = Rejection { error: error.clone(), since: now, until, generation };
                self.rejected.insert(hash, Arc::new(rejection)).await;
            }
            verdict.map(|identity| Op::Put(Arc::new(identity)))
        });
        match verified.await? {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Unchanged(entry)
            | CompResult::Removed(entry) => Ok(entry.into_value()),
            CompResult::StillNone(_) => Err(VerifyError::stale("the credentials are not valid")),
        }
    }

    /// Why the credential was rejected a moment ago.
    async fn rejection(&self, hash: &[u8; 32], now: Timestamp) -> Option<VerifyError> {
        let rejection = self.rejected.get(hash).await?;
        let holds = (rejection.since..rejection.until).contains(&now)
            && rejection.generation == self.verifier.generation();
        holds.then(|| rejection.error.clone())
    }

    /// Puts an address into backoff whose requests are refused by the rate limit, so that no more is verified for it than
    /// for one that fails.
    pub fn hold_up(&self, address: IpAddr, wait: Duration) {
        self.backoff.hold_up(address, self.clock.now(), wait);
    }

    /// To be called every few seconds: writes the times of last use of keys if it is time to, and frees the memory of what
    /// has expired.
    pub async fn run_upkeep(&self) {
        let now = self.clock.now();
        self.backoff.run_upkeep(now);
        self.verified.run_pending_tasks().await;
        self.rejected.run_pending_tasks().await;
        self.verifier.run_upkeep(now).await;
    }

    /// Writes the times of last use of keys, before the server ends.
    pub async fn finish(&self) {
        self.verifier.finish(self.clock.now()).await;
    }

    /// A verification from after `now` is void: the clock was set back, and it could be any time old.
    fn holds(&self, identity: &VerifiedIdentity, now: Timestamp) -> bool {
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

/// The credentials of a request, each once. The last one names the principal.
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

/// The token of `Bearer <token>`; the scheme's name in any case (RFC 9110, 11.1).
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
