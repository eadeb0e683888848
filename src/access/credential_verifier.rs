//! Verifies a credential: whether it is genuine, and to whom it belongs. This checks a signature or queries the store,
//! and also queries the platform if one of its columns marks admins.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    Role, Scope, Scopes, admins::Admins, key_usage::KeyUsage, tokens::Tokens, verify_error::VerifyError,
};
use crate::{config::AccessSettings, platform::Platform, store::Store};

/// How long a verified key is cached, and so how long a revoked key may still be accepted.
const KEY_CACHED: SignedDuration = SignedDuration::from_secs(10);
/// How long a verified token is cached, and so how long it may still be accepted after its signing key was removed from
/// the key set. Reading the changed set ends this earlier.
const TOKEN_CACHED: SignedDuration = SignedDuration::from_mins(5);
/// How long the role of admin is cached after the platform no longer marks the user as one.
const ADMIN_CACHED: SignedDuration = SignedDuration::from_mins(1);
/// How long a user is treated as a reader after the platform did not answer.
const NO_ADMIN_CACHED: SignedDuration = SignedDuration::from_secs(10);

/// Verifies API keys and tokens.
pub struct CredentialVerifier {
    settings: AccessSettings,
    store: Arc<dyn Store>,
    tokens: Tokens,
    admins: Option<Admins>,
    key_usage: KeyUsage,
}

/// The identity that a genuine credential proves.
pub struct VerifiedIdentity {
    /// `None` for identities whose requests are counted by address.
    pub subject: Option<Arc<str>>,
    pub role: Role,
    pub scopes: Scopes,
    /// The time of the verification. It is not valid before this time, which happens when the clock is set back.
    pub since: Timestamp,
    /// The time from which the credential has to be verified again.
    pub until: Timestamp,
    /// The generation of the token-signing keys under which it was verified.
    pub generation: u64,
}

impl CredentialVerifier {
    pub fn new(settings: AccessSettings, store: Arc<dyn Store>, platform: Arc<dyn Platform>) -> Self {
        let admins = settings.admin_column.clone().map(|column| Admins::new(platform, column));
        Self { tokens: Tokens::new(&settings), admins, key_usage: KeyUsage::default(), settings, store }
    }

    /// # Errors
    /// The path of the key set's file when it cannot be read, and the reason.
    pub async fn read_keys(&self, now: Timestamp) -> Result<(), (String, String)> {
        self.tokens.read_at_start(now).await
    }

    /// The generation of the token-signing keys, which increases when they change. A verification under an earlier
    /// generation is not valid.
    pub fn generation(&self) -> u64 {
        self.tokens.generation()
    }

    /// # Errors
    /// When the credential is not genuine or not valid, or when it cannot be verified at the moment.
    pub async fn verify(&self, text: &str, now: Timestamp) -> Result<VerifiedIdentity, VerifyError> {
        if crate::identity::key_format::is_api_key(text) {
            self.verify_key(text, now).await
        } else {
            self.verify_token(text, now).await
        }
    }

    async fn verify_key(&self, text: &str, now: Timestamp) -> Result<VerifiedIdentity, VerifyError> {
        // The message is the same whichever part of the key is wrong.
        let wrong = || VerifyError::wrong("the API key is not valid");
        let (id, hash) = crate::identity::key_format::parse(text).ok_or_else(wrong)?;
        let found =
            self.store.api_key(id).await.map_err(|error| VerifyError::Unavailable(error.to_string()))?;
        let key =
            found.filter(|key| crate::identity::key_format::is_same(&key.hash, &hash)).ok_or_else(wrong)?;
        if key.revoked_at.is_some() {
            return Err(VerifyError::stale("the API key was revoked"));
        }
        if !key.is_active(now) {
            return Err(VerifyError::stale("the API key has expired"));
        }
        self.key_usage.record(key.id, now);
        let until = later(now, KEY_CACHED);
        Ok(VerifiedIdentity {
            subject: Some(format!("key:{}", key.id).into()),
            role: key.role,
            scopes: key.scopes.and(key.role.scopes()),
            since: now,
            until: key.expires_at.map_or(until, |expires_at| until.min(expires_at)),
            generation: self.tokens.generation(),
        })
    }

    async fn verify_token(&self, text: &str, now: Timestamp) -> Result<VerifiedIdentity, VerifyError> {
        let bearer = self.tokens.verify(text, &self.settings, now).await?;
        let generation = self.tokens.generation();
        let (mut role, mut cached_for) = (bearer.role, TOKEN_CACHED);
        if let (Role::Reader, Some(admins), Some(subject)) = (role, &self.admins, &bearer.subject) {
            let is_admin = admins.is_admin(subject, now).await;
            cached_for = if is_admin.is_some() { ADMIN_CACHED } else { NO_ADMIN_CACHED };
            if is_admin == Some(true) {
                role = Role::Admin;
            }
        }
        // Supabase's own anonymous keys are tokens without a user.
        let user = bearer.subject.filter(|_| role != Role::Anonymous);
        let subject = user.map(|subject| format!("user:{subject}").into());
        let until = later(now, cached_for).min(bearer.expires_at);
        let scopes = if role == Role::Anonymous { self.anonymous_scopes() } else { role.scopes() };
        Ok(VerifiedIdentity { subject, role, scopes, since: now, until, generation })
    }

    /// The scopes of a principal without credentials.
    pub fn anonymous_scopes(&self) -> Scopes {
        if self.settings.public_read { Scopes::of(&[Scope::Read]) } else { Scopes::NONE }
    }

    /// Writes the keys' times of last use if they are due.
    pub async fn run_upkeep(&self, now: Timestamp) {
        self.key_usage.write_if_due(self.store.as_ref(), now).await;
    }

    /// Writes the keys' times of last use.
    pub async fn finish(&self, now: Timestamp) {
        self.key_usage.write(self.store.as_ref(), now).await;
    }

    pub async fn prepare_admins(&self, now: Timestamp) {
        if let Some(admins) = &self.admins {
            admins.prepare(now).await;
        }
    }
}

pub(super) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}
