//! Sessions of browsers: the credential that a user signed in with, sealed so that only a server with the same key can read it,
//! and the time when the session ends. The browser keeps it in a cookie; nothing of it is in the store. A credential that is
//! revoked or expires ends its sessions with it, because it is verified with each request.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use sha2::{Digest, Sha256};

use crate::identity::Secret;

/// How long a session lasts.
pub const SESSION_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest credential that a session holds, in bytes: browsers keep no cookies of more than 4096.
const MAX_CREDENTIAL: usize = 2900;
/// The additional data of each seal: a text that was sealed with the same secret for another purpose does not open as a session.
const PURPOSE: &[u8] = b"daymark session v1";
/// The bytes of the time of its end, in microseconds.
const TIME_BYTES: usize = size_of::<i64>();

/// A session that was opened.
// Without Debug: it holds a credential.
pub struct OpenedSession {
    /// What the user signed in with.
    pub credential: String,
    pub began_at: Timestamp,
}

/// Seals and opens sessions.
pub struct SessionSealer {
    key: [u8; 32],
    random: SystemRandom,
}

impl SessionSealer {
    /// With `secret`, other servers and later processes that have the same open the sessions that this one seals. Without a secret the key is random, and only this sealer opens them.
    pub fn new(secret: Option<&Secret>) -> Self {
        let random = SystemRandom::new();
        let mut key = [0; 32];
        match secret {
            Some(secret) => {
                key = Sha256::new_with_prefix(PURPOSE).chain_update(secret.reveal()).finalize().into()
            }
            // Where the system has no randomness, sealing fails as well, so that this key is never used.
            None => drop(random.fill(&mut key)),
        }
        Self { key, random }
    }

    /// A session with `credential` from `now` on; `None` where the credential is too long for a cookie.
    pub fn seal(&self, credential: &str, now: Timestamp) -> Option<String> {
        if credential.len() > MAX_CREDENTIAL {
            return None;
        }
        let until = now.checked_add(SESSION_LIFETIME).ok()?.as_microsecond();
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = [&until.to_be_bytes()[..], credential.as_bytes()].concat();
        let key = self.key()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut sealed)
            .ok()?;
        Some(BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// A session that was sealed with this key and has not ended.
    pub fn open(&self, session: &str, now: Timestamp) -> Option<OpenedSession> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(session).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self.key()?.open_in_place(nonce, Aad::from(PURPOSE), &mut sealed).ok()?;
        let (until, credential) = opened.split_at_checked(TIME_BYTES)?;
        let until = Timestamp::from_microsecond(i64::from_be_bytes(until.try_into().ok()?)).ok()?;
        let began_at = until.checked_sub(SESSION_LIFETIME).ok()?;
        let credential = String::from_utf8(credential.to_vec()).ok()?;
        (now < until).then_some(OpenedSession { credential, began_at })
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.key).ok().map(LessSafeKey::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIAL: &str = "dm_example";

    fn now() -> Timestamp {
        "2025-01-11T12:00:00Z".parse().unwrap()
    }

    fn opened(sealer: &SessionSealer, session: &str, now: Timestamp) -> Option<String> {
        sealer.open(session, now).map(|opened| opened.credential)
    }

    fn sealer(secret: &str) -> SessionSealer {
        SessionSealer::new(Some(&Secret::new(secret)))
    }

    #[test]
    fn a_session_opens_on_every_server_with_the_same_secret_until_it_ends() {
        let session = sealer("one").seal(CREDENTIAL, now()).unwrap();
        assert!(!session.contains(CREDENTIAL));
        assert_eq!(opened(&sealer("one"), &session, now()).as_deref(), Some(CREDENTIAL));
        assert_eq!(opened(&sealer("two"), &session, now()), None);
        assert_eq!(opened(&SessionSealer::new(None), &session, now()), None);
        let end = now() + SESSION_LIFETIME;
        assert!(sealer("one").open(&session, end - SignedDuration::from_secs(1)).is_some());
        assert_eq!(opened(&sealer("one"), &session, end), None);
        assert_eq!(sealer("one").open(&session, now()).unwrap().began_at, now());
    }

    #[test]
    fn two_sessions_of_a_credential_differ_and_their_keys_are_random_without_a_secret() {
        let (one, other) = (SessionSealer::new(None), SessionSealer::new(None));
        let session = one.seal(CREDENTIAL, now()).unwrap();
        assert_ne!(one.seal(CREDENTIAL, now()).unwrap(), session);
        assert_eq!(opened(&one, &session, now()).as_deref(), Some(CREDENTIAL));
        assert_eq!(opened(&other, &session, now()), None);
    }

    #[test]
    fn a_session_that_was_changed_does_not_open() {
        let sealer = sealer("one");
        let session = sealer.seal(CREDENTIAL, now()).unwrap();
        for index in 0..session.len() {
            let mut changed = session.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(opened(&sealer, &changed, now()), None, "{index}");
        }
        for nonsense in ["", "A", "====", &session[..session.len() / 2]] {
            assert_eq!(opened(&sealer, nonsense, now()), None, "{nonsense}");
        }
    }

    #[test]
    fn a_session_fits_into_a_cookie() {
        let longest = sealer("one").seal(&"x".repeat(MAX_CREDENTIAL), now()).unwrap();
        assert!(longest.len() < 4000, "{}", longest.len());
        assert_eq!(sealer("one").seal(&"x".repeat(MAX_CREDENTIAL + 1), now()), None);
    }
}
