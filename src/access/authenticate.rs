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
    Credentials, Denied, Mode, Principal, Role, Scope, Scopes, admins::Admins, backoff::Backoff, key_text,
    seldom::Seldom, tokens::Tokens, uses::Uses,
};
use crate::{clock::Clock, config::AccessSettings, platform::Platform, store::Store};

/// So long a revoked key may still be let in.
const KEY_REMEMBERED: SignedDuration = SignedDuration::from_secs(10);
/// So long a token may still be let in whose signing key was taken out of the set; less, if the set is read meanwhile.
const TOKEN_REMEMBERED: SignedDuration = SignedDuration::from_mins(5);
/// So long somebody may still be an admin whom the platform calls none any more.
const ADMIN_REMEMBERED: SignedDuration = SignedDuration::from_mins(1);
/// When the platform did not answer.
const NO_ADMIN_REMEMBERED: SignedDuration = SignedDuration::from_secs(10);
/// Whoever waited while a text could not be looked at is told the same, and so is whoever comes this soon after: one look
/// may take seconds when the store is away, and many would wait for each other.
const UNAVAILABLE_REMEMBERED: SignedDuration = SignedDuration::from_millis(500);
/// So long a text is refused again without being looked at again.
const REFUSAL_REMEMBERED: SignedDuration = SignedDuration::from_secs(5);
/// Genuine ones, and as many refused ones. Some hundred bytes each.
const MAX_REMEMBERED: u64 = 10_000;
/// Longer than anything holds. Until then a text is known to have been genuine once.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Tells who makes a request.
pub struct Access {
    settings: AccessSettings,
    mode: Mode,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    admins: Option<Admins>,
    backoff: Backoff,
    genuine: Cache<[u8; 32], Arc<Genuine>>,
    /// By the same hash. Apart, so that whoever shows wrong ones cannot displace those who are let in.
    refused: Cache<[u8; 32], Arc<Refused>>,
    uses: Uses,
    cannot_check: Seldom,
}

/// What was found out about a text that is genuine.
struct Genuine {
    /// `None` for somebody who is counted by address.
    subject: Option<Arc<str>>,
    role: Role,
    scopes: Scopes,
    /// From when on it has to be looked at again.
    until: Timestamp,
    /// Of the keys that tokens are signed with.
    generation: u64,
}

/// What was found out about a text that is not.
struct Refused {
    failure: Failure,
    /// As those of [`Genuine`].
    until: Timestamp,
    generation: u64,
}

/// Why a text is not genuine, or not valid.
#[derive(Debug, Clone)]
pub enum Failure {
    /// It may be a guess, and is counted as one.
    Wrong(&'static str),
    /// It was genuine once, or is for somebody else: no guess.
    Stale(&'static str),
    /// It could not be looked at. For the log.
    Unavailable(String),
}

impl Failure {
    pub fn wrong(reason: &'static str) -> Self {
        Self::Wrong(reason)
    }

    pub fn stale(reason: &'static str) -> Self {
        Self::Stale(reason)
    }
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
        let admins = settings.admin_column.clone().map(|column| Admins::new(platform, column));
        Self {
            mode: Mode::Required,
            tokens: Tokens::new(&settings),
            admins,
            backoff: Backoff::default(),
            genuine: Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(FORGOTTEN_AFTER).build(),
            refused: Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(FORGOTTEN_AFTER).build(),
            uses: Uses::default(),
            cannot_check: Seldom::default(),
            settings,
            store,
            clock,
        }
    }

    pub(super) fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    pub fn mode(&self) -> Mode {
        self.mode
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
            return Ok(Principal::at(address, Role::Service, Role::Service.scopes()));
        }
        let bearer = credentials.authorization.map(bearer_token).transpose().map_err(unauthenticated)?;
        let key = credentials.api_key.map(str::trim).filter(|key| Some(*key) != bearer);
        if let Some(key) = key {
            let by_key = self.genuine(key, address).await?;
            if bearer.is_none() {
                return Ok(self.principal(&by_key, address));
            }
        }
        match bearer {
            Some(token) => Ok(self.principal(&*self.genuine(token, address).await?, address)),
            None if self.settings.public_read => Ok(self.anonymous(address)),
            None => Err(unauthenticated(
                "no credentials: send `Authorization: Bearer` with a token or an API key",
            )),
        }
    }

    /// A text that was genuine a short while ago is no guess: it is looked at also when it comes from an address behind
    /// which somebody else fails all the time. Of others that address has only a few a second looked at.
    async fn genuine(&self, text: &str, address: IpAddr) -> Result<Arc<Genuine>, Denied> {
        let (hash, now) = (<[u8; 32]>::from(Sha256::digest(text)), self.clock.now());
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
                if self.cannot_check.is_due(now) {
                    tracing::error!(reason, "credentials cannot be checked");
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
    async fn look_once(&self, text: &str, hash: [u8; 32], now: Timestamp) -> Result<Arc<Genuine>, Failure> {
        let looked_at = self.genuine.entry(hash).and_try_compute_with(|known| async move {
            if known.is_some_and(|known| self.holds(known.value(), now)) {
                return Ok(Op::Nop);
            }
            if let Some(failure) = self.refusal(&hash, now).await {
                return Err(failure);
            }
            // Keys that are replaced meanwhile make the verdict worthless.
            let generation = self.tokens.generation();
            let verdict = self.look_at(text, now).await;
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
        let holds = now < refused.until && refused.generation == self.tokens.generation();
        holds.then(|| refused.failure.clone())
    }

    /// Lets an address whose requests are refused too often wait, so that no more is looked at for it than for one that
    /// fails.
    pub fn hold_up(&self, address: IpAddr, wait: Duration) {
        self.backoff.hold_up(address, self.clock.now(), wait);
    }

    /// To be called every few seconds: writes when keys were used last, if it is time to.
    pub async fn keep_up(&self) {
        self.uses.write_if_due(self.store.as_ref(), self.clock.now()).await;
    }

    /// Writes when keys were used last, before the server ends.
    pub async fn finish(&self) {
        self.uses.write(self.store.as_ref(), self.clock.now()).await;
    }

    fn holds(&self, genuine: &Genuine, now: Timestamp) -> bool {
        now < genuine.until && genuine.generation == self.tokens.generation()
    }

    async fn look_at(&self, text: &str, now: Timestamp) -> Result<Genuine, Failure> {
        if key_text::is_meant(text) {
            self.look_at_key(text, now).await
        } else {
            self.look_at_token(text, now).await
        }
    }

    async fn look_at_key(&self, text: &str, now: Timestamp) -> Result<Genuine, Failure> {
        // The same words whichever part of it is wrong.
        let wrong = || Failure::wrong("the API key is not valid");
        let (id, hash) = key_text::parse(text).ok_or_else(wrong)?;
        let found = self.store.api_key(id).await.map_err(|error| Failure::Unavailable(error.to_string()))?;
        let key = found.filter(|key| key_text::is_same(&key.hash, &hash)).ok_or_else(wrong)?;
        if key.revoked_at.is_some() {
            return Err(Failure::stale("the API key was revoked"));
        }
        if !key.is_active(now) {
            return Err(Failure::stale("the API key has expired"));
        }
        self.uses.note(key.id, now);
        let until = later(now, KEY_REMEMBERED);
        Ok(Genuine {
            subject: Some(format!("key:{}", key.id).into()),
            role: key.role,
            scopes: key.scopes.and(key.role.scopes()),
            until: key.expires_at.map_or(until, |expires_at| until.min(expires_at)),
            generation: self.tokens.generation(),
        })
    }

    async fn look_at_token(&self, text: &str, now: Timestamp) -> Result<Genuine, Failure> {
        let bearer = self.tokens.verify(text, &self.settings, now).await?;
        let generation = self.tokens.generation();
        let (mut role, mut remembered) = (bearer.role, TOKEN_REMEMBERED);
        if let (Role::Reader, Some(admins), Some(subject)) = (role, &self.admins, &bearer.subject) {
            let is_admin = admins.is_admin(subject, now).await;
            remembered = if is_admin.is_some() { ADMIN_REMEMBERED } else { NO_ADMIN_REMEMBERED };
            if is_admin == Some(true) {
                role = Role::Admin;
            }
        }
        let subject = match (role, bearer.subject) {
            (Role::Anonymous, _) => None,
            (_, Some(subject)) => Some(format!("user:{subject}").into()),
            (role, None) => Some(format!("role:{}", role.name()).into()),
        };
        let until = later(now, remembered).min(bearer.expires_at);
        let scopes = if role == Role::Anonymous { self.anonymous_scopes() } else { role.scopes() };
        Ok(Genuine { subject, role, scopes, until, generation })
    }

    fn principal(&self, genuine: &Genuine, address: IpAddr) -> Principal {
        match &genuine.subject {
            None => Principal::at(address, genuine.role, genuine.scopes),
            Some(subject) => {
                Principal { subject: Arc::clone(subject), role: genuine.role, scopes: genuine.scopes }
            }
        }
    }

    fn anonymous(&self, address: IpAddr) -> Principal {
        Principal::at(address, Role::Anonymous, self.anonymous_scopes())
    }

    fn anonymous_scopes(&self) -> Scopes {
        if self.settings.public_read { Scopes::of(&[Scope::Read]) } else { Scopes::NONE }
    }

    pub(super) async fn prepare_admins(&self) {
        if let Some(admins) = &self.admins {
            admins.prepare(self.clock.now()).await;
        }
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

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}
