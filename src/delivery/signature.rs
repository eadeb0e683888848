//! The signature of a webhook as Standard Webhooks specifies it: `v1,` and the HMAC-SHA256 of id, time and body, in Base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The prefix of secrets that are the Base64 of their bytes; others are taken as they are.
const PREFIX: &str = "whsec_";

/// Signs a body for the receiver that knows `secret`. `at` is a Unix time in seconds.
///
/// # Errors
/// When the secret says that it is Base64 and is not.
pub fn sign(secret: &str, id: &str, at: i64, body: &str) -> Result<String, String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| format!("the secret begins with {PREFIX} and is not Base64"))?,
        None => secret.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementation.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let body = r#"{"test": 2432232314}"#;
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(sign("whsec_not base64", "id", 0, body).is_err());
        assert_ne!(sign("plain", "id", 0, body), sign("other", "id", 0, body));
    }
}
