//! The format of an API key: `dm_<id>_<secret>`. The id is a UUID in 32 hexadecimal digits, by which the store finds
//! the key; the secret is 32 random bytes in base64url.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{KeyHash, Secret};

const PREFIX: &str = "dm_";
const ID_DIGITS: usize = 32;
const SECRET_BYTES: usize = 32;

/// Whether the text looks like an API key rather than a JSON Web Token.
pub fn is_api_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Returns the text of a new key, and the hash of its secret.
///
/// # Errors
/// When the operating system cannot provide random bytes.
pub fn generate(id: Uuid) -> Result<(Secret, KeyHash), getrandom::Error> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)?;
    let text = format!("{PREFIX}{}_{}", id.simple(), URL_SAFE_NO_PAD.encode(secret));
    Ok((Secret::new(text), hash(&secret)))
}

/// Returns the id and the hash of the secret, if the text has the format of a key.
pub fn parse(text: &str) -> Option<(Uuid, KeyHash)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(ID_DIGITS)?;
    // Only the canonical text of a key is accepted, so that each key has a single cache entry.
    let id = Uuid::try_parse(id).ok().filter(|parsed| parsed.simple().to_string() == id)?;
    let secret: [u8; SECRET_BYTES] =
        URL_SAFE_NO_PAD.decode(secret.strip_prefix('_')?).ok()?.try_into().ok()?;
    Some((id, hash(&secret)))
}

/// Compares two hashes in constant time.
pub fn is_same(one: &KeyHash, other: &KeyHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// A fast hash without salt is sufficient, unlike for passwords: 2^256 secrets cannot be searched, and no two keys have
/// the same secret.
fn hash(secret: &[u8; SECRET_BYTES]) -> KeyHash {
    KeyHash(Sha256::digest(secret).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_generated_key_is_parsed_and_other_texts_are_not() {
        let id = Uuid::from_u128(0xdead_beef_dead_beef_dead_beef_dead_beef);
        let (text, hash) = generate(id).unwrap();
        let (other, _) = generate(id).unwrap();
        assert_eq!(text.reveal().len(), 79);
        assert_eq!(parse(text.reveal()), Some((id, hash)));
        assert_ne!(text, other);
        let (_, other_hash) = parse(other.reveal()).unwrap();
        assert!(is_same(&hash, &hash) && !is_same(&hash, &other_hash));
        for wrong in [
            text.reveal().replace("dm_", "dn_"),
            text.reveal().to_uppercase(),
            format!("dm_{}_{}", id.simple().to_string().to_uppercase(), &text.reveal()[36..]),
            format!("{} ", text.reveal()),
            format!("{}=", text.reveal()),
            text.reveal()[..78].to_owned(),
            format!("dm_{id}_{}", &text.reveal()[36..]),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(dm_)?[0-9a-fé_-]{0,90}|.*") {
            let _ = parse(&text);
        }
    }
}
