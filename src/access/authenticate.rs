//! From what a request shows to who makes it. What was found to be genuine is remembered for a while, by the hash of the
//! text, because checking a signature or asking the store takes longer than answering.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use moka::{
    future::Cache,
    ops::compute::{CompResult, Op},
};
use sha2::{Digest, Sha256};

use super::{
    Credentials, Denied, Mode, Principal, Role,
    backoff::Backoff,
    credential_verifier::{CredentialVerifier, Failure, VerifiedIdentity, later},
};
use crate::{clock::Clock, config::AccessSettings, platform::Platform, store::Store, telemetry::LogThrottle};

/// Whoever waited while a text could not be looked at is told the same, and so is whoever comes this soon after: one look
/// may take seconds when the store is away, and many would wait for each other.
const UNAVAILABLE_REMEMBERED: SignedDuration = SignedDuration::from_millis(500);
/// So long a text is refused again without being looked at again.
const REFUSAL_REMEMBERED: SignedDuration = SignedDuration::from_secs(5);
/// VerifiedIdentity ones, and as many refused ones. Some hundred bytes each.
const MAX_REMEMBERED: u64 = 10_000;
/// Longer than anything holds. Until then a text is known to have been genuine once.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Tells who makes a request.
pub struct Access {
    settings: AccessSettings,
    mode: Mode,
    clock: Arc<dyn Clock>,
    verifier: CredentialVerifier,
    backoff: Backoff,
    genuine: Cache<[u8; 32], Arc<VerifiedIdentity>>,
    /// By the same hash. Apart, so that whoever shows wrong ones cannot displace those who are let in.
    refused: Cache<[u8; 32], Arc<Refused>>,
    cannot_check: LogThrottle,
}

/// What was found out about a text that is not.
struct Refused {
    failure: Failure,
    /// As those of [`VerifiedIdentity`].
    until: Timestamp,
    generation: u64,
}

impl Access {
    /// One that always asks for credentials, unless public reading is switched on; [`Access::start`] decides whether it
    /// may do without.
    pub fn new(
        settings: AccessSettings,
        store: Arc<dyn Store>,
        platform: Arc<dyn Platform>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            mode: Mode::Required,
            verifier: CredentialVerifier::new(settings.clone(), store, platform),
            backoff: Backoff::default(),
            genuine: Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(FORGOTTEN_AFTER).build(),
            refused: Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(FORGOTTEN_AFTER).build(),
            cannot_check: LogThrottle::default(),
            settings,
            clock,
        }
    }

    pub(super) fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// # Errors
    /// The file with keys for tokens that cannot be read, and why.
    pub(super) async fn read_keys(&self) -> Result<(), (String, String)> {
        self.verifier.read_keys(self.clock.now()).await
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Who makes a request, if all that they show was looked at a short while ago. Nobody is asked.
    pub async fn recognise(&self, credentials: Credentials<'_>) -> Option<Principal> {
        let address = credentials.address;
        if self.mode == Mode::Open {
            return Some(in_the_open(address));
        }
        let now = self.clock.now();
        let mut last = None;
        for text in shown(credentials).ok()? {
            let remembered = self.genuine.get(&hash(text)).await;
            last = Some(remembered.filter(|genuine| self.holds(genuine, now))?);
        }
        match last {
            Some(genuine) => Some(self.principal(&genuine, address)),
            None => self.settings.public_read.then(|| self.anonymous(address)),
        }
    }

    /// Who makes a request. Where both headers hold something different, both must be genuine, and `Authorization` tells
    /// who it is.
    ///
    /// # Errors
    /// When there is nothing to tell by and public reading is switched off, when something is not genuine or not valid,
    /// or when that cannot be found out.
    pub async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Principal, Denied> {
        let address = credentials.address;
        if self.mode == Mode::Open {
            return Ok(in_the_open(address));
        }
        let mut last = None;
        for text in shown(credentials).map_err(unauthenticated)? {
            last = Some(self.genuine(text, address).await?);
        }
        match last {
            Some(genuine) => Ok(self.principal(&genuine, address)),
            None if self.settings.public_read => Ok(self.anonymous(address)),
            None => Err(Denied::NoCredentials),
        }
    }

    /// A text that was genuine a short while ago is no guess: it is looked at also when it comes from an address behind
    /// which somebody else fails all the time. Of others that address has only a few a second looked at.
    async fn genuine(&self, text: &str, address: IpAddr) -> Result<Arc<VerifiedIdentity>, Denied> {
        let (hash, now) = (hash(text), self.clock.now());
        let known = self.genuine.get(&hash).await;
        if let Some(genuine) = known.as_ref().filter(|genuine| self.holds(genuine, now)) {
            return Ok(Arc::clone(genuine));
        }
        let wait = self.backoff.wait(address, now).filter(|_| known.is_none());
        let failure = match (self.refusal(&hash, now).await, wait) {
            (Some(failure), _) => failure,
            (None, Some(retry_after)) if !self.backoff.may_look(address, now) => {
                return Err(Denied::BackOff { retry_after });
            }
            (None, _) => match self.look_once(text, hash, now).await {
                Ok(genuine) => return Ok(genuine),
                Err(failure) => failure,
            },
        };
        match (failure, wait) {
            (Failure::Unavailable(reason), _) => {
                if let Some(left_out) = self.cannot_check.allow(now) {
                    tracing::error!(reason, left_out, "credentials cannot be checked");
                }
                Err(Denied::Unavailable { reason })
            }
            // Whoever has to wait is not told why, nor punished twice.
            (_, Some(retry_after)) => Err(Denied::BackOff { retry_after }),
            (Failure::Stale(reason), None) => Err(unauthenticated(reason)),
            (Failure::Wrong(reason), None) => {
                self.backoff.failed(address, now);
                Err(unauthenticated(reason))
            }
        }
    }

    /// Of several requests with the same text one looks at it, and the others wait.
    async fn look_once(
        &self,
        text: &str,
        hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<VerifiedIdentity>, Failure> {
        let looked_at = self.genuine.entry(hash).and_try_compute_with(|known| async move {
            if known.is_some_and(|known| self.holds(known.value(), now)) {
                return Ok(Op::Nop);
            }
            if let Some(failure) = self.refusal(&hash, now).await {
                return Err(failure);
            }
            // Keys that are replaced meanwhile make the verdict worthless.
            let generation = self.verifier.generation();
            let verdict = self.verifier.verify(text, now).await;
            if let Err(failure) = &verdict {
                let until = match failure {
                    Failure::Wrong(_) | Failure::Stale(_) => later(now, REFUSAL_REMEMBERED),
                    Failure::Unavailable(_) => later(self.clock.now(), UNAVAILABLE_REMEMBERED),
                };
                let refused = Refused { failure: failure.clone(), until, generation };
                self.refused.insert(hash, Arc::new(refused)).await;
            }
            verdict.map(|genuine| Op::Put(Arc::new(genuine)))
        });
        match looked_at.await? {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Unchanged(entry)
            | CompResult::Removed(entry) => Ok(entry.into_value()),
            CompResult::StillNone(_) => Err(Failure::stale("the credentials are not valid")),
        }
    }

    /// Why the text was refused a moment ago.
    async fn refusal(&self, hash: &[u8; 32], now: Timestamp) -> Option<Failure> {
        let refused = self.refused.get(hash).await?;
        let holds = now < refused.until && refused.generation == self.verifier.generation();
        holds.then(|| refused.failure.clone())
    }

    /// Lets an address whose requests are refused too often wait, so that no more is looked at for it than for one that
    /// fails.
    pub fn hold_up(&self, address: IpAddr, wait: Duration) {
        self.backoff.hold_up(address, self.clock.now(), wait);
    }

    /// To be called every few seconds: writes when keys were used last, if it is time to.
    pub async fn keep_up(&self) {
        self.verifier.keep_up(self.clock.now()).await;
    }

    /// Writes when keys were used last, before the server ends.
    pub async fn finish(&self) {
        self.verifier.finish(self.clock.now()).await;
    }

    fn holds(&self, genuine: &VerifiedIdentity, now: Timestamp) -> bool {
        now < genuine.until && genuine.generation == self.verifier.generation()
    }

    fn principal(&self, genuine: &VerifiedIdentity, address: IpAddr) -> Principal {
        match &genuine.subject {
            None => super::credentials::principal_at(address, genuine.role, genuine.scopes),
            Some(subject) => {
                Principal { subject: Arc::clone(subject), role: genuine.role, scopes: genuine.scopes }
            }
        }
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
            .field("mode", &self.mode)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The texts that a request shows, each once. Who it is the last one tells.
fn shown<'a>(credentials: Credentials<'a>) -> Result<impl Iterator<Item = &'a str>, &'static str> {
    let bearer = credentials.authorization.map(bearer_token).transpose()?;
    let key = credentials.api_key.map(str::trim).filter(|key| Some(*key) != bearer);
    Ok([key, bearer].into_iter().flatten())
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Where nobody is asked for anything.
fn in_the_open(address: IpAddr) -> Principal {
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
