//! Verifies a credential: whether it is genuine, and whose it is. That takes the check of a signature or a query to the
//! store, and a query to the platform where a column of it marks admins.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    Role, Scope, Scopes, admins::Admins, key_usage::KeyUsage, tokens::Tokens, verify_error::VerifyError,
};
use crate::{config::AccessSettings, platform::Platform, store::Store};

/// How long a key that was revoked may still be accepted.
const KEY_REMEMBERED: SignedDuration = SignedDuration::from_secs(10);
/// How long a token may still be accepted whose signing key was taken out of the set; less, if the set is read meanwhile.
const TOKEN_REMEMBERED: SignedDuration = SignedDuration::from_mins(5);
/// How long a user may still be an admin whom the platform no longer marks as one.
const ADMIN_REMEMBERED: SignedDuration = SignedDuration::from_mins(1);
/// How long a user is a reader because the platform did not answer.
const NO_ADMIN_REMEMBERED: SignedDuration = SignedDuration::from_secs(10);

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
    /// When it was verified. A clock that was set back to before it makes the verification void.
    pub since: Timestamp,
    /// From when on it has to be verified again.
    pub until: Timestamp,
    /// The generation of the keys that tokens are signed with.
    pub generation: u64,
}

impl CredentialVerifier {
    pub fn new(settings: AccessSettings, store: Arc<dyn Store>, platform: Arc<dyn Platform>) -> Self {
        let admins = settings.admin_column.clone().map(|column| Admins::new(platform, column));
        Self { tokens: Tokens::new(&settings), admins, key_usage: KeyUsage::default(), settings, store }
    }

    /// # Errors
    /// The file with keys for tokens that cannot be read, and why.
    pub async fn read_keys(&self, now: Timestamp) -> Result<(), (String, String)> {
        self.tokens.read_at_start(now).await
    }

    /// The generation of the keys that tokens are signed with. A verification under another generation is void.
    pub fn generation(&self) -> u64 {
        self.tokens.generation()
    }

    /// # Errors
    /// When it is not genuine or not valid, or when that cannot be found out.
    pub async fn verify(&self, text: &str, now: Timestamp) -> Result<VerifiedIdentity, VerifyError> {
        if crate::identity::key_format::is_api_key(text) {
            self.verify_key(text, now).await
        } else {
            self.verify_token(text, now).await
        }
    }

    async fn verify_key(&self, text: &str, now: Timestamp) -> Result<VerifiedIdentity, VerifyError> {
        // The same words whichever part of it is wrong.
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
        self.key_usage.note(key.id, now);
        let until = later(now, KEY_REMEMBERED);
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
        let (mut role, mut remembered) = (bearer.role, TOKEN_REMEMBERED);
        if let (Role::Reader, Some(admins), Some(subject)) = (role, &self.admins, &bearer.subject) {
            let is_admin = admins.is_admin(subject, now).await;
            remembered = if is_admin.is_some() { ADMIN_REMEMBERED } else { NO_ADMIN_REMEMBERED };
            if is_admin == Some(true) {
                role = Role::Admin;
            }
        }
        // Supabase's own keys are tokens without a user.
        let user = bearer.subject.filter(|_| role != Role::Anonymous);
        let subject = user.map(|subject| format!("user:{subject}").into());
        let until = later(now, remembered).min(bearer.expires_at);
        let scopes = if role == Role::Anonymous { self.anonymous_scopes() } else { role.scopes() };
        Ok(VerifiedIdentity { subject, role, scopes, since: now, until, generation })
    }

    /// The scopes of a principal without credentials.
    pub fn anonymous_scopes(&self) -> Scopes {
        if self.settings.public_read { Scopes::of(&[Scope::Read]) } else { Scopes::NONE }
    }

    /// Writes the times of last use of keys, if it is time to.
    pub async fn run_upkeep(&self, now: Timestamp) {
        self.key_usage.write_if_due(self.store.as_ref(), now).await;
    }

    /// Writes the times of last use of keys.
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
