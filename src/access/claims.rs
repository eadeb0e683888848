//! Checks the claims of a token whose signature is valid: validity period, audience, issuer, subject and role.

use jiff::Timestamp;
use serde::Deserialize;

use super::Role;
use crate::config::AccessSettings;

/// The most by which the clocks of issuer and server may differ, in seconds.
const LEEWAY_S: f64 = 30.0;
/// The longest subject that is accepted. Each subject is held in memory to count its requests.
const MAX_SUBJECT_BYTES: usize = 255;

/// The claims that are read. Unknown claims are ignored; a known claim of the wrong type makes the token invalid.
#[derive(Deserialize)]
pub struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    aud: Option<Audience>,
    iss: Option<String>,
    sub: Option<String>,
    /// The database role that Supabase's API assumes for the request.
    role: Option<String>,
    daymark_role: Option<String>,
    /// Only the issuer can write this claim. The similar claim `user_metadata` can be written by the user and is
    /// ignored.
    app_metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// Supabase sets this claim for users who signed in anonymously.
    #[serde(default)]
    is_anonymous: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The holder of a token.
#[derive(Debug, PartialEq, Eq)]
pub struct Bearer {
    pub role: Role,
    /// The claim `sub`.
    pub subject: Option<String>,
    /// The first instant at which the token is no longer valid.
    pub expires_at: Timestamp,
}

impl Claims {
    /// # Errors
    /// The reason why the token is not valid. It never quotes the token.
    pub fn check(self, settings: &AccessSettings, now: Timestamp) -> Result<Bearer, &'static str> {
        // Seconds since 1970 as a float, which is the unit of the claims; it is exact to less than a microsecond.
        let now_s = now.as_millisecond() as f64 / 1000.0;
        let expires = self.exp.ok_or("the token has no expiry (claim `exp`)")? + LEEWAY_S;
        if now_s >= expires {
            return Err("the token has expired");
        }
        if self.nbf.is_some_and(|nbf| now_s + LEEWAY_S < nbf) {
            return Err("the token is not valid yet (claim `nbf`)");
        }
        let audience = &settings.jwt_audience;
        let is_meant_for_us = match &self.aud {
            None => true,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Many(many)) => many.contains(audience),
        };
        if !is_meant_for_us {
            return Err("the token is for another audience (claim `aud`)");
        }
        if settings.jwt_issuer.is_some() && self.iss != settings.jwt_issuer {
            return Err("the token is by another issuer (claim `iss`)");
        }
        let is_subject = |subject: &String| {
            !subject.is_empty() && subject.len() <= MAX_SUBJECT_BYTES && !subject.contains(char::is_control)
        };
        if !self.sub.as_ref().is_none_or(is_subject) {
            return Err("the token's subject (claim `sub`) is empty, too long or not printable");
        }
        Ok(Bearer { role: self.role()?, expires_at: instant(expires), subject: self.sub })
    }

    fn role(&self) -> Result<Role, &'static str> {
        match self.role.as_deref() {
            Some("anon") => return Ok(Role::Anonymous),
            Some("service_role") => return Ok(Role::Service),
            Some("authenticated") | None => {}
            Some(_) => {
                return Err("the token's role is none of `anon`, `authenticated` and `service_role`");
            }
        }
        // An anonymous sign-in proves no identity, so the other claims are ignored.
        if self.is_anonymous {
            return Ok(Role::Anonymous);
        }
        let in_metadata = self.app_metadata.as_ref().and_then(|metadata| metadata.get("daymark_role"));
        let name = match (in_metadata, &self.daymark_role) {
            (Some(serde_json::Value::String(name)), _) | (None, Some(name)) => name.as_str(),
            (Some(_), _) => return Err(UNKNOWN_DAYMARK_ROLE),
            (None, None) => return Ok(Role::Reader),
        };
        name.parse().ok().filter(|role| *role != Role::Anonymous).ok_or(UNKNOWN_DAYMARK_ROLE)
    }
}

const UNKNOWN_DAYMARK_ROLE: &str = "the token's `daymark_role` is none of `reader`, `admin` and `service`";

/// Converts seconds since 1970 to an instant; values beyond the calendar become the last instant.
fn instant(seconds: f64) -> Timestamp {
    if seconds >= Timestamp::MAX.as_second() as f64 {
        return Timestamp::MAX;
    }
    // The value is in range: `check` has already refused expiry times in the past.
    Timestamp::from_millisecond((seconds * 1000.0) as i64).unwrap_or(Timestamp::MIN)
}
