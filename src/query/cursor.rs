//! Cursors: where a page ended, as an opaque text that fits into a URL. A cursor holds the identity of its query, so
//! that it continues no other one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use twox_hash::XxHash3_64;

/// The longest cursor that is accepted, in bytes; every cursor of a page is shorter.
const MAX_LENGTH: usize = 512;

pub(super) fn write(position: &impl Serialize) -> String {
    // Positions are tuples of texts and dates, which are always JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// The identity of a query: a hash of its parameters.
pub(super) fn identity(parameters: &impl Serialize) -> u64 {
    // Parameters are texts and dates, which always serialise.
    XxHash3_64::oneshot(&serde_json::to_vec(parameters).unwrap_or_default())
}

/// The message for a cursor that belongs to another query.
pub(super) const FOREIGN: &str =
    "it belongs to another query; send the other parameters unchanged from the previous page";

/// The message for a text that no page returned as its cursor.
pub(super) const NOT_A_CURSOR: &str = "it is not a cursor; send `next_cursor` of the previous page unchanged";

/// # Errors
/// When the text is not a cursor that a page returned.
pub(super) fn read<T: DeserializeOwned>(cursor: &str) -> Result<T, String> {
    let read = || {
        let json = URL_SAFE_NO_PAD.decode((cursor.len() <= MAX_LENGTH).then_some(cursor)?).ok()?;
        serde_json::from_slice(&json).ok()
    };
    read().ok_or_else(|| NOT_A_CURSOR.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cursors_of_pages_are_accepted() {
        let position = ("2025-01-01", "posts_created", 3);
        let cursor = write(&position);
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
        let back: (String, String, i32) = read(&cursor).unwrap();
        assert_eq!((back.0.as_str(), back.1.as_str(), back.2), position);
        for wrong in ["", "!", "bm9uc2Vuc2U", &"A".repeat(10_000), &format!("{cursor}=")] {
            assert!(read::<(String, String, i32)>(wrong).is_err(), "{wrong}");
        }
    }
}
