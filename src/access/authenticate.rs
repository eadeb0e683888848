//! Turns the credentials of a request into its principal.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Credentials, Denied, Mode, Principal, Role, Scopes,
    backoff::Backoff,
    credential_cache::CredentialCache,
    credential_verifier::{CredentialVerifier, VerifiedIdentity},
    session::{OpenedSession, SessionSealer},
    session_ends::KnownSessionEnds,
    verify_error::VerifyError,
};
use crate::{
    clock::Clock,
    config::AccessSettings,
    platform::Platform,
    store::{Store, StoreError},
    telemetry::LogThrottle,
};

/// Authenticates requests.
pub struct Access {
    settings: AccessSettings,
    /// Whether requests need no credentials. It only ever changes from true to false.
    is_open: AtomicBool,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    credentials: CredentialCache,
    backoff: Backoff,
    sessions: SessionSealer,
    session_ends: KnownSessionEnds,
    cannot_verify: LogThrottle,
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
        let verifier = CredentialVerifier::new(settings.clone(), Arc::clone(&store), platform);
        Self {
            is_open: AtomicBool::new(false),
            credentials: CredentialCache::new(verifier, Arc::clone(&clock)),
            backoff: Backoff::default(),
            sessions: SessionSealer::new(settings.session_secret.as_ref()),
            session_ends: KnownSessionEnds::default(),
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
        self.credentials.verifier.read_keys(self.clock.now()).await
    }

    /// Whether requests need credentials now. An open server requires them permanently as soon as an API key exists.
    ///
    /// # Errors
    /// When the server is open, and the store cannot be asked whether an API key exists.
    pub async fn mode(&self) -> Result<Mode, Denied> {
        if !self.is_open.load(Ordering::Acquire) {
            return Ok(Mode::Required);
        }
        match self.store.has_api_keys().await {
            Ok(false) => Ok(Mode::Open),
            Ok(true) => {
                if self.is_open.swap(false, Ordering::AcqRel) {
                    tracing::info!("an API key was created: from now on requests need credentials");
                }
                Ok(Mode::Required)
            }
            Err(error) => Err(self.unavailable(error.to_string(), self.clock.now())),
        }
    }

    /// Whether requests without credentials may read.
    pub fn is_public(&self) -> bool {
        self.settings.public_read
    }

    /// Whether the server can verify tokens: it has a secret or a set of keys.
    pub fn accepts_tokens(&self) -> bool {
        self.settings.jwt_secret.is_some() || self.settings.jwks.is_some()
    }

    /// A session for a browser whose user showed this credential; `None` where it is too long for a cookie.
    pub fn seal_session(&self, credential: &str) -> Option<String> {
        self.sessions.seal(credential, self.clock.now())
    }

    /// A session; `None` where it has ended or is of another server.
    pub fn open_session(&self, session: &str) -> Option<OpenedSession> {
        self.sessions.open(session, self.clock.now())
    }

    /// Checks that the user has not signed out everywhere since the session of `principal` began.
    ///
    /// # Errors
    /// When the user has, or when the store cannot be asked.
    pub async fn require_session(&self, principal: &Principal, began_at: Timestamp) -> Result<(), Denied> {
        let now = self.clock.now();
        match self.session_ends.has_ended(self.store.as_ref(), &principal.subject, began_at, now).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(unauthenticated("this session was ended; sign in again")),
            Err(error) => Err(self.unavailable(error.to_string(), now)),
        }
    }

    /// Ends every session that the principal has begun, on every device.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_sessions(&self, principal: &Principal) -> Result<(), StoreError> {
        self.session_ends.end(self.store.as_ref(), &principal.subject, self.clock.now()).await
    }

    /// Returns the principal of a request. When the two headers hold different credentials, both must be genuine, and
    /// `Authorization` determines the principal.
    ///
    /// # Errors
    /// When there are no credentials and public reading is switched off, when a credential is not valid, or when a
    /// credential cannot be verified at the moment.
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
        let (hash, now) = (CredentialCache::hash(text), self.clock.now());
        let cached = self.credentials.verified(&hash).await;
        if let Some(identity) = cached.as_ref().filter(|identity| self.credentials.is_valid(identity, now)) {
            return Ok(Arc::clone(identity));
        }
        let wait = self.backoff.wait(address, now).filter(|_| cached.is_none());
        let error = match (self.credentials.rejection(&hash, now).await, wait) {
            (Some(error), _) => error,
            (None, Some(retry_after)) if !self.backoff.may_verify(address, now) => {
                return Err(Denied::BackOff { retry_after });
            }
            (None, _) => match self.credentials.verify_once(text, hash, now).await {
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
        self.credentials.run_upkeep(now).await;
    }

    /// Writes the keys' times of last use before the server ends.
    pub async fn finish(&self) {
        self.credentials.verifier.finish(self.clock.now()).await;
    }

    fn anonymous(&self, address: IpAddr) -> Principal {
        super::credentials::principal_at(
            address,
            Role::Anonymous,
            self.credentials.verifier.anonymous_scopes(),
        )
    }

    pub(super) async fn prepare_admins(&self) {
        self.credentials.verifier.prepare_admins(self.clock.now()).await;
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

/// The principal of all requests to an open server, which may do everything.
fn open_principal(address: IpAddr) -> Principal {
    super::credentials::principal_at(address, Role::Service, Scopes::ALL)
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
