//! Verifies JSON Web Tokens (RFC 7519): their format, their key and their signature.
//!
//! The key determines the algorithm, never the token: the secret is accepted for HS256 only, an RSA key for RS256, a
//! P-256 key for ES256. The algorithm in the token's header must equal that of its key.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::{
    claims::{Bearer, Claims},
    key_set::{KeySet, VerificationKey},
    verify_error::VerifyError,
};
use crate::config::AccessSettings;

/// The longest token that is parsed. Web servers commonly limit all headers together to about this size.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

pub struct Tokens {
    secret: Option<VerificationKey>,
    keys: Option<Arc<KeySet>>,
}

impl Tokens {
    pub fn new(settings: &AccessSettings) -> Self {
        let secret = settings.jwt_secret.as_ref().map(|secret| VerificationKey {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret.reveal().as_bytes()),
        });
        let keys = settings.jwks.clone().map(|location| Arc::new(KeySet::new(location)));
        Self { secret, keys }
    }

    /// # Errors
    /// The path of the key set's file when it cannot be read, and the reason.
    pub async fn read_at_start(&self, now: Timestamp) -> Result<(), (String, String)> {
        match &self.keys {
            Some(keys) => keys.read_at_start(now).await,
            None => Ok(()),
        }
    }

    /// A number that changes whenever the keys change.
    pub fn generation(&self) -> u64 {
        self.keys.as_ref().map_or(0, |keys| keys.generation())
    }

    /// # Errors
    /// The reason why the token is refused, or that the keys cannot be read at the moment.
    pub async fn verify(
        &self,
        token: &str,
        settings: &AccessSettings,
        now: Timestamp,
    ) -> Result<Bearer, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::wrong("the token is longer than 8 KiB"));
        }
        let header = decode_header(token)
            .map_err(|_| VerifyError::wrong("the token is not a signed JSON Web Token"))?;
        if header.crit.is_some() {
            return Err(VerifyError::wrong("the token requires extensions that are not supported (`crit`)"));
        }
        let key = self.key(header.kid.as_deref(), header.alg, now).await?;
        if key.algorithm != header.alg {
            return Err(VerifyError::wrong("the token's algorithm is not that of its key"));
        }
        let mut validation = Validation::new(key.algorithm);
        // `Claims::check` validates these claims with Daymark's clock; the library would use the system clock.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::Json(_) => "the token's claims cannot be read",
                _ => "the token's signature is not valid",
            })
            .map_err(VerifyError::wrong)?
            .claims;
        claims.check(settings, now).map_err(VerifyError::stale)
    }

    async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<VerificationKey, VerifyError> {
        // The key id is ignored for HS256: Supabase names one even when it signs with its shared secret.
        if algorithm == Algorithm::HS256 {
            let none = VerifyError::wrong("this server accepts no tokens that are signed with HS256");
            return self.secret.clone().ok_or(none);
        }
        let Some(keys) = &self.keys else {
            return Err(VerifyError::wrong("this server accepts no tokens of this algorithm"));
        };
        let unknown = VerifyError::wrong("the token is signed with a key that this server does not know");
        keys.find(id, now).await?.ok_or(unknown)
    }
}
